"""One model for one machine group: trained or loaded, applied, measured, and turned into rows of results."""

import logging
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, Self, TypeVar, cast

import numpy as np
import pandas as pd

from mimii.data.machines import machine_name
from mimii.data.recordings import is_synthetic
from mimii.data.splits import choose_clips
from mimii.errors import TaskError
from mimii.evaluation.efficiency import PeakMemory, device_name
from mimii.features.origins import Origins
from mimii.features.store import FeatureStore, log_skipped
from mimii.features.windows import Features, Windows
from mimii.models import REGISTRY
from mimii.models.base import Model
from mimii.models.choices import member_settings, needs_samples, trains_network, window_length
from mimii.models.files import TrainedClassifier, TrainedDetector, load_model
from mimii.runtime.exclusive import Exclusive
from mimii.settings import ClipSettings, TrainingSettings
from mimii.storage.files import CacheError
from mimii.sweep.groups import Key, MachineGroup, learnt_from
from mimii.sweep.identity import Evaluation, Way, derive_seed
from mimii.sweep.rows import (
    Judgement,
    Outcome,
    fact_columns,
    history_table,
    subject_columns,
    training_columns,
    training_seconds,
)
from mimii.training.history import History
from mimii.training.hooks import Hooks, Training

log = logging.getLogger(__name__)

Trained = TypeVar("Trained", TrainedDetector, TrainedClassifier)


@dataclass(frozen=True, eq=False, kw_only=True)
class Task(ABC, Generic[Trained]):
    """One model for one machine group.

    Attributes
    ----------
    model : str
        A name of the registry.
    scope : str
        ``machine``, ``type`` or ``all``.
    group : MachineGroup
        Its recordings have a column ``split``, ``train`` or ``eval``.
    evaluations : tuple of Evaluation
        The rows that it gives.
    store : FeatureStore
        Holds the features of the group's machines.
    settings : TrainingSettings
    model_path : Path
        Where the trained model is kept.
    device : str
    jobs : int
        How many tasks run side by side; of the training it goes into the row.
    retrain : bool
        Train even where the trained model is kept already.
    options : dict of str to Any
        What else makes a difference to the model; columns of the results table.
    clip : ClipSettings
        For detectors that judge a recording as a whole.
    """

    model: str
    scope: str
    group: MachineGroup
    evaluations: tuple[Evaluation, ...]
    store: FeatureStore
    settings: TrainingSettings
    model_path: Path
    device: str
    jobs: int
    retrain: bool
    options: dict[str, Any]
    clip: ClipSettings = field(default_factory=ClipSettings)

    # --- what differs between detection and classification

    @abstractmethod
    def create_model(self) -> Model:
        """Make the model, not yet fitted."""

    @abstractmethod
    def targets(self, recordings: pd.DataFrame) -> np.ndarray | None:
        """The class of each recording, shape (n,); None where the model learns without labels."""

    def origins(self, recordings: pd.DataFrame) -> Origins | None:
        """Where each recording comes from; None where the model need not know it."""
        return None

    @abstractmethod
    def complete(
        self, model: Model, features: Features, windows: Windows, validation: Windows | None, training: Training
    ) -> Trained:
        """Add to a fitted model all that its file must hold, but for the facts about its training."""

    @abstractmethod
    def apply(self, trained: Trained, windows: Windows, way: Way) -> tuple[np.ndarray, np.ndarray]:
        """The model's output for each recording.

        Returns
        -------
        numbers : np.ndarray [shape=(n,), dtype=int64]
            The recordings that have windows, ascending.
        outputs : np.ndarray [shape=(n, ...)]
        """

    def apply_every_way(self, trained: Trained, windows: Windows) -> dict[Way, tuple[np.ndarray, np.ndarray]]:
        """What `apply` gives, for each way of the evaluations."""
        return {way: self.apply(trained, windows, way) for way in self.ways}

    @abstractmethod
    def measure(self, trained: Trained, windows: Windows, way: Way) -> dict[str, Any]:
        """What the model costs where it is used: its parameters, latency and throughput, as columns."""

    @abstractmethod
    def can_evaluate(self, recordings: pd.DataFrame, key: Key) -> bool:
        """Tell whether the metrics of a machine or a machine group exist on these recordings."""

    @abstractmethod
    def evaluate(
        self, trained: Trained, recordings: pd.DataFrame, outputs: np.ndarray, key: Key, way: Way
    ) -> Judgement:
        """Judge the outputs for the recordings of a machine or a machine group.

        Parameters
        ----------
        trained : TrainedDetector or TrainedClassifier
        recordings : pd.DataFrame [n rows]
        outputs : np.ndarray [shape=(n, ...)]
            The model's output for each recording.
        key : tuple of str
            SNR, type and ID.
        way : tuple of str
            The way of scoring.
        """

    def to_evaluate(self, recordings: pd.DataFrame) -> np.ndarray:
        """Which recordings are for evaluation: np.ndarray [shape=(n,), dtype=bool]."""
        return (recordings["split"] == "eval").to_numpy()

    def way_columns(self, way: Way) -> dict[str, Any]:
        """The way of scoring as columns, where there are several."""
        return {}

    # --- what is the same

    @property
    def name(self) -> str:
        """Model and machine group."""
        return f"{self.model} {self.group.name}"

    @property
    def is_network(self) -> bool:
        """The model, or a member of it, is trained in epochs."""
        return trains_network(self.model, self.clip)

    @property
    def can_be_stacked(self) -> bool:
        """Its network can be trained side by side with those of other machine groups, and need not know them."""
        return False

    @property
    def epochs(self) -> int:
        """How many epochs it trains for; 0 for a model that knows none."""
        settings = member_settings(self.model, self.settings)
        return (settings.epochs or 0) * int(self.options.get("ensemble", 1)) if REGISTRY[self.model].is_network else 0

    @property
    def window_length(self) -> int:
        """Frames in a window."""
        return window_length(self.model, self.settings.frames, self.clip)

    @property
    def needs_samples(self) -> bool:
        """The model, or a member of it, needs the samples of recordings."""
        return needs_samples(self.model, self.clip)

    @property
    def ways(self) -> list[Way]:
        """The ways of scoring of its evaluations."""
        return list(dict.fromkeys(evaluation.way for evaluation in self.evaluations))

    def training_windows(self, features: Features) -> tuple[Windows, Windows]:
        """Windows to learn from, and windows of other recordings for validation, for a model that uses them."""
        is_train = learnt_from(features.recordings, self.model)
        is_validation = np.zeros_like(is_train)
        if self.is_network:
            is_validation[is_train] = choose_clips(
                features.recordings[is_train], self.settings.val_split, self.settings.seed, purpose="validation"
            )
        targets, origins = self.targets(features.recordings), self.origins(features.recordings)
        return (
            features.windows(self.window_length, is_train & ~is_validation, targets, origins),
            features.windows(self.window_length, is_validation, targets, origins),
        )

    def remaining(self, done: set[str]) -> Self | None:
        """The task without the ways of scoring that have rows; None where nothing is left to do.

        The rows of a way are written at once, and the row of a machine without usable recordings is never written.
        So a single row says that its way is done.

        Parameters
        ----------
        done : set of str
            Every ``run_id`` that has a row.
        """
        ways_done = {evaluation.way for evaluation in self.evaluations if evaluation.run_id in done}
        missing = tuple(evaluation for evaluation in self.evaluations if evaluation.way not in ways_done)
        return replace(self, evaluations=missing) if missing else None

    def run(self) -> Outcome:
        """Train or load the model, apply it to the recordings for evaluation, measure its cost.

        Raises
        ------
        TaskError
            Nothing can be learnt or evaluated with the recordings, or training failed.
        """
        exclusive = Exclusive(self.device)
        with exclusive.working():
            features = self.load_features()
            trained = self._trained(features, exclusive)
            windows = features.windows(
                self.window_length, self.to_evaluate(features.recordings), origins=self.origins(features.recordings)
            )
            if any(len(evaluation.subject.recordings) for evaluation in self.evaluations):
                if not len(windows):
                    raise TaskError("no recording for evaluation could be used")
                outputs = self.apply_every_way(trained, windows)
            else:  # they are still to come, and the cost is measured with those for training
                outputs = dict.fromkeys(self.ways, (np.empty(0, dtype=np.int64), np.empty(0)))
                is_train = (features.recordings["split"] == "train").to_numpy()
                windows = features.windows(self.window_length, is_train, origins=self.origins(features.recordings))
            if not all(np.isfinite(values).all() for _, values in outputs.values()):
                raise TaskError("the model's outputs are not finite")
        with exclusive.alone():
            costs = {way: self.measure(trained, windows, way) for way in self.ways}
        return self._outcome(features, trained, outputs, costs, "yes" if exclusive.was_alone else "no")

    def _outcome(
        self,
        features: Features,
        trained: Trained,
        outputs: dict[Way, tuple[np.ndarray, np.ndarray]],
        costs: dict[Way, dict[str, Any]],
        measured_alone: str,
    ) -> Outcome:
        """The rows of all evaluations, and what is kept beside them."""
        common = {
            "model": self.model,
            "dataset_scope": self.scope,
            **self.options,
            **asdict(self.store.settings),
            **training_columns(self.model, self.settings, self.device, self.clip),
            **fact_columns(trained.facts),
            "measured_alone": measured_alone,
            "skipped_files": len(features.skipped),
            "synthetic": "yes" if is_synthetic(self.group.recordings["path"].iloc[0]) else "no",
            "variant": trained.model.variant,
            "device": self.device.partition(":")[0],
        }
        history = history_table(trained.facts) if trained.facts["train_loss"] else None
        outcome = Outcome(self.name)
        figures: dict[Way, list[dict[str, Any]]] = {}
        unfit: set[str] = set()
        for evaluation in self.evaluations:
            numbers, values = outputs[evaluation.way]
            evaluated = features.recordings.iloc[numbers].reset_index(drop=True)
            is_in = evaluated["path"].isin(evaluation.subject.recordings["path"]).to_numpy()
            recordings = evaluated[is_in]
            if not self.can_evaluate(recordings, evaluation.subject.key):
                unfit.add(machine_name(evaluation.subject.key))
                continue
            subject = evaluation.subject.key
            judgement = self.evaluate(trained, recordings, values[is_in], subject, evaluation.way)
            row = {
                **common,
                **costs[evaluation.way],
                **self.way_columns(evaluation.way),
                "training_time_sec": training_seconds(trained.facts, evaluation.way),
                **subject_columns(evaluation),
                **judgement.metrics,
                "eval_files": len(recordings),
            }
            outcome.add(row, judgement, history)
            is_of_group = subject == self.group.key
            kept: list[dict[str, Any]] = [] if is_of_group else figures.get(evaluation.way, [])
            figures[evaluation.way] = [*kept, dict(list(judgement.metrics.items())[:2])]
        for name in sorted(unfit):
            log.warning("%s can't be evaluated with the recordings that are left.", name)
        if not outcome.rows:
            raise TaskError("no machine of it can be evaluated")
        if not any(row["eval_files"] for row in outcome.rows):
            outcome.message = f"ready for its evaluation set; trained in {trained.facts['training_time_sec']:.1f} s"
            return outcome
        texts = [
            f"{scoring}: {_text(metrics)}" if len(figures) > 1 else _text(metrics)
            for (scoring, _), metrics in figures.items()
        ]
        outcome.message = f"{'; '.join(texts)}; trained in {trained.facts['training_time_sec']:.1f} s"
        return outcome

    def load_features(self) -> Features:
        """The features of the group's machines; recordings of fewer frames than a window has are skipped."""
        try:
            features = Features.concatenate(
                [self.store.load(machine, self.needs_samples) for machine in self.group.machines]
            )
        except (OSError, CacheError) as error:
            raise TaskError(f"its features can't be loaded ({error}); give the command again") from error
        lengths = np.diff(features.offsets)
        too_short = features.recordings.loc[lengths < self.window_length, "path"]
        reasons = dict.fromkeys(too_short, f"fewer frames than the {self.window_length} of --frames")
        log_skipped(reasons)
        features.skipped.update(reasons)
        return features

    def _trained(self, features: Features, exclusive: Exclusive) -> Trained:
        """The trained model, from the cache where it is there."""
        if not self.retrain and self.model_path.exists():
            try:
                return self._loaded()
            except CacheError as error:
                log.warning("The model file %s: it is trained again.", error)

        windows, validation = self.learning_windows(features)
        model = self.create_model()
        model.load_libraries()
        training = self.training(exclusive)
        with PeakMemory(self.device) as memory:
            history = model.fit(windows, validation, training)
        return self.keep(
            model,
            features,
            windows,
            validation,
            training,
            history,
            {"memory_usage_mb": memory.gpu_mb, "peak_ram_mb": memory.ram_mb, "stacked_with": 0},
        )

    def learning_windows(self, features: Features) -> tuple[Windows, Windows | None]:
        """Windows to learn from, and those for validation where there are some.

        Raises
        ------
        TaskError
            There is nothing to learn from.
        """
        windows, validation = self.training_windows(features)
        if not len(windows):
            raise TaskError("no recording for training could be used")
        return windows, validation if len(validation) else None

    @property
    def training_seed(self) -> int:
        """The seed of its model's training."""
        return derive_seed(self.settings.seed, self.model)

    def training(self, hooks: Hooks) -> Training:
        """How its model is to be trained."""
        return Training(member_settings(self.model, self.settings), self.training_seed, hooks)

    def keep(
        self,
        model: Model,
        features: Features,
        windows: Windows,
        validation: Windows | None,
        training: Training,
        history: History,
        facts: dict[str, Any],
    ) -> Trained:
        """Complete a fitted model and write its file.

        Parameters
        ----------
        model : Model
        features : Features
            Of its machine group.
        windows, validation, training
            What it was fitted with.
        history : History
        facts : dict of str to Any
            About the training; columns of a row of results.
        """
        trained = self.complete(model, features, windows, validation, training)
        learnt_from = [part.recording for part in (windows, validation) if part is not None]
        trained.facts = {
            **asdict(history),
            **facts,
            "train_files": len(np.unique(np.concatenate(learnt_from))),
            "torch_version": version("torch"),
            "device_name": device_name(self.device),
            "jobs": self.jobs,
        }
        trained.save(self.model_path)
        return trained

    def _loaded(self) -> Trained:
        trained = load_model(self.model_path, self.device)
        if trained.model.name != self.model:
            raise CacheError(f"{self.model_path.name} holds the model {trained.model.name}")
        return cast("Trained", trained)  # the name says which of the two classes it is


def _text(metrics: list[dict[str, Any]]) -> str:
    """The metrics of a machine or a machine group or, of several machines, their means."""
    means = {name: pd.Series([of_one[name] for of_one in metrics], dtype=float).mean() for name in metrics[0]}
    texts = [f"{name} {value:.3f}" for name, value in means.items() if np.isfinite(value)]
    return f"{'mean ' if len(metrics) > 1 and texts else ''}{', '.join(texts) or 'scored'}"
