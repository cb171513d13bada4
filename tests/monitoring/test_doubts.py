import numpy as np
import pytest

from mimii.monitoring.doubts import far_out, few, of_drift, of_lengths, of_levels, of_scores

NAMES = [f"/data/{number}.wav" for number in range(200)]


def test_fewer_than_twenty_are_few():
    assert "19 recordings are few" in few(19)
    assert not few(20)


def test_levels_and_lengths_that_differ_are_named():
    levels = np.full(30, -40.0) + np.linspace(-2, 2, 30)
    assert not of_levels(NAMES, levels)
    levels[[4, 7]] = -30, -55
    assert "2 recording(s)" in of_levels(NAMES, levels)
    assert "/data/7.wav (-15 dB), /data/4.wav (+10 dB)" in of_levels(NAMES, levels)
    seconds = np.full(30, 10.0)
    assert not of_lengths(NAMES, seconds)
    seconds[3] = 2.0
    assert "/data/3.wav (2.0 s)" in of_lengths(NAMES, seconds)


@pytest.mark.parametrize(("draw", "most"), [("normal", 1), ("gumbel", 5), ("standard_exponential", 16)])
def test_healthy_scores_seldom_stand_far_out(draw, most):
    named = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        named += bool(len(far_out(getattr(rng, draw)(size=100))))
    assert named <= most


def test_scores_that_stand_far_out_are_named_the_highest_first():
    scores = np.random.default_rng(3).gamma(5, size=80)
    assert not of_scores(NAMES, scores)
    scores[[10, 20, 30]] = 60, 200, 90
    assert far_out(scores).tolist() == [20, 30, 10]
    text = of_scores(NAMES, scores)
    assert text.startswith("3 recording(s) stand far out")
    assert text.index("/data/20.wav") < text.index("/data/30.wav") < text.index("/data/10.wav")
    scores[:15] = 60  # of many some are named
    assert "more" in of_scores(NAMES, scores)


def test_blocks_that_differ_are_drift():
    rng = np.random.default_rng(4)
    assert sum(bool(of_drift(NAMES, rng.gamma(3, size=60))) for _ in range(200)) <= 2
    scores = rng.gamma(3, size=60)
    scores[24:36] += 6
    assert "24.wav to 35.wav (25 to 36 of 60)" in of_drift(NAMES, scores)
    assert not of_drift(NAMES, np.ones(60))
