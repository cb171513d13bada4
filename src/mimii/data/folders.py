"""Walks through the directories of a data set: what is audio, and what is rubbish."""

import logging
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

USABLE = (".wav", ".wave", ".flac", ".ogg", ".aif", ".aiff")  # the first ones are preferred
UNUSABLE = (".mp3", ".m4a", ".aac", ".wma", ".opus", ".amr", ".caf", ".au", ".w64", ".rf64", ".wv", ".ape", ".aifc")

# of Windows, macOS, Linux, and network drives of Synology, QNAP and NetApp
_RUBBISH = re.compile(
    r"\..*|\$recycle\.bin|recycle[rd]|[#@]recycle|recycle[ ._]?bin|#snapshot|~snapshot|@recently-snapshot|@eadir|@tmp"
    r"|trash(es|-\d+|[ ._]?bin|[ ._]?can)?|network trash folder|temporary items|lost\+found|lost\.dir|found\.\d{3}"
    r"|system volume information|__macosx",
    re.IGNORECASE,
)


def is_rubbish(name: str) -> bool:
    """Tell whether a directory is hidden, or holds what was deleted or what a system keeps for itself."""
    return _RUBBISH.fullmatch(name) is not None


def audio_files(base: Path) -> Iterator[tuple[Path, list[str]]]:
    """Give each directory from ``base`` down that holds audio files, with their names in order.

    Each real directory comes once, though links may form loops. Hidden files are left out, and rubbish is not entered.
    A directory or a pipe that is called like an audio file counts as one, so that somebody hears of it.
    """
    seen = set()
    directories = [str(base)]
    while directories:
        directory = directories.pop()
        real = os.path.realpath(directory)
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(directory) as entries:
                found = sorted((entry for entry in entries if entry.name[0] != "."), key=lambda entry: entry.name)
        except OSError as error:
            log.warning("The directory %s was not searched: %s.", directory, error.strerror)
            continue
        below = [entry.path for entry in found if _is_directory(entry) and not is_rubbish(entry.name)]
        directories += reversed(below)
        if names := [entry.name for entry in found if entry.name.lower().endswith(USABLE + UNUSABLE)]:
            yield Path(directory), names


def without_ending(name: str) -> str:
    """The name of a recording without its ending; lists may name it so, and a value such as 7.5V is no ending."""
    ending = next((ending for ending in USABLE + UNUSABLE if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def on_disk(path: Path) -> Path:
    """The path as the disk writes it, where a letter such as ü is composed in the one and decomposed in the other."""
    if path.exists():
        return path
    found = Path(path.anchor)
    for part in path.parts[len(found.parts) :]:
        if not (found / part).exists():
            try:
                part = next(name for name in os.listdir(found) if one_form(name) == one_form(part))
            except (OSError, StopIteration):
                return path
        found /= part
    return found


def one_form(text: str) -> str:
    """A text with its letters composed: ü is one character."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
