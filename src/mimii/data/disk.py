"""What downloading, unpacking and checking share: files on a disk, and one line for whatever goes wrong with them."""

import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from filelock import FileLock, Timeout
from tqdm import tqdm

from mimii.errors import UserError

BLOCK = 2**20  # [bytes] that are in memory at a time
THREADS = 16  # they wait for the disk, which answers many requests at once faster than one by one

_Result = TypeVar("_Result")


@contextmanager
def only_process(directory: Path, task: str) -> Iterator[None]:
    """Keep other processes from the same task in a directory, in which they would write the same files.

    Parameters
    ----------
    directory : Path
        Is made where it is missing.
    task : str
        Its name is part of the lock file's name.

    Raises
    ------
    UserError
        Another process does this task there, or the directory can't be written.
    """
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / f".{task}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(f"another process is at work in {directory} ({task}): wait until it has ended") from error
    except OSError as error:
        raise UserError(f"cannot write {directory}: {reason(error)}; choose another --base_dir") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `UserError` that says why a file can't be written, and how to go on."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {reason(error)}; what is done is kept: free space or choose another --base_dir, "
            "and give the same command again"
        ) from error


def blocks(path: Path, open_file: Callable[[], IO[bytes]] | None = None) -> Iterator[bytes]:
    """Give the content of a file block by block.

    Parameters
    ----------
    path : Path
        The file.
    open_file : callable, optional
        Opens what is read where that is only a part of the file, as a member of an archive is.

    Raises
    ------
    UserError
        The file can't be read. An `OSError` would pass for one of the file that the content is written to.
    """
    try:
        with open_file() if open_file else open(path, "rb") as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as error:
        raise unreadable(path, error) from error


def headers(read: Callable[[str], _Result], paths: Collection[str]) -> list[_Result]:
    """What a function reads from each of many files, with a bar on a terminal."""
    with ThreadPoolExecutor(THREADS) as pool:
        results = pool.map(read, paths)
        return list(tqdm(results, total=len(paths), desc="headers", unit="file", disable=None, leave=False))


def unreadable(path: Path, error: OSError) -> UserError:
    """The error that says why a file can't be read, and how to go on."""
    return UserError(f"cannot read {path}: {reason(error)}; if it is damaged, remove it and give the command again")


def check_space(directory: Path, needed: int) -> None:
    """Raise a `UserError` where a directory's disk has less free space than is needed [bytes]."""
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise UserError(
            f"{size_text(needed)} are still to be written and {directory} has {size_text(free)} free: free space, "
            "select less, with --machine_type say, or choose another --base_dir"
        )


def file_size(path: Path) -> int | None:
    """Size of a file [bytes]; None where there is none."""
    try:
        status = path.stat()
    except OSError:  # where it is more than a missing file, reading or writing it will say so
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def size_text(size: float) -> str:
    """A number of bytes with three digits and a unit, as in ``1.5 GB``."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB" if size < 1000 else f"{size:,.0f} GB"


def reason(error: Exception) -> str:
    """The text of an exception, without its number."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def progress_bar(title: str, size: int) -> tqdm:
    """A bar for bytes, on a terminal."""
    return tqdm(
        total=size,
        desc=title,
        unit="B",
        unit_scale=True,
        disable=None,
        leave=False,
        dynamic_ncols=True,
        mininterval=0.5,
    )
