"""What a trained model and a row of results depend on: all that makes a difference to them, and nothing else."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from mimii.data.machines import machine_name
from mimii.data.recordings import fingerprint
from mimii.models.choices import member_settings, training_settings
from mimii.settings import ClipSettings, FeatureSettings, TrainingSettings
from mimii.storage.names import digest
from mimii.sweep.groups import Key

Way = tuple[str, str]  # scoring and pooling of window scores; each is empty where there is nothing to choose


@dataclass(frozen=True, eq=False)
class Subject:
    """A machine, or a whole machine group, and the recordings that a model is evaluated on.

    Attributes
    ----------
    key : tuple of str
        SNR, type and ID.
    recordings : pd.DataFrame
        An empty table where the recordings for evaluation are still to come.
    digest : str
        Of these recordings and, of a data set with a name, of the name and of what the challenge tells about them.
    dataset : str
    part : str
        The part of a challenge's data set that the machine is in; empty for a group of machines.
    """

    key: Key
    recordings: pd.DataFrame
    digest: str
    dataset: str = ""
    part: str = ""

    @classmethod
    def of(cls, key: Key, recordings: pd.DataFrame, dataset: str = "", part: str = "") -> "Subject":
        """Make one, with its digest."""
        facts: list = fingerprint(recordings)
        if dataset or ("part" in recordings and bool((recordings["part"] != "").any())):
            facts = [dataset, facts, recordings[["domain", "attributes"]].values.tolist()]
        return cls(key, recordings, digest(facts), dataset, part)

    @property
    def name(self) -> str:
        """The data set and the key as one name."""
        return machine_name((self.dataset, *self.key))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a row of results is about.

    Attributes
    ----------
    run_id : str
        Hash of all settings that make a difference, and of the recordings for training and for evaluation.
    subject : Subject
    way : tuple of str
        How the model's output becomes that for a recording; empty texts where there is one way.
    """

    run_id: str
    subject: Subject
    way: Way


def used_settings(model: str, settings: TrainingSettings, device: str, clip: ClipSettings) -> dict[str, Any]:
    """The training settings that make a difference to a model on a device.

    The members of a fusion have their own numbers of epochs, which are not named here where nobody asked for others.
    """
    names = training_settings(model, clip)
    own = member_settings(model, settings)
    used = {name: value for name, value in asdict(own).items() if name in names and value is not None}
    if not device.startswith("cuda"):
        used.pop("tf32", None)
    return used


def draws_random_numbers(model: str, clip: ClipSettings) -> bool:
    """Tell whether another seed makes another model."""
    return "seed" in training_settings(model, clip)


def derive_seed(*parts: Any) -> int:
    """A seed of 63 bits from the parts alone, so that neither the order of tasks nor their number changes it."""
    text = "|".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def training_digest(
    *,
    protocol: int,
    model: str,
    scope: str,
    features: FeatureSettings,
    training: TrainingSettings,
    device: str,
    recordings: str,
    options: dict[str, Any],
    clip: ClipSettings,
) -> str:
    """Digest of all that a trained model depends on.

    Parameters
    ----------
    protocol : int
        Number of the code's rules; it is raised when a change of the code changes the numbers.
    model, scope : str
    features : FeatureSettings
    training : TrainingSettings
    device : str
    recordings : str
        Digest of the recordings for training.
    options : dict
        What else the kind of task or the model chooses from.
    clip : ClipSettings
        They say which members a fusion has.
    """
    return digest(
        {
            "protocol": protocol,
            "model": model,
            "scope": scope,
            "features": asdict(features),
            "training": used_settings(model, training, device, clip),
            "device": device.partition(":")[0],
            "recordings": recordings,
            "options": options,
        }
    )


def evaluations(model_digest: str, subjects: Sequence[Subject], ways: Sequence[Way]) -> tuple[Evaluation, ...]:
    """The rows that a task gives: one for each subject and each way of scoring."""
    return tuple(
        Evaluation(digest([model_digest, list(subject.key), subject.digest, list(way)]), subject, way)
        for subject in subjects
        for way in ways
    )


def with_seeds(settings: TrainingSettings, seeds: Sequence[int]) -> list[TrainingSettings]:
    """The training settings with each of the seeds or, without seeds, as they are; each once."""
    return [replace(settings, seed=seed) for seed in dict.fromkeys(seeds or [settings.seed])]
