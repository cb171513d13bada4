"""All that explains a judgement: what a recording sounds like, when and where it differs, and what it is most like."""

import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mimii.data.audio import RecordingError
from mimii.data.content import content
from mimii.errors import UserError
from mimii.features.logmel import band_edges
from mimii.monitoring.hearing import Nearest, Sound, listen, nearest
from mimii.monitoring.judging import Judgement, judge
from mimii.monitoring.monitor import Monitor

_COLOUR_RANGE = 80.0  # dB at most; digital silence is far below, and all else would have one colour
_DRAWABLE = 1e100  # range of scores that a chart can have
_RANGE = (5, 95)  # percentiles over the healthy recordings: the range of a band


@dataclass(frozen=True, eq=False, kw_only=True)
class Bands:
    """The mean level over time of each mel band, and what healthy recordings have there.

    Attributes
    ----------
    edges : np.ndarray [shape=(n_mels + 1,)]
        Where one band ends and the next begins [Hz].
    levels : np.ndarray [shape=(n_mels,)]
        Of the recording [dB].
    mean, low, high : np.ndarray [shape=(n_mels,)]
        Of the healthy recordings: mean, 5th and 95th percentile [dB].
    """

    edges: np.ndarray
    levels: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def position(self, hertz: float) -> float:
        """Where a frequency is among the bands: 0 at the lower edge of the first one, 1 at that of the second."""
        return float(np.interp(hertz, self.edges, np.arange(len(self.edges))))

    @property
    def outside(self) -> int:
        """How many bands are louder or quieter than the healthy range."""
        return int(((self.levels < self.low) | (self.levels > self.high)).sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """All that is shown of a recording.

    Attributes
    ----------
    judgement : Judgement
        With a verdict.
    monitor : Monitor
    sound : Sound
    bands : Bands
    nearest : Nearest
    was_learnt : bool
        The recording is one of those that the detector has learnt from: its score says little.
    """

    judgement: Judgement
    monitor: Monitor
    sound: Sound
    bands: Bands
    nearest: Nearest
    was_learnt: bool

    @property
    def sounds(self) -> list[Sound]:
        """The recording and, where it can be shown, the nearest healthy one."""
        return [self.sound] if self.nearest.sound is None else [self.sound, self.nearest.sound]

    @cached_property
    def scale(self) -> tuple[float, float]:
        """The levels that the lowest and the highest colour stand for in both spectrograms [dB]."""
        frames = np.concatenate([sound.frames for sound in self.sounds])
        low, high = np.percentile(frames, [1, 99.8]).tolist()
        return max(min(low, high - 1), high - _COLOUR_RANGE), high

    @cached_property
    def score_range(self) -> tuple[float, float]:
        """The values that a chart of the score over time must show: those of all sounds, and the threshold."""
        values = np.concatenate([[self.monitor.healthy.curve_threshold], *(sound.values for sound in self.sounds)])
        low, high = float(values.min()), float(values.max())
        margin = 0.08 * (high - low) or abs(high) or 1.0
        return low - margin, high + margin


def explain(monitor: Monitor, path: str | os.PathLike[str]) -> Explanation:
    """Judge a recording, and find all that explains the verdict.

    Parameters
    ----------
    monitor : Monitor
    path : path
        A file that `mimii.data.audio.read_channel` reads.

    Raises
    ------
    RecordingError
        It can't be judged.
    UserError
        The scores over time are not finite, or beyond all reason.
    """
    name = os.fspath(path)
    judgement = judge(monitor, name)
    if judgement.reason:
        raise RecordingError(f"{name}: {judgement.verdict}: {judgement.reason}")
    sound = listen(monitor, name)
    digest = content(name).digest
    explanation = Explanation(
        judgement=judgement,
        monitor=monitor,
        sound=sound,
        bands=_bands(monitor, sound),
        nearest=nearest(monitor, sound, digest),
        was_learnt=bool(digest) and digest in monitor.healthy.digests,
    )
    low, high = explanation.score_range
    if not high - low < _DRAWABLE:
        raise UserError(f"{name}: scores over time from {low:.3g} to {high:.3g} can't be drawn; train the model again")
    return explanation


def _bands(monitor: Monitor, sound: Sound) -> Bands:
    vectors = monitor.healthy.vectors.astype(np.float64)
    low, high = np.percentile(vectors, _RANGE, axis=0)
    return Bands(
        edges=band_edges(vectors.shape[1], sound.sample_rate),
        levels=sound.frames.mean(axis=0, dtype=np.float64),
        mean=vectors.mean(axis=0),
        low=low,
        high=high,
    )
