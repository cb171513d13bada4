"""The best model, the order in which models stand, and which others can't be told from the best."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from mimii.report import paired
from mimii.report.rows import by_machine
from mimii.storage.schema import heading


class Common(NamedTuple):
    """What models are compared on.

    Attributes
    ----------
    table : pd.DataFrame
        A row a model, a column a machine (SNR, type, ID), without a gap.
    lacking : dict of str to int
        The models that are left out, and how many of the machines they have.
    machines : int
        How many machines some model has.
    """

    table: pd.DataFrame
    lacking: dict[str, int]
    machines: int


def common(table: pd.DataFrame) -> Common:
    """The models that have all of the machines, for the mean over easy machines says nothing about the others.

    Where no two models have all of the machines, those are compared that have more than half of them, on the machines
    that all of these have. Where these share no machine, nothing is compared.
    """
    table = table.dropna(axis="columns", how="all")
    counts = table.notna().sum(axis=1)
    wanted = table.shape[1] if (counts == table.shape[1]).sum() > 1 else table.shape[1] // 2 + 1
    is_in = counts >= wanted
    is_in &= not table[is_in].dropna(axis="columns").empty
    lacking = {str(label): int(count) for label, count in counts[~is_in].items()}
    return Common(table[is_in].dropna(axis="columns"), lacking, table.shape[1])


def counted(table: pd.DataFrame, shared: Common) -> pd.DataFrame:
    """The values that means are of: of models that are compared on what all of them have, of the others all."""
    is_compared = table.index.isin(shared.table.index)
    is_shared = table.columns.isin(shared.table.columns)
    return table.where(~is_compared[:, np.newaxis] | is_shared)


def left_out(lacking: Mapping[str, int]) -> str:
    """The end of a caption: the models that a figure does not show; see `Common`."""
    if not lacking:
        return ""
    they_were = "it was" if len(lacking) == 1 else "they were"
    return f" Left out, for {they_were} run on fewer machines: {', '.join(lacking)}."


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean between 0 and 1 over machines, those without a value left out."""
    _, low, high = paired.mean_interval(values[np.isfinite(values)])
    return float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))  # NaN where there are too few machines


@dataclass
class Ranking:
    """Models by their mean over the machines.

    Attributes
    ----------
    best : str
        The model of the highest mean.
    machines : int
        On how many machines all of the models have a value; several SNR of a machine count once.
    levels : int
        At how many SNR.
    mean, low, high : float
        Of the best model, with its 95 % interval; see `interval`.
    blocks : pd.DataFrame
        A row a model, the best first, a column a machine (type, ID).
    others : pd.DataFrame
        For each other model its ``mean``, what the best one is better by (the fields of `mimii.report.paired.Effect`,
        its mean as ``difference``) and ``p_holm``, corrected for the number of other models by Holm's method. The
        correction covers the question which models may be the best one, and not that of all pairs.
    lacking : dict of str to int
        Models that are not ranked, and how many of the machines they have.
    """

    best: str
    machines: int
    levels: int
    mean: float
    low: float
    high: float
    blocks: pd.DataFrame
    others: pd.DataFrame
    lacking: dict[str, int] = field(default_factory=dict)

    @property
    def means(self) -> pd.Series:
        """The mean of each model over the machines, the best first."""
        return self.blocks.mean(axis=1)

    @property
    def alike(self) -> list[str]:
        """The models that can't be told from the best one, the better ones first."""
        return list(self.others.index[~(self.others["p_holm"] < paired.SIGNIFICANT)])

    @property
    def better(self) -> list[str]:
        """The models that are better on most machines, by the test, though their mean is lower."""
        is_told = self.others["p_holm"] < paired.SIGNIFICANT
        return list(self.others.index[is_told & (self.others["median"] < 0)])

    @property
    def can_tell(self) -> bool:
        """Tell whether there are enough machines for any difference to be seen."""
        return not len(self.others) or self.machines >= paired.fewest_machines(len(self.others))

    def machines_needed(self, other: str) -> float:
        """About how many machines would tell another model from the best one; see `paired.machines_needed`."""
        differences = (self.blocks.loc[self.best] - self.blocks.loc[other]).to_numpy()
        needed = paired.machines_needed(differences, len(self.others))
        return max(needed, self.machines + 1)  # these were not enough


def rank(table: pd.DataFrame) -> Ranking | None:
    """Compare all models with the best one; None where there is none.

    Parameters
    ----------
    table : pd.DataFrame
        A row a model, a column a machine (SNR, type, ID), the mean over the seeds; higher is better.
    """
    shared = common(table)
    if shared.table.empty:
        return None
    blocks = _best_first(shared.table)
    means = blocks.mean(axis=1).round(9)
    best, *rest = means.index
    effects = [paired.effect((blocks.loc[best] - blocks.loc[label]).to_numpy()) for label in rest]
    others = pd.DataFrame(effects, columns=list(paired.Effect._fields), index=pd.Index(rest, name="Model"))
    others = others.rename(columns={"mean": "difference"}).assign(
        mean=means[rest], p_holm=paired.holm(others["p"].to_numpy())
    )
    mean, (low, high) = float(means.iloc[0]), interval(blocks.loc[best].to_numpy())
    levels = shared.table.columns.get_level_values(0).nunique()
    return Ranking(str(best), blocks.shape[1], levels, mean, low, high, blocks, others, shared.lacking)


def _best_first(table: pd.DataFrame) -> pd.DataFrame:
    """A row a model, the one of the highest mean first, a column a machine (type, ID)."""
    blocks = paired.blocks(table)
    means = blocks.mean(axis=1).round(9)  # so that equal ones tie
    return blocks.loc[means.sort_values(ascending=False, kind="stable").index]


def best_models(rows: pd.DataFrame, metric: str) -> list[str]:
    """Models in the order of `rank`, the best first; those that are not ranked come last.

    Parameters
    ----------
    rows : pd.DataFrame
        Of results, of single machines or of groups.
    metric : str
        Higher is better.
    """
    table = by_machine(rows, metric)
    if table.empty:
        return []
    compared = common(table).table
    return [*_best_first(compared).index, *_best_first(table.drop(index=compared.index)).index]


def highest_of(order: Sequence[str], shown: Collection[str], metric: str) -> str:
    """What the first model of those that a figure of scores shows has: the highest mean, or that of a part of them.

    Parameters
    ----------
    order : sequence of str
        All models, the best first; see `best_models`.
    shown : collection of str
        Those that kept their scores.
    metric : str
    """
    text = f"the highest mean {heading(metric)}"
    if order and order[0] not in shown:
        text += f" of those that kept their scores; {order[0]} is better"
    return text
