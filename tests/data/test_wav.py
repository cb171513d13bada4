"""Headers of wav files that nobody would write by hand."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mimii.data.wav import HeaderError, WavHeader, read_header

FORMAT = struct.pack("<HHIIHH", 1, 2, 16000, 64000, 4, 16)


def chunk(name, content, length=None):
    length = len(content) if length is None else length
    return name + struct.pack("<I", length) + content + bytes(len(content) % 2)


def wav(*chunks):
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def read(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with open(path, "rb", buffering=0) as file:
        return read_header(file)


@pytest.mark.parametrize("size", [0, 1, 3, 4030, 4047, 4048, 4049, 5000, 100_001])
def test_chunks_of_any_size_are_passed_over(tmp_path, size):
    note = chunk(b"LIST", bytes(size))
    content = wav(note, chunk(b"fmt ", FORMAT), note, chunk(b"data", bytes(400)), note)
    start = content.index(b"data") + 8
    assert read(tmp_path, content) == WavHeader(1, 2, 16000, 16, 4, start, 400, len(content))


@pytest.mark.parametrize(
    "content",
    [
        wav(),
        wav(chunk(b"fmt ", FORMAT)),
        wav(chunk(b"data", bytes(400))),
        wav(chunk(b"fmt ", FORMAT[:10]), chunk(b"data", bytes(400))),
        wav(chunk(b"fmt ", FORMAT), chunk(b"LIST", b"", length=2**32 - 1), chunk(b"data", bytes(400))),
    ],
)
def test_a_file_without_format_or_samples_is_refused(tmp_path, content):
    with pytest.raises(HeaderError, match="has no samples"):
        read(tmp_path, content)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_a_header_or_an_error(tmp_path_factory, content, is_riff):
    content = wav(content) if is_riff else content
    try:
        header = read(tmp_path_factory.mktemp("any"), content)
    except HeaderError:
        return
    assert 12 < header.data_start <= len(content)
