"""Networks that learn to tell machines apart, and whose embeddings say what each machine is like."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mimii.features.windows import Windows
from mimii.networks import id_embedding
from mimii.networks.adacos import SubclusterAdaCos
from mimii.networks.mixup import mixup


class EmbeddingNetwork(nn.Module):
    """A network that learns to tell classes apart by sub-cluster AdaCos on mixed inputs.

    Parameters
    ----------
    size : int > 0
        Values in an embedding.
    classes : int >= 2
    trainable_centres : bool
        The centres of the classes are learnt as well.

    Attributes
    ----------
    keeps_best, weight_decay, min_batch
        As `mimii.training.resident.Trainable` has them.
    mixes_whole_batches : bool
        See `mimii.networks.mixup.mixup`.
    """

    keeps_best = False
    weight_decay = 0.01  # the default of torch.optim.AdamW
    min_batch = 2  # batch normalisation needs others to compare with
    mixes_whole_batches = False

    def __init__(self, size: int, classes: int, *, trainable_centres: bool):
        super().__init__()
        self.size = size
        self.adacos = SubclusterAdaCos(size, classes, trainable=trainable_centres)

    def fit_scale(self, windows: Windows) -> None:
        """Take nothing from the windows: batch normalisation does."""

    @torch.no_grad()
    def fit_normalisation(self, batches: Iterable[torch.Tensor]) -> None:
        """Find the means and variances of batch normalisation anew, over inputs that are not mixed.

        While the network learns they are running means over ten steps or so. Of a training of few steps, these know
        more of how the network began than of what it has become (Wu and Johnson, 2021).
        """
        layers = [layer for layer in self.modules() if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d))]
        momentum = [layer.momentum for layer in layers]
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # that of torch for the mean over all batches
        self.train()
        for batch in batches:
            self(batch)
        for layer, value in zip(layers, momentum, strict=True):
            layer.momentum = value
        self.eval()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Embeddings of any length: (B, ...) -> (B, size)."""
        raise NotImplementedError

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """Embeddings of length 1: (B, ...) -> (B, size)."""
        return functional.normalize(self(batch), dim=1)

    def draw(self, windows: torch.Tensor, generator: torch.Generator | None = None) -> tuple[torch.Tensor, ...]:
        """Draw nothing: it mixes the inputs of a batch by the numbers of the device's own generator."""
        return ()

    def loss(self, batch: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy for the classes (B,), a scalar; while training, of inputs that are mixed."""
        labels = functional.one_hot(targets, self.adacos.classes).to(batch.dtype)  # (B,) -> (B, classes)
        if self.training:
            batch, labels = mixup(batch, labels, whole_batch=self.mixes_whole_batches)
        return self.adacos.loss(self(batch), labels)


class IdEmbedding(EmbeddingNetwork):
    """Two convolutions over the mel bands of a recording's pooled frames, and two dense layers.

    There are no biases but those of batch normalisation. Any number of mel bands will do: fewer than 17 are filled up
    with zeros.

    Parameters
    ----------
    n_mels : int > 0
    classes : int >= 2
    """

    weight_decay = 1e-3
    mixes_whole_batches = True

    def __init__(self, n_mels: int, classes: int):
        (_, first, second), (wide, size) = id_embedding.CHANNELS, id_embedding.DENSE
        super().__init__(size, classes, trainable_centres=False)
        self.missing = max(id_embedding.NARROWEST - n_mels, 0)
        self.normalise_input = nn.BatchNorm1d(n_mels)
        self.convolution_0 = nn.Conv1d(1, first, id_embedding.KERNELS[0], id_embedding.STRIDE, bias=False)
        self.normalise_0 = nn.BatchNorm1d(first)
        self.convolution_1 = nn.Conv1d(first, second, id_embedding.KERNELS[1], id_embedding.STRIDE, bias=False)
        self.normalise_1 = nn.BatchNorm1d(second)
        self.dense_0 = nn.Linear(second * id_embedding.values_left(n_mels), wide, bias=False)
        self.normalise_2 = nn.BatchNorm1d(wide)
        self.dense_1 = nn.Linear(wide, size, bias=False)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """(B, n_mels) or (B, 1, n_mels) -> (B, 64)."""
        x = functional.pad(self.normalise_input(batch.flatten(1)), (0, self.missing))  # -> (B, n_mels or 17)
        x = functional.relu(self.normalise_0(self.convolution_0(x.unsqueeze(1))))  # -> (B, 1, n_mels) -> (B, 32, m)
        x = functional.relu(self.normalise_1(self.convolution_1(x)))  # -> (B, 64, m')
        x = functional.relu(self.normalise_2(self.dense_0(x.flatten(1))))  # -> (B, 64*m') -> (B, 128)
        return self.dense_1(x)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that `mimii.networks.id_embedding.embed` needs, batch normalisation folded into scales and shifts.

        Returns
        -------
        dict of str to np.ndarray [dtype=float32]
            ``input_scale`` and ``input_shift``, (n_mels,). ``convolution_0``, (32, 1, 9), ``convolution_1``,
            (64, 32, 5), and ``dense_0``, (128, values): the weights times the scales behind them; what is added there
            is ``convolution_0_shift`` and so on. ``dense_1``, (64, 128).
        """
        scale, shift = _folded(self.normalise_input)
        found = {"input_scale": scale, "input_shift": shift, "dense_1": _numbers(self.dense_1.weight)}
        layers = {
            "convolution_0": (self.convolution_0.weight, self.normalise_0),
            "convolution_1": (self.convolution_1.weight, self.normalise_1),
            "dense_0": (self.dense_0.weight, self.normalise_2),
        }
        for name, (weight, normalisation) in layers.items():
            scale, found[f"{name}_shift"] = _folded(normalisation)
            found[name] = _numbers(weight) * scale.reshape(-1, *[1] * (weight.ndim - 1))
        return {name: values.astype(np.float32) for name, values in found.items()}


def _folded(normalisation: nn.BatchNorm1d) -> tuple[np.ndarray, np.ndarray]:
    """The scale and the shift that a trained batch normalisation comes to, one of each channel."""
    state: Mapping[str, torch.Tensor] = normalisation.state_dict()
    scale = _numbers(state["weight"]) / np.sqrt(_numbers(state["running_var"]) + normalisation.eps)
    return scale, _numbers(state["bias"]) - _numbers(state["running_mean"]) * scale


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()
