"""Makes sure that what a command prints can be printed, wherever it goes."""

import os
import sys
from contextlib import suppress
from io import TextIOWrapper


def prepare_streams() -> None:
    """Let printing never end a command: a closed stream swallows it, and what a console can't show is escaped.

    A stream that was closed when the command began, as by ``>&-``, leaves its number to the next file that is opened,
    and what is written to the stream would then get into that file. So the null device takes the number.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)  # worker processes have the same streams
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (it stays open)
            setattr(sys, name, stream)
        if isinstance(stream, TextIOWrapper):
            with suppress(OSError, ValueError):  # something printed to it that can't be written any more
                stream.reconfigure(errors="backslashreplace")
