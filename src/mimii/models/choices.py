"""What follows from the choice of a model and its settings; a fusion's answers are those of its members."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from mimii.errors import UserError
from mimii.models.registry import DETECTORS, REGISTRY
from mimii.runtime.spelling import did_you_mean
from mimii.settings import (
    BACKENDS,
    CLASSES,
    MOST_NETWORKS,
    NATIVE,
    SCORE_POOLINGS,
    SCORINGS,
    ClipSettings,
    ScoringSettings,
    TrainingSettings,
)

Way = tuple[str, str]  # of scoring a recording: the scoring, and the pooling of window scores or an empty text


def members(name: str, clip: ClipSettings) -> tuple[str, ...]:
    """The detectors that a model is made of: those of a fusion, or the model itself."""
    return clip.fuse if name == "fusion" else (name,)


def training_settings(name: str, clip: ClipSettings) -> tuple[str, ...]:
    """The fields of `mimii.settings.TrainingSettings` that make a difference to a model, or to one of its members."""
    known = {field for member in members(name, clip) for field in REGISTRY[member].settings}
    return tuple(field for field in TrainingSettings.__dataclass_fields__ if field in known)


def member_settings(name: str, settings: TrainingSettings) -> TrainingSettings:
    """The settings with a model's own numbers of epochs and windows in a step, where they are left to it."""
    if name == "fusion":
        return settings  # its members have their own
    entry = REGISTRY[name]
    return replace(
        settings,
        epochs=entry.epochs if settings.epochs is None else settings.epochs,
        batch_size=entry.batch_size if settings.batch_size is None else settings.batch_size,
    )


def scope_of(name: str, scope: str | None, clip: ClipSettings) -> str:
    """Which machines share a model, where the settings ask for a scope or for none.

    A fusion shares what the member of the widest scope does.
    """
    own = {REGISTRY[member].scope for member in members(name, clip)}
    return scope or next(wider for wider in ("all", "type", "machine") if wider in own)


def needs_samples(name: str, clip: ClipSettings) -> bool:
    """Tell whether a model needs the samples of recordings."""
    return any(REGISTRY[member].needs_samples for member in members(name, clip))


def trains_network(name: str, clip: ClipSettings) -> bool:
    """Tell whether a model, or a member of it, is trained in epochs on any device."""
    return any(REGISTRY[member].is_network for member in members(name, clip))


def window_length(name: str, frames: int, clip: ClipSettings) -> int:
    """Frames in a model's windows, where the settings ask for so many."""
    return max(REGISTRY[member].window_length(frames) for member in members(name, clip))


def misfit(name: str, n_mels: int, frames: int, clip: ClipSettings) -> str:
    """What a model, or a member of it, needs instead of windows of this shape; empty where it can take them."""
    return next(filter(None, (REGISTRY[member].misfit(n_mels, frames) for member in members(name, clip))), "")


def without_others(fuse: Sequence[str]) -> tuple[str, ...]:
    """The detectors of a fusion that need no other machine to learn from; it can't be made of fewer than two."""
    return tuple(name for name in fuse if not REGISTRY[name].knows_machines)


def check_scoring(scoring: ScoringSettings) -> None:
    """See that the settings of detectors with an embedding, and of fusions, are some that there are.

    Raises
    ------
    UserError
        They are not.
    """
    clip = scoring.clip
    for name, values, choices in (("--classes", [clip.classes], CLASSES), ("--backend", scoring.backend, BACKENDS)):
        for value in values:
            if value not in choices:
                raise UserError(f"{name} {value}: there is no such one{did_you_mean(value, choices)}")
    if clip.ensemble is not None and not 1 <= clip.ensemble <= MOST_NETWORKS:
        raise UserError(f"--ensemble {clip.ensemble}: an ensemble has 1 to {MOST_NETWORKS} networks")
    check_fusion(clip.fuse)


def check_fusion(fuse: Sequence[str]) -> None:
    """See that detectors can be fused.

    Raises
    ------
    UserError
        One does not exist or is named twice, or there are fewer than two.
    """
    choices = [name for name in DETECTORS if name != "fusion"]
    for name in fuse:
        if name not in choices:
            suggestion = did_you_mean(name, choices)
            raise UserError(f"--fuse {name}: it can't be fused{suggestion}; there are {', '.join(choices)}")
    if len(set(fuse)) < max(2, len(fuse)):
        raise UserError("--fuse: a fusion needs two detectors or more, and each one once")


def scoring_ways(
    name: str,
    scorings: Sequence[str] = SCORINGS,
    score_poolings: str | Sequence[str] = SCORE_POOLINGS,
    backends: Sequence[str] = BACKENDS,
) -> list[Way]:
    """The ways in which a detector scores a recording.

    Parameters
    ----------
    name : str
        A detector of the registry.
    scorings : sequence of str
        Of `mimii.settings.SCORINGS`: those that are wanted of a detector that reconstructs.
    score_poolings : str or sequence of str
        Of `mimii.settings.SCORE_POOLINGS`: those that are wanted where windows have scores.
    backends : sequence of str
        Of `mimii.settings.BACKENDS`: those that are wanted of a detector with an embedding.

    Returns
    -------
    list of (str, str)
        Scoring and pooling of window scores; the pooling is empty where windows have no scores. The scoring of a
        detector that neither reconstructs nor embeds is ``native``.
    """
    entry = REGISTRY[name]
    if entry.has_embedding:
        return [(backend, "") for backend in backends]
    poolings = [score_poolings] if isinstance(score_poolings, str) else list(score_poolings)
    ways: list[Way] = []
    for scoring in scorings if entry.reconstructs else [NATIVE]:
        has_window_scores = not (entry.is_clip_level or scoring == "mahalanobis")
        ways += [(scoring, pooling) for pooling in (poolings if has_window_scores else [""])]
    return ways


def fusion_way(name: str) -> Way:
    """How a detector scores as a member of a fusion: a network by its residuals, an embedding by local density."""
    return scoring_ways(name, scorings=("mahalanobis",), score_poolings="mean", backends=("ldn",))[0]


def clip_options(name: str, clip: ClipSettings) -> dict[str, Any]:
    """Those of the settings that make a difference to a detector that judges a recording as a whole; else none."""
    known = {option for member in {name, *members(name, clip)} for option in REGISTRY[member].options}
    options = {option: value for option, value in asdict(clip).items() if option in known}
    if clip.pooling != "twfr":
        options.pop("twfr_r", None)
    if "fuse" in options:
        options["fuse"] = " ".join(clip.fuse)
    if "ensemble" in options:
        options["ensemble"] = REGISTRY[name].ensemble if clip.ensemble is None else clip.ensemble
    if name == "fusion" and clip.ensemble is None:
        options.pop("ensemble", None)  # each member has its own
    return options
