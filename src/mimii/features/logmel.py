"""Log-mel frames of signals, on the CPU and on a GPU."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mimii.settings import FeatureSettings

if TYPE_CHECKING:
    import torch

FULL_SCALE = {"int16": 32768, "float32": 1}  # of samples, by their type
EPSILON = float(np.finfo(np.float64).eps)  # what the MIMII authors add to the mel spectrogram

# frames that are worked on at once, by the FFT: they fit in a processor's cache, whatever a recording's length
_BLOCK = {"torch": 512, "scipy": 64}
_GPU_BLOCK = 2**15  # the same on a GPU, where they take 25 kB each
_PARTS = 4  # of a filter bank
# mean power of a band's bins over that of the frame's: there float32 is off by 3e-4 dB at most, and the bands of
# MIMII's machines are above -37 dB
_QUIET = 10**-4.5


@lru_cache(maxsize=4)
def mel_filter_bank(sample_rate: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Slaney's mel filter bank (1998), equal to that of librosa, whose import takes longer than a recording.

    Triangles whose corners are evenly spaced in mel from 0 Hz to half the sample rate, each of area 1 [1/Hz].

    Returns
    -------
    np.ndarray [shape=(n_mels, 1 + n_fft // 2), dtype=float32]
    """
    corners = mel_frequencies(n_mels + 2, sample_rate / 2)
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    widths = np.diff(corners)
    ramps = np.subtract.outer(corners, bins)  # (n_mels + 2, 1 + n_fft // 2)
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    bank = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    bank *= (2 / (corners[2:] - corners[:-2]))[:, None]
    return bank


def mel_frequencies(count: int, highest: float) -> np.ndarray:
    """Frequencies that are evenly spaced on Slaney's mel scale, from 0 Hz on.

    The scale is linear up to 1 kHz, 3 mel for 200 Hz, and logarithmic beyond, 27 mel for a factor of 6.4.

    Parameters
    ----------
    count : int > 1
    highest : float > 0
        [Hz]

    Returns
    -------
    np.ndarray [shape=(count,)]
        [Hz]
    """
    step, corner = 200 / 3, 1000.0  # [Hz] a mel, and where the scale becomes logarithmic
    growth = np.log(6.4) / 27
    top = highest / step if highest < corner else corner / step + np.log(highest / corner) / growth
    mels = np.linspace(0, top, count)
    frequencies = step * mels
    is_log = mels >= corner / step
    frequencies[is_log] = corner * np.exp(growth * (mels[is_log] - corner / step))
    return frequencies


def band_edges(n_mels: int, sample_rate: int) -> np.ndarray:
    """Where one mel band ends and the next begins: between the middles of both, where both have half their weight.

    Returns
    -------
    np.ndarray [shape=(n_mels + 1,)]
        [Hz]
    """
    corners = mel_frequencies(n_mels + 2, sample_rate / 2)
    edges = (corners[:-1] + corners[1:]) / 2
    edges[0], edges[-1] = corners[0], corners[-1]
    return edges


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
def _window(n_fft: int, dtype: np.dtype, precision: str) -> np.ndarray:
    """Periodic Hann window, divided by the full scale of samples: a power of two, so no bit is lost."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    return (window / FULL_SCALE[dtype.name]).astype(precision)


def log_mel(
    signal: np.ndarray, sample_rate: int, settings: FeatureSettings, *, fft: Literal["torch", "scipy"] = "torch"
) -> np.ndarray:
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
    fft : str
        Whose FFT is taken: torch's takes half the time of scipy's, but to import torch takes more than a second. They
        differ by their rounding.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        [dB]; for an even ``n_fft``, ``n_frames = 1 + n_samples // hop_length``.
    """
    n_fft, hop_length, half = settings.n_fft, settings.hop_length, settings.n_fft // 2
    bank = (sample_rate, n_fft, settings.n_mels)
    spectra = _spectra_by_torch if fft == "torch" else _spectra_by_scipy
    window = _window(n_fft, signal.dtype, "float32")
    padded = np.zeros(len(signal) + 2 * half, dtype=signal.dtype)
    padded[half : half + len(signal)] = signal

    mel = np.empty((1 + (len(padded) - n_fft) // hop_length, settings.n_mels), dtype=np.float32)
    for start in range(0, len(mel), _BLOCK[fft]):
        block = mel[start : start + _BLOCK[fft]]
        samples = padded[start * hop_length : (start + len(block) - 1) * hop_length + n_fft].astype(np.float32)
        mean_power = _write_mel(block, spectra(samples, window, hop_length), bank, settings.power)
        quietest = (block / _band_weights(*bank)).min(axis=1)
        quiet = np.flatnonzero(quietest < (_QUIET * mean_power) ** (settings.power / 2))
        if len(quiet):
            again = np.empty((len(quiet), settings.n_mels), dtype=np.float32)
            window64 = _window(n_fft, signal.dtype, "float64")
            _write_mel(again, spectra(samples, window64, hop_length, quiet), bank, settings.power)
            block[quiet] = again
    mel += np.float32(EPSILON)
    np.log10(mel, out=mel)
    mel *= np.float32(20 / settings.power)
    return mel


def _spectra_by_torch(
    samples: np.ndarray, window: np.ndarray, hop_length: int, chosen: np.ndarray | None = None
) -> np.ndarray:
    """Spectra of all frames of samples or of chosen ones, in the window's precision: -> (n_frames, 1 + n_fft // 2)."""
    import torch

    segments = torch.from_numpy(samples).unfold(0, len(window), hop_length)  # (n_samples,) -> (n_frames, n_fft)
    if chosen is not None:
        segments = segments[torch.from_numpy(chosen)]
    spectra: np.ndarray = torch.fft.rfft(segments * torch.from_numpy(window)).numpy()
    return spectra


def _spectra_by_scipy(
    samples: np.ndarray, window: np.ndarray, hop_length: int, chosen: np.ndarray | None = None
) -> np.ndarray:
    """See `_spectra_by_torch`."""
    from scipy.fft import rfft

    segments = sliding_window_view(samples, len(window))[::hop_length]
    spectra: np.ndarray = rfft((segments if chosen is None else segments[chosen]) * window, overwrite_x=True)
    return spectra


def _write_mel(mel: np.ndarray, spectrum: np.ndarray, bank: tuple[int, int, int], power: float) -> np.ndarray:
    """Write the mel spectrogram of spectra, (n_frames, 1 + n_fft // 2) -> (n_frames, n_mels).

    Returns
    -------
    np.ndarray [shape=(n_frames,)]
        Mean power of each frame's bins.
    """
    spectrum = spectrum.astype(np.complex64, copy=False)
    energy = spectrum.real**2
    energy += spectrum.imag**2
    mean_power = energy @ np.full(energy.shape[1], 1 / energy.shape[1], dtype=np.float32)
    if power != 2:
        energy **= power / 2
    for part in _bank_parts(*bank):
        mel[:, part.bands] = energy[:, part.bins] @ part.weights
    return mean_power


def log_mel_on_gpu(signals: "torch.Tensor", sample_rate: int, settings: FeatureSettings) -> "torch.Tensor":
    """Log-mel frames of signals of one length, where they are; see `log_mel`. The FFT is taken in float64.

    Parameters
    ----------
    signals : torch.Tensor [shape=(n_signals, n_samples), dtype=int16 or float32]
        On a CUDA device.
    sample_rate : int > 0
        [Hz]
    settings : FeatureSettings

    Returns
    -------
    torch.Tensor [shape=(n_signals, n_frames, n_mels), dtype=float32]
        On the same device.
    """
    import torch

    n_fft, hop_length, half = settings.n_fft, settings.hop_length, settings.n_fft // 2
    window = torch.from_numpy(_window(n_fft, np.dtype(str(signals.dtype).removeprefix("torch.")), "float64"))
    window = window.to(signals.device)
    bank = torch.from_numpy(mel_filter_bank(sample_rate, n_fft, settings.n_mels)).to(signals.device)
    padded = torch.nn.functional.pad(signals, (half, half))

    mel = padded.new_empty(
        (len(signals), 1 + (padded.shape[1] - n_fft) // hop_length, settings.n_mels), dtype=torch.float32
    )
    step = max(1, _GPU_BLOCK // len(signals))
    for start in range(0, mel.shape[1], step):
        block = mel[:, start : start + step]
        samples = padded[:, start * hop_length : (start + block.shape[1] - 1) * hop_length + n_fft]
        segments = samples.double().unfold(1, n_fft, hop_length) * window  # (n, n_samples) -> (n, block, n_fft)
        spectrum = torch.fft.rfft(segments).to(torch.complex64)  # -> (n, block, 1 + n_fft // 2)
        energy = spectrum.real.square() + spectrum.imag.square()
        if settings.power != 2:
            energy.pow_(settings.power / 2)
        block.copy_(energy @ bank.T)
    return mel.add_(EPSILON).log10_().mul_(20 / settings.power)
