"""Detectors and classifiers: their registry, their contract, and the files that hold trained ones."""

from mimii.models.choices import Way, clip_options, scoring_ways
from mimii.models.factory import create_model
from mimii.models.registry import BASELINES, CLASSIFIERS, DETECTORS, REGISTRY, Entry, list_models

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
