"""`monitor.py watch` and `report`, as a user starts them."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from monitor_support import HEALTHY, healthy_sound, trained, with_tone, write, write_healthy
from support import SOURCE, assert_refused, run_here

from mimii.data import folders
from mimii.monitoring import judging
from mimii.monitoring.drift import many

SCRIPT = SOURCE / "monitor.py"
OPTIONS = ["--model_file", "pump.model", "--history", "history.csv"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with a model file."""
    place = tmp_path_factory.mktemp("watch")
    trained([write_healthy(place / "healthy")], "mahalanobis").save(place / "pump.model")
    return place


@pytest.fixture
def work(place, tmp_path):
    """A directory of its own, with a folder in which a healthy, a faulty and an unreadable recording lie."""
    (tmp_path / "pump.model").write_bytes((place / "pump.model").read_bytes())
    rng = np.random.default_rng(HEALTHY + 1)
    write(tmp_path / "in" / "a.wav", healthy_sound(rng))
    write(tmp_path / "in" / "night" / "b.wav", with_tone(healthy_sound(rng)))
    write(tmp_path / "in" / "c.wav", healthy_sound(rng)[:100])
    for number, name in enumerate(("a.wav", "night/b.wav", "c.wav")):
        os.utime(tmp_path / "in" / name, (1e9 + number, 1e9 + number))
    return tmp_path


def watch(work, *options):
    return run_here(work, "watch", "in", *OPTIONS, *options, script=SCRIPT)


def rows(work):
    with open(work / "history.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_recording_is_judged_once_and_has_a_row(work):
    first = watch(work, "--once")
    assert first.status == 2  # one can't be judged
    assert [(row["path"][-5:], row["verdict"]) for row in rows(work)] == [
        ("a.wav", "normal"),
        ("b.wav", "abnormal"),
        ("c.wav", "can't be judged"),
    ]
    assert [row["recorded"] for row in rows(work)][:2] == ["2001-09-09T01:46:40+00:00", "2001-09-09T01:46:41+00:00"]
    assert float(rows(work)[1]["relative"]) > 1 > float(rows(work)[0]["relative"])
    assert "kHz" in rows(work)[1]["findings"]
    assert "too short" in rows(work)[2]["reason"]
    assert all(len(line) <= 80 for line in first.out.splitlines())

    again = watch(work, "--once")
    assert (again.status, again.out) == (0, "")
    assert len(rows(work)) == 3
    write(work / "in" / "d.wav", with_tone(healthy_sound(np.random.default_rng(7))))
    os.utime(work / "in" / "d.wav", (1e9, 1e9))
    assert watch(work, "--once").status == 1
    assert len(rows(work)) == 4


def test_a_file_that_was_just_written_is_waited_for(work):
    path = write(work / "in" / "new.wav", healthy_sound(np.random.default_rng(8)))
    os.utime(path)
    assert watch(work, "--once", "--settle", "0.3").status == 2
    assert len(rows(work)) == 4


def test_a_file_that_is_not_complete_is_left_for_the_next_time(work, monkeypatch):
    path = work / "in" / "a.wav"

    def grow(seconds):
        content = path.read_bytes()
        path.write_bytes(content + content)
        os.utime(path, (time.time() + 3600,) * 2)

    os.utime(path, (time.time() + 3600,) * 2)
    monkeypatch.setattr(time, "sleep", grow)
    run = watch(work, "--once", "--settle", "0.1")
    assert len(rows(work)) == 2
    assert run.err.count("wait for the next time") == 1


def test_a_folder_that_can_not_be_searched_is_an_error(work, monkeypatch):
    watch(work, "--once")
    monkeypatch.setattr(folders.os, "scandir", refused)
    again = watch(work, "--once")
    assert again.status == 2
    assert "was not searched" in again.err


def refused(path):
    raise PermissionError(13, "Permission denied")


def test_what_went_away_before_it_was_judged_is_judged_when_it_is_back(work, monkeypatch):
    away = work / "in" / "night" / "b.wav"
    content = away.read_bytes()
    judged = judging.judge_all

    def vanishing(*arguments):
        away.unlink()
        return judged(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(judging, "judge_all", vanishing)
        watch(work, "--once")
    assert [row["path"][-5:] for row in rows(work)] == ["a.wav", "c.wav"]
    away.write_bytes(content)
    os.utime(away, (1e9, 1e9))
    assert watch(work, "--once").status == 1
    assert [row["path"][-5:] for row in rows(work)] == ["a.wav", "c.wav", "b.wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are other on Windows")
def test_a_watch_that_is_killed_goes_on_and_one_that_is_terminated_says_so(work):
    def start():
        command = [sys.executable, str(SCRIPT), "watch", "in", *OPTIONS, "--settle", "0.2", "--interval", "0.5"]
        return subprocess.Popen(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")

    def wait_for(count):
        deadline = time.monotonic() + 60
        while not (work / "history.csv").exists() or len(rows(work)) < count:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    process = start()
    wait_for(1)
    process.kill()
    process.communicate()
    process = start()
    wait_for(3)
    write(work / "in" / "later.wav", healthy_sound(np.random.default_rng(9)))
    wait_for(4)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 143, err
    assert "Traceback" not in out + err
    assert len({row["recording_id"] for row in rows(work)}) == len(rows(work)) == 4


def test_drift_is_told_once(work):
    for name in ("night/b.wav", "c.wav"):
        (work / "in" / name).unlink()
    rng = np.random.default_rng(10)
    for number in range(44):
        drifted = healthy_sound(rng) + np.float32(0.0023) * np.sin(np.arange(64_000) * 1.2).astype("f4")
        path = write(work / "in" / f"{number:02d}.wav", drifted)
        os.utime(path, (1e9 + 10 + number,) * 2)
    run = watch(work, "--once")
    verdicts = [row["verdict"] for row in rows(work)]
    shares = [float(row["share"]) for row in rows(work) if row["verdict"] == "normal"]
    assert verdicts.count("normal") >= 30
    assert sum(share < 0.5 for share in shares[-30:]) >= many(HEALTHY)
    assert run.err.count("The machine drifts") == 1
    picture = run_here(work, "report", "--history", "history.csv", "--output", "h.png", script=SCRIPT)
    assert picture.status == 0
    assert "45 recordings" in picture.out
    assert "The machine drifts" in picture.out
    assert (work / "h.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["watch", "nowhere", *OPTIONS], "there is no folder"),
        (["watch", "in", "--model_file", "no.model", "--history", "h.csv"], "no.model"),
        (["watch", "in", "--model_file", "in/a.wav", "--history", "h.csv"], "a.wav"),
        (["watch", "in", "--model_file", "pump.model", "--history", "pump.model"], "pump.model"),
        (["report", "--history", "none.csv", "--output", "h.png"], "there is no history"),
        (["report", "--history", "pump.model", "--output", "h.png"], "pump.model"),
    ],
)
def test_what_is_wrong_is_one_line(options, word, work):
    run = run_here(work, *options, *["--once"] * (options[0] == "watch"), script=SCRIPT)
    assert_refused(run, word)
