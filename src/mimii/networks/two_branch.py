"""Networks over the samples of clips, all spectra included: so the inputs that are mixed are the sounds themselves."""

import torch
from torch import nn

from mimii.networks.embedding import EmbeddingNetwork
from mimii.networks.spectral import WIDTH, SpectrogramBranch, SpectrumBranch

MIN_SAMPLES = SpectrumBranch.min_samples  # in a clip; the longest frame fits into it as often as its branch needs


class MultiResolution(EmbeddingNetwork):
    """The spectrum of the whole clip and spectrograms of several resolutions, one branch each.

    As in ASDKit (Fujimura et al., arXiv 2507.10264), after Wilkinghoff (ICASSP 2024).

    Parameters
    ----------
    samples : int >= `MIN_SAMPLES`
        In a clip.
    classes : int >= 2

    Attributes
    ----------
    frames : tuple of int
        Frame of each spectrogram [samples].
    """

    frames: tuple[int, ...] = (256, 1024, 4096)

    def __init__(self, samples: int, classes: int):
        if samples < MIN_SAMPLES:
            raise ValueError(f"a clip must have {MIN_SAMPLES} samples or more, not {samples}")
        super().__init__(WIDTH * (1 + len(self.frames)), classes, trainable_centres=True)
        self.branches = nn.ModuleList([SpectrumBranch(samples), *(SpectrogramBranch(n_fft) for n_fft in self.frames)])

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Samples, whose full scale is 1: (B, samples) -> (B, 128 x branches)."""
        return torch.cat([branch(batch) for branch in self.branches], dim=1)


class TwoBranch(MultiResolution):
    """The spectrum of the whole clip and one spectrogram (Wilkinghoff, ICASSP 2023 and 2024)."""

    frames = (1024,)
