"""The recordings that a user asks about: files, folders, lists."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mimii.data.folders import audio_files, on_disk
from mimii.monitoring.recordings import natural_key


def asked(given: Iterable[str]) -> tuple[list[str], list[str]]:
    """The files among paths, and the audio files below the folders among them, in natural order.

    Parameters
    ----------
    given : iterable of str
        A file that is given twice is there twice. One that does not exist is there, too: judging it says so.

    Returns
    -------
    files : list of str
    empty : list of str
        Folders below which there is no audio file.
    """
    files: list[str] = []
    empty: list[str] = []
    for path in given:
        if not os.path.isdir(path):  # noqa: PTH112 (Path's complains of a name that is too long)
            with suppress(OSError):
                path = str(on_disk(Path(path)))
            files.append(path)
        elif below := [f"{folder}{os.sep}{name}" for folder, names in audio_files(Path(path)) for name in names]:
            files += sorted(below, key=natural_key)
        else:
            empty.append(path)
    return files, empty


def listed(content: bytes) -> list[str]:
    """The paths in a list: one in each line or, where there are null characters, one before each of them.

    With null characters, as ``find -print0`` writes them, names may hold line breaks.
    """
    content = content.removeprefix(b"\xef\xbb\xbf")  # some editors begin a text with it
    names = content.split(b"\0") if b"\0" in content else [line.rstrip(b"\r") for line in content.split(b"\n")]
    return [os.fsdecode(name) for name in names if name.strip()]
