"""What a trained network gives for windows, a block at a time."""

import logging
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch

import mimii.training.devices  # noqa: F401  (it turns TF32 off)
from mimii.errors import TaskError
from mimii.features.windows import Windows
from mimii.training.resident import Resident, ResidentWindows, Trainable

log = logging.getLogger(__name__)

Value = TypeVar("Value")


class NoRoomError(TaskError):
    """The memory of a GPU does not suffice, however little is done at once."""


_IN_CACHE = 1024  # windows, or up to twice as many, that a CPU judges at once: its caches hold what becomes of them


def by_blocks(
    function: Callable[[slice], Value], resident: Resident, at_once: int | None = None
) -> Iterator[tuple[slice, Value]]:
    """Apply a function to one block after the other: to smaller ones where a GPU's memory does not suffice."""
    start, size, count = 0, at_once or resident.at_once, len(resident)
    while start < count:
        chosen = slice(start, min(start + size, count))
        try:
            value = function(chosen)
        except torch.cuda.OutOfMemoryError as error:
            size = halved(size, f"{resident.noun} are scored", error)
        else:
            yield chosen, value
            start = chosen.stop


def halved(size: int, what_for: str, error: Exception, smallest: int = 1) -> int:
    """Half a number of windows, say, that the GPU had no room for.

    Raises
    ------
    NoRoomError
        There is nothing left to halve.
    """
    if size // 2 < smallest:
        raise NoRoomError("the GPU has too little room for this network; use --device cpu or fewer --jobs") from error
    torch.cuda.empty_cache()
    log.warning("The GPU is short of memory: %d %s at a time, not %d.", size // 2, what_for, size)
    return size // 2


@torch.inference_mode()
def total_loss(network: Trainable, resident: Resident) -> torch.Tensor:
    """Sum of the loss over all of them, as the network is when it is used; it stays on the device, a scalar."""
    network.eval()
    total = torch.zeros((), device=resident.device)
    at_once = min(resident.at_once, _IN_CACHE) if resident.device.type == "cpu" else None
    for chosen, loss in by_blocks(lambda chosen: resident.loss(network, chosen), resident, at_once):
        total += loss * (chosen.stop - chosen.start)
    return total


def mean_loss(network: Trainable, resident: Resident) -> float:
    """Mean loss over all of them, as the network is when it is used."""
    return total_loss(network, resident).item() / len(resident)


@torch.inference_mode()
def apply(
    network: Trainable,
    function: Callable[[torch.Tensor], torch.Tensor],
    windows: Windows,
    device: str = "cpu",
) -> np.ndarray:
    """What a network's function, its ``score`` say, gives for each window.

    Parameters
    ----------
    network : Trainable
        Is set to evaluation.
    function : callable
        Of the network: (B, frames, n_mels) -> (B, ...).
    windows : Windows
    device : str
        Where the network is.

    Returns
    -------
    np.ndarray [shape=(n_windows, ...), dtype=float32]
    """
    return torch.cat([values for _, values in _outputs(network, function, windows, device)]).cpu().numpy()


@torch.inference_mode()
def mean_by_recording(
    network: Trainable,
    function: Callable[[torch.Tensor], torch.Tensor],
    windows: Windows,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Mean over each recording's windows of what a network's function gives for them.

    The sums are kept, not what they are made of: a vector for each window of a thousand recordings takes as much
    memory as their frames.

    Parameters
    ----------
    network : Trainable
        Is set to evaluation.
    function : callable
        Of the network: (B, frames, n_mels) -> (B, D).
    windows : Windows
        At least one.
    device : str
        Where the network is.

    Returns
    -------
    numbers : np.ndarray [shape=(n,), dtype=int64]
        The recordings that have windows, ascending.
    means : np.ndarray [shape=(n, D), dtype=float64]
    """
    sums = _Sums(windows)
    for chosen, values in _outputs(network, function, windows, device):  # (B, D)
        sums.add(chosen, values)
    return sums.numbers, sums.means()


@torch.inference_mode()
def values_and_means(
    network: Trainable,
    function: Callable[[torch.Tensor], torch.Tensor],
    windows: Windows,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `apply` and `mean_by_recording` give, in one pass.

    Parameters
    ----------
    network, windows, device
        As of `mean_by_recording`.
    function : callable
        Of the network: (B, frames, n_mels) -> (B, 1 + D), of which the first value is kept for each window, and of the
        others their mean over each recording's windows.

    Returns
    -------
    values : np.ndarray [shape=(n_windows,), dtype=float32]
    numbers : np.ndarray [shape=(n,), dtype=int64]
    means : np.ndarray [shape=(n, D), dtype=float64]
    """
    sums, kept = _Sums(windows), []
    for chosen, values in _outputs(network, function, windows, device):  # (B, 1 + D)
        kept.append(values[:, 0].cpu().numpy())
        sums.add(chosen, values[:, 1:])
    return np.concatenate(kept), sums.numbers, sums.means()


def _outputs(
    network: Trainable, function: Callable[[torch.Tensor], torch.Tensor], windows: Windows, device: str
) -> Iterator[tuple[slice, torch.Tensor]]:
    """What a network's function gives for one block of windows after the other."""
    network.eval()
    resident = ResidentWindows(windows, device)

    def of_block(chosen: slice) -> torch.Tensor:
        count = chosen.stop - chosen.start
        if resident.device.type != "cpu" or count < 2 * _IN_CACHE:
            return function(resident.batch(chosen))
        # whole parts, and in the last one what is left: so each window is rounded as in one large block, whose last few
        # values do not fill a register of the processor
        bounds = [*range(chosen.start, chosen.stop - _IN_CACHE + 1, _IN_CACHE), chosen.stop]
        return torch.cat([function(resident.batch(slice(begin, end))) for begin, end in pairwise(bounds)])

    return by_blocks(of_block, resident)


class _Sums:
    """Adds up the values of each recording's windows."""

    def __init__(self, windows: Windows):
        self.numbers, self._rows, self._counts = np.unique(windows.recording, return_inverse=True, return_counts=True)
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, chosen: slice, values: torch.Tensor) -> None:
        """Add the values of a block: (B, D)."""
        # a block has the windows of a few recordings: summed in float32 there, and in float64 over the blocks
        block_rows, inverse = np.unique(self._rows[chosen], return_inverse=True)
        sums = values.new_zeros(len(block_rows), values.shape[1])
        sums.index_add_(0, torch.from_numpy(inverse).to(values.device), values)
        self._parts.append((block_rows, sums.cpu().numpy()))

    def means(self) -> np.ndarray:
        """The mean of each recording: np.ndarray [shape=(n, D), dtype=float64]."""
        total = np.zeros((len(self.numbers), self._parts[0][1].shape[1]))
        for block_rows, block_sums in self._parts:
            total[block_rows] += block_sums
        return total / self._counts[:, None]
