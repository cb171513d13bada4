"""A detector that watches one machine: its file holds all that judging and explaining need."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mimii.errors import UserError
from mimii.models.calibration import Calibration
from mimii.models.choices import Way
from mimii.models.files import TrainedDetector, load_with_parts
from mimii.models.recording import windows_of
from mimii.monitoring.choosing import listed
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

    @cached_property
    def median_score(self) -> float:
        """The median score of the held-out healthy recordings."""
        return float(np.median(self.calibration.scores))

    def relative(self, score: float) -> float:
        """A score in units of the threshold: 0 at the median of healthy recordings, 1 at the threshold."""
        return (score - self.median_score) / (self.threshold - self.median_score)

    @property
    def needs_samples(self) -> bool:
        """It scores samples, and not log-mel frames alone."""
        return self.detector.model.needs_samples

    @property
    def name(self) -> str:
        """Of the detector, with its members where it has some: ``fusion of ldn and mahalanobis``."""
        model = self.detector.model
        if model.name != "fusion":
            return model.name
        return f"fusion of {listed(model.variant.split(', '))}"

    def scores(self, parts: list[np.ndarray], signals: list[np.ndarray] | None = None) -> np.ndarray:
        """The scores of recordings, or of parts of one as if each were a recording.

        Parameters
        ----------
        parts : list of np.ndarray [shape=(n_frames, n_mels), dtype=float32]
            The log-mel frames of each, no fewer than a window of the model has [dB].
        signals : list of np.ndarray [shape=(n_samples,)], optional
            The samples of each, which must be there where ``needs_samples`` is true.

        Returns
        -------
        np.ndarray [shape=(n,), dtype=float64]
        """
        model = self.detector.model
        windows = windows_of(parts, model.frames, signals=signals if self.needs_samples else None)
        _, scores = model.score_recordings(windows, *self.way)
        return np.asarray(scores, dtype=np.float64)

    def save(self, path: str | os.PathLike[str]) -> None:
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
            with np.errstate(over="ignore"):
                if not 0 < monitor.threshold - monitor.median_score < np.inf:
                    raise ValueError("its threshold is not above the median of the healthy scores")
        except Exception as error:  # a file from elsewhere can raise anything at all
            raise CacheError(f"{name}: {first_line(error)}") from error
        return monitor
