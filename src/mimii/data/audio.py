"""Reads one channel of a recording."""

import os
import re
import struct
from io import FileIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

UNREADABLE = "can't be read"  # how the message of a RecordingError begins where trying again may help
# what libsndfile says of a file whose header announces more sound than there is; it reads what there is
_CUT_SHORT = re.compile(r"^data : (\d+) \(should be (\d+)\)$", re.MULTILINE)
_UNKNOWN_LENGTH = 0x7FFFF000  # [bytes]; from here on it is what programs announce that don't know yet

_BLOCK = 2**18  # samples of all channels that are read at once
_HEAD = 4096  # bytes in which the samples of a plain file begin
_PCM, _EXTENSIBLE = 0x0001, 0xFFFE  # formats of wav files


class RecordingError(Exception):
    """A recording that can't be used; the message says why."""


def read_channel(path: Path, channel: int = 0) -> tuple[np.ndarray, int]:
    """Read one channel of a wav file.

    The usual kind of file, 16-bit PCM, is read as the integers that it holds: on MIMII's 8 channels that takes a tenth
    of the time of decoding all of them to float. libsndfile reads all others.

    Parameters
    ----------
    path : Path
        The wav file, of any sample format that libsndfile reads.
    channel : int >= 0
        The channel to read.

    Returns
    -------
    signal : np.ndarray [shape=(n_samples,), dtype=int16 or float32]
        Of 16-bit files the integers, full scale at 32768; of others amplitudes, full scale at 1.
    sample_rate : int
        [Hz]

    Raises
    ------
    RecordingError
        The file can't be read, is cut short, has no such channel, or holds values that are not finite.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            if plain := _plain_pcm16(file):
                _check_channel(channel, plain.channels)
                return _read_pcm16(file, plain, channel), plain.sample_rate
        return _read_by_libsndfile(path, channel)
    except (soundfile.LibsndfileError, OSError, UnicodeError) as error:
        reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
        raise RecordingError(f"{UNREADABLE}: {reason.strip().rstrip('.')}") from error


def _check_channel(channel: int, channels: int) -> None:
    if channel >= channels:
        raise RecordingError(f"{channels} channel(s), so no channel {channel}")


def _read_by_libsndfile(path: Path, channel: int) -> tuple[np.ndarray, int]:
    with soundfile.SoundFile(path) as file:
        _check_channel(channel, file.channels)
        if (cut := _CUT_SHORT.search(file.extra_info)) and int(cut[2]) < int(cut[1]) < _UNKNOWN_LENGTH:
            raise RecordingError(f"cut short: {cut[2]} of {cut[1]} bytes of sound are there")
        dtype = "int16" if file.subtype == "PCM_16" else "float32"
        block = np.empty((max(1, _BLOCK // file.channels), file.channels), dtype=dtype)
        parts = []
        while count := file.buffer_read_into(block, dtype):
            parts.append(block[:count, channel].copy())  # (count, channels) -> (count,)
        signal = np.concatenate([np.empty(0, dtype=dtype), *parts])
        if dtype == "float32" and not np.isfinite(signal).all():
            raise RecordingError("values that are not finite")
        return signal, file.samplerate


class _Pcm16(NamedTuple):
    """Where the samples of a 16-bit wav file are."""

    channels: int
    sample_rate: int  # [Hz]
    begin: int  # [bytes]
    n_samples: int  # of a channel


def _plain_pcm16(file: FileIO) -> _Pcm16 | None:
    """Find the samples of a 16-bit PCM file that is as it should be; of any other, None.

    A RIFF file is a row of chunks, each with an identifier, a length and a content that is padded to an even length
    (Microsoft and IBM, 1991). Of WAVE_FORMAT_EXTENSIBLE, as MIMII's files have it, the first bytes of the sub-format
    are the format.
    """
    head = file.read(_HEAD)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    form, place = None, 12
    while place + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, place)
        place += 8
        if name == b"fmt " and 16 <= length <= len(head) - place:
            tag, channels, sample_rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", head, place)
            if tag == _EXTENSIBLE and length >= 26:
                (tag,) = struct.unpack_from("<H", head, place + 24)
            is_pcm16 = tag == _PCM and bits == 16 and channels and sample_rate and frame_bytes == 2 * channels
            form = (channels, sample_rate) if is_pcm16 else None
        if name == b"data":
            is_whole = form and length % (2 * form[0]) == 0 and place + length <= os.fstat(file.fileno()).st_size
            return _Pcm16(*form, place, length // (2 * form[0])) if is_whole else None
        place += length + length % 2
    return None


def _read_pcm16(file: FileIO, plain: _Pcm16, channel: int) -> np.ndarray:
    """Read one channel, by blocks of all channels that stay in the processor's cache, however long the recording is."""
    signal = np.empty(plain.n_samples, dtype=np.int16)
    block = np.empty((max(1, _BLOCK // plain.channels), plain.channels), dtype="<i2")
    file.seek(plain.begin)
    count = 0
    while count < len(signal):
        wanted = block[: len(signal) - count]
        got = file.readinto(memoryview(wanted).cast("B"))
        if got < wanted.nbytes:
            raise OSError("it got shorter while it was read")
        signal[count : count + len(wanted)] = wanted[:, channel]  # (n_samples, channels) -> (n_samples,)
        count += len(wanted)
    return signal
