"""Networks of one kind that are trained side by side, as one stacked network.

Networks as small as these leave a GPU idle: launching their kernels takes longer than the kernels, and a captured
graph is still bound by how many there are. Stacked, the networks of many machines share each kernel
(``torch.func.vmap`` over each one's own loss).

Each network is shown the batches, takes the steps and keeps the epoch that it would alone. The networks of a stack need
not be in the same epoch: when one has taken the whole batches of its epoch, its last, smaller batch and its validation
are done for it alone, and when it has ended, another one takes its slot. So no step is wasted on a network that waits
for others to end their epochs.
"""

import logging
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from mimii.errors import TaskError
from mimii.runtime.logs import about
from mimii.settings import TrainingSettings
from mimii.training.arrivals import LOADERS, Arrival, Arrivals, Candidate, Ended
from mimii.training.epochs import end_of_epoch
from mimii.training.history import History
from mimii.training.hooks import Hooks
from mimii.training.inference import total_loss
from mimii.training.resident import ResidentWindows
from mimii.training.slots import Slots

log = logging.getLogger(__name__)

_FEW = 0.75  # of the slots: where fewer are taken, and nobody waits, the stack is made narrower
_SHUFFLERS = 2  # threads that put windows into the order of the next epoch


def train_stacked(
    candidates: Sequence[Candidate], settings: TrainingSettings, hooks: Hooks, *, device: str, width: int
) -> Iterator[Ended]:
    """Train networks side by side; each one learns as by `mimii.training.loop.train`, but for rounding.

    Parameters
    ----------
    candidates : sequence of Candidate
        Networks of one class and shape, which differ in their weights and buffers alone and learn from windows without
        targets; they begin in this order.
    settings : TrainingSettings
        Of all of them, but for the seed.
    hooks : Hooks
    device : str
    width : int > 0
        The most networks that are trained at a time.

    Yields
    ------
    Ended
        Each network as soon as it has ended.

    Raises
    ------
    torch.cuda.OutOfMemoryError, NoRoomError
        There is no room for so many at a time.
    """
    if device.startswith("cuda"):
        torch.cuda.set_device(torch.device(device).index or 0)
    waiting = list(range(len(candidates)))
    with _threads(LOADERS) as loaders, _threads(_SHUFFLERS) as shufflers:
        while waiting:
            training = _Training(candidates, waiting, settings, hooks, torch.device(device), width, loaders, shufflers)
            yield from training.run()
            waiting = training.too_large


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that end, and begin nothing more, with the block."""
    threads = ThreadPoolExecutor(count)
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)


@dataclass(eq=False)
class _Learner:
    """A network in its slot.

    Attributes
    ----------
    losses : torch.Tensor [shape=(epochs, 2)]
        Sums over the windows for training and for validation, in main memory, where they arrive some time after the
        end of an epoch.
    arrived : torch.cuda.Event, optional
        Those of the last epoch are there.
    """

    slot: int
    name: str
    ended: Ended
    data: ResidentWindows
    held_out: ResidentWindows | None
    shuffle: torch.Generator
    losses: torch.Tensor
    next_order: "Future[torch.Tensor]"
    order: torch.Tensor = field(default_factory=lambda: torch.empty(0))  # of this epoch: (n_windows,)
    epoch: int = 0  # that it is in, from 1 on
    batches_left: int = 0  # whole ones, of this epoch
    arrived: torch.cuda.Event | None = None


class _Training:
    """Networks that wait, and the slots that they take.

    Attributes
    ----------
    too_large : list of int
        Candidates that no slot had room for.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        waiting: Sequence[int],
        settings: TrainingSettings,
        hooks: Hooks,
        device: torch.device,
        width: int,
        loaders: ThreadPoolExecutor,
        shufflers: ThreadPoolExecutor,
    ):
        assert settings.epochs is not None
        assert settings.batch_size is not None
        self._candidates, self._hooks, self._device = candidates, hooks, device
        self._epochs, self._batch_size = settings.epochs, settings.batch_size
        self._learning_rate = settings.learning_rate
        self._shufflers = shufflers
        self._width = min(width, len(waiting))
        self._arrivals = Arrivals(candidates, waiting, loaders)
        self._learners: dict[int, _Learner] = {}  # by their slots
        self._narrow_below = 0.0  # learners
        self._clock = 0.0
        self.too_large: list[int] = []

    def run(self) -> Iterator[Ended]:
        """Give the networks as they end."""
        slots = yield from self._first_slots()
        while slots and self._learners:
            self._clock = time.perf_counter()  # what is loaded, and done with those that have ended, does not count
            self._take_whole_batches(slots)
            ended = self._end_epochs(slots)
            self._count_time(ended)
            if not self._learners and not self._arrivals:
                slots = None  # what the last ones are completed with has its memory
            while ended:
                yield ended.pop().ended
            if slots:
                yield from self._fill(slots)
                slots = self._narrowed(slots)

    def _first_slots(self) -> Generator[Ended, None, Slots | None]:
        """Make slots for those that come first, and let these take them; gives those that can't be trained."""
        first: list[Arrival] = []
        while self._arrivals and len(first) < self._width:
            arrival = self._arrivals.next()
            if failed := arrival.failure:
                yield failed
            else:
                first.append(arrival)
        if not first:
            return None
        self._width = len(first)
        self._narrow_below = _FEW * len(first)
        slots = self._make_slots(first)
        for slot, arrival in enumerate(first):
            self._seat(slots, slot, arrival)
        return slots

    def _make_slots(self, first: Sequence[Arrival]) -> Slots:
        learnt_from = [arrival.loaded.result()[0] for arrival in first]
        most = max(len(windows.frames) for windows in learnt_from)
        return Slots(
            first[0].network,
            torch.zeros(len(first), most, first[0].network.n_mels, device=self._device),
            range(len(first)),
            windows=max(len(windows) for windows in learnt_from),
            length=learnt_from[0].length,
            batch_size=self._batch_size,
            learning_rate=self._learning_rate,
        )

    def _narrowed(self, slots: Slots) -> Slots:
        """The slots without those that nobody will take, where they are many: a step takes as long with them."""
        if not 0 < len(self._learners) <= self._narrow_below:
            return slots
        learners = list(self._learners.values())
        self._narrow_below = _FEW * len(learners)
        try:
            slots = slots.narrowed([one.slot for one in learners], [one.ended.network for one in learners])
        except RuntimeError as error:  # it has too little memory for both; out of memory has several of them
            log.debug("No narrower stack: %s", error)
            return slots
        for slot, learner in enumerate(learners):
            learner.slot = slot
        self._learners = dict(enumerate(learners))
        self._width = len(learners)
        return slots

    def _fill(self, slots: Slots) -> Iterator[Ended]:
        """Let those that wait take the slots that are free; gives those that can't be trained."""
        for slot in range(self._width):
            while slot not in self._learners and self._arrivals:
                arrival = self._arrivals.next()
                if failed := arrival.failure:
                    yield failed
                elif not slots.has_room(arrival.loaded.result()[0]):
                    self.too_large.append(arrival.candidate)
                else:
                    self._seat(slots, slot, arrival)

    def _seat(self, slots: Slots, slot: int, arrival: Arrival) -> None:
        windows, validation = arrival.loaded.result()
        candidate = self._candidates[arrival.candidate]
        data = slots.seat(slot, arrival.network, windows, candidate.seed)
        shuffle = torch.Generator().manual_seed(candidate.seed)
        learner = _Learner(
            slot=slot,
            name=candidate.name,
            ended=Ended(arrival.candidate, arrival.network, windows, validation, History(train_samples=len(windows))),
            data=data,
            held_out=None if validation is None else data.beside(validation),
            shuffle=shuffle,
            losses=torch.empty(self._epochs, 2, pin_memory=self._device.type == "cuda"),
            next_order=self._shuffled(len(windows), shuffle),
        )
        self._learners[slot] = learner
        self._begin_epoch(slots, learner)

    def _shuffled(self, count: int, generator: torch.Generator) -> "Future[torch.Tensor]":
        """The numbers of windows in the order of the next epoch, soon; pinned memory is sent without waiting."""
        pinned = self._device.type == "cuda"
        return self._shufflers.submit(torch.randperm, count, generator=generator, pin_memory=pinned)

    def _begin_epoch(self, slots: Slots, learner: _Learner) -> None:
        learner.epoch += 1
        learner.order = learner.next_order.result().to(self._device, non_blocking=True)
        if learner.epoch < self._epochs:
            learner.next_order = self._shuffled(len(learner.order), learner.shuffle)
        learner.batches_left = len(learner.order) // self._batch_size
        slots.begin_epoch(learner.slot, learner.data.starts[learner.order])

    def _take_whole_batches(self, slots: Slots) -> None:
        """Take steps until a network has no whole batch left in its epoch."""
        count = min(learner.batches_left for learner in self._learners.values())
        for _ in range(count):
            slots.take_step()
            self._clock += self._hooks.after_step()
        for learner in self._learners.values():
            learner.batches_left -= count

    def _end_epochs(self, slots: Slots) -> list[_Learner]:
        """Begin the next epoch of those that have no whole batch left, or let them go; gives those that have ended."""
        ended = []
        for learner in list(self._learners.values()):
            if learner.batches_left:
                continue
            with about(learner.name):
                if self._end_epoch(slots, learner):
                    slots.release(learner.slot, learner.ended.network)
                    ended.append(learner)
                else:
                    self._begin_epoch(slots, learner)
        return ended

    def _end_epoch(self, slots: Slots, learner: _Learner) -> bool:
        """Do what is left of a network's epoch; tells whether it has ended.

        The losses are not waited for: the device has steps to take meanwhile. Those of the epoch before are there.
        """
        network = learner.ended.network
        if rest := len(learner.order) % self._batch_size:
            slots.take_rest(learner.slot, network, learner.data.batch(learner.order[-rest:]))
        sums = [slots.total(learner.slot)]
        if learner.held_out is not None:
            sums.append(total_loss(network, learner.held_out))
            network.train()
        slots.keep(learner.slot, sums[-1] if network.keeps_best else None)
        try:
            self._note_losses(learner, learner.epoch - 1)
            learner.losses[learner.epoch - 1, : len(sums)].copy_(torch.stack(sums), non_blocking=True)
            if self._device.type == "cuda":
                learner.arrived = torch.cuda.current_stream().record_event()
            if learner.epoch == self._epochs:
                self._note_losses(learner, learner.epoch)
        except TaskError as error:
            learner.ended.error = error
        return learner.epoch == self._epochs or learner.ended.error is not None

    def _note_losses(self, learner: _Learner, epoch: int) -> None:
        """Put the losses of an epoch into the history, once they have arrived."""
        if not epoch:
            return
        if learner.arrived is not None:
            learner.arrived.synchronize()
        train, validation = learner.losses[epoch - 1].tolist()
        history = learner.ended.history
        history.train_loss.append(train / len(learner.data))
        if learner.held_out is not None:
            history.val_loss.append(validation / len(learner.held_out))
        end_of_epoch(history, self._epochs)

    def _count_time(self, ended: Sequence[_Learner]) -> None:
        """Give each network its share of the time since the clock was read, and let those go that have ended."""
        share = (time.perf_counter() - self._clock) / len(self._learners)
        for learner in self._learners.values():
            learner.ended.history.training_time_sec += share
            learner.ended.beside = max(learner.ended.beside, len(self._learners) - 1)
        for learner in ended:
            del self._learners[learner.slot]
