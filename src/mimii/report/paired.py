"""Differences between two models on the same machines: how large, how sure, and how many machines a test would take.

One number a machine counts: seeds and the SNR of a machine are averaged before, for they are not independent of each
other.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

LEVEL = 0.95
SIGNIFICANT = 0.05
POWER = 0.8
# of five machines even five wins out of five give an exact two-sided p of 2 / 2**5 = 0.0625
MIN_MACHINES = 6
MIN_OF_INTERVAL = 3  # of two machines an interval would be twelve standard deviations wide on either side
_MANY = 50  # machines from which on the normal approximation of the signed-rank test is as good as the exact one


class Effect(NamedTuple):
    """How much one model is better than another.

    Attributes
    ----------
    machines : int
    mean, mean_low, mean_high : float
        The mean difference and its 95 % interval by Student's t; see `mean_interval`.
    median, low, high : float
        The median difference and its 95 % interval; see `hodges_lehmann`.
    p : float
        Of the Wilcoxon signed-rank test, two-sided; NaN where no number of wins could make it smaller than 0.05.
    """

    machines: int
    mean: float
    mean_low: float
    mean_high: float
    median: float
    low: float
    high: float
    p: float


def blocks(table: pd.DataFrame) -> pd.DataFrame:
    """The mean over the SNR: of a row a model, a column (SNR, type, ID) a column a machine (type, ID).

    The versions of one machine at several SNR hold the same sounds under other noise: as if they were several machines
    they would make every interval too narrow. Not every SNR of a machine may be there; its mean is over those that are.
    """
    return table.T.groupby(level=[1, 2], sort=False).mean().T


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean over machines and its 95 % interval for others like these (Student's t); NaN for fewer than three."""
    from scipy.special import stdtrit

    count, mean = len(values), float(np.mean(values)) if len(values) else np.nan
    if count < MIN_OF_INTERVAL:
        return mean, np.nan, np.nan
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return mean, mean - half, mean + half


def effect(differences: np.ndarray) -> Effect:
    """What the differences of two models on the same machines say; they are rounded, so that equal ones tie."""
    differences = np.asarray(differences, dtype=float).round(9)
    p_value = signed_rank(differences) if len(differences) >= MIN_MACHINES else np.nan
    return Effect(len(differences), *mean_interval(differences), *hodges_lehmann(differences), p_value)


def signed_rank(differences: np.ndarray) -> float:
    """The two-sided p-value of the Wilcoxon signed-rank test, without the differences that are zero.

    Exact up to 50 machines, with ties too: there scipy tries all 2^n signs, which takes a second for 12 machines.
    """
    from scipy.stats import rankdata, wilcoxon

    differences = differences[differences != 0]
    if not len(differences):
        return 1.0
    if len(differences) > _MANY:
        return float(wilcoxon(differences).pvalue)
    ranks = (2 * rankdata(np.abs(differences))).astype(int)  # whole numbers, ties included
    probabilities = _sums(tuple(np.sort(ranks).tolist()))
    positive = int(ranks[differences > 0].sum())
    smaller = min(positive, int(ranks.sum()) - positive)
    return min(1.0, 2 * float(probabilities[: smaller + 1].sum()))


@lru_cache(maxsize=512)
def _sums(ranks: tuple[int, ...]) -> np.ndarray:
    """How probable each sum of those ranks is of which a coin says that they count: (sum of the ranks + 1,)."""
    probabilities = np.zeros(sum(ranks) + 1)
    probabilities[0] = 1
    for rank in ranks:
        shifted = np.zeros_like(probabilities)
        shifted[rank:] = probabilities[: len(probabilities) - rank]
        probabilities = (probabilities + shifted) / 2
    return probabilities


def hodges_lehmann(differences: np.ndarray) -> tuple[float, float, float]:
    """The median difference of Hodges and Lehmann and its 95 % interval, which belongs to the signed-rank test.

    The median is that of the means of all pairs of differences, each with itself too. The interval is exact but for
    ties; there is none for fewer than six machines.
    """
    count = len(differences)
    if not count:
        return np.nan, np.nan, np.nan
    first, second = np.triu_indices(count)
    means = np.sort((differences[first] + differences[second]) / 2)
    median = float(np.median(means))
    if count < MIN_MACHINES:
        return median, np.nan, np.nan
    left_out = _left_out(count)
    return median, float(means[left_out]), float(means[len(means) - 1 - left_out])


@lru_cache(maxsize=64)
def _left_out(count: int) -> int:
    """How many of the sorted means of pairs are outside the interval at each end."""
    cumulated = np.cumsum(_sums(tuple(range(1, count + 1))))
    return int(np.searchsorted(cumulated, (1 - LEVEL) / 2, side="right")) - 1


def fewest_machines(comparisons: int) -> int:
    """Machines from which on a signed-rank test can tell two models apart at all, after a correction for its number."""
    return math.ceil(math.log2(2 * comparisons / SIGNIFICANT) - 1e-9)


def machines_needed(differences: np.ndarray, comparisons: int) -> float:
    """About how many machines would tell two models apart; infinite where they do not differ.

    The rule: the signed-rank test at 5 % divided by the number of comparisons finds a difference with a mean and a
    standard deviation as those seen here with 80 % power, by the normal approximation. It needs 3/pi more machines
    than a t-test would, and never fewer than make a small p-value possible.

    Parameters
    ----------
    differences : np.ndarray [shape=(machines,)]
        At least two.
    comparisons : int > 0
        By which the level is divided.
    """
    from scipy.stats import norm

    mean, deviation = abs(float(differences.mean())), float(differences.std(ddof=1))
    if mean < 1e-9:
        return math.inf
    quantiles = norm.ppf(1 - SIGNIFICANT / comparisons / 2) + norm.ppf(POWER)
    needed = math.ceil(math.pi / 3 * (quantiles * deviation / mean) ** 2)
    return max(needed, fewest_machines(comparisons))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Adjust p-values for their number by Holm's step-down method."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1)
    return adjusted
