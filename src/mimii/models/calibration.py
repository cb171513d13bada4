"""The thresholds of a detector, and the scores of normal recordings that they come from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mimii.data.machines import Machine
from mimii.errors import TaskError
from mimii.evaluation.thresholds import NormalScores, are_few, gamma_threshold
from mimii.models.choices import Way
from mimii.models.container import CalibrationEntry


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of normal recordings by one way of scoring, and the thresholds from them.

    Attributes
    ----------
    scores : np.ndarray [shape=(n,)]
    machines : tuple of Machine
        The machine of each score.
    source : str
        ``held_out`` or ``training``; see `mimii.evaluation.thresholds.NormalScores`.
    threshold_of_all : float
        From all scores.
    thresholds : dict of Machine to float
        From the scores of each machine.
    """

    scores: np.ndarray
    machines: tuple[Machine, ...]
    source: str
    threshold_of_all: float
    thresholds: dict[Machine, float]

    def threshold(self, machine: Machine | None = None) -> float:
        """The score above which a recording counts as abnormal.

        Parameters
        ----------
        machine : Machine, optional
            One whose own scores count. Without it, and for a machine that has no scores here, all scores count.
        """
        return self.threshold_of_all if machine is None else self.thresholds.get(machine, self.threshold_of_all)

    def threshold_from(self, machine: Machine | None = None) -> str:
        """What `threshold` follows from: the source of its scores, with ``_highest`` where they are too few.

        Parameters
        ----------
        machine : Machine, optional
            As of `threshold`.
        """
        count = self.machines.count(machine) if machine in self.thresholds else len(self.machines)
        return f"{self.source}_highest" if are_few(count) else self.source

    @classmethod
    def of(cls, normal: NormalScores, machines: Sequence[Machine]) -> "Calibration":
        """Find the thresholds.

        Parameters
        ----------
        normal : NormalScores
        machines : sequence of Machine
            The machine of each score.

        Raises
        ------
        TaskError
            A score is not finite.
        """
        scores = np.asarray(normal.scores, dtype=np.float64)
        if not np.isfinite(scores).all():
            raise TaskError("the model's scores of normal recordings are not finite")
        thresholds = {
            machine: gamma_threshold(scores[[other == machine for other in machines]])
            for machine in dict.fromkeys(machines)
        }
        return cls(scores, tuple(machines), normal.source, gamma_threshold(scores), thresholds)

    def to_entry(self, way: Way) -> CalibrationEntry:
        """As it stands in a model file."""
        numbers = {machine: number for number, machine in enumerate(self.thresholds)}
        return CalibrationEntry(
            scoring=way[0],
            score_pooling=way[1],
            source=self.source,
            scores=self.scores.tolist(),
            machines=[list(machine) for machine in numbers],
            machine_of=[numbers[machine] for machine in self.machines],
            threshold=self.threshold_of_all,
            machine_thresholds=list(self.thresholds.values()),
        )

    @classmethod
    def from_entry(cls, entry: CalibrationEntry) -> "Calibration":
        """From a model file.

        Raises
        ------
        ValueError
            The entry contradicts itself.
        """
        machines: list[Machine] = []
        for names in entry.machines:
            snr, machine_type, machine_id = names
            machines.append((snr, machine_type, machine_id))
        if entry.source not in ("held_out", "training"):
            raise ValueError(f"no scores come from {entry.source!r:.40}")
        if not entry.scores or len(entry.scores) != len(entry.machine_of) or min(entry.machine_of) < 0:
            raise ValueError("the scores and their machines do not fit")
        return cls(
            scores=np.array(entry.scores, dtype=np.float64),
            machines=tuple(machines[number] for number in entry.machine_of),
            source=entry.source,
            threshold_of_all=entry.threshold,
            thresholds=dict(zip(machines, entry.machine_thresholds, strict=True)),
        )
