"""The one training loop, and where networks run."""

import copy
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch

from mimii.errors import TaskError, UserError
from mimii.features.windows import Windows
from mimii.models.base import History
from mimii.settings import TrainingSettings

log = logging.getLogger(__name__)

_SCORING_BATCH = 8192  # windows; bounds the memory that scoring takes

# torch has TF32, of 10 bits, on for convolutions and LSTMs: scores would depend on the card
torch.backends.cudnn.allow_tf32 = False


@contextmanager
def precision(tf32: bool) -> Iterator[None]:
    """Allow a GPU to multiply in TF32, or not."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def choose_device(name: str) -> str:
    """Resolve ``auto`` to CUDA where it is there, then MPS, then the CPU.

    Raises
    ------
    UserError
        The device that was asked for is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device, there in available.items() if there)
    if not available[name]:
        raise UserError(f"--device {name}: torch {torch.__version__} finds no such device here; use --device auto")
    return name


class ResidentWindows:
    """Windows whose frames live where the network does; batches are gathered there.

    Frames that a GPU has no room for stay in main memory, and each batch is sent.

    Parameters
    ----------
    windows : Windows
    device : str or torch.device
    beside : ResidentWindows, optional
        Other windows of the same frames, which need not be there twice.
    """

    def __init__(self, windows: Windows, device: str | torch.device, beside: "ResidentWindows | None" = None):
        self.device = torch.device(device)
        self.frames = frames = beside.frames if beside else self.settle(windows.frames, self.device)
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

    def loss(self, network: torch.nn.Module, indices: torch.Tensor | slice) -> torch.Tensor:
        """A network's mean loss for some windows and, where there are classes to learn, their targets."""
        if self.target is None:
            return network.loss(self.batch(indices))
        return network.loss(self.batch(indices), self.target[indices])


Value = TypeVar("Value")


def _by_blocks(function: Callable[[slice], Value], count: int) -> Iterator[tuple[slice, Value]]:
    """Apply a function to a block of windows after the other: to smaller ones where a GPU's memory does not suffice."""
    start, size = 0, _SCORING_BATCH
    while start < count:
        chosen = slice(start, min(start + size, count))
        try:
            value = function(chosen)
        except torch.cuda.OutOfMemoryError as error:
            size = _halved(size, "scored", error)
        else:
            yield chosen, value
            start = chosen.stop


def _halved(size: int, what_for: str, error: Exception) -> int:
    """Half a number of windows that the GPU had no room for.

    Raises
    ------
    TaskError
        There is nothing left to halve.
    """
    if size == 1:
        raise TaskError("the GPU has no room for a single window; use --device cpu or fewer --jobs") from error
    torch.cuda.empty_cache()
    log.warning("The GPU is short of memory: %d windows are %s at a time, not %d.", size // 2, what_for, size)
    return size // 2


def train(
    network: torch.nn.Module,
    windows: Windows,
    validation: Windows | None,
    settings: TrainingSettings,
    *,
    seed: int,
    device: str = "cpu",
    give_way: Callable[[], float] = lambda: 0.0,
) -> History:
    """Fit a network with Adam (Kingma and Ba, 2015) on shuffled batches and keep its best state.

    The best state is that of the epoch with the lowest validation loss or, without validation, training loss; a
    network may say that it keeps the last one.

    Parameters
    ----------
    network : torch.nn.Module
        A `mimii.models.network.Network`.
    windows, validation : Windows
        To learn from, and to choose the best epoch by.
    settings : TrainingSettings
    seed : int
        All random numbers of the training come from it.
    device : str
    give_way : callable
        Called after each step; returns the seconds to leave out of the training time.

    Returns
    -------
    History

    Raises
    ------
    TaskError
        The loss is not finite.
    """
    if device.startswith("cuda"):
        torch.cuda.set_device(torch.device(device).index or 0)
    network.to(device)
    resident = ResidentWindows(windows, device)
    held_out = None
    if validation is not None:
        is_shared = validation.frames is windows.frames
        held_out = ResidentWindows(validation, device, beside=resident if is_shared else None)
    step = _Step(network, resident, settings)
    begin, waited = time.perf_counter(), 0.0
    network.fit_scale(windows)
    torch.manual_seed(seed)
    shuffle = torch.Generator().manual_seed(seed)

    history = History(train_samples=len(windows))
    best_loss, best_state = float("inf"), None
    for epoch in range(1, settings.epochs + 1):
        network.train()
        order = torch.randperm(len(resident), generator=shuffle).to(device)  # (n_windows,)
        total = torch.zeros((), device=device)  # stays on the device: reading it would wait for every step
        for indices in order.split(settings.batch_size):
            total += step(indices) * len(indices)
            waited += give_way()
        history.train_loss.append(total.item() / len(resident))
        criterion = history.train_loss[-1]
        if held_out is not None:
            criterion = mean_loss(network, held_out)
            history.val_loss.append(criterion)
        if not np.isfinite([history.train_loss[-1], criterion]).all():
            raise TaskError(f"the loss is not finite in epoch {epoch}; lower --learning_rate")
        log.info(
            "epoch %d/%d: loss %.5f%s",
            epoch,
            settings.epochs,
            history.train_loss[-1],
            f", validation {criterion:.5f}" if held_out is not None else "",
            extra={"epoch": epoch},
        )
        if criterion < best_loss or not network.keeps_best:
            best_loss, best_state = criterion, copy.deepcopy(network.state_dict())
    network.load_state_dict(best_state)
    network.eval()
    history.training_time_sec = time.perf_counter() - begin - waited
    return history


class _Step:
    """Takes a training step with the windows of some indices, and gives the loss.

    On CUDA, steps of whole batches replay a captured graph: these networks are so small that launching their
    kernels one by one takes longer than the kernels. A batch that the GPU has no room for is taken in parts, whose
    gradients add up to that of the batch.
    """

    def __init__(self, network: torch.nn.Module, windows: ResidentWindows, settings: TrainingSettings):
        self._network = network
        self._windows = windows
        on_cuda = windows.device.type == "cuda"
        self._optimizer = torch.optim.Adam(
            network.parameters(), lr=settings.learning_rate, fused=True, capturable=on_cuda
        )
        self._indices = torch.arange(min(settings.batch_size, len(windows)), device=windows.device)
        self._at_once = len(self._indices)
        self._graph: torch.cuda.CUDAGraph | None = None
        before = copy.deepcopy(network.state_dict())
        network.train()
        try:
            if on_cuda and windows.are_resident:
                self._capture()
            else:
                self._take(self._indices)  # what torch loads at first use is not to be charged to the training
        finally:
            network.load_state_dict(before)
            for state in self._optimizer.state.values():
                for value in state.values():
                    value.zero_()

    def __call__(self, indices: torch.Tensor) -> torch.Tensor:
        if self._graph is None or len(indices) < len(self._indices):
            return self._take(indices)
        self._indices.copy_(indices)
        self._graph.replay()
        return self._loss

    def _take(self, indices: torch.Tensor) -> torch.Tensor:
        """Take a step, in as many parts as it needs."""
        while True:
            try:
                return self._take_in_parts(indices)
            except torch.cuda.OutOfMemoryError as error:
                self._at_once = _halved(self._at_once, "trained with", error)

    def _take_in_parts(self, indices: torch.Tensor) -> torch.Tensor:
        self._optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self._windows.device)
        for part in indices.split(self._at_once):
            loss = self._windows.loss(self._network, part)
            if len(part) < len(indices):
                loss = loss * (len(part) / len(indices))
            loss.backward()
            total += loss.detach()
        self._optimizer.step()
        return total

    def _capture(self) -> None:
        """Capture a step, after some on the same side stream, as torch asks for."""
        stream = _capture_stream(self._indices.device.index)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._take(self._indices)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=stream):
                self._loss = self._take_in_parts(self._indices)
        except RuntimeError as error:  # too little memory for it among them
            log.warning("No CUDA graph (%s): training goes step by step.", str(error).splitlines()[0].split(". ")[0])
        else:
            self._graph = graph


@lru_cache
def _capture_stream(device_index: int) -> torch.cuda.Stream:
    """The one stream for captures: cuBLAS keeps a workspace for every stream that it has seen."""
    return torch.cuda.Stream(device_index)


@torch.inference_mode()
def mean_loss(network: torch.nn.Module, windows: ResidentWindows) -> float:
    """Mean loss over all windows, as the network is when it is used."""
    network.eval()
    losses = _by_blocks(lambda chosen: windows.loss(network, chosen), len(windows))
    return sum(loss * (chosen.stop - chosen.start) for chosen, loss in losses).item() / len(windows)


@torch.inference_mode()
def apply(
    network: torch.nn.Module,
    function: Callable[[torch.Tensor], torch.Tensor],
    windows: Windows,
    device: str = "cpu",
) -> np.ndarray:
    """What a network's function, its ``score`` say, gives for each window.

    Parameters
    ----------
    network : torch.nn.Module
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
    values = _by_blocks(lambda chosen: function(resident.batch(chosen)), len(windows))
    return torch.cat([value for _, value in values]).cpu().numpy()


@torch.inference_mode()
def mean_by_recording(
    network: torch.nn.Module,
    function: Callable[[torch.Tensor], torch.Tensor],
    windows: Windows,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Mean over each recording's windows of what a network's function gives for them.

    The sums are kept, not what they are made of: a vector for each window of a thousand recordings takes as much
    memory as their frames.

    Parameters
    ----------
    network : torch.nn.Module
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
    numbers, places, counts = np.unique(windows.recording, return_inverse=True, return_counts=True)
    parts = []
    for chosen, values in _by_blocks(lambda chosen: function(resident.batch(chosen)), len(windows)):  # (B, D)
        # a block has the windows of a few recordings: summed in float32 there, and in float64 over the blocks
        here, own = np.unique(places[chosen], return_inverse=True)
        sums = values.new_zeros(len(here), values.shape[1]).index_add_(0, torch.from_numpy(own).to(device), values)
        parts.append((here, sums.cpu().numpy()))
    total = np.zeros((len(numbers), parts[0][1].shape[1]))
    for here, sums in parts:
        total[here] += sums
    return numbers, total / counts[:, None]
