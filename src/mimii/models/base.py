"""The contract of every model."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mimii.evaluation.scoring import NormalScores, folds, pool_scores
from mimii.features.windows import Windows
from mimii.settings import NATIVE, TrainingSettings


@dataclass
class History:
    """What happened while a model was trained.

    Attributes
    ----------
    train_loss, val_loss : list of float, one an epoch
        Mean over the windows. ``val_loss`` is empty where no recording could be spared for validation; both are
        where a model knows no epochs.
    training_time_sec : float
        Wall time of the fit, after a rehearsal of one step, less the time spent waiting for others to measure their
        latency [s].
    train_samples : int
        Windows that the model learned from.
    """

    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    training_time_sec: float = 0.0
    train_samples: int = 0


class Model(ABC):
    """What detectors and classifiers share.

    Parameters
    ----------
    name : str
        The model's name in the registry.
    n_mels, frames : int > 0
        Shape of a window, (frames, n_mels).
    device : str
        Where it runs; models that know only the CPU ignore it.

    Attributes
    ----------
    variant : str
        Which algorithm it took, where that depends on the amount of data; else empty.
    """

    def __init__(self, name: str, n_mels: int, frames: int, device: str = "cpu"):
        self.name = name
        self.n_mels = n_mels
        self.frames = frames
        self.device = device
        self.variant = ""

    @property
    def signature(self) -> list[str | int]:
        """What a file must have been saved for to be loaded: the name and the shape of a window."""
        return [self.name, self.n_mels, self.frames]

    @abstractmethod
    def fit(
        self,
        windows: Windows,
        validation: Windows | None,
        settings: TrainingSettings,
        *,
        seed: int,
        give_way: Callable[[], float] = lambda: 0.0,
    ) -> History:
        """Learn from windows, a classifier from their targets; see `mimii.training.loop.train`."""

    @property
    @abstractmethod
    def num_parameters(self) -> int:
        """How many numbers were fitted to the data and are kept."""

    @abstractmethod
    def save(self, path: Path, facts: dict[str, Any]) -> None:
        """Write the fitted model to ``path``, with facts about its training (numbers, strings, lists)."""

    @abstractmethod
    def load(self, path: Path) -> dict[str, Any]:
        """Take over the fitted model in ``path``; gives the facts back.

        Raises
        ------
        mimii.storage.files.CacheError
            The file is not one that `save` wrote, or is of another model.
        """


class Detector(Model):
    """Learns normal recordings, and scores others: the higher, the more anomalous.

    Attributes
    ----------
    min_recordings : int
        The fewest recordings that it can learn from.
    is_recording_level : bool
        It judges recordings as a whole, and has no score for a window.
    """

    min_recordings: ClassVar[int] = 1
    is_recording_level: ClassVar[bool] = False

    @abstractmethod
    def score_recordings(
        self, windows: Windows, scoring: str = NATIVE, pooling: str = "mean"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score of each recording.

        Parameters
        ----------
        windows : Windows
            All those of the recordings.
        scoring : str
            One of `mimii.models.scorings`.
        pooling : str
            How scores of windows become that of a recording, where there are any; see `mimii.evaluation.scoring`.

        Returns
        -------
        numbers : np.ndarray [shape=(n,), dtype=int64]
            The recordings that have windows, ascending.
        scores : np.ndarray [shape=(n,), dtype=float64]
        """

    def count_parameters(self, scoring: str = NATIVE) -> int:
        """How many numbers were fitted to the data and take part in a score."""
        return self.num_parameters

    def score_normal(
        self,
        windows: Windows,
        validation: Windows | None,
        settings: TrainingSettings,
        *,
        seed: int,
        scoring: str = NATIVE,
        pooling: str = "mean",
    ) -> NormalScores:
        """Scores of training recordings, where that is possible by one that has not learnt from them.

        In turn each fifth recording, of fewer than five each one, is left out and scored by a detector that learns
        from the others; see `mimii.evaluation.scoring.folds`.

        Parameters
        ----------
        windows, validation, settings, seed
            What the detector was fitted with.
        scoring, pooling : str
            As for `score_recordings`.
        """
        numbers = np.unique(windows.recording)
        left_out = folds(len(numbers))
        if len(numbers) - max(fold.sum() for fold in left_out) < self.min_recordings:
            return NormalScores(*self.score_recordings(windows, scoring, pooling), "training")
        scores = np.empty(len(numbers))
        for fold in left_out:
            is_out = np.isin(windows.recording, numbers[fold])
            other = copy.copy(self)
            other.fit(windows.take(np.flatnonzero(~is_out)), None, settings, seed=seed)
            _, scores[fold] = other.score_recordings(windows.take(np.flatnonzero(is_out)), scoring, pooling)
        return NormalScores(numbers, scores, "left_out")


class WindowDetector(Detector):
    """A detector that has a score for each window."""

    @abstractmethod
    def score_windows(self, windows: Windows) -> np.ndarray:
        """Score of each window: np.ndarray [shape=(n_windows,)]."""

    def score_recordings(
        self, windows: Windows, scoring: str = NATIVE, pooling: str = "mean"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score of each recording, from those of its windows."""
        return pool_scores(windows, self.score_windows(windows), pooling)


class Classifier(Model):
    """Learns classes from labelled windows.

    Parameters
    ----------
    num_classes : int >= 2
    balanced : bool
        Weigh each class by the inverse of its share of the training windows.
    """

    def __init__(
        self, name: str, n_mels: int, frames: int, device: str = "cpu", *, num_classes: int, balanced: bool = True
    ):
        super().__init__(name, n_mels, frames, device)
        self.num_classes = num_classes
        self.balanced = balanced

    @property
    def signature(self) -> list[str | int]:
        """As of every model, and the number of classes."""
        return [*super().signature, self.num_classes]

    @abstractmethod
    def predict_proba(self, windows: Windows) -> np.ndarray:
        """Probability of each class for each window: np.ndarray [shape=(n_windows, num_classes)]."""
