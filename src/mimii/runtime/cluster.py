"""Runs a function over many arguments on a Dask cluster."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from mimii.errors import UserError

_TIMEOUT = 10  # [s]

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def on_cluster(
    function: Callable[[Argument], Result], arguments: Sequence[Argument], scheduler: str
) -> Iterator[Result]:
    """Give the results as they come, in any order; Dask calls the function again where a worker dies.

    Parameters
    ----------
    function : callable
        Importable by its name from a module.
    arguments : sequence
        One for each call.
    scheduler : str
        Address of the scheduler.

    Raises
    ------
    UserError
        The cluster can't be used.
    """
    with _connected(scheduler) as client:
        from joblib import Parallel, delayed, parallel_config

        with parallel_config(backend="dask", client=client):
            parallel = Parallel(n_jobs=-1, return_as="generator_unordered", batch_size=1)
        call = _portable_call()
        yield from parallel(delayed(call)(pickle.dumps((function, argument))) for argument in arguments)


def count_workers(scheduler: str) -> int:
    """Number of workers of a Dask cluster."""
    with _connected(scheduler) as client:
        return len(client.nthreads())


def _portable_call() -> Callable[[bytes], Any]:
    """Give a function that calls another one.

    Dask's scheduler reads the functions that it passes on and may not be able to import this package. An inner
    function travels by value, and the function that it calls travels as bytes.
    """

    def call(content: bytes) -> Any:
        import pickle

        from joblib import parallel_config

        from mimii.runtime.processes import call_with_one_thread

        # scikit-learn's Parallel would send parts to the cluster, and this thread would begin another task meanwhile
        with parallel_config(backend="sequential"):
            return call_with_one_thread(*pickle.loads(content))  # noqa: S301 (sent by our client over Dask)

    return call


@contextmanager
def _connected(scheduler: str) -> Iterator[Any]:
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

    class ImportPath(WorkerPlugin):  # an inner class travels by value, so a worker need not import it first
        """Lets a worker without an installed package use the checkout, which it shares with this host."""

        name = "mimii-import-path"

        def setup(self, worker: Any) -> None:
            import importlib.util
            import sys

            if importlib.util.find_spec("mimii") is None:
                sys.path.insert(0, source)

    try:
        client = Client(scheduler, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {scheduler}: start one, or correct --scheduler") from error
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
