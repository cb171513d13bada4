"""Classifier networks: the encoders of the autoencoders with another head.

Each takes ``n_mels``, ``frames`` and ``num_classes``, and its ``forward`` gives logits: one for two classes,
(B, frames, n_mels) -> (B, 1), and one a class for more.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mimii.features.windows import Windows
from mimii.networks.base import Network
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


class ClassifierNetwork(Network):
    """What all classifier networks share: cross-entropy weighted by class, and probabilities.

    Parameters
    ----------
    n_mels, frames : int > 0
        Shape of a window.
    num_classes : int >= 2
    balanced : bool
        Weigh each class by the inverse of its share of the training windows.
    """

    class_weight: torch.Tensor

    def __init__(self, n_mels: int, frames: int, num_classes: int = 2, *, balanced: bool = True):
        super().__init__(n_mels, frames)
        self.num_classes = num_classes
        self.outputs = 1 if num_classes == 2 else num_classes
        self.balanced = balanced
        self.register_buffer("class_weight", torch.ones(num_classes))

    def fit_scale(self, windows: Windows) -> None:
        """Take the scale of the mel bands and the weights of the classes from the training windows."""
        super().fit_scale(windows)
        if self.balanced:
            assert windows.target is not None
            counts = np.bincount(windows.target, minlength=self.num_classes)
            self.class_weight.copy_(torch.from_numpy(len(windows) / (self.num_classes * np.maximum(counts, 1))))

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Standardised windows to logits: (B, frames, n_mels) -> (B, outputs)."""
        raise NotImplementedError

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Standardise and classify: (B, frames, n_mels) -> (B, outputs)."""
        return self.classify(self.standardise(windows))

    def cross_entropy(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean of the weighted cross-entropies of logits (B, outputs) for targets (B,).

        The weights are 1 in the mean over the training windows. They are not made so for each batch: the mean over
        batches would then not be the mean over windows, least of all for batches of one class.
        """
        if self.outputs > 1:
            return functional.cross_entropy(logits, targets, self.class_weight, reduction="none").mean()
        weight = self.class_weight[targets]
        return functional.binary_cross_entropy_with_logits(logits[:, 0], targets.float(), weight)

    def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Weighted mean cross-entropy of a batch, a scalar."""
        return self.cross_entropy(self(windows), targets)

    def probabilities(self, windows: torch.Tensor) -> torch.Tensor:
        """Probability of each class: (B, frames, n_mels) -> (B, num_classes)."""
        logits = self(windows)
        if self.outputs > 1:
            return logits.softmax(dim=1)
        positive = logits.sigmoid()
        return torch.cat([1 - positive, positive], dim=1)  # (B, 1) -> (B, 2)


class DenseClassifier(ClassifierNetwork):
    """Dense layers over the flattened window; the base of the plain ones."""

    hidden: tuple[int, ...]

    def __init__(self, n_mels: int, frames: int, num_classes: int = 2, *, balanced: bool = True):
        super().__init__(n_mels, frames, num_classes, balanced=balanced)
        self.layers = dense(n_mels * frames, *self.hidden, self.outputs)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, M) -> (B, T*M) -> (B, outputs)."""
        return self.layers(x.flatten(1))


class SimpleClassifier(DenseClassifier):
    """Dense 64-32."""

    hidden = (64, 32)


class DeepClassifier(DenseClassifier):
    """Dense 128-64-32-16."""

    hidden = (128, 64, 32, 16)


class VAEClassifier(ClassifierNetwork):
    """A classifier of the latent code of a variational encoder (Kingma and Welling, 2014).

    It samples the code while it is trained and takes the mean of the posterior otherwise.

    Parameters
    ----------
    kl_weight : float >= 0
        Weight of the KL divergence, the mean over the latent elements, beside the cross-entropy.
    """

    def __init__(
        self, n_mels: int, frames: int, num_classes: int = 2, *, balanced: bool = True, kl_weight: float = 0.01
    ):
        super().__init__(n_mels, frames, num_classes, balanced=balanced)
        self.kl_weight = kl_weight
        self.encoder = VariationalEncoder(n_mels * frames)
        self.head = nn.Linear(self.encoder.latent, self.outputs)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Classify by the mean of the posterior."""
        mean, _ = self.encoder(x)
        return self.head(mean)

    def draw(self, windows: torch.Tensor, generator: torch.Generator | None = None) -> tuple[torch.Tensor, ...]:
        """Draw for the codes."""
        return self.encoder.draw(windows, generator)

    def loss(self, windows: torch.Tensor, targets: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """Weighted mean cross-entropy and weighted KL divergence."""
        mean, log_variance = self.encoder(self.standardise(windows))
        code = self.encoder.sample(mean, log_variance, noise)
        divergence = self.encoder.divergence(mean, log_variance)
        return self.cross_entropy(self.head(code), targets) + self.kl_weight * divergence


class ConvClassifier(ClassifierNetwork):
    """2-D convolutions over (frames, mels) and the mean over what they leave of both."""

    def __init__(self, n_mels: int, frames: int, num_classes: int = 2, *, balanced: bool = True):
        super().__init__(n_mels, frames, num_classes, balanced=balanced)
        self.encoder = ConvEncoder(n_mels, frames)
        self.head = nn.Linear(self.encoder.channels[-1], self.outputs)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, M) -> (B, C, t, m) -> (B, C) -> (B, outputs)."""
        return self.head(self.encoder(x).mean(dim=(2, 3)))


class LSTMClassifier(ClassifierNetwork):
    """LSTM over the frames; its last state is classified."""

    def __init__(self, n_mels: int, frames: int, num_classes: int = 2, *, balanced: bool = True):
        super().__init__(n_mels, frames, num_classes, balanced=balanced)
        self.encoder = LSTMEncoder(n_mels)
        self.head = nn.Linear(self.encoder.hidden, self.outputs)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, M) -> (B, H) -> (B, outputs)."""
        return self.head(self.encoder(x))


class AttentionClassifier(ClassifierNetwork):
    """Self-attention over the frames as tokens; their mean is classified."""

    def __init__(self, n_mels: int, frames: int, num_classes: int = 2, *, balanced: bool = True):
        super().__init__(n_mels, frames, num_classes, balanced=balanced)
        self.encoder = AttentionEncoder(n_mels, frames)
        self.head = nn.Linear(self.encoder.width, self.outputs)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, M) -> (B, T, W) -> (B, W) -> (B, outputs)."""
        return self.head(self.encoder(x).mean(dim=1))


class ResidualClassifier(ClassifierNetwork):
    """Dense residual blocks 128-64-32."""

    hidden = (128, 64, 32)

    def __init__(self, n_mels: int, frames: int, num_classes: int = 2, *, balanced: bool = True):
        super().__init__(n_mels, frames, num_classes, balanced=balanced)
        self.blocks = residual(n_mels * frames, *self.hidden)
        self.head = nn.Linear(self.hidden[-1], self.outputs)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, M) -> (B, T*M) -> (B, 32) -> (B, outputs)."""
        return self.head(self.blocks(x.flatten(1)))


class DenoisingClassifier(ClassifierNetwork):
    """Dense 128-64 behind Gaussian noise and dropout, both while training only."""

    def __init__(self, n_mels: int, frames: int, num_classes: int = 2, *, balanced: bool = True):
        super().__init__(n_mels, frames, num_classes, balanced=balanced)
        self.spoil = NoisyInput()
        # behind the place of the noise, which the names of the weights in model files count
        self.layers = nn.Sequential(nn.Identity(), nn.Flatten(), dense(n_mels * frames, 128, 64, self.outputs))

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, M) -> (B, outputs)."""
        return self.layers(x)

    def draw(self, windows: torch.Tensor, generator: torch.Generator | None = None) -> tuple[torch.Tensor, ...]:
        """Draw what spoils the input."""
        return self.spoil.draw(windows, generator)

    def loss(self, windows: torch.Tensor, targets: torch.Tensor, *spoiling: torch.Tensor) -> torch.Tensor:
        """Weighted mean cross-entropy, from a noisy input while training."""
        x = self.spoil(self.standardise(windows), *spoiling)
        return self.cross_entropy(self.classify(x), targets)


class SpectralShapeClassifier(ClassifierNetwork):
    """The encoder of the spectral shape autoencoder, then dense 32-16."""

    def __init__(self, n_mels: int, frames: int, num_classes: int = 2, *, balanced: bool = True):
        super().__init__(n_mels, frames, num_classes, balanced=balanced)
        self.encoder = SpectralShapeEncoder(n_mels, frames)
        self.head = dense(self.encoder.rank, 16, self.outputs)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, M) -> (B, R) -> (B, outputs)."""
        return self.head(self.encoder(x))
