"""The contract of every model."""

import copy
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from mimii.data.machines import Machine
from mimii.evaluation.scoring import folds, pool_scores
from mimii.evaluation.thresholds import NormalScores
from mimii.features.windows import Windows
from mimii.models.choices import Way
from mimii.models.machines import judged
from mimii.settings import NATIVE, SCORE_POOLINGS
from mimii.training.history import History
from mimii.training.hooks import Training


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
    learnt_file : str
        In a model's file, the name of the part that `to_bytes` gives.
    uses_torch : bool
        It can't be used without torch.
    needs_samples : bool
        Its windows must have the samples of the recordings.
    """

    learnt_file: ClassVar[str]
    uses_torch: bool = False
    needs_samples: bool = False

    def __init__(self, name: str, n_mels: int, frames: int, device: str = "cpu"):
        self.name = name
        self.n_mels = n_mels
        self.frames = frames
        self.device = device
        self.variant = ""

    def load_libraries(self) -> None:  # noqa: B027 (most models have nothing to do here)
        """Load what `fit` needs and judging does not: that is no part of the time and the memory of the training."""

    @abstractmethod
    def fit(self, windows: Windows, validation: Windows | None, training: Training) -> History:
        """Learn from windows, a classifier from their targets.

        Parameters
        ----------
        windows, validation : Windows
            To learn from, and to choose the best epoch by; models without epochs ignore the latter.
        training : Training
            The settings, the seed and the hooks.
        """

    @property
    @abstractmethod
    def num_parameters(self) -> int:
        """How many numbers were fitted to the data and are kept."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """All that was learnt, for a file."""

    @abstractmethod
    def from_bytes(self, content: bytes) -> None:
        """Take over what `to_bytes` gave; nothing in the content can run code.

        It may raise anything at all where the content is not what `to_bytes` of such a model gave.
        """


class Detector(Model):
    """Learns normal recordings, and scores others: the higher, the more anomalous.

    Attributes
    ----------
    min_recordings : int
        The fewest recordings that it can learn from.
    min_for_thresholds : int
        The fewest recordings from which it learns enough for its scores of others to be a threshold's source.
    is_clip_level : bool
        It judges a recording as a whole, and has no score for a window.
    """

    min_recordings: int = 1
    min_for_thresholds: ClassVar[int] = 1
    is_clip_level: ClassVar[bool] = False

    @property
    def machines(self) -> tuple[Machine, ...]:
        """The machines that it knows apart; a detector that does not know them apart has none."""
        return ()

    def keep_only(self, machine: Machine) -> None:
        """Forget what other machines sound like, of which it does not judge recordings any more."""

    @abstractmethod
    def score_recordings(
        self, windows: Windows, scoring: str = NATIVE, score_pooling: str = "mean"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score of each recording.

        Parameters
        ----------
        windows : Windows
            All those of the recordings.
        scoring, score_pooling : str
            A way of `mimii.models.scoring_ways`; the pooling is ignored where windows have no scores.

        Returns
        -------
        numbers : np.ndarray [shape=(n,), dtype=int64]
            The recordings that have windows, ascending.
        scores : np.ndarray [shape=(n,), dtype=float64]
        """

    @abstractmethod
    def score_every_way(self, windows: Windows) -> dict[Way, np.ndarray]:
        """Score of each recording in every way of `mimii.models.scoring_ways`: np.ndarray [shape=(n,)] each."""

    def count_parameters(self, scoring: str = NATIVE) -> int:
        """How many numbers were fitted to the data and take part in a score."""
        return self.num_parameters

    def bytes_for(self, scoring: str) -> bytes:
        """What was learnt and takes part in a score, as `to_bytes` gives it."""
        return self.to_bytes()

    def calibrate(self, windows: Windows, validation: Windows | None, training: Training) -> dict[Way, NormalScores]:
        """Scores of training recordings, where that is possible by a detector that has not learnt from them.

        In turn each fifth recording of a machine, of fewer than five each one, is held out and scored by a detector
        that learns from the others; see `mimii.evaluation.scoring.folds`.

        Parameters
        ----------
        windows, validation, training
            What the detector was fitted with.

        Returns
        -------
        dict of (str, str) to NormalScores
            For every way of `mimii.models.scoring_ways`.
        """
        every = np.unique(windows.recording)
        numbers = self.to_hold_out(windows, every)
        machine = None if windows.origins is None else windows.origins.machine[numbers]
        held_out = folds(len(numbers), machine) if len(numbers) else []
        largest = max((fold.sum() for fold in held_out), default=len(every))
        if len(every) - largest < max(self.min_recordings, self.min_for_thresholds):
            return self.scores_of_training(windows)
        every_way: dict[Way, np.ndarray] = {}
        for fold in held_out:
            is_held_out = np.isin(windows.recording, numbers[fold])
            other = copy.copy(self)
            other.fit(windows.take(np.flatnonzero(~is_held_out)), None, training)
            for way, scores in other.score_every_way(windows.take(np.flatnonzero(is_held_out))).items():
                every_way.setdefault(way, np.empty(len(numbers)))[fold] = scores
        return {way: NormalScores(numbers, scores, "held_out") for way, scores in every_way.items()}

    def scores_of_training(self, windows: Windows) -> dict[Way, NormalScores]:
        """What `calibrate` gives where nothing can be held out: scores of recordings that were learnt."""
        windows = judged(windows)
        numbers = np.unique(windows.recording)
        return {way: NormalScores(numbers, scores, "training") for way, scores in self.score_every_way(windows).items()}

    def to_hold_out(self, windows: Windows, numbers: np.ndarray) -> np.ndarray:
        """Those of the training recordings that can be held out: the others must suffice to score them."""
        return numbers


class WindowDetector(Detector):
    """A detector that has a score for each window."""

    @abstractmethod
    def score_windows(self, windows: Windows) -> np.ndarray:
        """Score of each window: np.ndarray [shape=(n_windows,)]."""

    def score_recordings(
        self, windows: Windows, scoring: str = NATIVE, score_pooling: str = "mean"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score of each recording, from those of its windows."""
        return pool_scores(windows, self.score_windows(windows), score_pooling)

    def score_every_way(self, windows: Windows) -> dict[Way, np.ndarray]:
        """Score of each recording by each pooling; the windows are scored once."""
        scores = self.score_windows(windows)
        return {(NATIVE, pooling): pool_scores(windows, scores, pooling)[1] for pooling in SCORE_POOLINGS}


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

    @abstractmethod
    def predict_proba(self, windows: Windows) -> np.ndarray:
        """Probability of each class for each window: np.ndarray [shape=(n_windows, num_classes)]."""
