"""Classification: models learn from labelled recordings, 80 % of the clips of each machine and label."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.recordings import LABELS, MACHINE, machine_name
from mimii.errors import TaskError
from mimii.evaluation.efficiency import measure_inference
from mimii.evaluation.metrics import classification_metrics
from mimii.features.windows import Features, Windows
from mimii.models import create_model
from mimii.models.base import Classifier
from mimii.sweep.task import ALL, COST, HOW, WHAT, Judgement, Pool, Task, describe


def class_names(recordings: pd.DataFrame, classification_type: str) -> pd.Series:
    """The class of each recording.

    Parameters
    ----------
    recordings : pd.DataFrame [n rows]
    classification_type : str
        ``machine_type``: the label. ``machine_id``: type and ID, for the same machine is the same at every SNR.

    Returns
    -------
    pd.Series [n rows] of str
    """
    if classification_type == "machine_type":
        return recordings["label"]
    return recordings["machine_type"] + " " + recordings["machine_id"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassificationTask(Task):
    """One classifier for one pool of machines; see `mimii.sweep.task.Task`.

    Attributes
    ----------
    classification_type : str
        ``machine_type`` or ``machine_id``.
    class_weight : str
        ``balanced`` or ``none``.
    """

    metrics = ["accuracy", "balanced_accuracy", "precision", "recall", "f1", "f1_macro", "roc_auc"]  # noqa: RUF012

    classification_type: str
    class_weight: str

    @property
    def classes(self) -> list[str]:
        """The classes of the pool, in the order of the model's outputs."""
        names = set(class_names(self.pool.recordings, self.classification_type))
        return sorted(names, key=LABELS.index) if self.classification_type == "machine_type" else sorted(names)

    def training_facts(self) -> dict[str, Any]:
        """All that the trained model depends on."""
        extra = {"classification_type": self.classification_type, "class_weight": self.class_weight}
        return super().training_facts() | extra

    def training_windows(self, features: Features) -> tuple[Windows, Windows]:
        """As of every task; every class must have windows to learn from."""
        windows, validation = super().training_windows(features)
        missing = set(range(len(self.classes))) - set(np.unique(windows.target))
        if missing:
            names = ", ".join(self.classes[number] for number in sorted(missing))
            raise TaskError(f"of {names} no recording for training could be used")
        return windows, validation

    def row_facts(self) -> dict[str, Any]:
        """What classification adds to a row."""
        return {
            "classification_type": self.classification_type,
            "num_classes": len(self.classes),
            "class_weight": self.class_weight,
        }

    def create_model(self) -> Classifier:
        """Make the classifier."""
        return create_model(
            self.model,
            n_mels=self.store.settings.n_mels,
            frames=self.settings.frames,
            num_classes=len(self.classes),
            balanced=self.class_weight == "balanced",
            device=self.device,
        )

    def apply(self, model: Classifier, windows: Windows, scoring: str) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of each recording: the mean of those of its windows."""
        return windows.mean_by_recording(model.predict_proba(windows))

    def measure(self, model: Classifier, windows: Windows, scoring: str) -> dict[str, Any]:
        """Parameters, and the time to classify a window."""
        inference = measure_inference(model.predict_proba, windows, self.settings.batch_size)
        return {"num_parameters": model.num_parameters, **inference}

    def targets(self, recordings: pd.DataFrame) -> np.ndarray:
        """Number of each recording's class."""
        number = {name: place for place, name in enumerate(self.classes)}
        return class_names(recordings, self.classification_type).map(number).to_numpy(dtype=np.int64)

    def can_evaluate(self, recordings: pd.DataFrame, key: tuple[str, str, str]) -> bool:
        """Every class must occur, but that a machine is itself one class where machines are told apart."""
        there = class_names(recordings, self.classification_type).nunique()
        return there == (1 if self._is_one_class(key) else len(self.classes))

    def evaluate(
        self, recordings: pd.DataFrame, outputs: np.ndarray, key: tuple[str, str, str], reference: None = None
    ) -> Judgement:
        """Judge the mean probabilities of recordings.

        Where machines are told apart, a row of one machine has the share of its recordings that were recognised;
        the other metrics need the other machines' recordings, and are in the pool's row.
        """
        targets = self.targets(recordings)
        predicted = outputs.argmax(axis=1)
        if self._is_one_class(key):
            share = float((predicted == targets).mean())
            metrics = {"accuracy": share, "balanced_accuracy": share, "recall": share}
        else:
            metrics = classification_metrics(targets, outputs)
        classes = np.array(self.classes)
        columns = {f"p_{name}": outputs[:, place] for place, name in enumerate(classes)}
        scores = describe(recordings, target=classes[targets], prediction=classes[predicted], **columns)
        confusion = pd.crosstab(scores["target"], scores["prediction"]).reindex(
            index=pd.Index(classes, name="target"), columns=classes, fill_value=0
        )
        return Judgement(metrics, {"": scores, "_confusion": confusion.reset_index()})

    def _is_one_class(self, key: tuple[str, str, str]) -> bool:
        return self.classification_type == "machine_id" and key[-1] != ALL


COLUMNS = [
    *WHAT,
    *("classification_type", "num_classes"),
    *ClassificationTask.metrics,
    *COST,
    "class_weight",
    *HOW,
]


def drop_small_classes(pools: list[Pool]) -> tuple[list[Pool], list[str]]:
    """Leave out what can't be split: machines' labels that have no clip on one of the two sides.

    Returns
    -------
    pools : list of Pool
        Without them, and without the machines that have nothing left; a pool may be empty.
    dropped : list of str
        What was left out.
    """
    kept, dropped = [], []
    for pool in pools:
        machines = []
        for machine in pool.machines:
            sides = machine.groupby("label")["split"].transform("nunique")
            if labels := sorted(machine.loc[sides < 2, "label"].unique()):
                dropped.append(f"{machine_name(machine[MACHINE].iloc[0])} ({', '.join(labels)})")
            if (sides == 2).any():
                machines.append(machine[sides == 2].reset_index(drop=True))
        kept.append(Pool(pool.key, machines))
    return kept, dropped


def unusable(pool: Pool, classification_type: str) -> str:
    """Why no classifier of this pool can be trained and evaluated; empty where it can be."""
    if not pool.machines:
        return "every class of every machine has too few clips for both sides of the split"
    classes = class_names(pool.recordings, classification_type).unique()
    return "" if len(classes) > 1 else f"only one class has enough clips for both sides of the split, {classes[0]}"
