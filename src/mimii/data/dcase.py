"""Where the data sets of DCASE's task 2 are published, and what their archives are called. Standard library only."""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath

from mimii.data.archives import Archive
from mimii.data.datasets import DEVELOPMENT, EVALUATION
from mimii.errors import UserError
from mimii.runtime.spelling import did_you_mean

ADDITIONAL = "additional"
PARTS = (DEVELOPMENT, ADDITIONAL, EVALUATION)

# Zenodo's records, as the organisers' baseline (github.com/nttcslab/dcase2023_task2_baseline_ae, datasets/ and its
# download scripts) and their evaluators name them. Of a record with several versions it is the last one.
RECORDS: dict[str, dict[str, int]] = {
    name: dict(zip(PARTS, numbers, strict=True))
    for name, numbers in {
        "dcase2020": (3678171, 3727685, 3841772),
        "dcase2021": (4562016, 4660992, 4884786),
        "dcase2022": (6355122, 6462969, 6586456),
        "dcase2023": (7882613, 7830345, 7860847),
        "dcase2024": (10902294, 11259435, 11363076),
        "dcase2025": (15097779, 15392814, 15519362),
        "dcase2026": (19336329, 20151556, 20437238),
    }.items()
}
ARCHIVES = "archives"  # the directory of a data set that holds its archives, one directory for each part

_RECORD_URL = "https://zenodo.org/api/records/{}"
# dev_data_fan.zip, dev_ToyCar_r2.zip, eval_data_train_fan.zip, eval_data_fan_test.zip, eval_data_3DPrinter_train_r2.zip
_ARCHIVE = re.compile(
    r"(?P<part>dev(?:_data)?|eval_data(?:_train|_test)?)_(?P<machine_type>[\w-]+?)(?P<kind>_train|_test)?"
    r"(?:_r(?P<revision>\d+))?\.zip",
    re.ASCII,
)
_SAFE = re.compile(r"\w[\w.+-]*\.zip", re.ASCII)  # a name that leaves no directory


def record_url(dataset: str, part: str) -> str:
    """The address of Zenodo's record of a part."""
    return _RECORD_URL.format(RECORDS[dataset][part])


def machine_type(name: str) -> str:
    """The machine type that an archive holds; empty where its name does not say.

    Examples
    --------
    >>> [machine_type(name) for name in ("dev_data_fan.zip", "eval_data_3DPrinter_train_r2.zip", "notes.zip")]
    ['fan', '3DPrinter', '']
    """
    match = _ARCHIVE.fullmatch(name)
    return match["machine_type"] if match else ""


def archives_in(home: Path, parts: Collection[str]) -> dict[str, list[str]]:
    """The names of the archives that are in a data set's directory, by part.

    Raises
    ------
    UserError
        There is none.
    """
    found = {part: sorted(path.name for path in (home / ARCHIVES / part).glob("*.zip")) for part in parts}
    if not any(found.values()):
        raise UserError(
            f"there is no archive in {home / ARCHIVES}, in the directory {' or '.join(parts)}: get them with the "
            "subcommand download, or put those there that you have"
        )
    return found


def select(
    names: Mapping[str, Iterable[str]], machine_types: Collection[str] | None = None, *, holder: str
) -> list[Archive]:
    """Choose archives. Of several revisions of an archive it is the last one.

    Parameters
    ----------
    names : mapping of str to iterable of str
        Names of files, by part. Those that are no zip archives are left out.
    machine_types : collection of str, optional
        None stands for all; an archive whose name says no machine type is chosen only then.
    holder : str
        What holds the files, for the message.

    Returns
    -------
    list of Archive
        Their paths are below the directory of the data set, into which they are unpacked.

    Raises
    ------
    UserError
        Nothing there is of one of the machine types.
    """
    chosen = [(part, name) for part, found in names.items() for name in _newest(filter(_SAFE.fullmatch, found))]
    if machine_types is not None:
        present = sorted({machine_type(name) for _, name in chosen} - {""}, key=str.casefold)
        if unknown := [wanted for wanted in machine_types if wanted not in present]:
            raise UserError(
                f"--machine_type {' '.join(unknown)}: {holder} has {', '.join(present) or 'no archive'}"
                f"{did_you_mean(unknown[0], present)}"
            )
        chosen = [(part, name) for part, name in chosen if machine_type(name) in machine_types]
    return [Archive(PurePosixPath(ARCHIVES, part, name), folder="") for part, name in chosen]


def _newest(names: Iterable[str]) -> list[str]:
    """Leave out the archives that a later revision of the same one replaces."""
    last: dict[object, tuple[int, str]] = {}
    for name in sorted(names):
        match = _ARCHIVE.fullmatch(name)
        key = match.group("part", "machine_type", "kind") if match else name
        revision = int(match["revision"] or 1) if match else 1
        last[key] = max(last.get(key, (0, "")), (revision, name))
    return [name for _, name in last.values()]
