"""How a model is to be trained, and who is told when a step is done."""

from dataclasses import dataclass, field
from typing import Protocol

from mimii.settings import TrainingSettings


class Hooks(Protocol):
    """Is told how a training goes on."""

    def after_step(self) -> float:
        """Is called after each step; returns the seconds that are not counted as training time."""


class NoHooks:
    """Does nothing."""

    def after_step(self) -> float:
        """No time is left uncounted."""
        return 0.0


@dataclass(frozen=True)
class Training:
    """All that a fit takes beside the windows.

    Attributes
    ----------
    settings : TrainingSettings
    seed : int
        All random numbers of the training come from it, and not from the seed of the settings, which models share.
    hooks : Hooks
    """

    settings: TrainingSettings
    seed: int
    hooks: Hooks = field(default_factory=NoHooks)
