"""Downloads from a real HTTP server on loopback, and archives unpacked whole or not at all."""

import contextlib
import hashlib
import http.server
import io
import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

import prepare_dataset
from mimii.commands import options as cli
from mimii.data import archives
from mimii.data.archives import Archive
from mimii.errors import UserError

SRC = Path(archives.__file__).resolve().parents[2]
FAN = Archive("6dB", "fan")
CONTENT = np.random.default_rng(0).bytes(300_000)
HALF = len(CONTENT) // 2

needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


class Server(http.server.ThreadingHTTPServer):
    """Serves a record and its files; the answers to the next requests for files can be chosen.

    ``answers`` has one for each of the next requests: ``("cut", n)`` closes the connection after n bytes,
    ``("call", n, function)`` calls a function after n bytes, ``("status", code, headers)`` is an error,
    ``("from", n)`` is the part from byte n on, ``("page", body)`` another file than the one that was asked for. After
    them, files are served as they are.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/record"
        self.files = {FAN.name: CONTENT}
        self.record = None
        self.ranges = True
        self.lengths = True
        self.answers = []
        self.record_answers = []
        self.requested = []  # first bytes of the files that were asked for
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def entries(self, link="self"):
        """Of the files, as Zenodo has them."""
        return [
            {
                "key": name,
                "size": len(content),
                "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                "links": {link: f"http://127.0.0.1:{self.server_port}/files/{name}"},
            }
            for name, content in self.files.items()
        ]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            if self.path == "/record":
                self.send_record()
            else:
                self.send_file(Path(self.path).name)

    def send_record(self):
        record = {"files": self.server.entries()} if self.server.record is None else self.server.record
        if self.server.record_answers:
            self.send_answer(self.server.record_answers.pop(0), b"")
        else:
            self.send_whole(200, record if isinstance(record, bytes) else json.dumps(record).encode())

    def send_file(self, name):
        content, status, headers = self.server.files[name], 200, {}
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.server.requested.append(start)
        if start and self.server.ranges:
            status, headers = 206, {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            content = content[start:]
        if self.server.answers:
            self.send_answer(self.server.answers.pop(0), content, status, headers)
        else:
            self.send_whole(status, content, headers)

    def send_answer(self, answer, content, status=200, headers=None):
        match answer:
            case ("status", code, headers):
                self.send_whole(code, b"", headers)
            case ("from", start):
                content = self.server.files[Path(self.path).name]
                headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
                self.send_whole(206, content[start:], headers)
            case ("page", body):
                self.send_whole(200, body)
            case ("cut", length):
                self.send_whole(status, content, headers, send=length)
                # an RST, as a lost connection gives it, and not the FIN of an orderly end
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            case ("end", length):
                self.send_whole(status, content, headers, send=length)
            case ("call", length, function):
                self.send_whole(status, content, headers, send=length)
                function()
                self.wfile.write(content[length:])

    def send_whole(self, status, content, headers=None, send=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.server.lengths:
            self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content[:send])
        self.wfile.flush()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Seconds that would have been slept."""
    waits = []
    monkeypatch.setattr(archives, "sleep", waits.append)
    return waits


def names(directory):
    return sorted(path.name for path in Path(directory).iterdir() if not path.name.endswith(".lock"))


def download(directory, server, wanted=(FAN,)):
    archives.download(directory, list(wanted), server.url)
    assert names(directory) == sorted(archive.name for archive in wanted)
    for archive in wanted:
        assert (directory / archive.name).read_bytes() == server.files[archive.name]


def fails(capsys, *options, command="download"):
    """Run the script, which must end with status 2 and one line; returns the line."""
    status = cli.guarded(lambda: prepare_dataset.run(prepare_dataset.parse_args([command, *map(str, options)])))
    lines = capsys.readouterr().err.splitlines()
    assert status == 2
    assert len(lines) == 1
    return lines[0]


def script(code, *options, **kwargs):
    """Start the script in a process of its own, after some code."""
    code = (
        f"import sys; sys.path.insert(0, {str(SRC)!r})\n"
        f"import prepare_dataset; from mimii.data import archives, cli\n{code}\n"
        "sys.exit(cli.guarded(lambda: prepare_dataset.run(prepare_dataset.parse_args())))"
    )
    command = [sys.executable, "-c", code, *map(str, options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", **kwargs)


# --- download ---------------------------------------------------------------------------------------------------


def test_the_twelve_archives_have_their_names_at_zenodo():
    all_names = [archive.name for archive in archives.archives()]
    assert len(set(all_names)) == 12
    assert {"-6_dB_fan.zip", "0_dB_pump.zip", "6_dB_valve.zip"} <= set(all_names)
    assert archives.archives(["min6dB"], ["slider"]) == [Archive("min6dB", "slider")]


def test_a_download_is_whole_and_is_not_done_twice(tmp_path, server, capsys):
    download(tmp_path / "new" / "directory", server)
    download(tmp_path / "new" / "directory", server)
    assert server.requested == [0]
    output = capsys.readouterr()
    assert output.out.splitlines() == [
        "6_dB_fan.zip: downloaded, 300 kB, MD5 is right",
        "6_dB_fan.zip: already there, 300 kB, MD5 is right",
    ]
    assert output.err == ""  # no bar where there is no terminal


def test_only_what_is_selected_is_downloaded(tmp_path, server, capsys):
    server.files = {archive.name: archive.name.encode() for archive in archives.archives()}
    arguments = ["download", "--base_dir", str(tmp_path), "--url", server.url, "--snr", "min6dB", "0dB"]
    assert prepare_dataset.run(prepare_dataset.parse_args([*arguments, "--machine_type", "fan"])) == 0
    assert names(tmp_path) == ["-6_dB_fan.zip", "0_dB_fan.zip"]


@pytest.mark.parametrize("shape", ["list", "entries by name", "list of entries"])
def test_each_shape_of_zenodos_record_is_understood(tmp_path, server, shape):
    newer = server.entries("content")
    newer[0]["links"]["self"] = "http://127.0.0.1:1/metadata"
    server.record = {
        "list": {"files": server.entries()},
        "entries by name": {"files": {"enabled": True, "entries": {FAN.name: newer[0]}}},
        "list of entries": {"files": {"entries": newer}},
    }[shape]
    download(tmp_path, server)


def test_links_may_be_relative_to_the_record(tmp_path, server):
    server.record = {"files": [server.entries()[0] | {"links": {"self": f"files/{FAN.name}"}}]}
    download(tmp_path, server)


@pytest.mark.parametrize("how", ["cut", "end"])
def test_cut_connections_are_gone_on_with(tmp_path, server, waits, capsys, how):
    server.answers = [(how, 100_000), (how, 50_000), (how, 0)]
    download(tmp_path, server)
    assert server.requested[0] == 0
    assert server.requested == sorted(server.requested)
    assert len(server.requested) == 4
    if how == "end":  # a lost connection may lose what is on its way too
        assert server.requested == [0, 100_000, 150_000, 150_000]
        assert waits == [1, 1, 2]  # bytes came before the first two: the count began anew
        assert capsys.readouterr().err.splitlines()[0] == (
            "6_dB_fan.zip: the connection ended at 100 kB of 300 kB; again in 1 s"
        )


@pytest.mark.parametrize("ranges", [True, False], ids=["with ranges", "ranges ignored"])
@pytest.mark.parametrize("there", [1, HALF, len(CONTENT) - 1])
def test_a_partial_file_is_gone_on_with(tmp_path, server, ranges, there):
    server.ranges = ranges
    (tmp_path / f"{FAN.name}.part").write_bytes(CONTENT[:there])
    download(tmp_path, server)
    assert server.requested == [there]


def test_a_server_that_ignores_ranges_and_cuts_begins_anew(tmp_path, server):
    server.ranges = False
    server.answers = [("end", 200_000), ("end", 100_000), ("end", 250_000)]
    download(tmp_path, server)
    assert server.requested == [0, 200_000, 100_000, 250_000]


def test_a_complete_partial_file_is_only_checked(tmp_path, server):
    (tmp_path / f"{FAN.name}.part").write_bytes(CONTENT)
    download(tmp_path, server)
    assert server.requested == []


def test_a_partial_file_that_is_too_long_begins_anew(tmp_path, server):
    (tmp_path / f"{FAN.name}.part").write_bytes(CONTENT + b"more")
    download(tmp_path, server)
    assert server.requested == [0]


def test_a_server_may_keep_the_length_to_itself(tmp_path, server):
    server.lengths = False
    server.answers = [("end", HALF)]
    download(tmp_path, server)
    assert server.requested == [0, HALF]


def test_a_server_may_begin_earlier_than_asked_but_not_later(tmp_path, server):
    part = tmp_path / f"{FAN.name}.part"
    part.write_bytes(CONTENT[:HALF])
    server.answers = [("from", HALF + 1)]
    with pytest.raises(UserError, match=f"begins at byte {HALF + 1}"):
        download(tmp_path, server)
    assert part.read_bytes() == CONTENT[:HALF]
    server.answers = [("from", 1000)]
    download(tmp_path, server)


@pytest.mark.parametrize("where", ["record_answers", "answers"])
def test_an_overloaded_server_is_asked_again_later(tmp_path, server, waits, where):
    setattr(server, where, [("status", 503, {}), ("status", 429, {"Retry-After": "30"}), ("status", 502, {})])
    download(tmp_path, server)
    assert waits == [1, 30, 4]


def test_waits_double_up_to_a_limit_and_then_it_is_given_up(tmp_path, server, waits, capsys):
    (tmp_path / f"{FAN.name}.part").write_bytes(CONTENT[:HALF])
    server.answers = [("status", 503, {})] * 20
    with pytest.raises(UserError, match=r"127\.0\.0\.1 answers 503 .*, 9 times in a row; what has come is kept"):
        download(tmp_path, server)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert (tmp_path / f"{FAN.name}.part").read_bytes() == CONTENT[:HALF]


def test_a_wrong_checksum_removes_the_file_and_says_so(tmp_path, server, capsys):
    wrong = server.entries()[0] | {"checksum": "md5:" + "0" * 32}
    server.record = {"files": [wrong]}
    line = fails(capsys, "--base_dir", tmp_path, "--url", server.url, "--snr", "6dB", "--machine_type", "fan")
    assert "6_dB_fan.zip arrived damaged" in line
    assert "was removed: give the same command again" in line
    assert names(tmp_path) == []
    server.record = None
    download(tmp_path, server)


def test_a_damaged_partial_file_is_found_by_its_checksum(tmp_path, server, capsys):
    (tmp_path / f"{FAN.name}.part").write_bytes(bytes(HALF))
    with pytest.raises(UserError, match="arrived damaged"):
        download(tmp_path, server)
    download(tmp_path, server)


@pytest.mark.parametrize(("there", "what"), [(CONTENT[:-1], "has 299,999 bytes, not 300,000"), (bytes(300_000), "MD5")])
def test_a_file_that_the_script_did_not_write_is_not_touched(tmp_path, server, capsys, there, what):
    (tmp_path / FAN.name).write_bytes(there)
    with pytest.raises(UserError, match=f"{what}.*remove it and give the same command again"):
        download(tmp_path, server)
    assert (tmp_path / FAN.name).read_bytes() == there
    assert server.requested == []


def fan_options(directory, url):
    return ["--base_dir", directory, "--url", url, "--snr", "6dB", "--machine_type", "fan"]


def test_a_missing_file_is_one_line(tmp_path, server, capsys):
    server.answers = [("status", 404, {})]
    line = fails(capsys, *fan_options(tmp_path, server.url))
    assert "127.0.0.1 answers 404 Not Found to http://127.0.0.1" in line


def test_a_server_that_is_not_there_is_one_line_at_once(tmp_path, server, waits, capsys):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets this port, and nobody answers
        line = fails(capsys, *fan_options(tmp_path / "new", f"http://127.0.0.1:{unused.getsockname()[1]}/record"))
    assert "no connection to 127.0.0.1" in line
    assert "check the network" in line
    assert waits == []
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "record",
    [b"<html>log in</html>", [], {"files": 3}, {"files": [{}]}, {"files": {"entries": 1}}, {"metadata": {}}, b"\xff"],
    ids=str,
)
def test_what_is_no_record_is_one_line(tmp_path, server, capsys, record):
    server.record = record
    assert "is not a record of Zenodo's API" in fails(capsys, *fan_options(tmp_path, server.url))


@pytest.mark.parametrize("change", [{"size": -1}, {"size": "1"}, {"checksum": "sha256:00"}, {"links": {}}], ids=str)
def test_a_record_with_a_wrong_entry_is_one_line(tmp_path, server, capsys, change):
    server.record = {"files": [server.entries()[0] | change]}
    assert "is not a record of Zenodo's API" in fails(capsys, *fan_options(tmp_path, server.url))


def test_archives_that_the_record_has_not_are_named(tmp_path, server, capsys):
    line = fails(capsys, "--base_dir", tmp_path, "--url", server.url, "--snr", "6dB", "--machine_type", "fan", "pump")
    assert "has no 6_dB_pump.zip:" in line


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://127.0.0.1/record", "record", "http://", "http://h:x/", "http://h/a b", "http://ü/"],
)
def test_other_addresses_than_http_are_refused(tmp_path, server, capsys, url):
    assert "is not an address of the form http" in fails(capsys, *fan_options(tmp_path, url))
    server.record = {"files": [server.entries()[0] | {"links": {"self": url}}]}
    if url not in ("record", "http://"):  # which are read as relative to the record
        assert "is not an address of the form http" in fails(capsys, *fan_options(tmp_path, server.url))
    assert names(tmp_path) == []


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x"])
def test_redirections_to_other_schemes_are_refused(tmp_path, server, capsys, target):
    server.answers = [("status", 302, {"Location": target})]
    line = fails(capsys, *fan_options(tmp_path, server.url))
    assert "answers 302" in line or "is not an address of the form http" in line
    assert names(tmp_path) == []


def test_redirections_within_http_are_followed(tmp_path, server):
    server.answers = [("status", 302, {"Location": f"/elsewhere/{FAN.name}"})]
    download(tmp_path, server)


def test_a_login_page_in_place_of_the_file_is_one_line(tmp_path, server, capsys):
    (tmp_path / f"{FAN.name}.part").write_bytes(CONTENT[:HALF])
    server.answers = [("page", b"<html>log in</html>")]
    assert "a file of 19 bytes where the record says 300000" in fails(capsys, *fan_options(tmp_path, server.url))
    assert (tmp_path / f"{FAN.name}.part").read_bytes() == CONTENT[:HALF]


def test_too_little_space_is_found_before_anything_is_written(tmp_path, server, capsys, monkeypatch):
    (tmp_path / f"{FAN.name}.part").write_bytes(CONTENT[:HALF])
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=HALF - 1))
    line = fails(capsys, *fan_options(tmp_path, server.url))
    assert "150 kB are still to be written" in line
    assert server.requested == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=HALF))
    download(tmp_path, server)


def test_two_downloads_into_one_directory_do_not_meet(tmp_path, server, capsys):
    with FileLock(tmp_path / ".download.lock"):
        assert "another process is at work in" in fails(capsys, *fan_options(tmp_path, server.url))


def test_a_directory_that_can_not_be_made_is_one_line(tmp_path, server, capsys):
    (tmp_path / "file").touch()
    assert "cannot write" in fails(capsys, *fan_options(tmp_path / "file" / "dataset", server.url))


@needs_posix
def test_a_full_disk_keeps_what_has_come(tmp_path, server):
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({HALF}, {HALF}))"
    process = script(limit, "download", *fan_options(tmp_path, server.url))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.count("\n") == 1
    assert "6_dB_fan.zip.part: File too large; what is done is kept: free space" in errors
    assert (tmp_path / f"{FAN.name}.part").read_bytes() == CONTENT[:HALF]
    download(tmp_path, server)


@needs_posix
def test_a_killed_download_is_gone_on_with(tmp_path, server):
    server.answers = [("call", HALF, lambda: process.kill())]
    process = script("pass", "download", *fan_options(tmp_path, server.url))
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert names(tmp_path) in ([], [f"{FAN.name}.part"])
    download(tmp_path, server)


# --- extract ----------------------------------------------------------------------------------------------------

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
    for archive in archives.archives(machine_types=["fan"]):
        write_zip(tmp_path / archive.name, {"fan/id_00/normal/00000000.wav": archive.snr.encode()})
    archives.extract(tmp_path, archives.archives())
    unpacked = {name: content for name, content in contents(tmp_path).items() if name.endswith(".wav")}
    assert unpacked == {f"{snr}/fan/id_00/normal/00000000.wav": snr.encode() for snr in ("6dB", "0dB", "min6dB")}
    output = capsys.readouterr().out
    assert f"-6_dB_fan.zip: 1 files written to {tmp_path / 'min6dB'}, 0 were there already" in output
    assert output.count(".zip: ") == 3
    assert "not there: 6_dB_pump.zip, " in output


def test_zip64_archives_are_unpacked(tmp_path):
    name = "fan/id_00/normal/00000000.wav"
    with zipfile.ZipFile(tmp_path / FAN.name, "w") as archive, archive.open(name, "w", force_zip64=True) as member:
        member.write(CONTENT)
    archives.extract(tmp_path, [FAN])
    assert contents(tmp_path / "6dB") == {name: CONTENT}


def test_members_that_are_whole_are_left_alone_and_others_are_mended(tmp_path, fan_zip, capsys):
    archives.extract(tmp_path, [FAN])
    files = [tmp_path / "6dB" / name for name in MEMBERS]
    for path in files:
        os.utime(path, (0, 0))
    files[0].unlink()
    files[1].write_bytes(b"short")
    files[2].write_bytes(bytes(60_000))  # the right length, and another CRC
    archives.extract(tmp_path, [FAN])
    assert contents(tmp_path / "6dB") == MEMBERS
    assert [path.stat().st_mtime == 0 for path in files] == [False] * 3 + [True] * 5
    assert "3 files written to" in capsys.readouterr().out.splitlines()[1]


def test_archives_are_removed_only_when_asked_and_when_all_is_extracted(tmp_path, fan_zip, capsys):
    archives.extract(tmp_path, [FAN])
    assert fan_zip.is_file()
    assert (
        prepare_dataset.run(prepare_dataset.parse_args(["extract", "--base_dir", str(tmp_path), "--remove_archives"]))
        == 0
    )
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


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_members_that_are_no_files_are_refused(tmp_path, capsys, kind):
    link = zipfile.ZipInfo("fan/id_00")
    link.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / FAN.name, "w") as archive:
        archive.writestr(link, "/etc")
        archive.writestr("fan/id_00/00000000.wav", b"content")
    assert "its member 'fan/id_00' could write outside" in fails(capsys, "--base_dir", tmp_path, command="extract")
    assert names(tmp_path) == [FAN.name]


@pytest.mark.parametrize("length", [0, 10, 1000, 100_000])
def test_a_truncated_archive_is_one_line_and_harms_nothing(tmp_path, fan_zip, capsys, length):
    archives.extract(tmp_path, [FAN])
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
    archives.extract(tmp_path, [FAN])
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
        archives.extract(base_dir, [FAN])
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
    archives.extract(tmp_path, [FAN])
    assert contents(tmp_path / "6dB") == members


@needs_posix
def test_a_killed_extraction_is_gone_on_with(tmp_path, fan_zip):
    # the fourth member is written in part when the process is killed
    code = """
import os, signal
reads = iter(range(10**6))
def read(opened, path):
    for block in original(opened, path):
        yield block[:1000] if (number := next(reads)) == 3 else block
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
original, archives._read, archives.BLOCK = archives._read, read, 10**6
"""
    process = script(code, "extract", "--base_dir", tmp_path, "--remove_archives")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    left = contents(tmp_path / "6dB")
    hidden = [name for name in left if Path(name).name.startswith(".")]
    assert len(hidden) == 1
    assert {name: left[name] for name in left if name not in hidden} == dict(list(MEMBERS.items())[:3])
    archives.extract(tmp_path, [FAN])
    assert contents(tmp_path / "6dB") == MEMBERS  # and what the killed process had begun is gone
