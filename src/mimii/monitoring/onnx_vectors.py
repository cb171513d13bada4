"""The vectors that stand for a recording as ONNX graphs, computed in float64 from its log-mel frames."""

from typing import Any

import numpy as np

from mimii.models.embedding import Weights
from mimii.monitoring.onnx_graph import Graph
from mimii.networks.id_embedding import KERNELS, NARROWEST, STRIDE


def pooled(graph: Graph, frames: str, options: dict[str, Any]) -> str:
    """See `mimii.models.clip_level.pool_frames`: (n_frames, n_mels) -> (n_mels,) float64."""
    pooling, twfr_r = options["pooling"], options.get("twfr_r", 1.0)
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


def id_embedding(graph: Graph, vector: str, weights: Weights) -> str:
    """See `mimii.networks.id_embedding.embed`: (n_mels,) -> (64,), in float64."""
    exact = {name: values.astype(np.float64) for name, values in weights.items()}
    x = graph("Add", graph("Mul", vector, exact["input_scale"]), exact["input_shift"])
    if missing := max(NARROWEST - len(exact["input_scale"]), 0):
        x = graph("Concat", x, np.zeros(missing), axis=0)
    x, values = graph("Unsqueeze", x, [1]), max(NARROWEST, len(exact["input_scale"]))  # -> (bands, 1)
    for number, kernel in enumerate(KERNELS):
        # onnxruntime has no convolution of float64
        places = np.arange(0, values - kernel + 1, STRIDE)[:, None] + np.arange(kernel)  # (values, kernel)
        values, weight = len(places), exact[f"convolution_{number}"]  # (outputs, channels, kernel)
        around = graph("Reshape", graph("Gather", x, places), [values, -1])  # -> (values, kernel * channels)
        x = graph("MatMul", around, np.ascontiguousarray(weight.swapaxes(1, 2).reshape(len(weight), -1).T))
        x = graph("Relu", graph("Add", x, exact[f"convolution_{number}_shift"]))  # (values, outputs)
    x = graph("Reshape", graph("Transpose", x, perm=[1, 0]), [-1])  # -> (outputs * values,)
    x = graph("Relu", graph("Add", graph("MatMul", exact["dense_0"], x), exact["dense_0_shift"]))
    x = graph("MatMul", exact["dense_1"], x)
    return of_length_1(graph, x, 0)


def of_length_1(graph: Graph, vectors: str, axis: int) -> str:
    """Vectors along an axis, divided by their lengths."""
    lengths = graph("Sqrt", graph("ReduceSumSquare", vectors, [axis], keepdims=1))
    return graph("Div", vectors, graph("Max", lengths, 1e-12))
