"""How a machine ran, as the data sets of DCASE describe it: a text of names and values, such as ``vel_6_loc_A``."""

import csv
import logging
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mimii.data.folders import without_ending

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

NOTE = "note"  # the name of what has none
_LISTS = "attributes_*.csv"  # beside train/ and test/, one for each section
_NAME_COLUMNS = ("file_name", "filename")


def parse(text: str) -> dict[str, str]:
    """The names and values of a description.

    Parameters
    ----------
    text : str
        Names and values in turn; empty where the machine's attributes are hidden. A last word alone, and a description
        that is not made of names and values, as in 2021, is a note.

    Examples
    --------
    >>> parse("vel_6_loc_A")
    {'vel': '6', 'loc': 'A'}
    >>> parse("wt_200_damage1")
    {'wt': '200', 'note': 'damage1'}
    >>> parse("0_g_25_mm")
    {'note': '0_g_25_mm'}
    """
    words = text.split("_") if text else []
    names, values = words[: len(words) - 1 : 2], words[1::2]
    if not all(name[:1].isalpha() for name in names):
        return {NOTE: text}
    return dict(zip(names, values, strict=True)) | ({NOTE: words[-1]} if len(words) % 2 else {})


def columns(recordings: "pd.DataFrame") -> "pd.DataFrame":
    """The attributes as columns.

    Parameters
    ----------
    recordings : pd.DataFrame [n rows]
        With a column ``attributes``.

    Returns
    -------
    pd.DataFrame [n rows] of str
        A column ``attribute_<name>`` for each name that occurs, in the order of their first occurrence; a value that a
        recording does not have is empty.
    """
    import pandas as pd

    parsed = [parse(text) for text in recordings["attributes"]]
    names = dict.fromkeys(name for values in parsed for name in values)
    table = {f"attribute_{name}": [values.get(name, "") for values in parsed] for name in names}
    return pd.DataFrame(table, index=recordings.index, dtype=object)


def with_lists(table: "pd.DataFrame") -> "pd.DataFrame":
    """Take the attributes of recordings from the lists ``attributes_XX.csv`` beside them, where a list names them.

    A list has the path of a recording and then names and values in turn, in columns ``d1p``, ``d1v``, ``d2p`` ...

    Parameters
    ----------
    table : pd.DataFrame
        With columns ``path`` and ``attributes``.
    """
    homes, names = [], []
    for path in table["path"]:
        home, _, name = path.rsplit(os.sep, 2)
        homes.append(home)
        names.append(without_ending(name))
    listed: dict[tuple[str, str], str] = {}
    for home in sorted(set(homes)):
        for path in sorted(Path(home).glob(_LISTS)):
            listed |= {(home, name): text for name, text in _read_list(path)}
    if not listed:
        return table
    found = [listed.get(key) for key in zip(homes, names, strict=True)]
    own = table["attributes"].tolist()
    return table.assign(attributes=[mine if text is None else text for text, mine in zip(found, own, strict=True)])


def _read_list(path: Path) -> Iterable[tuple[str, str]]:
    """The name of each recording of a list, without its ending, and its attributes."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        log.warning("The list of attributes %s can't be read (%s): it is not used.", path, error)
        return
    if not rows or rows[0][:1] not in ([name] for name in _NAME_COLUMNS):
        log.warning("The list of attributes %s does not begin with a column file_name: it is not used.", path)
        return
    for row in rows[1:]:
        if row:
            values = [word.strip().replace("_", "-") for word in row[1:]]
            pairs = [pair for pair in zip(values[::2], values[1::2], strict=False) if all(pair)]
            yield without_ending(PurePosixPath(row[0]).name), "_".join(word for pair in pairs for word in pair)
