"""What is installed is the same everywhere, and is what the package asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# each file of pins, and what the package asks for in the same case
PINNED = {
    "requirements.txt": PROJECT["dependencies"],
    "requirements-cluster.txt": PROJECT["optional-dependencies"]["cluster"],
    "requirements-onnx.txt": PROJECT["optional-dependencies"]["onnx"],
    "requirements-dev.txt": PROJECT["optional-dependencies"]["dev"],
}


def lines_of(path):
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_requirement_is_one_version_exactly(path):
    lines = lines_of(path)
    assert lines
    for line in lines:
        assert re.fullmatch(r"-r requirements[a-z-]*\.txt|[\w.-]+==\d+(\.\d+)+", line), line


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_pins_are_versions_that_the_package_allows(path):
    pins = [Requirement(line) for line in lines_of(path) if not line.startswith("-r")]
    pins = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
    asked = [Requirement(text) for text in PINNED[path.name]]
    asked = {canonicalize_name(one.name): one.specifier for one in asked if one.name != PROJECT["name"]}
    assert sorted(pins) == sorted(asked)
    for name, version in pins.items():
        assert asked[name].contains(version), name
