"""The registry of models, and the function that makes one of them.

A new model is one class in this package and one line here; the ``--model`` choices and the tests of every model
follow.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mimii.settings import NATIVE, RecordingSettings

if TYPE_CHECKING:
    from mimii.models.base import Model


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
        A `mimii.models.network.Network`, trained in epochs on any device; the others are models of their own. A
        detector that is a network reconstructs its windows.
    options : tuple of str
        The fields of `mimii.settings.RecordingSettings` that it knows; a model that judges recordings as a whole
        knows some, every other none.
    """

    module: str
    name: str
    summary: str
    min_n_mels: int = 1
    needs_middle: bool = False
    is_network: bool = True
    options: tuple[str, ...] = ()

    def misfit(self, n_mels: int, frames: int) -> str:
        """What it needs instead of windows of this shape; empty where it can take them."""
        if n_mels < self.min_n_mels:
            return f"n_mels {self.min_n_mels} or more, not {n_mels}"
        if self.needs_middle and (frames < 3 or frames % 2 == 0):
            return f"frames 3, 5, 7 or another odd number, not {frames}"
        return ""


_POOLED = {"is_network": False, "options": ("pooling", "twfr_r")}
_NEAREST = {"is_network": False, "options": ("pooling", "twfr_r", "distance")}

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
    "isolation_forest": Entry(
        "models.classical", "IsolationForestDetector", "scikit-learn, 100 trees", is_network=False
    ),
    "one_class_svm": Entry("models.classical", "OneClassSVMDetector", "scikit-learn, RBF kernel", is_network=False),
    "knn": Entry("models.clip_level", "NearestNeighbour", "nearest training recording", **_NEAREST),
    "mahalanobis": Entry("models.clip_level", "Mahalanobis", "Ledoit-Wolf, over recordings", **_POOLED),
    "gmm": Entry("models.clip_level", "Mixture", "two Gaussians, over recordings", **_POOLED),
    "pca": Entry("models.clip_level", "PrincipalComponents", "outside 95 % of the variance", **_POOLED),
    "ldn": Entry("models.clip_level", "LocalDensity", "nearest by local density", **_NEAREST),
    "fusion": Entry("models.clip_level", "Fusion", "knn, mahalanobis, ldn and pca", **_NEAREST),
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
    "random_forest": Entry("models.classical", "RandomForest", "scikit-learn, 100 trees", is_network=False),
    "svm": Entry("models.classical", "SVM", "scikit-learn, RBF kernel", is_network=False),
}

# the MIMII authors' own model, for src/baseline.py
BASELINES = {"mimii_baseline": Entry("networks.autoencoders", "MIMIIBaselineAE", "dense autoencoder 64-64-8-64-64")}

REGISTRY = DETECTORS | CLASSIFIERS | BASELINES


def list_models(task: str) -> list[str]:
    """Names of the models for a task, ``detection`` or ``classification``, in the order of tables."""
    return list({"detection": DETECTORS, "classification": CLASSIFIERS}[task])


def scorings(name: str, wanted: Sequence[str]) -> list[str]:
    """The ways in which a detector scores recordings: as wanted where it reconstructs, else its own."""
    return list(wanted) if REGISTRY[name].is_network else [NATIVE]


def recording_options(name: str, settings: RecordingSettings) -> dict[str, Any]:
    """Those of the settings that make a difference to a model; none to one that judges windows."""
    options = {option: value for option, value in asdict(settings).items() if option in REGISTRY[name].options}
    if settings.pooling != "twfr":
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
    recording: RecordingSettings | None = None,
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
    recording : RecordingSettings, optional
        Of a model that judges recordings as a whole.

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
    shape = (name, n_mels, frames, device)
    classes = {"num_classes": num_classes, "balanced": balanced} if name in CLASSIFIERS else {}
    if entry.options:
        return model_class(*shape, options=recording_options(name, recording or RecordingSettings()))
    if not entry.is_network:
        return model_class(*shape, **classes)

    from mimii.models.network import NetworkClassifier, NetworkDetector

    return (NetworkClassifier if classes else NetworkDetector)(model_class, *shape, **classes)
