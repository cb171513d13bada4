"""Layers computed as matrix products against torch's own, in float64."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from mimii.networks import autoencoders, classifiers
from mimii.networks.attention import encoder_layer
from mimii.networks.convolution import back, convolution, reach
from mimii.networks.recurrence import lstm

SHAPES = [(5, 64), (1, 8), (2, 9), (7, 30)]  # (frames, n_mels)
NAMES = ["ConvAE", "LSTMAE", "AttentionAE", "ConvClassifier", "LSTMClassifier", "AttentionClassifier"]


@pytest.fixture(autouse=True)
def _double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def assert_same(ours, theirs, *wanted):
    """Both are equal, and so are their derivatives by what is wanted."""
    assert ours.shape == theirs.shape
    assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    weights = torch.randn_like(theirs)
    for mine, other in zip(
        torch.autograd.grad(ours, wanted, weights), torch.autograd.grad(theirs, wanted, weights), strict=True
    ):
        assert torch.allclose(mine, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("frames", "inputs"), SHAPES)
def test_an_lstm_is_that_of_torch(frames, inputs):
    layers = nn.LSTM(inputs, 6, 2)
    x = torch.randn(frames, 3, inputs, requires_grad=True)
    assert_same(lstm(x.mT, layers, frames).mT, layers(x)[0], x, *layers.parameters())


def test_an_lstm_that_is_shown_the_same_every_time_is_that_of_torch():
    layers = nn.LSTM(4, 6, 2)
    x = torch.randn(1, 3, 4, requires_grad=True)
    assert_same(lstm(x.mT, layers, 5).mT, layers(x.expand(5, -1, -1))[0], x, *layers.parameters())


@pytest.mark.parametrize(("frames", "inputs"), SHAPES)
def test_attention_is_that_of_torch(frames, inputs):
    embed = nn.Linear(inputs, 12)
    layer = nn.TransformerEncoderLayer(12, 3, 10, dropout=0.0, activation="gelu")
    x = torch.randn(frames, 4, inputs, requires_grad=True)
    positions = torch.randn(frames, 12, requires_grad=True)
    theirs = layer(embed(x) + positions.unsqueeze(1))
    wanted = (x, positions, *embed.parameters(), *layer.parameters())
    assert_same(encoder_layer(x, embed, positions, layer), theirs, *wanted)


@pytest.mark.parametrize(("frames", "bands"), [(5, 12), (1, 8), (2, 9), (4, 3)])
@pytest.mark.parametrize("step", [1, 2])
def test_convolutions_are_those_of_torch(frames, bands, step):
    down, reached = nn.Conv2d(3, 4, 3, (step, 2), padding=1), reach(frames, step).double()
    x = torch.randn(2, 3, frames, bands, requires_grad=True)
    small = convolution(x.permute(3, 2, 1, 0).flatten(1, 2), down, reached).unflatten(1, (-1, 4))  # (m, t, 4, B)
    assert_same(small.permute(3, 2, 1, 0), functional.relu(down(x)), x, *down.parameters())

    inner_bands, inner = small.shape[:2]
    padding = (frames - (inner - 1) * step - 1, bands - (inner_bands - 1) * 2 - 1)
    up = nn.ConvTranspose2d(4, 3, 3, (step, 2), padding=1, output_padding=padding)
    y = torch.randn(2, 4, inner, inner_bands, requires_grad=True)
    for bend in (True, False):
        large = back(y.permute(3, 2, 1, 0).flatten(1, 2), up, reached, bands, bend=bend).unflatten(1, (-1, 3))
        assert_same(large.permute(3, 2, 1, 0), functional.relu(up(y)) if bend else up(y), y, *up.parameters())


@pytest.mark.parametrize(("frames", "n_mels"), SHAPES)
def test_a_convolutional_network_gives_what_its_layers_give(frames, n_mels):
    network, windows = autoencoders.ConvAE(n_mels, frames).double(), torch.randn(3, frames, n_mels)
    code = network.squeeze(network.encoder.layers(windows.unsqueeze(1)).flatten(1))
    theirs = network.decoder(network.expand(code).unflatten(1, network.inner)).squeeze(1)
    assert_same(network(windows), theirs, *network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_stacked_networks_learn_as_each_one_alone(name):
    """Under vmap no operation falls back to a loop over the networks, of which torch would warn."""
    torch.set_default_dtype(torch.float32)
    network_class = getattr(autoencoders, name, None) or getattr(classifiers, name)
    networks = [network_class(9, 5) for _ in range(3)]
    windows, targets = torch.randn(3, 4, 5, 9), torch.randint(0, 2, (3, 4))
    batches = (windows,) if name.endswith("AE") else (windows, targets)
    stacked, buffers = torch.func.stack_module_state(networks)
    base = networks[0]

    class Loss(nn.Module):
        def __init__(self):
            super().__init__()
            self.of = base

        def forward(self, *batch):
            return self.of.loss(*batch)

    def loss(parameters, buffers, *batch):
        tensors = {f"of.{key}": value for key, value in (parameters | buffers).items()}
        return torch.func.functional_call(Loss(), tensors, batch)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses = torch.func.vmap(loss)(stacked, buffers, *batches)
        losses.sum().backward()
    for number, network in enumerate(networks):
        alone = network.loss(*(batch[number] for batch in batches))
        assert torch.allclose(losses[number], alone, rtol=1e-5)
        for key, gradient in zip(stacked, torch.autograd.grad(alone, list(network.parameters())), strict=True):
            assert torch.allclose(stacked[key].grad[number], gradient, rtol=1e-4, atol=1e-6), key
