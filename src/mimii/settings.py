"""The settings of an experiment that change its numbers. Standard library only, so that ``--help`` is quick."""

from dataclasses import dataclass

# how the windows of a recording become its score, by a detector that reconstructs; others know a way of their own
SCORINGS = ("mse", "mahalanobis")
NATIVE = "native"
SCORE_POOLINGS = ("mean", "max", "top10")

POOLINGS = ("mean", "median", "max", "twfr")
DISTANCES = ("euclidean", "cosine")


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
    channel : int >= 0
        The channel that is read; MIMII has eight.
    """

    n_mels: int = 64
    n_fft: int = 1024
    hop_length: int = 512
    power: float = 2.0
    channel: int = 0


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a model is trained.

    Attributes
    ----------
    frames : int > 0
        Frames in a window, the input of a model.
    epochs : int > 0
        Passes over the training windows.
    batch_size : int > 0
        Windows in a training step.
    learning_rate : float > 0
        Step size of Adam.
    val_split : float in [0, 1)
        Fraction of the training recordings that is kept for validation.
    seed : int >= 0
        Where all random numbers come from, together with the name of the model.
    tf32 : bool
        Let a GPU multiply in TF32: quicker for large networks, with 10 bits instead of 23.
    """

    frames: int = 5
    epochs: int = 50
    batch_size: int = 256
    learning_rate: float = 1e-3
    val_split: float = 0.1
    seed: int = 42
    tf32: bool = False


@dataclass(frozen=True, kw_only=True)
class RecordingSettings:
    """What a model that judges recordings as a whole makes of one.

    Attributes
    ----------
    pooling : str
        How the frames of a recording become one vector, band by band: ``mean``, ``median``, ``max``, or ``twfr``,
        the mean of the frames sorted from the loudest down and weighted by powers of ``twfr_r``.
    twfr_r : float in [0, 1]
        1 makes ``twfr`` the mean, 0 the maximum.
    distance : str
        ``euclidean`` or ``cosine``: between vectors, where a model looks at the nearest ones.
    """

    pooling: str = "mean"
    twfr_r: float = 0.99
    distance: str = "euclidean"
