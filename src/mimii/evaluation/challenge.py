"""The official score of DCASE's task 2 over all machines of a data set."""

import math

import pandas as pd


def challenge_score(rows: pd.DataFrame, has_domains: bool) -> float:
    """The official score of DCASE's task 2 for the machines of one model.

    Parameters
    ----------
    rows : pd.DataFrame
        A row a machine, with ``auc``, ``pauc``, ``auc_source`` and ``auc_target``; the rows without an AUC, of
        machines whose labels are withheld, do not count.
    has_domains : bool
        The data set has a source and a target domain, as from 2021 on.

    Returns
    -------
    float
        With domains the harmonic mean over the machines of the AUC of each domain and the pAUC, as defined from 2022
        on; else, as in 2020, the mean of AUC and pAUC. NaN where one of them is missing.
    """
    from scipy.stats import hmean

    rows = rows[rows["auc"].notna()]
    if rows.empty:
        return math.nan
    if has_domains:
        return float(hmean(rows[["auc_source", "auc_target", "pauc"]].to_numpy(dtype=float).ravel()))
    return float(rows[["auc", "pauc"]].to_numpy(dtype=float).mean())
