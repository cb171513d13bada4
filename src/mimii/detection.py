"""Anomaly detection: models learn from normal recordings alone, by the protocol of the MIMII paper."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mimii.features import Windows
from mimii.metrics import detection_metrics
from mimii.models import create_model
from mimii.models.base import Detector
from mimii.tasks import COST, HOW, WHAT, Judgement, Pool, Task, describe


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionTask(Task):
    """One detector for one pool of machines; see `mimii.tasks.Task`."""

    metrics = ["auc", "pr_auc", "pauc"]  # noqa: RUF012 (a ClassVar, as the base class says)

    def create_model(self) -> Detector:
        """Make the detector."""
        n_mels, frames = self.store.settings.n_mels, self.settings.frames
        return create_model(self.model, n_mels=n_mels, frames=frames, device=self.device)

    def apply(self, model: Detector, windows: Windows) -> np.ndarray:
        """Anomaly scores: np.ndarray [shape=(n_windows,)]."""
        return model.score_windows(windows)

    def targets(self, recordings: pd.DataFrame) -> None:
        """Detectors learn without labels."""
        return

    def can_evaluate(self, recordings: pd.DataFrame, key: tuple[str, str, str]) -> bool:
        """A ROC curve needs normal and abnormal recordings."""
        return recordings["label"].nunique() == 2

    def evaluate(self, recordings: pd.DataFrame, outputs: np.ndarray, key: tuple[str, str, str]) -> Judgement:
        """Judge the anomaly scores of recordings."""
        is_abnormal = (recordings["label"] == "abnormal").to_numpy()
        return Judgement(detection_metrics(is_abnormal, outputs), {"": describe(recordings, score=outputs)})


COLUMNS = [*WHAT, *DetectionTask.metrics, *COST, *HOW]


def unusable(pool: Pool) -> str:
    """Why no detector of this pool can be trained and evaluated; empty where it can be."""
    if not (pool.recordings["split"] == "train").any():
        return "no normal recording is left to train on"
    if not any(machine.loc[machine["split"] == "eval", "label"].nunique() == 2 for machine in pool.machines):
        return "no abnormal recording is there to evaluate with"
    return ""
