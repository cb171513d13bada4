"""What `mimii.networks.embedding.IdEmbedding` gives once it has learnt, without torch."""

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

CHANNELS = (1, 32, 64)
KERNELS = (9, 5)
STRIDE = 2
DENSE = (128, 64)
NARROWEST = 17  # values that the convolutions leave one of; fewer bands are filled up with zeros

_BLOCK = 1024  # recordings that are worked on at once


def values_left(n_mels: int) -> int:
    """Values of a channel behind the convolutions over so many bands."""
    values = max(n_mels, NARROWEST)
    for kernel in KERNELS:
        values = (values - kernel) // STRIDE + 1
    return values


def embed(arrays: Mapping[str, np.ndarray], vectors: np.ndarray) -> np.ndarray:
    """Embed recordings.

    Parameters
    ----------
    arrays : dict of str to np.ndarray
        What `mimii.networks.embedding.IdEmbedding.arrays` gave.
    vectors : np.ndarray [shape=(n, n_mels)]
        The pooled log-mel frames of each recording [dB].

    Returns
    -------
    np.ndarray [shape=(n, 64), dtype=float64]
        Of length 1. A recording's embedding depends on no other's.
    """
    blocks = [vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK)]
    return np.concatenate([np.empty((0, DENSE[-1])), *(_embed(arrays, block) for block in blocks)])


def _embed(arrays: Mapping[str, np.ndarray], vectors: np.ndarray) -> np.ndarray:
    x = vectors.astype(np.float64) * arrays["input_scale"] + arrays["input_shift"]
    x = np.pad(x, ((0, 0), (0, max(NARROWEST - x.shape[1], 0))))[:, None]  # (n, n_mels) -> (n, 1, n_mels or 17)
    for number in range(len(KERNELS)):
        weight = arrays[f"convolution_{number}"]
        around = sliding_window_view(x, weight.shape[2], axis=2)[:, :, ::STRIDE]  # (n, c, t) -> (n, c, t', kernel)
        x = np.tensordot(around, weight, axes=([1, 3], [1, 2])).swapaxes(1, 2)  # -> (n, t', c') -> (n, c', t')
        x = np.maximum(x + arrays[f"convolution_{number}_shift"][:, None], 0)
    x = np.maximum(x.reshape(len(x), -1) @ arrays["dense_0"].T + arrays["dense_0_shift"], 0)  # -> (n, 128)
    x = x @ arrays["dense_1"].T  # -> (n, 64)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
