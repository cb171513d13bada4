"""The history of a machine: a CSV with a row for each recording that was judged."""

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
NUMBERS = ("score", "threshold", "relative", "share", "begin", "end")
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
    """The history in a file, which need not be there; rows are appended to it whole, whoever is killed meanwhile."""
    return ResultsTable(path, COLUMNS, key=KEY)


def row_of(judgement: Judgement, content: Content, identity: str, model_file: Path) -> dict[str, object]:
    """A judgement as a row.

    Parameters
    ----------
    judgement : Judgement
    content : Content
        Of the recording.
    identity : str
        Its `recording_id`.
    model_file : Path
    """
    recorded = datetime.fromtimestamp(content.mtime / 1e9, UTC).isoformat(timespec="seconds")
    return {
        "path": judgement.path.encode(errors="backslashreplace").decode(),
        "recorded": recorded,
        "judged": timestamp(),
        "verdict": judgement.verdict,
        "reason": judgement.reason,
        **{name: getattr(judgement, name) for name in NUMBERS},
        "findings": "; ".join(finding.text for finding in judgement.findings),
        "warnings": "; ".join(judgement.warnings),
        "model_file": os.fspath(model_file),
        KEY: identity,
    }


def latest_shares(history: ResultsTable) -> "deque[float]":
    """Of the latest recordings that were judged normal: the share of healthy recordings that score as high.

    Returns
    -------
    deque of float
        In the order in which they were judged, as many as `drift` looks at; more can be appended.
    """
    shares: deque[float] = deque(maxlen=COUNT)
    if history.path.exists():
        table = history.read()
        shares.extend(float(text) for text in table.loc[table["verdict"] == NORMAL, "share"])
    return shares


def read_history(path: Path) -> "pd.DataFrame":
    """All rows of a history, by the time of the recordings.

    Returns
    -------
    pd.DataFrame
        ``recorded`` and ``judged`` are times (UTC); ``score``, ``threshold``, ``relative``, ``share``, ``begin`` and
        ``end`` are numbers, NaN for what can't be judged; all others are texts.

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
