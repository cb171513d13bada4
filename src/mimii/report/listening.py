"""Where in a recording a model finds something unusual: the score of each window, by a model of the cache."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.audio import RecordingError
from mimii.data.machines import MACHINE, machine_name
from mimii.errors import UserError
from mimii.models import DETECTORS, scoring_ways
from mimii.models.files import TrainedDetector, load_model
from mimii.report.loading import Results
from mimii.settings import DETECTION_SCOPES
from mimii.storage.files import CacheError
from mimii.storage.names import model_files
from mimii.sweep.groups import make_groups

_Row = dict[Any, Any]


@dataclass
class Hearing:
    """One recording and its score over time.

    Attributes
    ----------
    path, label, model, machine : str
    frames : np.ndarray [shape=(n_frames, n_mels)]
        Log-mel [dB].
    times : np.ndarray [shape=(n_windows,)]
        The middle of each window [s].
    scores : np.ndarray [shape=(n_windows,)]
    hop_seconds : float
        From one frame to the next [s].
    sample_rate : int
        [Hz]
    """

    path: str
    label: str
    model: str
    machine: str
    frames: np.ndarray
    times: np.ndarray
    scores: np.ndarray
    hop_seconds: float
    sample_rate: int


def listen(results: Results, metric: str, model_dir: Path) -> list[Hearing]:
    """Score a normal and an abnormal recording window by window, with the best model that can be found.

    Models are tried from the highest metric down; those whose score of a recording is not the mean of the scores of
    its windows can't be used. A file in the cache is the right one if its name is that of the model and its machine
    group, and if it gives both recordings the scores that the results have.

    Returns
    -------
    list of Hearing
        The normal recording of the median score and the abnormal one of the highest; empty where no model or no
        recording is found.
    """
    rows = results.scored
    means = rows.groupby("label")[metric].transform("mean")
    order = rows.assign(mean=means).sort_values(["mean", metric], ascending=False, kind="stable")
    for row in filter(_is_mean_of_windows, order.to_dict("records")):
        recordings = _choose(results.scores[row["run_id"]])
        if not all(Path(recording["path"]).is_file() for recording in recordings):
            continue
        for path in model_files(model_dir, row["model"], _group_name(row)):
            try:
                heard = _hear(row, path, recordings)
            except (CacheError, OSError, RecordingError, UserError):
                continue  # a damaged file, one that holds another model, a recording that was replaced
            if heard:
                return heard
    return []


def _is_mean_of_windows(row: _Row) -> bool:
    """Tell whether the score of a recording is the mean of the scores of its windows; older rows do not name it."""
    if row["model"] not in DETECTORS:
        return False
    ways = scoring_ways(row["model"])
    return row["score_pooling"] in ("", "mean") and (row["scoring"] or ways[0][0], "mean") in ways


def _choose(scores: pd.DataFrame) -> list[_Row]:
    """The normal recording of the median score, and the abnormal one of the highest."""
    ordered = scores.sort_values("score")
    normal, abnormal = (ordered[ordered["label"] == label].to_dict("records") for label in ("normal", "abnormal"))
    return [normal[len(normal) // 2], abnormal[-1]]


def _group_name(row: _Row) -> str:
    """The machine group whose model gave the scores of a row."""
    scope = row["dataset_scope"] if row["dataset_scope"] in DETECTION_SCOPES else "machine"
    (group,) = make_groups(pd.DataFrame([row])[MACHINE], scope)
    return machine_name(group.key)


def _hear(row: _Row, model_file: Path, recordings: Sequence[_Row]) -> list[Hearing]:
    """Score the recordings; empty where the model does not give them the scores that they have."""
    trained = load_model(model_file)
    heard: list[Hearing] = []
    if not isinstance(trained, TrainedDetector):
        return heard
    for recording in recordings:
        found = trained.score(Path(recording["path"]), scoring=row["scoring"] or None, score_pooling="mean")
        if not math.isclose(found.score, recording["score"], rel_tol=1e-3):
            return []
        heard.append(
            Hearing(
                path=recording["path"],
                label=recording["label"],
                model=row["label"],
                machine=machine_name(row[name] for name in MACHINE),
                frames=found.frames,
                times=found.times,
                scores=found.values,
                hop_seconds=trained.features.hop_length / trained.sample_rate,
                sample_rate=trained.sample_rate,
            )
        )
    return heard
