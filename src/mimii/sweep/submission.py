"""The files that DCASE's task 2 asks for: an anomaly score and a decision for each clip of the evaluation set."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.datasets import EVALUATION, FIRST_YEAR, SHIFTED_YEAR, challenge_year, data_sets
from mimii.data.folders import without_ending
from mimii.data.machines import ALL, MACHINE, Machine, machine_name
from mimii.errors import UserError
from mimii.settings import NATIVE
from mimii.storage import files, names
from mimii.storage.challenge_columns import SYSTEM
from mimii.storage.results import read_kept
from mimii.sweep.engine import Result

log = logging.getLogger(__name__)

SCORES, DECISIONS = "anomaly_score", "decision_result"  # what the names of the files begin with


def check(directory: Path, recordings: pd.DataFrame) -> None:
    """See that there will be something to submit, and that it can be written.

    Parameters
    ----------
    directory : Path
    recordings : pd.DataFrame
        All those of an experiment, with a column ``split``.

    Raises
    ------
    UserError
        No data set is a challenge's, none has recordings for evaluation, or the directory can't be written.
    """
    is_challenge = recordings["layout"] != "mimii"
    if not is_challenge.any():
        raise UserError("--submission is for the data sets of DCASE: leave it out")
    if not (is_challenge & (recordings["split"] == "eval")).any():
        raise UserError("--submission: no recordings for evaluation are there yet; leave it out until they are")
    files.check_writable(directory, "the submission")


def write(result: Result, result_dir: Path, directory: Path) -> list[str]:
    """Write the submission of each system on each data set, those that are complete.

    Without an evaluation set, that of the development set is written, which shows what the files look like. Several
    systems and data sets have a directory each.

    Parameters
    ----------
    result : Result
    result_dir : Path
        Where the experiment keeps its scores.
    directory : Path

    Returns
    -------
    list of str
        The systems whose submission is not complete, and is not written.
    """
    systems = list(_systems(result))
    datasets, labels = ({system[number] for system in systems} for number in (0, 1))
    incomplete = []
    for dataset, label, rows, recordings in systems:
        place = directory
        if len(datasets) > 1:
            place /= names.file_name(dataset)
        if len(labels) > 1:
            place /= names.file_name(label)
        tables, problems = _tables(rows, recordings, result_dir)
        if problems:
            log.error("No submission of %s on %s: %s.", label, dataset, "; ".join(problems))
            incomplete.append(f"submission of {label} on {dataset}")
            continue
        for name, table in tables.items():
            with files.whole_file(place / name) as temporary:
                table.to_csv(temporary, header=False, index=False, lineterminator="\n")
        if others := sorted(path.name for path in place.glob("*.csv") if path.name not in tables):
            log.warning("%s also holds %d other file(s), such as %s.", place, len(others), others[0])
        clips = sum(len(table) for name, table in tables.items() if name.startswith(SCORES))
        log.info("Submission of %s on %s: %d clips in %d files in %s.", label, dataset, clips, len(tables), place)
    return incomplete


def _systems(result: Result) -> Iterator[tuple[str, str, pd.DataFrame, pd.DataFrame]]:
    """Data set, name, rows of results and recordings for evaluation of each system on each data set."""
    for dataset, recordings in data_sets(result.recordings):
        if (recordings["layout"] == "mimii").all():
            continue
        recordings = recordings[recordings["split"] == "eval"]
        if (recordings["part"] == EVALUATION).any():
            recordings = recordings[recordings["part"] == EVALUATION]
        rows = result.rows[(result.rows["dataset"] == dataset) & (result.rows["machine_id"] != ALL)]
        taken: set[str] = set()
        for _, of_system in rows.groupby(SYSTEM, dropna=False, sort=False):
            label = _label(of_system.iloc[0])
            while label in taken:
                label = f"{label}_other"
            taken.add(label)
            if len(recordings):
                yield dataset, label, of_system, recordings


def _label(row: Any) -> str:
    parts = [row["model"], row["scoring"] if row["scoring"] != NATIVE else ""]
    if pd.notna(row["seed"]):
        parts.append(f"seed{row['seed']:.0f}")
    return "_".join(filter(None, parts))


def _tables(
    rows: pd.DataFrame, recordings: pd.DataFrame, result_dir: Path
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The files of a system by their names, and what is missing in them."""
    tables: dict[str, pd.DataFrame] = {}
    problems = []
    year = challenge_year(recordings)
    by_machine = {_key(row): row for row in rows.to_dict("records")}
    for _, clips in recordings.groupby(MACHINE):
        machine = _key(clips.iloc[0])
        if machine not in by_machine:
            problems.append(f"{machine_name(machine)} has no result")
            continue
        row = by_machine[machine]
        try:
            kept = read_kept(result_dir / names.scores_file(row["model"], machine_name(machine), row["run_id"]))
        except (OSError, ValueError):  # pandas' errors of reading are ValueErrors
            problems.append(f"the scores of {machine_name(machine)} can't be read; --retrain makes them again")
            continue
        scores = clips["path"].map(dict(zip(kept["path"], kept["score"], strict=True)))
        if missing := clips.loc[~np.isfinite(scores.astype(float)), "path"].tolist():
            problems.append(f"{len(missing)} clip(s) of {machine_name(machine)} have no score, such as {missing[0]}")
            continue
        domains = clips["domain"] if year == SHIFTED_YEAR else ""
        table = pd.DataFrame(
            {
                "domain": domains,
                "clip": clips["published_as"].where(clips["published_as"] != "", clips["path"]).map(_clip_name),
                "score": scores,
                "decision": (scores > row["threshold"]).astype(int),
            }
        ).sort_values("clip")
        for domain, of_domain in table.groupby("domain"):
            name = _file_name(machine, year, str(domain))
            tables[f"{SCORES}_{name}"] = of_domain[["clip", "score"]]
            if year != FIRST_YEAR:  # when no decision was asked for
                tables[f"{DECISIONS}_{name}"] = of_domain[["clip", "decision"]]
    return tables, problems


def _clip_name(path: str) -> str:
    return f"{without_ending(PurePath(path).name)}.wav"


def _key(row: Any) -> Machine:
    return row["snr"], row["machine_type"], row["machine_id"]


def _file_name(machine: Machine, year: int, domain: str) -> str:
    """What the name of a file ends with: 2020 had machine IDs, 2021 files of each domain, later years neither."""
    _, machine_type, machine_id = machine
    parts = [machine_type, machine_id, *([] if year == FIRST_YEAR else [domain, "test"])]
    return re.sub(r"[\\/]", "_", "_".join(filter(None, parts)) + ".csv")
