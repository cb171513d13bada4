"""Lets one process measure alone while the others of this user on this host wait."""

import errno
import getpass
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from filelock import FileLock

from mimii.errors import UserError
from mimii.runtime import locks


def shared_directory() -> Path:
    """The directory, one for each user of this host, in which processes agree on who measures.

    Raises
    ------
    UserError
        It can't be used.
    """
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()  # in a container an ID may have no name
    directory = Path(tempfile.gettempdir()) / f"mimii-{user}"
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        if hasattr(os, "getuid") and directory.stat().st_uid != user:
            raise PermissionError(errno.EPERM, "it belongs to another user")
        tempfile.TemporaryFile(dir=directory).close()
    except FileExistsError:
        reason = "it is no directory"
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        return directory
    raise UserError(f"cannot use {directory} ({reason}): remove it, or let TMPDIR name another directory")


class Exclusive:
    """Lets one task measure its latency while every other task of this user on this host waits.

    Who works has locked a file of its own in a shared directory. Who measures closes the gate, a lock that everybody
    takes for a moment before working, and waits until all files are free; those who work see a file beside the gate and
    let go of theirs. The operating system frees the locks of a process that dies. A process that was stopped is waited
    for once and not for ever: the others then go on beside it.

    It is the hooks of a training; see `mimii.training.hooks.Hooks`.

    Parameters
    ----------
    device : str
        Where the task works.

    Attributes
    ----------
    was_alone : bool
        After `alone`: nobody worked or measured meanwhile.
    """

    _LOOK_EVERY = 0.02  # [s], whether another one wants to measure; to look takes some microseconds

    # processes that this one has waited for in vain: they are not waited for again
    _given_up: ClassVar[set[str]] = set()

    def __init__(self, device: str = "cpu"):
        self.was_alone = False
        self._device = device
        self._directory = shared_directory()
        self._gate = FileLock(self._directory / "gate.lock")
        self._at_gate = self._directory / "measuring"  # says who has closed the gate
        self._mine: FileLock | None = None
        self._last = time.monotonic()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work beside others, after waiting for one that measures."""
        self._begin()
        try:
            yield
        finally:
            self._pause()

    def after_step(self) -> float:
        """Let others measure who wait for it; call it often while working.

        Returns
        -------
        float
            How long the others took [s].
        """
        begin = time.monotonic()
        if begin - self._last < self._LOOK_EVERY:
            return 0.0
        self._last = begin
        if not self._at_gate.exists():
            return 0.0
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.synchronize(self._device)  # steps are queued; they would run on while another one measures
            begin = time.monotonic()
        self._pause()
        self._begin()
        return self._last - begin

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold all others while measuring; call it while not working."""
        is_closed = self._take_gate()
        try:
            if is_closed:
                self._at_gate.write_text(f"process {os.getpid()} ({uuid.uuid4().hex[:8]})", encoding="utf-8")
            still_working = [path for path in self._files() if not self._wait_for(path)]
            yield
            # one that did not wait at the gate may have come meanwhile
            self.was_alone = is_closed and not still_working and not self._files()
        finally:
            if is_closed:
                with suppress(OSError):
                    self._at_gate.unlink()
                self._gate.release()

    def _begin(self) -> None:
        """Be one who works."""
        is_open = self._take_gate()
        try:
            if is_open:
                with suppress(OSError):  # of a process that died while it measured
                    self._at_gate.unlink(missing_ok=True)
            self._mine = FileLock(self._directory / f"{os.getpid()}-{uuid.uuid4().hex}.working")
            self._mine.acquire()
        finally:
            if is_open:
                self._gate.release()
        self._last = time.monotonic()

    def _pause(self) -> None:
        """Be none, for a while or for good."""
        mine, self._mine = self._mine, None
        if mine is not None:
            mine.release()
            with suppress(OSError):
                Path(mine.lock_file).unlink()

    def _take_gate(self) -> bool:
        return locks.acquire(self._gate, self._who_measures, "which measures", given_up=self._given_up)

    def _who_measures(self) -> str:
        with suppress(OSError):
            return self._at_gate.read_text(encoding="utf-8")
        return "another process"

    def _files(self) -> list[Path]:
        return sorted(self._directory.glob("*.working"))

    def _wait_for(self, path: Path) -> bool:
        """Wait until the process of a file pauses; tells whether it does."""
        process = f"process {path.name.partition('-')[0]} ({path.stem[-8:]})"
        lock = FileLock(path)
        if not locks.acquire(lock, lambda: process, "to pause, before time is measured", given_up=self._given_up):
            return False
        lock.release()
        with suppress(OSError):  # it has removed the file itself, or it died
            path.unlink()
        return True
