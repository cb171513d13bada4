"""Regions in which a recording differs from healthy ones: in level, for a moment or throughout, and nowhere else."""

import numpy as np
import pytest

from mimii.monitoring.finding import Finding
from mimii.monitoring.healthy import Healthy, mean_parts
from mimii.monitoring.regions import lasting_regions, momentary_regions, without_level

BANDS, FRAMES, PART = 64, 312, 8
STRICT = 0.02


def machine(rng, *, steady=True):
    """Frames of a healthy recording: noise around -40 dB at a level of its own; an unsteady machine clicks."""
    frames = -40 + rng.normal(0, 1) + rng.normal(0, 5, size=(FRAMES, BANDS))
    if not steady:
        for begin in np.cumsum(rng.integers(20, 50, size=12)):
            frames[begin : begin + 3, 20:50] += 25
    return frames.astype(np.float32)


def learnt(recordings):
    parts = [mean_parts(frames, PART) for frames in recordings]
    together = np.concatenate(parts)
    count = len(recordings)
    return Healthy(
        paths=np.array(["x"] * count),
        digests=np.array([""] * count),
        vectors=np.stack([frames.mean(axis=0) for frames in recordings]),
        levels=np.zeros(count),
        seconds=np.full(count, 10.0),
        part_mean=together.mean(axis=0),
        part_std=together.std(axis=0),
        part_low=np.quantile([part.min(axis=0) for part in parts], 0.005, axis=0),
        part_high=np.quantile([part.max(axis=0) for part in parts], 0.995, axis=0),
        curve_threshold=0.0,
    )


@pytest.fixture(scope="module", params=[True, False], ids=["steady", "clicking"])
def steady(request):
    return request.param


@pytest.fixture(scope="module")
def healthy(steady):
    rng = np.random.default_rng(0)
    return learnt([machine(rng, steady=steady) for _ in range(40)])


def regions(healthy, frames):
    lasting = lasting_regions(healthy, frames, PART, STRICT)
    return lasting + momentary_regions(healthy, frames, PART, 1.0, lasting)


def test_hardly_a_healthy_recording_has_a_region(healthy, steady):
    rng = np.random.default_rng(1)
    found = [regions(healthy, machine(rng, steady=steady)) for _ in range(50)]
    assert sum(map(bool, found)) <= 3


@pytest.mark.parametrize(("sign", "amount"), [(1, 6.0), (-1, 8.0)])
def test_what_lasts_is_one_region_from_its_beginning_on(healthy, steady, sign, amount):
    frames = machine(np.random.default_rng(2), steady=steady)
    frames[100:, 5:9] += sign * amount
    (region,) = regions(healthy, frames)
    assert (region.low, region.high, region.sign, region.end) == (5, 9, sign, FRAMES)
    assert abs(region.begin - 100) <= 4


def test_a_small_change_is_seen_where_it_stays(healthy, steady):
    frames = machine(np.random.default_rng(3), steady=steady)
    frames += healthy.vectors.mean() - frames.mean()
    frames[:, 30:36] += 4 if steady else 6
    (region,) = regions(healthy, frames)
    assert (region.begin, region.end, region.sign) == (0, FRAMES, 1)
    assert region.low <= 31
    assert region.high >= 35


def test_a_knock_is_one_region_at_its_moment(healthy, steady):
    frames = machine(np.random.default_rng(4), steady=steady)
    frames[150:155, 0:20] += 30
    frames[150:155, 20:] += 45
    (region,) = regions(healthy, frames)
    assert region.high - region.low > 0.9 * BANDS
    assert abs(region.begin - 150) <= 1
    assert abs(region.end - 155) <= 1


def test_a_knock_beside_a_tone_is_a_region_of_its_own(healthy, steady):
    frames = machine(np.random.default_rng(5), steady=steady)
    frames[:, 10:12] += 15
    frames[200:206] += 45
    tone, knock = sorted(regions(healthy, frames), key=lambda region: region.high - region.low)
    assert (tone.low, tone.high, tone.begin, tone.end) == (10, 12, 0, FRAMES)
    assert (knock.begin, knock.end) == (200, 206)


def test_against_the_level_of_the_recording_less_is_seen(healthy, steady):
    frames = machine(np.random.default_rng(6), steady=steady)
    frames += healthy.vectors.mean() - frames.mean() - 1  # a quiet recording
    frames[:, 2:8] += 2.5
    assert not lasting_regions(healthy, frames, PART, STRICT)
    levelled, moved, level = without_level(healthy, frames)
    (region,) = lasting_regions(levelled, moved, PART, STRICT)
    assert (region.low, region.high) == (2, 8)
    assert level == pytest.approx(np.median(frames.mean(axis=0) - healthy.vectors.mean(axis=0)), abs=1e-4)


def test_of_few_healthy_recordings_nothing_is_concluded_from_their_spread():
    rng = np.random.default_rng(7)
    healthy = learnt([machine(rng) for _ in range(3)])
    assert not lasting_regions(healthy, machine(rng) + 3, PART, STRICT)


def test_healthy_recordings_that_are_all_the_same_do_not_make_everything_differ():
    frames = machine(np.random.default_rng(8))
    healthy = learnt([frames] * 6)
    assert not regions(healthy, frames)
    assert regions(healthy, frames + np.float32(2))


def finding(**changes):
    usual = {
        "low_hz": 2810.0,
        "high_hz": 3190.0,
        "begin": 1.87,
        "end": 10.0,
        "difference_db": 9.2,
        "effect": 0.5,
        "is_beside_others": False,
        "from_start": False,
        "to_end": True,
        "is_all_frequencies": False,
    }
    return Finding(**usual | changes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "2.8-3.2 kHz: 9 dB louder than usual, from 1.9 s on"),
        ({"from_start": True}, "2.8-3.2 kHz: 9 dB louder than usual, throughout"),
        ({"begin": 4.15, "end": 4.25, "to_end": False}, "2.8-3.2 kHz: 9 dB louder than usual, at 4.2 s"),
        ({"begin": 3.0, "end": 4.5, "to_end": False}, "2.8-3.2 kHz: 9 dB louder than usual, from 3.0 to 4.5 s"),
        (
            {"from_start": True, "to_end": False, "begin": 0.0, "end": 4.5},
            "2.8-3.2 kHz: 9 dB louder than usual, until 4.5 s",
        ),
        ({"low_hz": 300, "high_hz": 452}, "300-450 Hz: 9 dB louder than usual, from 1.9 s on"),
        ({"difference_db": -1.42}, "2.8-3.2 kHz: 1.4 dB quieter than usual, from 1.9 s on"),
        ({"is_all_frequencies": True}, "all frequencies: 9 dB louder than usual, from 1.9 s on"),
        ({"is_beside_others": True}, "2.8-3.2 kHz: 9 dB louder than usual beside the others, from 1.9 s on"),
    ],
)
def test_a_finding_in_words(changes, text):
    assert finding(**changes).text == text
