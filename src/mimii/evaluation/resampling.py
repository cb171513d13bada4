"""How sure the official score of DCASE's task 2 is: its bootstrap distribution."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from mimii.data.machines import LABELS
from mimii.evaluation.challenge import areas_of_machine, areas_of_score, labelled_machines, year_mean
from mimii.storage.names import digest

RESAMPLES = 2000
LEVEL = 0.95
_BLOCK = 250  # samples that are weighed at a time: their rates fit into the cache of a processor

Samples = dict[tuple[str, str], np.ndarray]  # of a machine's type and ID: (resamples, areas), NaN what does not exist


def resampled_areas(clips: pd.DataFrame, year: int, resamples: int = RESAMPLES, seed: int = 0) -> Samples:
    """The areas that the official score is a mean of, for bootstrap samples of each machine's clips.

    A sample has as many clips of each machine, domain and label as there are. The clips are sorted once, and a sample
    only weighs them. Neither the order of the rows nor the other machines make a difference.

    Parameters
    ----------
    clips : pd.DataFrame
        See `mimii.evaluation.challenge.machine_table`.
    year, resamples, seed : int
    """
    found = {}
    for name, machine in labelled_machines(clips):
        machine = machine.iloc[np.argsort(-machine["score"].to_numpy(dtype=float), kind="stable")]
        scores, domains = machine["score"].to_numpy(dtype=float), machine["domain"].to_numpy()
        is_abnormal = (machine["label"] == "abnormal").to_numpy()
        areas = areas_of_machine(is_abnormal, domains, year)
        values = np.full((resamples, len(areas)), np.nan)
        weights = _resampled_counts(machine, np.random.default_rng([seed, int(digest(list(name)), 16)]), resamples)
        for number, (chosen, max_fpr) in enumerate(areas[column] for column in areas_of_score(year)):
            if len(np.unique(is_abnormal[chosen])) < len(LABELS):
                continue
            for begin in range(0, resamples, _BLOCK):
                block = slice(begin, begin + _BLOCK)
                values[block, number] = weighted_areas(
                    weights[block, chosen], is_abnormal[chosen], scores[chosen], max_fpr
                )
        found[name] = values
    return found


def resampled_scores(samples: Mapping[tuple[str, str], np.ndarray], year: int) -> np.ndarray:
    """The official score of each bootstrap sample.

    Parameters
    ----------
    samples : mapping of (str, str) to np.ndarray [shape=(resamples, areas)]
        What `resampled_areas` gives, of one machine at least.
    year : int

    Returns
    -------
    np.ndarray [shape=(resamples,)]
        NaN where there is no score.
    """
    machine_types = np.array([machine_type for machine_type, _ in samples])
    return year_mean(np.stack(list(samples.values()), axis=1), machine_types, year)  # (resamples, machines, areas)


def interval(samples: np.ndarray) -> tuple[float, float]:
    """Percentile interval at the 95 % level of bootstrap samples; NaN where one of them is."""
    if np.isnan(samples).any():
        return math.nan, math.nan
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def weighted_areas(
    weights: np.ndarray, is_abnormal: np.ndarray, scores: np.ndarray, max_fpr: float = 1.0
) -> np.ndarray:
    """Areas under the ROC curves of samples in which each recording counts as often as its weight says.

    They equal scikit-learn's ``roc_auc_score``: equal scores are one step of the curve, and at ``max_fpr`` it is
    interpolated between two steps.

    Parameters
    ----------
    weights : np.ndarray [shape=(samples, n)]
        Each sample has both normal and abnormal recordings.
    is_abnormal : np.ndarray [shape=(n,), dtype=bool]
    scores : np.ndarray [shape=(n,)]
        Descending.
    max_fpr : float
        Below 1 the area is scaled so that chance is 0.5 and the best 1 (McClish, 1989).

    Returns
    -------
    np.ndarray [shape=(samples,)]
    """
    begins = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]]))
    rates = []
    for chosen in (~is_abnormal, is_abnormal):
        counts = np.zeros((len(weights), 1 + len(begins)))  # (samples, 1 + unique scores)
        np.cumsum(np.add.reduceat(weights * chosen, begins, axis=1), axis=1, out=counts[:, 1:])
        rates.append(counts / counts[:, -1:])
    false, true = rates
    step, rise = np.diff(false), np.diff(true)
    width = np.clip(max_fpr - false[:, :-1], 0, step)
    share = np.divide(width, step, out=np.zeros_like(step), where=step > 0)
    area = (width * (true[:, :-1] + rise * share / 2)).sum(axis=1)
    if max_fpr == 1:
        return area
    lowest = max_fpr**2 / 2
    return 0.5 * (1 + (area - lowest) / (max_fpr - lowest))


def _resampled_counts(machine: pd.DataFrame, generator: np.random.Generator, resamples: int) -> np.ndarray:
    """How often each clip of a machine is in each sample: (resamples, clips)."""
    counts = np.empty((resamples, len(machine)))
    for places in machine.groupby(["domain", "label"], sort=True).indices.values():
        share = np.full(len(places), 1 / len(places))
        counts[:, places] = generator.multinomial(len(places), share, size=resamples)
    return counts
