"""A normal distribution fitted to few vectors of many components, and the distance from it."""

from dataclasses import dataclass

import numpy as np

# of the mean variance: what is added to each component's, so that the matrix can be inverted whatever the vectors are
_RIDGE = 1e-3
_ORDER = ["einsum_path", (0, 1), (0, 1)]  # in which three arrays are multiplied: looking for it takes longer


@dataclass(eq=False)
class Gaussian:
    """Mean and inverse covariance.

    Attributes
    ----------
    mean : np.ndarray [shape=(d,)]
    precision : np.ndarray [shape=(d, d)]
        Symmetric and positive definite.
    """

    mean: np.ndarray
    precision: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, *, equalise: bool = False) -> "Gaussian":
        """Fit to vectors, of which there may be fewer than components, or which may be all the same.

        The covariance is shrunk towards a multiple of the identity by Ledoit and Wolf's estimate (2004) of how much
        is best, and a thousandth of the mean variance is added to each component's. Of a single vector nothing is
        known but where it is: its precision is the identity. Two vectors deviate from their mean along one line, and
        from that the estimate would conclude that all vectors lie on it: their components have the same variance.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n, d)]
        equalise : bool
            Shrink the correlations instead: each component is divided by its standard deviation before. For
            components of very different scale, which a multiple of the identity suits ill.
        """
        mean = vectors.mean(axis=0)
        if len(vectors) == 1:
            return cls(mean, np.eye(len(mean)))
        scale = np.ones_like(mean)
        if equalise:
            scale = vectors.std(axis=0)
            scale[scale < 1e-6] = 1
        away = (vectors - mean) / scale
        if len(vectors) == 2:
            covariance = np.eye(len(mean)) * (away**2).mean()
        else:
            from sklearn.covariance import ledoit_wolf

            covariance, _ = ledoit_wolf(away, assume_centered=True)
        covariance[np.diag_indices_from(covariance)] += _RIDGE * covariance.trace() / len(mean) + 1e-9
        return cls(mean, np.linalg.inv(covariance) / np.outer(scale, scale))

    def distance(self, vectors: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distance from the mean: (n, d) -> (n,)."""
        away = vectors - self.mean
        return np.einsum("ni,ij,nj->n", away, self.precision, away, optimize=_ORDER)

    @property
    def size(self) -> int:
        """How many numbers it is made of: the precision is symmetric."""
        count = len(self.mean)
        return count + count * (count + 1) // 2
