"""Official scores of DCASE's task 2 from the scores that an experiment kept, as rows of two tables.

``challenge_scores.csv`` has a row for each data set, part, system and seed, and ``challenge_machines.csv`` what the
organisers print of each machine. A system is a model with all settings that make its results results of another thing.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mimii.data.datasets import DEVELOPMENT, EVALUATION
from mimii.data.machines import LABELS, MACHINE
from mimii.evaluation.challenge import areas_of_score, definition, machine_table, mean_of_machines, official_score
from mimii.evaluation.resampling import interval, resampled_areas, resampled_scores
from mimii.storage import challenge_columns, names
from mimii.storage.challenge_columns import KEY, SYSTEM
from mimii.storage.files import first_line
from mimii.storage.results import ResultsTable, timestamp
from mimii.sweep.engine import Result
from mimii.sweep.systems import read_scores, systems

log = logging.getLogger(__name__)

BOTH = "both"


@dataclass(frozen=True, eq=False)
class _System:
    """The runs that a score is of: those of a system on the machines of a part that have labels."""

    dataset: str
    part: str
    year: int
    label: str
    runs: pd.DataFrame
    machines: int
    labelled: int
    clips: int

    @property
    def name(self) -> str:
        return f"{self.label} {self.dataset} {self.part}"

    @cached_property
    def key(self) -> str:
        times = dict(zip(self.runs["run_id"], self.runs["timestamp"], strict=True))
        return score_id(self.dataset, self.part, self.machines, times)

    def columns(self) -> dict[str, Any]:
        """What the rows of both tables begin with, without their keys."""
        of_system = self.runs[SYSTEM].iloc[0]
        return {
            **{"dataset": self.dataset, "part": self.part, "definition": definition(self.year)},
            # a seed is a number with a fraction in a table where some rows have none
            **{name: int(of_system[name]) if _is_whole(name, of_system[name]) else of_system[name] for name in SYSTEM},
        }


@dataclass
class _Runs:
    """What was found of a system's runs, by ``run_id``: each counts in the score of its part and in that of both."""

    result_dir: Path
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    samples: dict[str, dict[tuple[str, str], Any]] = field(default_factory=dict)

    def add(self, run: Mapping[Any, Any], year: int) -> None:
        """Read the scores of a run.

        Raises
        ------
        OSError, ValueError
            They can't be read.
        """
        if run["run_id"] in self.tables:
            return
        clips = read_scores(self.result_dir, run)
        machine = run["machine_type"], run["machine_id"]
        table, samples = machine_table(clips, year, {machine: run["threshold"]}), resampled_areas(clips, year)
        if list(samples) != [machine]:
            raise ValueError("it does not have the labelled recordings of this machine alone")
        self.tables[run["run_id"]], self.samples[run["run_id"]] = table, samples


def score_id(dataset: str, part: str, machines: int, times: Mapping[str, str]) -> str:
    """Key of an official score: it changes with each run that the score is of.

    Parameters
    ----------
    dataset, part : str
    machines : int
        How many machines the part has.
    times : mapping of str to str
        The time of each run, by its ``run_id``: a run that was done again has the same ID.
    """
    return names.digest([dataset, part, machines, sorted(times.items())])


def keep_scores(result: Result, result_dir: Path) -> pd.DataFrame:
    """Append the official scores of an experiment to their tables, those that are not there yet, and give all of them.

    Warnings say which systems have no score, or one that is not of all labelled machines, and why.

    Parameters
    ----------
    result : Result
        Of the detection experiment.
    result_dir : Path
        Where the experiment keeps its files.

    Returns
    -------
    pd.DataFrame
        Those rows of ``challenge_scores.csv`` that are of the experiment.

    Raises
    ------
    StorageError, UserError
        A table can't be written or read.
    """
    found = list(_systems(result))
    scores_path, machines_path = result_dir / names.CHALLENGE_SCORES, result_dir / names.CHALLENGE_MACHINES
    if not found:
        return challenge_columns.convert(pd.DataFrame(columns=challenge_columns.names(challenge_columns.SCORES)))
    scores = ResultsTable(scores_path, challenge_columns.names(challenge_columns.SCORES), KEY)
    machines = ResultsTable(machines_path, challenge_columns.names(challenge_columns.MACHINES), KEY)
    known = scores.run_ids()
    if new := sum(system.key not in known for parts in found for system in parts):
        log.info("Computing %d official score(s), with their intervals.", new)
    for parts in found:
        runs, of_scores, of_machines = _Runs(result_dir), [], []
        for system in parts:
            if system.key in known:
                continue
            try:
                for run in system.runs.to_dict("records"):
                    runs.add(run, system.year)
            except (OSError, ValueError) as error:  # pandas' errors of reading are ValueErrors
                reason = f"the scores of a run can't be read ({first_line(error)}); --retrain makes them again"
                log.warning("%s: no official score, because %s.", system.name, reason)
                continue
            of_machines += _machine_rows(system, runs) if system.part != BOTH else []
            of_scores.append(_score_row(system, runs))
        if of_scores:
            machines.append(of_machines)
            scores.append(of_scores)  # these last: they say that the rest is kept
    everything = [system for parts in found for system in parts]
    rows = challenge_columns.convert(scores.latest(system.key for system in everything))
    for note in _gaps(everything, rows):
        log.warning("%s", note)
    return rows


def _systems(result: Result) -> Iterator[list[_System]]:
    """Each system that has an official score, in the order of the rows: its parts, and both of them together."""
    for dataset, year, label, rows, recordings in systems(result):
        counts = recordings.groupby("part")["machines_in_part"].max().to_dict()
        labelled = _labelled(recordings)["part"].value_counts().to_dict()
        rows = rows[rows["auc"].notna()]
        parts = {part: runs for part in (DEVELOPMENT, EVALUATION) if len(runs := rows[rows["part"] == part])}
        if len(parts) > 1:
            parts[BOTH] = rows
        counts[BOTH], labelled[BOTH] = sum(counts.values()), sum(labelled.values())
        if parts:
            yield [
                _System(dataset, part, year, label, runs, int(counts[part]), int(labelled[part]), _clips(runs))
                for part, runs in parts.items()
            ]


def _labelled(recordings: pd.DataFrame) -> pd.DataFrame:
    """A row for each machine whose recordings for evaluation are both normal and abnormal, with its part."""
    known = recordings[(recordings["split"] == "eval") & recordings["label"].isin(LABELS)]
    labels = known.drop_duplicates([*MACHINE, "label"])
    return labels[labels.duplicated(MACHINE)]


def _clips(runs: pd.DataFrame) -> int:
    """How many recordings for evaluation some machines have, with labels and without."""
    return int(runs["eval_files"].sum())


def _score_row(system: _System, runs: _Runs) -> dict[str, Any]:
    ids = system.runs["run_id"].tolist()
    machines = pd.concat([runs.tables[run_id] for run_id in ids], ignore_index=True)
    samples = {name: values for run_id in ids for name, values in runs.samples[run_id].items()}
    low, high = interval(resampled_scores(samples, system.year))
    means = {
        name: mean_of_machines(machines[name], machines["machine_type"], system.year)
        for name in areas_of_score(system.year)
    }
    gaps = machines[machines["gap"] != ""]
    return {
        KEY: system.key,
        **system.columns(),
        **{"score": official_score(machines, system.year), "low": low, "high": high},
        **means,
        **{"scored_machines": len(machines), "machines": system.machines},
        **{"scored_clips": int(machines[["normal", "abnormal"]].sum().sum()), "clips": system.clips},
        "gap": ", ".join(
            f"{machine.machine_type} {machine.machine_id} ({machine.gap})" for machine in gaps.itertuples()
        ),
        "run_ids": " ".join(ids),
        "timestamp": timestamp(),
    }


def _is_whole(name: str, value: Any) -> bool:
    return name in challenge_columns.WHOLE and value == value


def _machine_rows(system: _System, runs: _Runs) -> list[dict[str, Any]]:
    rows = []
    for run in system.runs.to_dict("records"):
        [machine] = runs.tables[run["run_id"]].to_dict("records")
        found = {str(name): value for name, value in machine.items()}
        key = names.digest([run["run_id"], run["timestamp"]])
        more = {"threshold": run["threshold"], "run_id": run["run_id"], "timestamp": timestamp()}
        rows.append({KEY: key, **system.columns(), **found, **more})
    return rows


def _gaps(systems: list[_System], rows: pd.DataFrame) -> list[str]:
    """Which systems have no score, or one that is not of all labelled machines, and why, one sentence each."""
    found = {row[KEY]: row for row in rows.to_dict("records")}
    notes: dict[str, None] = {}  # a gap is the same for all systems
    for system in systems:
        row = found.get(system.key)
        if row and row["gap"] and system.part != BOTH:
            notes[
                f"{system.dataset}, {system.part}: no official score, which would be another measure without what is "
                f"missing: {row['gap']}."
            ] = None
        if len(system.runs) < system.labelled:
            notes[
                f"{system.name}: the score covers {len(system.runs)} of {system.labelled} labelled machines, because "
                "there is no result of the others."
            ] = None
    return list(notes)
