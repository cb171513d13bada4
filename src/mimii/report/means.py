"""Tables of means: a row a model, in each cell its mean over machines, in one column with the interval."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from mimii.report import paired
from mimii.report.ranking import common, counted, interval
from mimii.report.rows import by_machine
from mimii.report.table import Table, best_marks
from mimii.storage.schema import number


class Mean(NamedTuple):
    """A mean, the ends of its interval, and over how many machines it is."""

    mean: float
    low: float
    high: float
    n: int


def mean_text(mean: float, low: float, high: float) -> str:
    """A mean and, where it has one, its interval."""
    return number(mean) + (f" [{number(low)}, {number(high)}]" if np.isfinite(low) else "")


def _means(labels: Sequence[str], rows: pd.DataFrame, metric: str) -> tuple[list[Mean], list[bool]]:
    """Of each model the mean over the machines, after that over the seeds of each, and whether it is compared."""
    table = by_machine(rows, metric)
    if table.empty:
        return [Mean(np.nan, np.nan, np.nan, 0)] * len(labels), [False] * len(labels)
    shared = common(table)
    blocks = paired.blocks(counted(table, shared)).reindex(list(labels))
    counts = blocks.notna().sum(axis=1)
    means = [
        Mean(float(mean), *interval(values), int(count))
        for mean, values, count in zip(blocks.mean(axis=1), blocks.to_numpy(), counts, strict=True)
    ]
    return means, [label in shared.table.index for label in labels]


def means_table(
    labels: Sequence[str],
    columns: Mapping[str, tuple[pd.DataFrame, str]],
    *,
    ranking: str,
    name: str,
    title: str,
    caption: str,
    units: str = "machines",
) -> Table:
    """A table of means, sorted by one of the columns, the best first.

    Parameters
    ----------
    labels : sequence of str
        The models, in the order of those that are equal.
    columns : mapping of str to (pd.DataFrame, str)
        For each heading the rows and the metric that the means are of.
    ranking : str
        The heading of the column that the table is sorted by, and that has intervals.
    name, title, caption : str
    units : str
        What the means are over.
    """
    found = {heading: _means(labels, rows, metric) for heading, (rows, metric) in columns.items()}
    cells = {heading: of_column for heading, (of_column, _) in found.items()}
    index = pd.Index(labels, name="Model")
    means, lows, highs, counts = (
        pd.DataFrame({heading: [cell[part] for cell in column] for heading, column in cells.items()}, index=index)
        for part in range(len(Mean._fields))
    )
    is_full = pd.DataFrame({heading: is_compared for heading, (_, is_compared) in found.items()}, index=index)
    texts = pd.DataFrame(
        {
            heading: [mean_text(*cell[:3]) if heading == ranking else number(cell.mean) for cell in column]
            for heading, column in cells.items()
        },
        index=index,
    )
    texts += np.where(is_full | (counts == 0), "", "†")
    if lows[ranking].notna().any():
        caption += f" In brackets the 95 % interval of {ranking} over the {units} (Student's t)."
    caption += " Best in bold, second underlined."
    if texts.stack().str.endswith("†").any():
        caption += f" † not all of the {units} that other models have; not ranked."
    data = pd.concat({"mean": means, "low": lows, "high": highs, "n": counts}, axis=1).swaplevel(axis=1)[list(means)]
    data.columns = pd.Index([" ".join(pair) for pair in data.columns])
    order = np.lexsort([-means[ranking].round(9), ~is_full[ranking]])  # the last key counts first; stable
    return Table(
        name=name,
        title=title,
        caption=caption,
        texts=texts.iloc[order],
        values=means.iloc[order],
        marks=best_marks(means, is_full).iloc[order],
        data=data.iloc[order].reset_index(),
    )
