"""Finds recordings, reads their labels from the layout, and splits them."""

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from mimii.errors import UserError

log = logging.getLogger(__name__)

MACHINE = ["snr", "machine_type", "machine_id"]
LABELS = ("normal", "abnormal")
UNLABELLED = "unlabelled"  # of an evaluation set whose labels are withheld

LAYOUTS = {
    "mimii": "<snr>/<machine_type>/<machine_id>/{normal,abnormal}/*.wav",
    "dcase2020": "<machine_type>/{train,test}/{normal,anomaly}_id_XX_*.wav",
    "dcase2021": "<machine_type>/{train,test}/section_XX_{source,target}_{train,test}_{normal,anomaly}_*.wav",
}

# 6dB, 0dB, min6dB as 7z.sh names them; 6_dB_fan, -6_dB_fan as the archives unpack by themselves
_SNR = re.compile(r"(?P<minus>-|min)?_?(?P<decibels>\d+)_?dB(?:_(?P<machine_type>.+))?", re.IGNORECASE)
_DCASE_FOLDERS = {"train": "train", "test": "eval", "source_test": "eval", "target_test": "eval"}
_DCASE2020 = re.compile(r"(?:(?P<label>normal|anomaly)_)?(?P<machine_id>id_\d+)_.*\.wav", re.IGNORECASE)
_DCASE2021 = re.compile(
    r"(?P<machine_id>section_\d+)(?:_(?P<domain>source|target))?(?:_(?:train|test))?"
    r"(?:_(?P<label>normal|anomaly))?_.*\.wav",
    re.IGNORECASE,
)


def find_recordings(base_dir: Path, layout: str = "auto") -> pd.DataFrame:
    """Find every machine below a directory.

    MIMII: a directory with wavs in ``normal/`` or ``abnormal/`` is a machine. Its name is the machine's ID, the
    one above it the type, and the nearest one above that reads like a signal-to-noise ratio the SNR. Those may
    lie above ``base_dir``, so that it can point at all of MIMII, at one SNR, at one type or at one machine.

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
        what = "is not a directory" if base_dir.exists() else "does not exist"
        raise UserError(f"--base_dir {base_dir} {what}: give the directory that holds {LAYOUTS['mimii']}")

    found: dict[str, list[tuple]] = {}
    homes: dict[tuple[str, str, str], Path] = {}
    # not resolve(): a link may be what says 6dB
    for directory in _walk(Path(os.path.abspath(base_dir))):  # noqa: PTH100
        if directory.name not in (*LABELS, *_DCASE_FOLDERS):
            continue
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
            if not entry.name.lower().endswith(".wav") or entry.name.startswith("."):
                continue
            which, machine, *facts = _describe(directory, entry.name)
            if not which or layout not in ("auto", which):
                continue
            if not "".join(machine).isprintable():
                raise UserError(f"{os.fsencode(directory.parent)!r}: a machine's name must be plain text; rename it")
            if homes.setdefault(machine, directory.parent) != directory.parent:
                raise UserError(
                    f"{homes[machine]} and {directory.parent} both hold machine '{machine_name(machine)}': "
                    "point --base_dir at one of the two data sets, or remove the one you do not need"
                )
            found.setdefault(which, []).append((entry.path, *machine, *facts, *_size_and_time(entry)))

    if not found:
        layouts = " or ".join(LAYOUTS.values() if layout == "auto" else [LAYOUTS[layout]])
        raise UserError(f"no recordings of the layout {layouts} below {base_dir}; found {_contents(base_dir)}")
    if len(found) > 1:
        raise UserError(f"{base_dir} holds data sets of several layouts; choose one: --layout {' or '.join(found)}")
    (rows,) = found.values()
    columns = ["path", *MACHINE, "label", "name", "given_split", "domain", "size", "mtime"]
    return pd.DataFrame(rows, columns=columns).sort_values([*MACHINE, "label", "name"], ignore_index=True)


def _describe(directory: Path, name: str) -> tuple[str, tuple[str, str, str], str, str, str, str]:
    """Layout, machine, label, name, split and domain of a wav; an empty layout where it fits none."""
    if directory.name in LABELS:
        return "mimii", parse_machine(directory.parent), directory.name, name, "", ""
    for layout, pattern in (("dcase2020", _DCASE2020), ("dcase2021", _DCASE2021)):
        if match := pattern.fullmatch(name):
            facts = {key: (value or "").lower() for key, value in match.groupdict().items()}
            label = {"anomaly": "abnormal", "normal": "normal", "": UNLABELLED}[facts["label"]]
            machine = ("", directory.parent.name, facts["machine_id"])
            split = _DCASE_FOLDERS[directory.name]
            return layout, machine, label, f"{directory.name}/{name}", split, facts.get("domain", "")
    return "", ("", "", ""), "", "", "", ""


def _walk(base: Path) -> Iterable[Path]:
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
    log.warning("Not looked into: %s (%s).", error.filename, error.strerror)


def _size_and_time(entry: os.DirEntry) -> tuple[int, int]:
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


def parse_machine(directory: Path) -> tuple[str, str, str]:
    """SNR, machine type and machine ID of the directory that holds ``normal/`` and ``abnormal/``.

    Examples
    --------
    >>> parse_machine(Path("/data/-6_dB_fan/fan/id_00"))
    ('min6dB', 'fan', 'id_00')
    """
    snr = machine_type = ""
    for part in directory.parts[-2::-1]:  # the parent first
        if match := _SNR.fullmatch(part):
            snr = ("min" if match["minus"] else "") + match["decibels"] + "dB"
            machine_type = match["machine_type"] or ""
            break
    parent = directory.parent.name
    if not _SNR.fullmatch(parent):
        machine_type = parent
    return snr, machine_type, directory.name


def machine_name(machine: Iterable[str]) -> str:
    """SNR, type and ID as one name, without the parts that are empty."""
    return " ".join(part for part in machine if part)


def select(recordings: pd.DataFrame, **wanted: Iterable[str] | None) -> pd.DataFrame:
    """Keep the recordings whose columns have one of the wanted values.

    Parameters
    ----------
    recordings : pd.DataFrame
        As `find_recordings` gives it.
    **wanted : iterable of str, or None
        For each column the values to keep; None keeps all.

    Raises
    ------
    UserError
        A value that is nowhere in the data set, or nothing that has all of them together.
    """
    selected = recordings
    for column, values in wanted.items():
        if values is None:
            continue
        there = sorted(recordings[column].unique())
        if missing := [value for value in values if value not in there]:
            has = ", ".join(filter(None, there)) or "none"
            raise UserError(f"--{column} {' '.join(missing)} is not in the data set, which has {has}")
        selected = selected[selected[column].isin(list(values))]
    if selected.empty:
        raise UserError("no machine has all of the selected --snr, --machine_type and --machine_id together")
    return selected.reset_index(drop=True)


def split_for_detection(recordings: pd.DataFrame) -> pd.DataFrame:
    """Split each machine as its layout says or, for MIMII, as in its paper (Purohit et al., 2019).

    Of a machine's sorted normal recordings the first ones, as many as it has abnormal ones, are for evaluation
    together with the abnormal ones; the other normal recordings are for training.

    Returns
    -------
    pd.DataFrame
        The recordings with a column ``split``: ``train`` or ``eval``. Abnormal recordings are never for training.
    """
    is_abnormal = recordings["label"] != "normal"
    abnormal_count = is_abnormal.groupby([recordings[column] for column in MACHINE]).transform("sum")
    # the recordings are sorted, so this numbers a machine's recordings of one label by name
    number = recordings.groupby([*MACHINE, "label"]).cumcount()
    by_paper = np.where(number < abnormal_count, "eval", "train")
    split = np.where(recordings["given_split"] == "", by_paper, recordings["given_split"])
    return recordings.assign(split=np.where(is_abnormal, "eval", split))


def choose_clips(recordings: pd.DataFrame, fraction: float, seed: int, purpose: str) -> np.ndarray:
    """Choose a share of the clips of each machine type, ID and label.

    The versions of one clip at several SNR hold the same machine sound under other noise, so they are chosen
    together or not at all.

    Parameters
    ----------
    recordings : pd.DataFrame [n rows]
    fraction : float in [0, 1)
        Of two or more clips at least one is chosen, where the fraction is not 0, and at least one is not.
    seed : int
    purpose : str
        The choice depends on the seed, the purpose and the number of clips, and nothing else: it is the same for
        the same recordings under other names.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=bool]
        True where a recording is chosen.
    """
    chosen = np.zeros(len(recordings), dtype=bool)
    if fraction == 0:
        return chosen
    names = recordings["name"].to_numpy()
    for positions in recordings.groupby(["machine_type", "machine_id", "label"]).indices.values():
        clips = np.unique(names[positions])
        count = min(max(1, round(fraction * len(clips))), len(clips) - 1)
        generator = np.random.default_rng([seed, *purpose.encode()])
        chosen[positions] = np.isin(names[positions], generator.permutation(clips)[:count])
    return chosen


def is_synthetic(path: str | Path) -> bool:
    """Tell whether a recording lies in a data set whose README calls itself synthetic."""
    return any(_calls_itself_synthetic(parent / "README.txt") for parent in Path(path).parents)


def _calls_itself_synthetic(readme: Path) -> bool:
    try:
        with open(readme, encoding="utf-8", errors="replace") as file:
            return file.readline().startswith("SYNTHETIC")
    except OSError:
        return False


def fingerprint(recordings: pd.DataFrame) -> list[list]:
    """Facts that tell one set of recordings from another, and a recording from its changed version."""
    return recordings[[*MACHINE, "label", "name", "size", "mtime"]].values.tolist()


def split_for_classification(recordings: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Keep a fifth of the clips of each machine and label for evaluation, the others for training.

    All versions of a clip at several SNR fall on the same side, in whatever task they are used.

    Returns
    -------
    pd.DataFrame
        The recordings that have a label, with a column ``split``: ``train`` or ``eval``.
    """
    recordings = recordings[recordings["label"] != UNLABELLED].reset_index(drop=True)
    is_eval = choose_clips(recordings, 0.2, seed, purpose="evaluation")
    return recordings.assign(split=np.where(is_eval, "eval", "train"))
