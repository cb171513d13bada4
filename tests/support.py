"""Small machine sounds for the tests: tones and noise, and an abnormal sound that nobody can mistake."""

import contextlib
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from mimii.storage import files

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
SCRIPT = SOURCE / "exp_autoencoding.py"
REAL_DATA = ROOT.parent / "shared" / "data"
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


def start_script(directory, *options, script=SCRIPT, **kwargs):
    """Start a script as a user does, in a process group of its own, from ``directory``."""
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, options)],
        cwd=directory,
        env=script_environment(directory),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
        **kwargs,
    )


def read_rows(path):
    """A results CSV with its texts as they stand there."""
    return pd.read_csv(path, dtype={"run_id": str}, keep_default_na=False)


class Run:
    """What a command left: its exit status, its output and its directory."""

    table = "research_results.csv"

    def __init__(self, status, out, err, directory):
        self.status, self.out, self.err, self.directory = status, out, err, Path(directory)

    def keep(self, name):
        """Write down what the run left, for the other workers of pytest-xdist."""
        (self.directory / f"{name}.json").write_text(json.dumps([self.status, self.out, self.err]), encoding="utf-8")
        if self.csv.exists():
            shutil.copy(self.csv, self.directory / f"{name}.csv")

    @classmethod
    def kept(cls, directory, name):
        return cls(*json.loads((directory / f"{name}.json").read_text(encoding="utf-8")), directory)

    @property
    def output(self):
        return self.out + self.err

    @property
    def csv(self):
        return self.directory / "results" / self.table

    @property
    def rows(self):
        return read_rows(self.csv)

    def lines(self, *words):
        """The lines of the output that have all of these words."""
        return [line for line in self.output.splitlines() if all(word in line for word in words)]


def run_process(directory, *options, script=SCRIPT, **kwargs):
    """Run a script in a process of its own."""
    directory.mkdir(exist_ok=True)
    process = start_script(directory, *options, script=script, **kwargs)
    out, err = process.communicate(timeout=300)
    return Run(process.returncode, out, err, directory)


def run_here(directory, *options, script=SCRIPT):
    """Run a script within this process, which is quicker; a traceback is a failure of the test."""
    main = importlib.import_module(Path(script).stem).main
    directory.mkdir(exist_ok=True)
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.setattr(sys, "argv", [str(script), *map(str, options)])
        patch.setattr(tempfile, "tempdir", str(directory))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main()
            except SystemExit as end:  # a wrong option
                status = end.code
    assert "Traceback" not in out.getvalue() + err.getvalue()
    return Run(status, out.getvalue(), err.getvalue(), directory)


def assert_refused(run, *words):
    """One line on stderr that has these words, and status 2."""
    assert run.status == 2, run.output
    assert run.out == ""
    assert run.err.count("\n") == 1, run.err
    assert all(word in run.err for word in words), run.err


def write_data(base):
    write_machine(base / "6dB" / "fan" / "id_00", seed=0)
    write_machine(base / "6dB" / "fan" / "id_02", seed=1, pitch=180)
    write_machine(base / "-6_dB_pump" / "pump" / "id_04", seed=2, pitch=300)
    write_machine(base / "0dB" / "valve" / "id_06", seed=3, normal=2)
    return base


def recording_path(base, label, number, machine="id_00"):
    return base / "6dB" / "fan" / machine / label / f"{number:08d}.wav"


def write_sealed(path, content):
    """Write a cache file that is whole, whatever its content."""
    with files.sealed_file(path) as file:
        file.write(content)
