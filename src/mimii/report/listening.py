"""Recordings as the report lets them be heard: their samples, their spectrograms, and the score over time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mimii.data.audio import RecordingError, read_channel
from mimii.data.machines import MACHINE
from mimii.data.mimii import SAMPLE_RATE, SAMPLES, published_baseline
from mimii.features.logmel import log_mel
from mimii.monitoring.hearing import Sound
from mimii.report.excerpts import excerpt
from mimii.report.loading import Results
from mimii.report.picks import Pick, best_detector, pick
from mimii.report.rescoring import Rescored, machine_of, rescore
from mimii.settings import FeatureSettings

EMBEDDED = 6_000_000  # letters of sound that a page holds at most; base64 makes four of three bytes


@dataclass(frozen=True, eq=False, kw_only=True)
class Clip:
    """A picked recording.

    Attributes
    ----------
    pick : Pick
    rescored : Rescored, or None
        What the score over time is compared with, or why there is none; None where there is no sound.
    sound : Sound, or None
        What is shown of it; its score over time may be empty.
    problem : str
        Why there is no sound; else empty.
    audio : bytes
        The sound as FLAC; empty where it is not to be heard.
    begin, whole : float
        Where in the recording the sound begins, and how long the recording is [s].
    is_of_mimii : bool
    """

    pick: Pick
    rescored: Rescored | None = None
    sound: Sound | None = None
    problem: str = ""
    audio: bytes = b""
    begin: float = 0.0
    whole: float = math.nan
    is_of_mimii: bool = False

    @property
    def has_curve(self) -> bool:
        """There is a score over time."""
        return self.sound is not None and len(self.sound.values) > 0

    @property
    def level(self) -> float:
        """What the score over time is compared with; NaN where there is nothing."""
        return self.rescored.level if self.rescored and self.has_curve else math.nan

    @property
    def compared(self) -> int:
        """See `mimii.report.rescoring.Rescored`."""
        return self.rescored.compared if self.rescored and self.has_curve else 0


def hear(results: Results, metric: str, model_dir: Path, audio: bool = True) -> list[Clip]:
    """What the best detector hears; see `mimii.report.picks.pick` for which recordings it is.

    Where nothing can be heard, the notes of the results say why.

    Parameters
    ----------
    results : Results
    metric : str
        What detectors are ranked by.
    model_dir : Path
        The cache of trained detectors, for the score over time.
    audio : bool
        The sounds can be heard, and not only seen.
    """
    picks = pick(results, metric)
    clips: dict[str, Clip] = {}
    for run_id in dict.fromkeys(one.row["run_id"] for one in picks):
        of_run = [one for one in picks if one.row["run_id"] == run_id]
        clips |= {clip.pick.path: clip for clip in _clips(results, of_run, model_dir)}
    ordered = [clips[one.path] for one in picks]
    heard = sum(clip.sound is not None for clip in ordered)
    if not heard:
        _note_why(results, metric, ordered)
        return []
    return [_bounded(clip, EMBEDDED * 3 // 4 // heard, audio) for clip in ordered]


def _note_why(results: Results, metric: str, clips: Sequence[Clip]) -> None:
    """Say why nothing can be heard, where detectors were run."""
    if clips:
        reasons = "; ".join(list(dict.fromkeys(clip.problem for clip in clips))[:2])
        results.notes.append(f"Nothing can be heard. Of all {len(clips)} recordings to be shown: {reasons}.")
    elif best := best_detector(results, metric):
        results.notes.append(f"Nothing can be heard: no run of {best}, the best detector, kept its scores.")


def _clips(results: Results, picks: Sequence[Pick], model_dir: Path) -> list[Clip]:
    """The picked recordings of one run."""
    there = [one for one in picks if Path(one.path).is_file()]
    clips = [Clip(pick=one, problem="the file is no longer there") for one in picks if one not in there]
    if not there:
        return clips
    rescored = rescore(results, there, model_dir)
    for one in there:
        try:
            sound = _sound(one, rescored)
        except RecordingError as error:
            clips.append(Clip(pick=one, problem=str(error)))
            continue
        is_of_mimii = not results.is_synthetic and not results.dataset and _is_of_mimii(one, sound)
        clips.append(Clip(pick=one, rescored=rescored, sound=sound, whole=sound.seconds, is_of_mimii=is_of_mimii))
    return clips


def _sound(one: Pick, rescored: Rescored) -> Sound:
    """A recording as it was judged.

    Raises
    ------
    RecordingError
        It can't be read, or is no longer what was scored.
    """
    features, found = rescored.features, rescored.scores.get(one.path)
    signal, rate = read_channel(Path(one.path), features.channel)
    if rescored.scores and found is None:
        raise RecordingError("the file holds something else than what was scored")
    return Sound(
        signal=signal,
        sample_rate=rate,
        frames=_frames(signal, rate, features) if found is None else found.frames,
        hop_seconds=features.hop_length / rate,
        times=np.empty(0) if found is None else found.times,
        values=np.empty(0) if found is None else found.values.astype(np.float64),
    )


def _frames(signal: np.ndarray, rate: int, features: FeatureSettings) -> np.ndarray:
    if len(signal) < features.n_fft:
        raise RecordingError(f"too short: {len(signal)} samples, and an FFT frame has {features.n_fft}")
    with np.errstate(over="ignore", invalid="ignore"):
        frames = log_mel(signal, rate, features, fft="scipy")
    if not np.isfinite(frames).all():
        raise RecordingError("values that are so large that the log-mel frames are not finite")
    return frames


def _is_of_mimii(one: Pick, sound: Sound) -> bool:
    """Tell whether a recording is MIMII's, by the name of its machine and its length; it is for the licence."""
    is_as_long = (len(sound.signal), sound.sample_rate) == (SAMPLES, SAMPLE_RATE)
    machines = published_baseline()[MACHINE].itertuples(index=False, name=None)
    return is_as_long and machine_of(one.row) in set(machines)


def _bounded(clip: Clip, size: int, audio: bool) -> Clip:
    if clip.sound is None:
        return clip
    sound, begin, content = excerpt(clip.sound, size, audio)
    return replace(clip, sound=sound, begin=begin, audio=content)
