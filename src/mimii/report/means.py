"""Tables of means: a row a model, in each cell its mean over machines and the standard deviation."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from mimii.data.machines import MACHINE
from mimii.report.table import Table, best_marks
from mimii.report.texts import PUBLISHED
from mimii.storage.schema import number


class Mean(NamedTuple):
    """A mean, the standard deviation, and over how many machines the mean is."""

    mean: float
    std: float
    n: int


def mean_and_std(rows: pd.DataFrame, metric: str, over_seeds: bool) -> Mean:
    """Mean over machines of one model's rows, and the standard deviation over machines or over seeds.

    Parameters
    ----------
    rows : pd.DataFrame
    metric : str
    over_seeds : bool
        The deviation is that of the seeds' means, of the seeds that have all of the machines.
    """
    table = rows.pivot(index=MACHINE, columns="seed", values=metric).dropna(how="all")
    if table.empty:
        return Mean(np.nan, np.nan, 0)
    per_machine = table.mean(axis=1)
    std = table.dropna(axis="columns").mean().std() if over_seeds else per_machine.std()
    return Mean(per_machine.mean(), std, len(table))


def means_table(
    labels: Sequence[str],
    columns: Mapping[str, tuple[pd.DataFrame, str]],
    *,
    over_seeds: bool,
    name: str,
    title: str,
    caption: str,
) -> Table:
    """A table of means.

    Parameters
    ----------
    labels : sequence of str
        The models, in order.
    columns : mapping of str to (pd.DataFrame, str)
        For each heading the rows and the metric that the means are of.
    over_seeds : bool
        See `mean_and_std`.
    name, title, caption : str
    """
    cells = {
        heading: [mean_and_std(rows[rows["label"] == label], metric, over_seeds) for label in labels]
        for heading, (rows, metric) in columns.items()
    }
    index = pd.Index(labels, name="Model")
    means, deviations, counts = (
        pd.DataFrame({heading: [cell[part] for cell in column] for heading, column in cells.items()}, index=index)
        for part in range(3)
    )
    is_full = counts == counts.max()
    texts = pd.DataFrame(
        {
            heading: [
                number(cell.mean)
                + (f" ± {cell.std:.3f}" if np.isfinite(cell.std) else "")
                + ("" if full or not cell.n else "†")
                for cell, full in zip(column, is_full[heading], strict=True)
            ]
            for heading, column in cells.items()
        },
        index=index,
    )
    is_ranked = np.array(index != PUBLISHED)[:, None]
    caption += " Best in bold, second underlined."
    if texts.stack().str.endswith("†").any():
        caption += " † not all of the machines that other models have; not ranked."
    data = pd.concat({"mean": means, "std": deviations, "n": counts}, axis=1).swaplevel(axis=1)[list(means.columns)]
    data.columns = pd.Index([" ".join(pair) for pair in data.columns])
    return Table(
        name=name,
        title=title,
        caption=caption,
        texts=texts,
        values=means,
        marks=best_marks(means, is_full & is_ranked),
        data=data.reset_index(),
    )
