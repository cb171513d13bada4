"""Distances from normal vectors as ONNX graphs; see `mimii.models.distances`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mimii.models.distances import (
    Distance,
    Learnt,
    LocalDensity,
    Mahalanobis,
    Mixture,
    NearestCentre,
    NearestNeighbour,
    PrincipalComponents,
)
from mimii.monitoring.onnx_graph import Graph


def distance_from(graph: Graph, vector: str, distance: Distance, learnt: Learnt) -> str:
    """See `mimii.models.distances.Distance.distances`: (d,) -> a single number, all in float64."""
    return _DISTANCES[type(distance)](graph, vector, distance, learnt)


def _nearest(graph: Graph, vector: str, distance: Any, learnt: Learnt) -> str:
    return graph("ReduceMin", _apart(graph, vector, distance, learnt["vectors"]), keepdims=0)


def _nearest_centre(graph: Graph, vector: str, distance: Any, learnt: Learnt) -> str:
    return graph("ReduceMin", _apart(graph, vector, distance, learnt["centres"]), keepdims=0)


def _local_density(graph: Graph, vector: str, distance: Any, learnt: Learnt) -> str:
    ratios = graph("Div", _apart(graph, vector, distance, learnt["vectors"]), learnt["spread"])
    return graph("ReduceMin", ratios, keepdims=0)


def _apart(graph: Graph, vector: str, distance: Any, others: np.ndarray) -> str:
    """Distance from each of some vectors: (d,) -> (n,)."""
    is_cosine = distance.metric == "cosine"
    if is_cosine:
        length = graph("Sqrt", graph("ReduceSumSquare", vector, keepdims=0))
        vector = graph("Div", vector, graph("Where", graph("Greater", length, 0.0), length, 1.0))
    squares = graph("ReduceSumSquare", graph("Sub", others, vector), [1], keepdims=0)  # (n, n_mels) -> (n,)
    return graph("Mul", squares, 0.5) if is_cosine else graph("Sqrt", squares)


def _gaussian(graph: Graph, vector: str, distance: Any, learnt: Learnt) -> str:
    return squared_mahalanobis(graph, vector, learnt["mean"], learnt["precision"])


def squared_mahalanobis(graph: Graph, vector: str, mean: np.ndarray, precision: np.ndarray) -> str:
    """See `mimii.models.gaussian.Gaussian.distance`."""
    away = graph("Sub", vector, mean)
    return graph("MatMul", graph("MatMul", away, precision), away)


def _mixture(graph: Graph, vector: str, distance: Any, learnt: Learnt) -> str:
    parts = []
    for weight, mean, cholesky in zip(learnt["weights"], learnt["means"], learnt["cholesky"], strict=True):
        scaled = graph("Sub", graph("MatMul", vector, cholesky), mean @ cholesky)
        constant = np.log(weight) + np.log(np.diag(cholesky)).sum() - 0.5 * len(mean) * np.log(2 * np.pi)
        squares = graph("ReduceSumSquare", scaled, keepdims=0)
        parts.append(graph("Sub", constant, graph("Mul", squares, 0.5)))
    return graph("Neg", graph("ReduceLogSumExp", graph.stacked(parts), keepdims=0))


def _components(graph: Graph, vector: str, distance: Any, learnt: Learnt) -> str:
    away, components = graph("Sub", vector, learnt["mean"]), learnt["components"]
    if len(components):
        within = graph("MatMul", graph("MatMul", components, away), components)  # (n_mels,) -> (k,) -> (n_mels,)
        away = graph("Sub", away, within)
    return graph("ReduceSumSquare", away, keepdims=0)


_DISTANCES: dict[type[Distance], Callable[[Graph, str, Any, Learnt], str]] = {
    NearestNeighbour: _nearest,
    NearestCentre: _nearest_centre,
    LocalDensity: _local_density,
    Mahalanobis: _gaussian,
    Mixture: _mixture,
    PrincipalComponents: _components,
}
