"""Which detector a monitor is, and what it is made of where there are recordings of other machines, or none."""

from collections.abc import Sequence
from dataclasses import replace

from mimii.errors import UserError
from mimii.models.choices import check_scoring, members, misfit
from mimii.models.registry import DETECTORS, REGISTRY
from mimii.runtime.spelling import did_you_mean
from mimii.settings import FUSED, ClipSettings, MonitorSettings

MANY = 50  # recordings: of fewer, ldn and id_embedding know too little, which are parts of fusion


def recommended(count: int) -> str:
    """The detector for a number of healthy recordings where there is no faulty one to compare detectors with."""
    return "fusion" if count >= MANY else "mahalanobis"


def uses_others(model: str, clip: ClipSettings) -> bool:
    """Tell whether a detector, or a member of it, learns from other machines, too."""
    return any(REGISTRY[name].knows_machines for name in members(model, clip))


def check(settings: MonitorSettings, *, has_others: bool) -> tuple[str | None, ClipSettings]:
    """See that a detector can learn from such recordings.

    Parameters
    ----------
    settings : MonitorSettings
    has_others : bool
        There are recordings of other machines.

    Returns
    -------
    model : str, or None
        None where it depends on the number of recordings: then it is `recommended`.
    clip : ClipSettings
        Of that model, or of fusion: what it says of recordings holds for all that may be recommended.

    Raises
    ------
    UserError
        There is no such detector, or it can't.
    """
    model, clip = settings.model, settings.scoring.clip
    if model is not None and model not in DETECTORS:
        raise UserError(f"there is no detector {model}{did_you_mean(model, DETECTORS)}")
    check_scoring(settings.scoring)
    if model is None and clip.fuse != FUSED:
        model = "fusion"
    if has_others and model and not uses_others(model, clip):
        embeddings = [name for name, entry in DETECTORS.items() if entry.knows_machines]
        raise UserError(f"{listed(members(model, clip))} can't learn from --others; {listed(embeddings)} can")
    if not has_others:
        clip = without_others(model or "fusion", clip)
    if needed := misfit(model or "fusion", settings.features.n_mels, settings.training.frames, clip):
        raise UserError(f"{model or 'fusion'} needs {needed}")
    return model, clip


def without_others(model: str, clip: ClipSettings) -> ClipSettings:
    """The settings of a detector that has one machine to learn from: a fusion does without some of its members.

    Raises
    ------
    UserError
        Nothing, or nothing to be fused, is left.
    """
    alone = tuple(name for name in members(model, clip) if not REGISTRY[name].knows_machines)
    remedy = "give healthy recordings of other machines by --others, a folder for each"
    if not alone:
        verb = "learns" if model != "fusion" else "learn"
        raise UserError(f"{listed(members(model, clip))} {verb} to tell machines apart: {remedy}")
    if model != "fusion":
        return clip
    if len(alone) == 1:
        raise UserError(f"without other machines nothing is left of the fusion but {alone[0]}: {remedy}")
    return replace(clip, fuse=alone)


def listed(names: Sequence[str]) -> str:
    """``ldn, mahalanobis and id_embedding``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
