"""Appends rows to a results CSV, and keeps what figures and statistics are made from."""

import io
import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from mimii.errors import StorageError, UserError
from mimii.runtime import locks
from mimii.storage import files, schema
from mimii.storage.growing import GrowingTable, UnfitError, whole_content

log = logging.getLogger(__name__)

# of the files that runs keep, with columns for single attributes; all other columns there hold numbers
_KEPT_TEXTS = {"path", "snr", "machine_type", "machine_id", "label", "domain", "attributes", "target", "prediction"}


def timestamp() -> str:
    """Now, in UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class ResultsTable:
    """A CSV that only grows by whole rows, though processes are killed or several append to it.

    Parameters
    ----------
    path : Path
        The CSV. Where it can't take rows, because it has other columns, is damaged or may not be written, they go
        to a new file beside it, and a warning names it; what is in it stays as it is.
    columns : sequence of str
        The names of its columns, in order.
    key : str
        The column that tells what a row is of; `run_ids` and the like speak of its values.
    """

    def __init__(self, path: Path, columns: Sequence[str], key: str = "run_id"):
        self.columns = list(columns)
        self._key = key
        self._names = (path.with_name(f"{path.stem}_{number}{path.suffix}") for number in itertools.count(2))
        self._table = GrowingTable(path, self.columns, key)
        self._look()

    @property
    def path(self) -> Path:
        """The CSV that is used."""
        return self._table.path

    def read(self) -> pd.DataFrame:
        """All rows; an empty text is an empty text, an empty number NaN.

        Raises
        ------
        UserError
            The file can't be read.
        """
        self._look()
        return self._table.read()

    def latest(self, run_ids: Iterable[str]) -> pd.DataFrame:
        """The latest row of each of some runs, in the order of the file; see `read`."""
        self._look()
        return self._table.read(list(run_ids))

    def run_ids(self) -> set[str]:
        """The runs that have a row."""
        self._look()
        return set(self._table.runs)

    def append(self, rows: Sequence[dict[str, Any]], *, again: bool = False) -> None:
        """Append rows, all of them or, where that fails, none.

        Parameters
        ----------
        rows : sequence of dict
        again : bool
            Append rows of runs that have one, too: the latest counts. Otherwise another process did the same
            meanwhile, and its row stands.

        Raises
        ------
        StorageError
            Neither the file nor a new one beside it can be written.
        """
        try:
            self._append(rows, again)
        except StorageError as error:
            unfit, self._table = self._table, GrowingTable(next(self._names), self.columns, self._key)
            try:
                self._append(rows, again)
            except StorageError:
                self._table = unfit
                raise error from None
            log.warning("%s: rows go to %s.", error, self.path)

    def _append(self, rows: Sequence[dict[str, Any]], again: bool) -> None:
        path = None
        while path != self.path:  # looking may find that the file can't take rows any more
            path = self.path
            with self._locked():
                self._look_locked()
                if path == self.path:
                    new = [row for row in rows if again or row[self._key] not in self._table.runs]
                    if new:
                        self._table.append(new)

    def _look(self) -> None:
        """Bring what is known of the file up to date, or go on with a new one where it can't take rows."""
        path = None
        while path != self.path:
            path = self.path
            if path.exists():
                with self._locked():
                    self._look_locked()
            else:
                self._table.forget()

    def _look_locked(self) -> None:
        """See `_look`; of a new file nothing is known yet.

        Raises
        ------
        UserError
            The file can't be read.
        """
        try:
            self._table.look()
        except UnfitError as error:
            unfit, self._table = self.path, GrowingTable(next(self._names), self.columns, self._key)
            log.warning("%s %s: rows go to %s.", unfit, error, self.path)
        except OSError as error:
            reason = files.first_line(error)
            raise UserError(f"{self.path} can't be read ({reason}); name another file") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from appending.

        Raises
        ------
        StorageError
            There can be no lock, or a process that was stopped holds it.
        """
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            is_held = locks.acquire(lock, lambda: "the process", f"that appends to {self.path}")
        except OSError as error:
            reason = error.strerror or error
            raise StorageError(f"cannot write {self.path}: {reason}; name another file") from error
        if not is_held:
            raise StorageError(f"cannot write {self.path}: another process holds it, which may have been stopped")
        try:
            yield
        finally:
            lock.release()


def save_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    texts = table.select_dtypes(exclude="number")
    quoting = files.csv_quoting(value for name in texts for value in texts[name])
    with files.whole_file(path) as temporary:
        table.to_csv(temporary, index=False, errors="backslashreplace", quoting=quoting)  # a path need not be UTF-8


def read_table(path: Path) -> pd.DataFrame:
    """Read a results table of whatever version: texts as they stand, numbers as numbers, nothing as NA.

    Raises
    ------
    OSError, ValueError
        It can't be read, or is no CSV.
    """
    content = io.BytesIO(whole_content(path))
    table = pd.read_csv(content, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    return schema.convert(table, strict=False)


def read_kept(path: Path) -> pd.DataFrame:
    """Read what a run kept: scores, a confusion matrix or a loss history.

    Raises
    ------
    OSError, ValueError
        It can't be read, or is no CSV.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    numbers = [name for name in table.columns if name not in _KEPT_TEXTS and not name.startswith("attribute_")]
    return table.assign(**{name: pd.to_numeric(table[name], errors="coerce") for name in numbers})
