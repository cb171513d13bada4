"""Runs a function over many arguments, in this process or in several."""

import logging
import logging.handlers
import multiprocessing
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from mimii.errors import UserError
from mimii.logs import SubjectFilter

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def in_parallel(function: Callable[[Argument], Result], arguments: Sequence[Argument], jobs: int) -> Iterator[Result]:
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
    """
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
    with multiprocessing.get_context("spawn").Manager() as manager:
        queue = manager.Queue()
        listener = logging.handlers.QueueListener(
            queue, *logging.getLogger("mimii").handlers, respect_handler_level=True
        )
        listener.start()
        try:
            yield queue
        finally:
            listener.stop()
