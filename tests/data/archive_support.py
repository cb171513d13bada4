"""What the tests of downloading and of unpacking share."""

import io
import os
import subprocess
import sys
import wave
import zipfile
from pathlib import Path

import pytest
from support import SOURCE

from mimii.commands import prepare_dataset
from mimii.data.mimii import archives

(FAN,) = archives(["6dB"], ["fan"])

needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def names(directory):
    return sorted(path.name for path in Path(directory).iterdir() if not path.name.endswith(".lock"))


def fails(capsys, *options, command="download"):
    """Run the command, which must end with status 2 and one line; returns the line."""
    status = prepare_dataset.main([command, *map(str, options)])
    lines = capsys.readouterr().err.splitlines()
    assert status == 2
    assert len(lines) == 1
    return lines[0]


def script(code, *options):
    """Start the command in a process, after some code."""
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n"
        f"from mimii.commands.prepare_dataset import main\n{code}\n"
        "sys.exit(main())"
    )
    command = [sys.executable, "-c", code, *map(str, options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


def sound(seconds=0.1, *, channels=1, sample_rate=16000, content=0):
    """The bytes of a wav file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(channels)
        recording.setsampwidth(2)
        recording.setframerate(sample_rate)
        recording.writeframes(bytes([content]) * (2 * channels * round(seconds * sample_rate)))
    return file.getvalue()


def zipped(members):
    """The bytes of a zip archive with these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()
