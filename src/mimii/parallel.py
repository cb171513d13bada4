"""Runs a function over many arguments, in this process or in several."""

import logging
import logging.handlers
import multiprocessing
import pickle
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.managers import SyncManager
from pathlib import Path
from typing import Any, TypeVar

from mimii.errors import UserError
from mimii.logs import SubjectFilter

_CLUSTER_TIMEOUT = 10  # [s]

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def in_parallel(
    function: Callable[[Argument], Result], arguments: Sequence[Argument], jobs: int, scheduler: str | None = None
) -> Iterator[Result]:
    """Give the results as they come, in any order.

    Processes are started afresh by loky on every platform, so nothing depends on fork, and end with the iterator:
    at once where it is left early, by Ctrl-C say. What they log is handled here.

    Parameters
    ----------
    function : callable
        Importable by its name from a module.
    arguments : sequence
        One for each call.
    jobs : int > 0
        Processes at most; a single one is this one.
    scheduler : str, optional
        Address of a Dask scheduler; its workers call the function instead of processes of this machine, and Dask
        calls it again where a worker dies.

    Raises
    ------
    UserError
        A process died, or the cluster can't be used.
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

    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    with _records_from_workers() as queue:
        calls = (delayed(_in_worker)(function, argument, queue) for argument in arguments)
        # loky takes a process that grows for leaking and starts another; features are large, and that is all there is
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        finished = False
        try:
            yield from Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(calls)
            finished = True
        except TerminatedWorkerError as error:
            raise UserError(
                "a worker process died, most likely for want of memory: give the command again with fewer --jobs; "
                "what is done stays done"
            ) from error
        finally:
            get_reusable_executor().shutdown(wait=True, kill_workers=not finished)


def _portable_call() -> Callable[[bytes], Any]:
    """Give a function that calls another one.

    Dask's scheduler reads the functions that it hands on, and can't import this package: an inner function travels
    by value, and what it calls as bytes.
    """

    def call(content: bytes) -> Any:
        import pickle

        from joblib import parallel_config

        from mimii.parallel import _call

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

    source = str(Path(__file__).resolve().parents[1])

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


def _in_worker(function: Callable[[Argument], Result], argument: Argument, queue: Any) -> Result:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    logger = logging.getLogger("mimii")
    handler = logging.handlers.QueueHandler(queue)
    handler.addFilter(SubjectFilter())
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    return _call(function, argument)


def _call(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """Call with one thread for linear algebra, in this process as in others.

    Two threads on small matrices gain little, two processes nearly 100 %; and with one thread the order of sums, and
    so every bit of a result, is always the same.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return function(argument)


@contextmanager
def _records_from_workers() -> Iterator[Any]:
    """A queue; log records put into it by other processes are handled in this one."""
    # by TCP: the path of a socket in a long TMPDIR, as clusters have, would be too long for the system
    context = multiprocessing.get_context("spawn")
    with SyncManager(address=("127.0.0.1", 0), ctx=context) as manager:
        queue = manager.Queue()
        listener = logging.handlers.QueueListener(
            queue, *logging.getLogger("mimii").handlers, respect_handler_level=True
        )
        listener.start()
        try:
            yield queue
        finally:
            listener.stop()
