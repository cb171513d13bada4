"""The official scores of a challenge as a results directory has them, and which of them count."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.datasets import DEVELOPMENT, EVALUATION
from mimii.storage import challenge_columns
from mimii.storage.challenge_columns import KEY
from mimii.sweep.challenge import BOTH, score_id

PARTS = (DEVELOPMENT, EVALUATION, BOTH)


def is_challenge_table(table: pd.DataFrame) -> bool:
    """Tell whether a CSV is one of the two tables of a challenge, and not one of results."""
    return KEY in table


def of_detection(
    tables: Sequence[pd.DataFrame], detection: pd.DataFrame, dataset: str, notes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of both tables that belong to rows of results, with the label that the report gives to the system.

    Parameters
    ----------
    tables : sequence of pd.DataFrame
        Those that `is_challenge_table` found, in the order of their time.
    detection : pd.DataFrame
        The rows of results of one data set, with their labels.
    dataset : str
        Its name.
    notes : list of str
        Receives what is not used.

    Returns
    -------
    scores, machines : pd.DataFrame
        With a column ``label``, in the order of the labels of ``detection``.
    """
    scores, machines = (_all(tables, columns) for columns in (challenge_columns.SCORES, challenge_columns.MACHINES))
    runs = detection.set_index("run_id")
    scores, machines = (table[table["dataset"] == dataset] for table in (scores, machines))
    known = set(runs.index)
    are_known = [bool(ids.split()) and known.issuperset(ids.split()) for ids in scores["run_ids"]]
    scores = scores[np.array(are_known, dtype=bool)]
    scores = scores.assign(label=scores["run_ids"].str.split().str[0].map(runs["label"]))
    is_current = np.array([_is_current(row, runs) for row in scores.to_dict("records")], dtype=bool)
    of_system = ["part", "label", "seed"]
    current = scores[is_current].sort_values("scored_machines", kind="stable").drop_duplicates(of_system, keep="last")
    older = scores[~is_current].drop_duplicates(of_system).merge(current[of_system], how="left", indicator=True)
    if count := int((older["_merge"] == "left_only").sum()):
        notes.append(
            f"{count} official scores are of runs that were done again since, and are not shown: give the command of "
            "the experiment again."
        )
    judged = detection[(detection["part"] != "") & detection["auc"].notna()]
    if without := [label for label in judged["label"].unique() if label not in set(current["label"])]:
        notes.append(
            f"No official score yet of {', '.join(without)}: it is computed when all machines are done; give the "
            "command of the experiment again."
        )
    machines = machines[machines["run_id"].isin(runs.index)].drop_duplicates("run_id", keep="last")
    machines = machines.assign(label=machines["run_id"].map(runs["label"]))
    order = {label: number for number, label in enumerate(detection["label"].unique())}
    return _sorted(current, order, ["seed"]), _sorted(machines, order, ["machine_type", "machine_id", "seed"])


def _all(tables: Sequence[pd.DataFrame], columns: list[challenge_columns.Column]) -> pd.DataFrame:
    """The rows of all tables that have these columns."""
    names = challenge_columns.names(columns)
    fitting = [table[names] for table in tables if set(names) <= set(table)]
    return challenge_columns.convert(pd.concat([pd.DataFrame(columns=names), *fitting], ignore_index=True))


def _is_current(row: Mapping[Any, Any], runs: pd.DataFrame) -> bool:
    """Tell whether an official score is of the latest rows of its runs."""
    times = runs.loc[row["run_ids"].split(), "timestamp"].to_dict()
    return score_id(row["dataset"], row["part"], int(row["machines"]), times) == row[KEY]


def _sorted(rows: pd.DataFrame, order: dict[str, int], by: list[str]) -> pd.DataFrame:
    keys = {"_part": rows["part"].map(PARTS.index), "_label": rows["label"].map(order)}
    rows = rows.assign(**keys).sort_values([*keys, *by], kind="stable", ignore_index=True)
    return rows.drop(columns=list(keys))
