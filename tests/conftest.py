"""Fixtures and options of all tests."""

import logging
import os
import shutil
import signal
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock
from support import REAL_DATA, write_data

from mimii.evaluation import efficiency

_settle = efficiency.settle
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tests")


def pytest_configure(config):
    """Let scripts that tests start hear Ctrl-C, also where pytest was started in the background and ignores it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--corruptions", type=int, default=10_000, help="damaged files of each kind in the fuzz tests")


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Do something in a directory once, for all workers of pytest-xdist together; gives the directory."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def once(name, make):
        directory = root / name
        with FileLock(root / f"{name}.lock"):
            if not (root / f"{name}.done").exists():
                directory.mkdir()
                make(directory)
                (root / f"{name}.done").touch()
        return directory

    return once


@pytest.fixture(scope="session")
def data(once):
    """Three machines of 6 normal and 2 abnormal recordings, and one without a recording left to train on."""
    return once("machine_sounds", write_data)


@pytest.fixture
def own_data(data, tmp_path):
    """A copy of the data that a test may spoil."""
    return Path(shutil.copytree(data, tmp_path / "data"))


@pytest.fixture(autouse=True, scope="session")
def quick_measurements():
    """Tests within this process need no good figures for latency and memory; to settle looks at a million objects."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efficiency, "_SECONDS", 0.01)
        patch.setattr(efficiency, "settle", lambda: None)
        yield


@pytest.fixture
def good_figures(monkeypatch):
    """Measure memory as a command does."""
    monkeypatch.setattr(efficiency, "settle", _settle)


@pytest.fixture
def log_lines():
    """What the program logs while a test runs, as ``LEVEL message`` lines."""
    lines = []

    class Handler(logging.Handler):
        def emit(self, record):
            lines.append(f"{record.levelname} {record.getMessage()}")

    logger = logging.getLogger("mimii")
    handler, level = Handler(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def real_clips():
    """The genuine MIMII clips, where they are there."""
    if not (REAL_DATA / "mimii_clips").is_dir():
        pytest.skip("no real recordings here")
    return REAL_DATA / "mimii_clips"


@pytest.fixture
def real_clips_8ch(real_clips):
    """Four of them with all their channels."""
    if not (REAL_DATA / "mimii_clips_8ch").is_dir():
        pytest.skip("no 8-channel recordings here")
    return REAL_DATA / "mimii_clips_8ch"
