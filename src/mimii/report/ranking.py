"""The best model, and which others can't be told from it."""

from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from mimii.report import paired
from mimii.report.means import interval


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
    that all of these have.
    """
    table = table.dropna(axis="columns", how="all")
    counts = table.notna().sum(axis=1)
    wanted = table.shape[1] if (counts == table.shape[1]).sum() > 1 else table.shape[1] // 2 + 1
    is_in = counts >= wanted
    lacking = {str(label): int(count) for label, count in counts[~is_in].items()}
    return Common(table[is_in].dropna(axis="columns"), lacking, table.shape[1])


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
        Of the best model, with its 95 % interval; see `mimii.report.means.interval`.
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
        is_worse = (self.others["p_holm"] < paired.SIGNIFICANT) & (self.others["median"] > 0)
        return list(self.others.index[~is_worse])

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
    blocks = paired.blocks(shared.table)
    means = blocks.mean(axis=1).round(9).sort_values(ascending=False, kind="stable")
    blocks = blocks.loc[means.index]
    best, *rest = means.index
    effects = [paired.effect((blocks.loc[best] - blocks.loc[label]).to_numpy()) for label in rest]
    others = pd.DataFrame(effects, columns=list(paired.Effect._fields), index=pd.Index(rest, name="Model"))
    others = others.rename(columns={"mean": "difference"}).assign(
        mean=means[rest], p_holm=paired.holm(others["p"].to_numpy())
    )
    mean, (low, high) = float(means.iloc[0]), interval(blocks.loc[best].to_numpy())
    levels = shared.table.columns.get_level_values(0).nunique()
    return Ranking(str(best), blocks.shape[1], levels, mean, low, high, blocks, others, shared.lacking)
