"""Archives are unpacked whole or not at all."""

import contextlib
import io
import os
import shutil
import signal
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from archive_support import FAN, fails, names, needs_posix, script
from hypothesis import given, settings
from hypothesis import strategies as st

from mimii.commands import prepare_dataset
from mimii.data.mimii import archives
from mimii.data.unpack import extract
from mimii.errors import UserError

MEMBERS = {
    f"fan/id_0{machine}/{label}/0000000{number}.wav": np.random.default_rng([machine, number]).bytes(20_000) * 3
    for machine in (0, 2)
    for label in ("normal", "abnormal")
    for number in range(2)
}


def write_zip(path, members=MEMBERS, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.mkdir("fan")
        for member, content in members.items():
            archive.writestr(member, content)
    return path


def contents(directory):
    """All files below a directory, but for locks."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(Path(directory).rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.fixture
def fan_zip(tmp_path):
    return write_zip(tmp_path / FAN.name)


def test_archives_are_unpacked_into_the_directory_of_their_snr(tmp_path, capsys):
    for archive in archives(machine_types=["fan"]):
        write_zip(tmp_path / archive.name, {"fan/id_00/normal/00000000.wav": archive.folder.encode()})
    extract(tmp_path, archives())
    unpacked = {name: content for name, content in contents(tmp_path).items() if name.endswith(".wav")}
    assert unpacked == {f"{snr}/fan/id_00/normal/00000000.wav": snr.encode() for snr in ("6dB", "0dB", "min6dB")}
    output = capsys.readouterr().out
    assert f"-6_dB_fan.zip: 1 files written to {tmp_path / 'min6dB'}, 0 were there already" in output
    assert output.count(".zip: ") == 3
    assert "not there: 6_dB_pump.zip, " in output


def test_zip64_archives_are_unpacked(tmp_path):
    name, content = "fan/id_00/normal/00000000.wav", np.random.default_rng(0).bytes(300_000)
    with zipfile.ZipFile(tmp_path / FAN.name, "w") as archive, archive.open(name, "w", force_zip64=True) as member:
        member.write(content)
    extract(tmp_path, [FAN])
    assert contents(tmp_path / "6dB") == {name: content}


def test_members_that_are_whole_are_left_alone_and_others_are_mended(tmp_path, fan_zip, capsys):
    extract(tmp_path, [FAN])
    files = [tmp_path / "6dB" / name for name in MEMBERS]
    for path in files:
        os.utime(path, (0, 0))
    files[0].unlink()
    files[1].write_bytes(b"short")
    files[2].write_bytes(bytes(60_000))  # the right length, and another CRC
    extract(tmp_path, [FAN])
    assert contents(tmp_path / "6dB") == MEMBERS
    assert [path.stat().st_mtime == 0 for path in files] == [False] * 3 + [True] * 5
    assert "3 files written to" in capsys.readouterr().out.splitlines()[1]


def test_archives_are_removed_only_when_asked_and_when_all_is_extracted(tmp_path, fan_zip, capsys):
    extract(tmp_path, [FAN])
    assert fan_zip.is_file()
    assert prepare_dataset.main(["extract", "--base_dir", str(tmp_path), "--remove_archives"]) == 0
    assert not fan_zip.exists()
    assert contents(tmp_path) == {f"6dB/{name}": content for name, content in MEMBERS.items()}


@pytest.mark.parametrize(
    "name",
    [
        "../outside.wav",
        "fan/../../outside.wav",
        "fan/..",
        "/outside.wav",
        "//host/outside.wav",
        "C:/outside.wav",
        "C:outside.wav",
        "fan\\..\\..\\outside.wav",
        "fan/00000000.wav:stream",
    ],
)
def test_members_that_would_leave_the_directory_are_refused(tmp_path, capsys, name):
    base_dir = tmp_path / "dataset"
    base_dir.mkdir()
    write_zip(base_dir / FAN.name, {"fan/id_00/normal/00000000.wav": b"good", name: b"bad"})
    line = fails(capsys, "--base_dir", base_dir, command="extract")
    assert f"its member {name!r} could write outside the directory" in line
    assert names(tmp_path) == ["dataset"]
    assert names(base_dir) == [FAN.name]  # the good member neither


@pytest.mark.parametrize("file_type", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_members_that_are_no_files_are_refused(tmp_path, capsys, file_type):
    link = zipfile.ZipInfo("fan/id_00")
    link.external_attr = (file_type | 0o777) << 16
    with zipfile.ZipFile(tmp_path / FAN.name, "w") as archive:
        archive.writestr(link, "/etc")
        archive.writestr("fan/id_00/00000000.wav", b"content")
    assert "its member 'fan/id_00' could write outside" in fails(capsys, "--base_dir", tmp_path, command="extract")
    assert names(tmp_path) == [FAN.name]


@pytest.mark.parametrize("length", [0, 10, 1000, 100_000])
def test_a_truncated_archive_is_one_line_and_harms_nothing(tmp_path, fan_zip, capsys, length):
    extract(tmp_path, [FAN])
    capsys.readouterr()
    whole = fan_zip.read_bytes()
    fan_zip.write_bytes(whole[:length])
    line = fails(capsys, "--base_dir", tmp_path, "--remove_archives", command="extract")
    assert f"{fan_zip} is damaged (File is not a zip file): remove it, download it again" in line
    assert contents(tmp_path / "6dB") == MEMBERS
    assert fan_zip.is_file()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_is_not_written_and_the_ones_before_it_stay(tmp_path, capsys, compression):
    path = write_zip(tmp_path / FAN.name, compression=compression)
    damaged_name = list(MEMBERS)[3]
    with zipfile.ZipFile(path) as archive:
        position = archive.getinfo(damaged_name).header_offset + 5000
    damaged = bytearray(path.read_bytes())
    damaged[position : position + 50] = bytes(50)
    path.write_bytes(damaged)
    line = fails(capsys, "--base_dir", tmp_path, "--remove_archives", command="extract")
    assert "is damaged (" in line
    assert contents(tmp_path / "6dB") == dict(list(MEMBERS.items())[:3])
    write_zip(path)
    extract(tmp_path, [FAN])
    assert contents(tmp_path / "6dB") == MEMBERS


def test_an_encrypted_archive_is_one_line(tmp_path, fan_zip, capsys):
    content = bytearray(fan_zip.read_bytes())
    with zipfile.ZipFile(fan_zip) as archive:
        start = archive.start_dir
    position = content.index(b"PK\x01\x02", content.index(next(iter(MEMBERS)).encode(), start) - 60)
    content[position + 8] |= 1
    fan_zip.write_bytes(content)
    assert "can't be unpacked here (" in fails(capsys, "--base_dir", tmp_path, command="extract")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
@settings(max_examples=40, derandomize=True, deadline=None)
@given(data=st.data())
def test_an_archive_with_any_damage_gives_a_line_or_its_members(tmp_path_factory, compression, data):
    members = {"fan/a.wav": b"abc" * 50, "fan/b.wav": bytes(range(256))}
    content = io.BytesIO()
    write_zip(content, members, compression)
    damaged = bytearray(content.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    base_dir = tmp_path_factory.mktemp("damaged")
    (base_dir / FAN.name).write_bytes(damaged)
    with contextlib.suppress(UserError):
        extract(base_dir, [FAN])
    unpacked = set(contents(base_dir).values()) - {bytes(damaged)}
    assert unpacked <= {*members.values(), b""}  # a directory that lost its slash is an empty file
    assert set(names(base_dir)) <= {FAN.name, "6dB"}


def test_without_archives_it_says_where_to_get_them(tmp_path, capsys):
    line = fails(capsys, "--base_dir", tmp_path / "nowhere", "--snr", "0dB", "--machine_type", "fan", command="extract")
    assert "there is no 0_dB_fan.zip in" in line
    assert "download" in line


def test_too_little_space_is_found_before_anything_is_extracted(tmp_path, fan_zip, capsys, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=479_999))
    line = fails(capsys, "--base_dir", tmp_path, command="extract")
    assert "480 kB are still to be written" in line
    assert contents(tmp_path / "6dB") == {}


def test_a_file_in_place_of_a_directory_is_one_line(tmp_path, fan_zip, capsys):
    (tmp_path / "6dB").mkdir()
    (tmp_path / "6dB" / "fan").write_bytes(b"mine")
    assert "cannot write" in fails(capsys, "--base_dir", tmp_path, command="extract")
    assert contents(tmp_path / "6dB") == {"fan": b"mine"}


@needs_posix
def test_a_full_disk_while_extracting_keeps_whole_members(tmp_path):
    sizes = [10_000, 20_000, 400_000, 30_000]
    members = {f"fan/{number}.wav": bytes([number]) * size for number, size in enumerate(sizes)}
    path = write_zip(tmp_path / FAN.name, members)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))"
    process = script(limit, "extract", "--base_dir", tmp_path, "--remove_archives")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.count("\n") == 1
    assert "2.wav: File too large; what is done is kept: free space" in errors
    assert contents(tmp_path / "6dB") == dict(list(members.items())[:2])
    assert path.is_file()
    extract(tmp_path, [FAN])
    assert contents(tmp_path / "6dB") == members


@needs_posix
def test_a_killed_extraction_is_gone_on_with(tmp_path, fan_zip):
    # the fourth member is written in part when the process is killed
    code = """
import os, signal
from mimii.data import disk
reads = iter(range(10**6))
def blocks(path, open_file=None):
    for block in original(path, open_file):
        yield block[:1000] if (number := next(reads)) == 3 else block
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
original, disk.blocks, disk.BLOCK = disk.blocks, blocks, 10**6
"""
    process = script(code, "extract", "--base_dir", tmp_path, "--remove_archives")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    left = contents(tmp_path / "6dB")
    hidden = [name for name in left if Path(name).name.startswith(".")]
    assert len(hidden) == 1
    assert {name: left[name] for name in left if name not in hidden} == dict(list(MEMBERS.items())[:3])
    extract(tmp_path, [FAN])
    assert contents(tmp_path / "6dB") == MEMBERS  # and what the killed process had begun is gone
