"""Classification: models learn from labelled recordings, 80 % of the clips of each machine and label."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.machines import ALL, LABELS, machine_columns, machine_name
from mimii.data.splits import split_for_classification
from mimii.errors import TaskError, UserError
from mimii.evaluation.efficiency import MB, measure_inference
from mimii.evaluation.metrics import classification_metrics
from mimii.features.windows import Features, Windows
from mimii.models import create_model
from mimii.models.base import Classifier, Model
from mimii.models.files import TrainedClassifier
from mimii.settings import ClassificationSettings
from mimii.storage import schema
from mimii.sweep.checks import find_copies, warn_of_copies
from mimii.sweep.groups import Key, MachineGroup, make_groups, usable, warn_once
from mimii.sweep.identity import Way, with_seeds
from mimii.sweep.planning import Planner, find
from mimii.sweep.rows import Judgement, describe
from mimii.sweep.subjects import subjects_of
from mimii.sweep.task import Task
from mimii.training.hooks import Training

OUTPUT = "research_classification_results.csv"
COLUMNS = [column.name for column in schema.of_table("classification")]
PROTOCOL = 6  # it is raised when a change of the code changes the numbers, and everything is then done again

_ONE_WAY: list[Way] = [("", "")]  # there is one way from windows to a recording: the mean probability


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassificationTask(Task[TrainedClassifier]):
    """One classifier for one machine group; see `mimii.sweep.task.Task`.

    Attributes
    ----------
    classification_type : str
        ``machine_type`` or ``machine_id``.
    class_weight : str
        ``balanced`` or ``none``.
    classes : tuple of str
        In the order of the model's outputs.
    """

    classification_type: str
    class_weight: str
    classes: tuple[str, ...]

    def create_model(self) -> Model:
        """Make the classifier."""
        return create_model(
            self.model,
            n_mels=self.store.settings.n_mels,
            frames=self.window_length,
            num_classes=len(self.classes),
            balanced=self.class_weight == "balanced",
            device=self.device,
        )

    def targets(self, recordings: pd.DataFrame) -> np.ndarray:
        """Number of each recording's class."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        return class_names(recordings, self.classification_type).map(numbers).to_numpy(dtype=np.int64)

    def training_windows(self, features: Features) -> tuple[Windows, Windows]:
        """As of every task; every class must have windows to learn from."""
        windows, validation = super().training_windows(features)
        assert windows.target is not None  # `targets` gives some
        missing = set(range(len(self.classes))) - set(np.unique(windows.target))
        if missing:
            names = ", ".join(self.classes[number] for number in sorted(missing))
            raise TaskError(f"of {names} no recording for training could be used")
        return windows, validation

    def complete(
        self, model: Model, features: Features, windows: Windows, validation: Windows | None, training: Training
    ) -> TrainedClassifier:
        """Add the names of the classes."""
        assert isinstance(model, Classifier)
        return TrainedClassifier(model, self.store.settings, features.sample_rate, list(self.classes), {})

    def apply(self, trained: TrainedClassifier, windows: Windows, way: Way) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of each recording: the mean of those of its windows."""
        return windows.mean_by_recording(trained.model.predict_proba(windows))

    def measure(self, trained: TrainedClassifier, windows: Windows, way: Way) -> dict[str, Any]:
        """Parameters, size, and the time to classify a recording and a window."""
        return {
            "num_parameters": trained.model.num_parameters,
            "model_size_mb": trained.size() / MB,
            **measure_inference(partial(self.apply, trained, way=way), windows, trained.model.predict_proba),
        }

    def can_evaluate(self, recordings: pd.DataFrame, key: Key) -> bool:
        """Every class must occur, but that a machine is itself one class where machines are told apart."""
        return can_evaluate(self.classification_type, len(self.classes), recordings, key)

    def evaluate(
        self, trained: TrainedClassifier, recordings: pd.DataFrame, outputs: np.ndarray, key: Key, way: Way
    ) -> Judgement:
        """Judge the mean probabilities of recordings.

        Where machines are told apart, a row of one machine has the share of its recordings that were recognised. The
        other metrics need the other machines' recordings, and are in the row of the machine group.
        """
        targets = self.targets(recordings)
        predicted = outputs.argmax(axis=1)
        if _is_one_class(self.classification_type, key):
            share = float((predicted == targets).mean())
            metrics = {"accuracy": share, "balanced_accuracy": share, "recall": share}
        else:
            metrics = classification_metrics(targets, outputs)
        classes = np.array(self.classes)
        probabilities = {f"p_{name}": outputs[:, number] for number, name in enumerate(classes)}
        scores = describe(recordings, target=classes[targets], prediction=classes[predicted], **probabilities)
        confusion = pd.crosstab(scores["target"], scores["prediction"]).reindex(
            index=pd.Index(classes, name="target"), columns=classes, fill_value=0
        )
        return Judgement(metrics, scores, confusion.reset_index())


def prepare(settings: ClassificationSettings) -> pd.DataFrame:
    """The recordings of an experiment."""
    return find(settings.data)


def plan(settings: ClassificationSettings, recordings: pd.DataFrame) -> list[ClassificationTask]:
    """The tasks of an experiment: one for each seed, which also decides the split, model and machine group.

    Raises
    ------
    UserError
        No recording has a label, or no machine group can be used.
    """
    run, planner = settings.run, Planner(settings, PROTOCOL)
    task_type = settings.classification_type
    said: set[str] = set()
    copies: dict[str, str] = {}
    for training in with_seeds(settings.training, run.seeds):
        labelled = split_for_classification(recordings, training.seed)
        if labelled.empty:
            raise UserError("no recording has a label, so there is nothing to learn from")
        groups, dropped = drop_small_classes(make_groups(labelled, run.scope or "machine"))
        if dropped:
            warn_once(f"Not used, too few clips for both sides of the split: {', '.join(dropped)}.", said)
        groups = usable(groups, partial(why_not, classification_type=task_type), said)
        copies |= find_copies(groups)
        classes = {group: class_list(group, task_type) for group in groups}
        subjects = {
            group: subjects_of(group, run.scope or "machine", partial(can_evaluate, task_type, len(classes[group])))
            for group in groups
        }
        chosen: dict[str, Any] = {"classification_type": task_type, "class_weight": settings.class_weight}
        for model in run.models:
            for group in groups:
                planner.add(
                    ClassificationTask,
                    model,
                    group,
                    training,
                    subjects=subjects[group],
                    ways=_ONE_WAY,
                    options=chosen | {"num_classes": len(classes[group])},
                    scope=run.scope or "machine",
                    classes=classes[group],
                    **chosen,
                )
    warn_of_copies(copies)
    return planner.tasks


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


def class_list(group: MachineGroup, classification_type: str) -> tuple[str, ...]:
    """The classes of a machine group, in the order of a model's outputs."""
    names = set(class_names(group.recordings, classification_type))
    return tuple(sorted(names, key=LABELS.index) if classification_type == "machine_type" else sorted(names))


def can_evaluate(classification_type: str, num_classes: int, recordings: pd.DataFrame, key: Key) -> bool:
    """Every class must occur, but that a machine is itself one class where machines are told apart."""
    occurring = class_names(recordings, classification_type).nunique()
    return bool(occurring == (1 if _is_one_class(classification_type, key) else num_classes))


def _is_one_class(classification_type: str, key: Key) -> bool:
    return classification_type == "machine_id" and key[-1] != ALL


def drop_small_classes(groups: list[MachineGroup]) -> tuple[list[MachineGroup], list[str]]:
    """Drop what can't be split: machines' labels that have no clip on one of the two sides.

    Returns
    -------
    groups : list of MachineGroup
        Without them, and without the machines that have nothing left; a group may be empty.
    dropped : list of str
        What was dropped.
    """
    kept, dropped = [], []
    for group in groups:
        machines = []
        for machine in group.machines:
            sides = machine.groupby("label")["split"].transform("nunique")
            if labels := sorted(machine.loc[sides < 2, "label"].unique()):
                name = machine_name(machine[machine_columns(machine)].iloc[0])
                dropped.append(f"{name} ({', '.join(labels)})")
            if (sides == 2).any():
                machines.append(machine[sides == 2].reset_index(drop=True))
        kept.append(replace(group, machines=machines))
    return kept, dropped


def why_not(group: MachineGroup, classification_type: str) -> str:
    """Why no classifier of this group can be trained and evaluated; empty where it can be."""
    if not group.machines:
        return "every class of every machine has too few clips for both sides of the split"
    classes = class_names(group.recordings, classification_type).unique()
    if len(classes) > 1:
        return ""
    if classification_type == "machine_id":  # the class is the machine that the group is named after
        return "only one class has enough clips for both sides of the split; --scope all compares machines of all types"
    return f"only one class has enough clips for both sides of the split, {classes[0]}"
