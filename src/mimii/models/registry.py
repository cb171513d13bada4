"""The registry of models, and the function that makes one of them.

A new model is one class in this package or in `mimii.networks` and one line here; the ``--model`` choices and the tests
of every model follow.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mimii.errors import UserError
from mimii.runtime.spelling import did_you_mean
from mimii.settings import (
    BACKENDS,
    CLASSES,
    MOST_NETWORKS,
    NATIVE,
    SCORE_POOLINGS,
    SCORINGS,
    ClipSettings,
    ScoringSettings,
    TrainingSettings,
)

if TYPE_CHECKING:
    from mimii.models.base import Model

Way = tuple[str, str]  # of scoring a recording: the scoring, and the pooling of window scores or an empty text

_TRAINED_IN_EPOCHS = ("frames", "epochs", "batch_size", "learning_rate", "val_split", "seed", "tf32")
_DRAWN_WINDOWS = ("frames", "seed")
_EMBEDDED = ("epochs", "batch_size", "learning_rate", "seed")


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
        It is trained in epochs on any device. The others run on the CPU.
    settings : tuple of str
        The fields of `mimii.settings.TrainingSettings` that make a difference to it.
    options : tuple of str
        The fields of `mimii.settings.ClipSettings` that it knows; a clip-level detector knows some, every other model
        none.
    epochs, batch_size, ensemble : int
        Where the settings do not say it.
    scope : str
        Which machines share a model where the settings do not say it.
    has_embedding : bool
        It learns to tell machines apart, and compares embeddings by back-ends.
    needs_samples : bool
        It computes spectra of its own from the samples of recordings.
    """

    module: str
    name: str
    summary: str
    min_n_mels: int = 1
    needs_middle: bool = False
    is_network: bool = True
    settings: tuple[str, ...] = _TRAINED_IN_EPOCHS
    options: tuple[str, ...] = ()
    epochs: int = 50
    batch_size: int = 256
    ensemble: int = 1
    scope: str = "machine"
    has_embedding: bool = False
    needs_samples: bool = False

    @property
    def knows_machines(self) -> bool:
        """A detector that has learnt from several machines and knows each one's recordings."""
        return self.scope != "machine"

    @property
    def reconstructs(self) -> bool:
        """A network that reconstructs its windows, if it is a detector."""
        return self.is_network and not self.is_clip_level

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


def _clip_level(summary: str, *, settings: tuple[str, ...] = (), has_distance: bool = False) -> Entry:
    options = ("pooling", "twfr_r", "distance") if has_distance else ("pooling", "twfr_r")
    return Entry(
        "models.clip_level", "ClipLevelDetector", summary, is_network=False, settings=settings, options=options
    )


def _on_samples(summary: str) -> Entry:
    return Entry(
        "models.sample_embedding",
        "SampleEmbedding",
        summary,
        settings=(*_EMBEDDED, "val_split", "tf32"),
        options=("classes", "ensemble"),
        epochs=16,
        batch_size=64,
        scope="all",
        has_embedding=True,
        needs_samples=True,
    )


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
    "knn": _clip_level("nearest training recording", has_distance=True),
    "mahalanobis": _clip_level("Ledoit-Wolf, over recordings"),
    "gmm": _clip_level("two Gaussians, over recordings", settings=("seed",)),
    "pca": _clip_level("outside 95 % of the variance"),
    "ldn": _clip_level("nearest by local density", has_distance=True),
    "id_embedding": Entry(
        "models.embedding",
        "IdEmbedding",
        "machines told apart by their pooled frames",
        is_network=False,
        settings=_EMBEDDED,
        options=("pooling", "twfr_r", "classes", "ensemble"),
        epochs=40,
        batch_size=64,
        ensemble=3,
        scope="type",
        has_embedding=True,
    ),
    "two_branch": _on_samples("machines told apart by spectrum and spectrogram"),
    "multi_resolution": _on_samples("the same with three spectrograms"),
    "fusion": Entry(
        "models.fusion",
        "Fusion",
        "mean z-score of several detectors",
        is_network=False,
        settings=(),
        options=("fuse",),
        scope="type",
    ),
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


def members(name: str, clip: ClipSettings) -> tuple[str, ...]:
    """The detectors that a model is made of: those of a fusion, or the model itself."""
    return clip.fuse if name == "fusion" else (name,)


def training_settings(name: str, clip: ClipSettings) -> tuple[str, ...]:
    """The fields of `mimii.settings.TrainingSettings` that make a difference to a model, or to one of its members."""
    known = {field for member in members(name, clip) for field in REGISTRY[member].settings}
    return tuple(field for field in TrainingSettings.__dataclass_fields__ if field in known)


def member_settings(name: str, settings: TrainingSettings) -> TrainingSettings:
    """The settings with a model's own numbers of epochs and windows in a step, where they are left to it."""
    if name == "fusion":
        return settings  # its members have their own
    entry = REGISTRY[name]
    return replace(
        settings,
        epochs=entry.epochs if settings.epochs is None else settings.epochs,
        batch_size=entry.batch_size if settings.batch_size is None else settings.batch_size,
    )


def scope_of(name: str, scope: str | None, clip: ClipSettings) -> str:
    """Which machines share a model, where the settings ask for a scope or for none.

    A fusion shares what the member of the widest scope does.
    """
    own = {REGISTRY[member].scope for member in members(name, clip)}
    return scope or next(wider for wider in ("all", "type", "machine") if wider in own)


def needs_samples(name: str, clip: ClipSettings) -> bool:
    """Tell whether a model needs the samples of recordings."""
    return any(REGISTRY[member].needs_samples for member in members(name, clip))


def trains_network(name: str, clip: ClipSettings) -> bool:
    """Tell whether a model, or a member of it, is trained in epochs on any device."""
    return any(REGISTRY[member].is_network for member in members(name, clip))


def window_length(name: str, frames: int, clip: ClipSettings) -> int:
    """Frames in a model's windows, where the settings ask for so many."""
    return max(REGISTRY[member].window_length(frames) for member in members(name, clip))


def misfit(name: str, n_mels: int, frames: int, clip: ClipSettings) -> str:
    """What a model, or a member of it, needs instead of windows of this shape; empty where it can take them."""
    return next(filter(None, (REGISTRY[member].misfit(n_mels, frames) for member in members(name, clip))), "")


def without_others(fuse: Sequence[str]) -> tuple[str, ...]:
    """The detectors of a fusion that need no other machine to learn from; it can't be made of fewer than two."""
    return tuple(name for name in fuse if not REGISTRY[name].knows_machines)


def check_scoring(scoring: ScoringSettings) -> None:
    """See that the settings of detectors with an embedding, and of fusions, are some that there are.

    Raises
    ------
    UserError
        They are not.
    """
    clip = scoring.clip
    for name, values, choices in (("--classes", [clip.classes], CLASSES), ("--backend", scoring.backend, BACKENDS)):
        for value in values:
            if value not in choices:
                raise UserError(f"{name} {value}: there is no such one{did_you_mean(value, choices)}")
    if clip.ensemble is not None and not 1 <= clip.ensemble <= MOST_NETWORKS:
        raise UserError(f"--ensemble {clip.ensemble}: an ensemble has 1 to {MOST_NETWORKS} networks")
    check_fusion(clip.fuse)


def check_fusion(fuse: Sequence[str]) -> None:
    """See that detectors can be fused.

    Raises
    ------
    UserError
        One does not exist or is named twice, or there are fewer than two.
    """
    choices = [name for name in DETECTORS if name != "fusion"]
    for name in fuse:
        if name not in choices:
            suggestion = did_you_mean(name, choices)
            raise UserError(f"--fuse {name}: it can't be fused{suggestion}; there are {', '.join(choices)}")
    if len(set(fuse)) < max(2, len(fuse)):
        raise UserError("--fuse: a fusion needs two detectors or more, and each one once")


def scoring_ways(
    name: str,
    scorings: Sequence[str] = SCORINGS,
    score_poolings: str | Sequence[str] = SCORE_POOLINGS,
    backends: Sequence[str] = BACKENDS,
) -> list[Way]:
    """The ways in which a detector scores a recording.

    Parameters
    ----------
    name : str
        A detector of the registry.
    scorings : sequence of str
        Of `mimii.settings.SCORINGS`: those that are wanted of a detector that reconstructs.
    score_poolings : str or sequence of str
        Of `mimii.settings.SCORE_POOLINGS`: those that are wanted where windows have scores.
    backends : sequence of str
        Of `mimii.settings.BACKENDS`: those that are wanted of a detector with an embedding.

    Returns
    -------
    list of (str, str)
        Scoring and pooling of window scores; the pooling is empty where windows have no scores. The scoring of a
        detector that neither reconstructs nor embeds is ``native``.
    """
    entry = REGISTRY[name]
    if entry.has_embedding:
        return [(backend, "") for backend in backends]
    poolings = [score_poolings] if isinstance(score_poolings, str) else list(score_poolings)
    ways: list[Way] = []
    for scoring in scorings if entry.reconstructs else [NATIVE]:
        has_window_scores = not (entry.is_clip_level or scoring == "mahalanobis")
        ways += [(scoring, pooling) for pooling in (poolings if has_window_scores else [""])]
    return ways


def fusion_way(name: str) -> Way:
    """How a detector scores as a member of a fusion: a network by its residuals, an embedding by local density."""
    return scoring_ways(name, scorings=("mahalanobis",), score_poolings="mean", backends=("ldn",))[0]


def clip_options(name: str, clip: ClipSettings) -> dict[str, Any]:
    """Those of the settings that make a difference to a detector that judges a recording as a whole; else none."""
    known = {option for member in {name, *members(name, clip)} for option in REGISTRY[member].options}
    options = {option: value for option, value in asdict(clip).items() if option in known}
    if clip.pooling != "twfr":
        options.pop("twfr_r", None)
    if "fuse" in options:
        options["fuse"] = " ".join(clip.fuse)
    if "ensemble" in options:
        options["ensemble"] = REGISTRY[name].ensemble if clip.ensemble is None else clip.ensemble
    if name == "fusion" and clip.ensemble is None:
        options.pop("ensemble", None)  # each member has its own
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
    if needed := entry.misfit(n_mels, frames):
        raise ValueError(f"{name} needs {needed}")
    model_class = getattr(importlib.import_module(f"mimii.{entry.module}"), entry.name)
    arguments: dict[str, Any] = {"name": name, "n_mels": n_mels, "frames": frames, "device": device}
    if name in CLASSIFIERS:
        arguments |= {"num_classes": num_classes, "balanced": balanced}
    if entry.is_clip_level:
        arguments["options"] = clip_options(name, clip or ClipSettings())
    if entry.reconstructs:
        from mimii.models.network import NetworkClassifier, NetworkDetector

        arguments["network_class"] = model_class
        model_class = NetworkClassifier if name in CLASSIFIERS else NetworkDetector
    model: Model = model_class(**arguments)
    return model
