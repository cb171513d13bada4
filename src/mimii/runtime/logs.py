"""What a user sees while an experiment runs: bars on a terminal, plain lines elsewhere, and always a log file."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from tqdm import tqdm

from mimii.errors import UserError

_EPOCH_LINE_EVERY = 30.0  # [s], where the output is no terminal

_subject: ContextVar[str] = ContextVar("subject", default="")


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Name what the log records of this block are about."""
    token = _subject.set(subject)
    try:
        yield
    finally:
        _subject.reset(token)


class SubjectFilter(logging.Filter):
    """Gives each record its subject, before it leaves the process that knows it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set ``record.subject`` where it is not set yet."""
        if not hasattr(record, "subject"):
            record.subject = _subject.get()
        return True


class Console(logging.Handler):
    """Writes messages to standard error without tearing the bars, and shows epochs as one bar."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.addFilter(SubjectFilter())
        self.epochs: tqdm | None = None
        self._last_line = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        message = record.getMessage()
        if not hasattr(record, "epoch"):
            if record.levelno >= logging.WARNING:
                message = f"{record.levelname.lower()}: {message}"
            tqdm.write(message, file=sys.stderr)
        elif self.epochs is not None and not self.epochs.disable:
            self.epochs.set_postfix_str(record.subject, refresh=False)
            self.epochs.update()
        elif time.monotonic() - self._last_line > _EPOCH_LINE_EVERY:
            self._last_line = time.monotonic()
            tqdm.write(f"{record.subject}: {message}", file=sys.stderr)


class _LogFile(logging.FileHandler):
    """A log file. Where it can't be written any more, as on a full disk, the console says so and it is left alone."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Take leave."""
        logger = logging.getLogger("mimii")
        logger.removeHandler(self)
        logger.warning("The log %s can't be written any more (%s).", self.baseFilename, sys.exc_info()[1])


@contextmanager
def logging_to(path: Path) -> Iterator[Console]:
    """Log to the console and to a file.

    Parameters
    ----------
    path : Path
        The log file.

    Raises
    ------
    UserError
        It can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _LogFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another --result_dir") from error
    file.addFilter(SubjectFilter())
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(subject)s %(message)s"))
    console = Console()
    logger = logging.getLogger("mimii")
    logger.setLevel(logging.DEBUG)  # the console shows INFO and above; tracebacks are for the file
    logger.propagate = False
    logger.handlers = [console, file]
    try:
        yield console
    finally:
        logger.handlers = []
        with suppress(OSError):  # of what could not be written
            file.close()


@contextmanager
def progress_bars(console: Console, tasks: int, epochs: int) -> Iterator[tqdm]:
    """A bar for tasks, which is given, and one for the epochs of all of them, where the output is a terminal."""
    with (
        tqdm(total=tasks, desc="tasks", unit="task", disable=None, position=0, leave=False, dynamic_ncols=True) as bar,
        tqdm(
            total=epochs, desc="epochs", unit="epoch", disable=None, position=1, leave=False, dynamic_ncols=True
        ) as console.epochs,
    ):
        yield bar
    console.epochs = None
