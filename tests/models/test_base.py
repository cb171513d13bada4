import numpy as np
import pytest
from model_support import CLASSICAL_DETECTORS, WINDOW_DETECTORS, fitted, output_of, sounds, training

from mimii.models import create_model, scoring_ways


@pytest.mark.parametrize("name", WINDOW_DETECTORS)
def test_a_recording_has_the_pooled_score_of_its_windows(name):
    model, _ = fitted(name)
    scores, windows = model.score_windows(sounds().evaluation), sounds().evaluation
    scoring, _ = scoring_ways(name)[0]
    # of the 15 windows of a recording a tenth is one and a half, which is rounded
    for pooling, pool in (("mean", np.mean), ("max", np.max), ("top10", lambda scores: np.sort(scores)[-2:].mean())):
        numbers, pooled = model.score_recordings(windows, scoring, pooling)
        assert np.allclose(pooled, [pool(scores[windows.recording == number]) for number in numbers])


@pytest.mark.parametrize("name", CLASSICAL_DETECTORS)
def test_scores_of_normal_recordings_are_of_models_that_did_not_learn_from_them(name):
    model, _ = fitted(name)
    before = output_of(model)
    every_way = model.calibrate(sounds().train, None, training())
    assert list(every_way) == scoring_ways(name)
    number = np.arange(10)
    is_held_out = np.isin(sounds().train.recording, number[number % 5 == 3])
    other = create_model(name)
    other.fit(sounds().train.take(np.flatnonzero(~is_held_out)), None, training())
    for way, normal in every_way.items():
        assert list(normal.numbers) == list(range(10))
        assert normal.source == "held_out"
        _, expected = other.score_recordings(sounds().train.take(np.flatnonzero(is_held_out)), *way)
        assert np.array_equal(normal.scores[[3, 8]], expected)
    assert np.array_equal(output_of(model), before)
