"""What all networks share, and the models that are made of one."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mimii.evaluation.scoring import NormalScores, folds
from mimii.features.windows import Windows
from mimii.models.base import Classifier, History, Model, WindowDetector
from mimii.models.gaussian import Gaussian
from mimii.settings import SCORINGS, TrainingSettings
from mimii.storage import files
from mimii.training import loop

ENOUGH = 10  # validation recordings, for a threshold from them alone


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
        return loop.train(self.network, windows, validation, settings, seed=seed, device=self.device, give_way=give_way)

    @property
    def num_parameters(self) -> int:
        """Trainable parameters; the scale of the mel bands is not among them."""
        return sum(parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad)

    def save(self, path: Path, facts: dict[str, Any]) -> None:
        """Write weights and facts."""
        content = {"signature": self.signature, **self._learnt(), "facts": facts}
        buffer = io.BytesIO()
        torch.save(content, buffer)
        with files.sealed_file(path) as file:
            file.write(buffer.getvalue())

    def _learnt(self) -> dict[str, Any]:
        """What its file holds, as tensors."""
        return {"state": {key: value.cpu() for key, value in self.network.state_dict().items()}}

    def _take(self, content: dict[str, Any]) -> None:
        """Take over what `_learnt` gave."""
        self.network.load_state_dict(content["state"])

    def load(self, path: Path) -> dict[str, Any]:
        """Read weights and facts; nothing in the file can run code."""
        with files.open_sealed(path) as file:
            archive = io.BytesIO(file.read())
        try:
            content = torch.load(archive, map_location=self.device, weights_only=True)
            if content["signature"] != self.signature:
                raise ValueError(f"holds {content['signature']}, not {self.signature}")
            self._take(content)
            return content["facts"]
        except Exception as error:  # torch raises many kinds for a file from elsewhere
            raise files.CacheError(f"{path.name}: {files.first_line(error)}") from error


class NetworkDetector(NetworkModel, WindowDetector):
    """A detector that is a network with ``score`` and ``residual``; see `mimii.networks.autoencoders.Autoencoder`.

    It scores a recording in two ways. ``mse`` pools the mean squared errors of its windows. ``mahalanobis`` is the
    squared Mahalanobis distance of the recording's mean residual from those of the training recordings: the mean
    over the windows, and over the frames of a window, of what the network leaves of each mel band. The squared error
    knows neither which bands are always hard to predict, nor which go together, nor on which side of the prediction
    they are.

    Attributes
    ----------
    residuals : Gaussian
        Of the mean residuals of the training recordings, those for validation included; over the mel bands.
    """

    residuals: Gaussian

    def __init__(
        self, network_class: Callable[[int, int], Network], name: str, n_mels: int, frames: int, device: str = "cpu"
    ):
        super().__init__(name, n_mels, frames, device)
        self._network_class = network_class
        self.network = self._make_network().to(device).eval()

    def _make_network(self) -> Network:
        return self._network_class(self.n_mels, self.frames)

    def score_windows(self, windows: Windows) -> np.ndarray:
        """Mean squared error of each window: np.ndarray [shape=(n_windows,), dtype=float32]."""
        return loop.apply(self.network, self.network.score, windows, self.device)

    def mean_residuals(self, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
        """Mean residual of each recording, by mel band.

        Returns
        -------
        numbers : np.ndarray [shape=(n,), dtype=int64]
        means : np.ndarray [shape=(n, n_mels), dtype=float64]
            In standard deviations of the band.
        """

        def residual(batch: torch.Tensor) -> torch.Tensor:
            return self.network.residual(batch).mean(dim=1)  # (B, T, M) -> (B, M)

        return loop.mean_by_recording(self.network, residual, windows, self.device)

    def fit(
        self,
        windows: Windows,
        validation: Windows | None,
        settings: TrainingSettings,
        *,
        seed: int,
        give_way: Callable[[], float] = lambda: 0.0,
    ) -> History:
        """Train the network from new weights, then find how its residuals are distributed."""
        history = super().fit(windows, validation, settings, seed=seed, give_way=give_way)
        begin = time.perf_counter()
        parts = [self.mean_residuals(part)[1] for part in (windows, validation) if part is not None]
        self.residuals = Gaussian.fit(np.concatenate(parts), equalise=True)
        history.training_time_sec += time.perf_counter() - begin
        return history

    def score_recordings(
        self, windows: Windows, scoring: str = "mse", pooling: str = "mean"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score of each recording: ``mse`` or ``mahalanobis``, which needs no pooling."""
        if scoring not in SCORINGS:
            raise ValueError(f"unknown scoring {scoring!r}; there are {', '.join(SCORINGS)}")
        if scoring == "mse":
            return super().score_recordings(windows, scoring, pooling)
        numbers, residuals = self.mean_residuals(windows)
        return numbers, self.residuals.distance(residuals)

    def score_normal(
        self,
        windows: Windows,
        validation: Windows | None,
        settings: TrainingSettings,
        *,
        seed: int,
        scoring: str = "mse",
        pooling: str = "mean",
    ) -> NormalScores:
        """Scores of the validation recordings or, of fewer than ten, of all training recordings.

        The network is not trained again. The distribution of the residuals is: each recording's distance is from
        the residuals of others; see `mimii.evaluation.scoring.folds`.
        """
        found = []
        for part in (windows, validation):
            if part is not None and scoring == "mse":
                found.append(self.score_recordings(part, scoring, pooling))
            elif part is not None:
                found.append(self.mean_residuals(part))
        numbers, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
        if scoring == "mahalanobis" and len(values) == 1:
            values = self.residuals.distance(values)
        elif scoring == "mahalanobis":
            distances = np.empty(len(values))
            for fold in folds(len(values)):
                distances[fold] = Gaussian.fit(values[~fold], equalise=True).distance(values[fold])
            values = distances
        learnt_from = len(found[0][0])
        if len(numbers) - learnt_from >= ENOUGH:
            return NormalScores(numbers[learnt_from:], values[learnt_from:], "left_out")
        return NormalScores(numbers, values, "training")

    def count_parameters(self, scoring: str = "mse") -> int:
        """Those of the network and, for ``mahalanobis``, of the distribution of its residuals."""
        return self.num_parameters + (self.residuals.size if scoring == "mahalanobis" else 0)

    def _learnt(self) -> dict[str, Any]:
        """Weights, and the distribution of the residuals."""
        residuals = {name: torch.from_numpy(value) for name, value in vars(self.residuals).items()}
        return super()._learnt() | {"residuals": residuals}

    def _take(self, content: dict[str, Any]) -> None:
        """Take over both."""
        super()._take(content)
        self.residuals = Gaussian(**{name: value.cpu().numpy() for name, value in content["residuals"].items()})


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
        return loop.apply(self.network, self.network.probabilities, windows, self.device)
