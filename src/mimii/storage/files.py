"""Files that are whole or absent, and are safe to load."""

import hashlib
import json
import os
import pickle
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from mimii.errors import StorageError

_SEAL_SIZE = hashlib.sha256().digest_size  # [bytes]
_HASH_BLOCK = 2**20  # [bytes]
_LONGEST_NAME = 120  # [bytes]; with a model before it and a digest after it, a file name may have 255
_ABANDONED_AFTER = 24 * 3600  # [s]; no file takes a day to write


class CacheError(Exception):
    """A cache file is damaged, of another version, or holds what it must not."""


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its kind where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def digest(facts: Any) -> str:
    """Short name for a set of facts: equal facts, equal name; any change, another name.

    Parameters
    ----------
    facts : Any
        Nested dicts, lists, strings, numbers and None.

    Returns
    -------
    str
        The first 16 hexadecimal digits of the SHA-256 of the facts as JSON with sorted keys.
    """
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def file_name(text: str) -> str:
    """A part of a file name that says what ``text`` says, as far as file names can: no path, no control characters.

    Examples
    --------
    >>> file_name("6dB fan ../id_00")
    '6dB_fan_.._id_00'
    """
    plain = re.sub(r"[^\w.-]", "_", text)
    return plain.encode()[:_LONGEST_NAME].decode(errors="ignore")


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


def save_pickle(path: Path, content: Any) -> None:
    """Write ``content`` (plain containers and numpy arrays) to ``path``, whole or not at all."""
    with sealed_file(path) as file:
        pickle.dump(content, file, protocol=5)


class _ArrayUnpickler(pickle.Unpickler):
    """Admits what numpy arrays in plain containers are made of, and nothing that could run code."""

    _allowed = frozenset(
        {
            ("numpy", "dtype"),
            ("numpy", "ndarray"),
            ("numpy._core.numeric", "_frombuffer"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "scalar"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a feature file")
        return super().find_class(module, name)


def load_pickle(path: Path) -> Any:
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
            return _ArrayUnpickler(file).load()
        except Exception as error:  # a pickle from elsewhere can raise anything at all
            raise CacheError(f"{path.name}: {first_line(error)}") from error
