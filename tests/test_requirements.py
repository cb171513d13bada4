"""What is installed is the same everywhere."""

import re
from pathlib import Path

import pytest

REQUIREMENTS = sorted(Path(__file__).resolve().parents[1].glob("requirements*.txt"))


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_requirement_is_one_version_exactly(path):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"-r requirements[a-z-]*\.txt|[\w.-]+==\d+(\.\d+)+", line), line
