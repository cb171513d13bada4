"""How a command ends: with an exit status and, where something is wrong, with one line."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from mimii.errors import UserError

log = logging.getLogger(__name__)


def guarded(command: Callable[[], int]) -> int:
    """Run a command; what a user can correct, and Ctrl-C, end it with one line.

    Returns
    -------
    int
        Exit status: the command's, 2 for what a user can correct, 130 for Ctrl-C, 141 where nobody reads the output.
    """
    # Slurm and docker end a process like this; the exit runs the blocks that end the workers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        status = command()
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # as in `... | head`; Python would complain once more when it closes the stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. What is done is kept; give the same command again to go on.", file=sys.stderr)
        return 130


@contextmanager
def experiment_log(args: argparse.Namespace) -> Iterator[None]:
    """Log an experiment's command to the console and to a file of its own in ``args.result_dir``."""
    from mimii.commands.console import logging_to
    from mimii.storage.names import log_file

    start = f"{datetime.now():%Y%m%d_%H%M%S}"
    with logging_to(args.result_dir / log_file(Path(sys.argv[0]).stem, start, os.getpid())):
        for reason in args.unfit:
            log.warning("Not among all models: %s.", reason)
        yield
