"""The command that prepares MIMII, and dataset/7z.sh."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support import ROOT, SOURCE

from mimii.commands import prepare_dataset
from mimii.data.mimii import SNRS, archives
from mimii.data.unpack import extract

SCRIPT = SOURCE / "prepare_dataset.py"
SHELL_SCRIPT = ROOT / "dataset" / "7z.sh"


# --- command line -----------------------------------------------------------------------------------------------


def test_help_is_quick():
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(SOURCE)!r}); sys.argv = [{str(SCRIPT)!r}, 'verify', '--help']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit: assert not {'numpy', 'pandas', 'requests', 'torch'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert "usage:" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "required: COMMAND"),
        (["upload"], "invalid choice: 'upload'"),
        (["extract"], "required: --base_dir"),
        (["verify", "--base_dir", ".", "--snr", "12dB"], "invalid choice: '12dB'"),
        (["download", "--base_dir", ".", "--machine_type", "engine"], "invalid choice: 'engine'"),
        (["verify", "--base_dir", ".", "--remove_archives"], "unrecognized arguments: --remove_archives"),
    ],
)
def test_wrong_options_are_one_line(capsys, options, message):
    with pytest.raises(SystemExit) as end:
        prepare_dataset.main(options)
    errors = capsys.readouterr().err
    assert end.value.code == 2
    assert errors.count("\n") == 1
    assert message in errors


def test_an_snr_may_be_written_as_the_archives_are_called():
    for text in ("-6dB", "-6_dB", "min6dB"):
        assert prepare_dataset.parse_args(["verify", "--base_dir", ".", "--snr", text, "0dB"]).snr == ["min6dB", "0dB"]


# --- 7z.sh ------------------------------------------------------------------------------------------------------

SHELLS = [shell for shell in ("dash", "sh", "bash") if shutil.which(shell)]
needs_shell = pytest.mark.skipif(not SHELLS, reason="there is no shell")

FAKE_7Z = """#!/bin/sh
for option; do
    case $option in
    -o*) directory=${option#-o} ;;
    ./*.zip) archive=$option ;;
    esac
done
test -f "$archive" || exit 7
echo "$*" >> log
grep -q damaged "$archive" && { echo "ERROR: $archive" >&2; exit 2; }
mkdir -p "$directory"
cp "$archive" "$directory/unpacked_$(basename "$archive")"
"""


@pytest.fixture
def dataset(tmp_path):
    """A directory with spaces in its name that has 7z.sh, and another with a 7z that copies the archive."""
    dataset = tmp_path / "data set"
    dataset.mkdir()
    shutil.copy(SHELL_SCRIPT, dataset)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "7z").write_text(FAKE_7Z)
    (tmp_path / "bin" / "7z").chmod(0o755)
    return dataset


def run_7z(shell, dataset, path=None, cwd="/"):
    path = path or f"{dataset.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command = [shutil.which(shell), os.path.relpath(dataset / "7z.sh", cwd)]
    environment = os.environ | {"PATH": path, "CDPATH": "/"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, encoding="utf-8", timeout=60)


@needs_shell
@pytest.mark.parametrize("shell", SHELLS)
def test_7z_sh_unpacks_what_is_there_from_any_directory(dataset, shell):
    for archive in archives():
        if archive.name != "0_dB_pump.zip":
            (dataset / archive.name).write_text(archive.name)
    result = run_7z(shell, dataset, cwd=Path(dataset.anchor))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "Not here: 0_dB_pump.zip"
    unpacked = {path.relative_to(dataset).as_posix() for path in dataset.glob("*/*")}
    assert unpacked == {
        f"{archive.folder}/unpacked_{archive.name}" for archive in archives() if archive.name != "0_dB_pump.zip"
    }
    assert run_7z(shell, dataset, cwd=dataset).returncode == 0


@needs_shell
@pytest.mark.parametrize("shell", SHELLS)
def test_7z_sh_stops_at_the_first_error(dataset, shell):
    for archive in archives():
        (dataset / archive.name).write_text("damaged" if archive.name == "0_dB_fan.zip" else "good")
    result = run_7z(shell, dataset)
    assert result.returncode == 1
    assert "0_dB_fan.zip could not be unpacked" in result.stderr
    assert [path.name for path in dataset.glob("*/*")] == ["unpacked_6_dB_fan.zip"]
    assert len((dataset / "log").read_text().splitlines()) == 2


@needs_shell
@pytest.mark.parametrize("shell", SHELLS)
def test_7z_sh_says_what_it_lacks(dataset, shell):
    result = run_7z(shell, dataset)
    assert result.returncode == 2
    assert "no archive of MIMII in" in result.stderr
    assert all(archive.name in result.stdout for archive in archives())
    (dataset / "dirname").symlink_to(shutil.which("dirname"))
    result = run_7z(shell, dataset, path=str(dataset))
    assert result.returncode == 2
    assert result.stderr == "7z.sh: error: there is no 7z: install p7zip, or use src/prepare_dataset.py extract\n"


@needs_shell
@pytest.mark.skipif(not shutil.which("7z"), reason="there is no 7z")
def test_7z_sh_and_extract_do_the_same(dataset):
    for archive in archives():
        with zipfile.ZipFile(dataset / archive.name, "w", zipfile.ZIP_DEFLATED) as content:
            content.writestr(f"{archive.path.stem.rpartition('_')[2]}/id_00/normal/00000000.wav", archive.name * 100)

    def unpacked():
        return {path.relative_to(dataset): path.read_bytes() for path in dataset.glob("*/*/*/*/*")}

    assert run_7z("sh", dataset, path=os.environ["PATH"]).returncode == 0
    by_7z = unpacked()
    assert len(by_7z) == 12
    for snr in SNRS:
        shutil.rmtree(dataset / snr)
    extract(dataset, archives())
    assert unpacked() == by_7z
