"""Anomaly detection: models learn from normal recordings alone, by the protocol of the MIMII paper."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.layouts import SUPPLEMENTAL
from mimii.data.machines import MACHINE, UNLABELLED, machine_columns, machine_name
from mimii.data.splits import split_for_detection
from mimii.errors import UserError
from mimii.evaluation.efficiency import MB, measure_inference
from mimii.evaluation.metrics import decision_metrics, detection_metrics
from mimii.features.origins import Origins
from mimii.features.windows import Features, Windows
from mimii.models import REGISTRY, clip_options, create_model, scoring_ways
from mimii.models.base import Detector, Model, WindowDetector
from mimii.models.choices import scope_of, without_others
from mimii.models.files import TrainedDetector
from mimii.models.registry import Entry
from mimii.settings import DetectionSettings
from mimii.storage import schema
from mimii.sweep.checks import find_copies, warn_of_copies
from mimii.sweep.groups import (
    Key,
    MachineGroup,
    are_lent,
    is_of_learnt_machine,
    learnt_from,
    make_groups,
    name_those_not_judged,
    usable,
)
from mimii.sweep.identity import Subject, Way, draws_random_numbers, with_seeds
from mimii.sweep.planning import Planner, find
from mimii.sweep.rows import Judgement, describe
from mimii.sweep.subjects import awaits_evaluation, has_metrics, name_those_without_metrics, subjects_of, waiting
from mimii.sweep.task import Task
from mimii.training.hooks import Training

log = logging.getLogger(__name__)

OUTPUT = "research_results.csv"
COLUMNS = [column.name for column in schema.of_table("detection")]
PROTOCOL = 8  # it is raised when a change of the code changes the numbers, and everything is then done again

_METRICS = ("auc", "pr_auc", "pauc", "auc_source", "auc_target")
_HELD_OUT = 0.2  # of the normal recordings of a machine, where nothing else is there to score


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionTask(Task[TrainedDetector]):
    """One detector for one machine group; see `mimii.sweep.task.Task`."""

    @property
    def can_be_stacked(self) -> bool:
        """It reconstructs windows, on a GPU."""
        return REGISTRY[self.model].reconstructs and self.device.startswith("cuda")

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

    def origins(self, recordings: pd.DataFrame) -> Origins | None:
        """The machine of each recording, for a detector that knows machines apart."""
        if not REGISTRY[self.model].knows_machines:
            return None
        return Origins.of(recordings, self.clip.classes, is_of_learnt_machine(recordings))

    def to_evaluate(self, recordings: pd.DataFrame) -> np.ndarray:
        """Of a detector that knows machines apart, the recordings of those that it has learnt."""
        is_eval = super().to_evaluate(recordings)
        return is_eval & is_of_learnt_machine(recordings) if REGISTRY[self.model].knows_machines else is_eval

    def complete(
        self, model: Model, features: Features, windows: Windows, validation: Windows | None, training: Training
    ) -> TrainedDetector:
        """Add the scores of normal recordings, from which the thresholds follow."""
        assert isinstance(model, Detector)
        return TrainedDetector.calibrated(model, self.store.settings, features, windows, validation, training)

    def apply(self, trained: TrainedDetector, windows: Windows, way: Way) -> tuple[np.ndarray, np.ndarray]:
        """Anomaly scores: np.ndarray [shape=(n_recordings,)]."""
        return trained.model.score_recordings(windows, *way)

    def apply_every_way(self, trained: TrainedDetector, windows: Windows) -> dict[Way, tuple[np.ndarray, np.ndarray]]:
        """Anomaly scores in each way; for several of them the recordings are reconstructed or embedded once."""
        if len(self.ways) == 1:
            return super().apply_every_way(trained, windows)
        numbers, every_way = np.unique(windows.recording), trained.model.score_every_way(windows)
        return {way: (numbers, every_way[way]) for way in self.ways}

    def way_columns(self, way: Way) -> dict[str, Any]:
        """The scoring, and how scores of windows are pooled."""
        return dict(zip(("scoring", "score_pooling"), way, strict=True))

    def measure(self, trained: TrainedDetector, windows: Windows, way: Way) -> dict[str, Any]:
        """Parameters, size, the time to score a recording and, where the model works on windows, a window."""
        model, (scoring, score_pooling) = trained.model, way
        score = partial(model.score_recordings, scoring=scoring, score_pooling=score_pooling)
        score_windows: Callable[[Windows], object] | None = None if model.is_clip_level else score
        if score_pooling and isinstance(model, WindowDetector):
            score_windows = model.score_windows
        return {
            "num_parameters": model.count_parameters(scoring),
            "model_size_mb": trained.size(way) / MB,
            **measure_inference(score, windows, score_windows),
        }

    def can_evaluate(self, recordings: pd.DataFrame, key: Key) -> bool:
        """Tell whether the recordings that are left can be judged as those that were found would have been."""
        found = next(one.subject.recordings for one in self.evaluations if one.subject.key == key)
        if found.empty:  # they are still to come
            return True
        has_lost_metrics = has_metrics(found) and not has_metrics(recordings)
        return can_evaluate(recordings, key) and (not has_lost_metrics or UNLABELLED in set(recordings["label"]))

    def evaluate(
        self, trained: TrainedDetector, recordings: pd.DataFrame, outputs: np.ndarray, key: Key, way: Way
    ) -> Judgement:
        """Judge the anomaly scores of recordings; those without a label do not enter the metrics.

        The metrics are empty where the recordings are not both normal and abnormal.

        The threshold is the machine's own, from its recordings for training. A machine without any, whose group's
        other machines were learnt from, has the threshold of the group.
        """
        is_labelled = (recordings["label"] != UNLABELLED).to_numpy()
        labelled = recordings[is_labelled]
        calibration = trained.calibrations[way]
        metrics: dict[str, Any] = dict.fromkeys(_METRICS, np.nan)
        threshold = calibration.threshold(key)
        metrics |= {"threshold": threshold, "threshold_from": calibration.threshold_from(key)}
        if has_metrics(recordings):
            is_abnormal = (labelled["label"] == "abnormal").to_numpy()
            metrics |= detection_metrics(is_abnormal, outputs[is_labelled], labelled["domain"].to_numpy())
            metrics |= decision_metrics(is_abnormal, outputs[is_labelled], threshold)
        return Judgement(metrics, describe(recordings, score=outputs))


def prepare(settings: DetectionSettings) -> pd.DataFrame:
    """The recordings of an experiment, with a column ``split``: ``train``, ``eval`` or ``supplemental``."""
    recordings = split_for_detection(find(settings.data))
    return hold_out(_with_supplements(recordings, settings), settings.run.scope or "machine")


def _with_supplements(recordings: pd.DataFrame, settings: DetectionSettings) -> pd.DataFrame:
    """Say what supplemental recordings there are, and leave them out where no detector can learn from them."""
    is_supplement = recordings["split"] == SUPPLEMENTAL
    if not is_supplement.any():
        return recordings
    fused = [name for name in settings.scoring.clip.fuse if REGISTRY[name].knows_machines]
    users = [name for name in settings.run.models if REGISTRY[name].knows_machines and (name != "fusion" or fused)]
    counts = recordings.loc[is_supplement, "supplement"].value_counts()
    log.warning(
        "Supplemental recordings: %d of a machine without noise, %d of noise alone; %s.",
        counts.get("clean", 0),
        counts.get("noise", 0),
        f"they are other machines to {', '.join(users)}" if users else "none of the chosen detectors can use them",
    )
    return recordings if users else recordings[~is_supplement].reset_index(drop=True)


def hold_out(recordings: pd.DataFrame, scope: str) -> pd.DataFrame:
    """Let the last fifth of a machine's recordings be for evaluation where its machine group has nothing to score.

    That is where all recordings are normal and no layout says which ones are for evaluation. The last ones in the
    order of the names are the latest, as a rule: the scores then show how a detector does on later recordings. Of a
    challenge the recordings for evaluation are published later, and all others are for training.

    Parameters
    ----------
    recordings : pd.DataFrame
        With a column ``split``.
    scope : str
        Which machines share a model.
    """
    held_out: list[str] = []
    for group in make_groups(recordings, scope):
        if group.of_split("eval").empty and not awaits_evaluation(group.recordings):
            for machine in group.machines:
                count = min(max(1, round(_HELD_OUT * len(machine))), len(machine) - 1)
                held_out += machine["path"].iloc[len(machine) - count :].tolist()
    return recordings.assign(split=recordings["split"].where(~recordings["path"].isin(held_out), "eval"))


def plan(
    settings: DetectionSettings, recordings: pd.DataFrame, task_class: type[DetectionTask] = DetectionTask
) -> list[DetectionTask]:
    """The tasks of an experiment: one for each seed, model and machine group.

    Raises
    ------
    UserError
        No machine group can be used.
    """
    run, clip, planner = settings.run, settings.scoring.clip, Planner(settings, PROTOCOL)
    recordings = recordings.assign(is_lent=are_lent(recordings))
    if clip.classes == "attributes" and not recordings["attributes"].any():
        raise UserError("--classes attributes: no file name has any here; leave it out, and machines are told apart")
    scopes = {model: scope_of(model, run.scope, clip) for model in run.models}
    groups, subjects = _groups(recordings, list(dict.fromkeys(scopes.values())))
    name_those_not_judged(
        [group for model in run.models if REGISTRY[model].knows_machines for group in groups[scopes[model]]]
    )
    for number, training in enumerate(with_seeds(settings.training, run.seeds)):
        for model, scope in scopes.items():
            if number and not draws_random_numbers(model, clip):
                continue  # the first seed's is the same
            for group in groups[scope]:
                planner.add(
                    task_class,
                    model,
                    group,
                    training,
                    subjects=_subjects(subjects[group], group, REGISTRY[model]),
                    ways=scoring_ways(
                        model, settings.scoring.scoring, settings.scoring.score_pooling, settings.scoring.backend
                    ),
                    options=clip_options(model, clip),
                    scope=scope,
                    clip=clip,
                )
    return _trainable(planner.tasks)


def _groups(
    recordings: pd.DataFrame, scopes: Sequence[str]
) -> tuple[dict[str, list[MachineGroup]], dict[MachineGroup, list[Subject]]]:
    """The machine groups of each scope, and what their models are evaluated on.

    Raises
    ------
    UserError
        No machine group can be used.
    """
    said: set[str] = set()
    groups = {scope: usable(make_groups(recordings, scope), why_not, said) for scope in scopes}
    every = [group for of_scope in groups.values() for group in of_scope]
    copies: dict[str, str] = {}
    for of_scope in groups.values():
        copies |= find_copies(of_scope)
    warn_of_copies(copies)
    subjects = {
        group: [*subjects_of(group, scope, can_evaluate), *waiting(group)]
        for scope in scopes
        for group in groups[scope]
    }
    name_those_without_metrics([subject for group in every for subject in subjects[group]])
    return groups, subjects


def _subjects(subjects: list[Subject], group: MachineGroup, entry: Entry) -> list[Subject]:
    """What a model is evaluated on: one that knows machines apart, on the machines that it has learnt."""
    if not entry.knows_machines:
        return subjects
    learnt = set(group.of_split("train")[MACHINE].itertuples(index=False, name=None))
    return [subject for subject in subjects if subject.key in learnt]


def _trainable(tasks: list[DetectionTask]) -> list[DetectionTask]:
    """Drop the tasks of detectors that know machines apart which have nothing to learn or to judge, and say so.

    Raises
    ------
    UserError
        No task is left.
    """
    kept: list[DetectionTask] = []
    dropped: dict[tuple[str, str], list[str]] = {}
    one_class = _with_one_class(tasks)
    for task in tasks:
        if why := _why_not_trained(task, task in one_class):
            names = dropped.setdefault(why, [])
            names += [machine_name(machine[machine_columns(machine)].iloc[0]) for machine in task.group.machines]
        else:
            kept.append(task)
    for (reason, remedy), names in dropped.items():
        message = f"{reason}: {', '.join(dict.fromkeys(names))}{remedy}"
        if not kept:
            raise UserError(message)
        log.warning("Not used: %s.", message)
    _name_lesser_fusions([task for task in kept if task.model == "fusion" and task in one_class])
    return kept


def _name_lesser_fusions(tasks: list[DetectionTask]) -> None:
    """Warn once of the fusions that do without some members, because there is no other machine to compare with."""
    names = {task.group.name: [name for name in task.clip.fuse if REGISTRY[name].knows_machines] for task in tasks}
    if missing := {name: members for name, members in names.items() if members}:
        members = next(iter(missing.values()))
        log.warning(
            "Fusion does without %s, for want of another machine to compare with, in %d of its groups: %s.",
            " and ".join(members),
            len(missing),
            ", ".join(missing),
        )


def _why_not_trained(task: DetectionTask, has_one_class: bool) -> tuple[str, str] | None:
    """Why a detector that knows machines apart can do nothing with the machines of its group, and the remedy."""
    if REGISTRY[task.model].has_embedding and has_one_class:
        remedy = {
            "machine": "; leave --scope out, or choose type or all",
            "type": "; --scope all compares machines of all types, if --base_dir and the options leave some",
            "all": "; choose more machines",
        }[task.scope]
        return f"{task.model} learns to tell machines apart, and has no other to compare with", remedy
    if task.model == "fusion" and has_one_class and len(without_others(task.clip.fuse)) < 2:
        return "of --fuse nothing is left to fuse where there is no other machine to learn from", ""
    if not task.evaluations:
        return f"{task.model} finds none with recordings both to train on and to evaluate with", ""
    return None


def _with_one_class(tasks: list[DetectionTask]) -> set[DetectionTask]:
    """Those of detectors that know machines apart which learn from recordings with nothing to tell apart."""
    known: dict[tuple[MachineGroup, str], bool] = {}
    found = set()
    for task in tasks:
        if not REGISTRY[task.model].knows_machines:
            continue
        key = task.group, task.clip.classes  # seeds and models share groups
        if key not in known:
            train = task.group.recordings[learnt_from(task.group.recordings, task.model)]
            if "supplement" in train:  # noise tells nothing apart that one wants to know
                train = train[train["supplement"] == ""]
            known[key] = len(Origins.of(train, task.clip.classes).classes) < 2
        if known[key]:
            found.add(task)
    return found


def can_evaluate(recordings: pd.DataFrame, key: Key) -> bool:
    """Tell whether there is a recording to score; metrics are empty where they do not exist."""
    return len(recordings) > 0


def why_not(group: MachineGroup) -> str:
    """Why no detector of this group can be trained and evaluated; empty where it can be."""
    if group.of_split("train").empty:
        return "no normal recording is left to train on"
    is_useful = len(group.of_split("eval")) or awaits_evaluation(group.recordings)
    return "" if is_useful else "no recording is left to evaluate with"
