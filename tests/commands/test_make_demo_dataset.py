"""The command that makes the demo data set."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from support import SOURCE

from mimii.commands import make_demo_dataset
from mimii.data import synthesis
from mimii.data.demo import recorded_facts
from mimii.data.mimii import MACHINE_TYPES

SCRIPT = SOURCE / "make_demo_dataset.py"


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.wav"))}


def run(output_dir, *options):
    small = ["--normal", "1", "--abnormal", "1", "--machine_type", "valve", "--jobs", "1"]
    return make_demo_dataset.main(["--output_dir", str(output_dir), *small, *options])


@pytest.fixture(scope="module")
def valves(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "valves"
    assert run(folder, "--snr", "min6dB", "6dB") == 0
    return folder


def test_layout_is_that_of_mimii(valves):
    expected = {
        f"{snr}/valve/{machine_id}/{label}/00000000.wav"
        for snr in ("6dB", "min6dB")
        for machine_id in ("id_00", "id_02")
        for label in ("normal", "abnormal")
    }
    assert set(contents(valves)) == expected
    assert not [path for path in valves.rglob("*") if path.name.endswith(".tmp")]


def test_machines_of_a_type_may_be_one_to_four(tmp_path):
    assert run(tmp_path / "four", "--ids", "4") == 0
    found = {path.parent.parent.name for path in (tmp_path / "four").rglob("*.wav")}
    assert found == {"id_00", "id_02", "id_04", "id_06"}
    assert len({path.read_bytes() for path in (tmp_path / "four").rglob("*.wav")}) == 8  # each sounds of its own


def test_a_data_set_whose_readme_names_no_number_of_machines_has_two_of_a_type(valves, tmp_path):
    shutil.copytree(valves, tmp_path / "valves")
    readme = tmp_path / "valves/README.txt"
    readme.write_text(readme.read_text().replace('"ids": 2, ', ""))
    assert run(tmp_path / "valves", "--snr", "6dB", "min6dB") == 0


def test_files_are_16_khz_10_s_pcm16_and_do_not_clip(valves):
    for path in valves.rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.frames, info.channels, info.subtype) == (16000, 160000, 1, "PCM_16")
        samples = soundfile.read(path, dtype="int16")[0]
        assert 100 < np.abs(samples.astype(int)).max() < 32767


def test_the_seed_decides_and_processes_do_not(valves, tmp_path):
    assert run(tmp_path / "again", "--jobs", "2", "--snr", "6dB", "min6dB") == 0
    assert contents(tmp_path / "again") == contents(valves)
    assert run(tmp_path / "other", "--seed", "43", "--snr", "6dB", "min6dB") == 0
    other, first = contents(tmp_path / "other"), contents(valves)
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first)


def test_number_of_recordings_does_not_change_a_recording(valves, tmp_path):
    assert run(tmp_path / "more", "--normal", "2", "--abnormal", "0") == 0
    more, first = contents(tmp_path / "more"), contents(valves)
    name = "6dB/valve/id_02/normal/00000000.wav"
    assert more[name] == first[name] != more[name.replace("0.wav", "1.wav")]


def test_channel_0_of_8_is_the_single_channel(valves, tmp_path):
    assert run(tmp_path / "array", "--channels", "8", "--abnormal", "0") == 0
    name = "6dB/valve/id_00/normal/00000000.wav"
    array = soundfile.read(tmp_path / "array" / name, dtype="int16")[0]
    single = soundfile.read(valves / name, dtype="int16")[0]
    assert array.shape == (160000, 8)
    np.testing.assert_array_equal(array[:, 0], single)
    assert len(np.unique(array, axis=1).T) == 8


def test_snr_changes_the_noise_and_not_the_machine(valves):
    machine, noise = synthesis.recording_parts("valve", "id_00", "abnormal", 0, 42)
    for snr, gain in (("6dB", 10**-0.3), ("min6dB", 10**0.3)):
        samples = soundfile.read(valves / snr / "valve/id_00/abnormal/00000000.wav", dtype="int16")[0]
        np.testing.assert_allclose(samples, 32767 * (machine + gain * noise)[:, 0], atol=0.51)


def test_command_offers_the_machines_that_can_be_synthesised():
    assert {machine_type for machine_type, _ in synthesis.MACHINES} == set(MACHINE_TYPES)
    assert {machine_id for _, machine_id in synthesis.MACHINES} == {"id_00", "id_02", "id_04", "id_06"}
    assert len(synthesis.MACHINES) == 16


def test_second_call_says_that_all_is_there(valves, capsys):
    before = {path: path.stat().st_mtime_ns for path in valves.rglob("*") if path.is_file()}
    assert run(valves, "--snr", "6dB", "min6dB") == 0
    assert "already there" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in valves.rglob("*") if path.is_file()}


def test_interrupted_set_is_completed(tmp_path, capsys):
    assert run(tmp_path / "demo") == 0
    whole = contents(tmp_path / "demo")
    next((tmp_path / "demo").rglob("*.wav")).unlink()
    assert run(tmp_path / "demo") == 0
    assert "wrote 1 of 4" in capsys.readouterr().out
    assert contents(tmp_path / "demo") == whole


def test_snr_can_be_added(tmp_path, capsys):
    folder = tmp_path / "demo"
    assert run(folder, "--snr", "0dB") == 0
    assert run(folder, "--snr", "6dB") == 0
    assert run(folder, "--snr", "6dB", "0dB") == 0
    out = capsys.readouterr().out.splitlines()
    assert "already there" in out[-1]
    assert recorded_facts(folder / "README.txt")["snr"] == ["6dB", "0dB"]


def test_readme_and_closing_line_say_synthetic_and_how_it_was_made(tmp_path, capsys):
    assert run(tmp_path / "demo", "--seed", "5") == 0
    text = (tmp_path / "demo" / "README.txt").read_text()
    assert "SYNTHETIC" in text
    assert '"seed": 5' in text
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "Synthetic" in out
    assert "4 recordings" in out
    assert "1.3 MB" in out


def refused(capsys, output_dir, *options):
    """Exit status 2 and one line on stderr, which is returned."""
    try:
        status = run(output_dir, *options)
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    "options",
    [
        ["--snr", "3dB"],
        ["--normal", "-1"],
        ["--abnormal", "x"],
        ["--normal", "0", "--abnormal", "0"],
        ["--seed", "-1"],
        ["--jobs", "0"],
        ["--channels", "2"],
        ["--machine_type", "toaster"],
        ["--unknown"],
    ],
)
def test_bad_options_are_refused_in_one_line(tmp_path, capsys, options):
    refused(capsys, tmp_path / "demo", *options)
    assert not (tmp_path / "demo").exists()


def test_foreign_folder_is_left_alone(tmp_path, capsys):
    recording = tmp_path / "6dB" / "valve" / "id_00" / "normal" / "00000000.wav"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"a real recording")
    (tmp_path / "README.txt").write_text("my recordings\n{}\n")
    assert str(tmp_path) in refused(capsys, tmp_path)
    assert recording.read_bytes() == b"a real recording"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["6dB", "README.txt"]


def test_demo_set_of_other_options_is_left_alone(valves, capsys):
    before = contents(valves)
    assert "seed" in refused(capsys, valves, "--seed", "43")
    assert "channels" in refused(capsys, valves, "--channels", "8")
    assert contents(valves) == before


def test_output_dir_that_cannot_be_made_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    refused(capsys, tmp_path / "file")
    refused(capsys, tmp_path / "file" / "demo")


def test_recording_that_cannot_be_written_is_one_line(tmp_path, capsys):
    run(tmp_path / "demo")
    path = next((tmp_path / "demo").rglob("*.wav"))
    path.unlink()
    (path / "in the way").mkdir(parents=True)
    capsys.readouterr()
    assert path.name in refused(capsys, tmp_path / "demo")


def test_help_does_not_import_what_is_slow_to_import():
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
        f"sys.argv = [{str(SCRIPT)!r}, '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as stop:\n"
        "    assert stop.code == 0\n"
        "slow = {'numpy', 'scipy', 'soundfile', 'joblib', 'tqdm', 'torch'} & set(sys.modules)\n"
        "sys.exit(f'imported {slow}' if slow else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in ("--output_dir", "--seed", "--snr", "--channels", "--normal", "--abnormal", "--jobs"):
        assert option in done.stdout
    assert "SYNTHETIC" in done.stdout
