"""Scores of healthy recordings by detectors that have not learnt from them, from which an alarm's threshold follows.

In turn some recordings are held out, and a detector of the same kind learns from the others and scores them. Those that
are held out together are neighbours in time: a machine, and what is around it, drifts, and a recording that was made a
minute before or after would make the held-out one look more usual than one of next month will.
"""

import copy
import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from mimii.models import REGISTRY
from mimii.models.base import Detector
from mimii.models.gaussian import Gaussian
from mimii.models.registry import Way
from mimii.models.trained import TrainedDetector, windows_of
from mimii.monitoring.curve import curve
from mimii.monitoring.healthy import Healthy
from mimii.monitoring.monitor import Monitor
from mimii.monitoring.recipe import BLOCKS, Recipe
from mimii.runtime.logs import about
from mimii.runtime.processes import in_parallel

log = logging.getLogger(__name__)


def blocks_of(count: int, blocks: int) -> list[slice]:
    """Blocks of consecutive recordings that are nearly of the same size: as many as asked for, or one a recording."""
    edges = np.linspace(0, count, min(blocks, count) + 1).round().astype(int).tolist()
    return [slice(*edge) for edge in pairwise(edges)]


@dataclass(eq=False)
class Fitted:
    """A detector that has learnt from recordings, and what others of its kind say of those they have not learnt from.

    Attributes
    ----------
    model : Detector
        It has learnt from all of the recordings.
    history : dict of str to Any
        Of its training.
    scores : dict of (str, str) to np.ndarray [shape=(n,)]
        Of each recording when it was held out, for every way of scoring of the detector.
    highest : np.ndarray [shape=(n,)]
        The highest value of its score over time then, in the chosen way of scoring.
    trainings : int
        How many detectors scored held-out recordings.
    """

    model: Detector
    history: dict[str, Any]
    scores: dict[Way, np.ndarray]
    highest: np.ndarray
    trainings: int


@dataclass(frozen=True, eq=False, kw_only=True)
class _Fit:
    """A detector to fit, and the block of recordings that it does not learn from and scores; an empty one for none."""

    block: slice
    parts: list[np.ndarray]
    recipe: Recipe
    way: Way
    healthy: Healthy

    @property
    def name(self) -> str:
        without = f" without recordings {self.block.start + 1} to {self.block.stop}" if self.held_out else ""
        return f"{self.recipe.model}{without}"

    @property
    def held_out(self) -> int:
        """How many recordings it does not learn from."""
        return int(self.block.stop - self.block.start)

    @property
    def epochs(self) -> int:
        return self.recipe.epochs(len(self.parts) - self.held_out, len(self.parts))


def fit_and_hold_out(parts: list[np.ndarray], recipe: Recipe, way: Way, healthy: Healthy, jobs: int) -> Fitted:
    """Fit a detector to recordings, and score each of them by one that has learnt from the others.

    The recordings are split into blocks, and each block is held out in turn. A clip-level detector is fitted again for
    each of twenty blocks. Networks, and the models of scikit-learn that see windows, are trained again for each of five
    blocks, or of up to twenty where there are fewer than 100 recordings, in processes side by side.

    The scoring ``mahalanobis`` of a network rests on the distribution of its mean residuals, which is found for each of
    twenty blocks even where the network is trained for five. The network of a fold has not seen a fifth of the
    recordings. For each block of that fifth, the distribution is fitted to the network's residuals on all other
    recordings.

    Parameters
    ----------
    parts : list of np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        The log-mel frames of each recording, in the order of time [dB].
    recipe : Recipe
    way : (str, str)
        Of scoring, for the score over time.
    healthy : Healthy
        Of all of the recordings.
    jobs : int > 0
        Processes.

    Raises
    ------
    TaskError
        The detector can't learn from these recordings.
    """
    blocks = [slice(0, 0), *blocks_of(len(parts), recipe.trainings(len(parts)))]
    fits = [_Fit(block=block, parts=parts, recipe=recipe, way=way, healthy=healthy) for block in blocks]
    log.info(
        "Training %s on %d recordings, and %d times more with some of them held out.",
        recipe.model,
        len(parts),
        len(fits) - 1,
        extra={"sweep": (len(fits), sum(fit.epochs for fit in fits))},
    )
    is_quick = REGISTRY[recipe.model].is_clip_level or recipe.device != "cpu"
    fitted: tuple[Detector, dict[str, Any]] | None = None
    every_way: dict[Way, np.ndarray] = {}
    highest = np.empty(len(parts))
    with closing(in_parallel(_fit, fits, 1 if is_quick else jobs)) as results:
        for result in results:
            log.debug("%s is trained.", result.name, extra={"task_ended": True})
            if result.fitted:
                fitted = result.fitted
            for block, scores, values in result.judged:
                highest[block] = values
                for each, found in scores.items():
                    every_way.setdefault(each, np.empty(len(parts)))[block] = found
    assert fitted is not None
    return Fitted(*fitted, every_way, highest, len(fits) - 1)


class _Result(NamedTuple):
    name: str
    fitted: tuple[Detector, dict[str, Any]] | None  # where nothing was held out
    judged: list[tuple[slice, dict[Way, np.ndarray], list[float]]]


def _fit(fit: _Fit) -> _Result:
    parts, recipe, block = fit.parts, fit.recipe, fit.block
    with about(fit.name):
        model, history = recipe.fit([*parts[: block.start], *parts[block.stop :]], len(parts))
    if not fit.held_out:
        return _Result(fit.name, (model, history), [])
    facts = dict(zip(("scoring", "score_pooling"), fit.way, strict=True))
    judged = []
    for part, detector in _without_blocks(model, fit):
        scores = detector.score_every_way(windows_of(parts[part], recipe.frames))
        monitor = Monitor(TrainedDetector(detector, recipe.features, recipe.sample_rate, {}, facts), fit.healthy)
        judged.append((part, scores, [float(curve(monitor, frames)[1].max()) for frames in parts[part]]))
    return _Result(fit.name, None, judged)


def _without_blocks(model: Detector, fit: _Fit) -> Iterator[tuple[slice, Detector]]:
    """The parts of what was held out, each with a detector that knows nothing of it."""
    if not REGISTRY[fit.recipe.model].is_network:
        yield fit.block, model
        return
    from mimii.models.network import NetworkDetector

    assert isinstance(model, NetworkDetector)
    _, residuals = model.mean_residuals(windows_of(fit.parts, fit.recipe.frames))
    for part in blocks_of(fit.held_out, BLOCKS // fit.recipe.trainings(len(fit.parts))):
        block = slice(fit.block.start + part.start, fit.block.start + part.stop)
        detector = copy.copy(model)
        detector.residuals = Gaussian.fit(np.delete(residuals, block, axis=0), equalise=True)
        yield block, detector
