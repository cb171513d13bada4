"""Scores of healthy recordings by detectors that have not learnt from them, from which an alarm's threshold follows.

In turn some recordings are held out, and a detector of the same kind learns from the others and scores them. Those that
are held out together are neighbours in time: a machine, and what is around it, drifts, and a recording that was made a
minute before or after would make the held-out one look more usual than one of next month will.
"""

import copy
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from mimii.models import REGISTRY
from mimii.models.base import Detector
from mimii.models.choices import Way, fusion_way
from mimii.models.fusion import Fusion, scale_of
from mimii.models.gaussian import Gaussian
from mimii.models.machines import ONE_MACHINE
from mimii.models.trained import TrainedDetector
from mimii.monitoring.choosing import listed
from mimii.monitoring.curve import curve
from mimii.monitoring.healthy import Healthy
from mimii.monitoring.heard import Heard
from mimii.monitoring.monitor import Monitor
from mimii.monitoring.recipe import BLOCKS, Recipe, windows_of_heard
from mimii.runtime.logs import about
from mimii.runtime.processes import in_parallel
from mimii.settings import NATIVE
from mimii.training.history import History

log = logging.getLogger(__name__)


def blocks_of(count: int, blocks: int) -> list[slice]:
    """Blocks of consecutive recordings that are nearly of the same size: as many as asked for, or one a recording."""
    edges = np.linspace(0, count, min(blocks, count) + 1).round().astype(int).tolist()
    return [slice(*edge) for edge in pairwise(edges)]


@dataclass(eq=False, kw_only=True)
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
    curves : list of np.ndarray
        The score over time of each recording then, in the chosen way of scoring.
    trainings : int
        How many detectors were fitted in all.
    """

    model: Detector
    history: dict[str, Any]
    scores: dict[Way, np.ndarray]
    curves: list[np.ndarray]
    trainings: int


@dataclass(frozen=True, eq=False, kw_only=True)
class _Fit:
    """A detector to fit, and the block of recordings that it does not learn from and scores; an empty one for none."""

    block: slice
    heard: Sequence[Heard]
    recipe: Recipe
    way: Way
    healthy: Healthy
    frames: int  # at least, in a part of the score over time

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
        """Those that are logged one by one."""
        is_network = REGISTRY[self.recipe.model].is_network
        return self.recipe.epochs(len(self.heard) - self.held_out, len(self.heard)) if is_network else 0


def fit_and_hold_out(heard: Sequence[Heard], recipe: Recipe, way: Way, healthy: Healthy, jobs: int) -> Fitted:
    """Fit a detector to recordings, and score each of them by one that has learnt from the others.

    The recordings are split into blocks, and each block is held out in turn. A clip-level detector that is fitted in a
    moment is fitted again for each of twenty blocks. All that is trained in epochs, and the models of scikit-learn that
    see windows, are trained again for each of five blocks, or of up to twenty where there are fewer than 100
    recordings, in processes side by side. The recordings of other machines are learnt from each time.

    The scoring ``mahalanobis`` of a network that reconstructs rests on the distribution of its mean residuals, which is
    found for each of twenty blocks even where the network is trained for five. The network of a fold has not seen a
    fifth of the recordings. For each block of that fifth, the distribution is fitted to the network's residuals on all
    other recordings.

    Each member of a fusion is fitted and held out by itself. What is left to the fusion, the mean and the standard
    deviation of each member's scores of held-out recordings, is for each recording found from those of the others.

    Parameters
    ----------
    heard : sequence of Heard
        The recordings, in the order of time.
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
    members = recipe.of_members()
    fits = []
    for member in members:
        blocks = [slice(0, 0), *blocks_of(len(heard), member.trainings(len(heard)))]
        member_way = way if member.model == recipe.model else fusion_way(member.model)
        fits += [
            _Fit(block=block, heard=heard, recipe=member, way=member_way, healthy=healthy, frames=recipe.frames)
            for block in blocks
        ]
    fits.sort(key=lambda fit: fit.recipe.is_quick)  # what takes long comes first
    log.info(
        "Training %s on %d recordings, and %d times more with some of them held out.",
        listed([member.model for member in members]),
        len(heard),
        len(fits) - len(members),
        extra={"sweep": (len(fits), sum(fit.epochs for fit in fits))},
    )
    are_quick = all(member.is_quick for member in members)
    results: dict[str, list[_Result]] = {member.model: [] for member in members}
    with closing(in_parallel(_fit, fits, 1 if are_quick else jobs)) as every_result:
        for result in every_result:
            log.debug("%s is trained.", result.name, extra={"task_ended": True})
            results[result.model].append(result)
    fitted = {name: _complete(of_member) for name, of_member in results.items()}
    return fitted[recipe.model] if recipe.model in fitted else _fused(recipe, fitted)


class _Result(NamedTuple):
    name: str
    model: str
    fitted: tuple[Detector, dict[str, Any]] | None  # where nothing was held out
    judged: list["_Judged"]


class _Judged(NamedTuple):
    """What a detector says of a block of recordings that were held out."""

    block: slice
    scores: dict[Way, np.ndarray]
    curves: list[np.ndarray]


def _fit(fit: _Fit) -> _Result:
    heard, recipe, block = fit.heard, fit.recipe, fit.block
    with about(fit.name):
        model, history = recipe.fit([*heard[: block.start], *heard[block.stop :]], len(heard))
    if not fit.held_out:
        return _Result(fit.name, recipe.model, (model, history), [])
    facts = dict(zip(("scoring", "score_pooling"), fit.way, strict=True))
    judged = []
    for part, detector in _without_blocks(model, fit):
        scores = detector.score_every_way(windows_of_heard(heard[part], recipe.frames))
        monitor = Monitor(TrainedDetector(detector, recipe.features, recipe.sample_rate, {}, facts), fit.healthy)
        curves = [curve(monitor, one.frames, one.signal, fit.frames)[1] for one in heard[part]]
        judged.append(_Judged(part, scores, curves))
    return _Result(fit.name, recipe.model, None, judged)


def _without_blocks(model: Detector, fit: _Fit) -> Iterator[tuple[slice, Detector]]:
    """The parts of what was held out, each with a detector that knows nothing of it."""
    if not REGISTRY[fit.recipe.model].reconstructs:
        yield fit.block, model
        return
    from mimii.models.network import NetworkDetector

    assert isinstance(model, NetworkDetector)
    _, residuals = model.mean_residuals(windows_of_heard(fit.heard, fit.recipe.frames))
    for part in blocks_of(fit.held_out, BLOCKS // fit.recipe.trainings(len(fit.heard))):
        block = slice(fit.block.start + part.start, fit.block.start + part.stop)
        detector = copy.copy(model)
        detector.residuals = Gaussian.fit(np.delete(residuals, block, axis=0), equalise=True)
        yield block, detector


def _complete(results: list[_Result]) -> Fitted:
    """All that came of a detector and those that held something out."""
    model, history = next(result.fitted for result in results if result.fitted)
    judged = sorted((one for result in results for one in result.judged), key=lambda one: one.block.start)
    return Fitted(
        model=model,
        history=history,
        scores={way: np.concatenate([one.scores[way] for one in judged]) for way in judged[0].scores},
        curves=[values for one in judged for values in one.curves],
        trainings=len(results),
    )


def _fused(recipe: Recipe, fitted: dict[str, Fitted]) -> Fitted:
    """The fusion of detectors that were fitted and held out one by one."""
    model = recipe.new()
    assert isinstance(model, Fusion)
    scores = {name: one.scores[fusion_way(name)] for name, one in fitted.items()}
    model.take(ONE_MACHINE, {name: one.model for name, one in fitted.items()}, scores)
    count = len(next(iter(scores.values())))
    z_scores, curves = np.zeros(count), [np.zeros(len(values)) for values in next(iter(fitted.values())).curves]
    for name, one in fitted.items():
        for number in range(count):
            mean, std = scale_of(np.delete(scores[name], number), left_out=1)
            z_scores[number] += (scores[name][number] - mean) / std / len(fitted)
            curves[number] += (one.curves[number] - mean) / std / len(fitted)
    seconds = sum(one.history["training_time_sec"] for one in fitted.values())
    return Fitted(
        model=model,
        history=vars(History(training_time_sec=seconds, train_samples=count)),
        scores={(NATIVE, ""): z_scores},
        curves=curves,
        trainings=sum(one.trainings for one in fitted.values()),
    )
