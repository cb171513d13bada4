"""The model that gave the scores of the results: it is found in the cache, and judges recordings again, over time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.machines import MACHINE, Machine, machine_name
from mimii.errors import UserError
from mimii.models import DETECTORS, scoring_ways
from mimii.models.files import Score, TrainedDetector, load_model
from mimii.monitoring.judging import one_thread
from mimii.report.loading import Results
from mimii.report.picks import Pick
from mimii.settings import DETECTION_SCOPES, FeatureSettings
from mimii.storage.files import CacheError
from mimii.storage.names import model_files
from mimii.sweep.groups import make_groups

_COMPARED = 10  # healthy recordings, whose parts say how high a part of one scores
_TOLERANCE = 1e-3  # of a score, relative: other devices round otherwise
_EXACT = 1e-6  # no other model comes so near
_Row = dict[Any, Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Rescored:
    """What the model of a run says of recordings.

    Attributes
    ----------
    features : FeatureSettings
        How it hears recordings.
    scores : dict of str to Score
        Of those recordings that it scores as the results say, by their paths.
    level : float
        What the score over time is compared with; NaN where there is nothing.
    compared : int
        The score over time is that of parts of about a second, and no more than one of so many healthy recordings goes
        above the level anywhere; 0 where it is that of windows, and the level is the threshold.
    missing : str
        Why there is no model, and no score over time; else empty.
    """

    features: FeatureSettings
    scores: dict[str, Score] = field(default_factory=dict)
    level: float = math.nan
    compared: int = 0
    missing: str = ""


def rescore(results: Results, picks: Sequence[Pick], model_dir: Path) -> Rescored:
    """Judge recordings of one run by its model.

    Parameters
    ----------
    results : Results
    picks : sequence of Pick
        One at least.
    model_dir : Path
        The cache. A file in it is the right one if its name is that of the model and its machine group, and if it gives
        the recordings the scores that the results have; those that it does not give them have changed since.
    """
    row = picks[0].row
    if row["model"] not in DETECTORS:
        return Rescored(features=_features(row), missing=f"this version of the program has no detector {row['model']}")
    files = model_files(model_dir, row["model"], _group_name(row))
    found: _Found | None = None
    for path in files:
        try:
            trained = load_model(path)
        except (CacheError, OSError, UserError):
            continue  # a damaged file, or one that is being replaced
        if isinstance(trained, TrainedDetector):
            found = max(filter(None, (found, _found(trained, picks))), key=lambda one: one.order, default=None)
        if found is not None and found.is_exact:
            break
    if found is not None:
        return _with_level(results, picks, found)
    missing = f"the cache {model_dir.name} has no {row['model']} of these machines"
    if files:
        missing = f"no {row['model']} of these machines in the cache {model_dir.name} gives the scores of the results"
    return Rescored(features=_features(row), missing=missing)


@dataclass(frozen=True, eq=False)
class _Found:
    """A model, what it says of the recordings that it scores as the results say, and how far off those are."""

    trained: TrainedDetector
    scores: dict[str, Score]
    error: float
    is_exact: bool

    @property
    def order(self) -> tuple[int, float]:
        """Of several models, which differ in a setting or a seed, the one is right that comes last."""
        return len(self.scores), -self.error


def _found(trained: TrainedDetector, picks: Sequence[Pick]) -> _Found | None:
    with one_thread(trained.model):
        scores = {one.path: score for one in picks if (score := _score(trained, one.row, one.path)) is not None}
    errors = {
        one.path: abs(scores[one.path].score - one.score) / (abs(one.score) or 1.0)
        for one in picks
        if one.path in scores
    }
    same = {path: error for path, error in errors.items() if error < _TOLERANCE}
    if not same:
        return None
    error = max(same.values())
    is_exact = len(same) == len(picks) and error < _EXACT
    return _Found(trained, {path: scores[path] for path in same}, error, is_exact)


def machine_of(row: _Row) -> Machine:
    """SNR, machine type and machine ID of a row of results."""
    return row["snr"], row["machine_type"], row["machine_id"]


def _with_level(results: Results, picks: Sequence[Pick], found: _Found) -> Rescored:
    row, trained, compared = picks[0].row, found.trained, 0
    if _way(row)[1]:
        level = picks[0].threshold
        if not math.isfinite(level):
            level = next(iter(found.scores.values())).threshold
    else:
        with one_thread(trained.model):
            level, compared = _level_of_parts(results, picks, trained)
    return Rescored(features=trained.features, scores=found.scores, level=level, compared=compared)


def _level_of_parts(results: Results, picks: Sequence[Pick], trained: TrainedDetector) -> tuple[float, int]:
    """What no more than one of ten healthy recordings goes above anywhere, if its parts are scored; and of how many."""
    row, shown = picks[0].row, {one.path for one in picks}
    table = results.scores[row["run_id"]]
    paths = [path for path in table.loc[table["label"] == "normal", "path"] if path not in shown]
    chosen = np.unique(np.linspace(0, max(0, len(paths) - 1), _COMPARED).astype(int)).tolist()
    found = [_score(trained, row, path) for number, path in enumerate(paths) if number in chosen]
    highest = sorted(float(score.values.max()) for score in found if score is not None)
    return (highest[-2], len(highest)) if len(highest) > 1 else (math.nan, 0)


def _score(trained: TrainedDetector, row: _Row, path: str) -> Score | None:
    """What a model says of a recording; None where it can't say anything."""
    scoring, pooling = _way(row)
    try:
        found = trained.score(Path(path), scoring=scoring, score_pooling=pooling or "mean", machine=machine_of(row))
    except (OSError, UserError):
        return None
    return found if np.isfinite(found.values).all() else None


def _way(row: _Row) -> tuple[str, str]:
    """How a run of a detector scored, older rows do not say it; the pooling is empty where windows have no scores."""
    ways = scoring_ways(row["model"])
    scoring = row["scoring"] or ways[0][0]
    has_windows = any(pooling for name, pooling in ways if name == scoring)
    return scoring, (row["score_pooling"] or "mean") if has_windows else ""


def _group_name(row: _Row) -> str:
    """The machine group whose model gave the scores of a row."""
    scope = row["dataset_scope"] if row["dataset_scope"] in DETECTION_SCOPES else "machine"
    (group,) = make_groups(pd.DataFrame([row])[MACHINE], scope)
    return machine_name(group.key)


def _features(row: _Row) -> FeatureSettings:
    """How a run heard recordings; older rows do not say all of it."""
    known = {name: row[name] for name in ("n_mels", "n_fft", "hop_length", "power") if row[name] > 0}
    whole = {name: value if name == "power" else int(value) for name, value in known.items()}
    channel = row["channel"].removesuffix(".0")
    return FeatureSettings(**whole, channel=int(channel) if channel.isdecimal() else channel or 0)
