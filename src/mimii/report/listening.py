"""Where in a recording a model hears something: its score for each window, from a model of the cache."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.audio import RecordingError, read_channel
from mimii.data.recordings import MACHINE, machine_name
from mimii.features.logmel import log_mel
from mimii.features.windows import Features
from mimii.models import DETECTORS, create_model
from mimii.models.base import WindowDetector
from mimii.report import loading
from mimii.report.loading import Results
from mimii.settings import FeatureSettings
from mimii.storage import files
from mimii.sweep.task import ALL


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

    Models are tried from the highest metric down; those whose score of a recording is not the mean of scores of its
    windows can't be heard. A file in the cache is the right one if its name is that of the
    model and its machines, and if it gives a recording the very score that the results have.

    Returns
    -------
    list of Hearing
        The normal recording of the median score and the abnormal one of the highest; empty where no model or no
        recording is there.
    """
    rows = loading.machines_only(results.detection)
    by_windows = [name for name, entry in DETECTORS.items() if not entry.options]
    rows = rows[rows["run_id"].isin(list(results.scores)) & rows["model"].isin(by_windows)]
    rows = rows[(rows["scoring"] != "mahalanobis") & rows["score_pooling"].isin(["", "mean"])]
    means = rows.groupby("label")[metric].transform("mean")
    order = rows.assign(mean=means).sort_values(["mean", metric], ascending=False, kind="stable")
    for row in order.to_dict("records"):
        scores = results.scores[row["run_id"]].sort_values("score")
        normal, abnormal = (scores[scores["label"] == label] for label in ("normal", "abnormal"))
        chosen = [normal.iloc[len(normal) // 2], abnormal.iloc[-1]]
        if not all(Path(recording["path"]).is_file() for recording in chosen):
            continue
        for path in _model_files(row, model_dir):
            try:
                heard = _hear(row, path, chosen)
            except (files.CacheError, OSError, RecordingError, KeyError, ValueError):
                continue  # another version's file, a recording that has gone, a row without settings
            if all(
                math.isclose(one.scores.mean(), kept["score"], rel_tol=1e-3)
                for one, kept in zip(heard, chosen, strict=True)
            ):
                return heard
    return []


def _model_files(row: dict[str, Any], model_dir: Path) -> list[Path]:
    """Files of the cache that may be the model of a row: those of its machine, of its type or of all machines."""
    snr, kind, _ = machine = tuple(row[name] for name in MACHINE)
    pools = {"type": (snr, kind, ALL), "all": (ALL, ALL, ALL)}
    stem = f"{row['model']}_{files.file_name(machine_name(pools.get(row['dataset_scope'], machine)))}"
    found = [path for path in model_dir.glob(f"{stem}_*") if path.stem.rpartition("_")[0] == stem]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _hear(row: dict[str, Any], model_file: Path, chosen: list[pd.Series]) -> list[Hearing]:
    settings = FeatureSettings(
        **{name: kind(row[name]) for name, kind in FeatureSettings.__annotations__.items()}  # floats, after a concat
    )
    length = int(row["frames"])
    model = create_model(row["model"], n_mels=settings.n_mels, frames=length)
    model.load(model_file)
    heard = []
    for recording in chosen:
        frames, sample_rate, scores = score_recording(model, Path(recording["path"]), settings, length)
        hop = settings.hop_length / sample_rate
        heard.append(
            Hearing(
                path=recording["path"],
                label=recording["label"],
                model=row["label"],
                machine=machine_name(row[name] for name in MACHINE),
                frames=frames,
                times=(np.arange(len(scores)) + (length - 1) / 2) * hop,
                scores=scores,
                hop_seconds=hop,
                sample_rate=sample_rate,
            )
        )
    return heard


def score_recording(
    model: WindowDetector, path: Path, settings: FeatureSettings, length: int
) -> tuple[np.ndarray, int, np.ndarray]:
    """Score each window of one recording.

    Parameters
    ----------
    model : WindowDetector
        Fitted.
    path : Path
    settings : FeatureSettings
    length : int > 0
        Frames in a window.

    Returns
    -------
    frames : np.ndarray [shape=(n_frames, n_mels)]
    sample_rate : int
    scores : np.ndarray [shape=(n_windows,)]
        Their mean is the score of the recording, unless another ``--scoring`` or ``--score_pooling`` was asked for.

    Raises
    ------
    RecordingError
        The recording can't be read or is too short.
    """
    signal, sample_rate = read_channel(path, settings.channel)
    frames = log_mel(signal, sample_rate, settings) if len(signal) >= settings.n_fft else np.empty((0, settings.n_mels))
    if len(frames) < length:
        raise RecordingError(f"is too short for a window of {length} frames")
    one = Features(frames, np.array([0, len(frames)]), pd.DataFrame({"path": [str(path)]}), {}, sample_rate)
    return frames, sample_rate, model.score_windows(one.windows(length, np.array([True])))
