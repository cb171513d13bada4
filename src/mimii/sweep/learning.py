"""What a task learns: the features of its machine group, the windows to learn from, the trained model and its file."""

import logging
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import numpy as np
import pandas as pd

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
from mimii.sweep.groups import MachineGroup, learnt_from
from mimii.sweep.identity import derive_seed
from mimii.training.history import History
from mimii.training.hooks import Hooks, Training

log = logging.getLogger(__name__)

Trained = TypeVar("Trained", TrainedDetector, TrainedClassifier)


@dataclass(frozen=True, eq=False, kw_only=True)
class Learning(ABC, Generic[Trained]):
    """One model that learns from one machine group.

    Attributes
    ----------
    model : str
        A name of the registry.
    group : MachineGroup
        Its recordings have a column ``split``, ``train`` or ``eval``.
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
    group: MachineGroup
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

    def trained(self, features: Features, exclusive: Exclusive) -> Trained:
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
