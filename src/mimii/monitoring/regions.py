"""Where in its spectrogram a recording differs from healthy ones.

There are two kinds of regions. What lasts is found in the mean over the whole recording. That varies little from one
healthy recording to the next, so even a small change is found if it stays. What lasts a moment is found in the levels
of short parts. They must be outside the range of the parts of healthy recordings, so a valve may click, and a rail may
move.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from mimii.monitoring.healthy import Healthy, mean_parts

_FEWEST = 5  # healthy recordings, for their spread to say anything
_LEAST = 0.5  # dB; no smaller change is worth a word
_LEAST_SPREAD = 0.1  # dB; recordings that are more alike than that have been made by a computer
_LASTING = 4  # parts; what is shorter is a moment
_EVIDENCE = 4.0  # log-likelihood ratio, for a part of a recording to be left out of what lasts


@dataclass(frozen=True)
class Region:
    """A rectangle of a spectrogram: frames ``begin`` to ``end``, bands ``low`` to ``high``, the last ones excluded.

    Attributes
    ----------
    begin, end, low, high : int
    sign : int
        1 where it is louder than healthy recordings, -1 where it is quieter.
    evidence : float
        How far the levels of its parts are from those of healthy recordings, in standard deviations, added up.
    level : float
        What all bands of the recording have more than in healthy ones, and is not counted here [dB]; mostly 0.
    """

    begin: int
    end: int
    low: int
    high: int
    sign: int
    evidence: float
    level: float = 0.0

    @property
    def place(self) -> tuple[slice, slice]:
        """Index of an array of frames."""
        return slice(self.begin, self.end), slice(self.low, self.high)


def lasting_regions(healthy: Healthy, frames: np.ndarray, length: int, share: float) -> list[Region]:
    """Neighbouring bands whose mean over the recording is not that of healthy recordings, and when it is not.

    Parameters
    ----------
    healthy : Healthy
    frames : np.ndarray [shape=(n_frames, n_mels)]
        [dB]
    length : int > 0
        Frames in a part.
    share : float
        Of healthy recordings, about, that may seem to have such a band.
    """
    from scipy.special import stdtrit

    count, bands = healthy.vectors.shape
    if count < _FEWEST:
        return []
    spread = np.maximum(healthy.vectors.std(axis=0, ddof=1, dtype=np.float64), _LEAST_SPREAD)
    deviation = frames.mean(axis=0, dtype=np.float64) - healthy.vectors.mean(axis=0, dtype=np.float64)
    # a further recording deviates from the mean of others by Student's t, if their levels are normally distributed
    bound = np.maximum(stdtrit(count - 1, 1 - share / 2 / bands) * spread * np.sqrt(1 + 1 / count), _LEAST)
    parts = mean_parts(frames, length)
    away = _away(healthy, parts)
    regions = []
    for sign in (1, -1):
        for low, high in _stretches(sign * deviation, bound):
            begin, end = _when(sign * away[:, low:high].mean(axis=1))
            if end - begin < _LASTING:
                continue  # it lasts a moment, but is loud
            evidence = float(np.abs(away[begin:end, low:high]).sum())
            levels = sign * (frames[:, low:high] - healthy.part_mean[low:high]).mean(axis=1)
            first = _border(levels, begin * length, length) if begin else 0
            last = _border(-levels, end * length, length) if end < len(parts) else len(frames)
            regions.append(Region(first, last, low, high, sign, evidence))
    return regions


def _stretches(deviation: np.ndarray, bound: np.ndarray) -> list[tuple[int, int]]:
    """Runs of neighbouring bands that deviate together.

    At least one band of a run deviates by more than its bound. The others deviate by more than half of their bounds,
    and by more than a third of the largest deviation.
    """
    found = []
    for low, high in _runs(deviation > bound / 2):
        if (deviation[low:high] > bound[low:high]).any():
            runs = _runs(deviation[low:high] > deviation[low:high].max() / 3)
            found += [(low + first, low + last) for first, last in runs]
    return [(low, high) for low, high in found if (deviation[low:high] > bound[low:high]).any()]


def _runs(is_set: np.ndarray) -> list[tuple[int, int]]:
    """Begin and end of each run of neighbours that are set; the end is excluded."""
    borders = np.flatnonzero(np.diff(is_set, prepend=False, append=False)).tolist()
    return list(pairwise(borders))[::2]


def without_level(healthy: Healthy, frames: np.ndarray) -> tuple[Healthy, np.ndarray, float]:
    """Take from each recording its own level: the median over the bands of what they have more than usual.

    How loud a machine is, and how far away, differs from one recording to the next. How loud one band is beside the
    others differs much less.

    Returns
    -------
    healthy : Healthy
    frames : np.ndarray [shape=(n_frames, n_mels)]
    level : float
        What was taken from the frames [dB].
    """
    usual = healthy.vectors.mean(axis=0, dtype=np.float64)
    levels = np.median(healthy.vectors - usual, axis=1)
    level = float(np.median(frames.mean(axis=0, dtype=np.float64) - usual))
    return replace(healthy, vectors=healthy.vectors - levels[:, None]), frames - np.float32(level), level


def momentary_regions(
    healthy: Healthy, frames: np.ndarray, length: int, margin: float, lasting: Sequence[Region]
) -> list[Region]:
    """Neighbouring short parts whose level is beyond the range of healthy ones.

    Parameters
    ----------
    healthy : Healthy
    frames : np.ndarray [shape=(n_frames, n_mels)]
        [dB]
    length : int > 0
        Frames in a part.
    margin : float
        How far beyond the range one of the parts must be, in standard deviations of healthy parts.
    lasting : sequence of Region
        Where the recording differs anyway.
    """
    parts = mean_parts(frames, length)
    away = _away(healthy, parts)
    beyond = np.maximum(parts - healthy.part_high, healthy.part_low - parts) / _scale(healthy)
    beyond[np.abs(parts - healthy.part_mean) < _LEAST] = 0
    for region in lasting:
        beyond[region.begin // length : -(-region.end // length), region.low : region.high] = 0
    if beyond.max() <= margin:
        return []
    from scipy import ndimage

    regions: list[Region] = []
    for sign in (1, -1):
        labels, _ = ndimage.label((beyond > 0) & (sign * away > 0), structure=np.ones((3, 3)))
        for number, place in enumerate(ndimage.find_objects(labels), start=1):
            is_inside = labels[place] == number
            amounts = np.where(is_inside, beyond[place], 0)
            is_brief = place[0].stop - place[0].start <= max(_LASTING, len(parts) // 2)  # else its mean would tell
            if is_brief and amounts.max() > margin:
                evidence = float(np.abs(away[place][is_inside]).sum())
                begin, end = (place[0].start + bound for bound in _main_range(amounts.sum(axis=1)))
                low, high = (place[1].start + bound for bound in _main_range(amounts.sum(axis=0)))
                last = end * length if end < len(parts) else len(frames)
                region = Region(begin * length, last, low, high, sign, evidence)
                if not any(_is_flank(region, other) for other in lasting):
                    regions.append(region)
    return [_to_frames(healthy, frames, region, length) for region in _joined(regions, 2 * length)]


def _is_flank(region: Region, other: Region) -> bool:
    """Tell whether a region is where a louder neighbour fades out: beside it, about as long, and of the same sign."""
    is_beside = region.low <= other.high and region.high >= other.low
    shared = min(region.end, other.end) - max(region.begin, other.begin)
    return is_beside and region.sign == other.sign and 2 * shared > other.end - other.begin


def _main_range(amounts: np.ndarray) -> tuple[int, int]:
    """From the first to the last place of those that matter; the last one is excluded."""
    places = np.flatnonzero(amounts > 0.2 * amounts.max())
    return int(places[0]), int(places[-1]) + 1


def _joined(regions: list[Region], moment: int) -> list[Region]:
    """Make one region of those that are of one event: at the same moment, in bands that are not far apart."""
    joined: list[Region] = []
    for region in sorted(regions, key=lambda region: (region.sign, region.low)):
        for number, other in enumerate(joined):
            begin, end = min(region.begin, other.begin), max(region.end, other.end)
            heights = (region.high - region.low) + (other.high - other.low)
            if region.sign == other.sign and end - begin <= moment and region.low - other.high <= heights:
                low, high = min(region.low, other.low), max(region.high, other.high)
                joined[number] = Region(begin, end, low, high, region.sign, region.evidence + other.evidence)
                break
        else:
            joined.append(region)
    return joined


def _to_frames(healthy: Healthy, frames: np.ndarray, region: Region, length: int) -> Region:
    """A region that was found in parts, to the frame."""
    if region.end - region.begin == len(frames):
        return region
    start = max(0, region.begin - length)
    levels = frames[start : region.end + length, region.low : region.high]
    begin, end = _highest(region.sign * (levels - healthy.part_mean[region.low : region.high]).mean(axis=1))
    return Region(start + begin, start + end, region.low, region.high, region.sign, region.evidence)


def _scale(healthy: Healthy) -> np.ndarray:
    return np.maximum(healthy.part_std, _LEAST_SPREAD).astype(np.float64)


def _away(healthy: Healthy, parts: np.ndarray) -> np.ndarray:
    """How far the levels of parts are from the mean, in their standard deviations."""
    away: np.ndarray = (parts - healthy.part_mean) / _scale(healthy)
    return away


def _highest(values: np.ndarray) -> tuple[int, int]:
    """The stretch in which values are high, and outside of which they are low: its end is excluded.

    A value is high if it is nearer to the mean of the stretch than to 0. From each value half of that mean is
    subtracted, and the stretch with the largest sum is the next one. This is repeated until nothing changes.
    """
    begin, end = 0, len(values)
    for _ in range(len(values)):
        sums = np.concatenate([[0], np.cumsum(values - values[begin:end].mean() / 2)])
        gains = sums - np.minimum.accumulate(sums)
        last = int(gains.argmax())
        first = int(sums[: last + 1].argmin())
        if (first, last) == (begin, end) or first == last:
            break
        begin, end = first, last
    return begin, end


def _when(away: np.ndarray) -> tuple[int, int]:
    """When levels are high, mostly throughout: what is before or after must be clearly lower to be left out.

    Parameters
    ----------
    away : np.ndarray [shape=(n_parts,)]
        In standard deviations.
    """
    begin, end = _highest(away)
    high = away[begin:end].mean()

    def is_low(rest: np.ndarray) -> bool:
        return float(high * (high / 2 - rest).sum()) > _EVIDENCE  # of normal distributions around 0 and around `high`

    return begin if is_low(away[:begin]) else 0, end if is_low(away[end:]) else len(away)


def _border(levels: np.ndarray, near: int, length: int) -> int:
    """The frame at which levels rise; it is already known to about a part."""
    start = max(0, near - length)
    around = levels[start : near + length]
    half = len(around) // 2
    middle = (around[:half].mean() + around[half:].mean()) / 2
    return start + int(np.argmin(np.concatenate([[0], np.cumsum(around - middle)])))
