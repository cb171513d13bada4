"""What all networks share, and the detector that is made of one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mimii import cache, training
from mimii.features import Windows
from mimii.models.base import Detector, History
from mimii.settings import TrainingSettings


class Network(nn.Module):
    """A network over windows of shape (B, frames, n_mels) that standardises its input itself.

    Parameters
    ----------
    n_mels, frames : int > 0
        Shape of a window.
    """

    def __init__(self, n_mels: int, frames: int):
        super().__init__()
        self.n_mels = n_mels
        self.frames = frames
        self.register_buffer("mean", torch.zeros(n_mels))
        self.register_buffer("std", torch.ones(n_mels))

    def fit_scale(self, mean: np.ndarray, std: np.ndarray) -> None:
        """Take the mean and standard deviation of each mel band of the training frames, shape (n_mels,)."""
        self.mean.copy_(torch.from_numpy(mean))
        self.std.copy_(torch.from_numpy(std))

    def standardise(self, windows: torch.Tensor) -> torch.Tensor:
        """Each mel band to mean 0 and standard deviation 1: (B, frames, n_mels) -> the same."""
        return (windows - self.mean) / self.std


class NetworkDetector(Detector):
    """A detector that is a trained network with ``loss`` and ``score``."""

    def __init__(
        self, name: str, make_network: Callable[[int, int], Network], n_mels: int, frames: int, device: str = "cpu"
    ):
        super().__init__(name, n_mels, frames, device)
        self._make_network = make_network
        self.network = make_network(n_mels, frames).to(device).eval()

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
        self.network = self._make_network(self.n_mels, self.frames)
        return training.train(
            self.network, windows, validation, settings, seed=seed, device=self.device, give_way=give_way
        )

    def score_windows(self, windows: Windows) -> np.ndarray:
        """Score of each window: np.ndarray [shape=(n_windows,), dtype=float32]."""
        return training.score(self.network, windows, self.device)

    @property
    def num_parameters(self) -> int:
        """Trainable parameters; the scale of the mel bands is not among them."""
        return sum(parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad)

    def save(self, path: Path, facts: dict[str, Any]) -> None:
        """Write weights and facts."""
        content = {
            "name": self.name,
            "shape": [self.n_mels, self.frames],
            "state": {key: value.cpu() for key, value in self.network.state_dict().items()},
            "facts": facts,
        }
        with cache.whole_file(path) as temporary:
            torch.save(content, temporary)

    def load(self, path: Path) -> dict[str, Any]:
        """Read weights and facts; nothing in the file can run code."""
        try:
            content = torch.load(path, map_location=self.device, weights_only=True)
            if [content["name"], content["shape"]] != [self.name, [self.n_mels, self.frames]]:
                raise ValueError(f"holds {content['name']} for windows of {content['shape']}")
            self.network.load_state_dict(content["state"])
            return content["facts"]
        except FileNotFoundError:
            raise
        except Exception as error:  # torch raises many kinds for a damaged file
            raise cache.CacheError(f"{path.name}: {str(error).splitlines()[0]}") from error
