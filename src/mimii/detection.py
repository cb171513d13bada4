"""Anomaly detection: one task trains a model on the normal recordings of a pool and evaluates it on each machine."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mimii import cache
from mimii.efficiency import MB, Occupancy, PeakMemory, device_name, measure_inference
from mimii.errors import TaskError
from mimii.experiment import Evaluation, Outcome, Pool, Task, derive_seed
from mimii.features import Features
from mimii.metrics import detection_metrics
from mimii.models import DETECTORS, create_model
from mimii.models.base import Detector
from mimii.recordings import MACHINE, choose_validation, fingerprint, machine_name
from mimii.results import timestamp

log = logging.getLogger(__name__)

PROTOCOL = 1  # raise it when a change of the code changes the numbers: what was done before is then done again

COLUMNS = [
    *("model", "snr", "machine_type", "machine_id", "dataset_scope"),
    *("auc", "pr_auc", "pauc"),
    *("training_time_sec", "model_size_mb", "num_parameters", "inference_time_ms", "throughput_samples_per_sec"),
    *("memory_usage_mb", "peak_ram_mb"),
    *("n_mels", "frames", "n_fft", "hop_length", "power", "channel"),
    *("epochs", "batch_size", "learning_rate", "val_split", "seed"),
    *("train_files", "eval_files", "skipped_files", "train_samples", "variant"),
    *("device", "device_name", "jobs", "torch_version", "run_id", "timestamp"),
]


class DetectionTask(Task):
    """One detector for one pool of machines."""

    @property
    def epochs(self) -> int:
        """How many epochs it trains for; 0 for a model that knows none."""
        return self.settings.epochs if DETECTORS[self.model].is_network else 0

    def _training_facts(self) -> dict[str, Any]:
        """All that the trained model depends on."""
        recordings = pd.concat(self.pool.machines)
        return {
            "protocol": PROTOCOL,
            "model": self.model,
            "scope": self.scope,
            "features": asdict(self.store.settings),
            "training": asdict(self.settings),
            "device": self.device.partition(":")[0],
            "recordings": fingerprint(recordings[recordings["split"] == "train"]),
        }

    def model_path(self) -> Path:
        """Where the trained model is kept."""
        name = f"{self.model}_{self.pool.name}_{cache.digest(self._training_facts())}".replace(" ", "_")
        return self.model_dir / (name + (".pt" if DETECTORS[self.model].is_network else ".skops"))

    def evaluations(self) -> list[Evaluation]:
        """The rows that the task gives: one a machine that can be evaluated and, for a pool of several, its own."""
        facts = self._training_facts()
        groups = [(tuple(machine[MACHINE].iloc[0]), machine) for machine in self.pool.machines]
        if self.scope != "machine":
            groups.append((self.pool.key, pd.concat(self.pool.machines)))
        evaluations = []
        for key, group in groups:
            chosen = group[group["split"] == "eval"]
            if chosen["label"].nunique() == 2:
                evaluations.append(Evaluation(cache.digest([facts, key, fingerprint(chosen)]), key, chosen))
        return evaluations


def unusable(pool: Pool) -> str:
    """Why no model of this pool can be trained and evaluated; empty where it can be."""
    recordings = pd.concat(pool.machines)
    if not (recordings["split"] == "train").any():
        return "no normal recording is left to train on"
    if not any(machine.loc[machine["split"] == "eval", "label"].nunique() == 2 for machine in pool.machines):
        return "no abnormal recording is there to evaluate with"
    return ""


def run(task: DetectionTask) -> Outcome:
    """Train or load the model, score the recordings, measure its cost.

    Raises
    ------
    TaskError
        There is nothing to train on or nothing to evaluate with, or training failed.
    """
    occupancy = Occupancy()
    with occupancy.working():
        features = _load_features(task)
        detector, facts = _trained(task, features, occupancy)
        is_eval = (features.recordings["split"] == "eval").to_numpy()
        windows = features.windows(task.settings.frames, is_eval)
        if not len(windows):
            raise TaskError("no recording for evaluation could be used")
        means = windows.mean_by_recording(detector.score_windows(windows))
    if not np.isfinite(means).all():
        raise TaskError("the model gives scores that are not finite")
    with occupancy.alone():
        inference = measure_inference(detector.score_windows, windows, task.settings.batch_size)

    scores = features.recordings.loc[means.index, ["path", *MACHINE, "label"]].assign(score=means)
    common = {
        "model": task.model,
        "dataset_scope": task.scope,
        **{name: facts[name] for name in ("training_time_sec", "memory_usage_mb", "peak_ram_mb")},
        "model_size_mb": task.model_path().stat().st_size / MB,
        "num_parameters": detector.num_parameters,
        **inference,
        **asdict(task.store.settings),
        **asdict(task.settings),
        **{name: facts[name] for name in ("train_files", "train_samples")},
        "skipped_files": len(features.left_out),
        "variant": detector.variant,
        "device": task.device.partition(":")[0],
        "device_name": device_name(task.device),
        "jobs": task.jobs,
        "torch_version": facts["torch_version"],
    }
    outcome = Outcome(task.name)
    for evaluation in task.evaluations():
        chosen = scores[scores["path"].isin(evaluation.recordings["path"])]
        if chosen["label"].nunique() < 2:
            log.warning("%s can't be evaluated: of one label no recording could be used.", machine_name(evaluation.key))
            continue
        metrics = detection_metrics((chosen["label"] == "abnormal").to_numpy(), chosen["score"].to_numpy())
        place = dict(zip(MACHINE, evaluation.key, strict=True))
        outcome.rows.append(
            {
                **common,
                **place,
                **metrics,
                "eval_files": len(chosen),
                "run_id": evaluation.run_id,
                "timestamp": timestamp(),
            }
        )
        name = f"{task.model}_{machine_name(evaluation.key)}_{evaluation.run_id}.csv".replace(" ", "_")
        outcome.files[Path("scores") / name] = chosen
        if task.epochs:
            outcome.files[Path("history") / name] = _history_table(facts)
    if not outcome.rows:
        raise TaskError("no machine of it can be evaluated")
    row = outcome.rows[-1]  # the machine's or, of several, the pool's
    outcome.message = f"AUC {row['auc']:.3f}, PR-AUC {row['pr_auc']:.3f}, {row['training_time_sec']:.1f} s to train"
    return outcome


def _load_features(task: DetectionTask) -> Features:
    """The features of the pool's machines; recordings of fewer frames than a window has count as left out."""
    try:
        features = Features.concatenate([task.store.load(machine) for machine in task.pool.machines])
    except (OSError, cache.CacheError) as error:
        raise TaskError(f"its features can't be loaded ({error}); give the command again") from error
    lengths = np.diff(features.offsets)
    for number in np.flatnonzero(lengths < task.settings.frames):
        path = features.recordings["path"].iloc[number]
        features.left_out[path] = f"is too short: {lengths[number]} frames, where --frames is {task.settings.frames}"
        log.warning("Left out: %s %s.", path, features.left_out[path])
    return features


def _trained(task: DetectionTask, features: Features, occupancy: Occupancy) -> tuple[Detector, dict[str, Any]]:
    """The trained detector and the facts about its training, from the cache where they are there."""
    n_mels, frames = task.store.settings.n_mels, task.settings.frames
    detector = create_model(task.model, n_mels=n_mels, frames=frames, device=task.device)
    path = task.model_path()
    if not task.retrain and path.exists():
        try:
            return detector, detector.load(path)
        except cache.CacheError as error:
            log.warning("The model file %s: it is trained again.", error)

    settings = task.settings
    is_train = (features.recordings["split"] == "train").to_numpy()
    held_out = np.zeros_like(is_train)
    if task.epochs:  # the others have no use for validation
        held_out[is_train] = choose_validation(features.recordings[is_train], settings.val_split, settings.seed)
    windows = features.windows(frames, is_train & ~held_out)
    validation = features.windows(frames, held_out)
    if not len(windows):
        raise TaskError("no recording for training could be used")
    seed = derive_seed(settings.seed, task.model, task.pool.name)
    with PeakMemory(task.device) as memory:
        history = detector.fit(
            windows, validation if len(validation) else None, settings, seed=seed, give_way=occupancy.give_way
        )
    facts = {
        **asdict(history),
        "memory_usage_mb": memory.gpu_mb,
        "peak_ram_mb": memory.ram_mb,
        "train_files": int(is_train.sum()),
        "train_samples": len(windows),
        "torch_version": _torch_version(),
    }
    detector.save(path, facts)
    return detector, facts


def _torch_version() -> str:
    import torch

    return str(torch.__version__)


def _history_table(facts: dict[str, Any]) -> pd.DataFrame:
    """The losses as a table, one row an epoch."""
    table = pd.DataFrame({"train_loss": facts["train_loss"]})
    table["val_loss"] = facts["val_loss"] or np.nan
    table.insert(0, "epoch", table.index + 1)
    return table
