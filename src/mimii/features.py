"""Log-mel frames of recordings, and windows of them.

The frames of all recordings of a machine are one array, and a window is a place in it: the matrix of stacked
windows, ``frames`` times as large, is never built.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mimii.errors import UserError
from mimii.settings import FeatureSettings

if TYPE_CHECKING:
    import torch

FULL_SCALE = {"int16": 32768, "float32": 1}  # of samples, by their type
EPSILON = float(np.finfo(np.float64).eps)  # what the MIMII authors add to the mel spectrogram

_BLOCK = 512  # frames that are worked on at once: they fit in a processor's cache, whatever a recording's length
_PARTS = 4  # of a filter bank
_STATISTICS_BLOCK = 4096  # frames
# mean power of a band's bins over that of the frame's: there float32 is off by 3e-4 dB at most, and the bands of
# MIMII's machines are above -37 dB
_QUIET = 10**-4.5


@lru_cache(maxsize=4)
def mel_filter_bank(sample_rate: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Slaney's mel filter bank, as librosa makes it.

    Returns
    -------
    np.ndarray [shape=(n_mels, 1 + n_fft // 2), dtype=float32]
    """
    import warnings

    from librosa.filters import mel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bands without an FFT bin: feature_store says it once, not every worker
        return mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels)


@dataclass(frozen=True)
class _BankPart:
    """Some bands of a filter bank and the bins that they have a weight for: a fraction of the whole product."""

    bands: slice
    bins: slice
    weights: np.ndarray  # (bins, bands)


@lru_cache(maxsize=4)
def _bank_parts(sample_rate: int, n_fft: int, n_mels: int) -> list[_BankPart]:
    bank = mel_filter_bank(sample_rate, n_fft, n_mels)
    parts = []
    for rows in np.array_split(np.arange(n_mels), min(_PARTS, n_mels)):
        used = np.flatnonzero(bank[rows].any(axis=0))
        bins = slice(used[0], used[-1] + 1) if len(used) else slice(0, 1)
        parts.append(_BankPart(slice(rows[0], rows[-1] + 1), bins, np.ascontiguousarray(bank[rows, bins].T)))
    return parts


@lru_cache(maxsize=4)
def _band_weights(sample_rate: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Sum of each band's weights; of a band between two bins, which has none, one that hides it."""
    weights = mel_filter_bank(sample_rate, n_fft, n_mels).sum(axis=1)
    return np.where(weights > 0, weights, np.float32(np.finfo(np.float32).tiny))


@lru_cache(maxsize=8)
def _window(n_fft: int, dtype: np.dtype, precision: "torch.dtype") -> "torch.Tensor":
    """Periodic Hann window, divided by the full scale of samples: a power of two, so no bit is lost."""
    import torch

    return (torch.hann_window(n_fft, dtype=torch.float64) / FULL_SCALE[dtype.name]).to(precision)


def log_mel(signal: np.ndarray, sample_rate: int, settings: FeatureSettings) -> np.ndarray:
    """Log-mel frames of a signal, by the formula of the MIMII authors: ``20 / power * log10(mel + epsilon)``.

    ``mel`` is the mel spectrogram of librosa (Hann window, centred frames, zeros beyond the ends, Slaney's filter
    bank) of the magnitudes to the ``power``; epsilon is that of float64.

    librosa takes the FFT in float64. In float32 it takes half the time, and its rounding noise shows only in bands
    that are far below the rest of their frame: a frame that has such a band (a pure tone, hardly a machine) is done
    again in float64.

    Parameters
    ----------
    signal : np.ndarray [shape=(n_samples,), dtype=int16 or float32]
        At least one sample; full scale is 32768 or, of float32, 1.
    sample_rate : int > 0
        [Hz]
    settings : FeatureSettings

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        [dB]; for an even ``n_fft``, ``n_frames = 1 + n_samples // hop_length``.
    """
    import torch

    n_fft, hop_length, half = settings.n_fft, settings.hop_length, settings.n_fft // 2
    bank = (sample_rate, n_fft, settings.n_mels)
    window = _window(n_fft, signal.dtype, torch.float32)
    padded = np.zeros(len(signal) + 2 * half, dtype=signal.dtype)
    padded[half : half + len(signal)] = signal

    mel = np.empty((1 + (len(padded) - n_fft) // hop_length, settings.n_mels), dtype=np.float32)
    for start in range(0, len(mel), _BLOCK):
        block = mel[start : start + _BLOCK]
        samples = padded[start * hop_length : (start + len(block) - 1) * hop_length + n_fft]
        segments = torch.from_numpy(samples).float().unfold(0, n_fft, hop_length)  # (n_samples,) -> (block, n_fft)
        mean_power = _write_mel(block, segments * window, bank, settings.power)
        quietest = (block / _band_weights(*bank)).min(axis=1)
        quiet = np.flatnonzero(quietest < (_QUIET * mean_power) ** (settings.power / 2))
        if len(quiet):
            again = np.empty((len(quiet), settings.n_mels), dtype=np.float32)
            window64 = _window(n_fft, signal.dtype, torch.float64)
            _write_mel(again, segments[torch.from_numpy(quiet)] * window64, bank, settings.power)
            block[quiet] = again
    mel += np.float32(EPSILON)
    np.log10(mel, out=mel)
    mel *= np.float32(20 / settings.power)
    return mel


def _write_mel(mel: np.ndarray, segments: "torch.Tensor", bank: tuple[int, int, int], power: float) -> np.ndarray:
    """Write the mel spectrogram of windowed frames, (n_frames, n_fft) -> (n_frames, n_mels).

    Returns
    -------
    np.ndarray [shape=(n_frames,)]
        Mean power of each frame's bins.
    """
    import torch

    # torch's FFT takes a bit more than half the time of scipy's; numpy's products of small matrices are the faster ones
    spectrum = torch.fft.rfft(segments).to(torch.complex64).numpy()  # -> (n_frames, 1 + n_fft // 2)
    energy = spectrum.real**2
    energy += spectrum.imag**2
    mean_power = energy @ np.full(energy.shape[1], 1 / energy.shape[1], dtype=np.float32)
    if power != 2:
        energy **= power / 2
    for part in _bank_parts(*bank):
        mel[:, part.bands] = energy[:, part.bins] @ part.weights
    return mean_power


@dataclass(eq=False)
class Features:
    """The log-mel frames of some recordings.

    Attributes
    ----------
    frames : np.ndarray [shape=(total frames, n_mels), dtype=float32]
        [dB], one recording after the other.
    offsets : np.ndarray [shape=(n_recordings + 1,), dtype=int64]
        Recording i is at ``frames[offsets[i] : offsets[i + 1]]``.
    recordings : pd.DataFrame [n_recordings rows]
        Which they are.
    left_out : dict of str to str
        The path of each recording that could not be used, and why.
    sample_rate : int
        [Hz], of all of them.
    """

    frames: np.ndarray
    offsets: np.ndarray
    recordings: pd.DataFrame
    left_out: dict[str, str]
    sample_rate: int

    def windows(self, length: int, chosen: np.ndarray, targets: np.ndarray | None = None) -> "Windows":
        """The windows of some recordings: ``length`` consecutive frames of one recording, one from each frame on.

        Parameters
        ----------
        length : int > 0
            Frames in a window.
        chosen : np.ndarray [shape=(n_recordings,), dtype=bool]
            Which recordings; one of fewer than ``length`` frames has no window.
        targets : np.ndarray [shape=(n_recordings,), dtype=int64], optional
            The class of each recording.
        """
        counts = np.maximum(np.diff(self.offsets) - length + 1, 0)[chosen]
        begins = self.offsets[:-1][chosen]
        starts = [np.arange(begin, begin + count) for begin, count in zip(begins, counts, strict=True)]
        return Windows(
            frames=self.frames,
            starts=np.concatenate([np.empty(0, dtype=np.int64), *starts]),
            recording=np.repeat(np.flatnonzero(chosen), counts),
            length=length,
            target=None if targets is None else np.repeat(targets[chosen], counts),
        )

    @staticmethod
    def concatenate(parts: Sequence["Features"]) -> "Features":
        """The features of several machines as one; those of a single machine are not copied.

        Raises
        ------
        UserError
            The sample rates differ: the same mel band would mean another frequency.
        """
        if len(parts) == 1:
            return parts[0]
        rates = {part.sample_rate for part in parts if len(part.frames)}
        if len(rates) > 1:
            rates = ", ".join(f"{rate} Hz" for rate in sorted(rates))
            raise UserError(
                f"machines of different sample rates ({rates}) can't share a model; choose some, or a smaller --scope"
            )
        sizes = np.concatenate([np.diff(part.offsets) for part in parts])
        return Features(
            frames=np.concatenate([part.frames for part in parts]),
            offsets=np.concatenate([[0], np.cumsum(sizes)]),
            recordings=pd.concat([part.recordings for part in parts], ignore_index=True),
            left_out={path: reason for part in parts for path, reason in part.left_out.items()},
            sample_rate=next(iter(rates), 0),
        )


@dataclass(eq=False)
class Windows:
    """Windows as places in an array of frames.

    Attributes
    ----------
    frames : np.ndarray [shape=(total frames, n_mels), dtype=float32]
    starts : np.ndarray [shape=(n_windows,), dtype=int64]
        The first frame of each window.
    recording : np.ndarray [shape=(n_windows,), dtype=int64]
        The recording that each window is of.
    length : int
        Frames in a window.
    target : np.ndarray [shape=(n_windows,), dtype=int64], optional
        The class of each window, where there are classes to learn.
    """

    frames: np.ndarray
    starts: np.ndarray
    recording: np.ndarray
    length: int
    target: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, indices: np.ndarray | slice) -> "Windows":
        """Some of the windows, over the same frames."""
        target = None if self.target is None else self.target[indices]
        return Windows(self.frames, self.starts[indices], self.recording[indices], self.length, target)

    def gather(self) -> np.ndarray:
        """The windows themselves, stacked: for a few thousand of them.

        Returns
        -------
        np.ndarray [shape=(n_windows, length, n_mels), dtype=float32]
            Frame-major: flattened, frame t is at ``n_mels * t : n_mels * (t + 1)``, as the MIMII authors have it.
        """
        return self.frames[self.starts[:, None] + np.arange(self.length)]  # (n,) -> (n, length, n_mels)

    def band_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each mel band over the frames that the windows touch.

        Returns
        -------
        mean, std : np.ndarray [shape=(n_mels,), dtype=float32]
            [dB]; a band that never changes has a standard deviation of 1, so that it can be divided by.
        """
        touched = np.zeros(len(self.frames), dtype=bool)
        for step in range(self.length):
            touched[self.starts + step] = True
        places = np.flatnonzero(touched)
        # block by block: a float64 copy of all frames would be the largest array of a run
        blocks = [places[start : start + _STATISTICS_BLOCK] for start in range(0, len(places), _STATISTICS_BLOCK)]
        mean = sum(self.frames[block].sum(axis=0, dtype=np.float64) for block in blocks) / len(places)
        variance = sum(((self.frames[block] - mean) ** 2).sum(axis=0) for block in blocks) / len(places)
        std = np.sqrt(variance)
        std[std < 1e-6] = 1
        return mean.astype(np.float32), std.astype(np.float32)

    def mean_by_recording(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean over each recording's windows.

        Parameters
        ----------
        values : np.ndarray [shape=(n_windows, ...)]
            One or several values for each window.

        Returns
        -------
        numbers : np.ndarray [shape=(n,), dtype=int64]
            The recordings that have windows, ascending.
        means : np.ndarray [shape=(n, ...), dtype=float64]
        """
        numbers, begins, counts = np.unique(self.recording, return_index=True, return_counts=True)
        sums = np.add.reduceat(values, begins, axis=0, dtype=np.float64)  # a recording's windows are neighbours
        return numbers, sums / counts.reshape(-1, *[1] * (values.ndim - 1))
