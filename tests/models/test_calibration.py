"""The thresholds of a detector, and what is said of where they come from."""

import numpy as np
import pytest

from mimii.evaluation.thresholds import NormalScores
from mimii.models.calibration import Calibration

FEW, MANY, UNKNOWN = ("6dB", "fan", "id_00"), ("6dB", "fan", "id_02"), ("6dB", "fan", "id_04")


@pytest.mark.parametrize("source", ["held_out", "training"])
def test_a_threshold_from_too_few_scores_is_the_highest_and_says_so(source):
    scores = np.array([1.0, 7.0, 2.0, *np.random.default_rng(0).gamma(2, size=20)])
    calibration = Calibration.of(NormalScores(np.arange(23), scores, source), [FEW] * 3 + [MANY] * 20)
    assert calibration.threshold(FEW) == 7
    assert calibration.threshold_from(FEW) == f"{source}_highest"
    for machine in (MANY, UNKNOWN, None):
        assert calibration.threshold_from(machine) == source
    again = Calibration.from_entry(calibration.to_entry(("native", "")))
    assert again.threshold_from(FEW) == f"{source}_highest"
    assert (
        Calibration.of(NormalScores(np.arange(3), scores[:3], source), [FEW] * 3).threshold_from()
        == f"{source}_highest"
    )
