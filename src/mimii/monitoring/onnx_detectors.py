"""Detectors as ONNX graphs: from a recording to its score."""

import numpy as np

from mimii.errors import UserError
from mimii.models import REGISTRY, references
from mimii.models.base import Detector
from mimii.models.choices import Way, fusion_way
from mimii.models.clip_level import ClipLevelDetector
from mimii.models.embedding import EmbeddingDetector, IdEmbedding, Weights
from mimii.models.fusion import Fusion
from mimii.monitoring.onnx_distances import distance_from
from mimii.monitoring.onnx_graph import Graph
from mimii.monitoring.onnx_vectors import id_embedding, pooled


def check_exportable(model: Detector) -> None:
    """See that a detector can be exported.

    Raises
    ------
    UserError
        It can't.
    """
    for member in model.all_members() if isinstance(model, Fusion) else [model]:
        entry = REGISTRY[member.name]
        if not (entry.is_clip_level or entry.is_network):
            raise UserError(
                f"{member.name} is a model of scikit-learn and can't be exported; every other detector can: train "
                "mahalanobis or idnn, say"
            )


def score(graph: Graph, frames: str, samples: str, model: Detector, way: Way) -> str:
    """The score of a recording.

    Parameters
    ----------
    graph : Graph
    frames : str
        (n_frames, n_mels) float32 [dB]; at least ``model.frames`` of them.
    samples : str
        (n_samples,) float32, full scale 1.
    model : Detector
        One that `check_exportable` lets pass. If it knows machines apart, the recording is of the first one.
    way : (str, str)
        How it scores; see `mimii.models.scoring_ways`.

    Returns
    -------
    str
        A single float64.
    """
    if isinstance(model, Fusion):
        z_scores = []
        for name, member, (mean, std) in model.members_of(model.machines[0]):
            found = score(graph, frames, samples, member, fusion_way(name))
            z_scores.append(graph("Div", graph("Sub", found, mean), std))
        return graph("ReduceMean", graph.stacked(z_scores), keepdims=0)
    if isinstance(model, EmbeddingDetector):
        return _embedding_score(graph, frames, samples, model, way[0])
    if isinstance(model, ClipLevelDetector):
        mean, std = model.mean.astype(np.float64), model.std.astype(np.float64)
        vector = graph("Div", graph("Sub", pooled(graph, frames, model.options), mean), std)  # (n_mels,)
        return distance_from(graph, vector, model.distance, model.learnt)
    from mimii.monitoring.onnx_networks import network_score

    return network_score(graph, frames, model, way)  # type: ignore[arg-type]


def _embedding_score(graph: Graph, frames: str, samples: str, model: EmbeddingDetector, backend: str) -> str:
    """See `mimii.models.embedding.EmbeddingDetector`."""
    distance, scores = references.distance_of(backend), []
    for member in model.members:
        embedding = _embedding(graph, frames, samples, model, member.weights)
        of_domains = []
        for learnt in member.references[model.machines[0]].values():
            exact = {name: values.astype(np.float64) for name, values in references.used(learnt, backend).items()}
            of_domains.append(distance_from(graph, embedding, distance, exact))
        scores.append(graph("ReduceMin", graph.stacked(of_domains), keepdims=0))
    return graph("ReduceMean", graph.stacked(scores), keepdims=0)


def _embedding(graph: Graph, frames: str, samples: str, model: EmbeddingDetector, weights: Weights) -> str:
    """By one of its networks: (size,) float64."""
    if isinstance(model, IdEmbedding):
        return id_embedding(graph, pooled(graph, frames, model.options), weights)
    from mimii.models.sample_embedding import SampleEmbedding
    from mimii.monitoring.onnx_networks import clip_embedding
    from mimii.networks.two_branch import MultiResolution

    assert isinstance(model, SampleEmbedding)
    network = model.network_of(weights)
    assert isinstance(network, MultiResolution)
    return clip_embedding(graph, samples, network, model.clip_length(weights))
