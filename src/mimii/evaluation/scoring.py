"""From the scores of windows to that of a recording, and folds of recordings that are held out in turn."""

import numpy as np

from mimii.features.windows import Windows

_TOP_SHARE = 0.1  # of the windows that ``top10`` is the mean of


def pool_scores(windows: Windows, scores: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    """The score of each recording, from those of its windows.

    Parameters
    ----------
    windows : Windows
    scores : np.ndarray [shape=(n_windows,)]
    how : str
        ``mean``; ``max``, the highest; ``top10``, the mean of the highest tenth, of one window at least: for sounds
        that last a moment only.

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
    return numbers, np.array([np.sort(group)[-max(1, round(_TOP_SHARE * len(group))) :].mean() for group in groups])


def folds(count: int, machine: np.ndarray | None = None) -> list[np.ndarray]:
    """Folds that are held out in turn: five of them or, of fewer than five recordings, one for each recording.

    Every fifth recording of a machine is in the same fold.

    Parameters
    ----------
    count : int > 0
        How many recordings.
    machine : np.ndarray [shape=(count,)], optional
        The number of each recording's machine; without it, all are of one.

    Returns
    -------
    list of np.ndarray [shape=(count,), dtype=bool]
        True where a recording is held out; each recording is held out once.
    """
    number = np.arange(count)
    if machine is not None:
        for one in np.unique(machine):
            number[machine == one] = np.arange((machine == one).sum())
    return [number % 5 == fold for fold in range(min(int(number.max()) + 1, 5))]
