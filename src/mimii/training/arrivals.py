"""Networks that come to be trained side by side: what they are, and what they learn from, loaded ahead."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from mimii.features.windows import Windows
from mimii.training.history import History
from mimii.training.slots import Stackable

LOADERS = 4  # threads that load what the next networks learn from; as many are loaded ahead


class Candidate(Protocol):
    """A network that is to be trained, and what it learns from."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def seed(self) -> int:
        """All random numbers of its training come from it."""

    def network(self) -> Stackable:
        """Make it, with new weights."""

    def load(self) -> tuple[Windows, Windows | None]:
        """Load the windows to learn from, and those to choose the best epoch by; it is called in another thread.

        What it raises ends this network alone.
        """


@dataclass(eq=False)
class Ended:
    """A network that has ended its training.

    Attributes
    ----------
    candidate : int
        Its place among those that were given.
    network : Stackable
        Trained, on the device.
    windows, validation : Windows
        What it has learnt from, where that could be loaded.
    history : History
        Its time is its share: that of the stack, divided by the number of networks that were being trained.
    beside : int
        With how many others it was trained at a time, at most.
    error : Exception, optional
        Why it could not be trained.
    """

    candidate: int
    network: Stackable
    windows: Windows | None = None
    validation: Windows | None = None
    history: History = field(default_factory=History)
    beside: int = 0
    error: Exception | None = None


@dataclass(eq=False)
class Arrival:
    """A network whose windows are being loaded.

    Attributes
    ----------
    candidate : int
        Its place among the candidates.
    network : Stackable
    loaded : Future of (Windows, Windows)
        To learn from, and to choose the best epoch by.
    """

    candidate: int
    network: Stackable
    loaded: "Future[tuple[Windows, Windows | None]]"

    @property
    def failure(self) -> Ended | None:
        """What is said of it where its windows could not be loaded."""
        error = self.loaded.exception()
        return Ended(self.candidate, self.network, error=error) if isinstance(error, Exception) else None


class Arrivals:
    """The networks that wait, in their order; the windows of the first few are being loaded.

    Parameters
    ----------
    candidates : sequence of Candidate
    waiting : sequence of int
        Which of them.
    loaders : ThreadPoolExecutor
    """

    def __init__(self, candidates: Sequence[Candidate], waiting: Sequence[int], loaders: ThreadPoolExecutor):
        self._candidates, self._loaders = candidates, loaders
        self._to_come = iter(waiting)
        self._called: list[Arrival] = []
        for _ in range(LOADERS):
            self._call_next()

    def __bool__(self) -> bool:
        return bool(self._called)

    def next(self) -> Arrival:
        """The one whose turn it is; another one is called."""
        arrival = self._called.pop(0)
        self._call_next()
        return arrival

    def _call_next(self) -> None:
        """Make the network that comes next, here because torch has one generator for all, and begin to load."""
        for number in self._to_come:
            candidate = self._candidates[number]
            network = candidate.network()
            self._called.append(Arrival(number, network, self._loaders.submit(_load, candidate, network)))
            return


def _load(candidate: Candidate, network: Stackable) -> tuple[Windows, Windows | None]:
    windows, validation = candidate.load()
    network.fit_scale(windows)
    return windows, validation
