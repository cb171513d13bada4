"""Which differences from healthy recordings make a recording's score: the detector itself is the judge."""

from dataclasses import replace

import numpy as np

from mimii.features.logmel import band_edges
from mimii.monitoring.equalising import equalised
from mimii.monitoring.finding import Finding
from mimii.monitoring.healthy import Healthy, part_length
from mimii.monitoring.monitor import Monitor
from mimii.monitoring.regions import Region, lasting_regions, momentary_regions, without_level

# Strict bounds, which few healthy recordings reach, and lax ones. What lasts: the share of healthy recordings that may
# seem to have such a band. A moment: how far beyond the range of healthy parts it must be, in their standard
# deviations, whatever the number of healthy recordings, and how much further with a single one: the range of few is
# not known well.
_STRICT, _LAX = 0.02, 0.5
_STRICT_MARGIN, _LAX_MARGIN = (1.0, 10.0), (0.0, 2.0)

_EXPLAINS = 0.1  # effect of a region that says why a recording is abnormal
_ALL = 0.9  # of the bands: from there on it is all frequencies
_CANDIDATES = 8  # regions whose effect is looked at
_SHOWN = 3


def find(monitor: Monitor, frames: np.ndarray, signal: np.ndarray, score: float) -> list[Finding]:
    """Find what sets a recording apart from healthy ones: the most important first, three at most.

    Regions are looked for in the signal's own terms, whatever the detector; then each is made to sound as usual, and
    its effect is what is gone of the score. Where the detector calls a recording abnormal, and none of the regions that
    hardly a healthy one has explains that, less unusual ones are looked for which do.

    Parameters
    ----------
    monitor : Monitor
    frames : np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        Log-mel frames of the recording, no fewer than a window of the model has [dB].
    signal : np.ndarray [shape=(n_samples,)]
        Its samples.
    score : float
        Of the recording.
    """
    healthy, length = monitor.healthy, part_length(monitor.detector.hop_seconds)
    lasting = lasting_regions(healthy, frames, length, _STRICT)
    moments = momentary_regions(healthy, frames, length, _margin(_STRICT_MARGIN, healthy), lasting)
    found = _weighed(monitor, frames, signal, score, lasting + moments)
    if score > monitor.threshold and not any(effect >= _EXPLAINS for _, effect in found):
        levelled, moved, level = without_level(healthy, frames)
        lasting = [replace(region, level=level) for region in lasting_regions(levelled, moved, length, _STRICT)]
        lasting = lasting or lasting_regions(healthy, frames, length, _LAX)
        moments = momentary_regions(healthy, frames, length, _margin(_LAX_MARGIN, healthy), lasting)
        further = _weighed(monitor, frames, signal, score, lasting + moments)
        found = [(region, effect) for region, effect in further if effect >= _EXPLAINS] or found
    return [_finding(monitor, frames, region, effect) for region, effect in found[:_SHOWN]]


def _margin(margin: tuple[float, float], healthy: Healthy) -> float:
    return margin[0] + margin[1] / len(healthy.vectors)


def _weighed(
    monitor: Monitor, frames: np.ndarray, signal: np.ndarray, score: float, regions: list[Region]
) -> list[tuple[Region, float]]:
    """Regions with the share of the score above that of the median healthy recording that they make: highest first."""
    regions = sorted(regions, key=lambda region: -region.evidence)[:_CANDIDATES]
    excess = score - monitor.median_score
    effects = np.zeros(len(regions))
    if regions and excess > 0:
        changed = [_as_usual(monitor.healthy, frames, region) for region in regions]
        scores = monitor.scores(changed, _changed_samples(monitor, frames, signal, changed))
        effects = np.clip((score - scores) / excess, 0, 1)
    found = list(zip(regions, effects.tolist(), strict=True))
    return sorted(found, key=lambda pair: -round(pair[1], 2))  # equal ones stay in the order of their evidence


def _changed_samples(
    monitor: Monitor, frames: np.ndarray, signal: np.ndarray, changed: list[np.ndarray]
) -> list[np.ndarray] | None:
    """The samples that go with changed frames, for a detector that needs them."""
    if not monitor.needs_samples:
        return None
    rate, hop_length = monitor.detector.sample_rate, monitor.detector.features.hop_length
    return [equalised(signal, frames, one, rate, hop_length) for one in changed]


def _finding(monitor: Monitor, frames: np.ndarray, region: Region, effect: float) -> Finding:
    """A region in Hz, seconds and dB."""
    seconds = monitor.detector.hop_seconds
    bands = monitor.healthy.vectors.shape[1]
    edges = band_edges(bands, monitor.detector.sample_rate)
    difference = frames[region.place].mean(axis=0, dtype=np.float64) - monitor.healthy.part_mean[region.place[1]]
    return Finding(
        low_hz=float(edges[region.low]),
        high_hz=float(edges[region.high]),
        begin=max(0.0, (region.begin - 0.5) * seconds),
        end=min(len(frames) - 1, region.end - 0.5) * seconds,
        difference_db=float(difference.mean()) - region.level,
        effect=effect,
        is_beside_others=region.level != 0,
        from_start=region.begin == 0,
        to_end=region.end == len(frames),
        is_all_frequencies=region.high - region.low >= _ALL * bands,
    )


def _as_usual(healthy: Healthy, frames: np.ndarray, region: Region) -> np.ndarray:
    """The frames of a recording of which a region sounds as in healthy ones: an equaliser and a limiter, so to speak.

    Its mean level is moved to that of healthy recordings, but for what the other bands have more or less at that time
    in the median, as where the microphone is a little further away; and what is then still beyond the range of short
    parts is cut off.
    """
    times, bands = region.place
    usual = healthy.part_mean.astype(np.float64)
    others = np.delete(frames[times].mean(axis=0, dtype=np.float64) - usual, bands)
    level = float(np.median(others)) if len(others) > len(usual) / 2 else 0.0
    low, high = healthy.part_low + level, healthy.part_high + level
    inside = frames[region.place]
    moved = inside - inside.mean(axis=0) + usual[bands] + level
    changed = frames.copy()
    changed[region.place] = np.clip(moved, np.minimum(low, usual)[bands], np.maximum(high, usual)[bands])
    return changed
