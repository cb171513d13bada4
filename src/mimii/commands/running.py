"""How a command ends: with an exit status and, where something is wrong, with one line."""

import argparse
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from mimii.commands.streams import prepare_streams
from mimii.errors import UserError
from mimii.runtime.spelling import plain

log = logging.getLogger(__name__)


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: the blocks that end the workers run, and nothing handles it."""


def _terminate(number: int, frame: object) -> None:
    raise _Terminated


GOES_ON = " What is done is kept; give the same command again to go on."


def guarded(command: Callable[[], int], *, when_stopped: str = GOES_ON) -> int:
    """Run a command; what a user can correct, Ctrl-C and SIGTERM end it with one line.

    Parameters
    ----------
    command : callable
        Gives the exit status.
    when_stopped : str
        What to say of Ctrl-C and SIGTERM beside that they were heard; begins with a space.

    Returns
    -------
    int
        Exit status: the command's, 2 for an error, 130 for Ctrl-C, 143 for SIGTERM, 141 where nobody reads the output.
    """
    prepare_streams()
    signal.signal(signal.SIGTERM, _terminate)  # Slurm and docker end a process like this
    try:
        status = command()
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # as in `... | head`; Python would complain once more when it closes the stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: error: {plain(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk behind standard output, say
        with suppress(OSError):
            print(f"{Path(sys.argv[0]).name}: error: {plain(str(error))}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left there would be tried again at the end
        return 2
    except Exception:  # a fault of this program: it must not end with 1, which says "abnormal" of a recording
        traceback.print_exc()
        return 2
    except KeyboardInterrupt as error:
        how, status = ("Terminated", 143) if isinstance(error, _Terminated) else ("\nInterrupted", 130)
        print(f"{how}.{when_stopped}", file=sys.stderr)
        return status


@contextmanager
def experiment_log(args: argparse.Namespace) -> Iterator[None]:
    """Log an experiment's command to the console and to a file of its own in ``args.result_dir``."""
    from mimii.commands.console import logging_to
    from mimii.storage.names import log_file

    start = f"{datetime.now():%Y%m%d_%H%M%S}"
    with logging_to(args.result_dir / log_file(Path(sys.argv[0]).stem, start, os.getpid())):
        for reason in args.unfit:
            if args.base_dir.is_dir():  # a wrong one is answered by a single line
                log.warning("Not among all models: %s.", reason)
        yield
