"""Anomaly detection: models learn from normal recordings alone, by the protocol of the MIMII paper."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.machines import LABELS, UNLABELLED
from mimii.data.splits import split_for_detection
from mimii.evaluation.efficiency import measure_inference
from mimii.evaluation.metrics import decision_metrics, detection_metrics
from mimii.features.windows import Features, Windows
from mimii.models import clip_options, create_model, scoring_ways
from mimii.models.base import Detector, Model, WindowDetector
from mimii.models.files import TrainedDetector
from mimii.settings import ClipSettings, DetectionSettings
from mimii.storage import schema
from mimii.sweep.groups import Key, MachineGroup, make_groups, usable
from mimii.sweep.identity import Way, draws_random_numbers, with_seeds
from mimii.sweep.planning import Planner, find, subjects_of
from mimii.sweep.rows import Judgement, describe
from mimii.sweep.task import Task
from mimii.training.hooks import Training

OUTPUT = "research_results.csv"
COLUMNS = [column.name for column in schema.of_table("detection")]
PROTOCOL = 5  # it is raised when a change of the code changes the numbers, and everything is then done again

_METRICS = ("auc", "pr_auc", "pauc", "auc_source", "auc_target")


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionTask(Task[TrainedDetector]):
    """One detector for one machine group; see `mimii.sweep.task.Task`.

    Attributes
    ----------
    clip : ClipSettings
        For clip-level detectors.
    """

    clip: ClipSettings

    def create_model(self) -> Model:
        """Make the detector."""
        return create_model(
            self.model,
            n_mels=self.store.settings.n_mels,
            frames=self.window_length,
            device=self.device,
            clip=self.clip,
        )

    def targets(self, recordings: pd.DataFrame) -> None:
        """Detectors learn without labels."""
        return

    def complete(
        self, model: Model, features: Features, windows: Windows, validation: Windows | None, training: Training
    ) -> TrainedDetector:
        """Add the scores of normal recordings, from which the thresholds follow."""
        assert isinstance(model, Detector)
        return TrainedDetector.calibrated(model, self.store.settings, features, windows, validation, training)

    def apply(self, trained: TrainedDetector, windows: Windows, way: Way) -> tuple[np.ndarray, np.ndarray]:
        """Anomaly scores: np.ndarray [shape=(n_recordings,)]."""
        return trained.model.score_recordings(windows, *way)

    def way_columns(self, way: Way) -> dict[str, Any]:
        """The scoring, and how scores of windows are pooled."""
        return dict(zip(("scoring", "score_pooling"), way, strict=True))

    def measure(self, trained: TrainedDetector, windows: Windows, way: Way) -> dict[str, Any]:
        """Parameters, and the time to score a window, or a recording where windows have no score."""
        model, (scoring, score_pooling) = trained.model, way
        score: Callable[[Windows], object] = partial(model.score_recordings, scoring=scoring)
        if score_pooling and isinstance(model, WindowDetector):
            score = model.score_windows
        inference = measure_inference(score, windows, whole_recordings=model.is_clip_level)
        return {"num_parameters": model.count_parameters(scoring), **inference}

    def can_evaluate(self, recordings: pd.DataFrame, key: Key) -> bool:
        """Tell whether there is a ROC curve, or recordings without a label, which are scored all the same."""
        return can_evaluate(recordings, key)

    def evaluate(
        self, trained: TrainedDetector, recordings: pd.DataFrame, outputs: np.ndarray, key: Key, way: Way
    ) -> Judgement:
        """Judge the anomaly scores of recordings; those without a label do not enter the metrics.

        The threshold is the machine's own, from its recordings for training. A machine without any, whose group's
        other machines were learnt from, has the threshold of the group.
        """
        is_labelled = (recordings["label"] != UNLABELLED).to_numpy()
        labelled = recordings[is_labelled]
        calibration = trained.calibrations[way]
        metrics: dict[str, Any] = dict.fromkeys(_METRICS, np.nan)
        threshold = calibration.threshold(key)
        metrics |= {"threshold": threshold, "threshold_from": calibration.source}
        if labelled["label"].nunique() == len(LABELS):
            is_abnormal = (labelled["label"] == "abnormal").to_numpy()
            metrics |= detection_metrics(is_abnormal, outputs[is_labelled], labelled["domain"].to_numpy())
            metrics |= decision_metrics(is_abnormal, outputs[is_labelled], threshold)
        return Judgement(metrics, describe(recordings, score=outputs))


def prepare(settings: DetectionSettings) -> pd.DataFrame:
    """The recordings of an experiment, with a column ``split``: ``train`` or ``eval``."""
    return split_for_detection(find(settings.data))


def plan(
    settings: DetectionSettings, recordings: pd.DataFrame, task_class: type[DetectionTask] = DetectionTask
) -> list[DetectionTask]:
    """The tasks of an experiment: one for each seed, model and machine group.

    Raises
    ------
    UserError
        No machine group can be used.
    """
    run, planner = settings.run, Planner(settings, PROTOCOL)
    groups = usable(make_groups(recordings, run.scope), why_not, set())
    subjects = {group: subjects_of(group, run.scope, can_evaluate) for group in groups}
    for number, training in enumerate(with_seeds(settings.training, run.seeds)):
        for model in run.models:
            if number and not draws_random_numbers(model):
                continue  # the first seed's is the same
            for group in groups:
                planner.add(
                    task_class,
                    model,
                    group,
                    training,
                    subjects=subjects[group],
                    ways=scoring_ways(model, settings.scoring.scoring, settings.scoring.score_pooling),
                    options=clip_options(model, settings.scoring.clip),
                    clip=settings.scoring.clip,
                )
    return planner.tasks


def can_evaluate(recordings: pd.DataFrame, key: Key) -> bool:
    """Tell whether there is a ROC curve, or recordings without a label, which are scored all the same."""
    labels = set(recordings["label"])
    return labels.issuperset(LABELS) or UNLABELLED in labels


def why_not(group: MachineGroup) -> str:
    """Why no detector of this group can be trained and evaluated; empty where it can be."""
    if group.of_split("train").empty:
        return "no normal recording is left to train on"
    evaluated = (machine[machine["split"] == "eval"] for machine in group.machines)
    if not any(can_evaluate(recordings, group.key) for recordings in evaluated):
        return "no abnormal recording is there to evaluate with"
    return ""
