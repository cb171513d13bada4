"""A CSV that grows by whole rows, in a time that does not depend on how many it has.

Rows are appended in place. What is about to be appended stands in a journal before: where a process dies in the
middle, the next one completes it. Where each run's latest row is in the file is found once, and from then on only
what was appended since is read, whoever appended it. Of a large file that is kept beside it in an index, which counts
as long as the file has not been changed but by appending.
"""

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mimii.errors import StorageError
from mimii.storage import files, schema

_TAIL = 4096  # [bytes] before what was appended, by which a file is known again
_SEEN_SIZE = 128  # [bytes] of a stamp as text, with spaces
_WORTH_AN_INDEX = 2_000  # rows that have to be read, which takes 40 ms


class UnfitError(Exception):
    """A file can't take rows; the message says why."""


def _journal(path: Path) -> Path:
    return path.with_name(f".{path.name}.journal")


def _index(path: Path) -> Path:
    return path.with_name(f".{path.name}.index")


def _seen(path: Path) -> Path:
    """Of a table with an index: what the table looked like when a process of this program last left it."""
    return path.with_name(f".{path.name}.seen")


def whole_content(path: Path) -> bytes:
    """A table's content, with the rows that a process was appending when it died.

    Raises
    ------
    OSError
        It can't be read.
    """
    content = path.read_bytes()
    return content + _missing(path, content)


def _missing(path: Path, content: bytes) -> bytes:
    """What a process that died was about to append to this content; nothing where the journal is of another content."""
    try:
        head, _, rows = _journal(path).read_bytes().partition(b"\n")
        begin = int(json.loads(head)["size"])
    except (OSError, ValueError, KeyError, TypeError):
        return b""
    written = content[begin:]
    return rows[len(written) :] if len(content) >= begin and rows.startswith(written) else b""


class GrowingTable:
    """A CSV file and where its rows are. Call it under a lock that those who append share.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        The names of its columns, in order.
    key : str
        The column that tells the run that a row is of, or whatever else it is of.

    Attributes
    ----------
    runs : dict of str to (int, int)
        Of each run where its latest row begins and ends [bytes], as of the last `look`.
    """

    def __init__(self, path: Path, columns: Sequence[str], key: str = "run_id"):
        self.path = path
        self.runs: dict[str, tuple[int, int]] = {}
        self._columns = list(columns)
        self._run_id = self._columns.index(key)
        self._numbers = [number for number, name in enumerate(self._columns) if not schema.is_text(name)]
        self._stamp: tuple[int, ...] = ()  # of the file when it was read
        self._tail = b""  # the end of what was read
        self._size = 0  # [bytes] of what was read

    def look(self) -> None:
        """Read what is new in the file, or all of it where it is not the same file with more rows.

        Raises
        ------
        UnfitError
            It has other columns, or is damaged: nothing must be built on it.
        OSError
            It can't be read.
        """
        self._complete()
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self.forget()
            return
        stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if not self._stamp:
            self._take_index(stamp)
        if stamp == self._stamp:
            return
        with open(self.path, "rb") as file:
            if not self._has_grown(file, stamp):
                self.forget()
            file.seek(self._size)
            count = self._take(file.read())
        self._stamp = stamp
        if count >= _WORTH_AN_INDEX:
            self._keep_index()

    def read(self, run_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """All rows as of the last `look` or, of some runs, the latest rows, in the order of the file.

        Parameters
        ----------
        run_ids : sequence of str, optional
            Those that have no row are left out.
        """
        if not self._size:
            return pd.DataFrame(columns=self._columns)
        with open(self.path, "rb") as file:
            if run_ids is None:
                content = file.read(self._size)
                lines = [line for line, _ in _records(content, 0) if line][1:]
            else:
                spans = sorted(self.runs[run_id] for run_id in dict.fromkeys(run_ids) if run_id in self.runs)
                lines = []
                for begin, end in spans:
                    file.seek(begin)
                    lines += [line for line, _ in _records(file.read(end - begin), begin) if line]
        return schema.convert(pd.DataFrame(lines, columns=self._columns, dtype=str), strict=False)

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append rows to the file as it was at the last `look`: all of them or, where that fails, none.

        Raises
        ------
        StorageError
            It can't be written.
        """
        text = io.StringIO(newline="")
        quoting = files.csv_quoting(value for row in rows for value in row.values())
        writer = csv.DictWriter(text, self._columns, lineterminator="\n", quoting=quoting)
        if not self.runs and not self._has_header():
            writer.writeheader()
        elif not self._tail.endswith(b"\n"):
            text.write("\n")
        writer.writerows({name: "" if value != value else value for name, value in row.items()} for row in rows)
        content = text.getvalue().encode("utf-8")
        journal = _journal(self.path)
        try:
            if self._size and not self._has_header():  # a byte-order mark or empty lines
                os.truncate(self.path, 0)
                self.forget()
            with files.whole_file(journal) as temporary:
                temporary.write_bytes(json.dumps({"size": self._size}).encode() + b"\n" + content)
            try:
                self._write(content)
            finally:
                journal.unlink()
        except StorageError as error:  # it names the journal
            cause = error.__cause__
            assert isinstance(cause, OSError)
            raise self._cannot_write(cause) from error
        except OSError as error:
            raise self._cannot_write(error) from error
        self.look()
        if _index(self.path).exists():
            self._note()

    def _write(self, content: bytes) -> None:
        """Write at the end of the file, and take back what was written where that fails."""
        is_new = not self.path.exists()
        try:
            with open(self.path, "ab", buffering=0) as file:
                left = memoryview(content)
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):  # it could not even be opened
                os.truncate(self.path, self._size)
                if is_new:
                    self.path.unlink()
            raise

    def _cannot_write(self, error: OSError) -> StorageError:
        reason = error.strerror or error
        return StorageError(f"cannot write {self.path}: {reason}; free space or choose another directory")

    def _complete(self) -> None:
        """Append what a process that died did not append any more."""
        journal = _journal(self.path)
        if not journal.exists():
            return
        content = self.path.read_bytes() if self.path.exists() else b""
        if missing := _missing(self.path, content):
            with open(self.path, "ab") as file:
                file.write(missing)
                file.flush()
                os.fsync(file.fileno())
        journal.unlink(missing_ok=True)

    def forget(self) -> None:
        """Know nothing of the file, as where there is none."""
        self.runs, self._stamp, self._tail, self._size = {}, (), b"", 0

    def _keep_index(self) -> None:
        """Write down all that is known of the file, so that the next process need not read it."""
        index = {
            "columns": self._columns,
            "stamp": self._stamp,
            "size": self._size,
            "tail": self._tail,
            "runs": "\n".join(self.runs),
            "spans": np.array(list(self.runs.values()), dtype=np.int64),
        }
        with suppress(StorageError):  # without it the file is read
            files.save_pickle(_index(self.path), index)
            self._note()

    def _note(self) -> None:
        # over what stood there: some file systems wait for the disk where a file is emptied first
        with suppress(OSError):  # the index does not count any more then
            descriptor = os.open(_seen(self.path), os.O_WRONLY | os.O_CREAT, 0o666)
            with open(descriptor, "wb", buffering=0) as file:
                file.write(json.dumps(self._stamp).ljust(_SEEN_SIZE).encode())

    def _take_index(self, stamp: tuple[int, ...]) -> None:
        """Take over what another process has written down, if nobody but this program has touched the file since."""
        with suppress(OSError, files.CacheError, KeyError, TypeError, ValueError):
            if json.loads(_seen(self.path).read_text(encoding="utf-8")) != list(stamp):
                return
            index = files.load_pickle(_index(self.path))
            runs = dict(zip(index["runs"].split("\n"), map(tuple, index["spans"].tolist()), strict=True))
            if index["columns"] == self._columns:
                self.runs, self._stamp = runs, tuple(index["stamp"])
                self._size, self._tail = index["size"], index["tail"]

    def _has_header(self) -> bool:
        """Tell whether what was read is more than a byte-order mark and empty lines, and so begins with the header."""
        return bool(self._size > len(self._tail) or self._tail.decode("utf-8-sig", errors="replace").strip())

    def _has_grown(self, file: io.BufferedReader, stamp: tuple[int, ...]) -> bool:
        """Tell whether the file is the one that was read, with more lines after what was read."""
        if stamp[:2] != self._stamp[:2] or stamp[2] <= self._size or not self._tail.endswith(b"\n"):
            return False
        file.seek(self._size - len(self._tail))
        return file.read(len(self._tail)) == self._tail

    def _take(self, content: bytes) -> int:
        """Find the rows of some more content of the file, and count them.

        Raises
        ------
        UnfitError
        """
        begin = self._size
        is_header = not begin
        found: dict[str, tuple[int, int]] = {}
        count = 0
        try:
            for line, end in _records(content, begin):
                if line and is_header:
                    if line != self._columns:
                        raise UnfitError("has other columns than this version writes")
                    is_header = False
                elif line:
                    if len(line) != len(self._columns):
                        raise UnfitError(f"is damaged (a row has {len(line)} of {len(self._columns)} values)")
                    self._check_numbers(line)
                    found[line[self._run_id]] = (begin, end)
                    count += 1
                begin = end
        except (UnicodeDecodeError, csv.Error) as error:
            raise UnfitError(f"is damaged ({files.first_line(error)})") from error
        self.runs |= found
        self._size += len(content)
        self._tail = (self._tail + content)[-_TAIL:]
        return count

    def _check_numbers(self, line: list[str]) -> None:
        number = 0
        try:
            for number in self._numbers:
                if text := line[number]:
                    float(text)
        except ValueError:
            raise UnfitError(f"is damaged (a value of {self._columns[number]} is no number)") from None


def _records(content: bytes, begin: int) -> Iterator[tuple[list[str], int]]:
    """The lines of a CSV's content as lists of texts, empty ones among them, and where each one ends in the file.

    Parameters
    ----------
    content : bytes
    begin : int
        Where it begins in the file; a byte-order mark there at 0 is no part of the first text.
    """
    position = begin

    def lines() -> Iterator[str]:
        nonlocal position
        encoding = "utf-8" if begin else "utf-8-sig"
        for line in content.splitlines(keepends=True):
            position += len(line)
            yield line.decode(encoding)
            encoding = "utf-8"

    for record in csv.reader(lines(), strict=True):
        yield record, position
