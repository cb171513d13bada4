"""Reads what the experiments left: rows of results, scores of each recording, loss histories.

Nothing is taken for granted but that a table has a column ``model`` and one of the metrics: tables may be missing,
empty, or have other columns than this version writes, and the notes say so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from mimii.data.machines import LABELS, MACHINE
from mimii.data.mimii import published_baseline
from mimii.data.recordings import is_synthetic
from mimii.errors import UserError
from mimii.models import REGISTRY
from mimii.report import challenge, labels
from mimii.report.challenge import is_challenge_table
from mimii.report.rows import groups_or_machines, machines_only
from mimii.report.snr import snr_order
from mimii.report.texts import PUBLISHED
from mimii.runtime.spelling import did_you_mean
from mimii.settings import SCORINGS
from mimii.storage import names, schema
from mimii.storage.files import first_line
from mimii.storage.results import read_kept, read_table

# the metrics of classification that the report shows; the table has more
CLASSIFICATION_METRICS = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
CLASSIFICATION_RANKING = "balanced_accuracy"  # what classifiers are ranked by

_METRICS = {*schema.of_group("quality", table="detection"), *schema.of_group("quality", table="classification")}
_ONLY_OF_CLASSIFICATION = {column.name for column in schema.COLUMNS if column.tables == ("classification",)}
_TEXTS = [column.name for column in schema.COLUMNS if column.is_text]
_NUMBERS = [column.name for column in schema.COLUMNS if not column.is_text]


@dataclass
class Results:
    """What one results directory holds of one data set.

    Attributes
    ----------
    directory : Path
    dataset : str
        The name of the data set; empty where it has none.
    detection, classification : pd.DataFrame
        The latest row of each run, with all columns of the schema, and those of `mimii.report.labels.with_labels`.
    official, official_machines : pd.DataFrame
        The official scores of a challenge and what they are made of; see `mimii.report.challenge.of_detection`.
    notes : list of str
        What is missing or was not used, one sentence each.
    """

    directory: Path
    dataset: str
    detection: pd.DataFrame
    classification: pd.DataFrame
    official: pd.DataFrame
    official_machines: pd.DataFrame
    notes: list[str] = field(default_factory=list)

    @cached_property
    def _kept(self) -> dict[tuple[str, str], Path]:
        return names.kept_files(self.directory)

    def kept(self, content: str, run_id: str, columns: Sequence[str]) -> pd.DataFrame | None:
        """The ``scores``, ``confusion`` or ``history`` of a run; None where there is none with these columns."""
        path = self._kept.get((content, run_id))
        try:
            table = read_kept(path) if path else None
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
                labelled = table[table["label"].isin(LABELS) & table["score"].notna()]
                if labelled["label"].nunique() == len(LABELS):
                    found[run_id] = labelled
        return found

    @property
    def scored(self) -> pd.DataFrame:
        """The rows of detection, one a machine, whose scores were kept."""
        rows = machines_only(self.detection)
        return rows[rows["run_id"].isin(list(self.scores))]

    @cached_property
    def recordings(self) -> list[Path]:
        """One recording of each machine that a file of scores names."""
        paths: dict[object, Path] = {}
        for rows in (self.detection, self.classification):
            for machine, group in machines_only(rows).groupby(MACHINE):
                if machine in paths:
                    continue
                for run_id in group["run_id"]:
                    table = self.kept("scores", run_id, ["path"])
                    if table is not None:
                        paths[machine] = Path(table["path"].iloc[0])
                        break
        return list(paths.values())

    @cached_property
    def is_synthetic(self) -> bool:
        """Tell whether a row is of synthetic recordings; older rows do not say so, but their data set's README may."""
        return "yes" in self._says_synthetic or any(map(is_synthetic, self.recordings))

    @property
    def _says_synthetic(self) -> set[str]:
        return {*self.detection["synthetic"], *self.classification["synthetic"]}

    @cached_property
    def published(self) -> pd.DataFrame:
        """The published baseline as rows of results, for the machines that are MIMII's whole machines.

        A machine is taken for MIMII's where as many recordings were evaluated as the published protocol has: the
        abnormal ones and as many normal ones. A part of MIMII, and the synthetic demo data, have no published figures.
        """
        rows = self.detection
        if self.is_synthetic:
            return rows.iloc[:0]
        evaluated = rows[[*MACHINE, "eval_files"]].drop_duplicates()
        matching = published_baseline().merge(evaluated, on=MACHINE)
        matching = matching[matching["eval_files"] == 2 * matching["abnormal_clips"]].drop_duplicates(MACHINE)
        runs = [
            matching[MACHINE].assign(model=PUBLISHED, label=PUBLISHED, seed=run, auc=matching[f"auc_run{run}"])
            for run in (1, 2)
        ]
        return pd.concat(runs, ignore_index=True)


def load(directory: Path, models: Sequence[str] | None = None, snr: Sequence[str] | None = None) -> list[Results]:
    """Read a results directory: what it holds of each data set, in the order of their names.

    Nothing is ever computed over several data sets, whose machines may have the same names.

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
    tables = [table for path in sorted(directory.glob("[!.]*.csv")) if (table := _read(path, notes)) is not None]
    tables.sort(key=_last_time)
    of_challenge = [table for table in tables if is_challenge_table(table)]
    tables = [table for table in tables if not is_challenge_table(table)]
    is_classification = [bool(_ONLY_OF_CLASSIFICATION & set(table)) for table in tables]
    detection, classification = (
        _combined([table for table, flag in zip(tables, is_classification, strict=True) if flag == wanted])
        for wanted in (False, True)
    )
    everything = pd.concat([detection, classification])
    if everything.empty:
        empty = f" ({' '.join(notes)})" if notes else ""
        raise UserError(f"no results in {directory}{empty}; run src/exp_autoencoding.py first")
    for column, option, values in (("model", "--models", models), ("snr", "--snr", snr)):
        if values is None:
            continue
        known = sorted(filter(None, everything[column].unique()))
        if unknown := [value for value in values if value not in known]:
            suggestion = did_you_mean(unknown[0], known)
            raise UserError(
                f"{option} {' '.join(unknown)} is not in {directory}, which has {', '.join(known) or 'none'}"
                f"{suggestion}"
            )
        detection, classification = (table[table[column].isin(values)] for table in (detection, classification))
    if detection.empty and classification.empty:
        raise UserError(f"no row in {directory} has both the --models and the --snr")
    names_of_sets = sorted({*detection["dataset"], *classification["dataset"]})
    return [
        _of_data_set(
            directory,
            name,
            detection[detection["dataset"] == name],
            classification[classification["dataset"] == name],
            of_challenge,
            list(notes),
        )
        for name in names_of_sets
    ]


def _of_data_set(
    directory: Path,
    name: str,
    detection: pd.DataFrame,
    classification: pd.DataFrame,
    of_challenge: Sequence[pd.DataFrame],
    notes: list[str],
) -> Results:
    """Results from the rows of one data set."""
    detection, classification = (_latest(table, notes) for table in (detection, classification))
    official, official_machines = challenge.of_detection(of_challenge, detection, name, notes)
    results = Results(directory, name, detection, classification, official, official_machines, notes)
    _note_what_is_missing(results)
    return results


def _read(path: Path, notes: list[str]) -> pd.DataFrame | None:
    """A table of results or of a challenge, or None where the file is something else."""
    try:
        table = read_table(path)
    except pd.errors.EmptyDataError:
        notes.append(f"{path.name} is empty.")
        return None
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise UserError(f"{path} can't be read as a table ({reason}); move it elsewhere or mend it") from error
    if is_challenge_table(table):
        return table
    if "model" not in table or not _METRICS & set(table):
        notes.append(f"{path.name} is no table of results and was not used.")
        return None
    if table.empty:
        notes.append(f"{path.name} has no rows.")
    missing = [name for name in [*MACHINE, "run_id", "seed"] if name not in table]
    if missing:
        notes.append(f"{path.name} has no column {', '.join(missing)}.")
    if "run_id" in missing:
        table["run_id"] = [f"{path.stem}:{number}" for number in range(len(table))]
    return table


def _last_time(table: pd.DataFrame) -> str:
    """When the last row of a table was written; empty where nothing says so."""
    return str(table["timestamp"].iloc[-1]) if len(table) and "timestamp" in table else ""


def _combined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables as one, with all columns of the schema: a text that a table does not have is empty, a number is NaN."""
    rows = pd.concat([pd.DataFrame(columns=[*_TEXTS, *_NUMBERS]), *tables], ignore_index=True)
    rows[_TEXTS] = rows[_TEXTS].astype(object).fillna("").astype(str)
    rows[_NUMBERS] = rows[_NUMBERS].astype(float)
    return labels.without_unused_settings(rows[rows["model"] != ""].reset_index(drop=True))


def _latest(rows: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Of each run the last row, and of each model, machine and seed the last run, in the order of the report.

    The order within a file counts, and not the time, for a clock may have been set back.
    """
    rows = rows.drop_duplicates("run_id", keep="last")
    rows = labels.with_labels(rows)
    latest = rows.drop_duplicates(["classification_type", "label", *MACHINE, "seed"], keep="last")
    if older := len(rows) - len(latest):
        notes.append(
            f"{older} older rows were not used: a newer row has the same model, settings, machine and seed. The older "
            "ones are of other recordings, of another version of the program, or differ in a setting that makes no "
            "difference to the model."
        )
    known = list(REGISTRY)
    order = {name: number for number, name in enumerate([*known, *sorted(set(latest["model"]) - set(known))])}
    return (
        latest.assign(
            _model=latest["model"].map(order),
            _scoring=latest["scoring"].map({name: number for number, name in enumerate(SCORINGS)}),
            _snr=latest["snr"].map(snr_order),
        )
        .sort_values(
            ["_model", "_scoring", "label", "_snr", "snr", "machine_type", "machine_id", "seed"], kind="stable"
        )
        .drop(columns=["_model", "_scoring", "_snr"])
        .reset_index(drop=True)
    )


def _note_what_is_missing(results: Results) -> None:
    notes = results.notes
    machines, groups = machines_only(results.detection), groups_or_machines(results.classification)
    for task, all_rows, rows, metrics in (
        ("anomaly detection", results.detection, machines, schema.RANKINGS),
        ("classification", results.classification, groups, CLASSIFICATION_METRICS),
    ):
        if all_rows.empty:
            notes.append(f"There are no results of {task}.")
            continue
        judged = rows[rows[list(metrics)].notna().any(axis=1)]
        if unjudged := len(rows) - len(judged):
            notes.append(
                f"{unjudged} of {len(rows)} rows of {task} have no metrics: these take labelled recordings, normal and "
                "abnormal ones."
            )
        for metric in metrics:
            missing = int(judged[metric].isna().sum())
            if missing and missing == len(judged):
                notes.append(f"No row of {task} has a value of {metric}.")
            elif missing:
                notes.append(f"{missing} of {len(judged)} rows of {task} have no value of {metric}.")
    judged = machines[machines[list(schema.RANKINGS)].notna().any(axis=1)]
    if without := len(judged) - int(judged["run_id"].isin(list(results.scores)).sum()):
        notes.append(f"{without} of {len(judged)} runs kept no scores: they have no interval, ROC curve or dots.")
    is_told = "" not in results._says_synthetic or results.is_synthetic
    if not is_told and not any(path.exists() for path in results.recordings):
        notes.append("The recordings are not where they were: whether they are synthetic can't be told.")
