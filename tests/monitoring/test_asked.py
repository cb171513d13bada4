"""Lists of recordings, as other programs write them."""

import codecs

import pytest

from mimii.monitoring.asked import listed

NAMES = ["new/L\u00fcfter 1.wav", "new/2.wav"]
TEXT = "\r\n".join([*NAMES, "", ""])


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        b"\0".join(name.encode() for name in NAMES) + b"\0",
    ],
    ids=["UTF-8", "UTF-8 with a mark", "UTF-16 of PowerShell", "UTF-16, big-endian", "null characters"],
)
def test_paths_are_read_from_lists_of_other_programs(content):
    assert listed(content) == NAMES


def test_what_is_no_text_is_a_path_that_does_not_exist():
    assert len(listed(codecs.BOM_UTF16_LE + b"a\0\n\0\x00\xd8\n\0z")) == 3
