"""From the settings of an experiment to its tasks: what detection and classification share."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from mimii.data.machines import ALL, DATASET_MACHINE, MACHINE, machine_name
from mimii.data.recordings import find_recordings, fingerprint, is_synthetic, select
from mimii.errors import UserError
from mimii.features.store import FeatureStore
from mimii.models import REGISTRY
from mimii.models.choices import trains_network
from mimii.settings import (
    JOBS_PER_GPU,
    ClassificationSettings,
    ClipSettings,
    DataSettings,
    DetectionSettings,
    RunSettings,
    TrainingSettings,
)
from mimii.storage.names import digest, model_file
from mimii.sweep.groups import MachineGroup, learnt_from
from mimii.sweep.identity import Subject, Way, evaluations, training_digest
from mimii.sweep.task import Task

log = logging.getLogger(__name__)

AnyTask = TypeVar("AnyTask", bound=Task)


def find(settings: DataSettings) -> pd.DataFrame:
    """The recordings that the settings choose.

    A column ``machines_in_part`` says how many machines the data set has in the part, chosen ones and others.

    Raises
    ------
    UserError
        There are none, synthetic machines lie beside real ones, or a machine has the name of a whole group.
    """
    found = find_recordings(settings.base_dir, settings.layout, dataset=settings.dataset, truth=settings.ground_truth)
    machines = found.drop_duplicates(DATASET_MACHINE).groupby(["dataset", "part"]).size().rename("machines_in_part")
    recordings = select(
        found.join(machines, on=["dataset", "part"]),
        snr=settings.snr,
        machine_type=settings.machine_type,
        machine_id=settings.machine_id,
    )
    for column in MACHINE:
        named_all = recordings.loc[recordings[column] == ALL, "path"]
        if not named_all.empty:  # its rows could not be told from those of the whole group
            raise UserError(
                f"--base_dir holds the {column} '{ALL}', a word that stands for all of them in the results: rename "
                f"that directory above {named_all.iloc[0]}"
            )
    paths = recordings["path"]
    firsts = paths.groupby(paths.map(os.path.dirname)).first()  # the parts of a machine may lie apart
    synthetic = [path for path in firsts if is_synthetic(path)]
    if synthetic and len(synthetic) < len(firsts):  # they would enter the same means
        raise UserError(
            f"--base_dir holds synthetic machines ({Path(synthetic[0]).parents[1]} and others) beside real ones: "
            "point it at one data set, or remove the synthetic one"
        )
    return recordings


class Planner:
    """Makes the tasks of an experiment; several GPUs take turns.

    Parameters
    ----------
    settings : DetectionSettings or ClassificationSettings
    protocol : int
        Number of the experiment's rules; see `mimii.sweep.identity.training_digest`.

    Attributes
    ----------
    tasks : list of Task
        Those that were made so far.
    """

    def __init__(self, settings: DetectionSettings | ClassificationSettings, protocol: int):
        self._run = settings.run
        self._features = settings.features
        self._protocol = protocol
        # absolute: workers on other hosts may have another working directory
        self._store = FeatureStore(settings.run.pickle_dir.absolute(), settings.features)
        self._model_dir = settings.run.model_dir.absolute()
        self._devices = devices(settings.run.device)
        self._jobs = {device: count_jobs(settings.run, self._devices) for device in self._devices}
        self._jobs.setdefault("cpu", count_jobs(settings.run, ["cpu"]))
        self._digests: dict[tuple, str] = {}  # of the recordings that a group's models learn from
        self.tasks: list[Any] = []

    def add(
        self,
        task_class: type[Task],
        model: str,
        group: MachineGroup,
        training: TrainingSettings,
        *,
        subjects: Sequence[Subject],
        ways: Sequence[Way],
        options: dict[str, Any],
        scope: str,
        clip: ClipSettings | None = None,
        **extra: Any,
    ) -> None:
        """Make a task.

        Parameters
        ----------
        task_class : type
        model : str
        group : MachineGroup
        training : TrainingSettings
        subjects : sequence of Subject
            What the group's models are evaluated on.
        ways : sequence of tuple
            The ways of scoring.
        options : dict of str to Any
            What else makes a difference to the model; columns of the results table.
        scope : str
            Which machines share the model.
        clip : ClipSettings, optional
            Of a detector.
        **extra
            Further attributes of the task.
        """
        clip = clip or ClipSettings()
        device = self._devices[len(self.tasks) % len(self._devices)] if trains_network(model, clip) else "cpu"
        knows_machines = REGISTRY[model].knows_machines
        has_attributes = options.get("classes") == "attributes"
        learnt = group, knows_machines, has_attributes
        if learnt not in self._digests:
            recordings = group.recordings[learnt_from(group.recordings, model)]
            facts: list = fingerprint(recordings)
            if has_attributes:  # a list beside the recordings may say them
                facts = [facts, recordings["attributes"].tolist()]
            self._digests[learnt] = digest(facts)
        model_digest = training_digest(
            protocol=self._protocol,
            model=model,
            scope=scope,
            features=self._features,
            training=training,
            device=device,
            recordings=self._digests[learnt],
            options=options,
            clip=clip,
        )
        self.tasks.append(
            task_class(
                model=model,
                scope=scope,
                group=group,
                evaluations=evaluations(model_digest, subjects, ways),
                store=self._store,
                settings=training,
                # without the data set's name: a renamed one is not learnt again
                model_path=self._model_dir / model_file(model, machine_name(group.key), model_digest),
                device=device,
                jobs=self._jobs[device],
                retrain=self._run.retrain,
                options=options,
                clip=clip,
                **extra,
            )
        )


def devices(name: str) -> list[str]:
    """The devices that tasks are given in turn."""
    from mimii.runtime.devices import choose_device

    device = choose_device(name)
    if device != "cuda":
        return [device]
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def count_jobs(run: RunSettings, available: Sequence[str]) -> int:
    """How many tasks run side by side."""
    from joblib import cpu_count

    if run.scheduler:
        from mimii.runtime.cluster import count_workers

        return count_workers(run.scheduler)
    if run.jobs:
        return run.jobs
    cores = int(cpu_count())
    return cores if list(available) == ["cpu"] else min(cores, JOBS_PER_GPU * len(available))
