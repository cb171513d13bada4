"""Lets one process measure alone while the others of this user on this host wait."""

import getpass
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import ReadWriteLock


class Exclusive:
    """Lets one task measure its latency while every other task of this user on this host waits.

    Tasks work under a shared lock. A task that wants to measure takes the lock alone; the others, who release it once
    a second, wait until it is done. The operating system frees the lock of a process that dies.

    It is the hooks of a training; see `mimii.training.hooks.Hooks`.

    Parameters
    ----------
    device : str
        Where the task works.
    """

    _RELEASE_EVERY = 1.0  # [s]; to release the lock and take it again costs about 6 ms

    def __init__(self, device: str = "cpu"):
        self._device = device
        user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()  # in a container an ID may have no name
        directory = Path(tempfile.gettempdir()) / f"mimii-{user}"
        directory.mkdir(mode=0o700, exist_ok=True)
        self._lock = ReadWriteLock(directory / "occupancy.db")
        self._last = time.monotonic()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work beside others, after waiting for one that measures."""
        self._lock.acquire_read()
        self._last = time.monotonic()
        try:
            yield
        finally:
            self._lock.release()

    def after_step(self) -> float:
        """Let others measure where a second has passed since the last time; call it often while working.

        Returns
        -------
        float
            How long the others took [s].
        """
        begin = time.monotonic()
        if begin - self._last < self._RELEASE_EVERY:
            return 0.0
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.synchronize(self._device)  # steps are queued; they would run on while another one measures
            begin = time.monotonic()
        self._lock.release()
        self._lock.acquire_read()
        self._last = time.monotonic()
        return self._last - begin

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold all others while measuring; call it while not working."""
        with self._lock.write_lock():
            yield
