"""Models that are a trained network."""

import io
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from mimii.evaluation.scoring import folds, pool_scores
from mimii.evaluation.thresholds import NormalScores
from mimii.features.windows import Windows
from mimii.models.base import Classifier, Model, WindowDetector
from mimii.models.choices import Way
from mimii.models.gaussian import Gaussian
from mimii.networks.autoencoders import Autoencoder
from mimii.networks.base import Network
from mimii.networks.classifiers import ClassifierNetwork
from mimii.settings import SCORE_POOLINGS, SCORINGS
from mimii.training import inference, loop
from mimii.training.history import History
from mimii.training.hooks import Training

ENOUGH = 10  # validation recordings, for a threshold from them alone

NetworkT = TypeVar("NetworkT", bound=Network)


class NetworkModel(Model, Generic[NetworkT]):
    """A model that is a trained network.

    Attributes
    ----------
    network : Network
        It is made when it is used for the first time.
    """

    learnt_file = "weights.pt"
    uses_torch = True

    def _make_network(self) -> NetworkT:
        raise NotImplementedError

    @cached_property
    def network(self) -> NetworkT:
        """A network with new weights, until the model is fitted or loaded."""
        return self._make_network().to(self.device).eval()

    def load_libraries(self) -> None:
        """Load what torch loads when it is first used."""
        loop.load_libraries()

    def fit(self, windows: Windows, validation: Windows | None, training: Training) -> History:
        """Train the network from new weights."""
        self.renew(training.seed)
        history = loop.train(self.network, windows, validation, training, device=self.device)
        self.look_back(windows, validation, history)
        return history

    def renew(self, seed: int) -> None:
        """Give the network new weights, drawn from a seed."""
        torch.manual_seed(seed)
        self.network = self._make_network()

    def look_back(self, windows: Windows, validation: Windows | None, history: History) -> None:
        """Learn what there is to learn with the trained network, which has learnt from these windows."""

    @property
    def num_parameters(self) -> int:
        """Trainable parameters; the scale of the mel bands is not among them."""
        return sum(parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad)

    def to_bytes(self) -> bytes:
        """All that was learnt, as torch saves tensors."""
        return _saved(self._learnt())

    def from_bytes(self, content: bytes) -> None:
        """Take over what `to_bytes` gave."""
        self._take(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))

    def _learnt(self) -> dict[str, Any]:
        """All that was learnt, as tensors."""
        return {"state": {key: value.cpu() for key, value in self.network.state_dict().items()}}

    def _take(self, learnt: dict[str, Any]) -> None:
        """Take over what `_learnt` gave.

        The tensors are held against a network without memory first: one that a file lies about could be of any size.
        """
        with torch.device("meta"):
            expected = self._make_network().state_dict()
        found = learnt["state"]
        if {key: _form(value) for key, value in found.items()} != {
            key: _form(value) for key, value in expected.items()
        }:
            raise ValueError("the weights are not those of its network")
        network = self._make_network()
        network.load_state_dict(found)
        self.network = network.to(self.device).eval()


def _saved(learnt: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(learnt, buffer)
    return buffer.getvalue()


def _form(value: torch.Tensor) -> tuple[torch.Size, torch.dtype, bool]:
    return value.shape, value.dtype, value.is_contiguous()


class NetworkDetector(NetworkModel[Autoencoder], WindowDetector):
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
        self,
        name: str,
        n_mels: int,
        frames: int,
        device: str = "cpu",
        *,
        network_class: Callable[[int, int], Autoencoder],
    ):
        super().__init__(name, n_mels, frames, device)
        self._network_class = network_class
        # what the windows that it has learnt from gave, until `calibrate` has used it
        self._judged: dict[Windows, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def _make_network(self) -> Autoencoder:
        return self._network_class(self.n_mels, self.frames)

    def load_libraries(self) -> None:
        """Load scikit-learn too, which knows how the residuals are distributed."""
        import sklearn.covariance  # noqa: F401

        super().load_libraries()

    def score_windows(self, windows: Windows) -> np.ndarray:
        """Mean squared error of each window: np.ndarray [shape=(n_windows,), dtype=float32]."""
        return inference.apply(self.network, self.network.score, windows, self.device)

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

        return inference.mean_by_recording(self.network, residual, windows, self.device)

    def errors_and_residuals(self, windows: Windows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `score_windows` and `mean_residuals` give, in one pass: the errors, the numbers and the means."""

        def both(batch: torch.Tensor) -> torch.Tensor:
            residual = self.network.residual(batch)
            # (B, T, M) -> (B, 1) and (B, M) -> (B, 1 + M)
            return torch.cat([self.network.error(residual)[:, None], residual.mean(dim=1)], dim=1)

        return inference.values_and_means(self.network, both, windows, self.device)

    def look_back(self, windows: Windows, validation: Windows | None, history: History) -> None:
        """Find how the residuals of the trained network are distributed."""
        begin = time.perf_counter()
        self._judged.clear()
        for part in (windows, validation):
            if part is not None:
                self._judged[part] = self.errors_and_residuals(part)
        self.residuals = Gaussian.fit(np.concatenate([found[2] for found in self._judged.values()]), equalise=True)
        history.residuals_time_sec = time.perf_counter() - begin

    def score_recordings(
        self, windows: Windows, scoring: str = "mse", score_pooling: str = "mean"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score of each recording: ``mse`` or ``mahalanobis``, which needs no pooling."""
        if scoring not in SCORINGS:
            raise ValueError(f"unknown scoring {scoring!r}; there are {', '.join(SCORINGS)}")
        if scoring == "mse":
            return super().score_recordings(windows, scoring, score_pooling)
        numbers, residuals = self.mean_residuals(windows)
        return numbers, self.residuals.distance(residuals)

    def score_every_way(self, windows: Windows) -> dict[Way, np.ndarray]:
        """Score of each recording, by the errors of its windows in each pooling and by its mean residual."""
        errors, _, residuals = self.errors_and_residuals(windows)
        scores: dict[Way, np.ndarray] = {
            ("mse", pooling): pool_scores(windows, errors, pooling)[1] for pooling in SCORE_POOLINGS
        }
        return scores | {("mahalanobis", ""): self.residuals.distance(residuals)}

    def calibrate(self, windows: Windows, validation: Windows | None, training: Training) -> dict[Way, NormalScores]:
        """Scores of the validation recordings or, of fewer than ten, of all training recordings.

        The network is not trained again. The distribution of the residuals is: each recording's distance is from
        the residuals of others; see `mimii.evaluation.scoring.folds`.
        """
        parts = [part for part in (windows, validation) if part is not None]
        judged = [self._judged.pop(part) if part in self._judged else self.errors_and_residuals(part) for part in parts]
        errors, numbers_of, residuals = zip(*judged, strict=True)
        numbers = np.concatenate(numbers_of)
        scores: dict[Way, np.ndarray] = {
            ("mse", pooling): np.concatenate(
                [pool_scores(part, values, pooling)[1] for part, values in zip(parts, errors, strict=True)]
            )
            for pooling in SCORE_POOLINGS
        }
        scores["mahalanobis", ""] = self._held_out_distances(np.concatenate(residuals))
        learnt_from = len(np.unique(windows.recording))
        if len(numbers) - learnt_from < ENOUGH:
            return {way: NormalScores(numbers, values, "training") for way, values in scores.items()}
        return {
            way: NormalScores(numbers[learnt_from:], values[learnt_from:], "held_out") for way, values in scores.items()
        }

    def _held_out_distances(self, residuals: np.ndarray) -> np.ndarray:
        """Distance of each mean residual from the distribution of others: (n, n_mels) -> (n,)."""
        if len(residuals) == 1:
            return self.residuals.distance(residuals)
        distances = np.empty(len(residuals))
        for fold in folds(len(residuals)):
            distances[fold] = Gaussian.fit(residuals[~fold], equalise=True).distance(residuals[fold])
        return distances

    def count_parameters(self, scoring: str = "mse") -> int:
        """Those of the network and, for ``mahalanobis``, of the distribution of its residuals."""
        return self.num_parameters + (self.residuals.size if scoring == "mahalanobis" else 0)

    def bytes_for(self, scoring: str) -> bytes:
        """Without the distribution of the residuals where the scoring is ``mse``."""
        return self.to_bytes() if scoring == "mahalanobis" else _saved(super()._learnt())

    def _learnt(self) -> dict[str, Any]:
        """Weights, and the distribution of the residuals."""
        residuals = {name: torch.from_numpy(value) for name, value in vars(self.residuals).items()}
        return super()._learnt() | {"residuals": residuals}

    def _take(self, learnt: dict[str, Any]) -> None:
        """Take over both."""
        super()._take(learnt)
        residuals = Gaussian(**{name: value.numpy() for name, value in learnt["residuals"].items()})
        if residuals.mean.shape != (self.n_mels,) or residuals.precision.shape != (self.n_mels, self.n_mels):
            raise ValueError("the residuals are not those of its mel bands")
        self.residuals = residuals


class NetworkClassifier(NetworkModel[ClassifierNetwork], Classifier):
    """A classifier that is a network with ``probabilities``: (B, frames, n_mels) -> (B, num_classes)."""

    def __init__(
        self,
        name: str,
        n_mels: int,
        frames: int,
        device: str = "cpu",
        *,
        network_class: Callable[..., ClassifierNetwork],
        num_classes: int,
        balanced: bool = True,
    ):
        super().__init__(name, n_mels, frames, device, num_classes=num_classes, balanced=balanced)
        self._network_class = network_class

    def _make_network(self) -> ClassifierNetwork:
        return self._network_class(self.n_mels, self.frames, self.num_classes, balanced=self.balanced)

    def predict_proba(self, windows: Windows) -> np.ndarray:
        """Probabilities: np.ndarray [shape=(n_windows, num_classes), dtype=float32]."""
        return inference.apply(self.network, self.network.probabilities, windows, self.device)
