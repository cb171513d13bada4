"""Reads what the experiments left: rows of results, scores of each recording, loss histories.

Nothing is taken for granted but that a table has a column ``model`` and one of the metrics: tables may be missing,
empty, or have other columns than this version writes, and the notes say so.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from mimii.data.mimii import published_baseline
from mimii.data.recordings import MACHINE, is_synthetic
from mimii.errors import UserError
from mimii.models import REGISTRY
from mimii.settings import NATIVE, SCORINGS
from mimii.sweep.task import ALL

DETECTION = ["auc", "pr_auc", "pauc"]
CLASSIFICATION = ["accuracy", "balanced_accuracy", "precision", "recall", "f1", "f1_macro", "roc_auc"]
COST = [
    *("num_parameters", "model_size_mb", "training_time_sec", "inference_time_ms", "throughput_samples_per_sec"),
    *("memory_usage_mb", "peak_ram_mb"),
]
# what makes two rows of one model results of different things; the seed makes them repetitions of the same
SETTINGS = [
    *("scoring", "score_pooling", "pooling", "twfr_r", "distance"),
    *("dataset_scope", "n_mels", "frames", "n_fft", "hop_length", "power", "channel"),
    *("epochs", "batch_size", "learning_rate", "val_split", "tf32", "class_weight"),
]
MINUS = "\N{MINUS SIGN}"
PUBLISHED = "MIMII authors' AE (published)"

_TEXTS = [
    *("model", *MACHINE, "dataset_scope", "classification_type", "class_weight", "variant"),
    *("scoring", "score_pooling", "pooling", "distance", "threshold_from"),
    *("device", "device_name", "torch_version", "run_id", "timestamp"),
]
_NUMBERS = [*DETECTION, *CLASSIFICATION, *COST, "threshold", "twfr_r", "seed", "train_files", "eval_files"]
_OF_SCORES = ("scoring", "score_pooling")  # settings that make other scores of the same trained model


@dataclass
class Results:
    """What one results directory holds.

    Attributes
    ----------
    directory : Path
    detection, classification : pd.DataFrame
        The latest row of each run, with the columns ``label``, the model and what tells it from its other rows, and
        ``trained``, the same without what only scores depend on.
    notes : list of str
        What is missing or was left out, one sentence each.
    """

    directory: Path
    detection: pd.DataFrame
    classification: pd.DataFrame
    notes: list[str] = field(default_factory=list)

    @cached_property
    def _kept(self) -> dict[tuple[str, str], Path]:
        """Files by their kind and by the ``run_id`` at the end of their name."""
        kept = {}
        for folder in ("scores", "history"):
            for path in sorted((self.directory / folder).glob("*.csv")):
                stem = path.stem.removesuffix("_confusion")
                kind = folder if stem == path.stem else "confusion"
                kept[kind, stem.rpartition("_")[2]] = path
        return kept

    def kept(self, kind: str, run_id: str, columns: Sequence[str]) -> pd.DataFrame | None:
        """The ``scores``, ``confusion`` or ``history`` of a run; None where there is none with these columns."""
        path = self._kept.get((kind, run_id))
        try:
            table = pd.read_csv(path, dtype=dict.fromkeys([*MACHINE, "label"], str)) if path else None
        except (OSError, ValueError):  # pandas' errors of reading are ValueErrors
            return None
        return table if table is not None and len(table) and set(columns) <= set(table) else None

    @cached_property
    def scores(self) -> dict[str, pd.DataFrame]:
        """Anomaly scores of the labelled recordings of each detection run that kept them, by ``run_id``."""
        found = {}
        for run_id in self.detection["run_id"]:
            table = self.kept("scores", run_id, ["path", "label", "score"])
            if table is not None:
                labelled = table[table["label"].isin(["normal", "abnormal"]) & table["score"].notna()]
                if labelled["label"].nunique() == 2:
                    found[run_id] = labelled
        return found

    @cached_property
    def recordings(self) -> list[Path]:
        """One recording of each machine that a file of scores names."""
        paths = {}
        for rows in (self.detection, self.classification):
            for machine, group in rows.groupby(MACHINE):
                if machine in paths or machine[-1] == ALL:
                    continue
                for run_id in group["run_id"]:
                    table = self.kept("scores", run_id, ["path"])
                    if table is not None:
                        paths[machine] = Path(str(table["path"].iloc[0]))
                        break
        return list(paths.values())

    @cached_property
    def is_synthetic(self) -> bool:
        """Tell whether a recording lies in a data set whose README calls itself synthetic."""
        return any(map(is_synthetic, self.recordings))


def load(directory: Path, models: Sequence[str] | None = None, snr: Sequence[str] | None = None) -> Results:
    """Read a results directory.

    Parameters
    ----------
    directory : Path
        Any table in it with the columns of the experiments counts, whatever its name.
    models, snr : sequence of str, optional
        Only these.

    Raises
    ------
    UserError
        There is no such directory, it holds no row, no row is of the models and SNR, or a table can't be read.
    """
    if not directory.is_dir():
        raise UserError(f"{directory} is not a directory; give the --result_dir of the experiments")
    notes: list[str] = []
    tables = [_read(path, notes) for path in sorted(directory.glob("[!.]*.csv"))]
    detection = _combined([table for table in tables if {"auc", "run_id"} & set(table) and "accuracy" not in table])
    classification = _combined([table for table in tables if "accuracy" in table])
    everything = pd.concat([detection, classification])
    if everything.empty:
        empty = f" ({' '.join(notes)})" if notes else ""
        raise UserError(f"no results in {directory}{empty}; run src/exp_autoencoding.py first")
    chosen = []
    for table in (detection, classification):
        for column, wanted in (("model", models), ("snr", snr)):
            if wanted is None:
                continue
            there = sorted(filter(None, everything[column].unique()))
            if unknown := [value for value in wanted if value not in there]:
                option = {"model": "models"}.get(column, column)
                raise UserError(f"--{option} {' '.join(unknown)} is not in {directory}, which has {', '.join(there)}")
            table = table[table[column].isin(list(wanted))]
        chosen.append(table)
    if all(table.empty for table in chosen):
        raise UserError(f"no row in {directory} has both the --models and the --snr")
    detection, classification = (_latest(table, notes) for table in chosen)
    results = Results(directory, detection, classification, notes)
    _note_what_is_missing(results)
    return results


def _read(path: Path, notes: list[str]) -> pd.DataFrame:
    """A results table, or an empty one where the file is something else."""
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(_TEXTS, str))
    except pd.errors.EmptyDataError:
        notes.append(f"{path.name} is empty.")
        return pd.DataFrame()
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} can't be read as a table ({reason}); move it elsewhere or mend it") from error
    if "model" not in table or not {*DETECTION, *CLASSIFICATION} & set(table):
        notes.append(f"{path.name} is no table of results and was not used.")
        return pd.DataFrame()
    if table.empty:
        notes.append(f"{path.name} has no rows.")
    missing = [name for name in [*MACHINE, "run_id", "seed"] if name not in table]
    if missing:
        notes.append(f"{path.name} has no column {', '.join(missing)}.")
    if "run_id" in missing:
        table["run_id"] = [f"{path.stem}:{number}" for number in range(len(table))]
    return table


def _combined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables as one, with all columns that the report reads: unknown texts are empty, unknown numbers NaN."""
    rows = pd.concat([pd.DataFrame(columns=[*_TEXTS, *_NUMBERS]), *tables], ignore_index=True)
    rows[_TEXTS] = rows[_TEXTS].astype(object).fillna("").astype(str)
    for name in _NUMBERS:
        rows[name] = pd.to_numeric(rows[name], errors="coerce").astype(float)
    rows["seed"] = rows["seed"].fillna(0).astype(int)
    return rows[rows["model"] != ""].reset_index(drop=True)


def _latest(rows: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Of each run the latest row, and of each model, machine and seed the latest run, in the order of the report."""
    rows = rows.sort_values("timestamp", kind="stable").drop_duplicates("run_id", keep="last")
    of_training = [name for name in SETTINGS if name not in _OF_SCORES]
    rows = rows.assign(label=_labels(rows, SETTINGS), trained=_labels(rows, of_training))
    what = ["classification_type", "label", *MACHINE, "seed"]
    latest = rows.drop_duplicates(what, keep="last")
    if older := len(rows) - len(latest):
        notes.append(
            f"{older} older rows of the same model, settings, machine and seed, but of other recordings or another "
            "version of the program, were left out."
        )
    names = list(REGISTRY)
    order = {name: number for number, name in enumerate([*names, *sorted(set(latest["model"]) - set(names))])}
    return (
        latest.assign(
            _model=latest["model"].map(order),
            _scoring=latest["scoring"].map({name: number for number, name in enumerate(SCORINGS)}),
            _snr=latest["snr"].map(decibels),
        )
        .sort_values(
            ["_model", "_scoring", "label", "_snr", "snr", "machine_type", "machine_id", "seed"], kind="stable"
        )
        .drop(columns=["_model", "_scoring", "_snr"])
        .reset_index(drop=True)
    )


def _labels(rows: pd.DataFrame, settings: Sequence[str]) -> pd.Series:
    """The model and, where it was run with several settings, those that differ between its rows."""
    labels = rows["model"].copy()
    settings = [name for name in settings if name in rows]
    known = rows[settings].replace("", None)
    if "scoring" in known:  # a model's own way of scoring, which is its only one, needs no name
        known["scoring"] = known["scoring"].replace(NATIVE, None)
    for _, group in rows.groupby(["model", "classification_type"]):
        own = known.loc[group.index]
        # how it was scored is part of a detector's name as soon as any two of them differ in it
        varied = [name for name in settings if (known if name == "scoring" else own)[name].nunique() > 1]
        for place, row in own[varied].iterrows():
            parts = [
                short(value) if name == "scoring" else f"{name}={short(value)}" for name, value in row.dropna().items()
            ]
            if parts:
                labels[place] = f"{labels[place]} ({', '.join(parts)})"
    return labels


def short(value: object) -> str:
    """A setting as text, a number without needless digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def decibels(snr: str) -> float:
    """Where an SNR belongs in a table: the highest first, other names last."""
    match = re.fullmatch(r"(min|-)?(\d+)dB", snr)
    return -float(("-" if match[1] else "") + match[2]) if match else float("inf")


def snr_title(snr: str) -> str:
    """An SNR as people write it."""
    match = re.fullmatch(r"(min|-)?(\d+)dB", snr)
    return f"{MINUS if match[1] else ''}{match[2]} dB" if match else snr


def snrs(rows: pd.DataFrame) -> list[str]:
    """The SNR of some rows, the highest first; the empty name is one too."""
    return sorted(rows["snr"].unique(), key=lambda snr: (decibels(snr), snr))


def machines_only(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows of pools: one AUC over several machines compares scores of different scale."""
    return rows[rows["machine_id"] != ALL]


def pools_or_machines(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of pools or, of a model that has none, those of machines: what a classifier was trained on."""
    is_pool = rows["machine_id"] == ALL
    has_pool = is_pool.groupby([rows["classification_type"], rows["label"]]).transform("any")
    return rows[is_pool | ~has_pool]


def by_machine(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean over the seeds: a row a model, a column a machine (SNR, type, ID), in the order of the rows."""
    table = rows.pivot_table(index="label", columns=MACHINE, values=metric, aggfunc="mean", sort=False)
    columns = sorted(table.columns, key=lambda machine: (decibels(machine[0]), *machine))
    return table.reindex(index=[label for label in rows["label"].unique() if label in table.index], columns=columns)


def published_rows(results: Results) -> pd.DataFrame:
    """The published baseline as rows of results, for the machines that are MIMII's whole machines.

    A machine is taken for MIMII's where as many recordings were evaluated as the published protocol has: the
    abnormal ones and as many normal ones. A part of MIMII, and the synthetic demo data, have no published figures.
    """
    rows = results.detection
    if results.is_synthetic:
        return rows.iloc[:0]
    published = published_baseline()
    there = rows[[*MACHINE, "eval_files"]].drop_duplicates()
    matching = published.merge(there, on=MACHINE)
    matching = matching[matching["eval_files"] == 2 * matching["abnormal_clips"]].drop_duplicates(MACHINE)
    runs = [
        matching[MACHINE].assign(model=PUBLISHED, label=PUBLISHED, seed=run, auc=matching[f"auc_run{run}"])
        for run in (1, 2)
    ]
    return pd.concat(runs, ignore_index=True)


def _note_what_is_missing(results: Results) -> None:
    notes = results.notes
    for name, rows, metrics in (
        ("anomaly detection", results.detection, DETECTION),
        ("classification", results.classification, CLASSIFICATION[:5]),
    ):
        if rows.empty:
            notes.append(f"There are no results of {name}.")
            continue
        machines = machines_only(rows) if name == "anomaly detection" else pools_or_machines(rows)
        for metric in metrics:
            missing = int(machines[metric].isna().sum())
            if missing == len(machines):
                notes.append(f"No row of {name} has a value of {metric}.")
            elif missing:
                notes.append(f"{missing} of {len(machines)} rows of {name} have no value of {metric}.")
    runs = machines_only(results.detection)["run_id"]
    if without := int((~runs.isin(list(results.scores))).sum()):
        notes.append(f"{without} of {len(runs)} runs kept no scores: they have no interval, ROC curve or histogram.")
    if not results.recordings or not any(path.exists() for path in results.recordings):
        notes.append("The recordings are not where they were: whether they are synthetic can't be told.")
