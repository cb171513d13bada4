"""How many healthy recordings score as high as a recording does, and the score that only a given share exceeds.

Conformal prediction (Vovk et al., 2005): where a recording is healthy, and came about as the healthy ones did whose
scores are known, each place among these scores is equally probable for its own. That takes no distribution. Beyond the
highest score it can only say "fewer than one in n + 1"; there a gamma distribution fitted to the scores goes on.
"""

import math
from dataclasses import dataclass

import numpy as np

from mimii.evaluation.thresholds import are_few

_STEPS = 50  # of Newton's method at most; it takes about five
# the least that a fitted distribution may say of there being a score as high as the highest: below that it does not fit
_LEAST = 1e-3


def share_as_high(scores: np.ndarray, score: float) -> float:
    """The share of healthy recordings that score as high as a recording does: a conformal p-value.

    Up to the highest of the n scores it is ``(1 + number of scores >= score) / (n + 1)``. Beyond, it goes on from
    ``1 / (n + 1)`` as the tail of a gamma distribution does, which is fitted as in
    `mimii.evaluation.thresholds.gamma_threshold`. Scores may be negative. A shift or a change of scale of all scores
    changes nothing.

    No distribution can be fitted to fewer than five scores or to scores that are all the same, and none is taken that
    says of the highest score that there can hardly be one (one extreme among thousands that are alike). Then the tail
    falls exponentially, by a factor of e for each standard deviation of the scores. Where they are all the same, it is
    their magnitude instead, or 1.

    Parameters
    ----------
    scores : np.ndarray [shape=(n,)]
        Of healthy recordings that the detector has not learnt from; one at least.
    score : float

    Returns
    -------
    float
        From 0 to 1; 0 only where the tail is too small for a number.
    """
    scores = np.asarray(scores, dtype=np.float64)
    highest, count = float(scores.max()), len(scores)
    if score <= highest:
        return (1 + int((scores >= score).sum())) / (count + 1)
    return _tail(scores).share_beyond(score) / (count + 1)


def alarm_threshold(scores: np.ndarray, share: float) -> float:
    """The score that only a given share of healthy recordings exceeds: the inverse of `share_as_high`.

    A score is above it exactly where its `share_as_high` is not above ``share``. From a share of ``1 / (n + 1)`` on,
    that is the k-th highest score, where k is the largest whole number with ``k / (n + 1) <= share``. A healthy
    recording that came about as the others did is above it with a probability of no more than ``share``, whatever the
    distribution. For a smaller share the threshold is beyond the highest score, and as good as the fitted
    distribution is.

    Parameters
    ----------
    scores : np.ndarray [shape=(n,)]
        As of `share_as_high`.
    share : float in (0, 1)
    """
    scores = np.asarray(scores, dtype=np.float64)
    if rank := rank_of(len(scores), share):
        return float(np.sort(scores)[-rank])
    return _tail(scores).score_of(share * (len(scores) + 1))


def rank_of(count: int, share: float) -> int:
    """Which of the scores, counted from the highest, is the threshold: 1 is the highest, 0 one beyond it.

    Parameters
    ----------
    count : int > 0
        How many scores.
    share : float in (0, 1)
    """
    near = round(share * (count + 1))  # 0.29 * 100 is a bit less than 29
    return min(count, next(rank for rank in (near + 1, near, near - 1) if rank / (count + 1) <= share))


def plausible_shares(count: int, share: float) -> tuple[float, float]:
    """What share of healthy recordings may really be above `alarm_threshold`: a 95 % interval.

    A threshold from n scores is a random number, and so is the share above it. Of a continuous distribution, whatever
    it is, the share above the k-th highest of n scores has the distribution Beta(k, n + 1 - k). A threshold beyond the
    highest score has no interval of its own: the share is below that for the highest, and how far is not known.

    Parameters
    ----------
    count : int > 0
        How many scores.
    share : float in (0, 1)
        That was asked for.

    Returns
    -------
    low, high : float
    """
    from scipy.special import betaincinv

    rank = rank_of(count, share)
    low, high = betaincinv(max(1, rank), count + 1 - max(1, rank), [0.025, 0.975])
    return (float(low) if rank else 0.0), float(high)


@dataclass(frozen=True)
class _Tail:
    """How the share of healthy recordings falls beyond the highest score, where it is 1.

    Attributes
    ----------
    highest : float
    begin, scale : float
        A score s stands for ``(s - begin) / scale`` in the standard gamma distribution.
    shape : float
        Of the gamma distribution; 1 makes the tail exponential.
    """

    highest: float
    begin: float
    scale: float
    shape: float

    def share_beyond(self, score: float) -> float:
        """The share of those beyond the highest score that are beyond a higher one."""
        from scipy.special import gammaincc

        at_highest = float(gammaincc(self.shape, (self.highest - self.begin) / self.scale))
        return float(gammaincc(self.shape, (float(score) - self.begin) / self.scale) / at_highest)

    def score_of(self, share: float) -> float:
        """The score that a share of those beyond the highest score is beyond."""
        from scipy.special import gammaincc, gammainccinv

        at_highest = float(gammaincc(self.shape, (self.highest - self.begin) / self.scale))
        return max(self.highest, self.begin + self.scale * float(gammainccinv(self.shape, share * at_highest)))


def _tail(scores: np.ndarray) -> _Tail:
    from scipy.special import gammaincc

    highest, lowest, spread = float(scores.max()), float(scores.min()), float(scores.std())
    are_equal = spread <= 1e-9 * float(np.abs(scores).max())
    if not are_equal and not are_few(len(scores)):
        begin = lowest - spread
        shape, scale = fit_gamma((scores - lowest) / spread + 1)
        at_highest = float(gammaincc(shape, (highest - begin) / (spread * scale)))
        if len(scores) * at_highest > _LEAST:
            return _Tail(highest, begin, spread * scale, shape)
    return _Tail(highest, highest, spread if not are_equal else abs(highest) or 1.0, 1.0)


def fit_gamma(values: np.ndarray) -> tuple[float, float]:
    """Shape and scale of the gamma distribution from 0 on that values are most probable under.

    The logarithm of the shape less its digamma function is that of the mean less the mean logarithm; Newton's method
    finds it from Minka's approximation (2002). It gives what `scipy.stats.gamma.fit` does, whose import takes as long
    as judging a recording may.

    Parameters
    ----------
    values : np.ndarray [shape=(n,)]
        Above 0, and not all the same.
    """
    from scipy.special import digamma, polygamma

    mean = float(values.mean())
    gap = math.log(mean) - float(np.log(values).mean())
    shape = (3 - gap + math.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap)
    for _ in range(_STEPS):
        slope = 1 / shape - float(polygamma(1, shape))
        # in the logarithm of the shape, so that it stays above 0
        step = (math.log(shape) - float(digamma(shape)) - gap) / (slope * shape)
        shape *= math.exp(-step)
        if abs(step) < 1e-12:
            break
    return shape, mean / shape
