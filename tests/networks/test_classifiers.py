import numpy as np
import pytest
import torch
from model_support import (
    NETWORK_CLASSIFIERS,
    fitted,
    labelled_sounds,
    labelled_windows,
    linear_widths,
    new_network,
)
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from mimii.models import DETECTORS, create_model
from mimii.networks import classifiers

SHARED_WITH = {  # one class, two heads
    "vae_classifier": "vae",
    "conv_classifier": "conv_ae",
    "lstm_classifier": "lstm_ae",
    "attention_classifier": "attention_ae",
    "residual_classifier": "residual_ae",
    "denoising_classifier": "denoising_ae",
    "ss_classifier": "ss_ae",
}


def encoder_types(module):
    return {type(part) for part in module.modules() if type(part).__module__ == "mimii.networks.encoders"}


@pytest.mark.parametrize("name", NETWORK_CLASSIFIERS)
def test_two_classes_have_one_logit_and_more_classes_one_each(name):
    for num_classes, outputs in ((2, 1), (3, 3), (7, 7)):
        network = create_model(name, num_classes=num_classes).network.eval()
        windows, _ = labelled_windows()
        with torch.no_grad():
            logits = network(windows)
            probabilities = network.probabilities(windows)
        assert logits.shape == (len(windows), outputs)
        if outputs == 1:
            assert torch.allclose(probabilities[:, 1], torch.sigmoid(logits[:, 0]), atol=1e-6)
        else:
            assert torch.allclose(probabilities, torch.softmax(logits, dim=1), atol=1e-6)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("name", [name for name in NETWORK_CLASSIFIERS if name != "vae_classifier"])
def test_the_loss_is_the_cross_entropy_weighted_by_class(name, num_classes, balanced):
    data = labelled_sounds(num_classes)
    chosen = np.flatnonzero((data.train.target == 0) | (np.arange(len(data.train)) % 3 == 0))
    windows = data.train.take(chosen)
    network = create_model(name, num_classes=num_classes, balanced=balanced).network.eval()
    network.fit_scale(windows)
    weights = compute_class_weight("balanced", classes=np.arange(num_classes), y=windows.target)
    weights = weights[windows.target] if balanced else np.ones(len(windows))
    batch = torch.from_numpy(windows.gather())
    with torch.no_grad():
        right = network.probabilities(batch).double().numpy()[np.arange(len(windows)), windows.target]
        loss = network.loss(batch, torch.from_numpy(windows.target)).item()
    assert loss == pytest.approx(np.average(-np.log(right), weights=weights), rel=1e-4)
    assert len(np.unique(weights)) == (2 if balanced else 1)


def test_simple_classifier_is_dense_64_32_of_22657_parameters():
    assert create_model("simple_classifier").num_parameters == 22_657
    assert linear_widths(new_network("simple_classifier")) == [320, 64, 32, 1]
    assert linear_widths(new_network("simple_classifier", 3)) == [320, 64, 32, 3]


def test_deep_classifier_has_the_widths_of_the_table():
    assert linear_widths(new_network("deep_classifier")) == [320, 128, 64, 32, 16, 1]


def test_ss_classifier_has_16193_parameters_fewer_than_simple_classifier():
    assert create_model("ss_classifier").num_parameters == 16_193
    assert linear_widths(new_network("ss_classifier"))[-3:] == [32, 16, 1]


@pytest.mark.parametrize(("name", "other"), SHARED_WITH.items())
def test_the_encoder_is_that_of_the_autoencoder_of_the_same_name(name, other):
    assert other in DETECTORS
    shared = encoder_types(create_model(name).network)
    assert shared
    assert shared <= encoder_types(create_model(other).network)


@pytest.mark.parametrize("name", ["vae_classifier", "conv_classifier", "lstm_classifier", "ss_classifier"])
def test_the_encoder_takes_the_weights_of_the_autoencoder(name):
    [encoder_type] = encoder_types(create_model(name).network)
    [mine] = [part for part in create_model(name).network.modules() if type(part) is encoder_type]
    [theirs] = [part for part in create_model(SHARED_WITH[name]).network.modules() if type(part) is encoder_type]
    mine.load_state_dict(theirs.state_dict())
    windows, _ = labelled_windows()
    with torch.no_grad():
        codes = (np.atleast_1d(encoder.eval()(windows)) for encoder in (mine, theirs))
        for code, expected in zip(*codes, strict=True):
            assert np.array_equal(code, expected)


def test_vae_classifier_has_the_layers_of_the_table():
    assert linear_widths(new_network("vae_classifier")) == [320, 128, 64, 2 * 16, 1]


def test_vae_classifier_samples_only_while_it_is_trained():
    network, (windows, targets) = new_network("vae_classifier"), labelled_windows()
    with torch.no_grad():
        drawn = network.draw(windows)
        assert network.loss(windows, targets, *drawn) != network.loss(windows, targets, *network.draw(windows))
        assert network.loss(windows, targets, *drawn) == network.loss(windows, targets, *drawn)
        assert network.loss(windows, targets, torch.zeros_like(drawn[0])) == network.loss(windows, targets)
        assert torch.equal(network.probabilities(windows), network.probabilities(windows))


def test_vae_classifier_classifies_the_mean_of_the_posterior():
    """A code without its spread: what the posterior says of the variance changes nothing."""
    network, (windows, _) = new_network("vae_classifier").eval(), labelled_windows()
    [posterior] = [layer for layer in network.modules() if isinstance(layer, nn.Linear) and layer.out_features == 32]
    with torch.no_grad():
        before = network.probabilities(windows)
        posterior.bias[16:] += 3
        assert torch.equal(network.probabilities(windows), before)
        posterior.bias[:16] += 3
        assert not torch.allclose(network.probabilities(windows), before, atol=1e-3)


def test_the_loss_of_the_vae_classifier_is_cross_entropy_and_weighted_divergence():
    (windows, targets), losses, seen = labelled_windows(), {}, []
    for weight in (0.0, 0.5, 1.0):
        torch.manual_seed(0)
        network = classifiers.VAEClassifier(64, 5, kl_weight=weight).eval()
        network.fit_scale(labelled_sounds().train)
        [posterior] = [
            layer for layer in network.modules() if isinstance(layer, nn.Linear) and layer.out_features == 32
        ]
        posterior.register_forward_hook(lambda layer, inputs, output: seen.append(output))
        with torch.no_grad():
            losses[weight] = network.loss(windows, targets).item()
            right = network.probabilities(windows)[torch.arange(len(targets)), targets]
    mean, log_variance = seen[0].chunk(2, dim=1)
    posterior = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    divergence = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).mean().item()
    assert losses[0.0] == pytest.approx(-right.log().mean().item(), rel=1e-5)  # the classes here are equally large
    assert losses[1.0] == pytest.approx(losses[0.0] + divergence, rel=1e-5)
    assert losses[0.5] == pytest.approx(losses[0.0] + 0.5 * divergence, rel=1e-5)


def test_conv_classifier_pools_globally():
    """So its size does not depend on that of the window."""
    sizes = {
        create_model("conv_classifier", n_mels=n_mels, frames=frames).num_parameters
        for n_mels, frames in ((64, 5), (128, 5), (64, 20), (8, 1))
    }
    assert len(sizes) == 1
    assert any(isinstance(layer, nn.Conv2d) for layer in new_network("conv_classifier").modules())


def test_lstm_classifier_reads_mel_vectors_in_order():
    [lstm] = [layer for layer in new_network("lstm_classifier").modules() if isinstance(layer, nn.LSTM)]
    assert lstm.input_size == 64


@pytest.mark.parametrize("name", ["lstm_classifier", "attention_classifier"])
def test_a_sequence_model_knows_the_order_of_the_frames(name):
    model, _ = fitted(name)
    windows, _ = labelled_windows()
    with torch.no_grad():
        assert not torch.allclose(model.network(windows.flip(1)), model.network(windows), atol=1e-4)


def test_denoising_classifier_has_noise_and_dropout_only_while_it_is_trained():
    network, (windows, targets) = new_network("denoising_classifier"), labelled_windows()
    noise, factors = network.draw(windows)
    with torch.no_grad():
        clean = network.loss(windows, targets)
        assert network.loss(windows, targets) == clean
        assert network.loss(windows, targets, torch.zeros_like(noise), torch.ones_like(factors)) == clean
        assert network.loss(windows, targets, noise, torch.ones_like(factors)) != clean
        assert network.loss(windows, targets, torch.zeros_like(noise), factors) != clean
