"""What the healthy recordings of a machine sound like: what a recording is compared with when it is explained."""

import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from mimii.data.content import content
from mimii.storage import arrays

HEALTHY_FILE = "healthy.npz"  # its name in a model file
PART_SECONDS = 0.25  # about, of the parts of a recording whose levels are compared

_LARGEST = 1e6  # dB; no level is beyond it, and sums of squares of such levels are finite, in float32, too
_DECIBELS = ("vectors", "levels", "part_mean", "part_std", "part_low", "part_high")
_DTYPES = {
    "vectors": "float32",
    "levels": "float64",
    "seconds": "float64",
    **dict.fromkeys(("part_mean", "part_std", "part_low", "part_high"), "float32"),
    "curve_threshold": "float64",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Healthy:
    """What the healthy recordings that a detector has learnt from sound like.

    Attributes
    ----------
    paths : np.ndarray [shape=(n,), dtype=str]
        Where they were, absolute, in the order in which they were made as far as their names tell it.
    digests : np.ndarray [shape=(n,), dtype=str]
        Of their content; see `mimii.data.content`.
    vectors : np.ndarray [shape=(n, n_mels), dtype=float32]
        Mean over time of the log-mel frames of each [dB].
    levels : np.ndarray [shape=(n,), dtype=float64]
        Root mean square of the samples of each, against full scale [dB].
    seconds : np.ndarray [shape=(n,), dtype=float64]
        Length of each.
    part_mean, part_std : np.ndarray [shape=(n_mels,), dtype=float32]
        Mean and standard deviation over all parts of all recordings: of the mean frame of a part [dB].
    part_low, part_high : np.ndarray [shape=(n_mels,), dtype=float32]
        The range that the parts of a recording stay in, but for one recording in a hundred [dB]: quantiles over the
        recordings of the lowest and the highest part of each.
    curve_threshold : float
        What the score over time of a recording exceeds anywhere in no more than the asked share of healthy recordings.
    """

    paths: np.ndarray
    digests: np.ndarray
    vectors: np.ndarray
    levels: np.ndarray
    seconds: np.ndarray
    part_mean: np.ndarray
    part_std: np.ndarray
    part_low: np.ndarray
    part_high: np.ndarray
    curve_threshold: float

    def to_bytes(self) -> bytes:
        """As it stands in a model file."""
        return arrays.to_bytes({field.name: np.asarray(getattr(self, field.name)) for field in fields(self)})

    @classmethod
    def from_bytes(cls, archive: bytes, n_mels: int) -> "Healthy":
        """Take over what `to_bytes` gave.

        Raises
        ------
        ValueError
            It contradicts itself. Content from elsewhere can raise anything else, too.
        """
        read = arrays.from_bytes(archive)
        if set(read) != {field.name for field in fields(cls)}:
            raise ValueError("its parts are not those of healthy recordings")
        count = len(read["paths"])
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("paths", "digests", "levels", "seconds"), (count,))
        shapes |= dict.fromkeys(("part_mean", "part_std", "part_low", "part_high"), (n_mels,))
        shapes |= {"vectors": (count, n_mels), "curve_threshold": ()}
        for name, shape in shapes.items():
            array = read[name]
            is_right = array.dtype == _DTYPES[name] if name in _DTYPES else array.dtype.kind == "U"
            if array.shape != shape or not is_right:
                raise ValueError(f"{name} is not what belongs there")
            if name not in _DTYPES:
                letters = array.view(f"{array.dtype.byteorder}u4")
                if (letters > sys.maxunicode).any():
                    raise ValueError(f"{name} is no text")
            elif not np.isfinite(array).all():
                raise ValueError(f"{name} is not finite")
            if name in _DECIBELS and not (np.abs(array) < _LARGEST).all():
                raise ValueError(f"{name} is beyond all levels")
        if not count:
            raise ValueError("there are no healthy recordings")
        if not (read["seconds"] > 0).all():
            raise ValueError("a recording has no length")
        if not ((read["part_std"] >= 0).all() and (read["part_low"] <= read["part_high"]).all()):
            raise ValueError("the levels of parts contradict each other")
        return cls(**read | {"curve_threshold": float(read["curve_threshold"])})


def healthy_file(healthy: Healthy, number: int) -> Path | None:
    """The file of a healthy recording; None where it is gone, can't be read, or is no longer the one learnt from."""
    path = str(healthy.paths[number])
    try:
        digest = content(path).digest
    except ValueError:  # a name that no file can have
        return None
    return Path(path) if digest and digest == healthy.digests[number] else None


def part_length(hop_seconds: float) -> int:
    """Frames in a part of a recording."""
    return max(1, round(PART_SECONDS / hop_seconds))


def mean_parts(frames: np.ndarray, length: int) -> np.ndarray:
    """Mean frame of each part of a recording: (n_frames, n_mels) -> (n_parts, n_mels).

    Parts are ``length`` frames long; what is left at the end is a part of its own where it is more than half as long,
    and else belongs to the last one.
    """
    begins = np.arange(0, max(1, len(frames) - length // 2), length)
    sizes = np.diff([*begins, len(frames)])
    parts: np.ndarray = np.add.reduceat(frames, begins, axis=0, dtype=np.float64) / sizes[:, None]
    return parts
