"""The settings of an experiment. Standard library only, so that ``--help`` is quick."""

from dataclasses import dataclass, field
from pathlib import Path

# how the windows of a recording become its score, by a detector that reconstructs them
SCORINGS = ("mse", "mahalanobis")
NATIVE = "native"  # the scoring of a detector that does not reconstruct: it has one way, its own
SCORE_POOLINGS = ("mean", "max", "top10")

POOLINGS = ("mean", "median", "max", "twfr")
DISTANCES = ("euclidean", "cosine")
BACKENDS = ("ldn", "knn", "kmeans", "mahalanobis")  # how a recording's embedding is compared with normal ones
CLASSES = ("machine", "attributes")
MOST_NETWORKS = 100  # of an ensemble
FUSED = ("ldn", "mahalanobis", "id_embedding")
FUSED_AT_BEST = (*FUSED, "idnn", "two_branch")  # with a GPU, or time

DIFFERENCE = "difference"  # in place of a channel's number: the near microphone's without the noise at the far one

DETECTION_SCOPES = ("machine", "type", "all")
CLASSIFICATION_TYPES = ("machine_type", "machine_id")
CLASS_WEIGHTS = ("balanced", "none")
DEVICES = ("auto", "cpu", "cuda", "mps")
JOBS_PER_GPU = 4  # small networks leave a GPU idle most of the time, but each process takes memory there


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Which recordings are used.

    Attributes
    ----------
    base_dir : Path
        The data set, or a part of it.
    layout : str
        A key of `mimii.data.layouts.LAYOUTS`, or ``auto``, which recognises the layout.
    dataset : str, or None
        The name of the data set; of several below the directory the one that has it.
    ground_truth : tuple of Path
        Files or directories with the labels that a challenge withholds; see `mimii.data.ground_truth`.
    snr, machine_type, machine_id : tuple of str, or None
        Only these; None stands for all.
    """

    base_dir: Path
    layout: str = "auto"
    dataset: str | None = None
    ground_truth: tuple[Path, ...] = ()
    snr: tuple[str, ...] | None = None
    machine_type: tuple[str, ...] | None = None
    machine_id: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """How log-mel frames are computed.

    Attributes
    ----------
    n_mels : int > 0
        Number of mel bands.
    n_fft : int > 0
        Length of the FFT frame [samples].
    hop_length : int > 0
        Step from one frame to the next [samples].
    power : float > 0
        Exponent of the magnitude spectrogram: 1 for amplitude, 2 for power.
    channel : int >= 0, or "difference"
        The channel that is read; MIMII has eight. The difference is channel 0, of a microphone near the machine,
        without the noise that channel 1, of one far from it, hears as well.
    """

    n_mels: int = 64
    n_fft: int = 1024
    hop_length: int = 512
    power: float = 2.0
    channel: int | str = 0


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a model is trained.

    Attributes
    ----------
    frames : int > 0
        Frames in a window, the input of a model.
    epochs : int > 0, or None
        Passes over the training windows; None stands for each model's own number.
    batch_size : int > 0, or None
        Windows in a training step; None stands for each model's own number.
    learning_rate : float > 0
        Step size of Adam.
    val_split : float in [0, 1)
        Fraction of the training recordings that is kept for validation.
    seed : int >= 0
        All random numbers come from it and from the name of the model.
    tf32 : bool
        A GPU may multiply in TF32, which is faster for large networks and has 10 bits instead of 23.
    """

    frames: int = 5
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float = 1e-3
    val_split: float = 0.1
    seed: int = 42
    tf32: bool = False


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """How a detector that judges a recording as a whole represents, learns and compares recordings.

    Attributes
    ----------
    pooling : str
        How the frames of a recording become one vector, band by band: ``mean``, ``median``, ``max``, or ``twfr``,
        the mean of the frames sorted from the loudest down and weighted by powers of ``twfr_r``.
    twfr_r : float in [0, 1]
        1 makes ``twfr`` the mean, 0 the maximum.
    distance : str
        ``euclidean`` or ``cosine``: between vectors, where a detector looks at the nearest ones.
    classes : str
        One of ``CLASSES``: what an embedding learns to tell apart.
    ensemble : int > 0, or None
        Networks of an embedding, whose mean score counts; None stands for each detector's own number.
    fuse : tuple of str
        The detectors whose z-scores ``fusion`` is the mean of.
    """

    pooling: str = "mean"
    twfr_r: float = 0.99
    distance: str = "euclidean"
    classes: str = "machine"
    ensemble: int | None = None
    fuse: tuple[str, ...] = FUSED


@dataclass(frozen=True, kw_only=True)
class ScoringSettings:
    """How a recording gets its anomaly score.

    Attributes
    ----------
    scoring : tuple of str
        One or several of ``SCORINGS``, for detectors that reconstruct windows.
    score_pooling : str
        One of ``SCORE_POOLINGS``: how the scores of windows become that of their recording.
    backend : tuple of str
        One or several of ``BACKENDS``, for detectors with an embedding.
    clip : ClipSettings
        Of detectors that judge a recording as a whole.
    """

    scoring: tuple[str, ...] = ("mse",)
    score_pooling: str = "mean"
    backend: tuple[str, ...] = BACKENDS[:1]
    clip: ClipSettings = field(default_factory=ClipSettings)


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Which models are run, where they run, and where files go.

    Attributes
    ----------
    models : tuple of str
        Names of the registry.
    scope : str, or None
        Which machines share a model: ``machine``, none; ``type``, those of one SNR and machine type; ``all``. None
        stands for each model's own: ``machine``, but for those that learn to tell machines apart.
    seeds : tuple of int
        The experiment is done with each of them; they replace the seed of the training settings. Empty stands for
        that seed alone.
    retrain : bool
        What is done already is done again.
    device : str
        One of ``DEVICES``.
    jobs : int > 0, or None
        Processes; None stands for the number of cores and, on a GPU, at most four processes for each.
    scheduler : str, or None
        Address of a Dask scheduler whose workers do the tasks.
    result_dir : Path
        Receives scores, loss histories and logs.
    pickle_dir, model_dir : Path
        Caches of features and of trained models.
    output_csv : Path, or None
        The table that rows are appended to; None stands for the experiment's own name in ``result_dir``.
    submission : Path, or None
        Receives the files that a challenge asks for; of anomaly detection.
    """

    models: tuple[str, ...]
    scope: str | None = None
    seeds: tuple[int, ...] = ()
    retrain: bool = False
    device: str = "auto"
    jobs: int | None = None
    scheduler: str | None = None
    result_dir: Path = Path("results")
    pickle_dir: Path = Path("cache/research_features")
    model_dir: Path = Path("cache/research_models")
    output_csv: Path | None = None
    submission: Path | None = None


@dataclass(frozen=True, kw_only=True)
class DetectionSettings:
    """An experiment of anomaly detection: `mimii.run` does it.

    Attributes
    ----------
    data : DataSettings
    features : FeatureSettings
    training : TrainingSettings
    scoring : ScoringSettings
    run : RunSettings
    """

    data: DataSettings
    features: FeatureSettings = field(default_factory=FeatureSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    run: RunSettings


@dataclass(frozen=True, kw_only=True)
class ClassificationSettings:
    """An experiment of classification: `mimii.run` does it.

    Attributes
    ----------
    data : DataSettings
    features : FeatureSettings
    training : TrainingSettings
    classification_type : str
        ``machine_type`` tells normal from abnormal; ``machine_id`` tells the machines apart.
    class_weight : str
        ``balanced`` weights the loss of a class by the inverse of its share; ``none`` does not.
    run : RunSettings
    """

    data: DataSettings
    features: FeatureSettings = field(default_factory=FeatureSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    classification_type: str = "machine_type"
    class_weight: str = "balanced"
    run: RunSettings


@dataclass(frozen=True, kw_only=True)
class MonitorSettings:
    """How a detector that watches one machine is made: `mimii.train_monitor` does it.

    Attributes
    ----------
    model : str, or None
        A detector of the registry; None stands for the one that is recommended for the number of recordings.
    features : FeatureSettings
    training : TrainingSettings
    scoring : ScoringSettings
        Of several scorings the first one counts.
    false_alarms : float in (0, 0.5)
        The share of healthy recordings that may be called abnormal. One in twenty is what twenty recordings can
        promise by themselves; a smaller share takes more of them, or rests on a fitted distribution.
    device : str
        One of ``DEVICES``.
    jobs : int > 0, or None
        Processes; None stands for the number of cores.
    """

    model: str | None = None
    features: FeatureSettings = field(default_factory=FeatureSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    scoring: ScoringSettings = field(default_factory=lambda: ScoringSettings(scoring=("mahalanobis",)))
    false_alarms: float = 0.05
    device: str = "auto"
    jobs: int | None = None
