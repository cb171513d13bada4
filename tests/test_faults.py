"""The faults that a sweep survives, each one caused: nothing is lost, and nothing wrong is let in.

Those that take minutes are marked ``faults``: ``make test-faults`` runs them.
"""

import contextlib
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import soundfile
from support import (
    SAMPLE_RATE,
    SOURCE,
    Run,
    read_rows,
    recording_path,
    run_here,
    run_process,
    script_environment,
    sound,
    start_script,
)

from mimii.models import CLASSIFIERS, DETECTORS
from mimii.runtime.exclusive import Exclusive
from mimii.storage import schema

resource = pytest.importorskip("resource", reason="signals, mounts and limits are other on Windows")

KEY = ["model", "snr", "machine_type", "machine_id"]
NUMBERS = ["auc", "pr_auc", "pauc", "num_parameters", "train_files", "eval_files", "skipped_files", "train_samples"]
FAST = ["--model", "simple_ae", "--epochs", "1", "--jobs", "1"]
REMADE = ("is made again", "is trained again")  # what is said of a cache that can't be used


def comparable(rows):
    """What must be equal in every run, in an order of its own."""
    return rows[[*KEY, *NUMBERS, "run_id"]].sort_values([*KEY, "run_id"], ignore_index=True)


def wait_for(text, process, directory):
    """Wait until the log of a running script has a text."""
    while not any(text in path.read_text(encoding="utf-8") for path in (directory / "results" / "logs").glob("*.log")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


def left_over(process):
    """Processes that a script has started and that are still there a while after it ended."""
    group = [other for other in psutil.process_iter() if is_of_group(other.pid, process.pid)]
    return psutil.wait_procs(group, timeout=30)[1]


def is_of_group(pid, group):
    try:
        return pid != group and os.getpgid(pid) == group
    except ProcessLookupError:
        return False


def long_recording(path, seconds):
    """Write hours of silence that take no space on the disk, nor time."""
    soundfile.write(path, np.zeros(1, dtype=np.int16), SAMPLE_RATE)
    size = 2 * SAMPLE_RATE * seconds
    with open(path, "rb+") as file:
        file.seek(4)
        file.write((size + 36).to_bytes(4, "little"))
        file.seek(40)
        file.write(size.to_bytes(4, "little"))
        file.truncate(size + 44)


# --- recordings


def without_privileges():
    """Let the root user, too, be refused what the permissions of a file don't allow."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="file names and capabilities are Linux'")
def test_a_directory_of_all_kinds_of_wavs_is_used_or_named_file_by_file(own_data, tmp_path):
    folder = recording_path(own_data, "normal", 5).parent
    good = recording_path(own_data, "normal", 5).read_bytes()
    samples = sound(np.random.default_rng(5))
    with_infinity, with_nan = samples.copy(), samples.copy()
    with_infinity[7], with_nan[7] = np.inf, np.nan
    contents = {"empty": b"", "header only": good[:44], "truncated": good[: len(good) // 2], "no wav": b"RIFF, says he"}
    for name, content in contents.items():
        (folder / f"bad {name}.wav").write_bytes(content)
    soundfile.write(folder / "bad nan.wav", with_nan, SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(folder / "bad inf.wav", with_infinity, SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(folder / "bad 1 sample.wav", samples[:1], SAMPLE_RATE)
    soundfile.write(folder / "bad 8 kHz.wav", samples[::2], SAMPLE_RATE // 2)
    (folder / "bad directory.wav").mkdir()
    (folder / "bad link.wav").symlink_to(folder / "nowhere.wav")
    shutil.copy(recording_path(own_data, "normal", 5), folder / "bad permission.wav")
    (folder / "bad permission.wav").chmod(0)
    soundfile.write(folder / "silence.wav", np.zeros(32000), SAMPLE_RATE)
    soundfile.write(folder / "24 bit.wav", samples, SAMPLE_RATE, subtype="PCM_24")
    soundfile.write(folder / "8 channels.wav", np.tile(samples[:, None], 8), SAMPLE_RATE)
    soundfile.write(folder / "mit Leerzeichen, Umlauten äöü und 風.wav", samples, SAMPLE_RATE)
    source = recording_path(own_data, "abnormal", 0)
    shutil.copy(source, os.fsencode(source.parent) + b"/caf\xe9.wav")

    work = tmp_path / "work"
    work.mkdir()
    options = ["--base_dir", own_data, *FAST, "--machine_id", "id_00", "id_02"]
    run = run_process(work, *options, preexec_fn=without_privileges)
    assert run.status == 0, run.output
    assert "Traceback" not in run.output
    bad = sorted(str(path) for path in folder.glob("bad*"))
    assert len(bad) == 11
    assert [len(run.lines(path)) for path in bad] == [1] * 11, run.output
    rows = run.rows.set_index("machine_id")
    assert rows["train_files"].to_dict() == {"id_00": 3 + 4, "id_02": 4}
    is_used = 1 - len(run.lines("caf"))  # the name that is no UTF-8
    assert rows["eval_files"].to_dict() == {"id_00": 5 + is_used, "id_02": 4}
    assert rows["skipped_files"].to_dict() == {"id_00": 12 - is_used, "id_02": 0}
    assert rows["auc"].between(0, 1).all()


@pytest.mark.faults
def test_a_recording_of_three_hours_is_used_within_a_bound_of_memory(own_data, tmp_path):
    long_recording(recording_path(own_data, "normal", 6), 3 * 3600)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    work = tmp_path / "work"
    work.mkdir()
    run = run_process(work, "--base_dir", own_data, *FAST, "--machine_id", "id_00")
    assert run.status == 0, run.output
    row = run.rows.iloc[0]
    assert (row["train_files"], row["skipped_files"]) == (5, 0)
    assert row["train_samples"] > 3 * 3600 * SAMPLE_RATE // 512
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    assert before * 1024 < peak < 2.5e9


# --- the disk


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk):
    """Write until there is no room for another byte."""
    with open(disk / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert os.statvfs(disk).f_bavail == 0


def contents(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.suffix != ".log"}


@pytest.mark.parametrize(
    "option", ["--pickle_dir", pytest.param("--model_dir", marks=pytest.mark.faults), "--result_dir"]
)
def test_a_full_disk_is_one_line_and_what_was_there_stays(option, small_disk, data, tmp_path):
    command = ["--base_dir", data, *FAST, option, small_disk, "--output_csv", small_disk / "table.csv"]
    work = tmp_path / "work"
    assert run_here(work, *command, "--machine_id", "id_00").status == 0
    fill(small_disk)
    before = contents(small_disk)
    full = run_here(work, *command, "--machine_id", "id_02")
    assert full.status == 2
    [line] = full.lines("error:")
    assert "No space left on device" in line
    assert str(small_disk) in line
    assert contents(small_disk) == before
    (small_disk / "filler").unlink()
    assert run_here(work, *command).status == 0
    assert sorted(read_rows(small_disk / "table.csv")["machine_id"]) == ["id_00", "id_02", "id_04"]


@pytest.mark.parametrize("what", ["features", "models"])
def test_a_limit_of_file_size_is_one_line_and_what_was_there_stays(what, data, tmp_path):
    work = tmp_path / "work"
    assert run_here(work, "--base_dir", data, *FAST, "--machine_id", "id_00").status == 0
    more = ["--machine_id", "id_02"] if what == "features" else ["--machine_id", "id_00", "--seed", "1"]
    before = contents(work)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
    try:
        run = run_here(work, "--base_dir", data, *FAST, *more)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert run.status == 2
    [line] = run.lines("error:")
    assert "File too large" in line
    assert what in line
    assert contents(work) == before
    assert run_here(work, "--base_dir", data, *FAST, *more).status == 0


# --- Ctrl-C, kill -9, and two at once


def interrupt(process, number=signal.SIGINT):
    """Press Ctrl-C, which a terminal sends to all processes of a command; gives how long it took to end [s]."""
    begin = time.monotonic()
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    seconds = time.monotonic() - begin
    status, word = (130, "Interrupted") if number == signal.SIGINT else (143, "Terminated")
    assert process.returncode == status, err
    assert "Traceback" not in out + err
    assert err.splitlines()[-1] == f"{word}. What is done is kept; give the same command again to go on."
    assert left_over(process) == []
    return seconds


@pytest.mark.parametrize(
    ("when", "jobs"),
    [
        ("epoch 1/", 1),
        pytest.param("Extracting", 1, marks=pytest.mark.faults),
        pytest.param("Extracting", 2, marks=pytest.mark.faults),
        pytest.param("epoch 1/", 2, marks=pytest.mark.faults),
    ],
)
def test_ctrl_c_ends_a_run_within_two_seconds(when, jobs, own_data, tmp_path):
    if when == "Extracting":
        for machine in ("id_00", "id_02"):
            for number in (6, 7):
                long_recording(recording_path(own_data, "normal", number, machine), 3600)
    options = ["--base_dir", own_data, "--machine_type", "fan", "--model", "lstm_ae", "--epochs", "500"]
    seconds = []
    while len(seconds) < 3 and min(seconds, default=9) > 2:  # another process may have had the machine
        work = tmp_path / f"work{len(seconds)}"
        work.mkdir()
        process = start_script(work, *options, "--jobs", jobs)
        wait_for(when, process, work)
        time.sleep(0.5)
        seconds.append(interrupt(process))
    assert min(seconds) < 2


@pytest.mark.parametrize(
    ("jobs", "number"),
    [
        pytest.param(1, signal.SIGINT, marks=pytest.mark.faults),
        pytest.param(2, signal.SIGTERM, marks=pytest.mark.faults),
        pytest.param(1, signal.SIGTERM, marks=pytest.mark.faults),
        pytest.param(2, signal.SIGINT, marks=pytest.mark.faults),
    ],
)
def test_a_run_that_waits_for_another_one_ends_too(number, jobs, data, tmp_path):
    process = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", script_environment(tmp_path)["TMPDIR"])
        with Exclusive().alone():
            process = start_script(tmp_path, "--base_dir", data, *FAST[:-1], jobs)
            wait_for("Waiting for process", process, tmp_path)
            interrupt(process, number)
    assert not (tmp_path / "results" / "research_results.csv").exists()


@pytest.mark.faults
def test_sigterm_ends_a_run_in_the_middle(data, tmp_path):
    process = start_script(tmp_path, "--base_dir", data, "--model", "lstm_ae", "--epochs", "500", "--jobs", "2")
    wait_for("epoch 1/", process, tmp_path)
    interrupt(process, signal.SIGTERM)


def test_a_file_in_the_way_of_the_locks_is_one_line_at_the_start(data, tmp_path):
    directory = Path(script_environment(tmp_path)["TMPDIR"])
    (directory / f"mimii-{os.getuid()}").touch()
    run = run_process(tmp_path, "--base_dir", data, *FAST)
    assert run.status == 2
    [line] = run.lines("error:")
    assert "it is no directory" in line
    assert not list((tmp_path / "cache").rglob("*.pickle"))


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux'")
@pytest.mark.faults
def test_complete_caches_may_be_read_only(data, tmp_path):
    options = ["--base_dir", data, "--model", "mahalanobis", "--jobs", "1", "--machine_id", "id_00"]
    assert run_here(tmp_path, *options).status == 0
    caches = sorted((tmp_path / "cache").iterdir())
    assert len(caches) == 2
    shutil.rmtree(tmp_path / "results")
    for directory in caches:
        directory.chmod(0o555)
    try:
        again = run_process(tmp_path, *options, preexec_fn=without_privileges)
        other_model = run_process(tmp_path, *options, "--model", "knn", preexec_fn=without_privileges)
        other_machine = run_process(tmp_path, *options[:-1], "id_02", preexec_fn=without_privileges)
    finally:
        for directory in caches:
            directory.chmod(0o755)
    assert again.status == 0, again.output
    assert len(again.rows) == 1
    for run, directory in ((other_model, "models"), (other_machine, "models")):
        assert run.status == 2
        [line] = run.lines("error: cannot write to")
        assert directory in line
    caches[0].chmod(0o555)
    try:
        run = run_process(tmp_path, *options[:-1], "id_02", preexec_fn=without_privileges)
    finally:
        caches[0].chmod(0o755)
    assert run.status == 2
    [line] = run.lines("error: cannot write to")
    assert "the features of 1 machine(s), which it lacks" in line


@pytest.mark.faults
def test_an_interrupted_command_goes_on_where_it_was(data, tmp_path):
    options = ["--base_dir", data, "--machine_type", "fan", "--model", "mahalanobis", "lstm_ae", "--epochs", "10"]
    process = start_script(tmp_path, *options, "--jobs", "2")
    csv = tmp_path / "results" / "research_results.csv"
    while not csv.exists() and process.poll() is None:
        time.sleep(0.05)
    interrupt(process)
    done = read_rows(csv)
    assert 1 <= len(done) < 4

    again = run_here(tmp_path, *options, "--jobs", "1")
    assert again.status == 0, again.output
    assert sorted(again.rows[["model", "machine_id"]].itertuples(index=False, name=None)) == [
        (model, machine) for model in ("lstm_ae", "mahalanobis") for machine in ("id_00", "id_02")
    ]
    pd.testing.assert_frame_equal(again.rows.iloc[: len(done)], done)


@pytest.mark.faults
def test_two_processes_with_the_same_command_write_every_row_once(data, tmp_path):
    options = ["--base_dir", data, "--model", "simple_ae", "mahalanobis", "--epochs", "6", "--jobs", "1"]
    processes = [start_script(tmp_path, *options) for _ in range(2)]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert "warning: The" not in str(outputs)  # no cache was met half written
    rows = read_rows(tmp_path / "results" / "research_results.csv")
    assert len(rows) == 6
    assert rows["run_id"].is_unique
    shutil.rmtree(tmp_path / "results")
    again = run_here(tmp_path, *options)
    assert not any(again.lines(word) for word in REMADE)
    pd.testing.assert_frame_equal(comparable(again.rows), comparable(rows), check_exact=True)


@pytest.mark.faults
def test_kill_9_at_twenty_random_moments_costs_the_task_in_hand_and_nothing_else(data, tmp_path):
    options = ["--base_dir", data, "--model", "simple_ae", "lstm_ae", "isolation_forest", "--epochs", "60"]
    options += ["--seeds", *map(str, range(1, 25)), "--jobs", "2"]
    undisturbed = run_process(tmp_path, *options)
    assert undisturbed.status == 0, undisturbed.output
    work = tmp_path / "killed"
    work.mkdir()
    run = Run(None, "", "", work)
    moments = random.Random(9)
    models, rows = {}, b""
    for number in range(20):
        process = start_script(work, *options)
        time.sleep(moments.uniform(0.1, 12))
        assert process.poll() is None
        if number % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()  # the workers must notice
        _, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        assert left_over(process) == []
        now = run.csv.read_bytes() if run.csv.exists() else b""
        assert now.startswith(rows)  # none is lost, none is written again
        assert not now or now.endswith(b"\n")
        kept = {path: path.stat().st_mtime_ns for path in (work / "cache").rglob("*.model")}
        assert models.items() <= kept.items()  # what is trained is not trained again
        models, rows = kept, now
    last = run_process(work, *options)
    assert last.status == 0, last.output
    assert not any(last.lines(word) for word in REMADE)
    assert run.rows["run_id"].is_unique
    pd.testing.assert_frame_equal(comparable(run.rows), comparable(undisturbed.rows), check_exact=True)


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["autoencoding", "classification"])
def test_all_models_give_the_same_numbers_whatever_the_jobs_and_the_order(kind, tmp_path):
    script = SOURCE / f"exp_{kind}.py"
    demo = script.with_name("make_demo_dataset.py")
    few = ["--machine_type", "fan", "pump", "--normal", "9", "--abnormal", "3"]  # some networks take long on a CPU
    subprocess.run([sys.executable, demo, "--output_dir", tmp_path / "data", *few], check=True, capture_output=True)
    tables = []
    for jobs, step in (("1", 1), ("2", -1)):
        models = list(DETECTORS) if kind == "autoencoding" else list(CLASSIFIERS)
        work = tmp_path / jobs
        work.mkdir()
        command = [script, "--base_dir", tmp_path / "data", "--epochs", "2", "--jobs", jobs, "--model", *models[::step]]
        subprocess.run([sys.executable, *command], cwd=work, check=True, capture_output=True)
        [table] = (work / "results").glob("*.csv")
        costs = schema.of_group("cost", table="detection" if kind == "autoencoding" else "classification")
        rows = read_rows(table).drop(columns=[*set(costs) - {"num_parameters"}, "jobs", "timestamp"])
        tables.append(rows.sort_values("run_id", ignore_index=True))
    assert len(tables[0]) > 11
    pd.testing.assert_frame_equal(*tables, check_exact=True)
