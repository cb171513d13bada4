"""What the tests of downloading and of unpacking share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import SOURCE

from mimii.commands import prepare_dataset
from mimii.data.mimii import Archive

FAN = Archive("6dB", "fan")

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
