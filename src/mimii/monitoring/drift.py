"""Tells when the healthy level of a machine has moved away from what its detector has learnt."""

from collections.abc import Iterable

import numpy as np

COUNT = 30  # of the latest recordings that were judged normal
_CHANCE = 1 / 6_000  # that so many of them score high though nothing has changed


def drift(shares: Iterable[float], healthy: int) -> str:
    """A warning where the healthy level has moved, else an empty text.

    Each recording of a machine that is as it was has an even chance to score above the median of the healthy
    recordings. With that median known well, at least 25 of 30 do so once in 6,000 times (a one-sided sign test). The
    median of few recordings is not: the share of all healthy recordings that are above it has a beta distribution, so
    the number of them among 30 has a beta-binomial one, and more of them are needed for the same chance. Recordings
    that were judged abnormal do not count: they have raised an alarm.

    Parameters
    ----------
    shares : iterable of float
        Of the recordings that were judged normal, in the order of time: the share of healthy recordings that score as
        high.
    healthy : int > 0
        How many healthy recordings they are shares of.
    """
    latest = np.array(list(shares)[-COUNT:], dtype=float)
    above = int((latest < 0.5).sum())
    if len(latest) < COUNT or above < many(healthy):
        return ""
    return (
        f"The machine drifts: of the latest {COUNT} normal recordings, {above} score above the median of the healthy "
        f"ones that the detector knows, where {COUNT // 2} are to be expected; see what has changed and, if the "
        "machine is healthy, train anew with recent recordings"
    )


def many(healthy: int) -> int:
    """How many of the latest normal recordings score above the median by chance once in 6,000 times, or less often.

    Parameters
    ----------
    healthy : int > 0
        As of `drift`. Of very few, none of the 30 would be enough: then it is one more than 30.
    """
    from scipy.special import betaln, gammaln

    # a share below 1/2 means a score above the c-th highest, and the share of those is Beta(c, n + 1 - c) distributed
    c = healthy // 2
    if not c:
        return COUNT + 1
    counts = np.arange(COUNT + 1)
    log_choices = gammaln(COUNT + 1) - gammaln(counts + 1) - gammaln(COUNT - counts + 1)
    chances = np.exp(log_choices + betaln(counts + c, COUNT - counts + healthy + 1 - c) - betaln(c, healthy + 1 - c))
    of_so_many_or_more = chances[::-1].cumsum()[::-1]
    enough = np.flatnonzero(of_so_many_or_more <= _CHANCE)
    return int(enough[0]) if len(enough) else COUNT + 1
