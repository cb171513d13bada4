"""The contract of every model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mimii.features import Windows
from mimii.settings import TrainingSettings


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
        """Learn from windows, a classifier from their targets; see `mimii.training.train`."""

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
        mimii.cache.CacheError
            The file is not one that `save` wrote, or is of another model.
        """


class Detector(Model):
    """Learns normal windows, and scores others: the higher, the more anomalous."""

    @abstractmethod
    def score_windows(self, windows: Windows) -> np.ndarray:
        """Score of each window: np.ndarray [shape=(n_windows,)]."""


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
