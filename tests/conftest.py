"""Small machine sounds for the tests: tones and noise, and an abnormal sound that nobody can mistake."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from filelock import FileLock

import exp_autoencoding

SCRIPT = Path(exp_autoencoding.__file__).resolve()
REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SAMPLE_RATE = 16000


def sound(rng, *, seconds=2.0, sample_rate=SAMPLE_RATE, pitch=220.0, abnormal=False):
    """A humming machine in noise; an abnormal one whistles as well."""
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    signal = 0.02 * rng.standard_normal(len(time))
    for harmonic in (1, 2, 3):
        phase = rng.uniform(0, 2 * np.pi)
        signal += 0.1 / harmonic * rng.uniform(0.9, 1.1) * np.sin(2 * np.pi * harmonic * pitch * time + phase)
    if abnormal:
        signal += 0.05 * np.sin(2 * np.pi * 3100 * time) * (1 + np.sin(2 * np.pi * 7 * time))
    return signal.astype(np.float32)


def write_machine(directory, *, normal=6, abnormal=2, seed=0, **kwargs):
    """Write the recordings of one machine: ``directory/{normal,abnormal}/NNNNNNNN.wav``."""
    rng = np.random.default_rng(seed)
    for label, count in (("normal", normal), ("abnormal", abnormal)):
        folder = Path(directory) / label
        folder.mkdir(parents=True)
        for number in range(count):
            samples = sound(rng, abnormal=label == "abnormal", **kwargs)
            rate = kwargs.get("sample_rate", SAMPLE_RATE)
            soundfile.write(folder / f"{number:08d}.wav", samples, rate, subtype="PCM_16")


def script_environment(tmp):
    """Of a process that shares no lock with other runs on this machine."""
    tmp = Path(tmp) / "tmp"
    tmp.mkdir(parents=True, exist_ok=True)
    return os.environ | {"TMPDIR": str(tmp), "TEMP": str(tmp), "TMP": str(tmp)}


def run_script(directory, *options):
    """Run the experiment script as a user does, in a process of its own, from ``directory``."""
    command = [sys.executable, str(SCRIPT), *map(str, options)]
    return subprocess.run(
        command, cwd=directory, env=script_environment(directory), capture_output=True, encoding="utf-8", timeout=300
    )


def read_rows(path):
    """A results CSV with its texts as they stand there."""
    return pd.read_csv(path, dtype={"run_id": str}, keep_default_na=False)


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
