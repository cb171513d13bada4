"""One model for one pool of machines: trained or loaded, used, measured, and turned into rows of results."""

import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from mimii.data.recordings import MACHINE, choose_clips, fingerprint, machine_name
from mimii.errors import TaskError
from mimii.evaluation.efficiency import MB, Occupancy, PeakMemory, device_name
from mimii.features.store import FeatureStore, log_left_out
from mimii.features.windows import Features, Windows
from mimii.models import REGISTRY
from mimii.models.base import Model
from mimii.settings import TrainingSettings
from mimii.storage import files
from mimii.storage.results import timestamp

log = logging.getLogger(__name__)

ALL = "all"  # stands for the SNR, type or ID of a pool of machines

# columns of the results tables, in this order: what the row is about, how well it does, at what cost, how it was made
WHAT = ["model", "snr", "machine_type", "machine_id", "dataset_scope"]
COST = [
    *("training_time_sec", "model_size_mb", "num_parameters", "inference_time_ms", "throughput_samples_per_sec"),
    *("memory_usage_mb", "peak_ram_mb"),
]
HOW = [
    *("n_mels", "frames", "n_fft", "hop_length", "power", "channel"),
    *("epochs", "batch_size", "learning_rate", "val_split", "seed", "tf32"),
    *("train_files", "eval_files", "skipped_files", "train_samples", "variant"),
    *("device", "device_name", "jobs", "torch_version", "run_id", "timestamp"),
]

# what is the same in the machines of a pool
_SCOPES = {"machine": MACHINE, "type": ["snr", "machine_type"], "all": []}


@dataclass(frozen=True, eq=False)
class Pool:
    """Machines that share a model.

    Attributes
    ----------
    key : tuple of str
        SNR, type and ID; ``all`` for what differs within the pool.
    machines : list of pd.DataFrame
        The recordings of each machine.
    """

    key: tuple[str, str, str]
    machines: list[pd.DataFrame]

    @property
    def name(self) -> str:
        """The key as one name."""
        return machine_name(self.key)

    @property
    def recordings(self) -> pd.DataFrame:
        """The recordings of all its machines."""
        return pd.concat(self.machines, ignore_index=True)


def make_pools(recordings: pd.DataFrame, scope: str) -> list[Pool]:
    """Divide recordings by what shares a model: each ``machine``, each SNR and ``type``, or ``all``."""
    shared = _SCOPES[scope]
    groups = [group for _, group in recordings.groupby(shared)] if shared else [recordings]
    pools = []
    for group in groups:
        first = group.iloc[0]
        key = tuple(first[column] if column in shared else ALL for column in MACHINE)
        machines = [machine.reset_index(drop=True) for _, machine in group.groupby(MACHINE)]
        pools.append(Pool(key, machines))
    return pools


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a row of results is about.

    Attributes
    ----------
    run_id : str
        Hash of all settings and of the recordings for training and for evaluation.
    key : tuple of str
        SNR, type and ID of a machine, or of a pool.
    recordings : pd.DataFrame
        Those that are evaluated.
    scoring : str
        How the model's output became that for a recording; empty where there is only one way.
    """

    run_id: str
    key: tuple[str, str, str]
    recordings: pd.DataFrame
    scoring: str = ""


@dataclass
class Outcome:
    """What a task gave.

    Attributes
    ----------
    task : str
        Its name.
    rows : list of dict
        Rows for the results table, one a ``run_id``.
    files : dict of Path to pd.DataFrame
        Tables to keep, by their place in the results directory.
    message : str
        One line about how it went.
    failed : bool
        It gave no rows; ``message`` says why.
    details : str
        The traceback of an unexpected failure, for the log file.
    """

    task: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    files: dict[Path, pd.DataFrame] = field(default_factory=dict)
    message: str = ""
    failed: bool = False
    details: str = ""


def derive_seed(*parts: Any) -> int:
    """A seed of 63 bits from the parts alone, so that neither the order of tasks nor their number changes it."""
    text = "|".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Task(ABC):
    """One model for one pool of machines.

    Attributes
    ----------
    model : str
        A name of the registry.
    scope : str
        ``machine``, ``type`` or ``all``.
    pool : Pool
        Its recordings have a column ``split``, ``train`` or ``eval``.
    store : FeatureStore
        Holds the features of the pool's machines.
    settings : TrainingSettings
    model_dir : Path
        Where trained models are kept.
    device : str
    jobs : int
        How many tasks run side by side; it goes into the row.
    retrain : bool
        Train even where the trained model is in ``model_dir``.
    scoring : tuple of str
        The ways in which the model's output becomes that for a recording, each of which gives rows of its own; where
        there is one way it has no name.
    """

    metrics: ClassVar[list[str]]  # columns of the results table
    protocol: ClassVar[int] = 3  # raise it when a change of the code changes the numbers: all is then done again

    model: str
    scope: str
    pool: Pool
    store: FeatureStore
    settings: TrainingSettings
    model_dir: Path
    device: str
    jobs: int
    retrain: bool
    scoring: tuple[str, ...] = ("",)

    # --- what differs between detection and classification

    @abstractmethod
    def create_model(self) -> Model:
        """Make the model, not yet fitted."""

    @abstractmethod
    def apply(self, model: Model, windows: Windows, scoring: str) -> tuple[np.ndarray, np.ndarray]:
        """The model's output for each recording.

        Returns
        -------
        numbers : np.ndarray [shape=(n,), dtype=int64]
            The recordings that have windows, ascending.
        outputs : np.ndarray [shape=(n, ...)]
        """

    @abstractmethod
    def measure(self, model: Model, windows: Windows, scoring: str) -> dict[str, Any]:
        """What the model costs where it is used: its parameters, latency and throughput, as columns."""

    @abstractmethod
    def targets(self, recordings: pd.DataFrame) -> np.ndarray | None:
        """What the model has to learn of each recording, shape (n,); None where it learns without labels."""

    @abstractmethod
    def can_evaluate(self, recordings: pd.DataFrame, key: tuple[str, str, str]) -> bool:
        """Tell whether the metrics of a machine or pool exist on these recordings."""

    @abstractmethod
    def evaluate(
        self, recordings: pd.DataFrame, outputs: np.ndarray, key: tuple[str, str, str], reference: Any = None
    ) -> "Judgement":
        """Judge the outputs for the recordings of a machine or pool.

        Parameters
        ----------
        recordings : pd.DataFrame [n rows]
        outputs : np.ndarray [shape=(n, ...)]
            The model's output for each recording.
        key : tuple of str
            SNR, type and ID.
        reference : Any
            What `reference` gave, where the kind of task has any.
        """

    def reference(self, model: Model, features: Features, scoring: str) -> Any:
        """What the model's outputs are compared with, from the recordings for training; None where with nothing."""
        return

    # --- what is the same

    @property
    def name(self) -> str:
        """Model and pool."""
        return f"{self.model} {self.pool.name}"

    @property
    def epochs(self) -> int:
        """How many epochs it trains for; 0 for a model that knows none."""
        return self.settings.epochs if REGISTRY[self.model].is_network else 0

    def training_facts(self) -> dict[str, Any]:
        """All that the trained model depends on."""
        recordings = self.pool.recordings
        return {
            "protocol": self.protocol,
            "model": self.model,
            "scope": self.scope,
            "features": asdict(self.store.settings),
            "training": asdict(self.settings),
            "device": self.device.partition(":")[0],
            "recordings": fingerprint(recordings[recordings["split"] == "train"]),
        }

    def training_windows(self, features: Features) -> tuple[Windows, Windows]:
        """Windows to learn from, and windows of other recordings for validation, where the model has a use for them."""
        is_train = (features.recordings["split"] == "train").to_numpy()
        is_validation = np.zeros_like(is_train)
        if self.epochs:
            is_validation[is_train] = choose_clips(
                features.recordings[is_train], self.settings.val_split, self.settings.seed, purpose="validation"
            )
        targets = self.targets(features.recordings)
        return (
            features.windows(self.settings.frames, is_train & ~is_validation, targets),
            features.windows(self.settings.frames, is_validation, targets),
        )

    def row_facts(self) -> dict[str, Any]:
        """What a kind of task adds to its rows."""
        return {}

    def scoring_facts(self, scoring: str) -> dict[str, Any]:
        """What a way of scoring adds to its rows; another such fact is another run, of the same trained model."""
        return {}

    def model_path(self) -> Path:
        """Where the trained model is kept."""
        name = f"{self.model}_{files.file_name(self.pool.name)}_{files.digest(self.training_facts())}"
        return self.model_dir / (name + (".pt" if self.epochs else ".skops"))

    def evaluations(self) -> list[Evaluation]:
        """The rows that the task gives: one a machine that can be evaluated and, for a pool of several, its own.

        And that for each way of scoring.
        """
        facts = self.training_facts()
        groups = [(tuple(machine[MACHINE].iloc[0]), machine) for machine in self.pool.machines]
        if self.scope != "machine":
            groups.append((self.pool.key, self.pool.recordings))
        evaluations = []
        for key, group in groups:
            chosen = group[group["split"] == "eval"]
            if self.can_evaluate(chosen, key):
                clips = fingerprint(chosen)
                for scoring in self.scoring:
                    run_id = files.digest([facts, key, clips, *filter(None, [self.scoring_facts(scoring)])])
                    evaluations.append(Evaluation(run_id, key, chosen, scoring))
        return evaluations

    def remaining(self, evaluations: Sequence[Evaluation], done: set[str]) -> "Task | None":
        """What of the task is still to be done: all, or the ways of scoring that have no row; None where nothing is.

        The rows of a way are written at once, and that of a machine without usable recordings never comes: so one
        of them says that it is done.

        Parameters
        ----------
        evaluations : sequence of Evaluation
            What `evaluations` gave.
        done : set of str
            Every ``run_id`` that has a row.
        """
        ways_done = {evaluation.scoring for evaluation in evaluations if evaluation.run_id in done}
        missing = tuple(scoring for scoring in self.scoring if scoring not in ways_done)
        return replace(self, scoring=missing) if missing else None

    def run(self) -> Outcome:
        """Train or load the model, apply it to the recordings for evaluation, measure its cost.

        Raises
        ------
        TaskError
            There is nothing to train on or nothing to evaluate with, or training failed.
        """
        occupancy = Occupancy(self.device)
        with occupancy.working():
            features = self._load_features()
            model, facts = self._trained(features, occupancy)
            windows = features.windows(self.settings.frames, (features.recordings["split"] == "eval").to_numpy())
            if not len(windows):
                raise TaskError("no recording for evaluation could be used")
            outputs = {scoring: self.apply(model, windows, scoring) for scoring in self.scoring}
            if not all(np.isfinite(values).all() for _, values in outputs.values()):
                raise TaskError("the model's outputs are not finite")
            references = {scoring: self.reference(model, features, scoring) for scoring in self.scoring}
        with occupancy.alone():
            costs = {scoring: self.measure(model, windows, scoring) for scoring in self.scoring}

        common = {
            "model": self.model,
            "dataset_scope": self.scope,
            **{name: facts[name] for name in ("training_time_sec", "memory_usage_mb", "peak_ram_mb")},
            "model_size_mb": self.model_path().stat().st_size / MB,
            **self.row_facts(),
            **asdict(self.store.settings),
            **asdict(self.settings),
            **{name: facts[name] for name in ("train_files", "train_samples", "torch_version", "device_name", "jobs")},
            "skipped_files": len(features.left_out),
            "variant": model.variant,
            "device": self.device.partition(":")[0],
        }
        outcome = Outcome(self.name)
        for evaluation in self.evaluations():
            numbers, values = outputs[evaluation.scoring]
            evaluated = features.recordings.iloc[numbers].reset_index(drop=True)
            is_in = evaluated["path"].isin(evaluation.recordings["path"]).to_numpy()
            recordings = evaluated[is_in]
            if not self.can_evaluate(recordings, evaluation.key):
                if evaluation.scoring == self.scoring[0]:
                    machine = machine_name(evaluation.key)
                    log.warning("%s can't be evaluated with the recordings that are left.", machine)
                continue
            judgement = self.evaluate(recordings, values[is_in], evaluation.key, references[evaluation.scoring])
            outcome.rows.append(
                {
                    **common,
                    **costs[evaluation.scoring],
                    **self.scoring_facts(evaluation.scoring),
                    **dict(zip(MACHINE, evaluation.key, strict=True)),
                    **judgement.metrics,
                    "eval_files": len(recordings),
                    "run_id": evaluation.run_id,
                    "timestamp": timestamp(),
                }
            )
            stem = f"{self.model}_{files.file_name(machine_name(evaluation.key))}_{evaluation.run_id}"
            for suffix, table in judgement.tables.items():
                outcome.files[Path("scores") / f"{stem}{suffix}.csv"] = table
            if self.epochs:
                outcome.files[Path("history") / f"{stem}.csv"] = _history_table(facts)
        if not outcome.rows:
            raise TaskError("no machine of it can be evaluated")
        rows = outcome.rows[-len(self.scoring) :]  # the machine's or, of several, the pool's
        figures = [", ".join(f"{name} {row[name]:.3f}" for name in self.metrics[:2]) for row in rows]
        if len(rows) > 1:
            figures = [f"{scoring}: {text}" for scoring, text in zip(self.scoring, figures, strict=True)]
        outcome.message = f"{'; '.join(figures)}; trained in {facts['training_time_sec']:.1f} s"
        return outcome

    def _load_features(self) -> Features:
        """The features of the pool's machines; recordings of fewer frames than a window has count as left out."""
        try:
            features = Features.concatenate([self.store.load(machine) for machine in self.pool.machines])
        except (OSError, files.CacheError) as error:
            raise TaskError(f"its features can't be loaded ({error}); give the command again") from error
        lengths = np.diff(features.offsets)
        too_short = features.recordings.loc[lengths < self.settings.frames, "path"]
        reasons = dict.fromkeys(too_short, f"fewer frames than the {self.settings.frames} of --frames")
        log_left_out(reasons)
        features.left_out.update(reasons)
        return features

    def _trained(self, features: Features, occupancy: Occupancy) -> tuple[Model, dict[str, Any]]:
        """The trained model and the facts about its training, from the cache where they are there."""
        model = self.create_model()
        path = self.model_path()
        if not self.retrain and path.exists():
            try:
                return model, model.load(path)
            except files.CacheError as error:
                log.warning("The model file %s: it is trained again.", error)

        windows, validation = self.training_windows(features)
        if not len(windows):
            raise TaskError("no recording for training could be used")
        with PeakMemory(self.device) as memory:
            history = model.fit(
                windows,
                validation if len(validation) else None,
                self.settings,
                seed=derive_seed(self.settings.seed, self.model),
                give_way=occupancy.give_way,
            )
        facts = {
            **asdict(history),
            "memory_usage_mb": memory.gpu_mb,
            "peak_ram_mb": memory.ram_mb,
            "train_files": len(np.unique(np.concatenate([windows.recording, validation.recording]))),
            "torch_version": _torch_version(),
            "device_name": device_name(self.device),
            "jobs": self.jobs,
        }
        model.save(path, facts)
        return model, facts


@dataclass
class Judgement:
    """How well a model does on a machine or a pool.

    Attributes
    ----------
    metrics : dict of str to float
        Columns of the results table.
    tables : dict of str to pd.DataFrame
        To keep beside the row, by the ending of the file name.
    """

    metrics: dict[str, float]
    tables: dict[str, pd.DataFrame]


def describe(recordings: pd.DataFrame, **columns: Sequence) -> pd.DataFrame:
    """What is kept of each evaluated recording: which it is, and what the model gave for it."""
    return recordings[["path", *MACHINE, "label"]].assign(**columns)


def _torch_version() -> str:
    import torch

    return str(torch.__version__)


def _history_table(facts: dict[str, Any]) -> pd.DataFrame:
    """The losses as a table, one row an epoch."""
    table = pd.DataFrame({"train_loss": facts["train_loss"]})
    table["val_loss"] = facts["val_loss"] or np.nan
    table.insert(0, "epoch", table.index + 1)
    return table
