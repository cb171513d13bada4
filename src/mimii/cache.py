"""Files that are whole or absent, and are safe to load."""

import hashlib
import json
import os
import pickle
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mimii.errors import UserError


class CacheError(Exception):
    """A cache file is cut short, of another version, or holds what it must not."""


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
    UserError
        The file can't be written (permissions, disk full); what stood there before is untouched.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {path}: {reason}; free space or choose another directory") from error
    finally:
        with suppress(OSError):  # there is none, or no directory for it
            temporary.unlink()


def save_pickle(path: Path, content: Any) -> None:
    """Write ``content`` (plain containers and numpy arrays) to ``path``, whole or not at all."""
    with whole_file(path) as temporary, open(temporary, "wb") as file:
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
        The file is not one that `save_pickle` wrote whole.
    """
    with open(path, "rb") as file:
        try:
            return _ArrayUnpickler(file).load()
        except Exception as error:  # a damaged pickle can raise anything at all
            raise CacheError(f"{path.name}: {first_line(error)}") from error
