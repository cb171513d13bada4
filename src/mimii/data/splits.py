"""Splits recordings into those for training and those for evaluation."""

import numpy as np
import pandas as pd

from mimii.data.layouts import SUPPLEMENTAL
from mimii.data.machines import UNLABELLED, machine_columns


def split_for_detection(recordings: pd.DataFrame) -> pd.DataFrame:
    """Split each machine as its layout says or, for MIMII, as in its paper (Purohit et al., 2019).

    Of a machine's sorted normal recordings the first ones, as many as it has abnormal ones, are for evaluation
    together with the abnormal ones; the other normal recordings are for training.

    Returns
    -------
    pd.DataFrame
        The recordings with a column ``split``: ``train``, ``eval`` or, where the layout has such recordings,
        ``supplemental``. Abnormal recordings are never for training.
    """
    is_abnormal = recordings["label"] != "normal"
    machine = [recordings[column] for column in machine_columns(recordings)]
    abnormal_count = is_abnormal.groupby(machine).transform("sum")
    # the recordings are sorted, so this numbers a machine's recordings of one label by name
    number = recordings.groupby([*machine, recordings["label"]]).cumcount()
    by_paper = np.where(number < abnormal_count, "eval", "train")
    split = np.where(recordings["given_split"] == "", by_paper, recordings["given_split"])
    return recordings.assign(split=np.where(is_abnormal, "eval", split))


def split_for_classification(recordings: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Keep a fifth of the clips of each machine and label for evaluation, the others for training.

    All versions of a clip at several SNR fall on the same side, in whatever task they are used.

    Returns
    -------
    pd.DataFrame
        The recordings that have a label, with a column ``split``: ``train`` or ``eval``.
    """
    is_used = (recordings["label"] != UNLABELLED) & (recordings["given_split"] != SUPPLEMENTAL)
    recordings = recordings[is_used].reset_index(drop=True)
    is_eval = choose_clips(recordings, 0.2, seed, purpose="evaluation")
    return recordings.assign(split=np.where(is_eval, "eval", "train"))


def choose_clips(recordings: pd.DataFrame, fraction: float, seed: int, purpose: str) -> np.ndarray:
    """Choose a share of the clips of each machine type, ID and label.

    The versions of one clip at several SNR hold the same machine sound under other noise, so they are chosen
    together or not at all.

    Parameters
    ----------
    recordings : pd.DataFrame [n rows]
    fraction : float in [0, 1)
        Of two or more clips at least one is chosen, where the fraction is not 0, and at least one is not.
    seed : int
    purpose : str
        The choice depends on the seed, the purpose and the number of clips, and nothing else: it is the same for
        the same recordings under other names.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=bool]
        True where a recording is chosen.
    """
    chosen = np.zeros(len(recordings), dtype=bool)
    if fraction == 0:
        return chosen
    names = recordings["name"].to_numpy()
    # the versions of a machine at several SNR are one; what supplemental recordings hold is not their machine's sound
    kinds = [name for name in ("dataset", "machine_type", "machine_id", "supplement") if name in recordings]
    for positions in recordings.groupby([*kinds, "label"]).indices.values():
        clips = np.unique(names[positions])
        count = min(max(1, round(fraction * len(clips))), len(clips) - 1)
        generator = np.random.default_rng([seed, *purpose.encode()])
        chosen[positions] = np.isin(names[positions], generator.permutation(clips)[:count])
    return chosen
