"""The systems that an experiment evaluated on data sets of a challenge: models with all settings that differ."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from mimii.data.datasets import challenge_year, data_sets
from mimii.data.machines import ALL, MACHINE, machine_name
from mimii.settings import NATIVE
from mimii.storage import names
from mimii.storage.challenge_columns import SYSTEM
from mimii.storage.results import read_kept
from mimii.sweep.engine import Result

_NEEDED = {"path", *MACHINE, "label", "domain", "score"}


class System(NamedTuple):
    """A system on a data set.

    Attributes
    ----------
    dataset : str
    year : int
        Whose official score the data set has.
    label : str
        The model, what it was scored with, the settings in which it differs from other systems of that model, and the
        seed.
    rows : pd.DataFrame
        Its results on single machines, a row a machine.
    recordings : pd.DataFrame
        All recordings of the data set.
    """

    dataset: str
    year: int
    label: str
    rows: pd.DataFrame
    recordings: pd.DataFrame


def systems(result: Result) -> Iterator[System]:
    """Each system on each data set of a challenge, in the order of the rows."""
    for dataset, recordings in data_sets(result.recordings):
        if (recordings["layout"] == "mimii").all():
            continue
        rows = result.rows[(result.rows["dataset"] == dataset) & (result.rows["machine_id"] != ALL)]
        rows = rows.sort_values(MACHINE, kind="stable")
        year = challenge_year(recordings)
        for _, of_system in rows.groupby(SYSTEM, dropna=False, sort=False):
            of_model = rows[rows["model"] == of_system["model"].iloc[0]]
            yield System(dataset, year, _label(of_system.iloc[0], of_model), of_system, recordings)


def _label(row: pd.Series, of_model: pd.DataFrame) -> str:
    settings = [name for name in SYSTEM if name not in ("model", "scoring", "seed")]
    varied = [name for name in settings if of_model[name].astype(str).nunique() > 1]
    parts = [row["model"], "" if row["scoring"] == NATIVE else row["scoring"]]
    parts += [f"{name}={row[name]}" for name in varied]
    if pd.notna(row["seed"]):
        parts.append(f"seed{row['seed']:.0f}")
    return "_".join(filter(None, parts))


def read_scores(result_dir: Path, row: Mapping[Any, Any]) -> pd.DataFrame:
    """The scores that a run kept of a challenge's recordings.

    Parameters
    ----------
    result_dir : Path
    row : mapping
        Of results.

    Raises
    ------
    OSError, ValueError
        They can't be read, or are not those of a challenge.
    """
    name = names.scores_file(row["model"], machine_name(row[column] for column in MACHINE), row["run_id"])
    scores = read_kept(result_dir / name)
    if missing := _NEEDED - set(scores):
        raise ValueError(f"it has no column {', '.join(sorted(missing))}")
    return scores
