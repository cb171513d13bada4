"""A near and a far microphone: what the far one hears of the noise is taken from what the near one hears.

The far microphone stands where it hears the noise at least as loud as the near one does, and the machine less. Of all
filters of the far signal, one has the least difference from the near signal: the Wiener filter, whose response is the
cross spectrum of both over the power spectrum of the far one. What it gives is taken away, as in the noise canceller of
Widrow et al. (1975). What the microphones do not share stays, since no filter of one gives the other.

Such a filter takes the machine away, too, as far as the far microphone hears it: without any noise it would leave
nothing at all. But then it would have to amplify, by as much as the machine is fainter there. Noise needs no
amplification. So the response is limited to 1 at each frequency, and a machine that is 12 dB fainter at the far
microphone loses 2.5 dB at most, in all recordings alike.

A recording is filtered by itself: no other one makes a difference to it.
"""

import numpy as np

HIGHEST = 1.0  # of the filter's response: noise that is at least as loud far away needs no more
_SECONDS = 0.52  # of an FFT frame at most: about as long as noise echoes in a hall
_SHARE = 1 / 8  # of a recording that a frame is at most: of few frames, a filter gives something by chance
_BLOCK = 16  # frames that are worked on at once
_SAME = 1e-6  # what is left of the near signal's power where both channels hold the same sound: -60 dB


def without_noise(
    near: np.ndarray, far: np.ndarray, sample_rate: int, *, highest: float = HIGHEST
) -> np.ndarray | None:
    """Take from the near signal what a filter of the far signal can give of it.

    Parameters
    ----------
    near, far : np.ndarray [shape=(n_samples,), dtype=float32]
        Of the microphone at the machine and of that at a distance; full scale is 1.
    sample_rate : int > 0
        [Hz]
    highest : float > 0
        Limit of the filter's response.

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32]
        The near signal without it; unchanged where the far one is silent, or where there are less than 16 samples. None
        where nothing is left, because both hold the same sound.
    """
    from scipy.signal import oaconvolve

    longest = min(_SECONDS * sample_rate, _SHARE * len(near))
    if longest < 2:
        return near
    n_fft = 2 ** int(np.log2(longest))
    response = _response(near, far, n_fft)
    response *= np.minimum(1, highest / np.maximum(np.abs(response), 1e-30))
    # the response is that of a filter around 0 s, from -n_fft / 2 to n_fft / 2 samples: the noise may reach either
    # microphone first
    impulse = np.fft.fftshift(np.fft.irfft(response, n_fft)).astype(np.float32)
    noise = oaconvolve(far, impulse)[n_fft // 2 : n_fft // 2 + len(near)]
    left = near - noise.astype(np.float32)
    return None if _power(left) < _SAME * _power(near) else left


def _response(near: np.ndarray, far: np.ndarray, n_fft: int) -> np.ndarray:
    """The filter's frequency response, from the spectra of Welch (1967): -> (1 + n_fft // 2,)."""
    hop = n_fft // 2
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    cross = np.zeros(1 + n_fft // 2, dtype=np.complex128)
    power = np.zeros(1 + n_fft // 2)
    for start in range(-hop, len(near), hop * _BLOCK):  # each sample is in two frames, the first and the last ones too
        near_spectra, far_spectra = (_spectra(signal, start, window, hop) for signal in (near, far))
        cross += np.einsum("tf,tf->f", near_spectra, far_spectra.conj())
        power += np.einsum("tf,tf->f", far_spectra, far_spectra.conj()).real
    return cross / np.where(power > 0, power, 1)


def _spectra(signal: np.ndarray, start: int, window: np.ndarray, hop: int) -> np.ndarray:
    """Spectra of a block of frames of a signal, which is silent beyond its ends: -> (n_frames, 1 + n_fft // 2)."""
    from scipy.fft import rfft

    n_frames = min(_BLOCK, -(-(len(signal) - start) // hop))
    padded = np.zeros((n_frames + 1) * hop, dtype=np.float32)
    part = signal[max(0, start) : start + len(padded)]
    padded[max(0, -start) :][: len(part)] = part
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::hop]
    spectra: np.ndarray = rfft(frames * window, overwrite_x=True)
    return spectra


def _power(signal: np.ndarray) -> float:
    return float(np.mean(np.square(signal, dtype=np.float64)))
