"""Reads the header of a wav file.

A RIFF file is a row of chunks, each with an identifier, a length and a content that is padded to an even length
(Microsoft and IBM, 1991).
"""

import os
import stat
import struct
from io import FileIO
from pathlib import Path
from typing import NamedTuple

PCM, EXTENSIBLE = 0x0001, 0xFFFE  # format tags; the second has the format in a field of its own

_BLOCK = 4096  # [bytes]; of a usual file the first block has the whole header
_FORMAT_SIZE = 40  # [bytes] of the format chunk of an extensible file, as MIMII's are


class HeaderError(Exception):
    """A file has no header of a wav file; the message says what is wrong with it."""


class WavHeader(NamedTuple):
    """What the header of a wav file says.

    Attributes
    ----------
    format : int
        Format tag of the samples.
    channels, sample_rate, bits : int
    frame_size : int [bytes]
        Of one sample of all channels.
    data_start, data_size : int [bytes]
        Where the samples begin, and how many bytes they have.
    file_size : int [bytes]
        Size of the whole file.
    """

    format: int
    channels: int
    sample_rate: int
    bits: int
    frame_size: int
    data_start: int
    data_size: int
    file_size: int


def open_recording(path: str | Path) -> FileIO:
    """Open a file without a buffer; raises `OSError` for what is no file, such as a pipe that nobody writes into."""
    mode = Path(path).stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(0, "it is a pipe or a device")
    return open(path, "rb", buffering=0)


def unfinished(file: FileIO, header: WavHeader) -> str:
    """What is wrong with a file that its recorder did not close: there is sound that its header does not know of.

    Parameters
    ----------
    file : io.FileIO
    header : WavHeader
        As `read_header` gives it.

    Returns
    -------
    str
        Empty where nothing is wrong. What other programs append, such as tags, or zeros after a rescue, is no sound.
    """
    beyond = os.fstat(file.fileno()).st_size - header.file_size
    if header.data_size == 0:
        beyond = os.fstat(file.fileno()).st_size - header.data_start
    if beyond < (_BLOCK if header.data_size else max(1, header.frame_size)):
        return ""
    file.seek(-beyond, os.SEEK_END)
    start = file.read(_BLOCK)
    if not any(start) or start[:4].rstrip(b" ").isalnum():
        return ""
    return (
        f"not closed by its recorder: its header announces {header.data_size} bytes of sound, and {beyond} more "
        "follow; write the length into the header with a program that repairs wav files"
    )


def read_header(file: FileIO) -> WavHeader:
    """Read the header of a wav file.

    Parameters
    ----------
    file : io.FileIO
        Opened without a buffer, and at its beginning.

    Raises
    ------
    HeaderError
        It is no wav file, or its header is damaged.
    OSError
        It can't be read.
    """
    block, start = file.read(_BLOCK), 0  # the part of the file that is in memory, and where it starts
    if len(block) < 12 or block[:4] != b"RIFF" or block[8:12] != b"WAVE":
        raise HeaderError("is not a wav file")
    riff_end = 8 + int.from_bytes(block[4:8], "little")
    sample_format = b""
    position = 12
    while True:
        if position + 8 + _FORMAT_SIZE > start + len(block):
            file.seek(position)
            block, start = file.read(_BLOCK), position
        offset = position - start
        if offset + 8 > len(block):
            raise HeaderError("has no samples: its header is cut short or damaged")
        name, length = struct.unpack_from("<4sI", block, offset)
        position += 8
        end = position + length + length % 2
        if name == b"fmt ":
            sample_format = block[offset + 8 : offset + 8 + min(length, _FORMAT_SIZE)]
        elif name == b"data":
            break
        position = end
    if len(sample_format) < 16:
        raise HeaderError("has no samples: its header is cut short or damaged")
    tag, channels, sample_rate, _, frame_size, bits = struct.unpack_from("<HHIIHH", sample_format)
    if tag == EXTENSIBLE and len(sample_format) >= 26:
        (tag,) = struct.unpack_from("<H", sample_format, 24)  # the sub-format begins with its tag
    return WavHeader(tag, channels, sample_rate, bits, frame_size, position, length, max(riff_end, end))
