"""From the scores of windows to that of a recording, and from scores of normal recordings to a threshold."""

from dataclasses import dataclass

import numpy as np

from mimii.features.windows import Windows

TOP_SHARE = 0.1  # of the windows that ``top10`` is the mean of
QUANTILE = 0.9  # of the scores of normal recordings: where the threshold is


def pool_scores(windows: Windows, scores: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    """The score of each recording, from those of its windows.

    Parameters
    ----------
    windows : Windows
    scores : np.ndarray [shape=(n_windows,)]
    how : str
        ``mean``; ``max``, the highest; ``top10``, the mean of the highest tenth, of one window at least: for sounds
        that are there for a moment only.

    Returns
    -------
    numbers : np.ndarray [shape=(n,), dtype=int64]
        The recordings that have windows, ascending.
    pooled : np.ndarray [shape=(n,), dtype=float64]
    """
    if how == "mean":
        return windows.mean_by_recording(scores)
    numbers, begins = np.unique(windows.recording, return_index=True)
    if how == "max":
        return numbers, np.maximum.reduceat(scores, begins).astype(np.float64)
    groups = np.split(np.asarray(scores, dtype=np.float64), begins[1:])  # a recording's windows are neighbours
    return numbers, np.array([np.sort(group)[-max(1, round(TOP_SHARE * len(group))) :].mean() for group in groups])


@dataclass(eq=False)
class NormalScores:
    """Scores of normal recordings, for a threshold.

    Attributes
    ----------
    numbers : np.ndarray [shape=(n,), dtype=int64]
        Which recordings.
    scores : np.ndarray [shape=(n,)]
    source : str
        ``left_out``: what gave the scores had not learnt from these recordings. ``training``: it had, for want of
        others; the scores are lower than those of new recordings, and so is the threshold.
    """

    numbers: np.ndarray
    scores: np.ndarray
    source: str


def folds(count: int) -> list[np.ndarray]:
    """Places in turn left out: of five folds each fifth one, of fewer than five places one at a time.

    Neighbours come into different folds, so that each fold has its share of every machine of a pool.

    Returns
    -------
    list of np.ndarray [shape=(count,), dtype=bool]
        True where a place is left out; each one once.
    """
    number = np.arange(count) % 5
    return [number == fold for fold in range(min(count, 5))]


def gamma_threshold(scores: np.ndarray) -> float:
    """The score from which on a recording counts as abnormal, from scores of normal ones alone.

    It is the 90th percentile of a gamma distribution fitted to the scores, as in the baseline of DCASE's task 2
    (Kawaguchi et al., 2021). The distribution begins one standard deviation below the lowest score: so scores may be
    negative, and a shift or a change of scale of the scores does the same to the threshold.

    Parameters
    ----------
    scores : np.ndarray [shape=(n,)]
        One at least. Where all are the same, or there is one, that is the threshold.
    """
    from scipy.stats import gamma

    lowest, spread = float(np.min(scores)), float(np.std(scores))
    if spread <= 1e-9 * float(np.max(np.abs(scores))):
        return float(np.max(scores))
    shape, _, scale = gamma.fit((scores - lowest) / spread, floc=-1.0)
    return lowest + spread * float(gamma.ppf(QUANTILE, shape, -1.0, scale))
