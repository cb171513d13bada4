"""How sure the numbers are, and whether the models differ."""

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd

from mimii.report import paired
from mimii.report.paired import LEVEL
from mimii.report.ranking import Common, Ranking, common, rank

RESAMPLES = 2000
_PAIRS = ["a", "b", "difference", "median", "low", "high", "p", "p_holm"]


@lru_cache(maxsize=8)
def _resampled_counts(normal: int, abnormal: int, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each recording is in each bootstrap sample: (resamples, normal) and (resamples, abnormal).

    The models of a machine share them, so that their intervals rest on the same samples.
    """
    generator = np.random.default_rng(seed)
    of_normal, of_abnormal = (
        generator.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float32)
        for count in (normal, abnormal)
    )
    return of_normal, of_abnormal


def bootstrap_auc(is_abnormal: np.ndarray, scores: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """AUC of bootstrap samples, stratified: as many normal and as many abnormal recordings as there are.

    The AUC is the share of pairs of an abnormal and a normal recording in which the abnormal one scores higher,
    ties counting half. So the pairs are compared once, and a sample only weighs them.

    Parameters
    ----------
    is_abnormal : np.ndarray [shape=(n,), dtype=bool]
        Both values must occur.
    scores : np.ndarray [shape=(n,)]
        Higher is more anomalous.
    resamples, seed : int

    Returns
    -------
    np.ndarray [shape=(resamples,)]
    """
    normal, abnormal = scores[~is_abnormal], scores[is_abnormal]
    wins = (abnormal > normal[:, None]) + 0.5 * (abnormal == normal[:, None])  # (normal, abnormal)
    of_normal, of_abnormal = _resampled_counts(len(normal), len(abnormal), resamples, seed)
    # (resamples, normal) @ (normal, abnormal) -> (resamples, abnormal)
    weighted = (of_normal @ wins.astype(np.float32)) * of_abnormal
    return weighted.sum(axis=1, dtype=np.float64) / (len(normal) * len(abnormal))


def auc_interval(is_abnormal: np.ndarray, scores: np.ndarray, **kwargs: int) -> tuple[float, float]:
    """Percentile interval of the AUC at the 95 % level; see `bootstrap_auc`."""
    low, high = np.quantile(bootstrap_auc(is_abnormal, scores, **kwargs), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def critical_difference(models: int, machines: int) -> float:
    """Difference of average ranks from which on two models differ at the 5 % level (Nemenyi; Demšar, 2006)."""
    from scipy.stats import studentized_range

    quantile = studentized_range.ppf(1 - 0.05, models, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(models * (models + 1) / (6 * machines)))


@dataclass
class Comparison:
    """Whether models differ.

    Attributes
    ----------
    machines : int
        On how many machines all of the models have a value; several SNR of a machine count once.
    ranks : pd.Series
        Average rank of each model, 1 for the best, ascending.
    friedman : tuple of float, or None
        Statistic and p-value, where there are three models and enough machines.
    difference : float or None
        The critical difference of the ranks, where it separates any two models.
    pairs : pd.DataFrame
        ``a``, ``b``, what a is better than b by (``difference``, the mean, and ``median``, ``low`` and ``high``, see
        `mimii.report.paired.Effect`), ``p``, ``p_holm``; empty where there are too few machines.
    remarks : list of str
        What a reader of the p-values has to know, or why there are none.
    ranking : Ranking or None
        The best model and the others compared with it.
    """

    machines: int
    ranks: pd.Series
    friedman: tuple[float, float] | None = None
    difference: float | None = None
    pairs: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=_PAIRS))
    remarks: list[str] = field(default_factory=list)
    ranking: Ranking | None = None


def compare_models(table: pd.DataFrame) -> Comparison:
    """Rank models and test whether they differ: Friedman over all, Wilcoxon signed-rank with Holm over the pairs.

    The versions of one machine at several SNR are not independent of each other, so their mean counts, once: a machine
    is a block. The seeds are averaged before.

    Parameters
    ----------
    table : pd.DataFrame
        A row a model, a column a machine (SNR, type, ID); higher is better. See `mimii.report.ranking.common` for
        models that lack machines.
    """
    shared = common(table)
    individuals = paired.blocks(shared.table)  # (models, machines)
    models, machines = individuals.shape
    ranks = individuals.round(9).rank(ascending=False).mean(axis=1).sort_values(kind="stable")
    comparison = Comparison(machines, ranks, remarks=_about(shared), ranking=rank(table))
    if models < 2:
        comparison.remarks.append("There is one model: nothing to compare.")
        return comparison
    if machines < paired.MIN_MACHINES:
        comparison.remarks.append(
            f"Too few machines for a test: {machines}, where it takes {paired.MIN_MACHINES} for a p-value below 0.05 "
            "to be possible at all. No p-value is given."
        )
        return comparison
    if models > 2:
        _friedman(comparison, individuals)
    pairs = []
    for a, b in combinations(individuals.index, 2):
        found = paired.effect((individuals.loc[a] - individuals.loc[b]).to_numpy())
        pairs.append(
            {"a": a, "b": b, "difference": found.mean}
            | {name: getattr(found, name) for name in ("median", "low", "high", "p")}
        )
    comparison.pairs = pd.DataFrame(pairs)
    comparison.pairs["p_holm"] = paired.holm(comparison.pairs["p"].to_numpy())
    if (lowest := len(pairs) * 2 / 2**machines) > paired.SIGNIFICANT:
        comparison.remarks.append(
            f"With {machines} machines and {len(pairs)} pairs, Holm's correction leaves no p-value below "
            f"{min(lowest, 1):.2f}, however large the differences; with fewer models or more machines it would."
        )
    return comparison


def _about(shared: Common) -> list[str]:
    """What does not count, and what counts once."""
    remarks = [
        f"{label} has {count} of {shared.machines} machines, and is not compared."
        for label, count in shared.lacking.items()
    ]
    if incomplete := shared.machines - shared.table.shape[1]:
        remarks.append(
            f"{incomplete} of {shared.machines} machines do not count: not every model has a value for them."
        )
    if shared.table.columns.get_level_values(0).nunique() > 1:
        remarks.append("The values of one machine at several SNR are not independent; their mean counts, once.")
    return remarks


def _friedman(comparison: Comparison, individuals: pd.DataFrame) -> None:
    """Test all models at once and, where that separates any of them, give the critical difference."""
    from scipy.stats import friedmanchisquare

    models, machines = individuals.shape
    if (individuals.nunique() == 1).all():  # where all models tie the statistic is 0 / 0
        comparison.friedman = (0.0, 1.0)
    else:
        found = friedmanchisquare(*individuals.to_numpy())
        comparison.friedman = (float(found.statistic), float(found.pvalue))
    difference = critical_difference(models, machines)
    apart = comparison.ranks.iloc[-1] - comparison.ranks.iloc[0]
    if comparison.friedman[1] >= paired.SIGNIFICANT:
        why = "the Friedman test finds no difference"
    elif apart < difference:
        why = f"the best and the worst average rank are {apart:.1f} apart"
    elif comparison.ranking is not None and not comparison.ranking.can_tell:
        # it would contradict the tests against the best model: ranks also count how a model does against third ones
        comparison.remarks.append(
            f"No diagram of critical differences: on {machines} machines no paired test can tell a model from the "
            "best, and average ranks, which depend on what other models there are, are not to say more than that."
        )
        return
    else:
        comparison.difference = difference
        return
    comparison.remarks.append(
        f"No diagram of critical differences: {why}, and with {models} models on {machines} machines average ranks "
        f"have to be {difference:.1f} apart{_at_least(models, difference)}."
    )


def _at_least(models: int, difference: float) -> str:
    return f", where {models - 1} is the most that is possible" if difference > models - 1 else ""
