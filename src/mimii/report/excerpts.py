"""Sounds as a page holds them: not too long, and in no more than so many bytes."""

import io
from dataclasses import replace

import numpy as np
import soundfile

from mimii.monitoring.hearing import Sound

_LONGEST = 20.0  # s


def excerpt(sound: Sound, size: int, audio: bool) -> tuple[Sound, float, bytes]:
    """What a page shows of a sound, and lets be heard: all of it, or a part about the highest score over time.

    Parameters
    ----------
    sound : Sound
        Its score over time may be empty: then the part is from the beginning.
    size : int > 0
        Of the audio at most [bytes].
    audio : bool
        It can be heard.

    Returns
    -------
    sound : Sound
    begin : float
        Where it begins [s].
    audio : bytes
        FLAC; empty where it is not to be heard.
    """
    seconds = min(_LONGEST, sound.seconds)
    while True:
        shown, begin = _part(sound, seconds)
        content = _flac(shown) if audio else b""
        if len(content) <= size:
            return shown, begin, content
        seconds *= 0.95 * size / len(content)


def _part(sound: Sound, seconds: float) -> tuple[Sound, float]:
    """So many seconds of a sound, and where they begin."""
    if seconds >= sound.seconds:
        return sound, 0.0
    hop = sound.hop_seconds
    count = max(1, min(len(sound.frames), int(seconds / hop)))
    middle = float(sound.times[int(np.argmax(sound.values))]) if len(sound.values) else 0.0
    first = int(np.clip(round(middle / hop) - count // 2, 0, len(sound.frames) - count))
    begin, step = first * hop, round(hop * sound.sample_rate)
    is_inside = (sound.times >= begin) & (sound.times <= begin + count * hop)
    part = replace(
        sound,
        signal=sound.signal[first * step : (first + count) * step],
        frames=sound.frames[first : first + count],
        times=sound.times[is_inside] - begin,
        values=sound.values[is_inside],
    )
    return part, begin


def _flac(sound: Sound) -> bytes:
    """The samples as they are, without loss: 16 bits, or 24 of floats."""
    file = io.BytesIO()
    subtype = "PCM_16" if sound.signal.dtype == np.int16 else "PCM_24"
    soundfile.write(file, sound.signal, sound.sample_rate, format="FLAC", subtype=subtype)
    return file.getvalue()
