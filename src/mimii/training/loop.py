"""The one training loop."""

import logging
import time
from collections.abc import Callable
from functools import lru_cache

import torch

import mimii.training.devices  # noqa: F401  (it turns TF32 off)
from mimii.errors import TaskError
from mimii.features.windows import Windows
from mimii.training.adam import Adam
from mimii.training.epochs import end_of_epoch
from mimii.training.graphs import capture, warm_up
from mimii.training.history import History
from mimii.training.hooks import Training
from mimii.training.inference import halved, mean_loss
from mimii.training.resident import Resident, ResidentWindows, Trainable

log = logging.getLogger(__name__)


def train(
    network: Trainable,
    windows: Windows,
    validation: Windows | None,
    training: Training,
    *,
    device: str = "cpu",
    resident: Callable[[Windows, str], Resident] = ResidentWindows,
    announce: bool = True,
    foretell: str = "",
) -> History:
    """Fit a network with Adam, or with AdamW where its weights decay, on shuffled batches and keep its best state.

    The best state is that of the epoch with the lowest validation loss or, without validation, training loss; a
    network may say that it keeps the last one. Where the windows of a batch are compared with each other, the last
    batch of an epoch is left out if it is less than half as large as the others: what few windows have in common says
    little. It is another one in each epoch.

    Parameters
    ----------
    network : Trainable
        A `mimii.networks.base.Network`.
    windows, validation : Windows
        To learn from, and to choose the best epoch by.
    training : Training
        The settings, the seed and the hooks.
    device : str
    resident : callable
        Makes of windows what the network sees: themselves or, say, `mimii.training.clips.ResidentClips`.
    announce : bool
        Log each epoch.
    foretell : str
        The name of a model that trains for long on a CPU: how long is logged after the first step.

    Returns
    -------
    History

    Raises
    ------
    TaskError
        The loss is not finite, or the batches are too small for the network.
    """
    settings = training.settings
    assert settings.epochs is not None
    assert settings.batch_size is not None
    if device.startswith("cuda"):
        torch.cuda.set_device(torch.device(device).index or 0)
    network.to(device)
    data = resident(windows, device)
    if min(settings.batch_size, len(data)) < network.min_batch:
        raise TaskError(f"this network learns from {network.min_batch} or more at once; raise --batch_size")
    held_out = None if validation is None else data.beside(validation)
    step = _Step(network, data, settings.batch_size, settings.learning_rate)
    begin, uncounted = time.perf_counter(), 0.0
    network.fit_scale(windows)
    torch.manual_seed(training.seed)
    shuffle = torch.Generator().manual_seed(training.seed)

    fewest = network.min_batch
    if fewest > 1:
        fewest = max(fewest, -(-min(settings.batch_size, len(data)) // 2))
    history = History(train_samples=len(data))
    best_loss = float("inf")
    best_state: dict[str, torch.Tensor] = {}
    for epoch in range(1, settings.epochs + 1):
        network.train()
        order = torch.randperm(len(data), generator=shuffle).to(device)  # (n,)
        batches = [part for part in order.split(settings.batch_size) if len(part) >= fewest]
        total = torch.zeros((), device=device)  # stays on the device: reading it would wait for every step
        for number, indices in enumerate(batches):
            total += step(indices) * len(indices)
            uncounted += training.hooks.after_step()
            if foretell and device == "cpu" and epoch == 1 and number == 0:
                seconds = time.perf_counter() - begin - uncounted
                _foretell(foretell, seconds * len(batches) * settings.epochs, settings.epochs)
        history.train_loss.append(total.item() / sum(map(len, batches)))
        criterion = history.train_loss[-1]
        if held_out is not None:
            criterion = mean_loss(network, held_out)
            history.val_loss.append(criterion)
        end_of_epoch(history, settings.epochs, announce=announce)
        if network.keeps_best and criterion < best_loss:
            best_loss, best_state = criterion, _copy_of_state(network)
    if network.keeps_best:
        network.load_state_dict(best_state)
    network.fit_normalisation(data.batch(part) for part in _in_parts(order, data.at_once, network.min_batch))
    network.eval()
    history.training_time_sec = time.perf_counter() - begin - uncounted
    return history


def _copy_of_state(network: Trainable) -> dict[str, torch.Tensor]:
    """The weights and buffers as they are now; to deepcopy them takes six times as long."""
    return {name: value.clone() for name, value in network.state_dict().items()}


def _in_parts(indices: torch.Tensor, at_once: int, smallest: int) -> tuple[torch.Tensor, ...]:
    """Split indices into parts of a size that is as equal as can be, so that none is too small for the network."""
    parts = min(-(-len(indices) // at_once), len(indices) // smallest)
    return indices.tensor_split(max(parts, 1))


def _foretell(model: str, seconds: float, epochs: int) -> None:
    """Say how long a training will take on a CPU; it is a warning where it is more than a minute."""
    minutes = seconds / 60
    if minutes <= 1:
        log.debug("Training %s on the CPU: less than a minute", model)
        return
    # on an H200 a step of two_branch takes a hundredth of what it takes on two cores
    duration, on_gpu = (f"{minutes:.0f} min", "seconds") if minutes < 100 else (f"{minutes / 60:.0f} hours", "minutes")
    log.warning("Training %s on the CPU: about %s for %d epochs; a GPU takes %s", model, duration, epochs, on_gpu)


@lru_cache
def load_libraries() -> None:
    """Take a step with a network of one weight, once a process: what torch loads then is no part of any training.

    A large tensor is freed at once, too: glibc keeps freed memory of up to twice its size from then on. A step would
    else ask the system for its memory anew, which takes up to a seventh of its time.
    """
    torch.empty(8_000_000)  # 32 MB, of which none is touched; glibc learns from no larger ones
    network = torch.nn.Linear(1, 1, bias=False)
    optimizer = Adam(network.parameters(), 1e-3)
    network(torch.ones(1, 1)).sum().backward()
    optimizer.step()


class _Step:
    """Takes a training step with the data of some indices, and gives the loss.

    On CUDA, steps of whole batches replay a captured graph: these networks are so small that launching their
    kernels one by one takes longer than the kernels. A batch that the GPU has no room for is taken in parts, whose
    gradients add up to that of the batch.
    """

    def __init__(self, network: Trainable, data: Resident, batch_size: int, learning_rate: float):
        self._network = network
        self._data = data
        on_cuda = data.device.type == "cuda"
        self._optimizer = Adam(
            network.parameters(), learning_rate, weight_decay=network.weight_decay, capturable=on_cuda
        )
        self._indices = torch.arange(min(batch_size, len(data)), device=data.device)
        self._at_once = len(self._indices)
        self._graph: torch.cuda.CUDAGraph | None = None
        before = _copy_of_state(network)
        network.train()
        try:
            if on_cuda and data.are_resident:
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
                what_for = f"{self._data.noun} are trained with"
                self._at_once = halved(self._at_once, what_for, error, self._network.min_batch)

    def _take_in_parts(self, indices: torch.Tensor) -> torch.Tensor:
        self._optimizer.clear()
        total = torch.zeros((), device=self._data.device)
        for part in _in_parts(indices, self._at_once, self._network.min_batch):
            loss = self._data.loss(self._network, part)
            if len(part) < len(indices):
                loss = loss * (len(part) / len(indices))
            loss.backward()
            total += loss.detach()
        self._optimizer.step()
        return total

    def _capture(self) -> None:
        """Capture a step; the steps before are in as many parts as there is room for."""

        def work() -> None:
            self._loss = self._take_in_parts(self._indices)

        warm_up(lambda: self._take(self._indices), self._indices.device)
        try:
            self._graph = capture(work, self._indices.device)
        except RuntimeError as error:  # too little memory for it among them
            log.warning("No CUDA graph (%s): training goes step by step.", str(error).splitlines()[0].split(". ")[0])
