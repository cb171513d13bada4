"""Waiting for a file that another process has locked: never for ever, for that process may have been stopped."""

import logging
import time
from collections.abc import Callable

from filelock import BaseFileLock, Timeout

log = logging.getLogger(__name__)

LONGEST_WAIT = 120.0  # [s] for one and the same process
SAY_AFTER = 5.0  # [s]

# asleep in Python, so that Ctrl-C and SIGTERM are heard; a wait is made longer by a tenth at most, and looks seldom
_POLL_EVERY = 0.002, 0.05  # [s] at first and later


def acquire(lock: BaseFileLock, holder: Callable[[], str], reason: str, *, given_up: set[str] | None = None) -> bool:
    """Take a lock, and wait for the process that holds it.

    Parameters
    ----------
    lock : BaseFileLock
    holder : callable
        Names the process that holds the lock. The time counts anew for each one.
    reason : str
        Why one waits: the end of a sentence that begins with "Waiting for", for the log.
    given_up : set of str, optional
        Receives the name of a holder that was waited for in vain, and a warning says so; for those in it there is no
        wait.

    Returns
    -------
    bool
        False where the wait took too long; the lock is not held then.

    Raises
    ------
    OSError
        The lock's file can't be opened.
    """
    waited_for, begin, has_said = "", time.monotonic(), False
    while True:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            name = holder()
        else:
            return True
        if given_up is not None and name in given_up:
            return False
        if name != waited_for:
            waited_for, begin = name, time.monotonic()
        waited = time.monotonic() - begin
        if waited >= LONGEST_WAIT:
            if given_up is not None:
                given_up.add(name)
                log.warning(
                    "After %.0f s %s is not waited for any longer; it may have been stopped. Rows that are measured "
                    "beside it say so in the column measured_alone.",
                    waited,
                    name,
                )
            return False
        if waited >= SAY_AFTER and not has_said:
            has_said = True
            log.info("Waiting for %s %s, for at most %.0f s.", name, reason, LONGEST_WAIT)
        time.sleep(min(max(_POLL_EVERY[0], waited / 10), _POLL_EVERY[1]))
