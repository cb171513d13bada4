"""The files that DCASE's task 2 asks for: an anomaly score and a decision for each clip of the evaluation set."""

import logging
import re
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.datasets import EVALUATION, FIRST_YEAR, SHIFTED_YEAR, data_sets
from mimii.data.folders import without_ending
from mimii.data.machines import MACHINE, Machine, machine_name
from mimii.errors import UserError
from mimii.storage import files, names
from mimii.sweep.engine import Result
from mimii.sweep.systems import System, read_scores, systems

log = logging.getLogger(__name__)

SCORES, DECISIONS = "anomaly_score", "decision_result"  # what the names of the files begin with

_NUMBER = re.compile(r"_(\d{4,})(?=[_.][^/\\]*$)")  # of a clip, in its name


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
    every = list(systems(result))
    datasets, labels = ({system[number] for system in every} for number in (0, 2))
    failed = []
    for system in every:
        place = directory
        if len(datasets) > 1:
            place /= names.file_name(system.dataset)
        if len(labels) > 1:
            place /= names.file_name(system.label)
        recordings = _to_submit(system.recordings)
        if not (recordings["split"] == "eval").any():
            continue  # its test recordings are still to come
        tables, problems = _tables(system, recordings, result_dir)
        if others := sorted(path.name for path in place.glob("*") if path.name not in tables):
            problems.append(f"{place} holds {len(others)} other file(s), such as {others[0]}: choose another directory")
        if problems:
            log.error("No submission of %s on %s: %s.", system.label, system.dataset, "; ".join(problems))
            failed.append(f"submission of {system.label} on {system.dataset}")
            continue
        for name, table in tables.items():
            with files.whole_file(place / name) as temporary:
                table.to_csv(temporary, header=False, index=False, lineterminator="\n")
        clips = sum(len(table) for name, table in tables.items() if name.startswith(SCORES))
        log.info(
            "Submission of %s on %s: %d clips in %d files in %s.",
            system.label,
            system.dataset,
            clips,
            len(tables),
            place,
        )
    for dataset, recordings in data_sets(pd.concat([_to_submit(system.recordings) for system in every])):
        _name_gaps(dataset, recordings)
    return failed


def _to_submit(recordings: pd.DataFrame) -> pd.DataFrame:
    """The recordings of the evaluation set or, where there is none, of the development set."""
    is_evaluation = recordings["part"] == EVALUATION
    has_test = (is_evaluation & (recordings["split"] == "eval")).any()
    return recordings[is_evaluation] if has_test else recordings[~is_evaluation]


def _name_gaps(dataset: str, recordings: pd.DataFrame) -> None:
    """Warn of what is on the disk or chosen of a set only in part, as far as its names and numbers tell."""
    machines = len(recordings[MACHINE].drop_duplicates())
    if machines < (every := int(recordings["machines_in_part"].max())):
        log.warning("The submission on %s has %d of %d machines, those that were chosen.", dataset, machines, every)
    clips = recordings[recordings["split"] == "eval"].drop_duplicates("path")
    for _, of_machine in clips.groupby([*MACHINE, "domain"] if (clips["domain"] != "").all() else MACHINE):
        numbers = sorted(int(match[1]) for path in of_machine["path"] if (match := _NUMBER.search(path)))
        absent = sorted(set(range(numbers[0], numbers[-1])) - set(numbers)) if numbers else []
        if absent and len(set(numbers)) == len(numbers):
            log.warning(
                "%s %s: %d clip(s) between the first and the last are not there, such as number %04d: the submission "
                "lacks them.",
                dataset,
                machine_name(_key(of_machine.iloc[0])),
                len(absent),
                absent[0],
            )


def _tables(system: System, recordings: pd.DataFrame, result_dir: Path) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The files of a system by their names, and what is missing in them."""
    tables: dict[str, pd.DataFrame] = {}
    problems = []
    by_machine = {_key(row): row for row in system.rows.to_dict("records")}
    for _, of_machine in recordings.groupby(MACHINE):
        machine, clips = _key(of_machine.iloc[0]), of_machine[of_machine["split"] == "eval"]
        if clips.empty:
            problems.append(f"the test recordings of {machine_name(machine)} are not there yet")
            continue
        if machine not in by_machine:
            problems.append(f"{machine_name(machine)} has no result")
            continue
        row = by_machine[machine]
        try:
            kept = read_scores(result_dir, row)
        except (OSError, ValueError):  # pandas' errors of reading are ValueErrors
            problems.append(f"the scores of {machine_name(machine)} can't be read; --retrain makes them again")
            continue
        known = dict(zip(kept["path"].map(_place), kept["score"], strict=True))
        scores = clips["path"].map(_place).map(known).astype(float)
        if missing := clips.loc[~np.isfinite(scores), "path"].tolist():
            problems.append(f"{len(missing)} clip(s) of {machine_name(machine)} have no score, such as {missing[0]}")
            continue
        table = pd.DataFrame(
            {
                "domain": clips["domain"] if system.year == SHIFTED_YEAR else "",
                "clip": clips["published_as"].where(clips["published_as"] != "", clips["path"]).map(_clip_name),
                "score": scores,
                "decision": (scores > row["threshold"]).astype(int),
            }
        ).sort_values("clip")
        for domain, of_domain in table.groupby("domain"):
            name = _file_name(machine, system.year, str(domain))
            tables[f"{SCORES}_{name}"] = of_domain[["clip", "score"]]
            if system.year != FIRST_YEAR:  # when no decision was asked for
                tables[f"{DECISIONS}_{name}"] = of_domain[["clip", "decision"]]
    return tables, problems


def _place(path: str) -> str:
    """What of a path does not change where the data set is moved: the folder of the split, and the name."""
    return "/".join(PurePath(path).parts[-2:])


def _clip_name(path: str) -> str:
    return f"{without_ending(PurePath(path).name)}.wav"


def _key(row: Any) -> Machine:
    return row["snr"], row["machine_type"], row["machine_id"]


def _file_name(machine: Machine, year: int, domain: str) -> str:
    """What the name of a file ends with: 2020 had machine IDs, 2021 files of each domain, later years neither."""
    _, machine_type, machine_id = machine
    parts = [machine_type, machine_id, *([] if year == FIRST_YEAR else [domain, "test"])]
    return re.sub(r"[\\/]", "_", "_".join(filter(None, parts)) + ".csv")
