"""The registry of models, and the function that makes one of them.

A new model is one class in this package or in `mimii.networks` and one line here; the ``--model`` choices and the tests
of every model follow.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mimii.settings import NATIVE, SCORE_POOLINGS, SCORINGS, ClipSettings

if TYPE_CHECKING:
    from mimii.models.base import Model

Way = tuple[str, str]  # of scoring a recording: the scoring, and the pooling of window scores or an empty text

_TRAINED_IN_EPOCHS = ("frames", "epochs", "batch_size", "learning_rate", "val_split", "seed", "tf32")
_DRAWN_WINDOWS = ("frames", "seed")


@dataclass(frozen=True)
class Entry:
    """A line of the registry.

    Attributes
    ----------
    module, name : str
        Where the class is; it is imported when it is needed, which keeps ``--help`` quick.
    summary : str
        A few words for tables.
    min_n_mels : int
        The fewest mel bands that it can take.
    needs_middle : bool
        Its windows must have a frame in the middle and others around it.
    is_network : bool
        A `mimii.networks.base.Network`, trained in epochs on any device; the others are models of their own. A
        detector that is a network reconstructs its windows.
    settings : tuple of str
        The fields of `mimii.settings.TrainingSettings` that make a difference to it.
    options : tuple of str
        The fields of `mimii.settings.ClipSettings` that it knows; a clip-level detector knows some, every other model
        none.
    """

    module: str
    name: str
    summary: str
    min_n_mels: int = 1
    needs_middle: bool = False
    is_network: bool = True
    settings: tuple[str, ...] = _TRAINED_IN_EPOCHS
    options: tuple[str, ...] = ()

    @property
    def is_clip_level(self) -> bool:
        """A detector that judges a recording as a whole."""
        return bool(self.options)

    def window_length(self, frames: int) -> int:
        """Frames in its windows, where the settings ask for so many; a clip-level detector needs no more than one."""
        return frames if "frames" in self.settings else 1

    def misfit(self, n_mels: int, frames: int) -> str:
        """What it needs instead of windows of this shape; empty where it can take them."""
        if n_mels < self.min_n_mels:
            return f"n_mels {self.min_n_mels} or more, not {n_mels}"
        if self.needs_middle and (frames < 3 or frames % 2 == 0):
            return f"frames 3, 5, 7 or another odd number, not {frames}"
        return ""


def _classical(name: str, summary: str) -> Entry:
    return Entry("models.classical", name, summary, is_network=False, settings=_DRAWN_WINDOWS)


def _clip_level(name: str, summary: str, *, settings: tuple[str, ...] = (), has_distance: bool = False) -> Entry:
    options = ("pooling", "twfr_r", "distance") if has_distance else ("pooling", "twfr_r")
    return Entry("models.clip_level", name, summary, is_network=False, settings=settings, options=options)


DETECTORS = {
    "simple_ae": Entry("networks.autoencoders", "SimpleAE", "dense autoencoder 64-8-64"),
    "deep_ae": Entry("networks.autoencoders", "DeepAE", "dense autoencoder 128-64-32-16-32-64-128"),
    "vae": Entry("networks.autoencoders", "VAE", "variational autoencoder, latent 16"),
    "conv_ae": Entry("networks.autoencoders", "ConvAE", "2-D convolutions, bottleneck 32", min_n_mels=8),
    "lstm_ae": Entry("networks.autoencoders", "LSTMAE", "LSTM encoder and decoder over the frames"),
    "attention_ae": Entry("networks.autoencoders", "AttentionAE", "self-attention over the frames"),
    "residual_ae": Entry("networks.autoencoders", "ResidualAE", "dense residual blocks"),
    "denoising_ae": Entry("networks.autoencoders", "DenoisingAE", "noise and dropout while training"),
    "ss_ae": Entry("networks.autoencoders", "SpectralShapeAE", "spectral shape on a small shared basis"),
    "idnn": Entry("networks.autoencoders", "IDNN", "the middle frame from the others, dense", needs_middle=True),
    "isolation_forest": _classical("IsolationForestDetector", "scikit-learn, 100 trees"),
    "one_class_svm": _classical("OneClassSVMDetector", "scikit-learn, RBF kernel"),
    "knn": _clip_level("NearestNeighbour", "nearest training recording", has_distance=True),
    "mahalanobis": _clip_level("Mahalanobis", "Ledoit-Wolf, over recordings"),
    "gmm": _clip_level("Mixture", "two Gaussians, over recordings", settings=("seed",)),
    "pca": _clip_level("PrincipalComponents", "outside 95 % of the variance"),
    "ldn": _clip_level("LocalDensity", "nearest by local density", has_distance=True),
    "fusion": _clip_level("Fusion", "knn, mahalanobis, ldn and pca", has_distance=True),
}

CLASSIFIERS = {
    "simple_classifier": Entry("networks.classifiers", "SimpleClassifier", "dense 64-32"),
    "deep_classifier": Entry("networks.classifiers", "DeepClassifier", "dense 128-64-32-16"),
    "vae_classifier": Entry("networks.classifiers", "VAEClassifier", "variational encoder, latent 16"),
    "conv_classifier": Entry(
        "networks.classifiers", "ConvClassifier", "2-D convolutions, global pooling", min_n_mels=8
    ),
    "lstm_classifier": Entry("networks.classifiers", "LSTMClassifier", "LSTM over the frames"),
    "attention_classifier": Entry("networks.classifiers", "AttentionClassifier", "self-attention over the frames"),
    "residual_classifier": Entry("networks.classifiers", "ResidualClassifier", "dense residual blocks"),
    "denoising_classifier": Entry("networks.classifiers", "DenoisingClassifier", "noise and dropout while training"),
    "ss_classifier": Entry("networks.classifiers", "SpectralShapeClassifier", "spectral shape, then dense 32-16"),
    "random_forest": _classical("RandomForest", "scikit-learn, 100 trees"),
    "svm": _classical("SVM", "scikit-learn, RBF kernel"),
}

# the MIMII authors' own model, for src/baseline.py
BASELINES = {"mimii_baseline": Entry("networks.autoencoders", "MIMIIBaselineAE", "dense autoencoder 64-64-8-64-64")}

REGISTRY = DETECTORS | CLASSIFIERS | BASELINES


def list_models(task: str) -> list[str]:
    """Names of the models for a task, ``detection`` or ``classification``, in the order of tables."""
    return list({"detection": DETECTORS, "classification": CLASSIFIERS}[task])


def scoring_ways(
    name: str, scorings: Sequence[str] = SCORINGS, score_poolings: str | Sequence[str] = SCORE_POOLINGS
) -> list[Way]:
    """The ways in which a detector scores a recording.

    Parameters
    ----------
    name : str
        A detector of the registry.
    scorings : sequence of str
        Of `mimii.settings.SCORINGS`: those that are wanted of a detector that reconstructs. Every other detector has
        one scoring, ``native``.
    score_poolings : str or sequence of str
        Of `mimii.settings.SCORE_POOLINGS`: those that are wanted where windows have scores.

    Returns
    -------
    list of (str, str)
        Scoring and pooling of window scores; the pooling is empty where windows have no scores.
    """
    entry = REGISTRY[name]
    poolings = [score_poolings] if isinstance(score_poolings, str) else list(score_poolings)
    ways: list[Way] = []
    for scoring in scorings if entry.is_network else [NATIVE]:
        has_window_scores = not (entry.is_clip_level or scoring == "mahalanobis")
        ways += [(scoring, pooling) for pooling in (poolings if has_window_scores else [""])]
    return ways


def clip_options(name: str, clip: ClipSettings) -> dict[str, Any]:
    """Those of the settings that make a difference to a clip-level detector; none to any other model."""
    options = {option: value for option, value in asdict(clip).items() if option in REGISTRY[name].options}
    if clip.pooling != "twfr":
        options.pop("twfr_r", None)
    return options


def create_model(
    name: str,
    *,
    n_mels: int = 64,
    frames: int = 5,
    num_classes: int = 2,
    balanced: bool = True,
    device: str = "cpu",
    clip: ClipSettings | None = None,
) -> "Model":
    """Make an unfitted detector or classifier.

    Parameters
    ----------
    name : str
        A name of the registry.
    n_mels, frames : int > 0
        Shape of a window, (frames, n_mels).
    num_classes : int >= 2
        Of a classifier.
    balanced : bool
        A classifier weighs each class by the inverse of its share of the training windows.
    device : str
        Where a network runs: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    clip : ClipSettings, optional
        Of a clip-level detector.

    Raises
    ------
    ValueError
        No such model, or one that can't take windows of this shape.
    """
    import importlib

    if name not in REGISTRY:
        raise ValueError(f"unknown model {name!r}; there are {', '.join(REGISTRY)}")
    entry = REGISTRY[name]
    if misfit := entry.misfit(n_mels, frames):
        raise ValueError(f"{name} needs {misfit}")
    model_class = getattr(importlib.import_module(f"mimii.{entry.module}"), entry.name)
    arguments: dict[str, Any] = {"name": name, "n_mels": n_mels, "frames": frames, "device": device}
    if name in CLASSIFIERS:
        arguments |= {"num_classes": num_classes, "balanced": balanced}
    if entry.is_clip_level:
        arguments["options"] = clip_options(name, clip or ClipSettings())
    if entry.is_network:
        from mimii.models.network import NetworkClassifier, NetworkDetector

        arguments["network_class"] = model_class
        model_class = NetworkClassifier if name in CLASSIFIERS else NetworkDetector
    model: Model = model_class(**arguments)
    return model
