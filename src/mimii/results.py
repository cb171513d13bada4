"""Appends rows to a results CSV, and keeps what figures and statistics are made from."""

import csv
import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from mimii import cache
from mimii.errors import UserError

log = logging.getLogger(__name__)


def timestamp() -> str:
    """Now, in UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


# columns that hold names, however much one may look like a number or like nothing
_TEXTS = {"model", "snr", "machine_type", "machine_id", "dataset_scope", "variant", "device", "device_name", "run_id"}


class ResultsTable:
    """A CSV that only grows by whole rows, though processes are killed or several append to it.

    Every append writes the file anew beside the old one and swaps them: results are small, and a torn row would
    cost more than that.

    Parameters
    ----------
    path : Path
        The CSV. Where it has other columns, rows go to a new file beside it, and a warning names it.
    columns : sequence of str
        The columns, in order; ``run_id`` is among them.

    Attributes
    ----------
    path : Path
        The CSV that is used.
    """

    def __init__(self, path: Path, columns: Sequence[str]):
        self.columns = list(columns)
        self.path = path
        number = 1
        while (header := self._header()) is not None and header != self.columns:
            number += 1
            self.path = path.with_name(f"{path.stem}_{number}{path.suffix}")
        if self.path != path:
            log.warning("%s has other columns than this version writes: rows go to %s.", path, self.path)

    def _header(self) -> list[str] | None:
        """Column names of the file; None where there is no row yet."""
        try:
            if not self.path.exists() or not self.path.stat().st_size:
                return None
            with open(self.path, encoding="utf-8-sig", newline="") as file:
                return next(csv.reader(file), [])
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> UserError:
        reason = cache.first_line(error)
        return UserError(f"{self.path} can't be read ({reason}); move it away or name another --output_csv")

    def read(self) -> pd.DataFrame:
        """All rows; an empty text is an empty text, an empty number NaN.

        Raises
        ------
        UserError
            The file can't be read.
        """
        if self._header() is None:
            return pd.DataFrame(columns=self.columns)
        texts = dict.fromkeys(_TEXTS.intersection(self.columns), str)
        numbers = {name: [""] for name in self.columns if name not in texts}
        try:
            return pd.read_csv(self.path, dtype=texts, keep_default_na=False, na_values=numbers, encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error

    def run_ids(self) -> set[str]:
        """The runs that have a row."""
        return set(self.read()["run_id"])

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append rows, all of them or, where that fails, none.

        Raises
        ------
        UserError
            The file can't be written.
        """
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        with self._locked():
            before = self.path.read_bytes() if self._header() is not None else b""
            if not before:
                writer.writeheader()
            elif not before.endswith(b"\n"):
                before += b"\n"
            writer.writerows({name: "" if value != value else value for name, value in row.items()} for row in rows)
            with cache.whole_file(self.path) as temporary:
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
            raise UserError(f"cannot write {self.path}: {reason}; name another --output_csv") from error
        try:
            yield
        finally:
            lock.release()


def save_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    with cache.whole_file(path) as temporary:
        table.to_csv(temporary, index=False)
