"""Files that are whole or absent, and are safe to load."""

import csv
import hashlib
import os
import pickle
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np

from mimii.errors import StorageError, UserError

_SEAL_SIZE = hashlib.sha256().digest_size  # [bytes]
_HASH_BLOCK = 2**20  # [bytes]
_ABANDONED_AFTER = 24 * 3600  # [s]; no file takes a day to write


class CacheError(UserError):
    """A cache file is damaged, of another version, or holds what it must not."""


def csv_quoting(values: Iterable[object]) -> Literal[0, 1]:
    """How the csv module must quote values so that they come back; a file may be called anything.

    Before Python 3.13 it does not quote a lone carriage return by itself, and reads it as the end of a line.
    """
    return csv.QUOTE_ALL if any(isinstance(value, str) and "\r" in value for value in values) else csv.QUOTE_MINIMAL


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its kind where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


@lru_cache
def _remove_abandoned(directory: Path) -> None:
    """Remove the temporary files that killed processes left in a directory; looked for once a process."""
    with suppress(OSError):  # there is no such directory yet, or it may not be changed: writing will say so
        for path in directory.iterdir():
            is_temporary = re.fullmatch(r"\.[0-9a-f]{32}(\.\w+)?", path.name)
            if is_temporary and time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                path.unlink()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; what was written there takes its place when all went well.

    Readers see the old file or the new one, never a part, whenever the process is killed.

    Parameters
    ----------
    path : Path
        The file to write. Its directory is made where it is missing.

    Yields
    ------
    Path
        The temporary file to write.

    Raises
    ------
    StorageError
        The file can't be written (permissions, disk full); what stood there before is untouched.
    """
    _remove_abandoned(path.parent)
    temporary = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"cannot write {path}: {reason}; free space or choose another directory") from error
    finally:
        with suppress(OSError):  # there is none, or no directory for it
            temporary.unlink()


def check_writable(directory: Path, content: str) -> None:
    """Make a directory and see that it can be written, before work is done whose result is to be kept there.

    Parameters
    ----------
    directory : Path
    content : str
        What is to be written, for the message.

    Raises
    ------
    UserError
        It can't be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / f".writable-{uuid.uuid4().hex}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"cannot write to {directory}: {error.strerror}; choose another directory for {content}"
        ) from error


class _SealingFile:
    """A file for writing that knows the SHA-256 of what was written: no second copy of large arrays is made for it."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, content: bytes) -> int:
        """Write as a file does."""
        self._hash.update(content)
        return self._file.write(content)

    def seal(self) -> None:
        """Write the SHA-256 of all that was written."""
        self._file.write(self._hash.digest())


@contextmanager
def sealed_file(path: Path) -> Iterator[_SealingFile]:
    """Write a cache file, whole or not at all: the content and its SHA-256, by which `open_sealed` finds damage.

    What reads files of the content's kind can read this one, too: pickle and zip archives don't mind what follows.
    """
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        sealing = _SealingFile(file)
        yield sealing
        sealing.seal()


@contextmanager
def open_sealed(path: Path) -> Iterator[BinaryIO]:
    """Open what `sealed_file` wrote, at its beginning, after it was found to be whole.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    CacheError
        It can't be read, or is not what was written: one flipped bit could be a wrong number in a table.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size - _SEAL_SIZE
            found, left = hashlib.sha256(), max(size, 0)
            while left and (block := file.read(min(left, _HASH_BLOCK))):
                found.update(block)
                left -= len(block)
            if size < 0 or file.read() != found.digest():
                raise CacheError(f"{path.name} is damaged or of another version")
            file.seek(0)
            yield file
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CacheError(f"{path.name}: {error.strerror}") from error


def save_pickle(path: Path, content: dict[str, Any]) -> None:
    """Write a dict of numpy arrays, numbers, texts and plain containers to ``path``, whole or not at all.

    An array is kept as its dtype, shape and bytes, so that the pickle names no class and no function. Anybody can
    read it: ``numpy.frombuffer(array["data"], array["dtype"]).reshape(array["shape"])``.
    """
    plain = {key: _without_class(value) if isinstance(value, np.ndarray) else value for key, value in content.items()}
    with sealed_file(path) as file:
        pickle.dump(plain, cast(BinaryIO, file), protocol=5)


def _without_class(array: np.ndarray) -> dict[str, Any]:
    # pickle writes a PickleBuffer as a bytearray, without a copy of a large array
    data = pickle.PickleBuffer(np.ascontiguousarray(array).data)
    return {"dtype": array.dtype.str, "shape": array.shape, "data": data}


class _PlainUnpickler(pickle.Unpickler):
    """Reads plain containers, numbers, texts and bytes.

    It is safe because a pickle can only call what it has looked up by name, and here every look-up fails.
    """

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}, and a feature file names nothing")


def load_pickle(path: Path) -> dict[str, Any]:
    """Read what `save_pickle` wrote; a planted pickle can't run anything.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    CacheError
        The file is not one that `save_pickle` wrote.
    """
    with open_sealed(path) as file:
        try:
            content = _PlainUnpickler(file).load()
            return {key: _array(value) if isinstance(value, dict) else value for key, value in content.items()}
        except Exception as error:  # a pickle from elsewhere can raise anything at all
            raise CacheError(f"{path.name}: {first_line(error)}") from error


def _array(value: dict[Any, Any]) -> Any:
    """The array that `_without_class` took apart; another dict as it is."""
    if set(value) != {"dtype", "shape", "data"}:
        return value
    return np.frombuffer(value["data"], value["dtype"]).reshape(value["shape"])
