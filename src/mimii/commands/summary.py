"""The table that an experiment's command ends with, one for each data set."""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from mimii.data.datasets import DEVELOPMENT, EVALUATION, data_sets
from mimii.data.machines import ALL, MACHINE
from mimii.data.recordings import is_synthetic
from mimii.evaluation.challenge import MEANINGS
from mimii.models import REGISTRY
from mimii.storage import schema
from mimii.sweep.challenge import BOTH
from mimii.sweep.engine import Result

_WIDTH = 80
_MARK = "*"
_PARTS = {DEVELOPMENT: "dev", EVALUATION: "eval", BOTH: "both"}
_YEARS = {2020: "2020", 2021: "2021", 2022: "2022 and later"}  # that have the same definition of the official score
_BESIDE_SCORES = ("auc", "training_time_sec")  # more columns than these are wider than a terminal


@dataclass(frozen=True)
class Summary:
    """For each model the means over the machines, or the machine groups, that it was evaluated on.

    Attributes
    ----------
    unit : str
        ``machines`` or ``groups``: which rows count, where there are both.
    columns : dict of str to str
        Which columns of the results table, and their headings.
    """

    unit: str
    columns: Mapping[str, str]

    def table(self, rows: pd.DataFrame) -> str:
        """Format rows of a results table, all of one data set, for a terminal of 80 columns."""
        return self._table(rows, self.columns, {})

    def with_scores(self, rows: pd.DataFrame, scores: pd.DataFrame) -> str:
        """The same with the official scores of a challenge, where there are any, and what they are.

        Parameters
        ----------
        rows : pd.DataFrame
            Of one data set.
        scores : pd.DataFrame
            Rows of ``challenge_scores.csv``, of whatever data sets.
        """
        scores = scores[scores["dataset"] == rows["dataset"].iloc[0]]
        if scores.empty:
            return self.table(rows)
        parts = [part for part in _PARTS if part in set(scores["part"])]
        # the first one says what all of them are
        headings = {part: f"DCASE {_PARTS[part]}" if part == parts[0] else _PARTS[part] for part in parts}
        columns = {column: heading for column, heading in self.columns.items() if column in _BESIDE_SCORES}
        table = self._table(rows, columns, {headings[part]: scores[scores["part"] == part] for part in parts})
        about = _about(scores) + f" {_MARK} of fewer machines than others." * (_MARK in table)
        return f"{table}\n\n{textwrap.fill(about, _WIDTH)}"

    def _table(self, rows: pd.DataFrame, columns: Mapping[str, str], scores: Mapping[str, pd.DataFrame]) -> str:
        is_group = rows["machine_id"] == ALL
        wanted = rows[is_group if self.unit == "groups" else ~is_group]
        wanted = wanted if len(wanted) else rows
        # a detector may have been scored in several ways; classification has no such column
        by = [name for name in ("model", "scoring") if name in wanted]
        order = {name: number for number, name in enumerate(REGISTRY)}
        lines = []
        for key, group in sorted(wanted.groupby(by, sort=False), key=lambda item: order[str(item[0][0])]):
            system = dict(zip(by, key, strict=True))
            means = {heading: _show(column, group[column].mean()) for column, heading in columns.items()}
            shown = {heading: _score(_of_system(found, system), found) for heading, found in scores.items()}
            count = len(group.drop_duplicates(MACHINE))  # each has a row for every seed
            lines.append({**system, self.unit: count, **shown, **means})
        return ruled(pd.DataFrame(lines).to_string(index=False))


def _of_system(scores: pd.DataFrame, system: Mapping[str, object]) -> pd.DataFrame:
    """The official scores of a system, one a seed."""
    return scores[(scores[list(system)] == pd.Series(system)).all(axis=1)]


def _score(of_system: pd.DataFrame, of_all: pd.DataFrame) -> str:
    """The mean over the seeds, marked where it is of fewer machines than that of other systems."""
    is_full = of_system["scored_machines"].min() == of_all["scored_machines"].max()
    return schema.number(of_system["score"].mean()) + ("" if is_full or of_system.empty else _MARK)


def _about(scores: pd.DataFrame) -> str:
    """Which definition the official scores of a data set have, and how many machines they are of."""
    covered = scores.groupby("part")[["scored_machines", "machines", "scored_clips", "clips"]].max()
    counts = [
        f"{scored:.0f} of {machines:.0f} in {part}" + f" ({labelled:.0f} of {clips:.0f} clips)" * (labelled < clips)
        for part, scored, machines, labelled, clips in covered.itertuples(name=None)
        if part != BOTH
    ]
    year = int(scores["definition"].iloc[0])
    score = f"the official score of {_YEARS[year]} ({MEANINGS[year]})"
    return f"DCASE: {score}, over the machines with labels: {', '.join(counts)}."


def _show(column: str, mean: float) -> str:
    return f"{mean:.1f}" if column == "training_time_sec" else schema.show(column, mean)


def ruled(table: str) -> str:
    """A table of text with a line below its headings."""
    heading, *lines = table.splitlines()
    return "\n".join([heading, "-" * len(heading), *lines])


def show(result: Result, table: Callable[[pd.DataFrame], str]) -> int:
    """Print the table of an experiment's rows, one a data set; returns the exit status, 1 where a task failed."""
    if len(result.rows):
        if is_synthetic(result.recordings["path"].iloc[0]):
            print("Synthetic recordings: these figures say nothing about real machines.\n")
        found = list(data_sets(result.rows))
        for name, rows in found:
            if len(found) > 1:
                print(f"{name}\n")
            print(f"{table(rows)}\n")
        print(f"{len(result.rows)} row{'s' if len(result.rows) > 1 else ''} of this command in {result.table}")
    return 1 if result.failed else 0
