"""One contract for every classifier, and what is promised of single ones."""

import functools
import operator
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn.utils.class_weight import compute_class_weight
from support import SAMPLE_RATE, sound, write_sealed
from torch import nn

from mimii.features.logmel import log_mel
from mimii.features.windows import Features
from mimii.models import CLASSIFIERS, DETECTORS, create_model
from mimii.networks import classifiers
from mimii.settings import FeatureSettings, TrainingSettings
from mimii.storage.files import CacheError

torch.set_num_threads(1)  # as the experiments do; the tests themselves run side by side

MODELS = list(CLASSIFIERS)
NETWORKS = [name for name in MODELS if CLASSIFIERS[name].is_network]
CLASSICAL = [name for name in MODELS if not CLASSIFIERS[name].is_network]
NAMES_OF_THE_ISSUE = [
    *("simple_classifier", "deep_classifier", "vae_classifier", "conv_classifier", "lstm_classifier"),
    *("attention_classifier", "residual_classifier", "denoising_classifier", "ss_classifier", "random_forest", "svm"),
]
SHARED_WITH = {  # one class, two heads
    "vae_classifier": "vae",
    "conv_classifier": "conv_ae",
    "lstm_classifier": "lstm_ae",
    "attention_classifier": "attention_ae",
    "residual_classifier": "residual_ae",
    "denoising_classifier": "denoising_ae",
    "ss_classifier": "ss_ae",
}
ODD_SHAPES = [(13, 1), (65, 7), (8, 1), (9, 2), (1, 3)]
PITCHES = [150.0, 420.0, 900.0]
SEED = 7
EPOCHS = 10


class Toy:
    """Windows of sounds that are easy to tell apart: of each class 4 recordings to train on, 1 and 2 others."""

    def __init__(self, num_classes=2, n_mels=64, frames=5, gain=1.0, shift=0.0):
        rng = np.random.default_rng(0)
        self.classes = np.repeat(np.arange(num_classes), 7)
        settings = FeatureSettings(n_mels=n_mels, n_fft=2048)
        parts = [log_mel(sound(rng, seconds=0.4, pitch=PITCHES[c]), SAMPLE_RATE, settings) for c in self.classes]
        all_frames = (np.concatenate(parts) * gain + shift).astype(np.float32)
        table = pd.DataFrame({"path": list(map(str, range(len(parts))))})
        features = Features(all_frames, np.cumsum([0, *map(len, parts)]), table, {}, SAMPLE_RATE)
        number = np.arange(len(parts)) % 7
        self.train = features.windows(frames, number < 4, self.classes)
        self.validation = features.windows(frames, number == 4, self.classes)
        self.evaluation = features.windows(frames, number > 4, self.classes)

    def accuracy(self, probabilities):
        """Share of the recordings whose mean probability is highest for their class."""
        numbers, means = self.evaluation.mean_by_recording(probabilities)
        return (means.argmax(axis=1) == self.classes[numbers]).mean()


@functools.cache
def toy(num_classes=2, n_mels=64, frames=5):
    return Toy(num_classes, n_mels, frames)


def settings_for(frames=5, **changes):
    return TrainingSettings(**{"frames": frames, "epochs": EPOCHS, "batch_size": 16, **changes})


def fit(name, data=None, *, num_classes=2, n_mels=64, frames=5, seed=SEED, balanced=True, **changes):
    data = data or toy(num_classes, n_mels, frames)
    model = create_model(name, n_mels=n_mels, frames=frames, num_classes=num_classes, balanced=balanced)
    history = model.fit(data.train, data.validation, settings_for(frames, **changes), seed=seed)
    return model, history


@functools.cache
def fitted(name, num_classes=2):
    return fit(name, num_classes=num_classes)


def probabilities_of(model, data=None):
    return model.predict_proba((data or toy(model.num_classes)).evaluation)


def network(name, num_classes=2):
    """A new network of its own, scaled to the training windows."""
    torch.manual_seed(0)
    new = create_model(name, num_classes=num_classes).network
    new.fit_scale(toy(num_classes).train)
    return new


def a_batch(num_classes=2, count=48):
    """Windows of all classes, and their classes."""
    windows = toy(num_classes).train
    chosen = windows.take(np.linspace(0, len(windows) - 1, count).astype(int))
    return torch.from_numpy(chosen.gather()), torch.from_numpy(chosen.target)


def linear_widths(module):
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


def kinds_of_our_own(module):
    return {type(part) for part in module.modules() if type(part).__module__ == "mimii.networks.encoders"}


# --- every model


def test_the_registry_has_the_models_of_the_table_in_its_order():
    assert NAMES_OF_THE_ISSUE == MODELS


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("name", MODELS)
def test_each_window_has_a_probability_for_each_class(name, num_classes):
    probabilities = probabilities_of(fitted(name, num_classes)[0])
    assert probabilities.shape == (len(toy(num_classes).evaluation), num_classes)
    assert np.isfinite(probabilities).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("name", MODELS)
def test_classes_that_are_easy_to_tell_apart_are_told_apart(name, num_classes):
    probabilities = probabilities_of(fitted(name, num_classes)[0])
    assert toy(num_classes).accuracy(probabilities) > 0.8
    wrong = np.roll(probabilities, 1, axis=1)
    assert toy(num_classes).accuracy(wrong) < 0.2  # it is the class that counts, not just some order


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_probabilities_bit_for_bit(name):
    model, history = fitted(name, 3)
    np.random.seed(1)
    torch.manual_seed(99)
    again, history_again = fit(name, num_classes=3)
    assert np.array_equal(probabilities_of(again), probabilities_of(model))
    assert history_again.train_loss == history.train_loss
    assert history_again.val_loss == history.val_loss


@pytest.mark.parametrize("name", [name for name in MODELS if name != "svm"])  # the exact one has nothing random
def test_another_seed_gives_other_probabilities(name):
    assert not np.array_equal(probabilities_of(fit(name, seed=SEED + 1)[0]), probabilities_of(fitted(name)[0]))


@pytest.mark.parametrize("name", MODELS)
def test_predicting_leaves_the_model_as_it_is(name):
    model, _ = fitted(name)
    first = probabilities_of(model)
    torch.manual_seed(5)
    assert np.array_equal(probabilities_of(model), first)


@pytest.mark.parametrize("name", MODELS)
def test_the_probabilities_of_a_window_do_not_depend_on_its_company(name):
    model, _ = fitted(name, 3)
    chosen = np.array([20, 3, 3, 11])
    alone = model.predict_proba(toy(3).evaluation.take(chosen))
    assert np.allclose(alone, probabilities_of(model)[chosen], atol=1e-5)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_training_changes_every_weight(name, num_classes):
    still = fit(name, num_classes=num_classes, epochs=1, learning_rate=1e-30)[0].network.state_dict()
    moved = fit(name, num_classes=num_classes, epochs=1)[0].network.state_dict()
    assert still.keys() == moved.keys()
    parameters = [key for key, _ in create_model(name).network.named_parameters()]
    assert [key for key in parameters if torch.equal(still[key], moved[key])] == []


@pytest.mark.parametrize("name", MODELS)
def test_a_model_learns_from_its_targets(name):
    """The same windows under the other class give the other answer."""
    data = Toy()
    for windows in (data.train, data.validation):
        windows.target = 1 - windows.target
    model, _ = fit(name, data)
    assert data.accuracy(probabilities_of(model, data)) < 0.2


@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_falls(name):
    _, history = fitted(name, 3)
    assert len(history.train_loss) == len(history.val_loss) == EPOCHS
    assert history.train_loss[-1] < 0.9 * history.train_loss[0]
    assert history.val_loss[-1] < history.val_loss[0]


@pytest.mark.parametrize("name", MODELS)
def test_training_takes_time_and_says_so(name):
    assert fitted(name)[1].training_time_sec > 0


@pytest.mark.parametrize("name", MODELS)
def test_a_model_needs_no_validation(name):
    model = create_model(name)
    history = model.fit(toy().train, None, settings_for(epochs=1), seed=SEED)
    assert history.val_loss == []
    assert np.isfinite(probabilities_of(model)).all()


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_gives_equal_probabilities_in_a_fresh_one(name, num_classes, tmp_path):
    model, _ = fitted(name, num_classes)
    facts = {"training_time_sec": 1.5, "train_loss": [0.5, 0.25], "train_files": 3, "torch_version": "x"}
    path = tmp_path / "model.bin"
    model.save(path, facts)
    fresh = create_model(name, num_classes=num_classes)
    assert fresh.load(path) == facts
    assert np.array_equal(probabilities_of(fresh), probabilities_of(model))
    assert fresh.num_parameters == model.num_parameters
    assert fresh.variant == model.variant
    assert [item.name for item in tmp_path.iterdir()] == ["model.bin"]


@pytest.mark.parametrize("name", MODELS)
def test_a_damaged_model_file_is_found_out(name, tmp_path):
    path = tmp_path / "model.bin"
    fitted(name)[0].save(path, {})
    whole = path.read_bytes()
    for content in (b"", b"damaged", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(CacheError) as caught:
            create_model(name).load(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        create_model(name).load(tmp_path / "absent.bin")


@pytest.mark.parametrize(("name", "other"), list(zip(MODELS, [*MODELS[1:], MODELS[0]], strict=True)))
def test_the_file_of_another_model_is_refused(name, other, tmp_path):
    path = tmp_path / "model.bin"
    fitted(other)[0].save(path, {})
    with pytest.raises(CacheError):
        create_model(name).load(path)


@pytest.mark.parametrize("name", MODELS)
def test_the_file_of_a_model_of_other_classes_is_refused(name, tmp_path):
    path = tmp_path / "model.bin"
    fitted(name, 2)[0].save(path, {})
    with pytest.raises(CacheError):
        create_model(name, num_classes=3).load(path)


class Planted:
    """What an attacker would put into a pickle: it makes a directory as soon as it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (operator.methodcaller("mkdir"), (self.path,))


@pytest.mark.parametrize("name", MODELS)
def test_a_planted_pickle_runs_nothing(name, tmp_path):
    marker = tmp_path / "attacked"
    path = tmp_path / ("model.pt" if name in NETWORKS else "model.skops")
    content = {"name": name, "state": Planted(marker), "facts": {}}
    torch.save(content, path)
    for attack in (path.read_bytes(), pickle.dumps(content, protocol=2)):
        write_sealed(path, attack)
        with pytest.raises(CacheError) as caught:
            create_model(name).load(path)
        assert "another version" not in str(caught.value)  # it is the content that is refused
    assert not marker.exists()
    pickle.loads(pickle.dumps(Planted(marker)))  # the attack itself works
    assert marker.exists()


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_planted_function_in_a_skops_file_is_refused(name, tmp_path):
    path = tmp_path / "model.skops"
    fitted(name)[0].save(path, {})
    content = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    write_sealed(path, skops.io.dumps(content | {"estimator": functools.partial(exec, "raise SystemExit")}))
    with pytest.raises(CacheError):
        create_model(name).load(path)


@pytest.mark.parametrize(("n_mels", "frames"), ODD_SHAPES)
@pytest.mark.parametrize("name", MODELS)
def test_windows_may_have_any_shape(name, n_mels, frames):
    if n_mels < CLASSIFIERS[name].min_n_mels:
        with pytest.raises(ValueError, match=str(n_mels)):
            create_model(name, n_mels=n_mels, frames=frames)
        return
    for num_classes in (2, 3):
        data = toy(num_classes, n_mels, frames)
        model, _ = fit(name, num_classes=num_classes, n_mels=n_mels, frames=frames, epochs=1)
        probabilities = probabilities_of(model, data)
        assert probabilities.shape == (len(data.evaluation), num_classes)
        assert np.isfinite(probabilities).all()
        if name in NETWORKS:
            batch = torch.from_numpy(data.evaluation.take(np.arange(3)).gather())
            assert model.network(batch).shape == (3, 1 if num_classes == 2 else num_classes)


def test_only_the_convolutional_network_has_a_fewest_number_of_bands():
    assert {name: CLASSIFIERS[name].min_n_mels for name in MODELS if CLASSIFIERS[name].min_n_mels != 1} == {
        "conv_classifier": 8
    }


@pytest.mark.parametrize("name", MODELS)
def test_each_band_is_standardised(name):
    """So a change of scale of the input changes nothing."""
    data = Toy(gain=4.0, shift=100.0)
    model, _ = fit(name, data)
    assert np.allclose(probabilities_of(model, data), probabilities_of(fitted(name)[0]), atol=0.05)


@pytest.mark.parametrize("name", MODELS)
def test_bands_that_never_change_are_no_obstacle(name):
    data = Toy()
    data.train.frames[:, 50:60] = -156.0  # the frames of all windows are one array
    model, _ = fit(name, data, epochs=1)
    assert np.isfinite(probabilities_of(model, data)).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_single_recording_of_a_class_is_enough_to_learn_from(name):
    data = Toy()
    recordings = np.unique(data.train.recording[data.train.target == 1])
    chosen = data.train.take(np.flatnonzero((data.train.target == 0) | (data.train.recording == recordings[0])))
    model = create_model(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a user would read lines of scikit-learn's source
        model.fit(chosen, None, settings_for(), seed=SEED)
    assert np.isfinite(probabilities_of(model, data)).all()
    assert model.num_parameters > 0


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_parameter_of_a_network_is_unused(name, num_classes):
    new = network(name, num_classes).train()
    new.loss(*a_batch(num_classes)).backward()
    unused = [key for key, weight in new.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert unused == []
    counted = sum(weight.numel() for weight in new.parameters())
    assert create_model(name, num_classes=num_classes).num_parameters == counted


@pytest.mark.parametrize("name", NETWORKS)
def test_two_classes_have_one_logit_and_more_classes_one_each(name):
    for num_classes, outputs in ((2, 1), (3, 3), (7, 7)):
        new = create_model(name, num_classes=num_classes).network.eval()
        windows, _ = a_batch()
        with torch.no_grad():
            logits = new(windows)
            probabilities = new.probabilities(windows)
        assert logits.shape == (len(windows), outputs)
        if outputs == 1:
            assert torch.allclose(probabilities[:, 1], torch.sigmoid(logits[:, 0]), atol=1e-6)
        else:
            assert torch.allclose(probabilities, torch.softmax(logits, dim=1), atol=1e-6)


# --- classes of different size


class Unbalanced:
    """Nine windows of class 0 for one of class 1, and what tells them apart is weak."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.classes = np.array([int(number % 10 == 9) for number in range(60)])
        frames = np.concatenate([rng.normal(0.35 * c, size=(20, 8)) for c in self.classes]).astype(np.float32)
        table = pd.DataFrame({"path": list(map(str, range(60)))})
        features = Features(frames, np.arange(61) * 20, table, {}, SAMPLE_RATE)
        number = np.arange(60)
        self.train = features.windows(2, number < 40, self.classes)
        self.evaluation = features.windows(2, number >= 40, self.classes)
        self.validation = None


@pytest.mark.parametrize("name", MODELS)
def test_weights_by_class_make_a_rare_class_be_believed_in(name):
    data, shares = Unbalanced(), {}
    for balanced in (True, False):
        model, _ = fit(name, data, n_mels=8, frames=2, balanced=balanced, batch_size=32, epochs=4)
        shares[balanced] = probabilities_of(model, data)[:, 1].mean()
    assert shares[False] == pytest.approx(0.1, abs=0.04)  # its share of the training windows
    assert shares[True] > 1.5 * shares[False]


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "vae_classifier"])
def test_the_loss_is_the_cross_entropy_weighted_by_class(name, num_classes, balanced):
    data = toy(num_classes)
    chosen = np.flatnonzero((data.train.target == 0) | (np.arange(len(data.train)) % 3 == 0))
    windows = data.train.take(chosen)
    new = create_model(name, num_classes=num_classes, balanced=balanced).network.eval()
    new.fit_scale(windows)
    weights = compute_class_weight("balanced", classes=np.arange(num_classes), y=windows.target)
    weights = weights[windows.target] if balanced else np.ones(len(windows))
    batch = torch.from_numpy(windows.gather())
    with torch.no_grad():
        right = new.probabilities(batch).double().numpy()[np.arange(len(windows)), windows.target]
        loss = new.loss(batch, torch.from_numpy(windows.target)).item()
    assert loss == pytest.approx(np.average(-np.log(right), weights=weights), rel=1e-4)
    assert len(np.unique(weights)) == (2 if balanced else 1)


# --- single ones


def test_simple_classifier_is_dense_64_32_of_22657_parameters():
    assert create_model("simple_classifier").num_parameters == 22_657
    assert linear_widths(network("simple_classifier")) == [320, 64, 32, 1]
    assert linear_widths(network("simple_classifier", 3)) == [320, 64, 32, 3]


def test_deep_classifier_has_the_widths_of_the_table():
    assert linear_widths(network("deep_classifier")) == [320, 128, 64, 32, 16, 1]


def test_ss_classifier_has_16193_parameters_fewer_than_simple_classifier():
    assert create_model("ss_classifier").num_parameters == 16_193
    assert linear_widths(network("ss_classifier"))[-3:] == [32, 16, 1]


@pytest.mark.parametrize(("name", "other"), SHARED_WITH.items())
def test_the_encoder_is_that_of_the_autoencoder_of_the_same_name(name, other):
    assert other in DETECTORS
    shared = kinds_of_our_own(create_model(name).network)
    assert shared
    assert shared <= kinds_of_our_own(create_model(other).network)


@pytest.mark.parametrize("name", ["vae_classifier", "conv_classifier", "lstm_classifier", "ss_classifier"])
def test_the_encoder_takes_the_weights_of_the_autoencoder(name):
    [kind] = kinds_of_our_own(create_model(name).network)
    [own] = [part for part in create_model(name).network.modules() if type(part) is kind]
    [other] = [part for part in create_model(SHARED_WITH[name]).network.modules() if type(part) is kind]
    own.load_state_dict(other.state_dict())
    windows, _ = a_batch()
    with torch.no_grad():
        for mine, theirs in zip(np.atleast_1d(own.eval()(windows)), np.atleast_1d(other.eval()(windows)), strict=True):
            assert np.array_equal(mine, theirs)


def test_vae_classifier_has_the_layers_of_the_table():
    assert linear_widths(network("vae_classifier")) == [320, 128, 64, 2 * 16, 1]


def test_vae_classifier_samples_only_while_it_is_trained():
    new, (windows, targets) = network("vae_classifier"), a_batch()
    with torch.no_grad():
        assert new.train().loss(windows, targets) != new.loss(windows, targets)
        assert new.eval().loss(windows, targets) == new.loss(windows, targets)
        assert torch.equal(new.probabilities(windows), new.probabilities(windows))


def test_vae_classifier_classifies_the_mean_of_the_posterior():
    """A code without its spread: what the posterior says of the variance changes nothing."""
    new, (windows, _) = network("vae_classifier").eval(), a_batch()
    [posterior] = [layer for layer in new.modules() if isinstance(layer, nn.Linear) and layer.out_features == 32]
    with torch.no_grad():
        before = new.probabilities(windows)
        posterior.bias[16:] += 3
        assert torch.equal(new.probabilities(windows), before)
        posterior.bias[:16] += 3
        assert not torch.allclose(new.probabilities(windows), before, atol=1e-3)


def test_the_loss_of_the_vae_classifier_is_cross_entropy_and_weighted_divergence():
    (windows, targets), losses, seen = a_batch(), {}, []
    for weight in (0.0, 0.5, 1.0):
        torch.manual_seed(0)
        new = classifiers.VAEClassifier(64, 5, kl_weight=weight).eval()
        new.fit_scale(toy().train)
        [posterior] = [layer for layer in new.modules() if isinstance(layer, nn.Linear) and layer.out_features == 32]
        posterior.register_forward_hook(lambda layer, inputs, output: seen.append(output))
        with torch.no_grad():
            losses[weight] = new.loss(windows, targets).item()
            right = new.probabilities(windows)[torch.arange(len(targets)), targets]
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
    assert any(isinstance(layer, nn.Conv2d) for layer in network("conv_classifier").modules())


def test_lstm_classifier_reads_mel_vectors_in_order():
    [lstm] = [layer for layer in network("lstm_classifier").modules() if isinstance(layer, nn.LSTM)]
    assert lstm.input_size == 64


@pytest.mark.parametrize("name", ["lstm_classifier", "attention_classifier"])
def test_a_sequence_model_knows_the_order_of_the_frames(name):
    model, _ = fitted(name)
    windows, _ = a_batch()
    with torch.no_grad():
        assert not torch.allclose(model.network(windows.flip(1)), model.network(windows), atol=1e-4)


def test_denoising_classifier_has_noise_and_dropout_only_while_it_is_trained(monkeypatch):
    new, (windows, _) = network("denoising_classifier"), a_batch()
    dropouts = [layer for layer in new.modules() if isinstance(layer, nn.Dropout)]
    assert any(layer.p > 0 for layer in dropouts)
    with torch.no_grad():
        assert torch.equal(new.eval()(windows), new(windows))
        assert not torch.equal(new.train()(windows), new(windows))
        for layer in dropouts:
            monkeypatch.setattr(layer, "p", 0.0)
        assert not torch.equal(new(windows), new(windows))  # the noise alone


def test_svm_is_exact_below_a_few_thousand_windows_and_approximate_beyond(tmp_path):
    rng = np.random.default_rng(0)
    classes = np.arange(60) % 2
    frames = (rng.normal(size=(12_000, 4)) + 2 * np.repeat(classes, 200)[:, None]).astype(np.float32)
    table = pd.DataFrame({"path": list(map(str, range(60)))})
    features = Features(frames, np.arange(61) * 200, table, {}, SAMPLE_RATE)
    models = {}
    for count in (6, 60):
        model = create_model("svm", n_mels=4, frames=1)
        model.fit(features.windows(1, np.arange(60) < count, classes), None, settings_for(1), seed=SEED)
        models[count] = model
    assert {model.variant for model in models.values()} == {"exact", "nystroem"}
    windows = features.windows(1, np.arange(60) < 10, classes)
    for model in models.values():
        probabilities = model.predict_proba(windows)
        assert np.allclose(probabilities.sum(axis=1), 1)
        assert (probabilities.argmax(axis=1) == windows.target).mean() > 0.9
        assert model.num_parameters > 0
        path = tmp_path / f"{model.variant}.skops"
        model.save(path, {})
        loaded = create_model("svm", n_mels=4, frames=1)
        loaded.load(path)
        assert np.array_equal(loaded.predict_proba(windows), probabilities)
        assert loaded.variant == model.variant
