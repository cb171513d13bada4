"""The table that an experiment's command ends with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from mimii.data.machines import ALL, MACHINE
from mimii.data.recordings import is_synthetic
from mimii.models import REGISTRY
from mimii.storage import schema
from mimii.sweep.engine import Result


@dataclass(frozen=True)
class Summary:
    """For each model the means over the machines, or the machine groups, that it was evaluated on.

    Attributes
    ----------
    unit : str
        ``machines`` or ``groups``: which rows count, where there are both.
    columns : dict of str to str
        Which columns of the results table, and their headings.
    scores : dict of str to callable
        Headings of further columns, and how each follows from the rows of a model.
    """

    unit: str
    columns: Mapping[str, str]
    scores: Mapping[str, Callable[[pd.DataFrame], float]] = field(default_factory=dict)

    def table(self, rows: pd.DataFrame) -> str:
        """Format rows of a results table for a terminal of 80 columns."""
        is_group = rows["machine_id"] == ALL
        wanted = rows[is_group if self.unit == "groups" else ~is_group]
        wanted = wanted if len(wanted) else rows
        # a detector may have been scored in several ways; classification has no such column
        by = [name for name in ("model", "scoring") if name in wanted]
        order = {name: number for number, name in enumerate(REGISTRY)}
        lines = []
        for key, group in sorted(wanted.groupby(by, sort=False), key=lambda item: order[str(item[0][0])]):
            means = {heading: _show(column, group[column].mean()) for column, heading in self.columns.items()}
            scores = {heading: schema.number(score(group)) for heading, score in self.scores.items()}
            count = len(group.drop_duplicates(MACHINE))  # each has a row for every seed
            lines.append({**dict(zip(by, key, strict=True)), self.unit: count, **scores, **means})
        return ruled(pd.DataFrame(lines).to_string(index=False))


def _show(column: str, mean: float) -> str:
    return f"{mean:.1f}" if column == "training_time_sec" else schema.show(column, mean)


def ruled(table: str) -> str:
    """A table of text with a line below its headings."""
    heading, *lines = table.splitlines()
    return "\n".join([heading, "-" * len(heading), *lines])


def show(result: Result, table: Callable[[pd.DataFrame], str]) -> int:
    """Print the table of an experiment's rows; returns the exit status, 1 where a task failed."""
    if len(result.rows):
        if is_synthetic(result.recordings["path"].iloc[0]):
            print("Synthetic recordings: these figures say nothing about real machines.\n")
        print(table(result.rows))
        print(f"\n{len(result.rows)} row{'s' if len(result.rows) > 1 else ''} in {result.table}")
    return 1 if result.failed else 0
