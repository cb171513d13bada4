"""The recordings that a user asks about: files, folders, lists."""

import codecs
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

    With null characters, as ``find -print0`` writes them, names may hold line breaks. A list that begins with the
    byte-order mark of UTF-16 is understood, too: PowerShell writes such ones.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", errors="replace")
    else:
        text = os.fsdecode(content.removeprefix(codecs.BOM_UTF8))  # some editors begin a text with it
    names = text.split("\0") if "\0" in text else [line.rstrip("\r") for line in text.split("\n")]
    return [name for name in names if name.strip()]
