"""Autoencoders: they learn to reconstruct normal windows, and score with the error of the reconstruction.

Each takes ``n_mels`` and ``frames``, and its ``forward`` gives the reconstruction of the standardised windows,
(B, frames, n_mels) -> (B, frames, n_mels), or of those of their frames that it predicts.
"""

import torch
from torch import nn
from torch.nn import functional

from mimii.features.windows import Windows
from mimii.networks.base import Network
from mimii.networks.convolution import back
from mimii.networks.encoders import (
    AttentionEncoder,
    ConvEncoder,
    LSTMEncoder,
    NoisyInput,
    SpectralShapeEncoder,
    VariationalEncoder,
    dense,
    residual,
)
from mimii.networks.recurrence import lstm


class Autoencoder(Network):
    """What all autoencoders share: mean squared error as loss and as score."""

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Standardised windows to their reconstruction: (B, frames, n_mels) -> the shape of `target`."""
        raise NotImplementedError

    def target(self, x: torch.Tensor) -> torch.Tensor:
        """What of the standardised windows is reconstructed: all of it, (B, frames, n_mels) -> the same."""
        return x

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Standardise and reconstruct: (B, frames, n_mels) -> the shape of `target`."""
        return self.reconstruct(self.standardise(windows))

    def loss(self, windows: torch.Tensor) -> torch.Tensor:
        """Mean squared error of a batch, a scalar."""
        x = self.standardise(windows)
        return functional.mse_loss(self.reconstruct(x), self.target(x))

    def residual(self, windows: torch.Tensor) -> torch.Tensor:
        """Standardised windows less their reconstruction: (B, frames, n_mels) -> the shape of `target`."""
        x = self.standardise(windows)
        return self.target(x) - self.reconstruct(x)

    def score(self, windows: torch.Tensor) -> torch.Tensor:
        """Mean squared error of each window: (B, frames, n_mels) -> (B,)."""
        return self.error(self.residual(windows))

    @staticmethod
    def error(residual: torch.Tensor) -> torch.Tensor:
        """Mean squared error of each window, from what `residual` gives: (B, T, n_mels) -> (B,)."""
        return residual.square().mean(dim=(1, 2))


class DenseAE(Autoencoder):
    """Dense layers over the flattened window; the base of the plain ones."""

    hidden: tuple[int, ...]

    def __init__(self, n_mels: int, frames: int):
        super().__init__(n_mels, frames)
        inputs = n_mels * frames
        self.layers = dense(inputs, *self.hidden, inputs)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, M) -> (B, T*M) -> (B, T, M)."""
        return self.layers(x.flatten(1)).view_as(x)


class SimpleAE(DenseAE):
    """Dense 64-8-64."""

    hidden = (64, 8, 64)


class DeepAE(DenseAE):
    """Dense 128-64-32-16-32-64-128."""

    hidden = (128, 64, 32, 16, 32, 64, 128)


class MIMIIBaselineAE(DenseAE):
    """The autoencoder of the MIMII authors: dense 64-64-8-64-64, on dB as they are, kept as the last epoch left it."""

    hidden = (64, 64, 8, 64, 64)
    keeps_best = False

    def fit_scale(self, windows: Windows) -> None:
        """Leave the mel bands as they are."""


class VAE(Autoencoder):
    """Variational autoencoder (Kingma and Welling, 2014): dense 128-64, latent 16, mirrored.

    It samples while it is trained and takes the mean of the posterior otherwise: noise has no place in a score.

    Parameters
    ----------
    kl_weight : float >= 0
        Weight of the KL divergence, the mean over the latent elements, beside the mean squared error, the mean
        over the window's elements. The evidence lower bound of a decoder with unit variance has
        ``2 * latent / (frames * n_mels)``, which is 0.1 for windows of 5 x 64.
    """

    def __init__(self, n_mels: int, frames: int, kl_weight: float = 0.1):
        super().__init__(n_mels, frames)
        inputs = n_mels * frames
        self.kl_weight = kl_weight
        self.encoder = VariationalEncoder(inputs)
        self.decoder = dense(self.encoder.latent, 64, 128, inputs)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Decode the mean of the posterior."""
        mean, _ = self.encoder(x)
        return self.decoder(mean).view_as(x)

    def draw(self, windows: torch.Tensor, generator: torch.Generator | None = None) -> tuple[torch.Tensor, ...]:
        """Draw for the codes."""
        return self.encoder.draw(windows, generator)

    def loss(self, windows: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """Reconstruction and weighted KL divergence from the standard normal, both as means per element."""
        x = self.standardise(windows)
        mean, log_variance = self.encoder(x)
        code = self.encoder.sample(mean, log_variance, noise)
        divergence = self.encoder.divergence(mean, log_variance)
        return functional.mse_loss(self.decoder(code).view_as(x), x) + self.kl_weight * divergence


class ConvAE(Autoencoder):
    """2-D convolutions over (frames, mels), a bottleneck of 32, and transposed convolutions back."""

    bottleneck = 32

    def __init__(self, n_mels: int, frames: int):
        super().__init__(n_mels, frames)
        self.encoder = ConvEncoder(n_mels, frames)
        self.inner = (self.encoder.channels[-1], *self.encoder.shapes[-1])  # (C, t, m)
        size = self.inner[0] * self.inner[1] * self.inner[2]
        self.squeeze = nn.Linear(size, self.bottleneck)
        self.expand = nn.Linear(self.bottleneck, size)

        channels, strides, shapes = self.encoder.channels, self.encoder.strides, self.encoder.shapes
        layers: list[nn.Module] = []
        for number in reversed(range(len(strides))):
            # a stride of 2 maps 2n - 1 and 2n rows to n: the padding says which of them to go back to
            (rows, columns), (inner_rows, inner_columns) = shapes[number], shapes[number + 1]
            time_step, mel_step = strides[number]
            padding = (rows - (inner_rows - 1) * time_step - 1, columns - (inner_columns - 1) * mel_step - 1)
            layers += [
                nn.ReLU(),
                nn.ConvTranspose2d(
                    channels[number + 1], channels[number], 3, strides[number], padding=1, output_padding=padding
                ),
            ]
        self.decoder = nn.Sequential(*layers)

    def standardise(self, windows: torch.Tensor) -> torch.Tensor:
        """The batch is the last dimension in memory, as in the convolutions: (B, T, M) -> the same."""
        return super().standardise(windows).permute(2, 1, 0).contiguous().permute(2, 1, 0)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Through the bottleneck and back."""
        encoder = self.encoder
        if encoder.as_it_is:
            code = self.squeeze(encoder(x).flatten(1))  # (B, T, M) -> (B, C, t, m) -> (B, 32)
            return self.decoder(self.expand(code).unflatten(1, self.inner)).squeeze(1)  # -> (B, 1, T, M) -> (B, T, M)
        rows = self.inner[1]
        found = encoder.convolve(x).unflatten(1, (rows, -1))  # (B, T, M) -> (m, t*C, B) -> (m, t, C, B)
        code = torch.addmm(self.squeeze.bias.unsqueeze(1), self.squeeze.weight, found.transpose(0, 2).flatten(0, 2))
        made = torch.addmm(self.expand.bias.unsqueeze(1), self.expand.weight, code).relu()  # (32, B) -> (C*t*m, B)
        x = made.unflatten(0, self.inner).transpose(0, 2).flatten(1, 2)  # -> (C, t, m, B) -> (m, t*C, B)
        layers = (layer for layer in self.decoder if isinstance(layer, nn.ConvTranspose2d))
        shapes = reversed(encoder.shapes[:-1])
        for layer, reached, (_, columns) in zip(layers, reversed(encoder.reached()), shapes, strict=True):
            x = back(x, layer, reached, columns, bend=layer.out_channels > 1)  # the next ReLU is in it
        return x.permute(2, 1, 0)  # (M, T, B) -> (B, T, M)


class LSTMAE(Autoencoder):
    """LSTM encoder and decoder over the frames (Malhotra et al., 2016), hidden 64, 2 layers."""

    def __init__(self, n_mels: int, frames: int):
        super().__init__(n_mels, frames)
        self.encoder = LSTMEncoder(n_mels)
        hidden = self.encoder.hidden
        self.decoder = nn.LSTM(hidden, hidden, self.encoder.layers, batch_first=True)
        self.output = nn.Linear(hidden, n_mels)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """The decoder is shown the code at each frame."""
        code = self.encoder(x)  # (B, T, M) -> (B, H)
        if torch.compiler.is_exporting():
            states, _ = self.decoder(code.unsqueeze(1).expand(-1, self.frames, -1))  # (B, H) -> (B, T, H)
            return self.output(states)  # (B, T, H) -> (B, T, M)
        states = lstm(code.T.unsqueeze(0), self.decoder, self.frames)  # (1, H, B) -> (T, H, B)
        return self.output(states.mT).transpose(0, 1)  # -> (T, B, M) -> (B, T, M)


class AttentionAE(Autoencoder):
    """Self-attention over the frames as tokens, a bottleneck of 8 values a frame, and attention back."""

    bottleneck = 8

    def __init__(self, n_mels: int, frames: int):
        super().__init__(n_mels, frames)
        self.encoder = AttentionEncoder(n_mels, frames)
        self.squeeze = nn.Linear(self.encoder.width, self.bottleneck)
        self.decoder = AttentionEncoder(self.bottleneck, frames)
        self.output = nn.Linear(self.decoder.width, n_mels)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, M) -> (B, T, 8) -> (B, T, M)."""
        x = self.encoder(x).transpose(0, 1).flatten(0, 1)  # -> (T*B, W)
        # the 8 values of a frame are rows, which takes a quarter of the time of 8 columns
        code = torch.addmm(self.squeeze.bias.unsqueeze(1), self.squeeze.weight, x.T)  # -> (8, T*B)
        return self.output(self.decoder(code.unflatten(1, (self.frames, -1)).permute(2, 1, 0)))  # -> (B, T, 8)


class ResidualAE(Autoencoder):
    """Dense residual blocks 128-64-16-64-128."""

    hidden = (128, 64, 16, 64, 128)

    def __init__(self, n_mels: int, frames: int):
        super().__init__(n_mels, frames)
        inputs = n_mels * frames
        self.layers = nn.Sequential(residual(inputs, *self.hidden), nn.Linear(self.hidden[-1], inputs))

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, M) -> (B, T*M) -> (B, T, M)."""
        return self.layers(x.flatten(1)).view_as(x)


class DenoisingAE(DenseAE):
    """Denoising autoencoder (Vincent et al., 2008): dense 128-64-16-64-128, noise while training, clean target."""

    hidden = (128, 64, 16, 64, 128)

    def __init__(self, n_mels: int, frames: int):
        super().__init__(n_mels, frames)
        self.spoil = NoisyInput()

    def draw(self, windows: torch.Tensor, generator: torch.Generator | None = None) -> tuple[torch.Tensor, ...]:
        """Draw what spoils the input."""
        return self.spoil.draw(windows, generator)

    def loss(self, windows: torch.Tensor, *spoiling: torch.Tensor) -> torch.Tensor:
        """Mean squared error of a batch, from a noisy input while training, a scalar."""
        x = self.standardise(windows)
        return functional.mse_loss(self.reconstruct(self.spoil(x, *spoiling)), x)


class SpectralShapeAE(Autoencoder):
    """Spectral shape autoencoder: each frame by shared weights, all frames on a small basis and back."""

    def __init__(self, n_mels: int, frames: int):
        super().__init__(n_mels, frames)
        self.encoder = SpectralShapeEncoder(n_mels, frames)
        self.output = nn.Linear(self.encoder.width, n_mels)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Back through the same basis, then each frame by shared weights."""
        values = self.encoder(x) @ self.encoder.unit_basis().T  # (B, R) -> (B, T*W)
        return self.output(values.unflatten(1, (self.frames, -1)))  # (B, T, W) -> (B, T, M)


class IDNN(Autoencoder):
    """Interpolation network (Suefusa et al., ICASSP 2020): dense 64-32-16-32-64, the middle frame from the others.

    An autoencoder is good at what it sees, and passes much of an unknown sound through; what can't be seen has to be
    known. Only the middle frame is predicted: its neighbours on both sides say the most about it.
    """

    hidden = (64, 32, 16, 32, 64)

    def __init__(self, n_mels: int, frames: int):
        super().__init__(n_mels, frames)
        self.middle = frames // 2
        self.layers = dense((frames - 1) * n_mels, *self.hidden, n_mels)

    def target(self, x: torch.Tensor) -> torch.Tensor:
        """The middle frame: (B, T, M) -> (B, 1, M)."""
        return x[:, self.middle : self.middle + 1]

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Predict the middle frame, which is not looked at: (B, T, M) -> (B, (T-1)*M) -> (B, 1, M)."""
        others = torch.cat([x[:, : self.middle], x[:, self.middle + 1 :]], dim=1)
        return self.layers(others.flatten(1)).unsqueeze(1)
