"""Watches a folder: which recordings in it are new and complete."""

import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mimii.data.content import Content, contents
from mimii.data.folders import audio_files
from mimii.errors import UserError
from mimii.monitoring.history import recording_id

log = logging.getLogger(__name__)


class New(NamedTuple):
    """A recording that is to be judged."""

    path: str
    content: Content
    identity: str


class _State(NamedTuple):
    """Size [bytes] and time of change [ns] of a file."""

    size: int
    mtime: int


class Folder:
    """A folder to which recordings are added.

    A file is complete when nothing has changed in it for a while. Who copies recordings into the folder had best write
    them under another name, or outside, and rename them.

    Parameters
    ----------
    path : Path
        All that is below it is looked at, but for hidden folders and rubbish.
    known : set of str
        `recording_id` of what was judged before.
    settle : float > 0
        How long a file must have been as it is [s].

    Raises
    ------
    UserError
        There is no such folder.
    """

    def __init__(self, path: Path, known: set[str], settle: float):
        if not path.is_dir():
            raise UserError(f"there is no folder {path} to watch")
        self.path = path
        self.settle = settle
        self._known = known
        self._done: dict[str, _State] = {}
        self._waiting: dict[str, tuple[_State, float]] = {}  # and since when they are as they are
        self._was_there = True

    @property
    def waiting(self) -> list[str]:
        """Files that were not complete when `look` was last called."""
        return list(self._waiting)

    def look(self) -> list[New]:
        """Find the recordings that are new and complete, the earliest first; each one is given once."""
        is_there = self.path.is_dir()
        if is_there != self._was_there:
            log.warning("The folder %s is %s.", self.path, "there again" if is_there else "not there: waiting for it")
        self._was_there = is_there
        states = self._states() if is_there else {}
        now = time.monotonic()
        complete = []
        waiting = {}
        for path, state in states.items():
            if self._done.get(path) == state:
                continue
            # what was changed long ago is complete at once, as far as the clocks of both computers agree
            age = time.time() - state.mtime / 1e9
            before, since = self._waiting.get(path, (state, now))
            since = since if before == state else now
            if age >= self.settle or now - since >= self.settle:
                complete.append(path)
            else:
                waiting[path] = (state, since)
        self._waiting = waiting
        complete.sort(key=lambda path: (states[path].mtime, path))
        return self._unknown(complete, states)

    def forget(self, recording: New) -> None:
        """Give a recording again when it is there again: it went away before it was judged."""
        self._done.pop(recording.path, None)
        self._known.discard(recording.identity)

    def _unknown(self, paths: list[str], states: dict[str, _State]) -> list[New]:
        new = []
        for path, content in zip(paths, contents(paths), strict=True):
            if not content.size and not Path(path).exists():
                continue  # it has just been moved away
            identity = recording_id(os.path.relpath(path, self.path), content)
            if content.digest:  # else it may be readable again in a moment
                self._done[path] = states[path]
            if identity not in self._known:
                self._known.add(identity)
                new.append(New(path, content, identity))
        return new

    def _states(self) -> dict[str, _State]:
        states = {}
        for directory, names in audio_files(self.path):
            for name in names:
                path = f"{directory}{os.sep}{name}"
                with suppress(OSError):  # it has just been moved away
                    status = os.stat(path)  # noqa: PTH116 (a Path for each of many files takes longer)
                    states[path] = _State(status.st_size, status.st_mtime_ns)
        return states


class Changes:
    """Lets a program sleep until something changes below a folder.

    The system tells of changes on its own disks. It often tells nothing of those on a network drive, so that who waits
    looks himself after a while.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._has_changed = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        from watchfiles import watch

        # where the system can't tell, or the folder goes away, there is the look after a while
        with suppress(Exception):
            for _ in watch(self._folder, watch_filter=None, ignore_permission_denied=True):
                self._has_changed.set()

    def wait(self, seconds: float) -> bool:
        """Sleep until something has changed, but no longer than this [s]; tell whether something has."""
        has_changed = self._has_changed.wait(seconds)
        self._has_changed.clear()
        return has_changed
