"""Finds recordings, as a table that everything else filters or groups."""

import logging
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pandas as pd

from mimii.data.layouts import LAYOUTS, PathFacts
from mimii.data.machines import MACHINE, machine_name
from mimii.errors import UserError

log = logging.getLogger(__name__)

# a data set is synthetic where its README begins like this
README_NAME = "README.txt"
SYNTHETIC_MARK = "SYNTHETIC"


def find_recordings(base_dir: Path, layout: str = "auto") -> pd.DataFrame:
    """Find every machine below a directory.

    MIMII: a directory with wavs in ``normal/`` or ``abnormal/`` is a machine. Its type and its SNR may be named above
    ``base_dir``, so that it can point at all of MIMII, at one SNR, at one type or at one machine.

    DCASE: a directory with wavs in ``train/`` or ``test/`` is a machine type, and the file names tell the rest; a
    section is a machine.

    Parameters
    ----------
    base_dir : Path
        Where to look; symbolic links are followed.
    layout : str
        A key of ``LAYOUTS``, or ``auto``.

    Returns
    -------
    pd.DataFrame
        A row a recording, sorted by machine, label and name, with the columns

        - path : str, absolute
        - snr : str, ``6dB``, ``0dB``, ``min6dB`` ..., empty where the path has none
        - machine_type, machine_id : str
        - label : str, ``normal``, ``abnormal`` or ``unlabelled``
        - name : str, the path below the machine's label, or below the machine type in the DCASE layouts
        - size : int [bytes], mtime : int [ns]; with the name they tell a recording from its changed version
        - given_split : str, ``train`` or ``eval`` where the layout has a split, else empty
        - domain : str, ``source`` or ``target`` where the layout has domains, else empty

    Raises
    ------
    UserError
        The directory is missing, has no recordings, holds the same machine twice or one whose name is no plain text,
        or holds several layouts.
    """
    if not base_dir.is_dir():
        problem = "is not a directory" if base_dir.exists() else "does not exist"
        raise UserError(f"--base_dir {base_dir} {problem}: give the directory that holds {LAYOUTS['mimii'].pattern}")

    rows: dict[str, list[tuple]] = {}  # by layout
    directories: dict[tuple[str, str, str], Path] = {}  # of the machines
    candidates = list(LAYOUTS) if layout == "auto" else [layout]
    folders = {folder for name in candidates for folder in LAYOUTS[name].folders}
    # not resolve(): a link may be what says 6dB
    for directory in _walk(Path(os.path.abspath(base_dir))):  # noqa: PTH100
        if directory.name not in folders:
            continue
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
            if not entry.name.lower().endswith(".wav") or entry.name.startswith("."):
                continue
            recognised, facts = _recognise(directory, entry.name, candidates)
            if facts is None:
                continue
            machine = facts.machine
            if not "".join(machine).isprintable():
                raise UserError(f"{os.fsencode(directory.parent)!r}: a machine's name must be plain text; rename it")
            if directories.setdefault(machine, directory.parent) != directory.parent:
                raise UserError(
                    f"{directories[machine]} and {directory.parent} both hold machine '{machine_name(machine)}': "
                    "point --base_dir at one of the two data sets, or remove the one you do not need"
                )
            row = (entry.path, *machine, facts.label, facts.name, facts.split, facts.domain, *_size_and_time(entry))
            rows.setdefault(recognised, []).append(row)

    if not rows:
        patterns = " or ".join(LAYOUTS[name].pattern for name in candidates)
        raise UserError(f"no recordings of the layout {patterns} below {base_dir}; found {_contents(base_dir)}")
    if len(rows) > 1:
        raise UserError(f"{base_dir} holds data sets of several layouts; choose one: --layout {' or '.join(rows)}")
    (of_layout,) = rows.values()
    columns = ["path", *MACHINE, "label", "name", "given_split", "domain", "size", "mtime"]
    return pd.DataFrame(of_layout, columns=columns).sort_values([*MACHINE, "label", "name"], ignore_index=True)


def _recognise(directory: Path, file_name: str, candidates: Iterable[str]) -> tuple[str, PathFacts | None]:
    """The layout that a wav belongs to, and what its path says in it."""
    for name in candidates:
        if facts := LAYOUTS[name].read(directory, file_name):
            return name, facts
    return "", None


def _walk(base: Path) -> Iterator[Path]:
    """All directories from ``base`` down, each real one once, though links may form loops."""
    seen = set()
    for directory, subdirectories, _ in os.walk(base, followlinks=True, onerror=_warn):
        real = os.path.realpath(directory)
        if real in seen:
            subdirectories.clear()
            continue
        seen.add(real)
        subdirectories[:] = sorted(name for name in subdirectories if not name.startswith("."))
        yield Path(directory)


def _warn(error: OSError) -> None:
    log.warning("The directory %s was not searched: %s.", error.filename, error.strerror)


def _size_and_time(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        status = entry.stat()
    except OSError:  # a dangling link; reading it will say so
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _contents(base_dir: Path) -> str:
    """What a user would see first in a directory, in a few words."""
    try:
        names = sorted(path.name + ("/" if path.is_dir() else "") for path in base_dir.iterdir())
    except OSError as error:
        return f"that it can't be read ({error.strerror})"
    if not names:
        return "an empty directory"
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def select(recordings: pd.DataFrame, **wanted: Collection[str] | None) -> pd.DataFrame:
    """Keep the recordings whose columns have one of the wanted values.

    Parameters
    ----------
    recordings : pd.DataFrame
        As `find_recordings` gives it.
    **wanted : collection of str, or None
        For each column the values to keep; None keeps all.

    Raises
    ------
    UserError
        No recording of the data set has one of the values, or none has all of them together.
    """
    selected = recordings
    for column, values in wanted.items():
        if values is None:
            continue
        present = sorted(recordings[column].unique())
        if missing := [value for value in values if value not in present]:
            choices = ", ".join(filter(None, present)) or "none"
            raise UserError(f"--{column} {' '.join(missing)} is not in the data set, which has {choices}")
        selected = selected[selected[column].isin(list(values))]
    if selected.empty:
        raise UserError("no machine has all of the selected --snr, --machine_type and --machine_id together")
    return selected.reset_index(drop=True)


def is_synthetic(path: str | Path) -> bool:
    """Tell whether a recording lies in a data set whose README calls itself synthetic."""
    return any(_calls_itself_synthetic(parent / README_NAME) for parent in Path(path).parents)


def _calls_itself_synthetic(readme: Path) -> bool:
    try:
        with open(readme, encoding="utf-8", errors="replace") as file:
            return file.readline().startswith(SYNTHETIC_MARK)
    except OSError:
        return False


def fingerprint(recordings: pd.DataFrame) -> list[list]:
    """Facts that tell one set of recordings from another, and a recording from its changed version."""
    return recordings[[*MACHINE, "label", "name", "size", "mtime"]].values.tolist()
