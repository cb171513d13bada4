"""What is to be known before a monitor is relied on: healthy recordings that are few, unlike each other or doubtful.

Each rule is a plain one, and a warning says what was found, where, and what to do.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mimii.evaluation.conformal import share_as_high
from mimii.monitoring.healthy import Healthy

ENOUGH = 20  # recordings: of fewer, the highest score alone can't promise one false alarm in twenty

_LEVEL_RANGE = 6.0  # dB to either side of the median level: the amplitude doubled, or a microphone twice as near
_LENGTH_RANGE = 1.2  # times the median length, or the median that times the length
_FENCE = 3.0  # times the distance of the quartiles, beyond the upper one: what Tukey (1977) calls far out
_SURPRISE = 1e-3  # the probability of one score so high among as many recordings that are all healthy
_BLOCKS = 5  # of recordings, that are compared with each other
_DRIFT = 1e-3  # the probability of blocks so different where there is no drift
_NAMED = 5  # recordings that a warning names


def doubts(healthy: Healthy, scores: np.ndarray) -> list[str]:
    """All warnings about healthy recordings.

    Parameters
    ----------
    healthy : Healthy
    scores : np.ndarray [shape=(n,)]
        Of the recordings, by detectors that have not learnt from them.
    """
    names = [str(path) for path in healthy.paths]
    found = [few(len(scores)), of_levels(names, healthy.levels), of_lengths(names, healthy.seconds)]
    found += [of_scores(names, scores), of_drift(names, scores)]
    return [warning for warning in found if warning]


def few(count: int) -> str:
    """A warning of fewer than 20 recordings."""
    if count >= ENOUGH:
        return ""
    return (
        f"{count} recordings are few: {ENOUGH} are the fewest that can promise anything, and 50 from every operating "
        "state of the machine and several days are better"
    )


def of_levels(names: Sequence[str], levels: np.ndarray) -> str:
    """A warning of recordings that are 6 dB or more louder or quieter than the median one."""
    away = levels - np.median(levels)
    odd = np.flatnonzero(np.abs(away) >= _LEVEL_RANGE)
    if not len(odd):
        return ""
    listed = _listed([(names[i], f"{away[i]:+.0f} dB") for i in odd[np.argsort(-np.abs(away[odd]), kind="stable")]])
    return f"{len(odd)} recording(s) are far louder or quieter than the others; was the microphone moved? {listed}"


def of_lengths(names: Sequence[str], seconds: np.ndarray) -> str:
    """A warning of recordings that are more than a fifth longer than the median one, or shorter by that factor."""
    ratios = seconds / np.median(seconds)
    away = np.maximum(ratios, 1 / ratios)
    odd = np.flatnonzero(away > _LENGTH_RANGE)
    if not len(odd):
        return ""
    listed = _listed([(names[i], f"{seconds[i]:.1f} s") for i in odd[np.argsort(-away[odd], kind="stable")]])
    return (
        f"{len(odd)} recording(s) are not about as long as the others, {np.median(seconds):.1f} s; the scores of short "
        f"recordings vary more: {listed}"
    )


def far_out(scores: np.ndarray) -> np.ndarray:
    """Which scores stand far out: beyond Tukey's outer fence, and of a share that hardly any of n scores has.

    The fence is three times the distance of the quartiles above the upper one. Where scores are very skewed, healthy
    ones are beyond it, too. So a second rule must hold as well. A distribution is fitted to the scores within the
    fence, and by it the probability of even one such score among all is below one in a thousand; see
    `mimii.evaluation.conformal.share_as_high`.

    Machines have rare sounds. On the synthetic ones, all healthy, `mahalanobis` has a score far out among 50 recordings
    in one training of five, and among 200 recordings in every second one.

    Parameters
    ----------
    scores : np.ndarray [shape=(n,)]

    Returns
    -------
    np.ndarray [shape=(m,), dtype=int64]
        Their numbers, the highest first.
    """
    low, high = np.quantile(scores, [0.25, 0.75])
    is_beyond = scores > high + _FENCE * (high - low)
    within = scores[~is_beyond]
    found = [i for i in np.flatnonzero(is_beyond) if len(scores) * share_as_high(within, scores[i]) < _SURPRISE]
    return np.array(sorted(found, key=lambda i: -scores[i]), dtype=np.int64)


def of_scores(names: Sequence[str], scores: np.ndarray) -> str:
    """A warning of "healthy" recordings whose scores stand far out; see `far_out`."""
    odd = far_out(scores)
    if not len(odd):
        return ""
    others = np.delete(scores, odd)
    rows = []
    for i in odd:
        share = share_as_high(others, float(scores[i]))
        rows.append((names[i], f"score {scores[i]:.4g}, median {np.median(others):.4g}, {_one_in(share)}"))
    return f"{len(odd)} recording(s) stand far out and may not be healthy: listen to them. {_listed(rows)}"


def of_drift(names: Sequence[str], scores: np.ndarray) -> str:
    """A warning where the scores of five blocks of recordings, in the order of time, differ from each other.

    By the test of Kruskal and Wallis (1952), p < 0.001: by ranks, so that a single high score does not matter.
    """
    from scipy.stats import kruskal

    blocks = np.array_split(np.arange(len(scores)), _BLOCKS)
    if (scores == scores[0]).all() or kruskal(*(scores[block] for block in blocks)).pvalue >= _DRIFT:
        return ""
    highest = max(blocks, key=lambda block: float(np.median(scores[block])))
    first, last = highest[0], highest[-1]
    return (
        "the recordings drift: the scores of some parts of them differ from those of others. The highest part is "
        f"{Path(names[first]).name} to {Path(names[last]).name} ({first + 1} to {last + 1} of {len(scores)}). Where "
        "the machine drifts on, more false alarms than asked for are to be expected: add recordings from more days"
    )


def _one_in(share: float) -> str:
    """A share in words: ``as high as 1 in 4,000``."""
    return f"as high as 1 in {1 / share:,.0f}" if share > 1e-6 else "as high as fewer than 1 in 1,000,000"


def _listed(rows: Sequence[tuple[str, str]]) -> str:
    """Recordings with a remark each; of many the first."""
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return ", ".join(f"{name} ({remark})" for name, remark in rows[:_NAMED]) + more
