"""Tells when the healthy level of a machine has moved away from what its detector has learnt."""

from collections.abc import Iterable

import numpy as np

COUNT = 30  # of the latest recordings that were judged normal
MANY = 25  # of them


def drift(shares: Iterable[float]) -> str:
    """A warning where the healthy level has moved, else an empty text.

    Each recording of a machine that is as it was has an even chance to score above the median of the healthy
    recordings. That at least 25 of 30 do happens once in 6,000 times (a one-sided sign test: binomial distribution
    with 30 trials and a chance of 1/2). Recordings that were judged abnormal do not count: they have raised an alarm.

    Parameters
    ----------
    shares : iterable of float
        Of the recordings that were judged normal, in the order of time: the share of healthy recordings that score as
        high.
    """
    latest = np.array(list(shares)[-COUNT:], dtype=float)
    above = int((latest < 0.5).sum())
    if len(latest) < COUNT or above < MANY:
        return ""
    return (
        f"The machine drifts: of the latest {COUNT} normal recordings, {above} score above the median of the healthy "
        f"ones that the detector knows, where {COUNT // 2} are to be expected; see what has changed and, if the "
        "machine is healthy, train anew with recent recordings"
    )
