"""The one training loop."""

import copy
import logging
import time
from functools import lru_cache
from typing import Any

import numpy as np
import torch

import mimii.training.devices  # noqa: F401  (it turns TF32 off)
from mimii.errors import TaskError
from mimii.features.windows import Windows
from mimii.settings import TrainingSettings
from mimii.training.adam import Adam
from mimii.training.history import History
from mimii.training.hooks import Training
from mimii.training.inference import halved, mean_loss
from mimii.training.resident import ResidentWindows, Trainable

log = logging.getLogger(__name__)


def train(
    network: Trainable,
    windows: Windows,
    validation: Windows | None,
    training: Training,
    *,
    device: str = "cpu",
) -> History:
    """Fit a network with Adam (Kingma and Ba, 2015) on shuffled batches and keep its best state.

    The best state is that of the epoch with the lowest validation loss or, without validation, training loss; a
    network may say that it keeps the last one.

    Parameters
    ----------
    network : Trainable
        A `mimii.networks.base.Network`.
    windows, validation : Windows
        To learn from, and to choose the best epoch by.
    training : Training
        The settings, the seed and the hooks.
    device : str

    Returns
    -------
    History

    Raises
    ------
    TaskError
        The loss is not finite.
    """
    settings = training.settings
    if device.startswith("cuda"):
        torch.cuda.set_device(torch.device(device).index or 0)
    network.to(device)
    resident = ResidentWindows(windows, device)
    held_out = None
    if validation is not None:
        is_shared = validation.frames is windows.frames
        held_out = ResidentWindows(validation, device, beside=resident if is_shared else None)
    step = _Step(network, resident, settings)
    begin, uncounted = time.perf_counter(), 0.0
    network.fit_scale(windows)
    torch.manual_seed(training.seed)
    shuffle = torch.Generator().manual_seed(training.seed)

    history = History(train_samples=len(windows))
    best_loss = float("inf")
    best_state: dict[str, Any] = {}
    for epoch in range(1, settings.epochs + 1):
        network.train()
        order = torch.randperm(len(resident), generator=shuffle).to(device)  # (n_windows,)
        total = torch.zeros((), device=device)  # stays on the device: reading it would wait for every step
        for indices in order.split(settings.batch_size):
            total += step(indices) * len(indices)
            uncounted += training.hooks.after_step()
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
    history.training_time_sec = time.perf_counter() - begin - uncounted
    return history


@lru_cache
def load_libraries() -> None:
    """Take a step with a network of one weight, once a process: what torch loads then is no part of any training."""
    network = torch.nn.Linear(1, 1, bias=False)
    optimizer = Adam(network.parameters(), 1e-3)
    network(torch.ones(1, 1)).sum().backward()
    optimizer.step()


class _Step:
    """Takes a training step with the windows of some indices, and gives the loss.

    On CUDA, steps of whole batches replay a captured graph: these networks are so small that launching their
    kernels one by one takes longer than the kernels. A batch that the GPU has no room for is taken in parts, whose
    gradients add up to that of the batch.
    """

    def __init__(self, network: Trainable, windows: ResidentWindows, settings: TrainingSettings):
        self._network = network
        self._windows = windows
        on_cuda = windows.device.type == "cuda"
        self._optimizer = Adam(network.parameters(), settings.learning_rate, capturable=on_cuda)
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
            self._optimizer.reset()

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
                self._at_once = halved(self._at_once, "trained with", error)

    def _take_in_parts(self, indices: torch.Tensor) -> torch.Tensor:
        self._optimizer.clear()
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
