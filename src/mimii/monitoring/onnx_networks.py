"""Networks as ONNX graphs: torch writes down the networks, and what is around them is put together here."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import torch
from torch import nn

from mimii.models.choices import Way
from mimii.models.network import NetworkDetector
from mimii.monitoring.onnx_distances import squared_mahalanobis
from mimii.monitoring.onnx_graph import OPSET, Graph
from mimii.monitoring.onnx_vectors import of_length_1
from mimii.networks.autoencoders import Autoencoder
from mimii.networks.spectral import SpectrumBranch
from mimii.networks.two_branch import MultiResolution


def network_score(graph: Graph, frames: str, model: NetworkDetector, way: Way) -> str:
    """See `mimii.models.network.NetworkDetector`: (n_frames, n_mels) -> a single number."""
    scoring, pooling = way
    count = graph("Sub", graph("Squeeze", graph("Shape", frames, start=0, end=1)), model.frames - 1)
    begins = graph("Unsqueeze", graph("Range", 0, count, 1), [1])
    windows = graph("Gather", frames, graph("Add", begins, np.arange(model.frames)))  # (n_windows, T, n_mels)
    traced = _traced(_OfWindows(model.network, scoring), torch.zeros(3, model.frames, model.n_mels))
    values = graph.cast(graph.call(traced, windows), np.float64)
    if scoring == "mahalanobis":  # values: (n_windows, n_mels)
        residual = graph("ReduceMean", values, [0], keepdims=0)
        return squared_mahalanobis(graph, residual, model.residuals.mean, model.residuals.precision)
    if pooling == "top10":  # values: (n_windows,)
        tenth = graph("Round", graph("Mul", graph.cast(count, np.float64), 0.1))
        kept = graph("Max", graph.cast(tenth, np.int64), 1)
        values = graph("TopK", values, graph("Unsqueeze", kept, [0]), outputs=2)
    return graph("ReduceMax" if pooling == "max" else "ReduceMean", values, keepdims=0)


class _OfWindows(nn.Module):
    """What a network gives for windows: for ``mse`` the error of each, else its mean residual by mel band."""

    def __init__(self, network: Autoencoder, scoring: str):
        super().__init__()
        self.network = copy.deepcopy(network).cpu()
        self.scoring = scoring

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """(B, T, M) -> (B,) or (B, M)."""
        if self.scoring == "mse":
            return self.network.score(windows)
        return self.network.residual(windows).mean(dim=1)


def clip_embedding(graph: Graph, samples: str, network: MultiResolution, length: int) -> str:
    """See `mimii.training.clips.embed_clips`, of a single recording: (n_samples,) -> (size,) float64.

    Parameters
    ----------
    graph : Graph
    samples : str
        (n_samples,) float32, full scale 1.
    network : MultiResolution
    length : int > 0
        Of a clip [samples].
    """
    count = graph("Squeeze", graph("Shape", samples))
    size = graph("Max", count, length)
    repeated = graph("Gather", samples, graph("Mod", graph("Range", 0, size, 1), count))  # to the length of a clip
    room = graph("Sub", size, length)
    intervals = graph("Div", graph("Add", room, length - 1), length)  # between the begins of clips
    step = graph("Div", graph.cast(room, np.float64), graph.cast(graph("Max", intervals, 1), np.float64))
    numbers = graph.cast(graph("Range", 0, graph("Add", intervals, 1), 1), np.float64)
    begins = graph.cast(graph("Round", graph("Mul", numbers, step)), np.int64)
    clips = graph("Gather", repeated, graph("Add", graph("Unsqueeze", begins, [1]), np.arange(length)))  # (B, length)

    # onnxruntime's FFT of so many samples is off by too much in float32
    waves = graph("Unsqueeze", graph.cast(clips, np.float64), [2])  # (B, length, 1)
    spectra = graph("Slice", graph("DFT", waves, axis=1, onesided=1), [0], [length // 2], [1])  # (B, length // 2, 2)
    magnitudes = graph.cast(graph("Sqrt", graph("ReduceSumSquare", spectra, [2], keepdims=0)), np.float32)
    traced = _traced(_OfClips(network), torch.zeros(3, length), torch.zeros(3, length // 2))
    embeddings = of_length_1(graph, graph.cast(graph.call(traced, clips, magnitudes), np.float64), 1)  # (B, size)
    return of_length_1(graph, graph("ReduceSum", embeddings, [0], keepdims=0), 0)


class _OfClips(nn.Module):
    """The embedding of clips whose spectra are known."""

    def __init__(self, network: MultiResolution):
        super().__init__()
        of_spectrum, *others = copy.deepcopy(network.branches).cpu()
        assert isinstance(of_spectrum, SpectrumBranch)
        self.of_spectrum, self.others = of_spectrum.layers, nn.ModuleList(others)

    def forward(self, clips: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
        """(B, samples), (B, samples // 2) -> (B, size)."""
        return torch.cat([self.of_spectrum(magnitudes.unsqueeze(1)), *(branch(clips) for branch in self.others)], dim=1)


def _traced(part: nn.Module, *examples: torch.Tensor) -> onnx.ModelProto:
    """What torch writes down of a network, given inputs of any number."""
    number = torch.export.Dim("number")
    with _quiet():
        program = torch.onnx.export(
            part.eval(),
            examples,
            dynamo=True,
            dynamic_shapes=tuple({0: number} for _ in examples),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of packages that are not needed and of its own future."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
