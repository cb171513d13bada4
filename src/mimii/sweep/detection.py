"""Anomaly detection: models learn from normal recordings alone, by the protocol of the MIMII paper."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.recordings import LABELS, MACHINE, UNLABELLED
from mimii.evaluation.efficiency import measure_inference
from mimii.evaluation.metrics import decision_metrics, detection_metrics
from mimii.evaluation.scoring import gamma_threshold
from mimii.features.windows import Features, Windows
from mimii.models import REGISTRY, create_model, recording_options, scorings
from mimii.models.base import Detector
from mimii.settings import RecordingSettings
from mimii.sweep.task import ALL, COST, HOW, WHAT, Judgement, Pool, Task, derive_seed, describe


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionTask(Task):
    """One detector for one pool of machines; see `mimii.sweep.task.Task`.

    Attributes
    ----------
    scoring : tuple of str
        Of `mimii.settings.SCORINGS`; a detector that does not reconstruct has one way of its own instead.
    score_pooling : str
        How the scores of windows become that of a recording; see `mimii.evaluation.scoring.pool_scores`.
    recording : RecordingSettings
        For detectors that judge recordings as a whole.
    """

    metrics = ["auc", "pr_auc", "pauc", "auc_source", "auc_target"]  # noqa: RUF012 (a ClassVar, says the base class)
    protocol = 4

    scoring: tuple[str, ...] = ("mse",)
    score_pooling: str = "mean"
    recording: RecordingSettings = field(default_factory=RecordingSettings)

    def __post_init__(self):
        object.__setattr__(self, "scoring", tuple(scorings(self.model, self.scoring)))  # the class is frozen

    def create_model(self) -> Detector:
        """Make the detector."""
        n_mels, frames = self.store.settings.n_mels, self.settings.frames
        return create_model(self.model, n_mels=n_mels, frames=frames, device=self.device, recording=self.recording)

    def training_facts(self) -> dict[str, Any]:
        """As of every task, and the options of the model."""
        return super().training_facts() | self.row_facts()

    def row_facts(self) -> dict[str, Any]:
        """The options that make a difference to the model."""
        return recording_options(self.model, self.recording)

    def apply(self, model: Detector, windows: Windows, scoring: str) -> tuple[np.ndarray, np.ndarray]:
        """Anomaly scores: np.ndarray [shape=(n_recordings,)]."""
        return model.score_recordings(windows, scoring, self.score_pooling)

    def measure(self, model: Detector, windows: Windows, scoring: str) -> dict[str, Any]:
        """Parameters, and the time to score a window, or a recording where that can't be done by windows."""
        is_by_windows = not (model.is_recording_level or scoring == "mahalanobis")
        score = model.score_windows if is_by_windows else partial(model.score_recordings, scoring=scoring)
        inference = measure_inference(
            score, windows, self.settings.batch_size, whole_recordings=model.is_recording_level
        )
        return {"num_parameters": model.count_parameters(scoring), **inference}

    def scoring_facts(self, scoring: str) -> dict[str, Any]:
        """The way of scoring, and how windows are pooled where they have scores."""
        is_by_windows = not (REGISTRY[self.model].options or scoring == "mahalanobis")
        return {"scoring": scoring, "score_pooling": self.score_pooling if is_by_windows else ""}

    def reference(self, model: Detector, features: Features, scoring: str) -> pd.DataFrame:
        """Scores of recordings for training, of which machine they are, and where the scores are from."""
        windows, validation = self.training_windows(features)
        normal = model.score_normal(
            windows,
            validation if len(validation) else None,
            self.settings,
            seed=derive_seed(self.settings.seed, self.model),
            scoring=scoring,
            pooling=self.score_pooling,
        )
        machines = features.recordings[MACHINE].iloc[normal.numbers]
        return machines.assign(score=normal.scores, source=normal.source)

    def targets(self, recordings: pd.DataFrame) -> None:
        """Detectors learn without labels."""
        return

    def can_evaluate(self, recordings: pd.DataFrame, key: tuple[str, str, str]) -> bool:
        """A ROC curve needs normal and abnormal recordings; those without a label are scored all the same."""
        labels = set(recordings["label"])
        return labels.issuperset(LABELS) or UNLABELLED in labels

    def evaluate(
        self, recordings: pd.DataFrame, outputs: np.ndarray, key: tuple[str, str, str], reference: pd.DataFrame
    ) -> Judgement:
        """Judge the anomaly scores of recordings; those without a label are left out of the metrics.

        The threshold is the machine's own, from its recordings for training; of a machine that has none, whose
        pool's others were learnt from, it is that of the pool.
        """
        labelled = (recordings["label"] != UNLABELLED).to_numpy()
        known = recordings[labelled]
        is_own = np.logical_and.reduce([reference[c].isin([k]) | (k == ALL) for c, k in zip(MACHINE, key, strict=True)])
        own = reference[is_own] if is_own.any() else reference
        metrics = dict.fromkeys(self.metrics, np.nan)
        metrics |= {"threshold": gamma_threshold(own["score"].to_numpy()), "threshold_from": own["source"].iloc[0]}
        if known["label"].nunique() == 2:
            is_abnormal = (known["label"] == "abnormal").to_numpy()
            metrics |= detection_metrics(is_abnormal, outputs[labelled], known["domain"].to_numpy())
            metrics |= decision_metrics(is_abnormal, outputs[labelled], metrics["threshold"])
        return Judgement(metrics, {"": describe(recordings, score=outputs)})


COLUMNS = [
    *(WHAT[0], "scoring", *WHAT[1:]),
    *DetectionTask.metrics,
    *("threshold", "threshold_from", "precision", "recall", "f1"),
    *COST,
    *("score_pooling", "pooling", "twfr_r", "distance"),
    *HOW,
]


def unusable(pool: Pool) -> str:
    """Why no detector of this pool can be trained and evaluated; empty where it can be."""
    if not (pool.recordings["split"] == "train").any():
        return "no normal recording is left to train on"
    labels = [set(machine.loc[machine["split"] == "eval", "label"]) for machine in pool.machines]
    if not any(there.issuperset(LABELS) or UNLABELLED in there for there in labels):
        return "no abnormal recording is there to evaluate with"
    return ""


def challenge_score(rows: pd.DataFrame, has_domains: bool) -> float:
    """The official score of DCASE's task 2 for the machines of one model.

    Parameters
    ----------
    rows : pd.DataFrame
        A row a machine, with ``auc``, ``pauc``, ``auc_source`` and ``auc_target``; those without an AUC, whose labels
        are withheld, do not count.
    has_domains : bool
        The data set has a source and a target domain, as from 2021 on.

    Returns
    -------
    float
        With domains the harmonic mean over the machines of the AUC of each domain and the pAUC, as defined from 2022
        on; else, as in 2020, the mean of AUC and pAUC. NaN where one of them is missing.
    """
    from scipy.stats import hmean

    rows = rows[rows["auc"].notna()]
    if has_domains:
        return float(hmean(rows[["auc_source", "auc_target", "pauc"]].to_numpy(dtype=float).ravel()))
    return float(rows[["auc", "pauc"]].to_numpy(dtype=float).mean())
