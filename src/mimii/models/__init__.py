"""Detectors and classifiers: their registry, their contract, and the files that hold trained ones."""

from mimii.models.registry import (
    BASELINES,
    CLASSIFIERS,
    DETECTORS,
    REGISTRY,
    Entry,
    Way,
    clip_options,
    create_model,
    list_models,
    scoring_ways,
)

__all__ = [
    "BASELINES",
    "CLASSIFIERS",
    "DETECTORS",
    "REGISTRY",
    "Entry",
    "Way",
    "clip_options",
    "create_model",
    "list_models",
    "scoring_ways",
]
