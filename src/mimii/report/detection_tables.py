"""The tables of anomaly detection."""

from functools import partial

import numpy as np
import pandas as pd

from mimii.data.machines import MACHINE, machine_name
from mimii.report import statistics
from mimii.report.labels import setting_text
from mimii.report.loading import Results
from mimii.report.means import means_table
from mimii.report.ranking import best_models
from mimii.report.rows import by_machine, has_seeds, machines_only
from mimii.report.snr import at_snr, by_snr, snr_order
from mimii.report.table import Table, best_marks, no_marks
from mimii.report.texts import mean_over, name_of, synthetic_note
from mimii.storage.schema import DASH, RANKINGS, heading, number

_DECISIONS = ("precision", "recall", "f1")
_BOUNDS = ("auc", "low", "high")
_THRESHOLDS = ("label", "seed", "threshold", "threshold_from", "eval_files")
_HEADINGS = {
    **{"label": "Model", "seed": "Seed", "auc": "AUC", "normal": "Normal", "abnormal": "Abnormal"},
    **{"threshold": "Threshold", "threshold_from": "From", "eval_files": "Recordings", "above": "Above it"},
}


def decisions(results: Results) -> list[Table]:
    """Precision, recall and F1 of each detector at its threshold, one table at each SNR."""
    rows = machines_only(results.detection).dropna(subset=["threshold", "f1"])
    tables = []
    for snr, at_level in by_snr(rows):
        tables.append(
            means_table(
                list(at_level["label"].unique()),
                {heading(metric): (at_level, metric) for metric in _DECISIONS},
                ranking=heading("f1"),
                name=name_of("threshold", snr),
                title=f"Decisions at the threshold{at_snr(snr)}",
                caption=f"Precision, recall and F1 of the abnormal recordings at each machine's own threshold"
                f"{at_snr(snr)}, the 90th percentile of a gamma distribution fitted to scores of normal recordings: "
                f"{mean_over(at_level, 'machines')}. No label was used.{synthetic_note(results.is_synthetic)}",
            )
        )
    return tables


def thresholds(results: Results) -> list[Table]:
    """What there is of machines without metrics: each detector's threshold, and how many recordings are above it."""
    rows = machines_only(results.detection)
    rows = rows[rows["threshold"].notna() & rows[list(RANKINGS)].isna().all(axis=1)]
    found = []
    for row in rows.to_dict("records"):
        scores = results.kept("scores", row["run_id"], ["score"])
        above = np.nan if scores is None else float((scores["score"] > row["threshold"]).sum())
        found.append({**{name: row[name] for name in [*MACHINE, *_THRESHOLDS]}, "above": above})
    if not found:
        return []
    data = pd.DataFrame(found)
    data = data.sort_values(MACHINE, key=lambda c: c.map(snr_order) if c.name == "snr" else c, kind="stable")
    index = pd.Index([machine_name(machine) for machine in data[MACHINE].to_numpy()], name="Machine")
    values = data.set_index(index)[[*_THRESHOLDS, "above"]]
    decimals = {"threshold": 3, "eval_files": 0, "above": 0, "seed": 0}
    texts = values.assign(
        **{name: values[name].map(partial(number, decimals=count)) for name, count in decimals.items()}
    )
    values = values.assign(label=np.nan, threshold_from=np.nan)
    if data["seed"].nunique() <= 1:
        values, texts = values.drop(columns="seed"), texts.drop(columns="seed")
    return [
        Table(
            name="thresholds",
            title="Thresholds of machines without metrics",
            caption="Threshold of each detector on every machine that has no metrics, because its recordings for "
            "evaluation are not both normal and abnormal or have no labels, and how many of the recordings are above "
            f"it.{synthetic_note(results.is_synthetic)}",
            texts=texts.rename(columns=_HEADINGS),
            values=values.rename(columns=_HEADINGS),
            marks=no_marks(texts.rename(columns=_HEADINGS)),
            data=data,
        )
    ]


def machines(results: Results, metric: str) -> list[Table]:
    """Every machine x model."""
    rows = machines_only(results.detection).dropna(subset=metric)
    if rows.empty:
        return []
    table = by_machine(rows, metric)
    table = table.loc[best_models(rows, metric)].T  # (machines, models)
    values = table.copy()
    values.index = pd.Index([machine_name(machine) for machine in table.index], name="Machine")
    values.columns.name = "Model"
    over = ", mean over the seeds" if has_seeds(rows) else ""
    return [
        Table(
            name=name_of("machines", metric),
            title=f"{heading(metric)} of every machine",
            caption=f"{heading(metric)} of every machine{over}. Best in bold, second underlined."
            f"{synthetic_note(results.is_synthetic)}",
            texts=values.map(number),
            values=values,
            marks=best_marks(values.T).T,
            data=table.reset_index(),
            is_matrix=True,
        )
    ]


def intervals(results: Results) -> list[Table]:
    """The bootstrap interval of each AUC."""
    found = []
    for row in results.scored.to_dict("records"):
        scores = results.scores[row["run_id"]]
        is_abnormal = (scores["label"] == "abnormal").to_numpy()
        low, high = statistics.auc_interval(is_abnormal, scores["score"].to_numpy())
        counts = {"normal": int((~is_abnormal).sum()), "abnormal": int(is_abnormal.sum())}
        found.append(
            {**{name: row[name] for name in [*MACHINE, "label", "seed", "auc"]}, "low": low, "high": high, **counts}
        )
    if not found:
        return []
    data = pd.DataFrame(found)
    data = data.sort_values(MACHINE, key=lambda c: c.map(snr_order) if c.name == "snr" else c, kind="stable")
    index = pd.Index([machine_name(machine) for machine in data[MACHINE].to_numpy()], name="Machine")
    values = data.set_index(index)[["label", "seed", "auc", "low", "high", "normal", "abnormal"]]
    seeds = [setting_text(seed) if np.isfinite(seed) else "" for seed in data["seed"]]
    texts = values.assign(seed=[seed or DASH for seed in seeds], **{n: values[n].map(number) for n in _BOUNDS})
    if data["seed"].nunique() <= 1:
        values, texts = values.drop(columns="seed"), texts.drop(columns="seed")
    texts = texts.astype(str).rename(columns=_HEADINGS)
    return [
        Table(
            name="intervals",
            title="95 % interval of each AUC",
            caption=f"AUC of each model on every machine with its 95 % bootstrap interval (percentiles of "
            f"{statistics.RESAMPLES:,} resamples, stratified over normal and abnormal recordings)."
            f"{synthetic_note(results.is_synthetic)}",
            texts=texts,
            values=values.assign(label=np.nan).rename(columns=_HEADINGS),
            marks=no_marks(texts),
            data=data.assign(seed=seeds),
        )
    ]
