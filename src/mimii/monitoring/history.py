"""The history of a machine: a CSV with a row for each recording that was judged."""

import csv
import hashlib
import os
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mimii.data.content import Content
from mimii.errors import UserError
from mimii.monitoring.drift import COUNT
from mimii.monitoring.judging import NORMAL, Judgement
from mimii.storage.results import ResultsTable, read_table, timestamp

if TYPE_CHECKING:
    import pandas as pd

KEY = "recording_id"
_LONGEST = 4096  # [bytes] of a first line that is looked at
NUMBERS = ("score", "threshold", "relative", "share", "begin", "end", "healthy")
COLUMNS = [
    *("path", "recorded", "judged", "verdict", "reason", *NUMBERS, "findings", "warnings", "model_file", KEY),
]


def recording_id(path: str, content: Content) -> str:
    """What tells a recording from others: its path below the folder that is watched, and its content.

    Parameters
    ----------
    path : str
        Below the folder.
    content : Content
    """
    text = f"{Path(path).as_posix()}\n{content.digest}"
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).hexdigest()


def open_history(path: Path) -> ResultsTable:
    """The history in a file, which need not be there; rows are appended to it whole, whoever is killed meanwhile.

    Raises
    ------
    UserError
        There is something else.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is no file: name another --history")
        first = _first_line(path)
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}): name another --history") from error
    if first and next(csv.reader([first])) != COLUMNS:
        raise UserError(f"{path} is no history of a machine, or one of another version: name another --history")
    return ResultsTable(path, COLUMNS, key=KEY)


def _first_line(path: Path) -> str:
    """The first line of a file, without its end; empty where there is none."""
    try:
        with open(path, "rb") as file:
            return file.readline(_LONGEST).decode("utf-8-sig", errors="replace").strip()
    except FileNotFoundError:
        return ""


def row_of(judgement: Judgement, content: Content, identity: str, model_file: Path, healthy: int) -> dict[str, object]:
    """A judgement as a row.

    Parameters
    ----------
    judgement : Judgement
    content : Content
        Of the recording.
    identity : str
        Its `recording_id`.
    model_file : Path
    healthy : int
        Recordings that the threshold rests on.
    """
    return {
        "path": judgement.path.encode(errors="backslashreplace").decode(),
        "recorded": _time_of(content),
        "judged": timestamp(),
        "verdict": judgement.verdict,
        "reason": judgement.reason,
        **{name: getattr(judgement, name) for name in NUMBERS if name != "healthy"},
        "healthy": healthy,
        "findings": "; ".join(finding.text for finding in judgement.findings),
        "warnings": "; ".join(judgement.warnings),
        "model_file": os.fspath(model_file),
        KEY: identity,
    }


def _time_of(content: Content) -> str:
    """When a recording was changed last, as ISO 8601 in UTC; empty where no calendar has such a time."""
    try:
        return datetime.fromtimestamp(content.mtime / 1e9, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""


def latest_shares(history: ResultsTable, threshold: float) -> "deque[float]":
    """Of the latest recordings that were judged normal: the share of healthy recordings that score as high.

    Parameters
    ----------
    history : ResultsTable
    threshold : float
        Of the monitor: the shares of one that was trained on other recordings say nothing about this one.

    Returns
    -------
    deque of float
        In the order in which they were judged, as many as `drift` looks at; more can be appended.
    """
    shares: deque[float] = deque(maxlen=COUNT)
    if history.path.exists():
        table = history.read()
        counts = (table["verdict"] == NORMAL) & (table["threshold"].astype(float) == threshold)
        shares.extend(float(text) for text in table.loc[counts, "share"])
    return shares


def read_history(path: Path) -> "pd.DataFrame":
    """All rows of a history, by the time of the recordings.

    Returns
    -------
    pd.DataFrame
        ``recorded`` and ``judged`` are times (UTC), NaT where none is known; those of ``NUMBERS`` are numbers, NaN for
        what can't be judged; all others are texts.

    Raises
    ------
    UserError
        It can't be read, or is no history.
    """
    import pandas as pd

    try:
        table = read_table(path)
    except FileNotFoundError as error:
        raise UserError(f"there is no history {path}; monitor.py watch writes one") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read: {str(error).splitlines()[0]}") from error
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise UserError(f"{path} is no history of a machine: it has no column {', '.join(missing)}")
    for name in NUMBERS:
        table[name] = pd.to_numeric(table[name], errors="coerce")
    for name in ("recorded", "judged"):
        table[name] = pd.to_datetime(table[name], errors="coerce", utc=True, format="ISO8601")
    return table.sort_values("recorded", kind="stable", ignore_index=True)
