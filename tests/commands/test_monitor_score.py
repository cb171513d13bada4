"""The command ``score``: lines for people, JSON and CSV for programs, exit status, and input of every kind."""

import csv
import io
import json
import os
import shutil
import sys

import numpy as np
import pytest
from monitor_support import healthy_sound, trained, with_knock, with_tone, without_band, write, write_healthy
from support import SOURCE, assert_refused, run_here

SCRIPT = SOURCE / "monitor.py"


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pump")
    path = folder / "pump.model"
    trained([write_healthy(folder / "healthy")], "mahalanobis").save(path)
    return path


@pytest.fixture(scope="module")
def sounds():
    """A healthy recording and faulty ones, as samples."""
    healthy = healthy_sound(np.random.default_rng(12))
    return {
        "healthy": healthy,
        "tone": with_tone(healthy),
        "knock": with_knock(healthy),
        "band": without_band(healthy),
    }


@pytest.fixture
def score(tmp_path, model_file):
    def run(*words, listed=None):
        with pytest.MonkeyPatch.context() as patch:
            if listed is not None:
                patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listed)))
            return run_here(tmp_path, "score", *words, "--model_file", model_file, script=SCRIPT)

    return run


def rows(run):
    return list(csv.DictReader(io.StringIO(run.out)))


def test_people_read_a_line_for_each_recording_and_what_was_found(score, sounds, tmp_path):
    for name, samples in sounds.items():
        write(tmp_path / "new" / f"{name}.wav", samples)
    run = score("new")
    assert run.status == 1
    lines = run.out.splitlines()
    assert lines[0].startswith("band.wav     ABNORMAL  ")
    assert lines[0].endswith(" of threshold; 1 in 10,000+ healthy as high")
    assert any("4.0-4.8 kHz: " in line and line.endswith(" dB quieter than usual, throughout") for line in lines)
    assert any(line.startswith("healthy.wav  normal    ") for line in lines)
    assert "    2.9-3.1 kHz: 12 dB louder than usual, from 1.9 s on" in lines
    assert any(line.endswith("dB louder than usual, at 2.6 s") for line in lines)
    assert "2 normal, 2 abnormal" in lines[-1] or "1 normal, 3 abnormal" in lines[-1]
    assert all(len(line) <= 80 for line in lines)
    assert run.err == ""


def test_the_exit_status_tells_normal_abnormal_and_error_apart(score, sounds, tmp_path):
    healthy = write(tmp_path / "healthy.wav", sounds["healthy"])
    tone = write(tmp_path / "tone.wav", sounds["tone"])
    assert score(healthy).status == 0
    assert score(healthy, tone).status == 1
    run = score(healthy, tone, tmp_path / "nowhere.wav")
    assert run.status == 2
    assert "    can't be read: No such file or directory" in run.out
    assert run.out.splitlines()[-1] == "1 normal, 1 abnormal, 1 not judged"


def test_a_warning_is_wrapped(score, sounds, tmp_path):
    run = score(write(tmp_path / "today.wav", 0.1 * sounds["healthy"]))
    assert "    warning: " in run.out
    assert "quieter than the quietest training recording" in " ".join(run.out.split())
    assert all(len(line) <= 80 for line in run.out.splitlines())


def test_json_has_an_object_in_each_line_and_null_where_there_is_no_number(score, sounds, tmp_path):
    tone, broken = write(tmp_path / "tone.wav", sounds["tone"]), tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    run = score(tone, broken, "--json")
    judged, not_judged = map(json.loads, run.out.splitlines())
    assert judged["path"] == str(tone)
    assert judged["verdict"] == "abnormal"
    assert judged["relative"] > 1
    assert judged["findings"][0]["text"] == "2.9-3.1 kHz: 12 dB louder than usual, from 1.9 s on"
    assert judged["findings"][0]["difference_db"] == pytest.approx(12, abs=1)
    assert not_judged["verdict"] == "can't be judged"
    assert not_judged["score"] is None
    assert not_judged["findings"] == []
    assert not_judged["reason"].startswith("can't be read")


def test_csv_has_a_row_for_each_recording(score, sounds, tmp_path):
    paths = [str(write(tmp_path / f"{name}.wav", sounds[name])) for name in ("healthy", "tone")]
    table = rows(score(*paths, "nowhere.wav", "--csv"))
    assert [row["path"] for row in table] == [*paths, "nowhere.wav"]
    assert [row["verdict"] for row in table] == ["normal", "abnormal", "can't be judged"]
    assert float(table[1]["score"]) > float(table[1]["threshold"])
    assert table[1]["findings"] == "2.9-3.1 kHz: 12 dB louder than usual, from 1.9 s on"
    assert table[2]["score"] == ""


def test_paths_come_from_standard_input_too(score, sounds, tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.wav", sounds["healthy"])
    assert [row["path"] for row in rows(score("-", "--csv", listed=b"a.wav\r\n\nb.wav"))] == ["a.wav", "b.wav"]
    assert [row["path"] for row in rows(score("b.wav", "-", "--csv", listed=b"a.wav\n"))] == ["b.wav", "a.wav"]
    assert_refused(score("-", listed=b"\n"), "there is no path in standard input")


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not allow")
def test_names_of_any_kind_are_judged_and_shown_in_one_line(score, sounds, tmp_path):
    names = [
        "with space.wav",
        "Lüfter 風.wav",
        "$HOME.wav",
        "two\nlines.wav",
        "one\rmore.wav",
        "-6dB.wav",
        "\x1b[31mred.wav",
        "'\".wav",
    ]
    folder = tmp_path / "names"
    for name in names:
        write(folder / name, sounds["healthy"])
    shutil.copy(folder / "$HOME.wav", os.fsencode(folder) + b"/caf\xe9.wav")
    run = score("names")
    assert run.status == 0
    lines = run.out.splitlines()
    assert len(lines) == len(names) + 2
    assert all(line.isprintable() for line in lines)
    assert any(line.startswith("two\\nlines.wav") for line in lines)
    read = {json.loads(line)["path"] for line in score("names", "--json").out.splitlines()}
    assert read == {f"names/{name}" for name in names} | {"names/caf\udce9.wav"}
    with_breaks = b"".join(os.fsencode(folder / name) + b"\0" for name in names)
    assert [row["path"] for row in rows(score("-", "--csv", listed=with_breaks))] == [
        str(folder / name) for name in names
    ]


def test_a_long_name_is_shortened_and_a_name_that_is_too_long_is_an_error(score, sounds, tmp_path):
    write(tmp_path / "data" / "normal" / "00000000.wav", sounds["healthy"])
    write(tmp_path / "data" / f"{'pump3-' * 20}0815.wav", sounds["healthy"])
    run = score("data", "x" * 300)
    assert run.status == 2
    lines = run.out.splitlines()
    assert sum(line.startswith("...ump3-0815.wav  normal") for line in lines) == 1
    assert all(len(line) <= 80 for line in lines)
    assert "File name too long" in run.out or sys.platform == "win32"


def test_of_long_names_that_end_alike_all_is_shown(score, sounds, tmp_path):
    names = [f"pump_{number:04d}_channel_one_mix.wav" for number in range(2)]
    for name in names:
        write(tmp_path / "data" / name, sounds["healthy"])
    write(tmp_path / "data" / "short.wav", sounds["healthy"])
    lines = score("data").out.splitlines()
    assert all(sum(line.startswith(f"{name}  normal") for line in lines) == 1 for name in [*names, "short.wav"])


def test_the_same_file_twice_has_two_lines(score, sounds, tmp_path):
    path = write(tmp_path / "today.wav", sounds["healthy"])
    assert [row["path"] for row in rows(score(path, path, "--csv"))] == [str(path)] * 2


def test_a_folder_without_audio_is_an_error_and_the_others_are_judged(score, sounds, tmp_path):
    (tmp_path / "empty").mkdir()
    assert_refused(score("empty"), "there is no audio file below empty")
    write(tmp_path / "new" / "10.wav", sounds["healthy"])
    write(tmp_path / "new" / "deep" / "er" / "9.wav", sounds["healthy"])
    write(tmp_path / "new" / "9.wav", sounds["healthy"])
    run = score("empty", "new", "--csv")
    assert run.status == 2
    assert "There is no audio file below empty" in run.err
    assert [row["path"] for row in rows(run)] == ["new/9.wav", "new/10.wav", "new/deep/er/9.wav"]


def test_model_files_that_can_not_be_used_are_refused_in_one_line(score, sounds, tmp_path, model_file):
    path = write(tmp_path / "today.wav", sounds["healthy"])

    def refused(content, *words):
        (tmp_path / "hostile.model").write_bytes(content)
        run = run_here(tmp_path, "score", path, "--model_file", tmp_path / "hostile.model", script=SCRIPT)
        assert_refused(run, *words)

    whole = model_file.read_bytes()
    refused(b"")
    refused(b"PK\x03\x04")
    refused(os.urandom(1000))
    refused(whole[:-1], "hostile.model")
    refused(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:], "hostile.model")
    run = run_here(tmp_path, "score", path, "--model_file", tmp_path / "nowhere.model", script=SCRIPT)
    assert_refused(run, "there is no model file", "monitor.py train makes one")
    assert_refused(run_here(tmp_path, "score", path, "--model_file", tmp_path, script=SCRIPT))


def test_help_tells_of_the_exit_status(score):
    run = score("--help")
    assert run.status == 0
    assert "1 if one is abnormal, 2 if one can't be judged" in " ".join(run.out.split())
