"""Runs a function over many arguments, in this process or in several."""

import logging
import logging.handlers
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from mimii.errors import UserError
from mimii.runtime.logs import SubjectFilter

log = logging.getLogger(__name__)

_CLUSTER_TIMEOUT = 10  # [s]

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def in_parallel(
    function: Callable[[Argument], Result],
    arguments: Sequence[Argument],
    jobs: int,
    scheduler: str | None = None,
    *,
    lost: Callable[[Argument], Result] | None = None,
) -> Iterator[Result]:
    """Give the results as they come, in any order.

    Processes are started afresh on every platform, so nothing depends on fork, and end with the iterator: at once
    where it is left early, by Ctrl-C say. What they log is handled here. What a process had in hand when it died is
    done once more at the end, alone, when it has all the memory.

    Parameters
    ----------
    function : callable
        Importable by its name from a module.
    arguments : sequence
        One for each call; where there are processes, each has a ``name``.
    jobs : int > 0
        Processes at most; a single one is this one.
    scheduler : str, optional
        Address of a Dask scheduler; its workers call the function instead of processes of this machine, and Dask
        calls it again where a worker dies.
    lost : callable, optional
        Gives the result for an argument of which two processes died.

    Raises
    ------
    UserError
        The cluster can't be used, or two processes died of an argument and there is no ``lost``.
    """
    if scheduler:
        with _cluster(scheduler) as client:
            from joblib import Parallel, delayed, parallel_config

            with parallel_config(backend="dask", client=client):
                parallel = Parallel(n_jobs=-1, return_as="generator_unordered", batch_size=1)
            call = _portable_call()
            yield from parallel(delayed(call)(pickle.dumps((function, argument))) for argument in arguments)
        return
    jobs = min(jobs, len(arguments))
    if jobs <= 1:
        yield from (_call(function, argument) for argument in arguments)
        return

    dropped = []
    for argument, answer in _in_processes(function, arguments, jobs):
        if isinstance(answer, _Death):
            log.warning("%s: %s. It is tried once more at the end, alone.", argument.name, answer)
            dropped.append(argument)
        else:
            yield answer
    for argument, answer in _in_processes(function, dropped, 1):
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
    """Give each argument with its result, or with how the process died that had it in hand."""
    waiting = iter(arguments)
    in_hand: dict[Connection, tuple[_Worker, Argument]] = {}

    def hand_out(worker: _Worker | None = None) -> None:
        """Hand the next argument to a worker, to a new one where none is given."""
        for argument in waiting:
            worker = worker or _Worker()
            in_hand[worker.connection] = worker, argument
            worker.hand(function, argument)
            return
        if worker:
            worker.kill()

    try:
        for _ in range(jobs):
            hand_out()
        while in_hand:
            for ready in connection.wait(list(in_hand)):
                worker, argument = in_hand[ready]
                answer = worker.answer()
                if isinstance(answer, logging.LogRecord):
                    logging.getLogger("mimii").handle(answer)
                    continue
                del in_hand[ready]
                if isinstance(answer, _Death):
                    hand_out()
                else:
                    hand_out(worker)  # before the result is worked on: it has nothing to wait for
                if isinstance(answer, Exception):
                    raise answer
                yield argument, answer
    finally:
        for worker, _ in in_hand.values():
            worker.kill()


class _Death:
    """How a process died."""

    def __init__(self, exit_code: int | None):
        self._how = "was killed, as where memory runs out" if exit_code == -9 else f"died with exit code {exit_code}"

    def __str__(self) -> str:
        return f"its process {self._how}"


class _Worker:
    """A process that calls functions.

    It has a pipe of its own: whatever happens to it, no other process waits for a lock that it held. That, and that
    it is known what it had in hand when it died, is what a pool that shares its queues can't give.
    """

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _unheard_ctrl_c():
            self._process.start()
        theirs.close()  # so that the pipe ends with the process

    def hand(self, function: Callable[[Argument], Result], argument: Argument) -> None:
        """Let it call a function."""
        with suppress(OSError):  # it is dead already; its answer will say so
            self.connection.send((function, argument))

    def answer(self) -> Any:
        """What comes from it next: a log record, a result, the exception in place of one, or its death."""
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
def _unheard_ctrl_c() -> Iterator[None]:
    """Processes that are started here don't hear Ctrl-C, not even while they load; this one ends them."""
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where there are no masks to inherit
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # numpy and torch are loaded later, and make no threads then
    logging.raiseExceptions = False  # where the pipe has ended, there is nobody to be told
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logger = logging.getLogger("mimii")
    handler = _ToCaller(caller)
    handler.addFilter(SubjectFilter())
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    with suppress(EOFError, OSError):  # the caller has gone
        while True:
            function, argument = caller.recv()
            try:
                answer = _call(function, argument)
            except Exception as error:
                answer = error
            caller.send(answer)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone: nobody would take the result."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


class _ToCaller(logging.handlers.QueueHandler):
    """Sends log records through a pipe."""

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send a record that was made fit for it."""
        self.queue.send(record)


def _portable_call() -> Callable[[bytes], Any]:
    """Give a function that calls another one.

    Dask's scheduler reads the functions that it hands on, and can't import this package: an inner function travels
    by value, and what it calls as bytes.
    """

    def call(content: bytes) -> Any:
        import pickle

        from joblib import parallel_config

        from mimii.runtime.processes import _call

        # scikit-learn's own Parallel would hand parts to the cluster, and this thread another task meanwhile
        with parallel_config(backend="sequential"):
            return _call(*pickle.loads(content))  # noqa: S301 (from our own client, over Dask's own connection)

    return call


def count_workers(scheduler: str) -> int:
    """Workers of a Dask cluster."""
    with _cluster(scheduler) as client:
        return len(client.nthreads())


@contextmanager
def _cluster(scheduler: str) -> Iterator[Any]:
    """A client of a Dask cluster whose workers can import this package.

    Raises
    ------
    UserError
        Dask is not installed, the cluster does not answer, has no worker, or has workers of several threads.
    """
    try:
        from distributed import Client, WorkerPlugin
    except ImportError as error:
        raise UserError("--scheduler needs Dask: pip install -r requirements-cluster.txt") from error

    source = str(Path(__file__).resolve().parents[2])

    class ImportPath(WorkerPlugin):  # of this function, so that it travels by value: workers can't import it yet
        name = "mimii-import-path"

        def setup(self, worker: Any) -> None:
            import sys

            if source not in sys.path:
                sys.path.insert(0, source)

    try:
        client = Client(scheduler, timeout=_CLUSTER_TIMEOUT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {scheduler}: start one, or mend --scheduler") from error
    with client:
        threads = client.nthreads()
        if not threads:
            raise UserError(f"the Dask cluster at {scheduler} has no workers: start some with dask worker --nthreads 1")
        if max(threads.values()) > 1:
            raise UserError(
                "a Dask worker of several threads would mix the random numbers of its tasks: start workers with "
                "--nthreads 1 and more --nworkers"
            )
        client.register_plugin(ImportPath())
        yield client


def _call(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """Call with one thread for linear algebra, in this process as in others.

    Two threads on small matrices gain little, two processes nearly 100 %; and with one thread the order of sums, and
    so every bit of a result, is always the same.
    """
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # it hides its MKL from threadpoolctl
    try:
        with threadpool_limits(1):
            return function(argument)
    finally:
        torch.set_num_threads(threads)
