"""A detector that watches one machine: its file holds all that judging and explaining need."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mimii.errors import UserError
from mimii.models.calibration import Calibration
from mimii.models.files import TrainedDetector, load_with_parts
from mimii.models.registry import Way
from mimii.monitoring.healthy import HEALTHY_FILE, Healthy
from mimii.storage.files import CacheError, first_line


@dataclass(eq=False)
class Monitor:
    """A trained detector with what it knows of the healthy recordings of its machine.

    Attributes
    ----------
    detector : TrainedDetector
        Its facts have the way of scoring (``scoring``, ``score_pooling``) and the share of healthy recordings that may
        be called abnormal (``false_alarms``). The threshold of that way is the alarm's.
    healthy : Healthy
    """

    detector: TrainedDetector
    healthy: Healthy

    @property
    def way(self) -> Way:
        """How it scores."""
        return str(self.detector.facts["scoring"]), str(self.detector.facts["score_pooling"])

    @property
    def false_alarms(self) -> float:
        """The share of healthy recordings that may be called abnormal."""
        return float(self.detector.facts["false_alarms"])

    @cached_property
    def calibration(self) -> Calibration:
        """The scores of held-out healthy recordings in its way of scoring, and the threshold."""
        return self.detector.calibrations[self.way]

    @property
    def threshold(self) -> float:
        """The score above which a recording counts as abnormal."""
        return self.calibration.threshold()

    def relative(self, score: float) -> float:
        """A score in units of the threshold: 0 at the median of healthy recordings, 1 at the threshold."""
        middle = float(np.median(self.calibration.scores))
        return (score - middle) / (self.threshold - middle)

    def save(self, path: Path) -> None:
        """Write its file, whole or not at all."""
        self.detector.save_with(path, {HEALTHY_FILE: self.healthy.to_bytes()})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Monitor":
        """Read what `save` wrote; nothing in the file can run code.

        Raises
        ------
        UserError
            There is no such file, it is damaged, or of a model that was not trained to watch a machine.
        """
        try:
            detector, parts = load_with_parts(path)
        except FileNotFoundError as error:
            raise UserError(f"there is no model file {os.fspath(path)}; monitor.py train makes one") from error
        name = Path(path).name
        if not isinstance(detector, TrainedDetector) or HEALTHY_FILE not in parts:
            raise UserError(f"{name} knows no healthy recordings to compare with: make it by monitor.py train")
        try:
            healthy = Healthy.from_bytes(parts[HEALTHY_FILE], detector.features.n_mels)
            monitor = cls(detector, healthy)
            if monitor.way not in detector.calibrations or not 0 < monitor.false_alarms < 1:
                raise ValueError("there is no such way of scoring")
            if not np.isfinite(monitor.relative(monitor.threshold)):
                raise ValueError("its threshold is no higher than half of the healthy scores")
        except Exception as error:  # a file from elsewhere can raise anything at all
            raise CacheError(f"{name}: {first_line(error)}") from error
        return monitor
