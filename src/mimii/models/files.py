"""The files of trained models. A file is complete: `load_model` needs nothing else, and no file can run code."""

import os
from pathlib import Path
from typing import Any

from mimii.models import container
from mimii.models.base import Classifier, Detector, Model
from mimii.models.calibration import Calibration
from mimii.models.choices import Way, check_fusion, clip_options, scoring_ways
from mimii.models.container import Description, check_size
from mimii.models.factory import create_model
from mimii.models.registry import CLASSIFIERS
from mimii.models.trained import Score, TrainedClassifier, TrainedDetector
from mimii.settings import CLASSES, DEVICES, DIFFERENCE, DISTANCES, MOST_NETWORKS, POOLINGS, ClipSettings
from mimii.storage.files import CacheError, first_line

__all__ = ["CacheError", "Score", "TrainedClassifier", "TrainedDetector", "load_model"]


def load_model(path: str | os.PathLike[str], device: str = "cpu") -> TrainedDetector | TrainedClassifier:
    """Read a trained model; nothing in the file can run code.

    Parameters
    ----------
    path : path
        What `TrainedDetector.save` or `TrainedClassifier.save` wrote.
    device : str
        Where a network runs: one of ``auto``, ``cpu``, ``cuda`` and ``mps``, or as torch names it.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    CacheError
        The file is damaged, of another version of this program, or no model file.
    UserError
        There is no such device.
    """
    return load_with_parts(path, device)[0]


def load_with_parts(
    path: str | os.PathLike[str], device: str = "cpu"
) -> tuple[TrainedDetector | TrainedClassifier, dict[str, bytes]]:
    """Read a trained model and, by their names, the parts of its file that are not its own; see `load_model`."""
    path = Path(path)
    description, parts = container.load(path)
    try:
        model = _described_model(description)
        if model.learnt_file not in parts:
            raise ValueError(f"{', '.join(parts)!r:.40} is no part of {model.name}")
    except Exception as error:
        raise CacheError(f"{path.name}: {first_line(error)}") from error
    if model.uses_torch and device != "cpu":
        from mimii.runtime.devices import choose_device

        model.device = choose_device(device) if device in DEVICES else device
    try:
        model.from_bytes(parts.pop(model.learnt_file))
        features, rate, facts = description.features, description.sample_rate, description.facts
        if isinstance(model, Detector):
            return TrainedDetector(model, features, rate, _calibrations(description), facts), parts
        assert isinstance(model, Classifier)
        return TrainedClassifier(model, features, rate, description.classes, facts), parts
    except Exception as error:  # a learnt part from elsewhere can raise anything at all
        raise CacheError(f"{path.name}: {first_line(error)}") from error


def _described_model(description: Description) -> Model:
    """The model that a description is of, without what it has learnt.

    Raises
    ------
    ValueError
        There is no such model.
    """
    features, frames, name = description.features, description.frames, description.name
    sizes = {"frames": frames, "n_mels": features.n_mels, "n_fft": features.n_fft, "hop_length": features.hop_length}
    for size, value in (sizes | {"sample_rate": description.sample_rate}).items():
        check_size(size, value)
    if isinstance(features.channel, int):
        check_size("channel", features.channel, lowest=0)
    elif features.channel != DIFFERENCE:
        raise ValueError(f"there is no channel {features.channel!r:.40}")
    check_size("window", frames * features.n_mels)
    if not features.power > 0:
        raise ValueError(f"power can't be {features.power}")
    classes = description.classes
    is_classifier = name in CLASSIFIERS
    if len(set(classes)) != len(classes) or (len(classes) < 2 if is_classifier else classes):
        raise ValueError("the classes do not fit the model")
    if is_classifier and description.calibrations:
        raise ValueError("a classifier has no thresholds")
    options: dict[str, Any] = description.clip_options
    if "fuse" in options:
        options = options | {"fuse": tuple(options["fuse"].split())}
    clip = ClipSettings(**options)
    if clip.pooling not in POOLINGS or clip.distance not in DISTANCES or not 0 <= clip.twfr_r <= 1:
        raise ValueError("there are no such clip-level options")
    if clip.classes not in CLASSES or clip.ensemble not in (None, *range(1, 1 + MOST_NETWORKS)):
        raise ValueError("there is no such ensemble")
    check_fusion(clip.fuse)
    model = create_model(
        name,
        n_mels=features.n_mels,
        frames=frames,
        num_classes=len(classes),
        balanced=description.balanced,
        clip=clip,
    )
    if clip_options(name, clip) != description.clip_options:
        raise ValueError("the clip-level options do not fit the model")
    model.variant = description.variant
    return model


def _calibrations(description: Description) -> dict[Way, Calibration]:
    """The calibrations by their ways, in the order of the registry; each way must be there."""
    found = {(entry.scoring, entry.score_pooling): Calibration.from_entry(entry) for entry in description.calibrations}
    ways = scoring_ways(description.name)
    if set(found) != set(ways):
        raise ValueError("the calibrations are not those of the model's ways of scoring")
    return {way: found[way] for way in ways}
