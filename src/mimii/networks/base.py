"""What all networks share."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from mimii.features.windows import Windows


class Network(nn.Module):
    """A network over windows of shape (B, frames, n_mels) that standardises its input itself.

    Parameters
    ----------
    n_mels, frames : int > 0
        Shape of a window.

    Attributes
    ----------
    keeps_best : bool
        After training it has the weights of its best epoch, or else of the last one.
    weight_decay, min_batch
        As `mimii.training.resident.Trainable` has them.
    """

    keeps_best: bool = True
    weight_decay: float = 0.0
    min_batch: int = 1
    mean: torch.Tensor
    std: torch.Tensor

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

    def fit_normalisation(self, batches: Iterable[torch.Tensor]) -> None:
        """Take nothing from the batches: the scale is known beforehand."""

    def standardise(self, windows: torch.Tensor) -> torch.Tensor:
        """Each mel band to mean 0 and standard deviation 1: (B, frames, n_mels) -> the same."""
        return (windows - self.mean) / self.std

    def draw(self, windows: torch.Tensor, generator: torch.Generator | None = None) -> tuple[torch.Tensor, ...]:
        """Random numbers for a training step with these windows; most networks need none.

        They are drawn apart from `loss`, so that networks that are trained side by side have a generator each.
        """
        return ()

    def loss(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Mean loss of a batch: of its windows or, where there are classes to learn, of its windows and targets.

        Behind them come, while the network is trained, the random numbers of `draw`.
        """
        raise NotImplementedError
