"""Log-mel frames as an ONNX graph; see `mimii.features.logmel`."""

import numpy as np

from mimii.features.logmel import EPSILON, mel_filter_bank
from mimii.monitoring.onnx_graph import Graph
from mimii.settings import FeatureSettings


def log_mel(graph: Graph, samples: str, sample_rate: int, settings: FeatureSettings) -> str:
    """Log-mel frames of samples, by the formula of `mimii.features.logmel.log_mel`.

    The spectra are computed in float64, whatever the frame: they differ from the program's, which are computed in
    float32 where that makes no difference, by the rounding of float32.

    Parameters
    ----------
    graph : Graph
    samples : str
        (n_samples,) float32, full scale 1.
    sample_rate : int > 0
        [Hz]
    settings : FeatureSettings

    Returns
    -------
    str
        (n_frames, n_mels) float32 [dB].
    """
    n_fft, half = settings.n_fft, settings.n_fft // 2
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)  # Hann's, periodic
    bank = mel_filter_bank(sample_rate, n_fft, settings.n_mels)

    padded = graph("Unsqueeze", graph.cast(graph("Pad", samples, [half, half]), np.float64), [0, 2])  # (1, n, 1)
    spectra = graph("STFT", padded, settings.hop_length, window, onesided=1)  # -> (1, n_frames, bins, 2)
    spectra = graph.cast(graph("Squeeze", spectra, [0]), np.float32)
    energy = graph("ReduceSumSquare", spectra, [2], keepdims=0)  # (n_frames, bins, 2) -> (n_frames, bins)
    if settings.power != 2:
        energy = graph("Pow", energy, np.float32(settings.power / 2))
    mel = graph("Add", graph("MatMul", energy, np.ascontiguousarray(bank.T)), np.float32(EPSILON))
    # ONNX has no log10, and a product of two rounded float32 is not what rounds a log10 once
    decibels = graph("Mul", graph("Log", graph.cast(mel, np.float64)), 20 / settings.power / np.log(10))
    return graph.cast(decibels, np.float32)
