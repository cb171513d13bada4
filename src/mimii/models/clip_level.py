"""Clip-level detectors judge a recording as a whole, by one vector: its log-mel frames, pooled over time.

They have no score for a window. What a steady machine sounds like on the average is a point in a space of as many
dimensions as there are mel bands, and normal recordings are a cloud of such points: these models say how far from
the cloud a recording is. They are fitted in a moment, and none of them looks at a label or at a recording for
evaluation.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from mimii.errors import TaskError
from mimii.evaluation.scoring import folds
from mimii.evaluation.thresholds import are_few
from mimii.features.windows import Windows
from mimii.models.base import Detector
from mimii.models.gaussian import Gaussian
from mimii.models.registry import Way
from mimii.settings import NATIVE
from mimii.storage import arrays
from mimii.training.history import History
from mimii.training.hooks import Training

_BLOCK = 256  # recordings whose distances from all training recordings are in memory at once
_NEIGHBOURS = 4  # that the density around a training recording is found from
_VARIANCE = 0.95  # the share that principal components explain


def pool_frames(frames: np.ndarray, pooling: str, twfr_r: float = 1.0) -> np.ndarray:
    """One value for each mel band of a recording.

    Parameters
    ----------
    frames : np.ndarray [shape=(n_frames, n_mels)]
    pooling : str
        ``mean``, ``median``, ``max``, or ``twfr``: the time-weighted frequency domain representation (Guan et al.,
        ICASSP 2023), which sorts each band from the loudest frame down and takes their mean with weights
        proportional to ``twfr_r ** t``, t = 0, 1, ...
    twfr_r : float in [0, 1]
        At 1 ``twfr`` is the mean, at 0 the maximum.

    Returns
    -------
    np.ndarray [shape=(n_mels,), dtype=float64]
    """
    if pooling == "mean":
        return frames.mean(axis=0, dtype=np.float64)
    if pooling == "median":
        return np.median(frames, axis=0).astype(np.float64)
    if pooling == "max":
        return frames.max(axis=0).astype(np.float64)
    weights = float(twfr_r) ** np.arange(len(frames))  # 0 ** 0 is 1
    return (weights / weights.sum()) @ np.sort(frames, axis=0)[::-1]


class ClipLevelDetector(Detector):
    """What clip-level detectors share: pooling, standardisation and files.

    What one has learnt is arrays, and what scores needs nothing but numpy and scipy's distances: so a program that
    judges a single recording starts in a moment.

    A subclass has two functions of vectors, `learn` and `distances`. Both know nothing but their arguments and the
    options, so that parts of the training recordings can be held out and scored.

    Parameters
    ----------
    options : dict of str to Any
        Those fields of `mimii.settings.ClipSettings` that make a difference to it.

    Attributes
    ----------
    mean, std : np.ndarray [shape=(n_mels,), dtype=float32]
        Of each mel band over the training frames.
    learnt : dict of str to np.ndarray or dict
        What `learn` gave.
    """

    is_clip_level = True
    learnt_file = "learnt.npz"
    mean: np.ndarray
    std: np.ndarray
    learnt: dict[str, Any]

    def __init__(self, name: str, n_mels: int, frames: int, device: str = "cpu", *, options: dict[str, Any]):
        super().__init__(name, n_mels, frames, device)
        self.options = options

    def to_bytes(self) -> bytes:
        """All that was learnt, as numpy saves arrays."""
        return arrays.to_bytes({"mean": self.mean, "std": self.std, "learnt": self.learnt})

    def from_bytes(self, content: bytes) -> None:
        """Take over what `to_bytes` gave, which must give a recording one score."""
        read = arrays.from_bytes(content)
        mean, std = read["mean"], read["std"]
        if not (mean.shape == std.shape == (self.n_mels,) and mean.dtype == std.dtype == np.float32):
            raise ValueError("the scale is not that of its mel bands")
        self.mean, self.std, self.learnt = mean, std, read["learnt"]
        silence = Windows(
            np.zeros((self.frames, self.n_mels), np.float32), np.zeros(1, int), np.zeros(1, int), self.frames
        )
        scores = self.score_recordings(silence)[1]
        if scores.shape != (1,) or scores.dtype != np.float64:
            raise ValueError("what was learnt does not give a recording a score")

    def learn(self, vectors: np.ndarray, seed: int) -> dict[str, Any]:
        """What `distances` needs to know of normal vectors: (n, n_mels) -> arrays by their names."""
        raise NotImplementedError

    def distances(self, learnt: dict[str, Any], vectors: np.ndarray) -> np.ndarray:
        """How far vectors are from what was learnt: (n, n_mels) -> (n,)."""
        raise NotImplementedError

    def vectors(self, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
        """Pool the frames of each recording, and standardise.

        Returns
        -------
        numbers : np.ndarray [shape=(n,), dtype=int64]
            The recordings that have windows, ascending.
        vectors : np.ndarray [shape=(n, n_mels), dtype=float64]
            In standard deviations of the training frames.
        """
        numbers, parts = windows.frames_by_recording()
        pooled = [pool_frames(part, self.options["pooling"], self.options.get("twfr_r", 1.0)) for part in parts]
        return numbers, (np.stack(pooled) - self.mean) / self.std

    def load_libraries(self) -> None:
        """Load scikit-learn."""
        import sklearn.covariance
        import sklearn.decomposition
        import sklearn.mixture  # noqa: F401

    def fit(self, windows: Windows, validation: Windows | None, training: Training) -> History:
        """Learn from the recordings of the windows; it needs no validation, and has no steps.

        Raises
        ------
        TaskError
            There are too few recordings.
        """
        begin = time.perf_counter()
        self.mean, self.std = windows.band_statistics()
        _, vectors = self.vectors(windows)
        if len(vectors) < self.min_recordings:
            raise TaskError(f"{self.name} needs {self.min_recordings} recordings to learn from, and has {len(vectors)}")
        self.learnt = self.learn(vectors, training.seed % 2**32)  # scikit-learn takes seeds of 32 bits
        return History(training_time_sec=time.perf_counter() - begin, train_samples=len(vectors))

    def score_recordings(
        self, windows: Windows, scoring: str = NATIVE, score_pooling: str = ""
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score of each recording; there are no scores of windows to pool."""
        numbers, vectors = self.vectors(windows)
        return numbers, self.distances(self.learnt, vectors)

    def score_every_way(self, windows: Windows) -> dict[Way, np.ndarray]:
        """Score of each recording in the one way that there is."""
        return {(NATIVE, ""): self.score_recordings(windows)[1]}

    @property
    def num_parameters(self) -> int:
        """The numbers that `learn` gave, a symmetric matrix counted once."""
        return self.count(self.learnt)

    def count(self, learnt: dict[str, Any]) -> int:
        """How many numbers they are."""
        return sum(array.size for array in learnt.values())


class _Nearest(ClipLevelDetector):
    """Looks at the nearest training recordings."""

    def _prepared(self, vectors: np.ndarray) -> np.ndarray:
        """As they are or, for the cosine distance, of length 1; a vector of zeros has no direction and stays."""
        if self.options["distance"] == "euclidean":
            return vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths > 0, lengths, 1)

    def _apart(self, vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Distance of each prepared vector from each other one: (n, d), (m, d) -> (n, m)."""
        from scipy.spatial.distance import cdist

        if self.options["distance"] == "euclidean":
            return cdist(vectors, others)
        return cdist(vectors, others, "sqeuclidean") / 2  # 1 - cos, of vectors of length 1

    def _blockwise(self, function: Callable[[np.ndarray], np.ndarray], vectors: np.ndarray) -> np.ndarray:
        """What a function gives for some vectors at a time."""
        return np.concatenate([function(vectors[begin : begin + _BLOCK]) for begin in range(0, len(vectors), _BLOCK)])


class NearestNeighbour(_Nearest):
    """Distance from the nearest training recording."""

    def learn(self, vectors: np.ndarray, seed: int) -> dict[str, Any]:
        """Keep them all."""
        return {"vectors": self._prepared(vectors)}

    def distances(self, learnt: dict[str, Any], vectors: np.ndarray) -> np.ndarray:
        """Distance from the nearest."""
        return self._blockwise(lambda block: self._apart(block, learnt["vectors"]).min(axis=1), self._prepared(vectors))


class LocalDensity(_Nearest):
    """Nearest neighbour with local density normalisation (Wilkinghoff et al., 2025).

    Where normal recordings lie far apart, a large distance from the nearest says little: each distance is divided by
    the mean distance of that neighbour from its own four nearest. The score is the least such ratio.
    """

    def learn(self, vectors: np.ndarray, seed: int) -> dict[str, Any]:
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

    def distances(self, learnt: dict[str, Any], vectors: np.ndarray) -> np.ndarray:
        """The least distance in units of the neighbour's own."""
        return self._blockwise(
            lambda block: (self._apart(block, learnt["vectors"]) / learnt["spread"]).min(axis=1),
            self._prepared(vectors),
        )


class Mahalanobis(ClipLevelDetector):
    """Squared Mahalanobis distance, the covariance shrunk by Ledoit and Wolf's estimate (2004)."""

    def learn(self, vectors: np.ndarray, seed: int) -> dict[str, Any]:
        """Mean and inverse covariance."""
        return vars(Gaussian.fit(vectors))

    def distances(self, learnt: dict[str, Any], vectors: np.ndarray) -> np.ndarray:
        """Squared distance from the mean."""
        return Gaussian(**learnt).distance(vectors)

    def count(self, learnt: dict[str, Any]) -> int:
        """The inverse covariance is symmetric."""
        return Gaussian(**learnt).size


class Mixture(ClipLevelDetector):
    """Negative log-likelihood under a mixture of two Gaussians with full covariances, for machines of two states.

    0.01 is added to the variance of each component: with fewer recordings than bands the matrices could not be
    inverted otherwise.
    """

    min_recordings = 2

    def learn(self, vectors: np.ndarray, seed: int) -> dict[str, Any]:
        """The mixture, by expectation maximisation from k-means; recordings that are all the same make one."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        count = 1 if (vectors == vectors[0]).all() else 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # what the last iterations change is little
            mixture = GaussianMixture(count, reg_covar=0.01, random_state=seed).fit(vectors)
        return {"weights": mixture.weights_, "means": mixture.means_, "cholesky": mixture.precisions_cholesky_}

    def distances(self, learnt: dict[str, Any], vectors: np.ndarray) -> np.ndarray:
        """Negative log-likelihood."""
        bands = vectors.shape[1]
        parts = []
        for weight, mean, cholesky in zip(learnt["weights"], learnt["means"], learnt["cholesky"], strict=True):
            squares = ((vectors @ cholesky - mean @ cholesky) ** 2).sum(axis=1)  # the squared Mahalanobis distance
            log_determinant = np.log(np.diag(cholesky)).sum()
            parts.append(np.log(weight) + log_determinant - 0.5 * (bands * np.log(2 * np.pi) + squares))
        return -np.logaddexp.reduce(parts, axis=0)

    def count(self, learnt: dict[str, Any]) -> int:
        """Weights, means, and covariances, which are symmetric."""
        components, bands = learnt["means"].shape
        return components * (1 + bands + bands * (bands + 1) // 2)


class PrincipalComponents(ClipLevelDetector):
    """Squared distance from the principal components that explain 95 % of the variance."""

    def learn(self, vectors: np.ndarray, seed: int) -> dict[str, Any]:
        """Mean and components; recordings that are all the same have none."""
        from sklearn.decomposition import PCA

        mean = vectors.mean(axis=0)
        if (vectors == vectors[0]).all():
            return {"mean": mean, "components": np.empty((0, len(mean)))}
        return {"mean": mean, "components": PCA(_VARIANCE, svd_solver="full").fit(vectors).components_}

    def distances(self, learnt: dict[str, Any], vectors: np.ndarray) -> np.ndarray:
        """What the components leave of a vector, squared."""
        away = vectors - learnt["mean"]
        within = (away @ learnt["components"].T) @ learnt["components"]  # (n, d) -> (n, components) -> (n, d)
        return ((away - within) ** 2).sum(axis=1)


class Fusion(ClipLevelDetector):
    """Mean of the z-scores of `knn`, `mahalanobis`, `ldn` and `pca`.

    Each one's scores are standardised with the mean and standard deviation that it has on training recordings which
    it did not learn from (`mimii.evaluation.scoring.folds`). On those that it did learn from, `knn` would always be 0.
    """

    min_recordings = 2
    min_for_thresholds = 3  # of two, the scales come from models of a single recording, which know of no spread

    def __init__(self, name: str, n_mels: int, frames: int, device: str = "cpu", *, options: dict[str, Any]):
        super().__init__(name, n_mels, frames, device, options=options)
        classes: dict[str, type[ClipLevelDetector]] = {
            "knn": NearestNeighbour,
            "mahalanobis": Mahalanobis,
            "ldn": LocalDensity,
            "pca": PrincipalComponents,
        }
        self.members = {name: made(name, n_mels, frames, options=options) for name, made in classes.items()}

    def learn(self, vectors: np.ndarray, seed: int) -> dict[str, Any]:
        """What each member learns, and how its scores of held-out recordings are distributed."""
        learnt: dict[str, Any] = {}
        for name, member in self.members.items():
            scores = np.empty(len(vectors))
            for fold in folds(len(vectors)):
                scores[fold] = member.distances(member.learn(vectors[~fold], seed), vectors[fold])
            mean, std = scores.mean(), scores.std()
            # nearest neighbours are as far from each other as the other way round: the scores of few recordings may
            # differ by next to nothing, and that says nothing of how others will differ
            if are_few(len(scores)) or std <= 1e-9 * abs(mean):
                std = abs(mean) or 1.0
            learnt[name] = {"learnt": member.learn(vectors, seed), "scale": np.array([mean, std])}
        return learnt

    def distances(self, learnt: dict[str, Any], vectors: np.ndarray) -> np.ndarray:
        """The mean of the members' z-scores."""
        z_scores = [
            (member.distances(learnt[name]["learnt"], vectors) - learnt[name]["scale"][0]) / learnt[name]["scale"][1]
            for name, member in self.members.items()
        ]
        return np.mean(z_scores, axis=0)

    def count(self, learnt: dict[str, Any]) -> int:
        """Those of the members, and the scale of each one's scores."""
        return sum(member.count(learnt[name]["learnt"]) + 2 for name, member in self.members.items())
