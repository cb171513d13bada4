"""Anomaly detection: models learn from normal recordings alone, by the protocol of the MIMII paper."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mimii.features import Windows
from mimii.metrics import detection_metrics
from mimii.models import create_model
from mimii.models.base import Detector
from mimii.recordings import LABELS, UNLABELLED
from mimii.tasks import COST, HOW, WHAT, Judgement, Pool, Task, describe


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionTask(Task):
    """One detector for one pool of machines; see `mimii.tasks.Task`."""

    metrics = ["auc", "pr_auc", "pauc", "auc_source", "auc_target"]  # noqa: RUF012 (a ClassVar, says the base class)

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
        """A ROC curve needs normal and abnormal recordings; those without a label are scored all the same."""
        labels = set(recordings["label"])
        return labels.issuperset(LABELS) or UNLABELLED in labels

    def evaluate(self, recordings: pd.DataFrame, outputs: np.ndarray, key: tuple[str, str, str]) -> Judgement:
        """Judge the anomaly scores of recordings; those without a label are left out of the metrics."""
        labelled = (recordings["label"] != UNLABELLED).to_numpy()
        known = recordings[labelled]
        metrics = dict.fromkeys(self.metrics, np.nan)
        if known["label"].nunique() == 2:
            is_abnormal = (known["label"] == "abnormal").to_numpy()
            metrics |= detection_metrics(is_abnormal, outputs[labelled], known["domain"].to_numpy())
        return Judgement(metrics, {"": describe(recordings, score=outputs)})


COLUMNS = [*WHAT, *DetectionTask.metrics, *COST, *HOW]


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
