"""The function that makes a model of the registry."""

import importlib
from typing import TYPE_CHECKING, Any

from mimii.models.choices import clip_options
from mimii.models.registry import CLASSIFIERS, REGISTRY
from mimii.settings import ClipSettings

if TYPE_CHECKING:
    from mimii.models.base import Model


def create_model(
    name: str,
    *,
    n_mels: int = 64,
    frames: int = 5,
    num_classes: int = 2,
    balanced: bool = True,
    device: str = "cpu",
    clip: ClipSettings | None = None,
) -> "Model":
    """Make an unfitted detector or classifier.

    Parameters
    ----------
    name : str
        A name of the registry.
    n_mels, frames : int > 0
        Shape of a window, (frames, n_mels).
    num_classes : int >= 2
        Of a classifier.
    balanced : bool
        A classifier weighs each class by the inverse of its share of the training windows.
    device : str
        Where a network runs: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    clip : ClipSettings, optional
        Of a clip-level detector.

    Raises
    ------
    ValueError
        No such model, or one that can't take windows of this shape.
    """
    if name not in REGISTRY:
        raise ValueError(f"unknown model {name!r}; there are {', '.join(REGISTRY)}")
    entry = REGISTRY[name]
    if needed := entry.misfit(n_mels, frames):
        raise ValueError(f"{name} needs {needed}")
    model_class = getattr(importlib.import_module(f"mimii.{entry.module}"), entry.name)
    arguments: dict[str, Any] = {"name": name, "n_mels": n_mels, "frames": frames, "device": device}
    if name in CLASSIFIERS:
        arguments |= {"num_classes": num_classes, "balanced": balanced}
    if entry.is_clip_level:
        arguments["options"] = clip_options(name, clip or ClipSettings())
    if entry.reconstructs:
        from mimii.models.network import NetworkClassifier, NetworkDetector

        arguments["network_class"] = model_class
        model_class = NetworkClassifier if name in CLASSIFIERS else NetworkDetector
    model: Model = model_class(**arguments)
    return model
