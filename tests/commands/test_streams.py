"""Every command prints to a console that knows few letters, and to none at all."""

import os
import subprocess
import sys

import pytest
from support import ROOT, SOURCE, script_environment, write_machine

LEGACY = {"PYTHONIOENCODING": "cp1252"}
ON_CPU = ("--jobs", 1, "--device", "cpu")
COMMANDS = {
    "exp_autoencoding": (
        "--base_dir",
        "音/6dB",
        "--model",
        "mahalanobis",
        "--retrain",
        *ON_CPU,
        "--result_dir",
        "結果",
    ),
    "exp_classification": ("--base_dir", "音/6dB", "--model", "svm", "--retrain", *ON_CPU, "--result_dir", "結果"),
    "baseline": (
        *("--base_directory", "音/6dB", "--result_directory", "結果", "--epochs", 1, "--retrain", *ON_CPU),
        *("--config", ROOT / "baseline.yaml"),
    ),
    "make_report": ("--result_dir", "結果"),
    "make_demo_dataset": ("--output_dir", "デモ", "--machine_type", "fan", "--normal", 1, "--abnormal", 1, "--jobs", 1),
    "prepare_dataset": ("verify", "--base_dir", "音"),
}
# all commands end in the same way, so the quick ones are run each time and the others with the tests of faults
SLOW = ("exp_classification", "baseline", "make_report")
EACH = [pytest.param(name, marks=pytest.mark.faults) if name in SLOW else name for name in COMMANDS]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("streams")
    write_machine(directory / "音/6dB/ファン/id_00", normal=6, abnormal=2)
    assert start(directory, "exp_autoencoding", env=LEGACY).returncode == 0  # the report needs results
    return directory


def start(directory, name, *, env=None, closed=False):
    words = [sys.executable, SOURCE / f"{name}.py", *COMMANDS[name]]
    if closed:
        words = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words]
    return subprocess.run(
        list(map(str, words)),
        cwd=directory,
        env=script_environment(directory) | (env or {}),
        capture_output=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("name", EACH)
def test_what_a_console_can_not_print_is_escaped(directory, name):
    done = start(directory, name, env=LEGACY)
    output = (done.stdout + done.stderr).decode("cp1252")
    assert done.returncode == (1 if name == "prepare_dataset" else 0), output  # the recordings are not MIMII's
    assert "Traceback" not in output
    assert "\\u" in output


@pytest.mark.skipif(os.name == "nt", reason="streams can't be closed like this")
@pytest.mark.parametrize("name", EACH)
def test_closed_streams_change_no_exit_status(directory, name):
    assert start(directory, name, closed=True).returncode == (1 if name == "prepare_dataset" else 0)
