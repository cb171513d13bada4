"""Sounds as a page plays them."""

import base64
import io

import numpy as np
import soundfile

from mimii.features.logmel import FULL_SCALE
from mimii.monitoring.hearing import Sound

EMBEDDED = 5_000_000  # bytes of sound that a page holds at most
_GAINS = (0, 10, 20, 30, 40)  # dB


def base64_text(content: bytes) -> str:
    """Bytes as a page holds them."""
    return base64.b64encode(content).decode()


def embedded(sounds: list[Sound]) -> list[str]:
    """The sounds as WAV in base64, the first ones of those that fit together; the others are empty."""
    found, left = [], EMBEDDED
    for sound in sounds:
        file = io.BytesIO()
        # 16 bits are as they were recorded; of floats 24 bits keep what is quiet, and every browser plays them
        subtype = "PCM_16" if sound.signal.dtype == np.int16 else "PCM_24"
        if len(sound.signal) * (2 if subtype == "PCM_16" else 3) > left:
            found.append("")
            continue
        soundfile.write(file, sound.signal, sound.sample_rate, format="WAV", subtype=subtype)
        left -= len(file.getvalue())
        found.append(base64_text(file.getvalue()))
    return found


def gains(sounds: list[Sound]) -> list[tuple[int, str, bool]]:
    """By how much the sounds can be made louder [dB], in words, and whether the page begins with it.

    It begins with the most that cuts off no peak, the same for both: so quiet machines are heard, and can be compared.
    """
    peaks = [
        float(np.abs(sound.signal.astype(np.float64)).max()) / FULL_SCALE[sound.signal.dtype.name] for sound in sounds
    ]
    headroom = -20 * float(np.log10(max(*peaks, 1e-9)))
    first = max((gain for gain in _GAINS if gain <= headroom), default=0)
    names = {
        gain: f"{gain} dB louder{', peaks cut off' if gain > headroom else ''}" if gain else "as recorded"
        for gain in _GAINS
    }
    return [(gain, name, gain == first) for gain, name in names.items()]
