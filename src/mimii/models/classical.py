"""Models of scikit-learn, over standardised and flattened windows."""

import time
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest, RandomForestClassifier, StackingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, SGDOneClassSVM
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC, OneClassSVM

from mimii.features.windows import Windows
from mimii.models.base import Classifier, Model, WindowDetector
from mimii.training.history import History
from mimii.training.hooks import Hooks, Training

_BLOCK = 4096  # windows that are stacked at once
# beyond what skops itself trusts: the nodes of a tree, and a dict whose keys are attributes
_TRUSTED = ["sklearn.tree._tree.Tree", "sklearn.utils._bunch.Bunch"]
_EXACT_LIMIT = 3000  # windows; beyond, the time of an exact kernel machine grows with the square of their number
_TREES = 10  # of a random forest that are fitted at a time
_LANDMARKS = 256  # of the Nyström approximation (Williams and Seeger, 2000)


class SkopsModel(Model):
    """A model whose learnt part is saved by skops.

    Attributes
    ----------
    mean, std : np.ndarray [shape=(n_mels,), dtype=float32]
        Of each mel band over the training frames.
    estimator : Any
        What was fitted: an estimator of scikit-learn, or arrays in dicts.
    """

    mean: np.ndarray
    std: np.ndarray
    estimator: Any

    learnt_file = "estimator.skops"

    def to_bytes(self) -> bytes:
        """All that was learnt, as skops saves it."""
        import skops.io

        learnt: bytes = skops.io.dumps({"mean": self.mean, "std": self.std, "estimator": self.estimator})
        return learnt

    def from_bytes(self, content: bytes) -> None:
        """Take over what `to_bytes` gave; only known types are made."""
        import skops.io

        learnt = skops.io.loads(content, trusted=_TRUSTED)
        mean, std = np.asarray(learnt["mean"]), np.asarray(learnt["std"])
        if not (mean.shape == std.shape == (self.n_mels,) and mean.dtype == std.dtype == np.float32):
            raise ValueError("the scale is not that of its mel bands")
        self.mean, self.std, self.estimator = mean, std, learnt["estimator"]
        self.check()

    def check(self) -> None:
        """See that the estimator is one of this model; may raise anything at all where it is not."""
        raise NotImplementedError


class ClassicalModel(SkopsModel):
    """A scikit-learn estimator.

    It is fitted to at most ``max_windows`` windows, drawn at random: neighbouring windows share most of their
    frames, and more of them cost memory and teach little.
    """

    max_windows = 50_000
    estimator_types: ClassVar[tuple[type[BaseEstimator], ...]]

    def check(self) -> None:
        """See that the estimator is of the right type and for windows of this shape."""
        if not isinstance(self.estimator, self.estimator_types):
            raise TypeError(f"{type(self.estimator).__name__} is no estimator of {self.name}")
        if self.estimator.n_features_in_ != self.frames * self.n_mels:
            raise ValueError("the estimator is for windows of another shape")

    def make_estimator(self, windows: Windows, seed: int) -> BaseEstimator:
        """An unfitted estimator for these windows; sets ``variant`` where there are several."""
        raise NotImplementedError

    def fit(self, windows: Windows, validation: Windows | None, training: Training) -> History:
        """Fit the estimator; it needs no validation, and has no steps."""
        begin = time.perf_counter()
        self.mean, self.std = windows.band_statistics()
        if len(windows) > self.max_windows:
            drawn = np.random.default_rng(training.seed).choice(len(windows), self.max_windows, replace=False)
            windows = windows.take(np.sort(drawn))
        # scikit-learn takes seeds of 32 bits
        self.estimator = self.make_estimator(windows, training.seed % 2**32)
        uncounted = self.teach(self._vectors(windows), windows.target, training.hooks)
        return History(training_time_sec=time.perf_counter() - begin - uncounted, train_samples=len(windows))

    def teach(self, vectors: np.ndarray, targets: np.ndarray | None, hooks: Hooks) -> float:
        """Fit the estimator; gives the seconds that are not counted."""
        self.estimator.fit(vectors, targets)
        return 0.0

    def _vectors(self, windows: Windows) -> np.ndarray:
        """Standardised windows, (n_windows, frames * n_mels)."""
        return ((windows.gather() - self.mean) / self.std).reshape(len(windows), -1)

    def _apply(self, function: Callable[[np.ndarray], np.ndarray], windows: Windows) -> np.ndarray:
        """What a function of the estimator gives for each window, a block at a time."""
        begins = range(0, len(windows), _BLOCK)
        blocks = [windows.take(np.arange(begin, min(begin + _BLOCK, len(windows)))) for begin in begins]
        return np.concatenate([function(self._vectors(block)) for block in blocks])

    def _landmarks(self, seed: int) -> Nystroem:
        """Nyström features of the kernel that scikit-learn's ``gamma="scale"`` gives for standardised windows."""
        return Nystroem(gamma=1 / (self.frames * self.n_mels), n_components=_LANDMARKS, random_state=seed)


class ClassicalDetector(ClassicalModel, WindowDetector):
    """An outlier detector of scikit-learn, whose scores are high for what is normal."""

    def score_windows(self, windows: Windows) -> np.ndarray:
        """Score of each window: np.ndarray [shape=(n_windows,), dtype=float64]."""
        return -self._apply(self.estimator.score_samples, windows)


class IsolationForestDetector(ClassicalDetector):
    """Isolation forest (Liu et al., 2008): 100 trees of 256 windows each."""

    estimator_types = (IsolationForest,)

    def make_estimator(self, windows: Windows, seed: int) -> BaseEstimator:
        """An isolation forest."""
        return IsolationForest(n_estimators=100, random_state=seed)

    @property
    def num_parameters(self) -> int:
        """Five numbers a node: the value it asks for, the threshold, two children, the count of its windows."""
        return 5 * sum(tree.tree_.node_count for tree in self.estimator.estimators_)


class OneClassSVMDetector(ClassicalDetector):
    """One-class SVM (Schölkopf et al., 2001) with an RBF kernel: exact, or beyond 3000 windows approximate."""

    nu = 0.1
    estimator_types = (OneClassSVM, Pipeline)

    def make_estimator(self, windows: Windows, seed: int) -> BaseEstimator:
        """The exact one-class SVM, or one on Nyström features fitted by stochastic gradient."""
        if len(windows) <= _EXACT_LIMIT:
            self.variant = "exact"
            return OneClassSVM(nu=self.nu)
        self.variant = "nystroem"
        return make_pipeline(self._landmarks(seed), SGDOneClassSVM(nu=self.nu, random_state=seed))

    @property
    def num_parameters(self) -> int:
        """Support vectors with their weights and the offset, or landmarks, their normalisation, weights, offset."""
        if self.variant == "exact":
            return self.estimator.support_vectors_.size + self.estimator.dual_coef_.size + 1
        features, svm = self.estimator[0], self.estimator[-1]
        return features.components_.size + features.normalization_.size + svm.coef_.size + 1


class ClassicalClassifier(ClassicalModel, Classifier):
    """A classifier of scikit-learn."""

    def check(self) -> None:
        """As of every such model; and the estimator must know as many classes."""
        super().check()
        if len(self.estimator.classes_) != self.num_classes:
            raise ValueError("the estimator is for another number of classes")

    @property
    def class_weight(self) -> str | None:
        """The classes' weights as scikit-learn takes them."""
        return "balanced" if self.balanced else None

    def predict_proba(self, windows: Windows) -> np.ndarray:
        """Probabilities: np.ndarray [shape=(n_windows, num_classes), dtype=float64]."""
        return self._apply(self.estimator.predict_proba, windows)


class RandomForest(ClassicalClassifier):
    """Random forest (Breiman, 2001): 100 trees of 2000 windows each, at least 5 windows a leaf."""

    estimator_types = (RandomForestClassifier,)

    def make_estimator(self, windows: Windows, seed: int) -> BaseEstimator:
        """A random forest."""
        return RandomForestClassifier(
            n_estimators=100,
            min_samples_leaf=5,
            max_samples=min(2000, len(windows)),
            class_weight=self.class_weight,
            random_state=seed,
        )

    def teach(self, vectors: np.ndarray, targets: np.ndarray | None, hooks: Hooks) -> float:
        """Fit some trees at a time, so that others can measure between; they are those of a single fit."""
        count, uncounted = self.estimator.n_estimators, 0.0
        self.estimator.warm_start = True
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="class_weight presets")  # the data are the same each time
            for trees in (*range(_TREES, count, _TREES), count):
                self.estimator.set_params(n_estimators=trees).fit(vectors, targets)
                uncounted += hooks.after_step()
        self.estimator.warm_start = False
        return uncounted

    @property
    def num_parameters(self) -> int:
        """For each node the value it asks for, the threshold and two children, and the share of each class."""
        nodes = sum(tree.tree_.node_count for tree in self.estimator.estimators_)
        return (4 + self.num_classes) * nodes


class SVM(ClassicalClassifier):
    """SVM (Cortes and Vapnik, 1995) with an RBF kernel: exact, or beyond 3000 windows approximate.

    The exact one's probabilities are a logistic regression on its decision values (Platt, 1999), which were made on
    folds that keep the windows of a recording together. The approximate one is a logistic regression on Nyström
    features.
    """

    estimator_types = (StackingClassifier, Pipeline)

    def make_estimator(self, windows: Windows, seed: int) -> BaseEstimator:
        """The exact SVM or its approximation."""
        logistic = LogisticRegression(class_weight=self.class_weight, max_iter=1000)
        if len(windows) > _EXACT_LIMIT:
            self.variant = "nystroem"
            return make_pipeline(self._landmarks(seed), logistic)
        self.variant = "exact"
        targets = windows.target
        assert targets is not None
        recordings = min(len(np.unique(windows.recording[targets == number])) for number in np.unique(targets))
        if recordings > 1:
            splitter = StratifiedGroupKFold(min(recordings, 3))
            splits = list(splitter.split(targets, targets, windows.recording))
        else:  # of a class with a single recording there are windows in every fold
            splits = list(StratifiedKFold(3).split(targets, targets))
        svm = SVC(class_weight=self.class_weight)
        return StackingClassifier([("svm", svm)], logistic, cv=splits, stack_method="decision_function")

    @property
    def num_parameters(self) -> int:
        """Support vectors or landmarks with their normalisation, and all weights and offsets."""
        if self.variant == "nystroem":
            features, logistic = self.estimator[0], self.estimator[-1]
            first: tuple[np.ndarray, ...] = (features.components_, features.normalization_)
        else:
            (svm,), logistic = self.estimator.estimators_, self.estimator.final_estimator_
            first = (svm.support_vectors_, svm.dual_coef_, svm.intercept_)
        return sum(part.size for part in (*first, logistic.coef_, logistic.intercept_))
