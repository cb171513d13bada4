import numpy as np
import pytest
import torch
from model_support import AUTOENCODERS, fitted, linear_widths, new_network, some_windows, sounds
from torch import nn

from mimii.models import create_model
from mimii.networks import autoencoders


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_the_score_is_the_error_of_the_reconstruction(name):
    trained, _ = fitted(name)
    windows = sounds().evaluation.take(np.arange(4))
    batch = torch.from_numpy(windows.gather())
    with torch.no_grad():
        standardised = trained.network.standardise(batch)
        target = standardised[:, 2:3] if name == "idnn" else standardised
        error = (trained.network(batch) - target).square().mean(dim=(1, 2))
    assert np.allclose(trained.score_windows(windows), error.numpy(), rtol=1e-4)


def test_idnn_predicts_the_middle_frame_and_does_not_look_at_it():
    network, windows = new_network("idnn").eval(), some_windows()
    assert linear_widths(network) == [4 * 64, 64, 32, 16, 32, 64, 64]
    changed = windows.clone()
    changed[:, 2] += 100
    with torch.no_grad():
        assert torch.equal(network(changed), network(windows))
        assert torch.equal(network.target(windows), windows[:, 2:3])
        assert (network.score(changed) > network.score(windows)).all()
        for frame in (0, 1, 3, 4):
            changed = windows.clone()
            changed[:, frame] += 100
            assert not torch.allclose(network(changed), network(windows))


def test_simple_ae_is_dense_64_8_64_of_42440_parameters():
    assert create_model("simple_ae").num_parameters == 42_440
    assert linear_widths(new_network("simple_ae")) == [320, 64, 8, 64, 320]


def test_deep_ae_has_the_widths_of_the_table():
    assert linear_widths(new_network("deep_ae")) == [320, 128, 64, 32, 16, 32, 64, 128, 320]


def test_ss_ae_has_19808_parameters_fewer_than_half_of_simple_ae():
    assert create_model("ss_ae").num_parameters == 19_808
    assert 2 * create_model("ss_ae").num_parameters < create_model("simple_ae").num_parameters


def test_ss_ae_sees_each_frame_with_the_same_weights():
    """Its size grows by one basis block of 64 x 32 a frame and by nothing else."""
    sizes = [create_model("ss_ae", frames=frames).num_parameters for frames in (1, 2, 5)]
    assert sizes[1] - sizes[0] == 64 * 32
    assert sizes[2] - sizes[0] == 4 * 64 * 32


def test_ss_ae_projects_onto_unit_vectors():
    """So the length of a basis vector changes nothing."""
    network = new_network("ss_ae").eval()
    with torch.no_grad():
        before = network(some_windows())
        [basis] = [weight for weight in network.parameters() if weight.shape == (5 * 64, 32)]
        basis *= torch.linspace(0.5, 8, 32)
        assert torch.allclose(network(some_windows()), before, atol=1e-5)


def test_vae_samples_only_while_it_is_trained():
    network, windows = new_network("vae"), some_windows()
    with torch.no_grad():
        drawn = network.draw(windows)
        assert network.loss(windows, *drawn) != network.loss(windows, *network.draw(windows))
        assert network.loss(windows, *drawn) == network.loss(windows, *drawn)
        assert network.loss(windows, torch.zeros_like(drawn[0])) == network.loss(windows)
        assert torch.equal(network.score(windows), network.score(windows))


def test_vae_has_the_layers_of_the_table():
    assert linear_widths(new_network("vae")) == [320, 128, 64, 2 * 16, 64, 128, 320]


def test_the_loss_of_a_vae_is_reconstruction_and_weighted_divergence_as_means_per_element():
    windows, seen = some_windows(), []
    losses = {}
    for weight in (0.0, 0.5, 1.0):
        torch.manual_seed(0)
        network = autoencoders.VAE(64, 5, kl_weight=weight)
        network.fit_scale(sounds().train)
        network.eval()
        [posterior] = [
            layer for layer in network.modules() if isinstance(layer, nn.Linear) and layer.out_features == 32
        ]
        posterior.register_forward_hook(lambda layer, inputs, output: seen.append(output.detach()))
        with torch.no_grad():
            losses[weight] = network.loss(windows).item()
            reconstruction = (network(windows) - network.standardise(windows)).square().mean().item()
    mean, log_variance = seen[0].chunk(2, dim=1)
    posterior = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    divergence = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).mean().item()
    assert losses[0.0] == pytest.approx(reconstruction, rel=1e-5)
    assert losses[1.0] == pytest.approx(reconstruction + divergence, rel=1e-5)
    assert losses[0.5] == pytest.approx(reconstruction + 0.5 * divergence, rel=1e-5)


def test_conv_ae_has_a_bottleneck_of_32():
    network = new_network("conv_ae")
    widths = [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert widths[0] == 32
    assert any(isinstance(layer, nn.Conv2d) for layer in network.modules())


def test_lstm_ae_has_an_encoder_and_a_decoder_of_hidden_64_and_2_layers():
    lstms = [layer for layer in new_network("lstm_ae").modules() if isinstance(layer, nn.LSTM)]
    assert [(layer.hidden_size, layer.num_layers) for layer in lstms] == [(64, 2), (64, 2)]
    assert lstms[0].input_size == 64  # a mel vector at a time, not single numbers


@pytest.mark.parametrize("name", ["lstm_ae", "attention_ae"])
def test_a_sequence_model_knows_the_order_of_the_frames(name):
    network, windows = new_network(name).eval(), some_windows()
    with torch.no_grad():
        turned_twice = network(windows.flip(1)).flip(1)
        assert not torch.allclose(turned_twice, network(windows), atol=1e-3)


@pytest.mark.parametrize("name", ["lstm_ae", "attention_ae"])
def test_in_a_sequence_model_each_frame_bears_on_the_others(name):
    network, windows = new_network(name).eval(), some_windows()
    changed = windows.clone()
    changed[:, 0] += 20
    with torch.no_grad():
        assert not torch.allclose(network(changed)[:, -1], network(windows)[:, -1], atol=1e-3)


def test_denoising_ae_is_noisy_only_while_it_is_trained():
    network, windows = new_network("denoising_ae"), some_windows()
    with torch.no_grad():
        assert torch.equal(network.train()(windows), network(windows))
        assert network.loss(windows, *network.draw(windows)) != network.loss(windows, *network.draw(windows))


def test_denoising_ae_has_gaussian_noise_beside_the_dropout_and_a_clean_target():
    """A network that gives back what it sees: its error is the noise."""
    network, windows = new_network("denoising_ae"), some_windows(150)
    network.layers = nn.Identity()
    noise, factors = network.draw(windows)
    with torch.no_grad():
        error = network.loss(windows, noise, torch.ones_like(factors))
        assert error.item() == pytest.approx(0.3**2 * noise.square().mean().item(), rel=1e-4)
        assert network.loss(windows) == 0
    assert torch.equal(factors.unique(), torch.tensor([0, 1 / 0.9]))  # what is kept makes up for what is dropped
    assert (factors == 0).float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert abs(noise.mean()) < 0.01
    assert abs((noise / noise.std()).pow(4).mean() - 3) < 0.2  # the kurtosis of a Gaussian
