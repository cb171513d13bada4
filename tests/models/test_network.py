import numpy as np
import pytest
import torch
from model_support import AUTOENCODERS, features_of, fitted, sounds, trained, training
from sklearn.covariance import LedoitWolf

from mimii.data.audio import read_channel
from mimii.evaluation.metrics import detection_metrics
from mimii.features.logmel import log_mel
from mimii.models import create_model, scoring_ways
from mimii.models.gaussian import Gaussian
from mimii.settings import SCORINGS, FeatureSettings
from mimii.training.resident import ResidentWindows


@pytest.mark.parametrize("name", AUTOENCODERS)
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


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_both_scorings_tell_anomalies(name):
    model, _ = fitted(name)
    for scoring in SCORINGS:
        _, scores = model.score_recordings(sounds().evaluation, scoring)
        assert detection_metrics(sounds().is_abnormal, scores)["auc"] == 1
    assert model.count_parameters("mse") == model.num_parameters
    assert model.count_parameters("mahalanobis") - model.num_parameters == 64 + 64 * 65 // 2


def test_a_scoring_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"cosine.*mse, mahalanobis"):
        fitted("simple_ae")[0].score_recordings(sounds().evaluation, "cosine")


def test_mean_residuals_are_summed_in_blocks(monkeypatch):
    trained, _ = fitted("simple_ae")
    whole = trained.mean_residuals(sounds().evaluation)[1]
    monkeypatch.setattr(ResidentWindows, "at_once", 7)
    assert np.allclose(trained.mean_residuals(sounds().evaluation)[1], whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("way", scoring_ways("simple_ae"))
def test_validation_recordings_are_the_normal_ones_where_there_are_enough(way, monkeypatch):
    model, _ = fitted("simple_ae")
    few = model.calibrate(sounds().train, sounds().validation, training())[way]
    assert (few.source, list(few.numbers)) == ("training", list(range(12)))
    monkeypatch.setattr("mimii.models.network.ENOUGH", 2)
    enough = model.calibrate(sounds().train, sounds().validation, training())[way]
    assert (enough.source, list(enough.numbers)) == ("held_out", [10, 11])
    assert np.array_equal(enough.scores, few.scores[10:])
    if way[0] == "mse":
        assert np.array_equal(enough.scores, model.score_recordings(sounds().validation, *way)[1])
    else:  # the distance from the residuals of others
        assert (few.scores > model.score_recordings(sounds().train, *way)[1].max()).mean() > 0.5
    alone = model.calibrate(sounds().train.take(np.arange(3)), None, training())[way]
    assert np.isfinite(alone.scores).all()
    assert len(alone.scores) == 1


def test_a_distance_is_from_residuals_of_which_its_own_is_none():
    model, _ = fitted("simple_ae")
    _, residuals = model.mean_residuals(sounds().train)
    scores = model.calibrate(sounds().train, None, training())["mahalanobis", ""].scores
    is_held_out = np.arange(10) % 5 == 3
    others = Gaussian.fit(residuals[~is_held_out], equalise=True)
    assert np.array_equal(scores[is_held_out], others.distance(residuals[is_held_out]))


def test_real_clips_are_scored_by_a_trained_network(real_clips):
    folder = real_clips / "0dB" / "fan" / "id_00" / "normal"
    parts = [log_mel(*read_channel(path), FeatureSettings()) for path in sorted(folder.glob("*.wav"))[:3]]
    features = features_of(parts)
    model = create_model("ss_ae")
    windows = features.windows(5, np.array([True, True, False]))
    history = model.fit(windows, None, training(epochs=3, batch_size=64))
    assert history.train_loss[-1] < history.train_loss[0]
    scores = model.score_windows(features.windows(5, np.array([False, False, True])))
    assert scores.shape == (309,)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", ["simple_ae", "idnn"])
def test_each_scoring_is_charged_for_what_it_needs(name):
    model, history = fitted(name)
    detector = trained(name)
    residuals = 64 + 64 * 64  # float64
    sizes = {way: detector.size(way) for way in scoring_ways(name)}
    assert sizes["mahalanobis", ""] - sizes["mse", "mean"] > 8 * residuals
    assert 4 * model.num_parameters < sizes["mse", "mean"] < 4 * model.num_parameters + 20_000
    assert history.residuals_time_sec > 0
    assert trained("knn").size(("native", "")) < 20_000 < trained("simple_classifier").size()


def test_a_model_without_residuals_takes_no_time_for_them():
    assert fitted("knn")[1].residuals_time_sec == fitted("simple_classifier")[1].residuals_time_sec == 0
