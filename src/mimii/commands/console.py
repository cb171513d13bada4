"""What a user sees while an experiment runs: bars on a terminal, plain lines elsewhere, and always a log file."""

import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tqdm import tqdm

from mimii.errors import UserError
from mimii.runtime.logs import SubjectFilter

_EPOCH_LINE_EVERY = 30.0  # [s], where the output is no terminal
_LIBRARIES = "py.warnings"  # the logger that Python gives the warnings of libraries to
_NEVER = logging.CRITICAL + 1  # the level of a handler that has nothing more to show


class Console(logging.Handler):
    """Writes messages to standard error without tearing the bars.

    The engine knows no bars. It marks log records, and the bars follow: ``sweep`` is the number of tasks and of
    epochs that begin, ``epoch`` an epoch that has ended, ``task_ended`` a task that has ended.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.addFilter(SubjectFilter())
        self._tasks: tqdm | None = None
        self._epochs: tqdm | None = None
        self._last_line = time.monotonic()
        self._warnings: set[str] = set()  # that were shown

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record; a terminal that is gone does not end the run, whose log file has all of it."""
        try:
            self._show(record)
        except BrokenPipeError:
            raise  # as in `... 2>&1 | head`: nobody wants the rest
        except OSError:
            self.setLevel(_NEVER)

    def _show(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if hasattr(record, "epoch"):
            self._show_epoch(record, message)
            return
        if hasattr(record, "task_ended") and self._tasks is not None:
            self._tasks.update()
        if record.levelno == logging.WARNING:
            if message in self._warnings:  # each model may find the same fault in a recording
                return
            self._warnings.add(message)
        if record.levelno >= logging.WARNING:
            message = f"{record.levelname.lower()}: {message}"
        tqdm.write(message, file=sys.stderr)
        if hasattr(record, "sweep"):
            self._open_bars(*record.sweep)
        if self._tasks is not None and self._tasks.n == self._tasks.total:
            self.close_bars()

    def _show_epoch(self, record: logging.LogRecord, message: str) -> None:
        subject = getattr(record, "subject", "")
        if self._epochs is not None and not self._epochs.disable:
            self._epochs.set_postfix_str(subject, refresh=False)
            self._epochs.update()
        elif time.monotonic() - self._last_line > _EPOCH_LINE_EVERY:
            self._last_line = time.monotonic()
            tqdm.write(f"{subject}: {message}", file=sys.stderr)

    def _open_bars(self, tasks: int, epochs: int) -> None:
        def bar(position: int, total: int, unit: str) -> tqdm:
            # disable=None: only a terminal shows it
            return tqdm(
                total=total,
                desc=f"{unit}s",
                unit=unit,
                position=position,
                disable=None,
                leave=False,
                dynamic_ncols=True,
            )

        self._tasks, self._epochs = bar(0, tasks, "task"), bar(1, epochs, "epoch")

    def close_bars(self) -> None:
        """Remove the bars from the terminal."""
        for bar in (self._epochs, self._tasks):
            if bar is not None:
                with suppress(OSError):  # the terminal is gone
                    bar.close()
        self._tasks = self._epochs = None


class _LogFile(logging.FileHandler):
    """A log file. When it can't be written any more, as on a full disk, the console says so and it is closed."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Stop writing."""
        logger = logging.getLogger("mimii")
        for source in (logger, logging.getLogger(_LIBRARIES)):
            source.removeHandler(self)
        logger.warning("The log %s can't be written any more (%s).", self.baseFilename, sys.exc_info()[1])


@contextmanager
def _warnings_in(file: logging.Handler) -> Iterator[None]:
    """Keep the warnings of libraries for the log file: a user can do nothing about them.

    Those of worker processes can't get there and are ignored, unless the user has chosen otherwise.
    """
    library = logging.getLogger(_LIBRARIES)
    before = os.environ.get("PYTHONWARNINGS")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # workers read it when they start
    with warnings.catch_warnings():
        logging.captureWarnings(True)
        library.propagate = False
        library.addHandler(file)
        try:
            yield
        finally:
            library.removeHandler(file)
            library.propagate = True
            logging.captureWarnings(False)
            if before is None:
                os.environ.pop("PYTHONWARNINGS", None)


@contextmanager
def on_console() -> Iterator[None]:
    """Show what the engine logs, and keep no log."""
    console = Console()
    logger = logging.getLogger("mimii")
    logger.setLevel(logging.DEBUG)  # that an epoch or a task has ended moves the bars, whatever its level
    logger.propagate = False
    logger.handlers = [console]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries: a user can do nothing about them
            yield
    finally:
        console.close_bars()
        logger.handlers = []


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Log to the console and to a file.

    Parameters
    ----------
    path : Path
        The log file.

    Raises
    ------
    UserError
        It can't be written. One that is raised in the block is logged as well.
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
        with _warnings_in(file):
            logger.debug("%s", " ".join(sys.argv))
            yield
    except UserError as error:
        logger.debug("%s", error)
        raise
    finally:
        console.close_bars()
        logger.handlers = []
        with suppress(OSError):  # of what could not be written
            file.close()
