"""The official score of DCASE's task 2 as each year defines it.

The score is a mean of areas under ROC curves of a system's machines. Which areas, and which mean, depends on the year:

====  =======================================  =============================================================
year  areas of a machine                       mean
====  =======================================  =============================================================
2020  AUC and pAUC of all its clips            arithmetic, over the machine IDs of a type, then over the types
2021  AUC and pAUC of each domain's clips      harmonic, over all areas of all machines
2022  AUC of each domain's normal clips and    harmonic, over all areas of all machines
      the abnormal ones of both; pAUC of all
====  =======================================  =============================================================

The definition of 2022 holds until 2026. The pAUC ends at a false-positive rate of 0.1 and is scaled so that chance is
0.5 (McClish, 1989). Before a harmonic mean an area of 0 becomes the machine epsilon, as in the official evaluators.

The organisers' sets have all areas of all machines. Where clips are missing, so that an area of a machine does not
exist, there is no score, and the machine's ``gap`` says why: a mean of the other areas would be another measure than
that of the systems it is compared with. Machines without labels do not count.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from mimii.data.datasets import FIRST_YEAR, GENERALISED_YEAR, SHIFTED_YEAR
from mimii.data.machines import DOMAINS, LABELS
from mimii.evaluation.metrics import MAX_FPR, decision_metrics

# of each definition the areas that the score is a mean of, in the order of the official evaluators
_OF_SCORE = {
    FIRST_YEAR: ("auc", "pauc"),
    SHIFTED_YEAR: ("auc_source", "auc_target", "pauc_source", "pauc_target"),
    GENERALISED_YEAR: ("auc_source", "auc_target", "pauc"),
}
# and in words
MEANINGS = {
    FIRST_YEAR: "mean of AUC and pAUC over the IDs of a machine type, then over the types",
    SHIFTED_YEAR: "harmonic mean of AUC and pAUC of each domain's own recordings",
    GENERALISED_YEAR: "harmonic mean of AUC source, AUC target and pAUC",
}
_DECISIONS = ("precision", "recall", "f1")
_MACHINE = ["machine_type", "machine_id"]
_ORDER = [*_MACHINE, "domain", "label", "score"]


class Area(NamedTuple):
    """An area under the ROC curve of some clips of a machine, up to a false-positive rate."""

    chosen: np.ndarray
    max_fpr: float


def definition(year: int) -> int:
    """The year that the definition of a year's score is from: 2020, 2021 or 2022."""
    return min(max(year, FIRST_YEAR), GENERALISED_YEAR)


def areas_of_score(year: int) -> tuple[str, ...]:
    """Names of the areas of a machine that a year's score is a mean of, such as ``auc_source``."""
    return _OF_SCORE[definition(year)]


def machine_table(
    clips: pd.DataFrame, year: int, thresholds: Mapping[tuple[str, str], float] | None = None
) -> pd.DataFrame:
    """What the organisers print of each machine.

    Parameters
    ----------
    clips : pd.DataFrame
        The scored clips for evaluation: ``machine_type``, ``machine_id``, ``label``, ``domain`` (``source``, ``target``
        or empty) and ``score``. Those without a label do not count.
    year : int
    thresholds : mapping of (str, str) to float, optional
        For a machine's type and ID the score above which a clip counts as abnormal.

    Returns
    -------
    pd.DataFrame
        A row for each machine that has both normal and abnormal clips:

        - machine_type, machine_id : str
        - auc, pauc, auc_source, auc_target, pauc_source, pauc_target : float; those of the year, and the AUC of all
          clips from 2022 on; NaN for others and for those that do not exist
        - precision, recall, f1 : float, in 2020; precision_source, precision_target and so on from 2021 on, of the
          domain's own normal and abnormal clips; NaN without a threshold or clips
        - normal, abnormal : int, how many clips
        - gap : str, why an area that the score takes does not exist; empty where all do
    """
    rows = []
    for (machine_type, machine_id), machine in labelled_machines(clips):
        is_abnormal, domains = (machine["label"] == "abnormal").to_numpy(), machine["domain"].to_numpy()
        scores = machine["score"].to_numpy(dtype=float)
        gap = gap_of_machine(is_abnormal, domains, year)
        areas = areas_of_machine(is_abnormal, domains, year)
        if definition(year) == GENERALISED_YEAR:
            areas["auc"] = Area(np.full(len(scores), True), 1.0)
        threshold = (thresholds or {}).get((machine_type, machine_id), math.nan)
        rows.append(
            {
                **{"machine_type": machine_type, "machine_id": machine_id},
                **{name: _roc_area(is_abnormal, scores, area) for name, area in areas.items()},
                **_decisions(is_abnormal, scores, domains, threshold, year),
                **{"normal": int((~is_abnormal).sum()), "abnormal": int(is_abnormal.sum()), "gap": gap},
            }
        )
    areas_and_decisions = [
        *("auc", "pauc", "auc_source", "auc_target", "pauc_source", "pauc_target", *_DECISIONS),
        *(f"{name}_{domain}" for name in _DECISIONS for domain in DOMAINS),
    ]
    return pd.DataFrame(rows, columns=[*_MACHINE, *areas_and_decisions, "normal", "abnormal", "gap"])


def official_score(machines: pd.DataFrame, year: int) -> float:
    """The official score of a system.

    Parameters
    ----------
    machines : pd.DataFrame
        As `machine_table` gives it.
    year : int

    Returns
    -------
    float
        NaN where there is no machine, or where one of them lacks an area.
    """
    values = machines[list(areas_of_score(year))].to_numpy(dtype=float)
    return float(year_mean(values, machines["machine_type"].to_numpy(), year))


def mean_of_machines(values: pd.Series, machine_types: pd.Series, year: int) -> float:
    """The mean over machines of one column of `machine_table`, taken as that of the year's score; NaN if one is."""
    return float(year_mean(values.to_numpy(dtype=float)[:, None], machine_types.to_numpy(), year))


def labelled_machines(clips: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """The labelled clips of each machine that has both normal and abnormal ones, in an order of their own."""
    labelled = clips[clips["label"].isin(LABELS)].sort_values(_ORDER, kind="stable")
    for (machine_type, machine_id), machine in labelled.groupby(_MACHINE, sort=True):
        if set(machine["label"]) == set(LABELS):
            yield (str(machine_type), str(machine_id)), machine


def areas_of_machine(is_abnormal: np.ndarray, domains: np.ndarray, year: int) -> dict[str, Area]:
    """The areas that the score of a year is a mean of."""
    areas = {}
    for name in areas_of_score(year):
        kind, _, domain = name.partition("_")
        chosen = np.full(len(domains), True)
        if domain:
            # where a domain is not known, the clips of none are
            chosen = (domains == domain) & np.isin(domains, DOMAINS).all()
            if definition(year) == GENERALISED_YEAR:
                chosen = chosen | is_abnormal
        areas[name] = Area(chosen, MAX_FPR if kind == "pauc" else 1.0)
    return areas


def _roc_area(is_abnormal: np.ndarray, scores: np.ndarray, area: Area) -> float:
    """An area, NaN where its clips are not both normal and abnormal."""
    from sklearn.metrics import roc_auc_score

    is_abnormal = is_abnormal[area.chosen]
    if is_abnormal.all() or not is_abnormal.any():
        return math.nan
    return float(roc_auc_score(is_abnormal, scores[area.chosen], max_fpr=area.max_fpr))


def _decisions(
    is_abnormal: np.ndarray, scores: np.ndarray, domains: np.ndarray, threshold: float, year: int
) -> dict[str, float]:
    """Precision, recall and F1 at the threshold, from 2021 on of each domain's own clips."""
    parts = {"": np.full(len(scores), True)}
    if definition(year) != FIRST_YEAR:
        parts = {f"_{domain}": domains == domain for domain in DOMAINS}
    found: dict[str, float] = {}
    for suffix, chosen in parts.items():
        if not math.isnan(threshold) and chosen.any():
            metrics = decision_metrics(is_abnormal[chosen], scores[chosen], threshold)
            found |= {f"{name}{suffix}": value for name, value in metrics.items()}
    return found


def gap_of_machine(is_abnormal: np.ndarray, domains: np.ndarray, year: int) -> str:
    """What of a machine's clips is missing for an area of the year's score; empty where nothing is."""
    if definition(year) == FIRST_YEAR:
        return ""
    if unknown := int((~np.isin(domains, DOMAINS)).sum()):
        return f"the domain of {unknown} of {len(domains)} labelled clips is not known"
    labels = {"normal": ~is_abnormal}
    if definition(year) == SHIFTED_YEAR:
        labels["abnormal"] = is_abnormal
    for domain in DOMAINS:
        for label, chosen in labels.items():
            if not (chosen & (domains == domain)).any():
                return f"no {label} clip of the {domain} domain"
    return ""


def year_mean(values: np.ndarray, machine_types: np.ndarray, year: int) -> np.ndarray:
    """The mean that is the score of a year.

    Parameters
    ----------
    values : np.ndarray [shape=(..., machines, areas)]
        The areas in the order of `areas_of_score`.
    machine_types : np.ndarray [shape=(machines,)] of str
    year : int

    Returns
    -------
    np.ndarray [shape=(...)]
        NaN where there is no machine, or a value is NaN.
    """
    from scipy.stats import hmean

    if not values.size or np.isnan(values).any():
        return np.full(values.shape[:-2], np.nan)
    if definition(year) == FIRST_YEAR:
        of_machine = values.mean(axis=-1)  # (..., machines)
        of_type = [of_machine[..., machine_types == one].mean(axis=-1) for one in np.unique(machine_types)]
        return np.mean(of_type, axis=0)
    # all source AUCs, all target AUCs, all pAUCs: the order of the official evaluators, for equal rounding
    flat = np.swapaxes(values, -1, -2).reshape(*values.shape[:-2], -1)
    return np.asarray(hmean(np.maximum(flat, sys.float_info.epsilon), axis=-1))
