"""What a network learns from, on the device that trains, and what it must have to be trained."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, Self

import numpy as np
import torch

from mimii.features.windows import Windows

log = logging.getLogger(__name__)


class Trainable(Protocol):
    """What the training needs of a network; `mimii.networks.base.Network` has it.

    Attributes
    ----------
    keeps_best : bool
        After training it has the weights of its best epoch, or else of the last one.
    weight_decay : float >= 0
        See `mimii.training.adam.Adam`.
    min_batch : int > 0
        The smallest batch that it can be trained with.
    training : bool
        It is being trained.
    """

    keeps_best: bool
    weight_decay: float
    min_batch: int
    training: bool

    def fit_scale(self, windows: Windows) -> None:
        """Take from the training windows what the input is standardised with."""

    def fit_normalisation(self, batches: Iterable[torch.Tensor]) -> None:
        """Take what it normalises with from all that it has learnt from, after the training."""

    def draw(self, windows: torch.Tensor, generator: torch.Generator | None = None) -> tuple[torch.Tensor, ...]:
        """Random numbers for a training step with these windows."""

    def loss(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Mean loss of a batch: of its windows or, where there are classes to learn, of its windows and targets.

        Where it learns from windows, what its ``draw`` gave comes behind them while it is trained.
        """

    # what every torch.nn.Module has

    def parameters(self) -> Iterator[torch.nn.Parameter]: ...  # noqa: D102

    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102

    def load_state_dict(self, state_dict: Mapping[str, Any], /) -> Any: ...  # noqa: D102

    def to(self, device: str, /) -> Self: ...  # noqa: D102

    def train(self) -> Self: ...  # noqa: D102

    def eval(self) -> Self: ...  # noqa: D102


class Resident(Protocol):
    """What a network learns from or is judged by, gathered in batches where the network is.

    Attributes
    ----------
    device : torch.device
        Of the network.
    at_once : int > 0
        How many of them are judged at a time; it bounds the memory that this takes.
    noun : str
        What they are, in messages.
    """

    device: torch.device
    at_once: int
    noun: str

    @property
    def are_resident(self) -> bool:
        """Whether they are where the network is."""

    def __len__(self) -> int: ...

    def batch(self, indices: torch.Tensor | slice) -> torch.Tensor:
        """Some of them, as the network sees them when it is used: (B,) -> (B, ...)."""

    def beside(self, windows: Windows) -> "Resident":
        """Others for the same network; what both need is there once."""

    def loss(self, network: Trainable, indices: torch.Tensor | slice) -> torch.Tensor:
        """A network's mean loss for some of them, and for their targets where there are classes to learn."""


class ResidentWindows:
    """Windows whose frames live where the network does; batches are gathered there.

    Frames that a GPU has no room for stay in main memory, and each batch is sent.

    Parameters
    ----------
    windows : Windows
    device : str or torch.device
    frames : torch.Tensor, optional
        The frames of the windows where they are settled already.
    """

    at_once = 8192
    noun = "windows"

    def __init__(self, windows: Windows, device: str | torch.device, frames: torch.Tensor | None = None):
        self.device = torch.device(device)
        if frames is None:
            frames = self.settle(windows.frames, self.device)
        self.frames = frames
        self._of = windows.frames
        self.starts = torch.from_numpy(windows.starts).to(frames.device)
        self.target = None if windows.target is None else torch.from_numpy(windows.target).to(device)
        self.length, self.n_mels = windows.length, frames.shape[1]
        # window i as row i, overlapping in memory: (total frames, n_mels) -> (possible windows, length * n_mels)
        possible = max(len(frames) - self.length + 1, 0)
        self._rows = frames.as_strided((possible, self.length * self.n_mels), (self.n_mels, 1))

    @staticmethod
    def settle(frames: np.ndarray, device: torch.device) -> torch.Tensor:
        """The frames on the device or, where it has no room for them, in main memory."""
        try:
            return torch.from_numpy(frames).to(device)
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            log.warning(
                "%s has no room for %.1f GB of frames: they stay in main memory, which is slower.",
                device,
                frames.nbytes / 1e9,
            )
            return torch.from_numpy(frames)

    def beside(self, windows: Windows) -> "ResidentWindows":
        """Other windows for the same network; frames that are the same array are there once."""
        return ResidentWindows(windows, self.device, self.frames if windows.frames is self._of else None)

    @property
    def are_resident(self) -> bool:
        """Whether the frames are where the network is."""
        return self.frames.device.type == self.device.type

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, indices: torch.Tensor | slice) -> torch.Tensor:
        """Gather some windows: (B,) -> (B, length, n_mels)."""
        if not self.are_resident and isinstance(indices, torch.Tensor):
            indices = indices.cpu()
        rows = self._rows.index_select(0, self.starts[indices])
        return rows.view(-1, self.length, self.n_mels).to(self.device)

    def loss(self, network: Trainable, indices: torch.Tensor | slice) -> torch.Tensor:
        """A network's mean loss for some windows and, where there are classes to learn, their targets."""
        batch = self.batch(indices)
        targets = () if self.target is None else (self.target[indices],)
        return network.loss(batch, *targets, *(network.draw(batch) if network.training else ()))
