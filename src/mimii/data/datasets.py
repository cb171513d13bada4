"""Which data set a recording is of, which challenge that belongs to, and whether its machine is for development."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mimii.data.layouts import RENAMED
from mimii.data.machines import DATASET_MACHINE, UNLABELLED
from mimii.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from mimii.data.finding import Found

DEVELOPMENT, EVALUATION = "development", "evaluation"  # the parts of a challenge's data set
_UNNAMED = "unnamed"  # where there is no folder that could give a name
FIRST_YEAR, SHIFTED_YEAR, GENERALISED_YEAR = 2020, 2021, 2022  # of the three definitions of the official score

_CHALLENGE = re.compile(r"dcase(?:[ _-]?challenge)?[ _-]?(?P<year>20[2-9]\d)(?!\d)", re.IGNORECASE)
_YEAR = re.compile(r"(?<!\d)(?P<year>20[2-9]\d)(?![-_.]?\d)")  # not the begin of a date
_YEAR_WORD = re.compile(r"(?<![^\W_])(?P<year>20[2-9]\d)(?![-_.]?\d|[^\W_])")  # and a word by itself
# folders above the machine types in whose names a year may stand alone; further up it may be that of a backup
_NEAR = 3
# folders that stand between a data set and its machine types
_BETWEEN = {"raw", "data", "dev", "dev_data", "eval", "eval_data", "add", "add_data", DEVELOPMENT, EVALUATION}
_DEVELOPMENT = re.compile(r"(?:.*[ _-])?dev(?:elopment)?(?:[ _-].*)?", re.IGNORECASE)


def year_of(name: str) -> str:
    """The year of a challenge that the name of a folder or a data set says; empty where it says none.

    Examples
    --------
    >>> [year_of(name) for name in ("dcase2023t2", "DCASE 2024", "2022_dev", "thesis2021", "2024-05-03")]
    ['2023', '2024', '2022', '', '']
    """
    match = _CHALLENGE.search(name) or _YEAR_WORD.search(name)
    return match["year"] if match else ""


def year_of_file(path: Path, base: Path) -> str:
    """The year of a challenge that a file is about: the nearest part of its path that names one.

    Parameters
    ----------
    path, base : Path
        Absolute. Above ``base`` a year counts only together with the word DCASE.
    """
    for part in (path, *path.parents):
        is_below = part == base or base in part.parents
        if match := _CHALLENGE.search(part.name) or (_YEAR.search(part.name) if is_below else None):
            return match["year"]
    return ""


def _year_of_home(home: Path) -> str:
    """The year that a folder above a directory of machine types says, or that directory itself."""
    for distance, part in enumerate((home, *home.parents)):
        if match := _CHALLENGE.search(part.name) or (_YEAR_WORD.search(part.name) if distance <= _NEAR else None):
            return match["year"]
    return ""


def name_data_sets(recordings: Sequence["Found"]) -> list["Found"]:
    """Tell which data set each recording is of: by the year in a folder above it or, without one, by the folder.

    The parts of a year may lie in several directories, such as ``dcase2021_dev`` and ``dcase2021_eval``. Without a
    year, the nearest directory above all machine types is the data set.

    Parameters
    ----------
    recordings : sequence of Found
        All those of one layout of a challenge.
    """
    homes = {recording.directory: recording.directory.parent.parent for recording in recordings}
    years = {home: _year_of_home(home) for home in homes.values()}
    unnamed = [str(home) for home, year in years.items() if not year]
    other = _folder_name(Path(os.path.commonpath(unnamed))) if unnamed else ""
    names = {home: f"dcase{year}" if year else other for home, year in years.items()}
    return [recording._replace(dataset=names[homes[recording.directory]]) for recording in recordings]


def _folder_name(folder: Path) -> str:
    names = [part.name for part in (folder, *folder.parents) if part.name.casefold() not in {"", *_BETWEEN}]
    return names[0] if names else folder.name or _UNNAMED


def _says_development(home: Path) -> bool:
    """Tell whether a directory of machine types, or one between it and its data set, is for development by its name."""
    for part in (home, *home.parents):
        if _DEVELOPMENT.fullmatch(part.name):
            return True
        if part.name.casefold() not in _BETWEEN:
            break
    return False


def choose_data_set(table: "pd.DataFrame", name: str | None) -> "pd.DataFrame":
    """Give a data set a name, or choose the one that has it among several.

    Parameters
    ----------
    table : pd.DataFrame
        With the columns of `mimii.data.recordings.find_recordings`.
    name : str, optional
        None leaves everything as it is.

    Raises
    ------
    UserError
        There are several data sets, and none has the name.
    """
    if name is None:
        return table
    if not name.strip():
        raise UserError("--dataset has no name: give one, such as dcase2024, or leave it out")
    found = sorted(table["dataset"].unique())
    if re.fullmatch(r"20[2-9]\d", name):
        name = f"dcase{name}"
    if name in found:
        return table[table["dataset"] == name].reset_index(drop=True)
    if len(found) > 1:
        raise UserError(
            f"--dataset {name} is none of the data sets there, which are {', '.join(found)}: choose one of them, or "
            "point --base_dir at one to give it another name"
        )
    if year_of(found[0]):
        raise UserError(
            f"--dataset {name}: a folder above the recordings says {found[0]}; leave the option out, or rename it"
        )
    return table.assign(dataset=name)


def parts(table: "pd.DataFrame") -> "pd.Series":
    """The part of the challenge that each recording's machine belongs to.

    The names of clips for evaluation have labels in the development set alone. A machine without such clips is of the
    evaluation set, whose training data are published first, unless it lies in a folder for development.

    Parameters
    ----------
    table : pd.DataFrame [n rows]
        As the names of files say it, before labels are taken from elsewhere.

    Returns
    -------
    pd.Series [n rows] of str
        ``development`` or ``evaluation``; empty for MIMII.
    """
    folders = table["name"].str.partition("/")[0].str.casefold()
    is_named = (table["given_split"] == "eval") & (table["label"] != UNLABELLED) & (folders != RENAMED)
    import pandas as pd  # here, because commands take their choices from this module and must start quickly

    machine = [table[column] for column in DATASET_MACHINE]
    has_named = is_named.groupby(machine).transform("any")
    has_none = ~(table["given_split"] == "eval").groupby(machine).transform("any")
    homes = [path.rsplit(os.sep, 3)[0] for path in table["path"]]
    said = {home: _says_development(Path(home)) for home in set(homes)}
    is_development = has_named | (has_none & pd.Series([said[home] for home in homes], index=table.index, dtype=bool))
    part = is_development.map({True: DEVELOPMENT, False: EVALUATION})
    return part.where(table["layout"] != "mimii", "")


def challenge_year(recordings: "pd.DataFrame") -> int:
    """The year whose official score is that of a data set.

    Parameters
    ----------
    recordings : pd.DataFrame
        Those of one data set.

    Returns
    -------
    int
        The year in the data set's name. Without one: 2020 or 2021 where the names of files and folders are those of
        that year, else 2022, whose definition holds until today.
    """
    if year := year_of(str(recordings["dataset"].iloc[0])):
        return int(year)
    if (recordings["layout"] == "dcase2020").any():
        return FIRST_YEAR
    is_shifted = recordings["name"].str.casefold().str.startswith(("source_test/", "target_test/")).any()
    return SHIFTED_YEAR if is_shifted else GENERALISED_YEAR


def data_sets(table: "pd.DataFrame") -> Iterable[tuple[str, "pd.DataFrame"]]:
    """The rows of each data set of a table, by its name."""
    for name, rows in table.groupby("dataset", sort=True):
        yield str(name), rows
