"""From healthy recordings of a machine to a monitor: the detector, its threshold, and what is promised of it."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import cpu_count

from mimii.data.folders import USABLE
from mimii.errors import TaskError, UserError
from mimii.evaluation.conformal import alarm_threshold
from mimii.evaluation.efficiency import device_name
from mimii.features.logmel import mel_filter_bank
from mimii.models import scoring_ways
from mimii.models.calibration import Calibration
from mimii.models.choices import needs_samples, trains_network, window_length
from mimii.models.machines import ONE_MACHINE
from mimii.models.trained import TrainedDetector
from mimii.monitoring.calibrating import fit_and_hold_out
from mimii.monitoring.choosing import MANY, check, recommended, uses_others, without_others
from mimii.monitoring.doubts import doubts
from mimii.monitoring.healthy import Healthy, mean_parts, part_length
from mimii.monitoring.heard import Hearing
from mimii.monitoring.monitor import Monitor
from mimii.monitoring.recipe import Recipe
from mimii.monitoring.recordings import Recordings, load
from mimii.runtime.devices import choose_device
from mimii.settings import MonitorSettings

FEWEST = 5  # recordings: as many as a distribution of scores can be fitted to
_LEAST_SHARE = 1e-6  # of false alarms: no tail that is fitted to some scores says anything of less
_PERCENTILES = (0.005, 0.995)  # together one recording in a hundred is beyond them


@dataclass(eq=False)
class Learnt:
    """What a training gives.

    Attributes
    ----------
    monitor : Monitor
    left_out : dict of str to str
        The path of each recording that was not learnt from, and why.
    warnings : list of str
        What is to be known before the monitor is relied on, a sentence or two each.
    missing : tuple of str
        What would be a part of the fusion if there were recordings of other machines.
    """

    monitor: Monitor
    left_out: dict[str, str]
    warnings: list[str]
    missing: tuple[str, ...] = ()


def train_monitor(
    paths: Iterable[str | os.PathLike[str]],
    settings: MonitorSettings,
    others: Sequence[str | os.PathLike[str]] = (),
) -> Learnt:
    """Learn from healthy recordings of one machine.

    Parameters
    ----------
    paths : iterable of path
        Recordings, and directories in which there are some, at any depth and of any name.
    settings : MonitorSettings
    others : sequence of path
        Healthy recordings of other machines, for detectors that learn to tell machines apart: each path is one machine,
        a directory or a recording. The monitor forgets what they sound like.

    Raises
    ------
    UserError
        A path does not exist, there are too few recordings, or no threshold follows from them.
    """
    if not _LEAST_SHARE <= settings.false_alarms < 0.5:
        raise UserError(f"a share of {settings.false_alarms} false alarms can't be asked for: choose 0.01, say")
    model, clip = check(settings, has_others=bool(others))
    hears = model or "fusion"
    hearing = Hearing(
        settings=settings.features,
        frames=window_length(hears, settings.training.frames, clip),
        uses_torch=trains_network(hears, clip),
        needs_samples=needs_samples(hears, clip),
    )
    recordings = load(paths, hearing, _jobs(settings), others)
    if len(recordings.heard) < FEWEST:
        raise UserError(_too_few(recordings))
    return learn(recordings, model or recommended(len(recordings.heard)), settings)


def learn(recordings: Recordings, model: str, settings: MonitorSettings) -> Learnt:
    """Fit a detector to recordings, and find its threshold from held-out ones.

    Parameters
    ----------
    recordings : Recordings
        Five at least.
    model : str
        A detector of the registry.
    settings : MonitorSettings
        But for their model.

    Raises
    ------
    UserError
        It can't learn from them, or no threshold follows.
    """
    asked = settings.scoring.clip
    others = recordings.others if uses_others(model, asked) else []
    clip = asked if others else without_others(model, asked)
    recipe = Recipe(
        model=model,
        features=settings.features,
        sample_rate=recordings.heard[0].sample_rate,
        training=settings.training,
        clip=clip,
        device=choose_device(settings.device) if trains_network(model, clip) else "cpu",
        others=others,
    )
    scoring = settings.scoring
    way = scoring_ways(model, scoring.scoring[:1], scoring.score_pooling, scoring.backend[:1])[0]
    healthy = _healthy(recordings, recipe)
    begin = time.perf_counter()
    try:
        fitted = fit_and_hold_out(recordings.heard, recipe, way, healthy, _jobs(settings))
    except TaskError as error:
        raise UserError(f"{model} can't learn from these recordings: {error}") from error
    seconds = time.perf_counter() - begin
    highest = np.array([values.max() for values in fitted.curves])
    if not np.isfinite(highest).all():
        raise UserError("the detector's scores of parts of healthy recordings are not finite")
    calibrations = {each: _calibration(fitted.scores[each], settings.false_alarms) for each in scoring_ways(model)}
    facts: dict[str, Any] = {
        **fitted.history,
        "scoring": way[0],
        "score_pooling": way[1],
        "false_alarms": settings.false_alarms,
        "train_files": len(recordings.heard),
        "left_out_files": len(recordings.left_out),
        "other_machines": len(others),
        "other_files": sum(map(len, others)),
        "trainings": fitted.trainings,
        "all_trainings_time_sec": seconds,
        "seed": settings.training.seed,
        "device_name": device_name(recipe.device),
    }
    healthy = replace(healthy, curve_threshold=alarm_threshold(highest, settings.false_alarms))
    detector = TrainedDetector(fitted.model, recipe.features, recipe.sample_rate, calibrations, facts)
    monitor = Monitor(detector, healthy)
    scores = monitor.calibration.scores
    if scores.min() == scores.max() or not monitor.threshold > monitor.median_score:
        raise UserError(
            f"half of the recordings or more have the same score, {monitor.median_score:.4g}, and no threshold "
            "follows: are they recordings of a machine that runs?"
        )
    warnings = [*doubts(healthy, scores), *_empty_bands(recipe)]
    if recordings.others and not others:
        warnings.append(
            f"the recordings of --others are not used: {model} is recommended for fewer than {MANY} recordings and "
            "learns from one machine alone; --model fusion uses them"
        )
    return Learnt(monitor, recordings.left_out, warnings, tuple(name for name in asked.fuse if name not in clip.fuse))


def _jobs(settings: MonitorSettings) -> int:
    return settings.jobs or int(cpu_count())


def _calibration(scores: np.ndarray, false_alarms: float) -> Calibration:
    if not np.isfinite(scores).all():
        raise UserError("the detector's scores of healthy recordings are not finite")
    threshold = alarm_threshold(scores, false_alarms)
    machines = (ONE_MACHINE,) * len(scores)
    return Calibration(scores, machines, "held_out", threshold, {ONE_MACHINE: threshold})


def _healthy(recordings: Recordings, recipe: Recipe) -> Healthy:
    """What the recordings sound like; the threshold of the score over time is still to be found."""
    length = part_length(recipe.features.hop_length / recipe.sample_rate)
    parts = [mean_parts(heard.frames, length) for heard in recordings.heard]
    together = np.concatenate(parts)
    low, high = _PERCENTILES
    return Healthy(
        paths=np.array([heard.path for heard in recordings.heard]),
        digests=np.array(recordings.digests),
        vectors=np.stack([heard.frames.mean(axis=0, dtype=np.float64) for heard in recordings.heard]).astype(
            np.float32
        ),
        levels=np.array([heard.level for heard in recordings.heard]),
        seconds=np.array([heard.seconds for heard in recordings.heard]),
        part_mean=together.mean(axis=0).astype(np.float32),
        part_std=together.std(axis=0).astype(np.float32),
        part_low=np.quantile([part.min(axis=0) for part in parts], low, axis=0).astype(np.float32),
        part_high=np.quantile([part.max(axis=0) for part in parts], high, axis=0).astype(np.float32),
        curve_threshold=0.0,
    )


def _empty_bands(recipe: Recipe) -> list[str]:
    """A warning of mel bands that hear nothing."""
    features = recipe.features
    bank = mel_filter_bank(recipe.sample_rate, features.n_fft, features.n_mels)
    count = int((bank.max(axis=1) == 0).sum())
    text = f"{count} of {features.n_mels} mel bands hold no FFT bin and are constant: raise --n_fft or lower --n_mels"
    return [text] if count else []


def _too_few(recordings: Recordings) -> str:
    count = len(recordings.heard)
    if not count and not recordings.left_out:
        return f"there is no audio file to learn from: {', '.join(suffix[1:] for suffix in USABLE)} are read"
    text = f"{count} recording(s) to learn from, and {FEWEST} are the fewest"
    if recordings.left_out:
        path, reason = next(iter(recordings.left_out.items()))
        text += f"; {len(recordings.left_out)} left out, such as {path}: {reason}"
    return text
