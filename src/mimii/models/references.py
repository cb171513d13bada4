"""Where the normal recordings of a machine are in the space of an embedding, and back-ends that compare with them."""

import numpy as np

from mimii.models.distances import Distance, Learnt, make_distance
from mimii.settings import BACKENDS

# Embeddings have length 1, so their angle is what counts; the Mahalanobis distance has a metric of its own.
_DISTANCES: dict[str, Distance] = {name: make_distance(name, "cosine") for name in BACKENDS}
_KEYS = {
    "ldn": ("vectors", "spread"),
    "knn": ("vectors",),
    "kmeans": ("centres",),
    "mahalanobis": ("mean", "precision"),
}


def learn(embeddings: np.ndarray, is_target_domain: np.ndarray, seed: int) -> dict[str, Learnt]:
    """What all back-ends need to know of a machine's normal recordings.

    Recordings of DCASE's source and target domain are kept apart: there are few of the latter, and among the former
    they would count as outliers. One alone stays among the others: it says nothing of how far its like are from it, and
    distances in other units can't be compared.

    Parameters
    ----------
    embeddings : np.ndarray [shape=(n, size)]
        Of length 1.
    is_target_domain : np.ndarray [shape=(n,), dtype=bool]
    seed : int

    Returns
    -------
    dict of str to dict of str to np.ndarray
        By domain, ``source`` or ``target``. The training vectors, which two back-ends look at, are there once.
    """
    parts = {"source": embeddings[~is_target_domain], "target": embeddings[is_target_domain]}
    if 1 in map(len, parts.values()):
        parts = {"source": embeddings}
    return {
        domain: {
            name: array for distance in _DISTANCES.values() for name, array in distance.learn(vectors, seed).items()
        }
        for domain, vectors in parts.items()
        if len(vectors)
    }


def distances(reference: dict[str, Learnt], embeddings: np.ndarray, backend: str) -> np.ndarray:
    """How far embeddings are from the normal ones of the nearer domain.

    Parameters
    ----------
    reference : dict
        What `learn` gave.
    embeddings : np.ndarray [shape=(n, size)]
    backend : str
        One of ``BACKENDS``.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float64]
    """
    of_domains = [_DISTANCES[backend].distances(used(learnt, backend), embeddings) for learnt in reference.values()]
    return np.min(of_domains, axis=0)


def count(reference: dict[str, Learnt], backend: str) -> int:
    """How many numbers a back-end compares with."""
    return sum(_DISTANCES[backend].count(used(learnt, backend)) for learnt in reference.values())


def only(reference: dict[str, Learnt], backend: str) -> dict[str, Learnt]:
    """What one back-end needs of a reference."""
    return {domain: used(learnt, backend) for domain, learnt in reference.items()}


def distance_of(backend: str) -> Distance:
    """The distance that a back-end measures."""
    return _DISTANCES[backend]


def used(learnt: Learnt, backend: str) -> Learnt:
    """The arrays of one domain that a back-end looks at."""
    return {name: learnt[name] for name in _KEYS[backend]}
