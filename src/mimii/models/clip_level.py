"""Clip-level detectors judge a recording as a whole, by one vector: its log-mel frames, pooled over time.

They have no score for a window. What a steady machine sounds like on the average is a point in a space of as many
dimensions as there are mel bands, and normal recordings are a cloud of such points: these models say how far from
the cloud a recording is. They are fitted in a moment, and none of them looks at a label or at a recording for
evaluation.
"""

import time
from typing import Any

import numpy as np

from mimii.errors import TaskError
from mimii.features.windows import Windows
from mimii.models.base import Detector
from mimii.models.choices import Way
from mimii.models.distances import Learnt, make_distance
from mimii.settings import NATIVE
from mimii.storage import arrays
from mimii.training.history import History
from mimii.training.hooks import Training


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


def pooled(windows: Windows, options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Pool the frames of each recording.

    Parameters
    ----------
    windows : Windows
    options : dict of str to Any
        ``pooling`` and, where it is ``twfr``, ``twfr_r``; see `pool_frames`.

    Returns
    -------
    numbers : np.ndarray [shape=(n,), dtype=int64]
        The recordings that have windows, ascending.
    vectors : np.ndarray [shape=(n, n_mels), dtype=float64]
        [dB]
    """
    numbers, parts = windows.frames_by_recording()
    return numbers, np.stack([pool_frames(part, options["pooling"], options.get("twfr_r", 1.0)) for part in parts])


class ClipLevelDetector(Detector):
    """One vector for each recording, and a distance from those of the training recordings.

    Each mel band is standardised with its mean and its spread between the pooled training recordings: how much a level
    varies from one recording to the next says what a deviation means, and how much it varies within a recording does
    not. Of few recordings the variances are drawn towards their mean over the bands, as if there were one recording
    more, of that variance.

    Parameters
    ----------
    options : dict of str to Any
        Those fields of `mimii.settings.ClipSettings` that make a difference to it.

    Attributes
    ----------
    distance : Distance
        That of its name; see `mimii.models.distances.make_distance`.
    mean, std : np.ndarray [shape=(n_mels,), dtype=float32]
        Of each mel band, pooled, between the training recordings [dB].
    learnt : dict of str to np.ndarray
        What the distance has learnt.
    """

    is_clip_level = True
    learnt_file = "learnt.npz"
    mean: np.ndarray
    std: np.ndarray
    learnt: Learnt

    def __init__(self, name: str, n_mels: int, frames: int, device: str = "cpu", *, options: dict[str, Any]):
        super().__init__(name, n_mels, frames, device)
        self.options = options
        self.distance = make_distance(name, options.get("distance", "euclidean"))
        self.min_recordings = self.distance.min_vectors

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

    def vectors(self, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
        """Pool the frames of each recording, and standardise.

        Returns
        -------
        numbers : np.ndarray [shape=(n,), dtype=int64]
            The recordings that have windows, ascending.
        vectors : np.ndarray [shape=(n, n_mels), dtype=float64]
            In standard deviations between the training recordings.
        """
        numbers, vectors = pooled(windows, self.options)
        return numbers, (vectors - self.mean) / self.std

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
        _, vectors = pooled(windows, self.options)
        count = len(vectors)
        if count < self.min_recordings:
            raise TaskError(f"{self.name} needs {self.min_recordings} recordings to learn from, and has {count}")
        variance = vectors.var(axis=0)
        variance = (count * variance + variance.mean()) / (count + 1)
        std = np.sqrt(variance)
        std[std < 1e-6] = 1
        self.mean, self.std = vectors.mean(axis=0).astype(np.float32), std.astype(np.float32)
        # scikit-learn takes seeds of 32 bits
        self.learnt = self.distance.learn((vectors - self.mean) / self.std, training.seed % 2**32)
        return History(training_time_sec=time.perf_counter() - begin, train_samples=count)

    def score_recordings(
        self, windows: Windows, scoring: str = NATIVE, score_pooling: str = ""
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score of each recording; there are no scores of windows to pool."""
        numbers, vectors = self.vectors(windows)
        return numbers, self.distance.distances(self.learnt, vectors)

    def score_every_way(self, windows: Windows) -> dict[Way, np.ndarray]:
        """Score of each recording in the one way that there is."""
        return {(NATIVE, ""): self.score_recordings(windows)[1]}

    @property
    def num_parameters(self) -> int:
        """The numbers that the distance has learnt, a symmetric matrix counted once."""
        return self.distance.count(self.learnt)
