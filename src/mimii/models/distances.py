"""How far a vector is from normal ones: what clip-level detectors, and the back-ends of embeddings, are made of.

Each distance is two functions of vectors, `learn` and `distances`. Both know nothing but their arguments, so that some
of the training recordings can be held out and scored. What one has learnt is arrays, and what scores needs nothing but
numpy and scipy's distances: so a program that judges a single recording starts in a moment.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from mimii.models.gaussian import Gaussian

Learnt = dict[str, Any]  # arrays by their names

_BLOCK = 256  # vectors whose distances from all training vectors are in memory at once
_NEIGHBOURS = 4  # that the density around a training recording is found from
_CENTRES = 16  # of k-means, as Wilkinghoff (2023) has it
_VARIANCE = 0.95  # the share that principal components explain


class Distance(ABC):
    """How far vectors are from normal ones.

    Attributes
    ----------
    min_vectors : int
        The fewest vectors that it can learn from.
    """

    min_vectors: ClassVar[int] = 1

    @abstractmethod
    def learn(self, vectors: np.ndarray, seed: int) -> Learnt:
        """What `distances` needs to know of normal vectors: (n, d) -> arrays by their names."""

    @abstractmethod
    def distances(self, learnt: Learnt, vectors: np.ndarray) -> np.ndarray:
        """How far vectors are from what was learnt: (n, d) -> (n,)."""

    def count(self, learnt: Learnt) -> int:
        """How many numbers were learnt."""
        return sum(array.size for array in learnt.values())


class _Nearest(Distance):
    """Looks at the nearest of some vectors.

    Parameters
    ----------
    metric : str
        ``euclidean`` or ``cosine``.
    """

    def __init__(self, metric: str = "euclidean"):
        self.metric = metric

    def _prepared(self, vectors: np.ndarray) -> np.ndarray:
        """As they are or, for the cosine distance, of length 1; a vector of zeros has no direction and stays."""
        if self.metric == "euclidean":
            return vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths > 0, lengths, 1)

    def _apart(self, vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Distance of each prepared vector from each other one: (n, d), (m, d) -> (n, m)."""
        from scipy.spatial.distance import cdist

        if self.metric == "euclidean":
            return cdist(vectors, others)
        return cdist(vectors, others, "sqeuclidean") / 2  # 1 - cos, of vectors of length 1

    def _blockwise(self, function: Callable[[np.ndarray], np.ndarray], vectors: np.ndarray) -> np.ndarray:
        """What a function gives for some vectors at a time."""
        return np.concatenate([function(vectors[begin : begin + _BLOCK]) for begin in range(0, len(vectors), _BLOCK)])


class NearestNeighbour(_Nearest):
    """Distance from the nearest training vector."""

    def learn(self, vectors: np.ndarray, seed: int) -> Learnt:
        """Keep them all."""
        return {"vectors": self._prepared(vectors)}

    def distances(self, learnt: Learnt, vectors: np.ndarray) -> np.ndarray:
        """Distance from the nearest."""
        return self._blockwise(lambda block: self._apart(block, learnt["vectors"]).min(axis=1), self._prepared(vectors))


class LocalDensity(_Nearest):
    """Nearest neighbour with local density normalisation (Wilkinghoff et al., 2025).

    Where normal recordings lie far apart, a large distance from the nearest says little: each distance is divided by
    the mean distance of that neighbour from its own four nearest. The score is the least such ratio.
    """

    def learn(self, vectors: np.ndarray, seed: int) -> Learnt:
        """Keep them all, and how far each one's neighbours are."""
        vectors = self._prepared(vectors)
        count = min(_NEIGHBOURS, len(vectors) - 1)
        if not count:
            return {"vectors": vectors, "spread": np.ones(1)}

        def spread(block: np.ndarray) -> np.ndarray:
            # the nearest one is the recording itself, or one that is the same
            nearest = np.partition(self._apart(block, vectors), count)[:, : count + 1]
            return np.sort(nearest)[:, 1:].mean(axis=1)

        spreads = self._blockwise(spread, vectors)
        # recordings that are there several times: their neighbourhood is not infinitely dense
        spreads = np.maximum(spreads, 1e-3 * spreads.mean() or 1.0)
        return {"vectors": vectors, "spread": spreads}

    def distances(self, learnt: Learnt, vectors: np.ndarray) -> np.ndarray:
        """The least distance in units of the neighbour's own."""
        return self._blockwise(
            lambda block: (self._apart(block, learnt["vectors"]) / learnt["spread"]).min(axis=1),
            self._prepared(vectors),
        )


class NearestCentre(_Nearest):
    """Distance from the nearest of sixteen centres that k-means finds; of fewer vectors, each one is a centre."""

    def learn(self, vectors: np.ndarray, seed: int) -> Learnt:
        """Find the centres; of cosine distances they have length 1."""
        vectors = self._prepared(vectors)
        different = np.unique(vectors, axis=0)
        if len(different) <= _CENTRES:
            return {"centres": different}
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        # several threads would add up in another order each time
        with threadpool_limits(limits=1, user_api="openmp"):
            found = KMeans(_CENTRES, n_init=1, random_state=seed).fit(vectors)
        return {"centres": self._prepared(found.cluster_centers_)}

    def distances(self, learnt: Learnt, vectors: np.ndarray) -> np.ndarray:
        """Distance from the nearest centre."""
        return self._blockwise(lambda block: self._apart(block, learnt["centres"]).min(axis=1), self._prepared(vectors))


class Mahalanobis(Distance):
    """Squared Mahalanobis distance, the covariance shrunk by Ledoit and Wolf's estimate (2004)."""

    def learn(self, vectors: np.ndarray, seed: int) -> Learnt:
        """Mean and inverse covariance."""
        return vars(Gaussian.fit(vectors))

    def distances(self, learnt: Learnt, vectors: np.ndarray) -> np.ndarray:
        """Squared distance from the mean."""
        return Gaussian(**learnt).distance(vectors)

    def count(self, learnt: Learnt) -> int:
        """The inverse covariance is symmetric."""
        return Gaussian(**learnt).size


class Mixture(Distance):
    """Negative log-likelihood under a mixture of two Gaussians with full covariances, for machines of two states.

    0.01 is added to the variance of each component: with fewer recordings than bands the matrices could not be
    inverted otherwise.
    """

    min_vectors = 2

    def learn(self, vectors: np.ndarray, seed: int) -> Learnt:
        """The mixture, by expectation maximisation from k-means; recordings that are all the same make one."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        count = 1 if (vectors == vectors[0]).all() else 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # what the last iterations change is little
            mixture = GaussianMixture(count, reg_covar=0.01, random_state=seed).fit(vectors)
        return {"weights": mixture.weights_, "means": mixture.means_, "cholesky": mixture.precisions_cholesky_}

    def distances(self, learnt: Learnt, vectors: np.ndarray) -> np.ndarray:
        """Negative log-likelihood."""
        bands = vectors.shape[1]
        parts = []
        for weight, mean, cholesky in zip(learnt["weights"], learnt["means"], learnt["cholesky"], strict=True):
            squares = ((vectors @ cholesky - mean @ cholesky) ** 2).sum(axis=1)  # the squared Mahalanobis distance
            log_determinant = np.log(np.diag(cholesky)).sum()
            parts.append(np.log(weight) + log_determinant - 0.5 * (bands * np.log(2 * np.pi) + squares))
        return -np.logaddexp.reduce(parts, axis=0)

    def count(self, learnt: Learnt) -> int:
        """Weights, means, and covariances, which are symmetric."""
        components, bands = learnt["means"].shape
        return components * (1 + bands + bands * (bands + 1) // 2)


class PrincipalComponents(Distance):
    """Squared distance from the principal components that explain 95 % of the variance."""

    def learn(self, vectors: np.ndarray, seed: int) -> Learnt:
        """Mean and components; recordings that are all the same have none."""
        from sklearn.decomposition import PCA

        mean = vectors.mean(axis=0)
        if (vectors == vectors[0]).all():
            return {"mean": mean, "components": np.empty((0, len(mean)))}
        return {"mean": mean, "components": PCA(_VARIANCE, svd_solver="full").fit(vectors).components_}

    def distances(self, learnt: Learnt, vectors: np.ndarray) -> np.ndarray:
        """What the components leave of a vector, squared."""
        away = vectors - learnt["mean"]
        within = (away @ learnt["components"].T) @ learnt["components"]  # (n, d) -> (n, components) -> (n, d)
        return ((away - within) ** 2).sum(axis=1)


def make_distance(name: str, metric: str = "euclidean") -> Distance:
    """The distance of a clip-level detector or a back-end.

    Parameters
    ----------
    name : str
        ``knn``, ``ldn``, ``kmeans``, ``mahalanobis``, ``gmm`` or ``pca``.
    metric : str
        ``euclidean`` or ``cosine``, of the first three.
    """
    nearest: dict[str, type[_Nearest]] = {"knn": NearestNeighbour, "ldn": LocalDensity, "kmeans": NearestCentre}
    if name in nearest:
        return nearest[name](metric)
    others: dict[str, type[Distance]] = {"mahalanobis": Mahalanobis, "gmm": Mixture, "pca": PrincipalComponents}
    return others[name]()
