"""Networks of one kind of many machine groups, trained side by side on a GPU; see `mimii.training.stacked`.

A stack writes the files of the trained models, as the tasks would one by one. The tasks then find them there.
"""

import logging
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psutil
from filelock import FileLock, Timeout

from mimii.errors import StorageError
from mimii.evaluation.efficiency import PeakMemory
from mimii.features.windows import Features, Windows
from mimii.runtime.exclusive import Exclusive, shared_directory
from mimii.runtime.logs import about
from mimii.storage.files import first_line
from mimii.sweep.rows import Outcome
from mimii.sweep.task import Task

if TYPE_CHECKING:
    from mimii.models.network import NetworkModel
    from mimii.networks.base import Network
    from mimii.training.stacked import Ended

log = logging.getLogger(__name__)

_MOST = 64  # networks in a stack: 48 of the slow kinds fill an H100
_SHARE = 0.5  # of the memory that is free, for the frames; the rest is for what is calculated with them


@dataclass(frozen=True, eq=False)
class Stack:
    """Tasks whose networks are trained side by side.

    Attributes
    ----------
    tasks : tuple of Task
        Two or more that differ only in their machine groups and seeds; those with the most to learn from come first.
    """

    tasks: tuple[Task, ...]

    @property
    def name(self) -> str:
        """For messages."""
        return f"{len(self.tasks)} networks of {self.tasks[0].model}"


@dataclass
class Stacked:
    """What a stack gave.

    Attributes
    ----------
    trained : set of Path
        The files of the trained models.
    failed : dict of Path to Outcome
        The outcomes of tasks that can't be done, by the files that were not written.
    left : set of Path
        The files of networks that are left to their tasks.
    """

    trained: set[Path] = field(default_factory=set)
    failed: dict[Path, Outcome] = field(default_factory=dict)
    left: set[Path] = field(default_factory=set)


def make_stacks(tasks: Sequence[Task], places: int) -> list[Stack]:
    """Find the tasks whose networks can be trained side by side, and are not trained yet.

    Parameters
    ----------
    tasks : sequence of Task
    places : int > 0
        How many stacks can be trained at a time; where there are fewer kinds of networks, each kind is divided.
    """
    kinds: dict[tuple, list[Task]] = {}
    for task in tasks:
        if task.can_be_stacked and (task.retrain or not task.model_path.exists()):
            kind = type(task), task.model, replace(task.settings, seed=0), task.store.settings, task.clip
            kinds.setdefault(kind, []).append(task)
    stacks = []
    for of_kind in kinds.values():
        of_kind.sort(key=_size, reverse=True)
        parts = min(-(-places // len(kinds)), len(of_kind) // 2)
        stacks += [of_kind[number::parts] for number in range(parts)]
    jobs = min(places, len(stacks))
    return [Stack(tuple(replace(task, jobs=jobs) for task in tasks)) for tasks in stacks]


def _size(task: Task) -> int:
    """Bytes that the features of a task's machines take; 0 where they are not there, which the task will say."""
    paths = [task.store.path(machine) for machine in task.group.machines]
    return sum(path.stat().st_size for path in paths if path.exists())


def train(stack: Stack) -> Stacked:
    """Train the networks of a stack, and write the file of each as soon as it has ended.

    What can't be trained side by side, for want of memory say, is left to the tasks, which train it alone.

    Raises
    ------
    StorageError
        A file can't be written.
    """
    stacked = Stacked()
    try:
        with _a_device(stack.tasks[0].device) as device:
            _train_on(device, stack, stacked)
    except StorageError:
        raise
    except Exception as error:
        log.warning("%s can't be trained side by side, and are trained alone: %s.", stack.name, first_line(error))
        log.debug("%s", "".join(traceback.format_exception(error)))
    return stacked


def nothing_stacked(stack: Stack) -> Stacked:
    """What is known of a stack with which two processes died: its tasks train each network alone."""
    return Stacked()


def _train_on(device: str, stack: Stack, stacked: Stacked) -> None:
    import torch

    from mimii.training.devices import precision
    from mimii.training.stacked import train_stacked

    exclusive = Exclusive(device)
    tasks = [replace(task, device=device) for task in stack.tasks]
    # of a process that died: what it trained is there
    stacked.trained |= {task.model_path for task in tasks if not task.retrain and task.model_path.exists()}
    settings = tasks[0].training(exclusive).settings
    width = _width(tasks, device)
    with exclusive.working(), precision(tf32=settings.tf32):
        while True:
            done = stacked.trained | stacked.left | set(stacked.failed)
            candidates = [_Candidate(task) for task in tasks if task.model_path not in done]
            width = min(width, len(candidates))
            if width < 2:
                return
            log.info("Training %s on %s, %d side by side.", stack.name, device, width)
            try:
                with PeakMemory(device) as memory:
                    for ended in train_stacked(candidates, settings, exclusive, device=device, width=width):
                        _keep(candidates[ended.candidate], ended, exclusive, memory, stacked)
            except Exception as error:
                if not _is_short_of_memory(error):
                    raise
                log.warning("The GPU is short of memory: %d networks side by side, not %d.", width // 2, width)
                width //= 2
            del candidates
            torch.cuda.empty_cache()


def _is_short_of_memory(error: Exception) -> bool:
    """Tell whether a GPU lacks memory: we say it by an error of our own, CUDA and its libraries in a text."""
    from mimii.training.inference import NoRoomError

    text = str(error).lower()
    says_so = "out of memory" in text or "alloc_failed" in text
    return isinstance(error, NoRoomError) or (isinstance(error, RuntimeError) and says_so)


class _Candidate:
    """A task as `mimii.training.stacked.train_stacked` knows it."""

    def __init__(self, task: Task):
        self.task = task
        self.model: NetworkModel | None = None
        self.features: Features | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return self.task.name

    @property
    def seed(self) -> int:
        """That of its training."""
        return self.task.training_seed

    def network(self) -> "Network":
        """Make it, with new weights."""
        self.model = cast("NetworkModel", self.task.create_model())
        self.model.load_libraries()
        self.model.renew(self.seed)
        return self.model.network

    def load(self) -> tuple[Windows, Windows | None]:
        """Load what it learns from."""
        with about(self.name):
            self.features = self.task.load_features()
            return self.task.learning_windows(self.features)


def _keep(candidate: _Candidate, ended: "Ended", exclusive: Exclusive, memory: PeakMemory, stacked: Stacked) -> None:
    """Complete the model of a network that has ended, and write its file."""
    task, model, features = candidate.task, candidate.model, candidate.features
    candidate.model = candidate.features = None  # their memory is for those that come
    try:
        if ended.error:
            raise ended.error
        assert model is not None
        assert features is not None
        assert ended.windows is not None
        with about(task.name):
            learnt_from = ended.windows, ended.validation
            model.look_back(*learnt_from, ended.history)
            memory.look()
            facts = {
                "memory_usage_mb": memory.gpu_mb / (ended.beside + 1),
                "peak_ram_mb": memory.ram_mb / (ended.beside + 1),
                "stacked_with": ended.beside,
            }
            task.keep(model, features, *learnt_from, task.training(exclusive), ended.history, facts)
            log.debug("trained in %.1f s, its share", ended.history.training_time_sec)
        stacked.trained.add(task.model_path)
    except StorageError:
        raise
    except Exception as error:
        if _is_short_of_memory(error):
            stacked.left.add(task.model_path)  # alone it has the whole GPU
        else:
            stacked.failed[task.model_path] = Outcome.of_failure(task.name, error)


@contextmanager
def _a_device(of_task: str) -> Iterator[str]:
    """A GPU that no other stack is trained on or, where there is none, that of a task."""
    import torch

    for number in range(torch.cuda.device_count() if of_task.startswith("cuda") else 0):
        name = torch.cuda.get_device_properties(number).uuid
        lock = FileLock(shared_directory() / f"stack-{name}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        try:
            yield f"cuda:{number}"
        finally:
            lock.release()
        return
    yield of_task


def _width(tasks: Sequence[Task], device: str) -> int:
    """How many networks can be trained at a time, by the memory that their frames take."""
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    room = _SHARE * min(free, psutil.virtual_memory().available / tasks[0].jobs)
    return max(1, min(_MOST, int(room // max(1, *map(_size, tasks)))))
