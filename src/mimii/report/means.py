"""Tables of means: a row a model, in each cell its mean over machines, in one column with the interval."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from mimii.data.machines import MACHINE
from mimii.report.table import Table, best_marks
from mimii.storage.schema import number

LEVEL = 0.95
_FEWEST = 3  # machines: of two, the interval would be twelve standard deviations wide on either side


class Mean(NamedTuple):
    """A mean, the ends of its interval, and over how many machines it is."""

    mean: float
    low: float
    high: float
    n: int


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean between 0 and 1 over machines (Student's t); NaN for fewer than three of them."""
    known = values[np.isfinite(values)]
    if len(known) < _FEWEST:
        return np.nan, np.nan
    from scipy.special import stdtrit

    half = stdtrit(len(known) - 1, (1 + LEVEL) / 2) * known.std(ddof=1) / np.sqrt(len(known))
    return max(float(known.mean() - half), 0.0), min(float(known.mean() + half), 1.0)


def mean_text(mean: float, low: float, high: float) -> str:
    """A mean and, where it has one, its interval."""
    return number(mean) + (f" [{number(low)}, {number(high)}]" if np.isfinite(low) else "")


def mean_over_machines(rows: pd.DataFrame, metric: str) -> Mean:
    """Mean of one model's rows over the machines, after that over the seeds of each."""
    per_machine = rows.dropna(subset=metric).groupby(MACHINE)[metric].mean().to_numpy()
    if not len(per_machine):
        return Mean(np.nan, np.nan, np.nan, 0)
    return Mean(float(per_machine.mean()), *interval(per_machine), len(per_machine))


def means_table(
    labels: Sequence[str],
    columns: Mapping[str, tuple[pd.DataFrame, str]],
    *,
    ranking: str,
    name: str,
    title: str,
    caption: str,
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
    """
    cells = {
        heading: [mean_over_machines(rows[rows["label"] == label], metric) for label in labels]
        for heading, (rows, metric) in columns.items()
    }
    index = pd.Index(labels, name="Model")
    means, lows, highs, counts = (
        pd.DataFrame({heading: [cell[part] for cell in column] for heading, column in cells.items()}, index=index)
        for part in range(len(Mean._fields))
    )
    is_full = counts == counts.max()
    texts = pd.DataFrame(
        {
            heading: [mean_text(*cell[:3]) if heading == ranking else number(cell.mean) for cell in column]
            for heading, column in cells.items()
        },
        index=index,
    )
    texts += np.where(is_full | (counts == 0), "", "†")
    if counts[ranking].max() >= _FEWEST:
        caption += f" In brackets the 95 % interval of {ranking} over them (Student's t)."
    caption += " Best in bold, second underlined."
    if texts.stack().str.endswith("†").any():
        caption += " † not all of the machines that other models have; not ranked."
    data = pd.concat({"mean": means, "low": lows, "high": highs, "n": counts}, axis=1).swaplevel(axis=1)[list(means)]
    data.columns = pd.Index([" ".join(pair) for pair in data.columns])
    order = np.argsort(-means[ranking].round(9).to_numpy(), kind="stable")
    return Table(
        name=name,
        title=title,
        caption=caption,
        texts=texts.iloc[order],
        values=means.iloc[order],
        marks=best_marks(means, is_full).iloc[order],
        data=data.iloc[order].reset_index(),
    )
