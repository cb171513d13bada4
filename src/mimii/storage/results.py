"""Appends rows to a results CSV, and keeps what figures and statistics are made from."""

import csv
import io
import itertools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from mimii.errors import StorageError, UserError
from mimii.storage import files, schema

log = logging.getLogger(__name__)

# of the files that runs keep; all other columns there hold numbers
_KEPT_TEXTS = {"path", "snr", "machine_type", "machine_id", "label", "target", "prediction"}


def timestamp() -> str:
    """Now, in UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class _UnfitError(Exception):
    """A file can't take rows; the message says why."""


class ResultsTable:
    """A CSV that only grows by whole rows, though processes are killed or several append to it.

    Every append writes the file anew beside the old one and swaps them: results are small, and a torn row would
    cost more than that.

    Parameters
    ----------
    path : Path
        The CSV. Where it can't take rows, because it has other columns, is damaged or may not be written, they go
        to a new file beside it, and a warning names it; what is in it stays as it is.
    columns : sequence of str
        The names of its columns, in order; ``run_id`` is among them.

    Attributes
    ----------
    path : Path
        The CSV that is used.
    """

    def __init__(self, path: Path, columns: Sequence[str]):
        self.columns = list(columns)
        self.path = path
        self._names = (path.with_name(f"{path.stem}_{number}{path.suffix}") for number in itertools.count(2))
        self.read()

    def read(self) -> pd.DataFrame:
        """All rows; an empty text is an empty text, an empty number NaN.

        Raises
        ------
        UserError
            The file can't be read.
        """
        while True:
            try:
                return self._parse(self.path.read_bytes() if self.path.exists() else b"")
            except _UnfitError as error:
                unfit, self.path = self.path, next(self._names)
                log.warning("%s %s: rows go to %s.", unfit, error, self.path)
            except OSError as error:
                reason = files.first_line(error)
                raise UserError(f"{self.path} can't be read ({reason}); name another --output_csv") from error

    def _parse(self, content: bytes) -> pd.DataFrame:
        """Rows of a file's content.

        Raises
        ------
        _UnfitError
            It has other columns, or is damaged: nothing must be built on it.
        """
        try:
            text = content.decode("utf-8-sig")
            lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
        except (UnicodeDecodeError, csv.Error) as error:
            raise _UnfitError(f"is damaged ({files.first_line(error)})") from error
        if not lines:
            return pd.DataFrame(columns=self.columns)
        if lines[0] != self.columns:
            raise _UnfitError("has other columns than this version writes")
        if torn := [line for line in lines if len(line) != len(self.columns)]:
            raise _UnfitError(f"is damaged (a row has {len(torn[0])} of {len(self.columns)} values)")
        try:
            return schema.convert(pd.DataFrame(lines[1:], columns=self.columns, dtype=str), strict=True)
        except ValueError as error:
            raise _UnfitError(f"is damaged ({error})") from error

    def run_ids(self) -> set[str]:
        """The runs that have a row."""
        return set(self.read()["run_id"])

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
            unfit, self.path = self.path, next(self._names)
            try:
                self._append(rows, again)
            except StorageError:
                self.path = unfit
                raise error from None
            log.warning("%s: rows go to %s.", error, self.path)

    def _append(self, rows: Sequence[dict[str, Any]], again: bool) -> None:
        path = None
        while path != self.path:  # reading may find that the file can't take rows any more
            path = self.path
            with self._locked():
                rows_before = self.read()
                if path == self.path:
                    done = set() if again else set(rows_before["run_id"])
                    if new := [row for row in rows if row["run_id"] not in done]:
                        self._write(new)

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        before = self.path.read_bytes() if self.path.exists() else b""
        if not before.decode("utf-8-sig").strip():
            before = b""
            writer.writeheader()
        elif not before.endswith(b"\n"):
            before += b"\n"
        writer.writerows({name: "" if value != value else value for name, value in row.items()} for row in rows)
        with files.whole_file(self.path) as temporary:
            temporary.write_bytes(before + text.getvalue().encode("utf-8"))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from appending."""
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            reason = error.strerror or error
            raise StorageError(f"cannot write {self.path}: {reason}; name another --output_csv") from error
        try:
            yield
        finally:
            lock.release()


def save_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    with files.whole_file(path) as temporary:
        table.to_csv(temporary, index=False, errors="backslashreplace")  # a path need not be UTF-8


def read_table(path: Path) -> pd.DataFrame:
    """Read a results table of whatever version: texts as they stand, numbers as numbers, nothing as NA.

    Raises
    ------
    OSError, ValueError
        It can't be read, or is no CSV.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    return schema.convert(table, strict=False)


def read_kept(path: Path) -> pd.DataFrame:
    """Read what a run kept: scores, a confusion matrix or a loss history.

    Raises
    ------
    OSError, ValueError
        It can't be read, or is no CSV.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    numbers = [name for name in table.columns if name not in _KEPT_TEXTS]
    return table.assign(**{name: pd.to_numeric(table[name], errors="coerce") for name in numbers})
