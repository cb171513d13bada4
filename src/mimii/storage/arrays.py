"""Named arrays as bytes, in numpy's own format: numbers and texts, and no object that could run code."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

_KINDS = "biufU"  # of dtypes: truth values, numbers and texts


def to_bytes(arrays: Mapping[str, Any]) -> bytes:
    """Named arrays, or dicts of them, as an archive that `numpy.load` reads, too.

    Parameters
    ----------
    arrays : dict of str to np.ndarray or dict
        An array in a dict is called ``name of the dict/its own name`` in the archive.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **_flat(arrays))
    return buffer.getvalue()


def _flat(arrays: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in arrays.items():
        found |= _flat(value, f"{prefix}{name}/") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def from_bytes(content: bytes) -> dict[str, Any]:
    """Read what `to_bytes` gave.

    Raises
    ------
    ValueError
        An array is larger than its bytes, or holds objects. Content from elsewhere can raise anything else, too.
    """
    arrays: dict[str, Any] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.namelist():
            *dicts, name = member.removesuffix(".npy").split("/")
            place = arrays
            for part in dicts:
                place = place.setdefault(part, {})
            place[name] = _array(archive.read(member))
    return arrays


def _array(content: bytes) -> np.ndarray:
    """An array from the bytes of a file, whose header is held against their number before anything is made."""
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an array is of another format")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind not in _KINDS:
        raise ValueError(f"an array is of {dtype}")
    data = content[file.tell() :]
    count = 1
    for size in shape:
        count *= size
    if count * dtype.itemsize != len(data):
        raise ValueError("an array is not as large as its bytes")
    array = np.frombuffer(data, dtype) if count else np.empty(0, dtype)
    return array.reshape(shape, order="F" if is_fortran else "C")
