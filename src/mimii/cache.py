"""Files that are whole or absent, and are safe to load."""

import hashlib
import io
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
from typing import Any

from mimii.errors import StorageError

_SEAL_SIZE = hashlib.sha256().digest_size  # [bytes]
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


def save_sealed(path: Path, content: bytes) -> None:
    """Write a cache file, whole or not at all: the content, and its SHA-256, by which `load_sealed` finds damage.

    What reads files of the content's kind can read this one, too: pickle and zip archives don't mind what follows.
    """
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
        file.write(hashlib.sha256(content).digest())


def load_sealed(path: Path) -> bytes:
    """Read what `save_sealed` wrote.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    CacheError
        It can't be read, or is not what was written: one flipped bit could be a wrong number in a table.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CacheError(f"{path.name}: {error.strerror}") from error
    content, seal = content[:-_SEAL_SIZE], content[-_SEAL_SIZE:]
    if hashlib.sha256(content).digest() != seal:
        raise CacheError(f"{path.name} is damaged or of another version")
    return content


def save_pickle(path: Path, content: Any) -> None:
    """Write ``content`` (plain containers and numpy arrays) to ``path``, whole or not at all."""
    save_sealed(path, pickle.dumps(content, protocol=5))


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
    content = load_sealed(path)
    try:
        return _ArrayUnpickler(io.BytesIO(content)).load()
    except Exception as error:  # a pickle from elsewhere can raise anything at all
        raise CacheError(f"{path.name}: {first_line(error)}") from error
