"""Encoders: from a standardised window (B, frames, n_mels) to a code.

Autoencoders and classifiers of the same family share them.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from mimii.networks.attention import encoder_layer
from mimii.networks.convolution import MOST_FRAMES, convolution, reach
from mimii.networks.recurrence import lstm


def dense(*widths: int) -> nn.Sequential:
    """Linear layers of these widths with a ReLU between each two of them."""
    layers: list[nn.Module] = []
    for width, next_width in pairwise(widths):
        layers += [nn.Linear(width, next_width), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class NoisyInput(nn.Module):
    """Gaussian noise and dropout on a standardised input, while training only (Vincent et al., 2008)."""

    deviation = 0.3  # of the noise, in standard deviations of a mel band
    kept = 0.9  # share of the values that are not dropped

    def draw(self, x: torch.Tensor, generator: torch.Generator | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise, and what each value is multiplied with, for an input of any shape."""
        noise = torch.empty_like(x).normal_(generator=generator)
        return noise, torch.empty_like(x).bernoulli_(self.kept, generator=generator).div_(self.kept)

    def forward(
        self, x: torch.Tensor, noise: torch.Tensor | None = None, factors: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Spoil an input by what was drawn for it; otherwise leave it as it is."""
        return x if noise is None or factors is None else (x + self.deviation * noise) * factors


class VariationalEncoder(nn.Module):
    """Dense 128-64 and a Gaussian posterior of 16 latent values: (B, frames, n_mels) -> 2 x (B, latent)."""

    latent = 16

    def __init__(self, inputs: int):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), dense(inputs, 128, 64), nn.ReLU())
        self.posterior = nn.Linear(64, 2 * self.latent)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance of the posterior."""
        mean, log_variance = self.posterior(self.body(x)).chunk(2, dim=1)
        return mean, log_variance

    def draw(self, x: torch.Tensor, generator: torch.Generator | None = None) -> tuple[torch.Tensor]:
        """Standard normal numbers for the codes of a batch: (B, latent)."""
        return (x.new_empty(len(x), self.latent).normal_(generator=generator),)

    @staticmethod
    def sample(mean: torch.Tensor, log_variance: torch.Tensor, noise: torch.Tensor | None) -> torch.Tensor:
        """A code drawn from the posterior while training, and its mean without noise: (B, latent)."""
        return mean if noise is None else mean + noise * torch.exp(0.5 * log_variance)

    @staticmethod
    def divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        """KL divergence of the posterior from the standard normal, the mean over all elements: a scalar."""
        return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()


class ConvEncoder(nn.Module):
    """Three strided 2-D convolutions over (frames, mels): (B, frames, n_mels) -> (B, channels, *shapes[-1]).

    Parameters
    ----------
    n_mels : int >= 8
        Each convolution halves the mel axis; below 8 bands nothing would be left to halve.
    frames : int >= 1

    Attributes
    ----------
    shapes : list of (int, int)
        (frames, mels) before the first convolution and after each one.
    """

    channels = (1, 8, 16, 32)
    strides = ((1, 2), (2, 2), (2, 2))

    def __init__(self, n_mels: int, frames: int):
        super().__init__()
        if n_mels < 8:
            raise ValueError(f"a convolutional network needs n_mels >= 8, not {n_mels}")
        layers: list[nn.Module] = []
        self.shapes = [(frames, n_mels)]
        for inputs, outputs, (time_step, mel_step) in zip(
            self.channels[:-1], self.channels[1:], self.strides, strict=True
        ):
            layers += [nn.Conv2d(inputs, outputs, 3, (time_step, mel_step), padding=1), nn.ReLU()]
            rows, columns = self.shapes[-1]
            self.shapes.append((-(-rows // time_step), -(-columns // mel_step)))
        self.layers = nn.Sequential(*layers)
        for number, (time_step, _) in enumerate(self.strides):
            self.register_buffer(f"reach_{number}", reach(self.shapes[number][0], time_step), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve a window as a picture of one channel."""
        if self.as_it_is:
            return self.layers(x.unsqueeze(1))  # (B, T, M) -> (B, 1, T, M) -> (B, C, t, m)
        return self.convolve(x).unflatten(1, (self.shapes[-1][0], -1)).permute(3, 2, 1, 0)  # -> (B, C, t, m)

    @property
    def as_it_is(self) -> bool:
        """Whether torch's own convolutions serve: for many frames, and to be written down."""
        return self.shapes[0][0] > MOST_FRAMES or torch.compiler.is_exporting()

    def convolve(self, x: torch.Tensor) -> torch.Tensor:
        """The same as `mimii.networks.convolution` orders it: (B, frames, n_mels) -> (m, t*C, B)."""
        x = x.permute(2, 1, 0)  # -> (M, T, B)
        layers = (layer for layer in self.layers if isinstance(layer, nn.Conv2d))
        for layer, reached in zip(layers, self.reached(), strict=True):
            x = convolution(x, layer, reached)  # its ReLU is in it
        return x

    def reached(self) -> list[torch.Tensor]:
        """See `mimii.networks.convolution.reach`, of each convolution."""
        return [self.get_buffer(f"reach_{number}") for number in range(len(self.strides))]


class LSTMEncoder(nn.Module):
    """LSTM over the frames; the code is its last hidden state: (B, frames, n_mels) -> (B, hidden)."""

    hidden = 64
    layers = 2

    def __init__(self, n_mels: int):
        super().__init__()
        self.lstm = nn.LSTM(n_mels, self.hidden, self.layers, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Read the frames in order."""
        if torch.compiler.is_exporting():
            states, _ = self.lstm(x)
            return states[:, -1]  # (B, T, H) -> (B, H); torch 2.11 can't export the last states, which are the same
        return lstm(x.permute(1, 2, 0), self.lstm, x.shape[1])[-1].T  # (B, T, M) -> (T, M, B) -> (T, H, B) -> (B, H)


class AttentionEncoder(nn.Module):
    """Self-attention with the frames as tokens: (B, frames, n_mels) -> (B, frames, width).

    A layer of a transformer encoder (Vaswani et al., 2017) with learned positions.
    """

    width = 64

    def __init__(self, n_mels: int, frames: int):
        super().__init__()
        self.embed = nn.Linear(n_mels, self.width)
        self.positions = nn.Parameter(0.02 * torch.randn(frames, self.width))
        self.layer = nn.TransformerEncoderLayer(
            self.width, nhead=4, dim_feedforward=2 * self.width, dropout=0.0, activation="gelu", batch_first=True
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Let each frame look at all frames of the window."""
        if torch.compiler.is_exporting():
            return self.layer(self.embed(x) + self.positions)  # (B, T, M) -> (B, T, W)
        return encoder_layer(x.transpose(0, 1), self.embed, self.positions, self.layer).transpose(0, 1)


class ResidualBlock(nn.Module):
    """Two dense layers beside a shortcut, which is a projection where the width changes (He et al., 2016)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), nn.Linear(outputs, outputs))
        self.shortcut = nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inputs) -> (B, outputs)."""
        return functional.relu(self.shortcut(x) + self.body(x))


def residual(*widths: int) -> nn.Sequential:
    """Residual blocks from each of these widths to the next."""
    return nn.Sequential(*(ResidualBlock(width, next_width) for width, next_width in pairwise(widths)))


class SpectralShapeEncoder(nn.Module):
    """Spectral shape: each frame alone, then all frames on a small basis: (B, frames, n_mels) -> (B, rank).

    A shared LayerNorm, Linear and GELU see each frame; the values of all frames are projected onto a learnable
    basis of unit vectors; LayerNorm, Linear and GELU make the code.
    """

    width = 64
    rank = 32

    def __init__(self, n_mels: int, frames: int):
        super().__init__()
        self.frame = nn.Sequential(nn.LayerNorm(n_mels), nn.Linear(n_mels, self.width), nn.GELU())
        self.basis = nn.Parameter(torch.randn(frames * self.width, self.rank))
        self.code = nn.Sequential(nn.LayerNorm(self.rank), nn.Linear(self.rank, self.rank), nn.GELU())

    def unit_basis(self) -> torch.Tensor:
        """The basis with columns of length 1: (frames * width, rank)."""
        return functional.normalize(self.basis, dim=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the code of a window."""
        values = self.frame(x).flatten(1)  # (B, T, M) -> (B, T, W) -> (B, T*W)
        return self.code(values @ self.unit_basis())  # (B, T*W) -> (B, R)
