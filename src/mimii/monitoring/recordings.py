"""Finds the healthy recordings of a machine and makes them log-mel frames; says which ones can't be used, and why."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mimii.data.audio import RecordingError, read_channel
from mimii.data.content import contents
from mimii.data.folders import UNUSABLE, audio_files, on_disk
from mimii.errors import UserError
from mimii.features.logmel import FULL_SCALE, log_mel
from mimii.runtime.processes import in_parallel
from mimii.settings import FeatureSettings

_CHUNK = 64  # recordings that a process is given at once
_SILENCE = 1e-16  # mean square of samples that counts as silence: the level stays a number


@dataclass(frozen=True)
class Heard:
    """A recording as a detector hears it.

    Attributes
    ----------
    path : str
    frames : np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        [dB]
    sample_rate : int
        [Hz]
    seconds : float
    level : float
        See `level_of`.
    """

    path: str
    frames: np.ndarray
    sample_rate: int
    seconds: float
    level: float


@dataclass(frozen=True)
class Recordings:
    """The recordings that can be learnt from, in the order of time as far as their names tell it.

    Attributes
    ----------
    heard : list of Heard
        All of one sample rate.
    digests : list of str
        Of their content; see `mimii.data.content`.
    left_out : dict of str to str
        The path of each recording that can't be used, and why.
    """

    heard: list[Heard]
    digests: list[str]
    left_out: dict[str, str]


@dataclass(frozen=True)
class _Chunk:
    """Some recordings for a process."""

    start: int
    paths: list[str]
    settings: FeatureSettings
    frames: int
    fft: Literal["torch", "scipy"]

    @property
    def name(self) -> str:
        return f"features of {self.paths[0]} and {len(self.paths) - 1} more"


def level_of(signal: np.ndarray) -> float:
    """Root mean square of samples against full scale [dB].

    Parameters
    ----------
    signal : np.ndarray [shape=(n_samples,), dtype=int16 or float32]
        As `mimii.data.audio.read_channel` gives it. Silence is at -160 dB.
    """
    mean_square = float(np.mean(np.square(signal, dtype=np.float64))) / FULL_SCALE[signal.dtype.name] ** 2
    return 10 * float(np.log10(max(mean_square, _SILENCE)))


def find(paths: Iterable[str | os.PathLike[str]]) -> tuple[list[str], dict[str, str]]:
    """The audio files among paths and below them, in natural order: ``10.wav`` comes after ``9.wav``.

    Parameters
    ----------
    paths : iterable of path
        Files of any name, and directories, which are searched to any depth.

    Returns
    -------
    found : list of str
        Absolute paths, each once.
    left_out : dict of str to str
        Those that are not to be learnt from, and why: of a format that is not read, or below a given directory in one
        that is called ``abnormal``, as that of MIMII's faulty recordings is; ``Abnormal`` is the same.

    Raises
    ------
    UserError
        A path does not exist.
    """
    found: dict[str, None] = {}
    left_out: dict[str, str] = {}
    all_given = list(map(Path, paths))
    for given in all_given:
        path = Path(os.path.abspath(on_disk(given)))  # noqa: PTH100 (a link's name may be what tells the time)
        if not path.exists():
            raise UserError(f"{given} does not exist")
        if not path.is_dir():
            found[str(path)] = None
            continue
        # of several folders, as of a machine's normal/ and abnormal/, each one's own name counts as well
        base = path.parent if len(all_given) > 1 else path
        for directory, names in audio_files(path):
            is_abnormal = "abnormal" in (part.casefold() for part in directory.relative_to(base).parts)
            for name in names:
                file = f"{directory}{os.sep}{name}"
                if is_abnormal:
                    left_out[file] = "in a folder that is called abnormal"
                elif name.lower().endswith(UNUSABLE):
                    left_out[file] = f"of the format {Path(name).suffix[1:].lower()}, which is not read: convert to wav"
                else:
                    found[file] = None
    return sorted(found, key=natural_key), left_out


def natural_key(path: str) -> list[tuple[str, int]]:
    """What paths are sorted by, so that the numbers in them come in their order."""
    return [(text.casefold(), int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", path)]


def load(
    paths: Iterable[str | os.PathLike[str]], settings: FeatureSettings, frames: int, jobs: int, *, uses_torch: bool
) -> Recordings:
    """Find recordings, read them in parallel and compute their log-mel frames as they will be when others are judged.

    Left out are those that can't be read, have another sample rate than most, are shorter than the detector needs, are
    silent, or are the same as an earlier one.

    Parameters
    ----------
    paths : iterable of path
        See `find`.
    settings : FeatureSettings
    frames : int > 0
        The fewest frames that a recording must have.
    jobs : int > 0
        Processes.
    uses_torch : bool
        Of the detector; see `mimii.models.trained.frames_of_samples`.

    Raises
    ------
    UserError
        A path does not exist.
    """
    from tqdm import tqdm

    found, left_out = find(paths)
    fft: Literal["torch", "scipy"] = "torch" if uses_torch else "scipy"
    chunks = [_Chunk(i, found[i : i + _CHUNK], settings, frames, fft) for i in range(0, len(found), _CHUNK)]
    results: dict[int, Heard | str] = {}
    with tqdm(total=len(found), desc="features", unit="rec", disable=None, leave=False) as progress:
        for start, heard in in_parallel(_hear_chunk, chunks, jobs):
            results |= dict(enumerate(heard, start))
            progress.update(len(heard))
    ordered = [results[number] for number in range(len(found))]
    rates = Counter(result.sample_rate for result in ordered if isinstance(result, Heard))
    kept: list[Heard] = []
    digests: dict[str, str] = {}  # and the path of the first recording of each
    for path, result, content in zip(found, ordered, contents(found), strict=True):
        if isinstance(result, str):
            left_out[path] = result
        elif result.sample_rate != (usual := rates.most_common(1)[0][0]):
            left_out[path] = f"{result.sample_rate} Hz, where most recordings have {usual} Hz"
        elif content.digest in digests:
            left_out[path] = f"a copy of {digests[content.digest]}"
        else:
            digests[content.digest] = path
            kept.append(result)
    return Recordings(kept, list(digests), left_out)


def _hear_chunk(chunk: _Chunk) -> tuple[int, list[Heard | str]]:
    return chunk.start, [_hear(path, chunk) for path in chunk.paths]


def _hear(path: str, chunk: _Chunk) -> Heard | str:
    """A recording, or why it can't be used."""
    settings = chunk.settings
    try:
        signal, sample_rate = read_channel(Path(path), settings.channel)
    except RecordingError as error:
        return str(error)
    if len(signal) < settings.n_fft:
        return f"too short: {len(signal)} samples, and an FFT frame has {settings.n_fft}"
    if (signal == signal[0]).all():
        return "digital silence: all samples are the same"
    with np.errstate(over="ignore", invalid="ignore"):
        frames = log_mel(signal, sample_rate, settings, fft=chunk.fft)
    if len(frames) < chunk.frames:
        return f"too short: {len(frames)} frames, and a window has {chunk.frames}"
    if not np.isfinite(frames).all():
        return "values that are so large that the log-mel frames are not finite"
    return Heard(path, frames, sample_rate, len(signal) / sample_rate, level_of(signal))
