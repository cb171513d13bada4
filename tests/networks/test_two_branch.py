import numpy as np
import pytest
import torch

from mimii.networks.spectral import ResidualBlock, SpectrogramBranch, SpectrumBranch, SqueezeExcitation
from mimii.networks.two_branch import MIN_SAMPLES, MultiResolution, TwoBranch

torch.set_num_threads(1)

NETWORKS = [TwoBranch, MultiResolution]


def clips(count=4, samples=MIN_SAMPLES):
    return torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, size=(count, samples)).astype(np.float32))


def shapes_within(network, batch):
    """The shape that each layer gives, by its name."""
    shapes = {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda _, __, output, name=name: shapes.update({name: tuple(output.shape)}))
    with torch.no_grad():
        network.eval()(batch)
    return shapes


def test_the_spectrum_is_the_first_half_of_the_fft():
    batch = clips(2, 1001)
    expected = np.abs(np.fft.fft(batch.numpy().astype(np.float64), axis=1))[:, :500]
    assert np.allclose(SpectrumBranch.spectrum(batch), expected, atol=1e-3)


def test_the_spectrogram_is_of_hann_frames_without_their_mean_over_time():
    batch = clips(2, 1500)
    frames = np.lib.stride_tricks.sliding_window_view(batch.numpy(), 256, axis=1)[:, ::128]  # (2, 10, 256)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    magnitudes = np.abs(np.fft.rfft(frames * window, axis=2)).swapaxes(1, 2)  # -> (2, 129, 10)
    expected = magnitudes - magnitudes.mean(axis=2, keepdims=True)
    assert np.allclose(SpectrogramBranch(256).spectrogram(batch), expected, atol=1e-4)


def test_squeeze_excitation_weighs_channels():
    torch.manual_seed(0)
    layer = SqueezeExcitation(32)
    x = torch.randn(3, 32, 4, 5)
    first, second = (parameter.detach().numpy() for parameter in layer.parameters())
    assert first.shape == (2, 32)
    means = x.numpy().mean(axis=(2, 3))
    weights = 1 / (1 + np.exp(-np.maximum(means @ first.T, 0) @ second.T))
    assert np.allclose(layer(x).detach(), x.numpy() * weights[:, :, None, None], atol=1e-6)


def test_a_block_halves_both_axes_where_the_channels_become_more():
    x = torch.randn(2, 16, 9, 6)
    assert ResidualBlock(16, 16)(x).shape == (2, 16, 9, 6)
    assert ResidualBlock(16, 32)(x).shape == (2, 32, 5, 3)


def test_its_layers_are_those_of_its_description():
    shapes = shapes_within(TwoBranch(160_000, 6), clips(1, 160_000))
    spectrum = [shape[1:] for name, shape in shapes.items() if name.startswith("branches.0.layers.") and len(shape) > 2]
    assert dict.fromkeys(spectrum) == dict.fromkeys([(128, 1250), (128, 39), (128, 9)])
    assert shapes["branches.1.first.0"] == (1, 16, 257, 156)
    assert shapes["branches.1.first"] == (1, 16, 128, 77)
    blocks = [shapes[f"branches.1.stages.{number}"][1:] for number in range(8)]
    assert blocks[1::2] == [(16, 128, 77), (32, 64, 39), (64, 32, 20), (128, 16, 10)]
    assert shapes[""] == (1, 256)


def test_it_has_the_weights_of_its_description():
    network = TwoBranch(160_000, 6)
    spectrum = 128 * 256 + 128 * 128 * (64 + 16) + 3 * 2 * 128 * 8  # convolutions, squeeze-excitation
    spectrum += 9 * 128 * 128 + 4 * 128 * 128 + 4 * 2 * 128  # dense layers, batch normalisation
    spectrogram = 2 * 513 + 49 * 16 + 2 * 16 + 2 * 2048 + 2048 * 128
    for inputs, outputs in ((16, 16), (16, 32), (32, 64), (64, 128)):
        for before in (inputs, outputs):
            spectrogram += 9 * (before + outputs) * outputs + 2 * (before + outputs) + 2 * outputs * (outputs // 16)
        spectrogram += inputs * outputs * (inputs != outputs)  # the shortcut
    counts = [sum(weight.numel() for weight in branch.parameters()) for branch in network.branches]
    assert counts == [spectrum, spectrogram]
    assert network.adacos.centres.shape == (6, 16, 256)
    assert network.adacos.centres.requires_grad
    biases = [name for name, module in network.named_modules() if getattr(module, "bias", None) is not None]
    assert all(isinstance(network.get_submodule(name), torch.nn.modules.batchnorm._BatchNorm) for name in biases)


@pytest.mark.parametrize("network_class", NETWORKS)
def test_embeddings_are_of_length_1_and_of_128_values_a_branch(network_class):
    network = network_class(MIN_SAMPLES + 777, 3).eval()
    with torch.no_grad():
        embeddings = network.embed(clips(3, MIN_SAMPLES + 777))
    assert embeddings.shape == (3, network.size) == (3, 128 * (1 + len(network.frames)))
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("network_class", NETWORKS)
def test_in_use_an_embedding_depends_on_no_other_recording(network_class):
    network = network_class(MIN_SAMPLES, 3).eval()
    batch = clips()
    with torch.no_grad():
        together = network.embed(batch)
        alone = torch.cat([network.embed(clip[None]) for clip in batch])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("network_class", [TwoBranch, pytest.param(MultiResolution, marks=pytest.mark.faults)])
def test_every_weight_gets_a_gradient(network_class):
    without = {"all"}
    for seed in range(12):  # squeeze-excitation of 16 channels has one hidden value, which may be 0 to begin with
        torch.manual_seed(seed)
        network = network_class(MIN_SAMPLES, 3).train()
        network.loss(clips(2), torch.arange(2)).backward()
        found = {name for name, value in network.named_parameters() if not value.grad.abs().max() > 0}
        assert all(".weights." in name for name in found)
        without = found if seed == 0 else without & found
    assert without == set()


def test_silence_is_embedded_in_finite_numbers():
    network = TwoBranch(MIN_SAMPLES, 3).eval()
    with torch.no_grad():
        assert torch.isfinite(network.embed(torch.zeros(2, MIN_SAMPLES))).all()


@pytest.mark.parametrize("network_class", NETWORKS)
def test_a_clip_may_not_be_too_short(network_class):
    with pytest.raises(ValueError, match=str(MIN_SAMPLES)):
        network_class(MIN_SAMPLES - 1, 3)
