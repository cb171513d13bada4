"""What a trained network gives for windows, a block at a time."""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import torch

import mimii.training.devices  # noqa: F401  (it turns TF32 off)
from mimii.errors import TaskError
from mimii.features.windows import Windows
from mimii.training.resident import Resident, ResidentWindows, Trainable

log = logging.getLogger(__name__)

Value = TypeVar("Value")


def by_blocks(function: Callable[[slice], Value], resident: Resident) -> Iterator[tuple[slice, Value]]:
    """Apply a function to one block after the other: to smaller ones where a GPU's memory does not suffice."""
    start, size, count = 0, resident.at_once, len(resident)
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
    TaskError
        There is nothing left to halve.
    """
    if size // 2 < smallest:
        raise TaskError("the GPU has too little room for this network; use --device cpu or fewer --jobs") from error
    torch.cuda.empty_cache()
    log.warning("The GPU is short of memory: %d %s at a time, not %d.", size // 2, what_for, size)
    return size // 2


@torch.inference_mode()
def total_loss(network: Trainable, resident: Resident) -> torch.Tensor:
    """Sum of the loss over all of them, as the network is when it is used; it stays on the device, a scalar."""
    network.eval()
    total = torch.zeros((), device=resident.device)
    for chosen, loss in by_blocks(lambda chosen: resident.loss(network, chosen), resident):
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
    network.eval()
    resident = ResidentWindows(windows, device)
    values = by_blocks(lambda chosen: function(resident.batch(chosen)), resident)
    return torch.cat([value for _, value in values]).cpu().numpy()


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
    network.eval()
    resident = ResidentWindows(windows, device)
    numbers, rows, counts = np.unique(windows.recording, return_inverse=True, return_counts=True)
    parts = []
    for chosen, values in by_blocks(lambda chosen: function(resident.batch(chosen)), resident):  # (B, D)
        # a block has the windows of a few recordings: summed in float32 there, and in float64 over the blocks
        block_rows, inverse = np.unique(rows[chosen], return_inverse=True)
        sums = values.new_zeros(len(block_rows), values.shape[1])
        sums.index_add_(0, torch.from_numpy(inverse).to(device), values)
        parts.append((block_rows, sums.cpu().numpy()))
    total = np.zeros((len(numbers), parts[0][1].shape[1]))
    for block_rows, block_sums in parts:
        total[block_rows] += block_sums
    return numbers, total / counts[:, None]
