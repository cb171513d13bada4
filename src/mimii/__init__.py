"""Baselines for anomalous machine sounds.

Data flow, one room of the package for each arrow::

    recordings -> log-mel frames -> windows -> model -> a score for each recording -> a row of metrics

The public API: settings, `run` and `load_model`, and to watch a machine `train_monitor`, `Monitor` and `judge`.
``src/example_usage.py`` shows it. Heavy libraries are loaded when a name is used, so that ``import mimii`` takes a
moment only.
"""

import importlib
from typing import TYPE_CHECKING, Any

from mimii.errors import UserError
from mimii.settings import (
    ClassificationSettings,
    ClipSettings,
    DataSettings,
    DetectionSettings,
    FeatureSettings,
    MonitorSettings,
    RunSettings,
    ScoringSettings,
    TrainingSettings,
)

if TYPE_CHECKING:
    from mimii.models.files import Score, TrainedClassifier, TrainedDetector, load_model
    from mimii.monitoring.judging import Judgement, judge
    from mimii.monitoring.monitor import Monitor
    from mimii.monitoring.training import train_monitor
    from mimii.sweep.engine import Result
    from mimii.sweep.experiment import run

__version__ = "0.7.0"

__all__ = [
    "ClassificationSettings",
    "ClipSettings",
    "DataSettings",
    "DetectionSettings",
    "FeatureSettings",
    "Judgement",
    "Monitor",
    "MonitorSettings",
    "Result",
    "RunSettings",
    "Score",
    "ScoringSettings",
    "TrainedClassifier",
    "TrainedDetector",
    "TrainingSettings",
    "UserError",
    "judge",
    "load_model",
    "run",
    "train_monitor",
]

_MODULES = {
    "Result": "mimii.sweep.engine",
    "run": "mimii.sweep.experiment",
    "Monitor": "mimii.monitoring.monitor",
    "train_monitor": "mimii.monitoring.training",
    **dict.fromkeys(("Judgement", "judge"), "mimii.monitoring.judging"),
    **dict.fromkeys(("Score", "TrainedClassifier", "TrainedDetector", "load_model"), "mimii.models.files"),
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
