"""Runs a function over many arguments, in this process or in several.

The pool of processes is our own for one reason: it knows which argument a process was working on when it died. A pool
with shared queues can't tell, and its other processes end too.
"""

import logging
import logging.handlers
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from mimii.errors import UserError
from mimii.runtime.logs import SubjectFilter

log = logging.getLogger(__name__)


class Named(Protocol):
    """An argument that messages can name."""

    @property
    def name(self) -> str:
        """For messages."""


Argument = TypeVar("Argument", bound=Named)
Result = TypeVar("Result")


def in_parallel(
    function: Callable[[Argument], Result],
    arguments: Sequence[Argument],
    jobs: int,
    scheduler: str | None = None,
    *,
    lost: Callable[[Argument], Result] | None = None,
    apart: bool = False,
) -> Generator[Result]:
    """Give the results as they come, in any order.

    Processes are started afresh on every platform, so nothing depends on fork. They end with the iterator, at once
    where it is left early, as by Ctrl-C. Their log records are handled in this process. When a process dies, its
    argument is tried once more at the end, alone, with all the memory of the machine.

    Parameters
    ----------
    function : callable
        Importable by its name from a module.
    arguments : sequence
        One for each call.
    jobs : int > 0
        The most processes; with 1 the function is called in this process.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers call the function instead; see `mimii.runtime.cluster`.
    lost : callable, optional
        Gives the result for an argument with which two processes died.
    apart : bool
        A single call is done in another process, too: what it takes of memory and of a GPU ends with it.

    Raises
    ------
    UserError
        The cluster can't be used, or two processes died with the same argument and there is no ``lost``.
    """
    if scheduler:
        from mimii.runtime.cluster import on_cluster

        yield from on_cluster(function, arguments, scheduler)
        return
    jobs = min(jobs, len(arguments))
    if jobs <= 1 and not apart:
        yield from (call_with_one_thread(function, argument) for argument in arguments)
        return

    to_retry = []
    for argument, answer in _in_processes(function, arguments, jobs):
        if isinstance(answer, _Death):
            log.warning("%s: %s. It is tried once more at the end, alone.", argument.name, answer)
            to_retry.append(argument)
        else:
            yield answer
    for argument, answer in _in_processes(function, to_retry, 1):
        if not isinstance(answer, _Death):
            yield answer
        elif lost:
            log.warning("%s: %s again.", argument.name, answer)
            yield lost(argument)
        else:
            raise UserError(f"{argument.name}: {answer} twice; give the command again with fewer --jobs")


def _in_processes(
    function: Callable[[Argument], Result], arguments: Sequence[Argument], jobs: int
) -> Iterator[tuple[Argument, "Result | _Death"]]:
    """Give each argument with its result, or with the death of the process that worked on it."""
    waiting = iter(arguments)
    busy: dict[Connection, tuple[_Worker, Argument]] = {}

    def assign_next(worker: _Worker | None = None) -> None:
        """Send the next argument to a worker, or to a new one where none is given."""
        for argument in waiting:
            worker = worker or _Worker()
            busy[worker.connection] = worker, argument
            worker.send(function, argument)
            return
        if worker:
            worker.kill()

    try:
        for _ in range(jobs):
            assign_next()
        while busy:
            for ready in connection.wait(list(busy)):
                assert isinstance(ready, Connection)  # wait() knows other kinds too, but was given none
                worker, argument = busy[ready]
                answer = worker.receive()
                if isinstance(answer, logging.LogRecord):
                    logging.getLogger("mimii").handle(answer)
                    continue
                del busy[ready]
                if isinstance(answer, _Death):
                    assign_next()
                else:
                    assign_next(worker)  # before the caller works on the result, so that the worker need not wait
                if isinstance(answer, Exception):
                    raise answer
                yield argument, answer
    finally:
        for worker, _ in busy.values():
            worker.kill()


class _Death:
    """How a process died."""

    def __init__(self, exit_code: int | None):
        self._how = "was killed, as where memory runs out" if exit_code == -9 else f"died with exit code {exit_code}"

    def __str__(self) -> str:
        return f"its process {self._how}"


class _Worker:
    """A process that calls functions.

    It has a pipe for itself. So no other process waits for a lock that it held when it died, and this process knows
    which argument it was working on.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, workers_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(workers_end,), daemon=True)
        with _ctrl_c_ignored():
            self._process.start()
        workers_end.close()  # so that the pipe ends with the process

    def send(self, function: Callable[[Any], Any], argument: Any) -> None:
        """Let it call a function."""
        with suppress(OSError):  # it is dead already; `receive` will say so
            self.connection.send((function, argument))

    def receive(self) -> Any:
        """The next thing that comes from it: a log record, a result, an exception in place of one, or its death."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return _Death(self._process.exitcode)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.join()
        self.connection.close()


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """Let processes that are started here ignore Ctrl-C even while they load: this process ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it would lift the mask when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(caller: Connection) -> None:
    """Call the functions that come through a pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where signals can't be masked
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # numpy and torch are loaded later, and make no threads then
    logging.raiseExceptions = False  # when the pipe has ended, nobody can be told
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logger = logging.getLogger("mimii")
    handler = _ToCaller(caller)
    handler.addFilter(SubjectFilter())
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    with suppress(EOFError, OSError):  # the caller has ended
        while True:
            function, argument = caller.recv()
            try:
                answer = call_with_one_thread(function, argument)
            except Exception as error:
                answer = error
            caller.send(answer)


def _end_with_parent() -> None:
    """End this process when the process that started it has ended: nobody would take the result."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this function runs in child processes only
    connection.wait([parent.sentinel])
    os._exit(1)


class _ToCaller(logging.handlers.QueueHandler):
    """Sends log records through a pipe."""

    def __init__(self, caller: Connection):
        super().__init__(caller)  # type: ignore[arg-type]  # `enqueue` needs no more of it than `send`
        self._caller = caller

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send a record, which the base class has made fit for pickling."""
        self._caller.send(record)


def call_with_one_thread(function: Callable[[Any], Result], argument: Any) -> Result:
    """Call a function with one thread for linear algebra, in this process as in others.

    Two threads gain little on small matrices, and two processes gain nearly 100 %. With one thread sums always have
    the same order, and so results are the same to the last bit.
    """
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # torch reads it when it is imported, which not every function does
    try:
        if torch:
            torch.set_num_threads(1)  # torch hides its MKL from threadpoolctl
        with threadpool_limits(1):
            return function(argument)
    finally:
        if torch:
            torch.set_num_threads(threads)
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
