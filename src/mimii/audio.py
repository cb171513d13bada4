"""Reads one channel of a recording."""

from pathlib import Path

import numpy as np
import soundfile

UNREADABLE = "can't be read"  # how the message of a RecordingError begins where trying again may help


class RecordingError(Exception):
    """A recording that can't be used; the message says why."""


def read_channel(path: Path, channel: int = 0) -> tuple[np.ndarray, int]:
    """Read one channel of a wav file.

    16-bit files are read as integers and only the wanted channel is converted: on MIMII's 8 channels that takes
    a tenth of the time of decoding all of them to float, and gives the same values.

    Parameters
    ----------
    path : Path
        The wav file, of any sample format that libsndfile reads.
    channel : int >= 0
        The channel to read.

    Returns
    -------
    signal : np.ndarray [shape=(n_samples,), dtype=float32]
        Amplitudes, full scale at +-1.
    sample_rate : int
        [Hz]

    Raises
    ------
    RecordingError
        The file can't be read, has no such channel, or holds values that are not finite.
    """
    try:
        with soundfile.SoundFile(path) as file:
            if channel >= file.channels:
                raise RecordingError(f"{file.channels} channel(s), so no channel {channel}")
            is_int16 = file.subtype == "PCM_16"
            samples = file.read(dtype="int16" if is_int16 else "float32", always_2d=True)
            sample_rate = file.samplerate
    except (soundfile.LibsndfileError, OSError, UnicodeError) as error:
        reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
        raise RecordingError(f"{UNREADABLE}: {reason.strip().rstrip('.')}") from error

    signal = samples[:, channel].astype(np.float32)  # (n_samples, channels) -> (n_samples,)
    if is_int16:
        signal /= np.float32(32768)
    elif not np.isfinite(signal).all():
        raise RecordingError("values that are not finite")
    return signal, sample_rate
