"""From what a task found to the rows and files that are kept."""

import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mimii.data import attributes
from mimii.data.machines import MACHINE, machine_name
from mimii.errors import TaskError, UserError
from mimii.settings import ClipSettings, TrainingSettings
from mimii.storage import names
from mimii.sweep.identity import Evaluation, Way, used_settings

# of a training: these facts stand in the row, whether the model was trained now or before
_TRAINING_FACTS = (
    *("memory_usage_mb", "peak_ram_mb"),
    *("train_files", "train_samples", "torch_version", "device_name", "jobs", "stacked_with"),
)


@dataclass
class Judgement:
    """How well a model does on a machine or a machine group.

    Attributes
    ----------
    metrics : dict of str to float
        Columns of the results table.
    scores : pd.DataFrame
        What the model gave for each recording.
    confusion : pd.DataFrame, optional
        Of a classifier.
    """

    metrics: dict[str, Any]
    scores: pd.DataFrame
    confusion: pd.DataFrame | None = None


@dataclass
class Outcome:
    """What a task gave.

    Attributes
    ----------
    task : str
        Its name.
    rows : list of dict
        Rows for the results table, one for each ``run_id``.
    files : dict of Path to pd.DataFrame
        Tables to keep, by their path below the results directory.
    message : str
        One line about how it went.
    failed : bool
        It gave no rows; ``message`` says why.
    details : str
        The traceback of an unexpected failure, for the log file.
    """

    task: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    files: dict[Path, pd.DataFrame] = field(default_factory=dict)
    message: str = ""
    failed: bool = False
    details: str = ""

    @classmethod
    def of_failure(cls, task: str, error: Exception) -> "Outcome":
        """What a task gave that failed; an unexpected failure has its traceback in the log file."""
        if isinstance(error, TaskError | UserError):
            return cls(task, message=str(error), failed=True)
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return cls(task, message=reason, failed=True, details="".join(traceback.format_exception(error)))

    def add(self, row: dict[str, Any], judgement: Judgement, history: pd.DataFrame | None) -> None:
        """Add a row and the tables that belong to it."""
        self.rows.append(row)
        name = row["model"], machine_name(row[column] for column in MACHINE), row["run_id"]
        if len(judgement.scores):
            self.files[names.scores_file(*name)] = judgement.scores
        if judgement.confusion is not None:
            self.files[names.confusion_file(*name)] = judgement.confusion
        if history is not None:
            self.files[names.history_file(*name)] = history


def training_columns(model: str, settings: TrainingSettings, device: str, clip: ClipSettings) -> dict[str, Any]:
    """The training settings as columns; those that make no difference to the model are empty."""
    return dict.fromkeys(asdict(settings), "") | used_settings(model, settings, device, clip)


def fact_columns(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts about a training that stand in a row."""
    return {name: facts[name] for name in _TRAINING_FACTS}


def training_seconds(facts: dict[str, Any], way: Way) -> float:
    """The training time that a way of scoring takes: that of the residuals is part of ``mahalanobis`` alone."""
    seconds = float(facts["training_time_sec"])
    return seconds + float(facts["residuals_time_sec"]) if way[0] == "mahalanobis" else seconds


def subject_columns(evaluation: Evaluation) -> dict[str, Any]:
    """What the row is about, and when it was made (in UTC, as ISO 8601 to the second)."""
    return {
        "dataset": evaluation.subject.dataset,
        **dict(zip(MACHINE, evaluation.subject.key, strict=True)),
        "part": evaluation.subject.part,
        "run_id": evaluation.run_id,
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def describe(recordings: pd.DataFrame, **columns: Sequence | np.ndarray) -> pd.DataFrame:
    """What is kept of each evaluated recording: which it is, what a challenge tells of it, and what the model gave."""
    kept = recordings[["path", *MACHINE, "label"]]
    if (recordings.get("layout", pd.Series("mimii")) != "mimii").any():
        kept = kept.join(recordings[["domain", "attributes"]]).join(attributes.columns(recordings))
    return kept.assign(**columns)


def history_table(facts: dict[str, Any]) -> pd.DataFrame:
    """The losses of a training as a table, one row an epoch."""
    table = pd.DataFrame({"train_loss": facts["train_loss"]})
    table["val_loss"] = facts["val_loss"] or np.nan
    table.insert(0, "epoch", table.index + 1)
    return table
