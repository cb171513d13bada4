"""Detectors of scikit-learn, over standardised and flattened windows."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM
from sklearn.pipeline import make_pipeline
from sklearn.svm import OneClassSVM

from mimii import cache
from mimii.features import Windows
from mimii.models.base import Detector, History
from mimii.settings import TrainingSettings

_BLOCK = 4096  # windows that are stacked at once for scoring
_TRUSTED = ["sklearn.tree._tree.Tree"]  # beyond what skops itself trusts


class ClassicalDetector(Detector):
    """A scikit-learn outlier detector.

    It is fitted to at most ``max_windows`` windows, drawn at random: neighbouring windows share most of their
    frames, and more of them cost memory and teach nothing.
    """

    max_windows = 50_000

    def make_estimator(self, count: int, seed: int) -> BaseEstimator:
        """An unfitted estimator for ``count`` windows; sets ``variant`` where there are several."""
        raise NotImplementedError

    def fit(
        self,
        windows: Windows,
        validation: Windows | None,
        settings: TrainingSettings,
        *,
        seed: int,
        give_way: Callable[[], float] = lambda: 0.0,
    ) -> History:
        """Fit the estimator; it needs no validation and can't give way."""
        begin = time.perf_counter()
        self.mean, self.std = windows.band_statistics()
        if len(windows) > self.max_windows:
            drawn = np.random.default_rng(seed).choice(len(windows), self.max_windows, replace=False)
            windows = windows.take(np.sort(drawn))
        # scikit-learn takes seeds of 32 bits
        self.estimator = self.make_estimator(len(windows), seed % 2**32)
        self.estimator.fit(self._vectors(windows))
        return History(training_time_sec=time.perf_counter() - begin)

    def score_windows(self, windows: Windows) -> np.ndarray:
        """Score of each window: np.ndarray [shape=(n_windows,), dtype=float64]."""
        blocks = [
            windows.take(np.arange(start, min(start + _BLOCK, len(windows))))
            for start in range(0, len(windows), _BLOCK)
        ]
        # scikit-learn's scores are high for what is normal
        return -np.concatenate([self.estimator.score_samples(self._vectors(block)) for block in blocks])

    def _vectors(self, windows: Windows) -> np.ndarray:
        """Standardised windows, (n_windows, frames * n_mels)."""
        return ((windows.gather() - self.mean) / self.std).reshape(len(windows), -1)

    def save(self, path: Path, facts: dict[str, Any]) -> None:
        """Write the estimator and the facts with skops."""
        import skops.io

        content = {
            "name": self.name,
            "shape": [self.n_mels, self.frames],
            "variant": self.variant,
            "mean": self.mean,
            "std": self.std,
            "estimator": self.estimator,
            "facts": facts,
        }
        with cache.whole_file(path) as temporary:
            skops.io.dump(content, temporary)

    def load(self, path: Path) -> dict[str, Any]:
        """Read the estimator and the facts; only known types are made."""
        import skops.io

        try:
            content = skops.io.load(path, trusted=_TRUSTED)
            if [content["name"], content["shape"]] != [self.name, [self.n_mels, self.frames]]:
                raise ValueError(f"holds {content['name']} for windows of {content['shape']}")
            self.variant = content["variant"]
            self.mean, self.std = content["mean"], content["std"]
            self.estimator = content["estimator"]
            return content["facts"]
        except FileNotFoundError:
            raise
        except Exception as error:  # skops raises many kinds for a damaged file
            raise cache.CacheError(f"{path.name}: {str(error).splitlines()[0]}") from error


class IsolationForestDetector(ClassicalDetector):
    """Isolation forest (Liu et al., 2008): 100 trees of 256 windows each."""

    def make_estimator(self, count: int, seed: int) -> BaseEstimator:
        """An isolation forest."""
        return IsolationForest(n_estimators=100, random_state=seed)

    @property
    def num_parameters(self) -> int:
        """Five numbers a node: the band it asks for, the threshold, two children, and the count of its windows."""
        return 5 * sum(tree.tree_.node_count for tree in self.estimator.estimators_)


class OneClassSVMDetector(ClassicalDetector):
    """One-class SVM (Schölkopf et al., 2001) with an RBF kernel.

    Exact up to ``exact_limit`` windows. Beyond, its time would grow with the square of their number, so the kernel
    is approximated by Nyström features (Williams and Seeger, 2000) and the SVM is fitted by stochastic gradient.
    """

    exact_limit = 3000
    nu = 0.1
    components = 256

    def make_estimator(self, count: int, seed: int) -> BaseEstimator:
        """The exact one-class SVM or its approximation."""
        if count <= self.exact_limit:
            self.variant = "exact"
            return OneClassSVM(nu=self.nu)
        self.variant = "nystroem"
        # of standardised windows the exact SVM's gamma="scale" is 1 / (frames * n_mels)
        features = Nystroem(gamma=1 / (self.frames * self.n_mels), n_components=self.components, random_state=seed)
        return make_pipeline(features, SGDOneClassSVM(nu=self.nu, random_state=seed))

    @property
    def num_parameters(self) -> int:
        """Support vectors with their weights and the offset, or landmarks, their normalisation, weights, offset."""
        if self.variant == "exact":
            return self.estimator.support_vectors_.size + self.estimator.dual_coef_.size + 1
        features, svm = self.estimator[0], self.estimator[-1]
        return features.components_.size + features.normalization_.size + svm.coef_.size + 1
