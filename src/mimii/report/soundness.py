"""Which machines a detector hears, and which detectors are broken."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from mimii.data.machines import MACHINE, machine_name
from mimii.report import paired
from mimii.report.loading import Results
from mimii.report.ranking_texts import from_to
from mimii.report.rows import by_machine, machines_only
from mimii.report.statistics import bootstrap_auc
from mimii.storage.schema import RANKINGS, heading, number

CHANCE = 0.5
_FAR_BELOW_CHANCE = 0.4
_BLOCK = MACHINE[1:]  # a machine, whatever the SNR


class Heard(NamedTuple):
    """How well a detector hears a machine: its AUC there, the mean over seeds and SNR, with its 95 % interval.

    ``chosen_from`` is how many detectors it is the best of, on the same recordings: of many that guess, one does well.
    """

    machine: str
    label: str
    auc: float
    low: float
    high: float
    recordings: int
    p: float
    chosen_from: int = 1

    @property
    def interval(self) -> str:
        """The interval in a sentence."""
        return f"{from_to(self.low, self.high)} over {self.recordings} recordings"

    @property
    def is_heard(self) -> bool:
        """Tell whether the AUC is above chance, also after a correction for the choice among detectors."""
        return self.low > CHANCE and self.p * self.chosen_from < (1 - paired.LEVEL) / 2


def best_heard(results: Results) -> list[Heard]:
    """For each machine the detector of the highest AUC, where that one kept its scores; the worst machine first."""
    rows = results.scored.dropna(subset="auc")
    if rows.empty:
        return []
    means = paired.blocks(by_machine(rows, "auc"))
    best = means.idxmax().reset_index(name="label")[[*_BLOCK, "label"]].astype(str).to_numpy()
    counts = means.notna().sum().tolist()
    found = [_heard(results, rows, label, (machine_type, machine_id)) for machine_type, machine_id, label in best]
    heard = [one._replace(chosen_from=count) for one, count in zip(found, counts, strict=True) if one]
    return sorted(heard, key=lambda one: one.auc)


def heard_by(results: Results, label: str) -> list[Heard]:
    """The same of one detector."""
    rows = machines_only(results.detection).dropna(subset="auc")
    machines = rows.loc[rows["label"] == label, _BLOCK].drop_duplicates().astype(str).to_numpy()
    found = (_heard(results, rows, label, (machine_type, machine_id)) for machine_type, machine_id in machines)
    return sorted(filter(None, found), key=lambda heard: heard.auc)


def _heard(results: Results, rows: pd.DataFrame, label: str, machine: tuple[str, str]) -> Heard | None:
    from scipy.stats import norm

    rows = rows[(rows["label"] == label) & (rows["machine_type"] == machine[0]) & (rows["machine_id"] == machine[1])]
    samples = _samples(results, rows)
    if samples is None:
        return None
    low, high = np.quantile(samples, [(1 - paired.LEVEL) / 2, (1 + paired.LEVEL) / 2])
    paths = {path for run_id in rows["run_id"] for path in results.scores[run_id]["path"]}
    auc = float(rows.groupby("snr")["auc"].mean().mean())
    # the share of samples below chance is too coarse for a correction by many detectors
    deviation = float(samples.std(ddof=1))
    p_value = float(norm.sf((auc - CHANCE) / deviation)) if deviation > 0 else float(auc <= CHANCE)
    return Heard(machine_name(machine), label, auc, float(low), float(high), len(paths), p_value)


def _samples(results: Results, rows: pd.DataFrame) -> np.ndarray | None:
    """The mean AUC of some rows in bootstrap samples of the recordings; None where a row kept no scores.

    The rows of a machine share the samples, so that a recording which all seeds find hard is drawn for all of them or
    for none: seeds are no further recordings.
    """
    levels = []
    for _, of_level in rows.groupby("snr"):
        tables = [results.scores.get(run_id) for run_id in of_level["run_id"]]
        seeds = []
        for table in tables:
            if table is None:
                return None
            table = table.sort_values("path", kind="stable")
            seeds.append(bootstrap_auc((table["label"] == "abnormal").to_numpy(), table["score"].to_numpy()))
        levels.append(np.mean(seeds, axis=0))
    return np.mean(levels, axis=0) if levels else None


def broken(results: Results, metric: str) -> dict[str, str]:
    """What is wrong with detectors that can't be right, by their labels.

    A detector is broken where it has no metric at all on a machine that another one has some of, where it gives all
    recordings of a machine the same score, or where its mean AUC is below 0.4 and the whole 95 % interval below 0.5.

    Returns
    -------
    dict of str to str
        The rest of a sentence that begins with the label.
    """
    rows = machines_only(results.detection)
    rows = rows.assign(is_judged=rows[list(RANKINGS)].notna().any(axis=1))  # older rows lack some of the metrics
    known = rows.loc[rows["is_judged"], MACHINE].drop_duplicates()
    rows = rows.merge(known, on=MACHINE)  # what nobody has a metric of has no labels
    found = {}
    for label, of_label in rows.groupby("label", sort=False):
        machines = _count(of_label)
        if missing := int((~of_label.groupby(_BLOCK)["is_judged"].any()).sum()):
            found[str(label)] = f"has no {heading(metric)} on {_of(missing, machines)} where others have one"
        elif constant := _count(of_label[[_is_constant(results, run_id) for run_id in of_label["run_id"]]]):
            found[str(label)] = f"gives every recording the same score on {_of(constant, machines)}"
        elif is_below := _below_chance(results, of_label):
            found[str(label)] = is_below
    return found


def _count(rows: pd.DataFrame) -> int:
    return len(rows[_BLOCK].drop_duplicates())


def _of(count: int, machines: int) -> str:
    if machines == 1:
        return "the one machine"
    return f"all {machines} machines" if count == machines else f"{count} of {machines} machines"


def _is_constant(results: Results, run_id: str) -> bool:
    scores = results.scores.get(run_id)
    return scores is not None and scores["score"].nunique() == 1


def _below_chance(results: Results, rows: pd.DataFrame) -> str:
    """Say that an AUC is far below chance, over the recordings of these machines or, without scores, over machines."""
    blocks = paired.blocks(by_machine(rows, "auc"))
    if blocks.empty or (mean := float(blocks.to_numpy().mean())) >= _FAR_BELOW_CHANCE:
        return ""
    samples = [_samples(results, of_machine) for _, of_machine in rows.groupby(_BLOCK)]
    if any(sample is None for sample in samples):
        high = paired.mean_interval(blocks.to_numpy()[0])[2]
    else:
        high = float(np.quantile(np.mean(samples, axis=0), (1 + paired.LEVEL) / 2))  # type: ignore[arg-type]
    if not high < CHANCE:  # NaN is not
        return ""
    machines = blocks.shape[1]
    where = f"a mean AUC of {number(mean)} on {machines} machines" if machines > 1 else f"an AUC of {number(mean)}"
    return f"has {where}, far below chance, as scores of the wrong sign have"
