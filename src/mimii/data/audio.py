"""Reads one channel of a recording, or the near microphone's without the noise that the far one hears."""

import os
import re
from io import FileIO
from pathlib import Path

import numpy as np
import soundfile

from mimii.data.two_channels import without_noise
from mimii.data.wav import PCM, HeaderError, WavHeader, open_recording, read_header, unfinished
from mimii.errors import UserError
from mimii.settings import DIFFERENCE

UNREADABLE = "can't be read"  # how the message of a RecordingError begins where trying again may help
# how libsndfile remarks that a header announces more sound than the file has, which is no error to it
_CUT_SHORT = re.compile(r"^ ?(?:data|SSND) : (\d+) \(should be (\d+)\)$", re.MULTILINE)
_NO_END = "Last page lacks an end-of-stream bit"  # as it remarks of Ogg
_UNKNOWN_LENGTH = 0x7FFFF000  # [bytes]; programs announce such lengths where they don't know it yet

_BLOCK = 2**18  # samples of all channels that are read at once
_NEAR_AND_FAR = slice(0, 2)  # the channels of two microphones


class RecordingError(UserError):
    """A recording that can't be used; the message says why."""


def read_channel(path: Path, channel: int | str = 0) -> tuple[np.ndarray, int]:
    """Read one channel of a recording.

    The usual kind of file, 16-bit PCM, is read as the integers that it holds: on MIMII's 8 channels that takes a tenth
    of the time of decoding all of them to float. libsndfile reads all others.

    Parameters
    ----------
    path : Path
        A wav file of any sample format, or another file that libsndfile reads, such as FLAC.
    channel : int >= 0, or "difference"
        The channel to read. The difference is channel 0, of the near microphone, without what a filter of channel 1, of
        the far one, gives of it; see `mimii.data.two_channels`.

    Returns
    -------
    signal : np.ndarray [shape=(n_samples,), dtype=int16 or float32]
        Of 16-bit files the integers, full scale at 32768; of others, and of a difference, amplitudes, full scale at 1.
    sample_rate : int
        [Hz]

    Raises
    ------
    RecordingError
        The file can't be read, is cut short, was not closed by its recorder, has no such channel, or holds values that
        are not finite. Of a difference: its channels hold the same sound.
    UserError
        There is no such word for a channel.
    """
    if not isinstance(channel, str):
        return _read(path, channel)
    if channel != DIFFERENCE:
        raise UserError(f"there is no channel {channel!r}: give its number, or {DIFFERENCE!r}")
    samples, sample_rate = _read(path, _NEAR_AND_FAR)  # (n_samples, 2)
    amplitudes = samples / np.float32(32768 if samples.dtype == np.int16 else 1)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found below
        signal = without_noise(amplitudes[:, 0], amplitudes[:, 1], sample_rate)
    if signal is None:
        raise RecordingError("its two channels hold the same sound, so none is of a far microphone")
    if not np.isfinite(signal).all():
        raise RecordingError("its samples are so far above full scale that they overflow float32")
    return signal, sample_rate


def _read(path: Path, picked: int | slice) -> tuple[np.ndarray, int]:
    """One channel, (n_samples,), or the first two, (n_samples, 2)."""
    try:
        with open_recording(path) as file:
            if header := _plain_pcm16(file):
                _check_channel(picked, header.channels)
                return _read_pcm16(file, header, picked), header.sample_rate
        return _read_by_libsndfile(path, picked)
    except (soundfile.LibsndfileError, OSError, UnicodeError) as error:
        reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
        raise RecordingError(f"{UNREADABLE}: {reason.strip().rstrip('.')}") from error


def _check_channel(picked: int | slice, channels: int) -> None:
    if isinstance(picked, slice):
        if channels < picked.stop:
            raise RecordingError(f"one channel, and {DIFFERENCE} needs two: of a near and of a far microphone")
    elif picked >= channels:
        raise RecordingError(f"{channels} channel(s), so no channel {picked}")


def _read_by_libsndfile(path: Path, picked: int | slice) -> tuple[np.ndarray, int]:
    with soundfile.SoundFile(path) as file:
        _check_channel(picked, file.channels)
        if (cut := _CUT_SHORT.search(file.extra_info)) and int(cut[2]) < int(cut[1]) < _UNKNOWN_LENGTH:
            raise RecordingError(f"cut short: it has {cut[2]} of the {cut[1]} bytes of sound that its header announces")
        if _NO_END in file.extra_info:
            raise RecordingError("cut short: its stream has no end")
        dtype = "int16" if file.subtype == "PCM_16" else "float32"
        block = np.empty((max(1, _BLOCK // file.channels), file.channels), dtype=dtype)
        parts = [block[:0, picked]]
        while count := file.buffer_read_into(block, dtype):
            parts.append(block[:count, picked].copy())  # (count, channels) -> (count,)
        signal = np.concatenate(parts)
        if len(signal) < file.frames < _UNKNOWN_LENGTH:
            raise RecordingError(f"cut short: it has {len(signal)} of the {file.frames} samples that it announces")
        if dtype == "float32" and not np.isfinite(signal).all():
            raise RecordingError("values that are not finite")
        return signal, file.samplerate


def _plain_pcm16(file: FileIO) -> WavHeader | None:
    """The header of a 16-bit PCM file that is as it should be; of any other, None.

    Raises
    ------
    RecordingError
        The file is a wav file that its recorder did not close.
    """
    try:
        header = read_header(file)
    except HeaderError:
        return None
    if problem := unfinished(file, header):
        raise RecordingError(problem)
    is_pcm16 = header.format == PCM and header.bits == 16 and header.channels > 0 and header.sample_rate > 0
    is_whole = header.data_start + header.data_size <= os.fstat(file.fileno()).st_size
    frame_size = 2 * header.channels
    if is_pcm16 and is_whole and header.frame_size == frame_size and header.data_size % frame_size == 0:
        return header
    return None


def _read_pcm16(file: FileIO, header: WavHeader, picked: int | slice) -> np.ndarray:
    """Read channels, by blocks of all channels that stay in the processor's cache, however long the recording is."""
    block = np.empty((max(1, _BLOCK // header.channels), header.channels), dtype="<i2")
    signal = np.empty((header.data_size // header.frame_size, *block[:0, picked].shape[1:]), dtype=np.int16)
    file.seek(header.data_start)
    count = 0
    while count < len(signal):
        wanted = block[: len(signal) - count]
        if file.readinto(wanted.data.cast("B")) < wanted.nbytes:
            raise OSError("it got shorter while it was read")
        signal[count : count + len(wanted)] = wanted[:, picked]  # (n_samples, channels) -> (n_samples,)
        count += len(wanted)
    return signal
