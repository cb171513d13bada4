import numpy as np
from model_support import features_of, training

from mimii.models import create_model


def test_one_class_svm_is_exact_below_a_few_thousand_windows_and_approximate_beyond():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(12_000, 4)).astype(np.float32)
    windows = features_of([frames]).windows(1, np.array([True]))
    models = {}
    for count in (1000, 12_000):
        model = create_model("one_class_svm", n_mels=4, frames=1)
        model.fit(windows.take(np.arange(count)), None, training())
        models[count] = model
    exact, approximate = models.values()
    assert exact.variant != approximate.variant
    assert all(model.variant for model in models.values())
    assert exact.num_parameters > 0
    assert approximate.num_parameters > 0
    near = windows.take(np.array([0]))
    far = features_of([frames + 8]).windows(1, np.array([True])).take(np.array([0]))
    for model in models.values():
        assert model.score_windows(far)[0] > model.score_windows(near)[0]
    loaded = create_model("one_class_svm", n_mels=4, frames=1)
    loaded.from_bytes(approximate.to_bytes())
    assert np.array_equal(loaded.score_windows(windows), approximate.score_windows(windows))


def test_svm_is_exact_below_a_few_thousand_windows_and_approximate_beyond():
    rng = np.random.default_rng(0)
    classes = np.arange(60) % 2
    frames = (rng.normal(size=(12_000, 4)) + 2 * np.repeat(classes, 200)[:, None]).astype(np.float32)
    features = features_of(np.split(frames, 60))
    models = {}
    for count in (6, 60):
        model = create_model("svm", n_mels=4, frames=1)
        model.fit(features.windows(1, np.arange(60) < count, classes), None, training())
        models[count] = model
    assert {model.variant for model in models.values()} == {"exact", "nystroem"}
    windows = features.windows(1, np.arange(60) < 10, classes)
    for model in models.values():
        probabilities = model.predict_proba(windows)
        assert np.allclose(probabilities.sum(axis=1), 1)
        assert (probabilities.argmax(axis=1) == windows.target).mean() > 0.9
        assert model.num_parameters > 0
        loaded = create_model("svm", n_mels=4, frames=1)
        loaded.from_bytes(model.to_bytes())
        assert np.array_equal(loaded.predict_proba(windows), probabilities)
