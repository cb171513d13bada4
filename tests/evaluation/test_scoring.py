import numpy as np
import pytest

from mimii.evaluation.scoring import folds, pool_scores
from mimii.features.windows import Windows


def windows_of(*counts):
    """Windows of recordings 3, 4, ... of so many windows each."""
    recording = np.repeat(3 + np.arange(len(counts)), counts)
    return Windows(np.zeros((len(recording), 1), np.float32), np.arange(len(recording)), recording, 1)


def test_pooling_by_hand():
    scores = np.array([*range(25), 5.0, -1.0, -2.0], dtype=np.float32)
    windows = windows_of(25, 1, 2)
    pooled = {how: pool_scores(windows, scores, how) for how in ("mean", "max", "top10")}
    assert all(list(numbers) == [3, 4, 5] for numbers, _ in pooled.values())
    assert list(pooled["mean"][1]) == [12, 5, -1.5]
    assert list(pooled["max"][1]) == [24, 5, -1]
    assert list(pooled["top10"][1]) == [23.5, 5, -1]  # 2.5 windows are rounded to the even number


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6, 23])
def test_each_recording_is_held_out_once_and_neighbours_are_apart(count):
    found = folds(count)
    assert len(found) == min(count, 5)
    assert (np.sum(found, axis=0) == 1).all()
    assert not any((fold[1:] & fold[:-1]).any() for fold in found)


@pytest.mark.parametrize("counts", [(1,), (2, 2), (2, 9, 5), (1, 3), (7, 12)])
def test_every_fifth_recording_of_each_machine_is_held_out_together(counts):
    """However the machines lie: so each machine has others left, where it has any."""
    machine = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    found = folds(len(machine), machine)
    assert len(found) == min(max(counts), 5)
    assert (np.sum(found, axis=0) == 1).all()
    for one, count in enumerate(counts):
        of_machine = [fold[machine == one] for fold in found]
        assert all(np.array_equal(np.arange(count) % 5 == number, part) for number, part in enumerate(of_machine))
        assert count == 1 or not any(part.all() for part in of_machine)


def test_the_folds_of_one_machine_are_those_without_machines():
    for count in (1, 4, 13):
        assert np.array_equal(folds(count, np.full(count, 3)), folds(count))
