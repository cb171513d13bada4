"""Makes samples sound as changed log-mel frames say, for detectors that look at samples."""

import numpy as np

from mimii.features.logmel import FULL_SCALE, band_edges

_WINDOW = 1024  # samples, of which a quarter is the step: a Hann window of these loses nothing


def equalised(
    signal: np.ndarray, frames: np.ndarray, changed: np.ndarray, sample_rate: int, hop_length: int
) -> np.ndarray:
    """An equaliser whose gains are the differences between frames: each band's from one of its edges to the other.

    The gains are spread over the bins of a short-time Fourier transform, which is transformed back. Between the middles
    of two frames they go over into each other. Where nothing was changed, the samples stay as they are.

    Parameters
    ----------
    signal : np.ndarray [shape=(n_samples,), dtype=int16 or float32]
    frames, changed : np.ndarray [shape=(n_frames, n_mels)]
        The log-mel frames of the signal, and what they are to be [dB].
    sample_rate : int
        [Hz]
    hop_length : int
        From one frame to the next [samples].

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32]
        Full scale is 1.
    """
    from scipy.signal import ShortTimeFFT

    gains = (changed - frames).astype(np.float64)
    transform = ShortTimeFFT.from_window("hann", sample_rate, _WINDOW, _WINDOW * 3 // 4)
    samples = signal.astype(np.float64) / FULL_SCALE[signal.dtype.name]
    padded = np.concatenate([samples, np.zeros(max(0, _WINDOW - len(samples)))])
    edges = band_edges(gains.shape[1], sample_rate)
    band = np.searchsorted(edges, transform.f, side="right") - 1  # of each bin
    place = transform.t(len(padded)) * sample_rate / hop_length  # of each step, in frames
    numbers = np.arange(len(gains))
    of_steps = np.stack([np.interp(place, numbers, gains[:, one]) for one in range(gains.shape[1])])
    spectra = transform.stft(padded) * 10 ** (of_steps[np.minimum(band, len(of_steps) - 1)] / 20)  # (bins, steps)
    found: np.ndarray = transform.istft(spectra, k1=len(padded))[: len(samples)].astype(np.float32)
    return found
