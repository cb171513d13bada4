"""Detectors as ONNX graphs: from the log-mel frames of a recording to its score."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from mimii.errors import UserError
from mimii.models.base import Detector
from mimii.models.clip_level import (
    ClipLevelDetector,
    Fusion,
    LocalDensity,
    Mahalanobis,
    Mixture,
    NearestNeighbour,
    PrincipalComponents,
)
from mimii.models.registry import REGISTRY, Way
from mimii.monitoring.onnx_graph import OPSET, Graph

if TYPE_CHECKING:
    import onnx

    from mimii.models.network import NetworkDetector

Learnt = dict[str, Any]  # what a clip-level detector has learnt


def check_exportable(model: Detector) -> None:
    """See that a detector can be exported.

    Raises
    ------
    UserError
        It can't.
    """
    if not (model.is_clip_level or REGISTRY[model.name].is_network):
        raise UserError(
            f"{model.name} is a model of scikit-learn and can't be exported; every other detector can: train "
            "mahalanobis or idnn, say"
        )


def score(graph: Graph, frames: str, model: Detector, way: Way) -> str:
    """The score of a recording.

    Parameters
    ----------
    graph : Graph
    frames : str
        (n_frames, n_mels) float32 [dB]; at least ``model.frames`` of them.
    model : Detector
        One that `check_exportable` lets pass.
    way : (str, str)
        How it scores; see `mimii.models.scoring_ways`.

    Returns
    -------
    str
        A single float64.
    """
    if isinstance(model, ClipLevelDetector):
        pooled = _pooled(graph, frames, model.options["pooling"], model.options.get("twfr_r", 1.0))
        mean, std = model.mean.astype(np.float64), model.std.astype(np.float64)
        vector = graph("Div", graph("Sub", pooled, mean), std)  # (n_mels,)
        return _distance(graph, vector, model, model.learnt)
    return _network_score(graph, frames, model, way)  # type: ignore[arg-type]


def _pooled(graph: Graph, frames: str, pooling: str, twfr_r: float) -> str:
    """See `mimii.models.clip_level.pool_frames`: (n_frames, n_mels) -> (n_mels,) float64."""
    if pooling == "mean":
        return graph("ReduceMean", graph.cast(frames, np.float64), [0], keepdims=0)
    if pooling == "max":
        return graph.cast(graph("ReduceMax", frames, [0], keepdims=0), np.float64)
    count = graph("Shape", frames, start=0, end=1)  # (1,)
    falling = graph("TopK", frames, count, axis=0, outputs=2)  # each band from the loudest frame down
    if pooling == "median":
        upper = graph("Gather", falling, graph("Div", graph("Sub", count, [1]), [2]), axis=0)
        lower = graph("Gather", falling, graph("Div", count, [2]), axis=0)
        middle = graph("Mul", graph("Add", upper, lower), np.float32(0.5))  # (1, n_mels)
        return graph.cast(graph("Squeeze", middle, [0]), np.float64)
    places = graph.cast(graph("Range", 0, graph("Squeeze", count), 1), np.float64)
    weights = graph("Pow", float(twfr_r), places)
    weights = graph("Div", weights, graph("ReduceSum", weights))
    return graph("MatMul", weights, graph.cast(falling, np.float64))


def _distance(graph: Graph, vector: str, model: ClipLevelDetector, learnt: Learnt) -> str:
    """See `ClipLevelDetector.distances`: (n_mels,) -> a single number, all in float64."""
    if isinstance(model, Fusion):
        return _fusion(graph, vector, model, learnt)
    return _DISTANCES[type(model)](graph, vector, model, learnt)


def _nearest(graph: Graph, vector: str, model: ClipLevelDetector, learnt: Learnt) -> str:
    return graph("ReduceMin", _apart(graph, vector, model, learnt), keepdims=0)


def _local_density(graph: Graph, vector: str, model: ClipLevelDetector, learnt: Learnt) -> str:
    return graph("ReduceMin", graph("Div", _apart(graph, vector, model, learnt), learnt["spread"]), keepdims=0)


def _apart(graph: Graph, vector: str, model: ClipLevelDetector, learnt: Learnt) -> str:
    """Distance from each training vector: (n_mels,) -> (n,)."""
    is_cosine = model.options["distance"] == "cosine"
    if is_cosine:
        length = graph("Sqrt", graph("ReduceSumSquare", vector, keepdims=0))
        vector = graph("Div", vector, graph("Where", graph("Greater", length, 0.0), length, 1.0))
    squares = graph("ReduceSumSquare", graph("Sub", learnt["vectors"], vector), [1], keepdims=0)  # (n, n_mels) -> (n,)
    return graph("Mul", squares, 0.5) if is_cosine else graph("Sqrt", squares)


def _gaussian(graph: Graph, vector: str, model: ClipLevelDetector, learnt: Learnt) -> str:
    return _squared_mahalanobis(graph, vector, learnt["mean"], learnt["precision"])


def _squared_mahalanobis(graph: Graph, vector: str, mean: np.ndarray, precision: np.ndarray) -> str:
    away = graph("Sub", vector, mean)
    return graph("MatMul", graph("MatMul", away, precision), away)


def _mixture(graph: Graph, vector: str, model: ClipLevelDetector, learnt: Learnt) -> str:
    parts = []
    for weight, mean, cholesky in zip(learnt["weights"], learnt["means"], learnt["cholesky"], strict=True):
        scaled = graph("Sub", graph("MatMul", vector, cholesky), mean @ cholesky)
        constant = np.log(weight) + np.log(np.diag(cholesky)).sum() - 0.5 * len(mean) * np.log(2 * np.pi)
        squares = graph("ReduceSumSquare", scaled, keepdims=0)
        parts.append(graph("Sub", constant, graph("Mul", squares, 0.5)))
    return graph("Neg", graph("ReduceLogSumExp", _stacked(graph, parts), keepdims=0))


def _components(graph: Graph, vector: str, model: ClipLevelDetector, learnt: Learnt) -> str:
    away, components = graph("Sub", vector, learnt["mean"]), learnt["components"]
    if len(components):
        within = graph("MatMul", graph("MatMul", components, away), components)  # (n_mels,) -> (k,) -> (n_mels,)
        away = graph("Sub", away, within)
    return graph("ReduceSumSquare", away, keepdims=0)


def _fusion(graph: Graph, vector: str, model: Fusion, learnt: Learnt) -> str:
    z_scores = []
    for name, member in model.members.items():
        mean, std = learnt[name]["scale"]
        distance = _distance(graph, vector, member, learnt[name]["learnt"])
        z_scores.append(graph("Div", graph("Sub", distance, mean), std))
    return graph("ReduceMean", _stacked(graph, z_scores), keepdims=0)


def _stacked(graph: Graph, values: list[str]) -> str:
    """Single numbers as a vector."""
    return graph("Concat", *(graph("Unsqueeze", value, [0]) for value in values), axis=0)


_DISTANCES: dict[type[ClipLevelDetector], Callable[[Graph, str, ClipLevelDetector, Learnt], str]] = {
    NearestNeighbour: _nearest,
    LocalDensity: _local_density,
    Mahalanobis: _gaussian,
    Mixture: _mixture,
    PrincipalComponents: _components,
}


def _network_score(graph: Graph, frames: str, model: "NetworkDetector", way: Way) -> str:
    """See `mimii.models.network.NetworkDetector`: (n_frames, n_mels) -> a single number."""
    scoring, pooling = way
    count = graph("Sub", graph("Squeeze", graph("Shape", frames, start=0, end=1)), model.frames - 1)
    begins = graph("Unsqueeze", graph("Range", 0, count, 1), [1])
    windows = graph("Gather", frames, graph("Add", begins, np.arange(model.frames)))  # (n_windows, T, n_mels)
    values = graph.cast(graph.call(_traced(model, scoring), windows, "network"), np.float64)
    if scoring == "mahalanobis":  # values: (n_windows, n_mels)
        residual = graph("ReduceMean", values, [0], keepdims=0)
        return _squared_mahalanobis(graph, residual, model.residuals.mean, model.residuals.precision)
    if pooling == "top10":  # values: (n_windows,)
        tenth = graph("Round", graph("Mul", graph.cast(count, np.float64), 0.1))
        kept = graph("Max", graph.cast(tenth, np.int64), 1)
        values = graph("TopK", values, graph("Unsqueeze", kept, [0]), outputs=2)
    return graph("ReduceMax" if pooling == "max" else "ReduceMean", values, keepdims=0)


def _traced(model: "NetworkDetector", scoring: str) -> "onnx.ModelProto":
    """What a network gives for windows: for ``mse`` the error of each, else its mean residual by mel band."""
    import torch

    class Part(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = copy.deepcopy(model.network).cpu()

        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            if scoring == "mse":
                return self.network.score(windows)  # (B, T, M) -> (B,)
            return self.network.residual(windows).mean(dim=1)  # (B, T, M) -> (B, M)

    example = torch.zeros(3, model.frames, model.n_mels)
    with _quiet():
        program = torch.onnx.export(
            Part().eval(),
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("n_windows")},),
            input_names=["windows"],
            output_names=["values"],
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of packages that are not needed and of its own future."""
    import logging
    import warnings

    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
