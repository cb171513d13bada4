"""Tells one recording from another by what is in the file."""

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

_BLOCK = 1024  # [bytes]
_BLOCKS = 8  # of a file: its header, its end, and what lies evenly between them
_WHOLE = 2**16  # [bytes]; a file up to this size is read as a whole
_THREADS = 16  # they wait for the disk, which answers many requests at once faster than one by one
_BATCH = 256  # files that a thread is given at once
_WAIT = 5e-5  # [s] that a file takes longer than the processor works on it, if it comes from a disk


class Content(NamedTuple):
    """What tells a file from another, and from its changed version.

    Attributes
    ----------
    size : int [bytes]
    mtime : int [ns]
        When the file was changed.
    digest : str
        Of the size, the header and some blocks; empty where the file can't be read.
    """

    size: int
    mtime: int
    digest: str


def contents(paths: Iterable[str]) -> Iterator[Content]:
    """Look into each of many files, by threads as soon as the disk is waited for.

    Files that the system has in its memory are read without waiting, and threads would only wait for each other.
    """
    remaining = iter(paths)
    batches = iter(lambda: list(islice(remaining, _BATCH)), [])
    for batch in batches:
        begin, busy = time.perf_counter(), time.thread_time()
        found = [content(path) for path in batch]
        waited = time.perf_counter() - begin - (time.thread_time() - busy)
        yield from found
        if waited > _WAIT * len(batch):
            break
    with ThreadPoolExecutor(_THREADS) as pool:
        for found in pool.map(lambda batch: [content(path) for path in batch], batches):
            yield from found


def content(path: str) -> Content:
    """Size, time of change and digest of a file.

    Some blocks suffice: two recordings of other sounds, or of the same sound filtered or amplified, differ everywhere.
    A file that was changed in a few places between the blocks keeps its digest.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 (a Path for each of 54,057 files takes longer)
    except OSError:  # a dangling link; reading it will say so
        return Content(0, 0, "")
    size, mtime = status.st_size, status.st_mtime_ns
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for somebody who writes
        return Content(size, mtime, "")
    parts = [str(size).encode()]
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))  # a file object takes as long as all reads
        try:
            if size <= _WHOLE:
                parts.append(os.read(file, _WHOLE))
            else:
                for number in range(_BLOCKS):
                    parts.append(_read(file, _BLOCK, (size - _BLOCK) * number // (_BLOCKS - 1)))
        finally:
            os.close(file)
    except OSError:
        return Content(size, mtime, "")
    return Content(size, mtime, hashlib.blake2b(b"".join(parts), digest_size=16).hexdigest())


def _read(file: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(file, size, offset)
    os.lseek(file, offset, os.SEEK_SET)  # on Windows
    return os.read(file, size)
