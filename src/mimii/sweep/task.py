"""One model for one machine group: trained or loaded, applied, measured, and turned into rows of results."""

import logging
from abc import abstractmethod
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd

from mimii.data.machines import machine_name
from mimii.data.recordings import is_synthetic
from mimii.errors import TaskError
from mimii.features.windows import Features, Windows
from mimii.runtime.exclusive import Exclusive
from mimii.sweep.groups import Key
from mimii.sweep.identity import Evaluation, Way
from mimii.sweep.learning import Learning, Trained
from mimii.sweep.rows import (
    Judgement,
    Outcome,
    fact_columns,
    history_table,
    subject_columns,
    training_columns,
    training_seconds,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class Task(Learning[Trained]):
    """One model for one machine group: what it learns, see `mimii.sweep.learning.Learning`, and the rows it gives.

    Attributes
    ----------
    scope : str
        ``machine``, ``type`` or ``all``.
    evaluations : tuple of Evaluation
        The rows that it gives.
    """

    scope: str
    evaluations: tuple[Evaluation, ...]

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

    @property
    def ways(self) -> list[Way]:
        """The ways of scoring of its evaluations."""
        return list(dict.fromkeys(evaluation.way for evaluation in self.evaluations))

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
            trained = self.trained(features, exclusive)
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


def _text(metrics: list[dict[str, Any]]) -> str:
    """The metrics of a machine or a machine group or, of several machines, their means."""
    means = {name: pd.Series([of_one[name] for of_one in metrics], dtype=float).mean() for name in metrics[0]}
    texts = [f"{name} {value:.3f}" for name, value in means.items() if np.isfinite(value)]
    return f"{'mean ' if len(metrics) > 1 and texts else ''}{', '.join(texts) or 'scored'}"
