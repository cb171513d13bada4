"""The registry of models: what each one is, and what it needs.

A new model is one class in this package or in `mimii.networks` and one line here; the ``--model`` choices and the tests
of every model follow.
"""

from dataclasses import dataclass

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
