"""One contract for every detector, and what is promised of single ones."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.covariance import LedoitWolf
from support import SAMPLE_RATE, sound
from torch import nn

from mimii.errors import TaskError
from mimii.evaluation.metrics import detection_metrics
from mimii.features.logmel import log_mel
from mimii.features.windows import Features, Windows
from mimii.models import DETECTORS, create_model, scorings
from mimii.networks import autoencoders
from mimii.settings import SCORINGS, FeatureSettings, TrainingSettings
from mimii.storage.files import CacheError
from mimii.training import loop

torch.set_num_threads(1)  # as the experiments do; the tests themselves run side by side

MODELS = list(DETECTORS)
NETWORKS = [name for name in MODELS if DETECTORS[name].is_network]
CLASSICAL = [name for name in MODELS if not DETECTORS[name].is_network]
RECORDING_MODELS = [name for name in MODELS if DETECTORS[name].options]
WINDOW_MODELS = [name for name in MODELS if not DETECTORS[name].options]
RANDOM_MODELS = [*NETWORKS, "isolation_forest"]  # and one_class_svm, beyond 3000 windows
NAMES_OF_THE_ISSUE = [
    *("simple_ae", "deep_ae", "vae", "conv_ae", "lstm_ae", "attention_ae", "residual_ae", "denoising_ae", "ss_ae"),
    *("idnn", "isolation_forest", "one_class_svm", "knn", "mahalanobis", "gmm", "pca", "ldn", "fusion"),
]
ODD_SHAPES = [(13, 1), (65, 7), (8, 1), (9, 2), (128, 10), (1, 3)]
SEED = 7
EPOCHS = 6


class Sounds:
    """Windows of 10 normal recordings to train on, 2 for validation, 4 normal and 4 abnormal ones to score."""

    def __init__(self, n_mels=64, frames=5, gain=1.0, shift=0.0):
        rng = np.random.default_rng(0)
        kinds = [False] * 16 + [True] * 4
        settings = FeatureSettings(n_mels=n_mels, n_fft=2048)
        parts = [log_mel(sound(rng, seconds=0.6, abnormal=kind), SAMPLE_RATE, settings) for kind in kinds]
        offsets = np.cumsum([0, *map(len, parts)])
        all_frames = (np.concatenate(parts) * gain + shift).astype(np.float32)
        features = Features(all_frames, offsets, pd.DataFrame({"path": map(str, range(20))}), {}, SAMPLE_RATE)
        number = np.arange(20)
        self.train = features.windows(frames, number < 10)
        self.validation = features.windows(frames, (number >= 10) & (number < 12))
        self.evaluation = features.windows(frames, number >= 12)
        self.is_abnormal = np.array(kinds[12:])


@cache
def sounds(n_mels=64, frames=5):
    return Sounds(n_mels, frames)


def settings_for(frames=5, **changes):
    return TrainingSettings(**{"frames": frames, "epochs": EPOCHS, "batch_size": 16, **changes})


def fit(name, data=None, *, n_mels=64, frames=5, seed=SEED, **changes):
    data = data or sounds(n_mels, frames)
    model = create_model(name, n_mels=n_mels, frames=frames)
    history = model.fit(data.train, data.validation, settings_for(frames, **changes), seed=seed)
    return model, history


@cache
def fitted(name):
    return fit(name)


def scores_of(model, data=None):
    """Of each window or, by a model that judges recordings as a whole, of each recording."""
    windows = (data or sounds()).evaluation
    return model.score_recordings(windows)[1] if model.is_recording_level else model.score_windows(windows)


def network(name):
    """A new network of its own, scaled to the training windows."""
    torch.manual_seed(0)
    new = create_model(name).network
    mean, std = sounds().train.band_statistics()
    new.mean.copy_(torch.from_numpy(mean))
    new.std.copy_(torch.from_numpy(std))
    return new


def some_windows(count=32):
    return torch.from_numpy(sounds().train.take(np.arange(count)).gather())


def linear_widths(module):
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


# --- every model


def test_the_registry_has_the_models_of_the_table_in_its_order():
    assert MODELS[: len(NAMES_OF_THE_ISSUE)] == NAMES_OF_THE_ISSUE


@pytest.mark.parametrize("name", MODELS)
def test_each_recording_has_one_finite_score(name):
    for scoring in scorings(name, SCORINGS):
        numbers, scores = fitted(name)[0].score_recordings(sounds().evaluation, scoring)
        assert list(numbers) == list(range(12, 20))
        assert scores.shape == (8,)
        assert np.isfinite(scores).all()
        assert len(np.unique(scores)) == 8


@pytest.mark.parametrize("name", WINDOW_MODELS)
def test_each_window_has_one_finite_score(name):
    scores = scores_of(fitted(name)[0])
    assert scores.shape == (len(sounds().evaluation),)
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > len(scores) // 2


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_scores_bit_for_bit(name):
    model, history = fitted(name)
    np.random.seed(1)
    torch.manual_seed(99)
    again, history_again = fit(name)
    assert np.array_equal(scores_of(again), scores_of(model))
    assert history_again.train_loss == history.train_loss
    assert history_again.val_loss == history.val_loss


@pytest.mark.parametrize("name", RANDOM_MODELS)
def test_another_seed_gives_other_scores(name):
    assert not np.array_equal(scores_of(fit(name, seed=SEED + 1)[0]), scores_of(fitted(name)[0]))


@pytest.mark.parametrize("name", MODELS)
def test_scoring_leaves_the_model_as_it_is(name):
    model, _ = fitted(name)
    first = scores_of(model)
    torch.manual_seed(5)
    assert np.array_equal(scores_of(model), first)


@pytest.mark.parametrize("name", MODELS)
def test_the_score_of_a_recording_does_not_depend_on_the_others(name):
    """So nothing of the recordings for evaluation is in what scores are standardised with."""
    model, _ = fitted(name)
    windows = sounds().evaluation
    own = np.flatnonzero(windows.recording == 15)
    for scoring in scorings(name, SCORINGS):
        together = model.score_recordings(windows, scoring)[1]
        spoilt = windows.frames.copy()
        spoilt[windows.starts[windows.recording != 15, None] + np.arange(5)] += 40
        among_others = Windows(spoilt, windows.starts, windows.recording, windows.length)
        changed = model.score_recordings(among_others, scoring)[1]
        numbers, alone = model.score_recordings(windows.take(own), scoring)
        assert list(numbers) == [15]
        assert np.allclose(together[3], changed[3], rtol=1e-4)
        assert np.allclose(together[3], alone[0], rtol=1e-4)
        assert not np.isclose(together, changed, rtol=1e-4).any(where=np.arange(8) != 3)


@pytest.mark.parametrize("name", WINDOW_MODELS)
def test_the_score_of_a_window_does_not_depend_on_its_company(name):
    model, _ = fitted(name)
    chosen = np.array([40, 3, 3, 17])
    alone = model.score_windows(sounds().evaluation.take(chosen))
    assert np.allclose(alone, scores_of(model)[chosen], rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_training_changes_every_weight(name):
    still = fit(name, epochs=1, learning_rate=1e-30)[0].network.state_dict()
    moved = fit(name, epochs=1)[0].network.state_dict()
    assert still.keys() == moved.keys()
    parameters = [key for key, _ in create_model(name).network.named_parameters()]
    assert [key for key in parameters if torch.equal(still[key], moved[key])] == []


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_classical_model_learns_from_its_windows(name):
    model = create_model(name)
    model.fit(sounds().train.take(np.arange(50)), None, settings_for(), seed=SEED)
    assert not np.allclose(scores_of(model), scores_of(fitted(name)[0]))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_falls(name):
    _, history = fitted(name)
    assert len(history.train_loss) == len(history.val_loss) == EPOCHS
    assert history.train_loss[-1] < 0.98 * history.train_loss[0]
    assert history.val_loss[-1] < history.val_loss[0]


@pytest.mark.parametrize("name", MODELS)
def test_training_takes_time_and_says_so(name):
    assert fitted(name)[1].training_time_sec > 0


@pytest.mark.parametrize("name", MODELS)
def test_a_model_needs_no_validation(name):
    model = create_model(name)
    history = model.fit(sounds().train, None, settings_for(epochs=1), seed=SEED)
    assert history.val_loss == []
    assert np.isfinite(scores_of(model)).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_gives_equal_scores_in_a_fresh_detector(name, tmp_path):
    model, _ = fitted(name)
    facts = {"training_time_sec": 1.5, "train_loss": [0.5, 0.25], "train_files": 3, "torch_version": "x"}
    path = tmp_path / "model.bin"
    model.save(path, facts)
    fresh = create_model(name)
    assert fresh.load(path) == facts
    assert np.array_equal(scores_of(fresh), scores_of(model))
    assert fresh.num_parameters == model.num_parameters
    assert fresh.variant == model.variant
    assert [item.name for item in tmp_path.iterdir()] == ["model.bin"]


@pytest.mark.parametrize("name", MODELS)
def test_a_damaged_model_file_is_found_out(name, tmp_path):
    path = tmp_path / "model.bin"
    fitted(name)[0].save(path, {})
    whole = path.read_bytes()
    for content in (b"", b"damaged", whole[: len(whole) // 2], whole[:-30]):
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
def test_anomalies_score_higher(name):
    _, means = fitted(name)[0].score_recordings(sounds().evaluation, scorings(name, ["mse"])[0])
    assert detection_metrics(sounds().is_abnormal, means)["auc"] > 0.9
    assert means[sounds().is_abnormal].mean() > means[~sounds().is_abnormal].mean()


@pytest.mark.parametrize(("n_mels", "frames"), ODD_SHAPES)
@pytest.mark.parametrize("name", MODELS)
def test_windows_may_have_any_shape(name, n_mels, frames):
    if misfit := DETECTORS[name].misfit(n_mels, frames):
        with pytest.raises(ValueError, match=misfit):
            create_model(name, n_mels=n_mels, frames=frames)
        return
    data = sounds(n_mels, frames)
    model, _ = fit(name, n_mels=n_mels, frames=frames, epochs=1)
    scores = scores_of(model, data)
    assert scores.shape == (8 if name in RECORDING_MODELS else len(data.evaluation),)
    assert np.isfinite(scores).all()
    if name in NETWORKS:
        batch = torch.from_numpy(data.evaluation.take(np.arange(3)).gather())
        assert model.network(batch).shape == (3, 1 if name == "idnn" else frames, n_mels)


def test_only_the_convolutional_network_has_a_fewest_number_of_bands():
    assert {name: DETECTORS[name].min_n_mels for name in MODELS if DETECTORS[name].min_n_mels != 1} == {"conv_ae": 8}


@pytest.mark.parametrize("name", MODELS)
def test_each_band_is_standardised(name):
    """So a change of scale of the input changes nothing."""
    model, _ = fit(name, Sounds(gain=4.0, shift=100.0))
    assert np.allclose(scores_of(model, Sounds(gain=4.0, shift=100.0)), scores_of(fitted(name)[0]), rtol=0.05)


@pytest.mark.parametrize("name", MODELS)
def test_bands_that_never_change_are_no_obstacle(name):
    data = Sounds()
    data.train.frames[:, 10:20] = -156.0  # the frames of all windows are one array
    model, _ = fit(name, data, epochs=1)
    assert np.isfinite(scores_of(model, data)).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_single_window_is_enough_to_learn_from(name):
    model = create_model(name)
    if model.min_recordings > 1:
        with pytest.raises(TaskError, match=f"{name} needs 2 recordings to learn from, and has 1"):
            model.fit(sounds().train.take(np.array([0])), None, settings_for(epochs=1), seed=SEED)
        return
    model.fit(sounds().train.take(np.array([0])), None, settings_for(epochs=1), seed=SEED)
    assert np.isfinite(scores_of(model)).all()
    assert model.num_parameters > 0


@pytest.mark.parametrize("name", MODELS)
def test_two_recordings_are_enough_to_learn_from(name):
    model = create_model(name)
    windows = sounds().train
    windows = windows.take(np.flatnonzero(windows.recording < 2))
    model.fit(windows, None, settings_for(epochs=1), seed=SEED)
    for scoring in scorings(name, SCORINGS):
        normal = model.score_normal(windows, None, settings_for(epochs=1), seed=SEED, scoring=scoring)
        assert list(normal.numbers) == [0, 1]
        assert np.isfinite(normal.scores).all()
        assert np.isfinite(model.score_recordings(sounds().evaluation, scoring)[1]).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_no_parameter_of_a_network_is_unused(name):
    new = network(name).train()
    new.loss(some_windows()).backward()
    unused = [key for key, weight in new.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert unused == []
    assert create_model(name).num_parameters == sum(weight.numel() for weight in new.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_score_is_the_error_of_the_reconstruction(name):
    trained, _ = fitted(name)
    windows = sounds().evaluation.take(np.arange(4))
    batch = torch.from_numpy(windows.gather())
    with torch.no_grad():
        standardised = trained.network.standardise(batch)
        target = standardised[:, 2:3] if name == "idnn" else standardised
        error = (trained.network(batch) - target).square().mean(dim=(1, 2))
    assert np.allclose(trained.score_windows(windows), error.numpy(), rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_mahalanobis_score_is_the_distance_of_the_mean_residual(name):
    """Against the residuals of every window at once, and scikit-learn's estimator and distance."""
    trained, _ = fitted(name)

    def mean_residuals(windows):
        with torch.no_grad():
            x = trained.network.standardise(torch.from_numpy(windows.gather()))
            residual = (x[:, 2:3] if name == "idnn" else x) - trained.network(torch.from_numpy(windows.gather()))
        vectors = residual.mean(dim=1).double().numpy()
        return np.stack([vectors[windows.recording == number].mean(axis=0) for number in np.unique(windows.recording)])

    normal = np.concatenate([mean_residuals(sounds().train), mean_residuals(sounds().validation)])
    assert len(normal) == 12
    scale = normal.std(axis=0)
    estimate = LedoitWolf().fit(normal / scale)
    estimate.covariance_ += 1e-3 * np.trace(estimate.covariance_) / 64 * np.eye(64)
    estimate.precision_ = np.linalg.inv(estimate.covariance_)
    expected = estimate.mahalanobis(mean_residuals(sounds().evaluation) / scale)
    numbers, scores = trained.score_recordings(sounds().evaluation, "mahalanobis")
    assert list(numbers) == list(range(12, 20))
    assert np.allclose(scores, expected, rtol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_both_scorings_tell_anomalies_and_survive_the_file(name, tmp_path):
    trained, _ = fitted(name)
    trained.save(tmp_path / "model.pt", {})
    loaded = create_model(name)
    loaded.load(tmp_path / "model.pt")
    for scoring in SCORINGS:
        _, scores = trained.score_recordings(sounds().evaluation, scoring)
        assert detection_metrics(sounds().is_abnormal, scores)["auc"] == 1
        assert np.array_equal(loaded.score_recordings(sounds().evaluation, scoring)[1], scores)
    more = trained.count_parameters("mahalanobis") - trained.count_parameters("mse")
    assert more == loaded.count_parameters("mahalanobis") - loaded.num_parameters == 64 + 64 * 65 // 2


def test_a_scoring_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"cosine.*mse, mahalanobis"):
        fitted("simple_ae")[0].score_recordings(sounds().evaluation, "cosine")


def test_mean_residuals_are_summed_in_blocks(monkeypatch):
    trained, _ = fitted("simple_ae")
    whole = trained.mean_residuals(sounds().evaluation)[1]
    monkeypatch.setattr(loop, "_SCORING_BATCH", 7)
    assert np.allclose(trained.mean_residuals(sounds().evaluation)[1], whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", WINDOW_MODELS)
def test_a_recording_has_the_pooled_score_of_its_windows(name):
    model, _ = fitted(name)
    scores, windows = model.score_windows(sounds().evaluation), sounds().evaluation
    [scoring] = scorings(name, ["mse"])
    # of the 15 windows of a recording a tenth is one and a half, which is rounded
    for pooling, pool in (("mean", np.mean), ("max", np.max), ("top10", lambda own: np.sort(own)[-2:].mean())):
        numbers, pooled = model.score_recordings(windows, scoring, pooling)
        assert np.allclose(pooled, [pool(scores[windows.recording == number]) for number in numbers])


@pytest.mark.parametrize("name", CLASSICAL)
def test_scores_of_normal_recordings_are_of_models_that_did_not_learn_from_them(name):
    model, _ = fitted(name)
    before = scores_of(model)
    normal = model.score_normal(sounds().train, None, settings_for(), seed=SEED)
    assert list(normal.numbers) == list(range(10))
    assert normal.source == "left_out"
    number = np.arange(10)
    other = create_model(name)
    is_out = np.isin(sounds().train.recording, number[number % 5 == 3])
    other.fit(sounds().train.take(np.flatnonzero(~is_out)), None, settings_for(), seed=SEED)
    _, expected = other.score_recordings(sounds().train.take(np.flatnonzero(is_out)))
    assert np.array_equal(normal.scores[[3, 8]], expected)
    assert np.array_equal(scores_of(model), before)


@pytest.mark.parametrize("scoring", SCORINGS)
def test_validation_recordings_are_the_normal_ones_where_there_are_enough(scoring, monkeypatch):
    model, _ = fitted("simple_ae")
    few = model.score_normal(sounds().train, sounds().validation, settings_for(), seed=SEED, scoring=scoring)
    assert (few.source, list(few.numbers)) == ("training", list(range(12)))
    monkeypatch.setattr("mimii.models.network.ENOUGH", 2)
    enough = model.score_normal(sounds().train, sounds().validation, settings_for(), seed=SEED, scoring=scoring)
    assert (enough.source, list(enough.numbers)) == ("left_out", [10, 11])
    assert np.array_equal(enough.scores, few.scores[10:])
    if scoring == "mse":
        assert np.array_equal(enough.scores, model.score_recordings(sounds().validation, "mse")[1])
    else:  # the distance from the residuals of others
        assert (few.scores > model.score_recordings(sounds().train, scoring)[1].max()).mean() > 0.5
    alone = model.score_normal(sounds().train.take(np.arange(3)), None, settings_for(), seed=SEED, scoring=scoring)
    assert np.isfinite(alone.scores).all()
    assert len(alone.scores) == 1


def test_an_unknown_model_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"super_ae.*simple_ae"):
        create_model("super_ae")


# --- single ones


def test_idnn_predicts_the_middle_frame_and_does_not_look_at_it():
    new, windows = network("idnn").eval(), some_windows()
    assert linear_widths(new) == [4 * 64, 64, 32, 16, 32, 64, 64]
    changed = windows.clone()
    changed[:, 2] += 100
    with torch.no_grad():
        assert torch.equal(new(changed), new(windows))
        assert torch.equal(new.target(windows), windows[:, 2:3])
        assert (new.score(changed) > new.score(windows)).all()
        for place in (0, 1, 3, 4):
            changed = windows.clone()
            changed[:, place] += 100
            assert not torch.allclose(new(changed), new(windows))


@pytest.mark.parametrize("frames", [1, 2, 4, 10])
def test_idnn_needs_a_middle_frame(frames):
    with pytest.raises(ValueError, match=f"idnn needs frames 3, 5, 7 or another odd number, not {frames}"):
        create_model("idnn", frames=frames)


def test_simple_ae_is_dense_64_8_64_of_42440_parameters():
    assert create_model("simple_ae").num_parameters == 42_440
    assert linear_widths(network("simple_ae")) == [320, 64, 8, 64, 320]


def test_deep_ae_has_the_widths_of_the_table():
    assert linear_widths(network("deep_ae")) == [320, 128, 64, 32, 16, 32, 64, 128, 320]


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
    new = network("ss_ae").eval()
    with torch.no_grad():
        before = new(some_windows())
        [basis] = [weight for weight in new.parameters() if weight.shape == (5 * 64, 32)]
        basis *= torch.linspace(0.5, 8, 32)
        assert torch.allclose(new(some_windows()), before, atol=1e-5)


def test_vae_samples_only_while_it_is_trained():
    new, windows = network("vae"), some_windows()
    with torch.no_grad():
        assert new.train().loss(windows) != new.loss(windows)
        assert new.eval().loss(windows) == new.loss(windows)
        assert torch.equal(new.score(windows), new.score(windows))


def test_vae_has_the_layers_of_the_table():
    assert linear_widths(network("vae")) == [320, 128, 64, 2 * 16, 64, 128, 320]


def test_the_loss_of_a_vae_is_reconstruction_and_weighted_divergence_as_means_per_element():
    windows, seen = some_windows(), []
    losses = {}
    for weight in (0.0, 0.5, 1.0):
        torch.manual_seed(0)
        new = autoencoders.VAE(64, 5, kl_weight=weight)
        new.mean.copy_(network("vae").mean)
        new.std.copy_(network("vae").std)
        new.eval()
        [posterior] = [layer for layer in new.modules() if isinstance(layer, nn.Linear) and layer.out_features == 32]
        posterior.register_forward_hook(lambda layer, inputs, output: seen.append(output.detach()))
        with torch.no_grad():
            losses[weight] = new.loss(windows).item()
            reconstruction = (new(windows) - new.standardise(windows)).square().mean().item()
    mean, log_variance = seen[0].chunk(2, dim=1)
    posterior = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    divergence = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).mean().item()
    assert losses[0.0] == pytest.approx(reconstruction, rel=1e-5)
    assert losses[1.0] == pytest.approx(reconstruction + divergence, rel=1e-5)
    assert losses[0.5] == pytest.approx(reconstruction + 0.5 * divergence, rel=1e-5)


def test_conv_ae_has_a_bottleneck_of_32():
    new = network("conv_ae")
    widths = [layer.out_features for layer in new.modules() if isinstance(layer, nn.Linear)]
    assert widths[0] == 32
    assert any(isinstance(layer, nn.Conv2d) for layer in new.modules())


def test_lstm_ae_has_an_encoder_and_a_decoder_of_hidden_64_and_2_layers():
    lstms = [layer for layer in network("lstm_ae").modules() if isinstance(layer, nn.LSTM)]
    assert [(layer.hidden_size, layer.num_layers) for layer in lstms] == [(64, 2), (64, 2)]
    assert lstms[0].input_size == 64  # a mel vector at a time, not single numbers


@pytest.mark.parametrize("name", ["lstm_ae", "attention_ae"])
def test_a_sequence_model_knows_the_order_of_the_frames(name):
    new, windows = network(name).eval(), some_windows()
    with torch.no_grad():
        there_and_back = new(windows.flip(1)).flip(1)
        assert not torch.allclose(there_and_back, new(windows), atol=1e-3)


@pytest.mark.parametrize("name", ["lstm_ae", "attention_ae"])
def test_in_a_sequence_model_each_frame_bears_on_the_others(name):
    new, windows = network(name).eval(), some_windows()
    changed = windows.clone()
    changed[:, 0] += 20
    with torch.no_grad():
        assert not torch.allclose(new(changed)[:, -1], new(windows)[:, -1], atol=1e-3)


def test_denoising_ae_is_noisy_only_while_it_is_trained():
    new, windows = network("denoising_ae"), some_windows()
    assert any(isinstance(layer, nn.Dropout) and layer.p > 0 for layer in new.modules())
    with torch.no_grad():
        assert not torch.equal(new.train()(windows), new(windows))
        assert torch.equal(new.eval()(windows), new(windows))


def test_denoising_ae_has_gaussian_noise_beside_the_dropout_and_a_clean_target(monkeypatch):
    """A network that gives back what it sees: its error is the noise."""
    new, windows = network("denoising_ae"), some_windows(150)
    new.layers = nn.Identity()
    for layer in new.modules():
        if isinstance(layer, nn.Dropout):
            monkeypatch.setattr(layer, "p", 0.0)
    with torch.no_grad():
        seen = new.train()(windows)
        assert new.loss(windows) > 0.001
        assert new.eval().loss(windows) == 0
        noise = seen - new.standardise(windows)
    assert abs(noise.mean()) < 0.01
    assert abs((noise / noise.std()).pow(4).mean() - 3) < 0.2  # the kurtosis of a Gaussian


def test_one_class_svm_is_exact_below_a_few_thousand_windows_and_approximate_beyond(tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(12_000, 4)).astype(np.float32)
    features = Features(frames, np.array([0, 12_000]), pd.DataFrame({"path": ["a"]}), {}, SAMPLE_RATE)
    windows = features.windows(1, np.array([True]))
    models = {}
    for count in (1000, 12_000):
        model = create_model("one_class_svm", n_mels=4, frames=1)
        model.fit(windows.take(np.arange(count)), None, settings_for(1), seed=SEED)
        models[count] = model
    exact, approximate = models.values()
    assert exact.variant != approximate.variant
    assert all(model.variant for model in models.values())
    assert exact.num_parameters > 0
    assert approximate.num_parameters > 0
    near, far = (
        windows.take(np.array([0])),
        Features(frames + 8, np.array([0, 12_000]), pd.DataFrame({"path": ["a"]}), {}, SAMPLE_RATE)
        .windows(1, np.array([True]))
        .take(np.array([0])),
    )
    for model in models.values():
        assert model.score_windows(far)[0] > model.score_windows(near)[0]
    approximate.save(tmp_path / "a.skops", {})
    loaded = create_model("one_class_svm", n_mels=4, frames=1)
    loaded.load(tmp_path / "a.skops")
    assert np.array_equal(loaded.score_windows(windows), approximate.score_windows(windows))
    assert loaded.variant == approximate.variant


def test_real_clips_are_scored_by_a_trained_network(real_clips):
    from mimii.data.audio import read_channel

    folder = real_clips / "0dB" / "fan" / "id_00" / "normal"
    parts = [log_mel(*read_channel(path), FeatureSettings()) for path in sorted(folder.glob("*.wav"))[:3]]
    features = Features(
        np.concatenate(parts), np.cumsum([0, *map(len, parts)]), pd.DataFrame({"path": list("abc")}), {}, SAMPLE_RATE
    )
    model = create_model("ss_ae")
    history = model.fit(
        features.windows(5, np.array([True, True, False])), None, settings_for(epochs=3, batch_size=64), seed=SEED
    )
    assert history.train_loss[-1] < history.train_loss[0]
    scores = model.score_windows(features.windows(5, np.array([False, False, True])))
    assert scores.shape == (309,)
    assert np.isfinite(scores).all()
