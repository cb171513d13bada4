"""What all networks share, and the models that are made of one."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mimii import cache, training
from mimii.features import Windows
from mimii.models.base import Classifier, Detector, History, Model
from mimii.settings import TrainingSettings


class Network(nn.Module):
    """A network over windows of shape (B, frames, n_mels) that standardises its input itself.

    A subclass has ``loss(windows)`` or, to learn classes, ``loss(windows, targets)``: the mean loss of a batch.

    Parameters
    ----------
    n_mels, frames : int > 0
        Shape of a window.

    Attributes
    ----------
    keeps_best : bool
        After training it has the weights of its best epoch, or else of the last one.
    """

    keeps_best = True

    def __init__(self, n_mels: int, frames: int):
        super().__init__()
        self.n_mels = n_mels
        self.frames = frames
        self.register_buffer("mean", torch.zeros(n_mels))
        self.register_buffer("std", torch.ones(n_mels))

    def fit_scale(self, windows: Windows) -> None:
        """Take the mean and standard deviation of each mel band from the training windows."""
        mean, std = windows.band_statistics()
        self.mean.copy_(torch.from_numpy(mean))
        self.std.copy_(torch.from_numpy(std))

    def standardise(self, windows: torch.Tensor) -> torch.Tensor:
        """Each mel band to mean 0 and standard deviation 1: (B, frames, n_mels) -> the same."""
        return (windows - self.mean) / self.std


class NetworkModel(Model):
    """A model that is a trained network."""

    network: Network

    def _make_network(self) -> Network:
        raise NotImplementedError

    def fit(
        self,
        windows: Windows,
        validation: Windows | None,
        settings: TrainingSettings,
        *,
        seed: int,
        give_way: Callable[[], float] = lambda: 0.0,
    ) -> History:
        """Train the network from new weights."""
        torch.manual_seed(seed)
        self.network = self._make_network()
        return training.train(
            self.network, windows, validation, settings, seed=seed, device=self.device, give_way=give_way
        )

    @property
    def num_parameters(self) -> int:
        """Trainable parameters; the scale of the mel bands is not among them."""
        return sum(parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad)

    def save(self, path: Path, facts: dict[str, Any]) -> None:
        """Write weights and facts."""
        content = {
            "signature": self.signature,
            "state": {key: value.cpu() for key, value in self.network.state_dict().items()},
            "facts": facts,
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        cache.save_sealed(path, buffer.getvalue())

    def load(self, path: Path) -> dict[str, Any]:
        """Read weights and facts; nothing in the file can run code."""
        file = io.BytesIO(cache.load_sealed(path))
        try:
            content = torch.load(file, map_location=self.device, weights_only=True)
            if content["signature"] != self.signature:
                raise ValueError(f"holds {content['signature']}, not {self.signature}")
            self.network.load_state_dict(content["state"])
            return content["facts"]
        except Exception as error:  # torch raises many kinds for a file from elsewhere
            raise cache.CacheError(f"{path.name}: {cache.first_line(error)}") from error


class NetworkDetector(NetworkModel, Detector):
    """A detector that is a network with ``score``: (B, frames, n_mels) -> (B,)."""

    def __init__(
        self, network_class: Callable[[int, int], Network], name: str, n_mels: int, frames: int, device: str = "cpu"
    ):
        super().__init__(name, n_mels, frames, device)
        self._network_class = network_class
        self.network = self._make_network().to(device).eval()

    def _make_network(self) -> Network:
        return self._network_class(self.n_mels, self.frames)

    def score_windows(self, windows: Windows) -> np.ndarray:
        """Score of each window: np.ndarray [shape=(n_windows,), dtype=float32]."""
        return training.apply(self.network, self.network.score, windows, self.device)


class NetworkClassifier(NetworkModel, Classifier):
    """A classifier that is a network with ``probabilities``: (B, frames, n_mels) -> (B, num_classes)."""

    def __init__(
        self,
        network_class: Callable[[int, int, int], Network],
        name: str,
        n_mels: int,
        frames: int,
        device: str = "cpu",
        *,
        num_classes: int,
        balanced: bool = True,
    ):
        super().__init__(name, n_mels, frames, device, num_classes=num_classes, balanced=balanced)
        self._network_class = network_class
        self.network = self._make_network().to(device).eval()

    def _make_network(self) -> Network:
        return self._network_class(self.n_mels, self.frames, self.num_classes, balanced=self.balanced)

    def predict_proba(self, windows: Windows) -> np.ndarray:
        """Probabilities: np.ndarray [shape=(n_windows, num_classes), dtype=float32]."""
        return training.apply(self.network, self.network.probabilities, windows, self.device)
