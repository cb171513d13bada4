"""Downloads from a real HTTP server on loopback."""

import shutil
import signal
import socket

import pytest
from archive_support import FAN, fails, names, needs_posix, script
from filelock import FileLock
from record_server import CONTENT, serving

from mimii.commands import prepare_dataset
from mimii.data import download, records, web
from mimii.data.mimii import archives
from mimii.errors import UserError

HALF = len(CONTENT) // 2


@pytest.fixture
def server(monkeypatch):
    with serving(monkeypatch) as server:
        yield server


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Seconds that would have been slept."""
    waits = []
    monkeypatch.setattr(web, "sleep", waits.append)
    return waits


def fetch(directory, server, wanted=(FAN,)):
    found = records.choose(records.read_record(server.url), [archive.name for archive in wanted], server.url)
    download.download(directory, dict(zip(wanted, found, strict=True)))
    assert names(directory) == sorted(archive.name for archive in wanted)
    for archive in wanted:
        assert (directory / archive.name).read_bytes() == server.files[archive.name]


def test_a_download_is_whole_and_is_not_done_twice(tmp_path, server, capsys):
    fetch(tmp_path / "new" / "directory", server)
    fetch(tmp_path / "new" / "directory", server)
    assert server.requested == [0]
    output = capsys.readouterr()
    assert output.out.splitlines() == [
        "6_dB_fan.zip: downloaded, 300 kB, MD5 is right",
        "6_dB_fan.zip: already there, 300 kB, MD5 is right",
    ]
    assert output.err == ""  # no bar where there is no terminal


def test_only_what_is_selected_is_downloaded(tmp_path, server, capsys):
    server.files = {archive.name: archive.name.encode() for archive in archives()}
    arguments = ["download", "--base_dir", str(tmp_path), "--url", server.url, "--snr", "min6dB", "0dB"]
    assert prepare_dataset.main([*arguments, "--machine_type", "fan"]) == 0
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
    fetch(tmp_path, server)


def test_links_may_be_relative_to_the_record(tmp_path, server):
    server.record = {"files": [server.entries()[0] | {"links": {"self": f"files/{FAN.name}"}}]}
    fetch(tmp_path, server)


@pytest.mark.parametrize("how", ["cut", "end"])
def test_cut_connections_are_gone_on_with(tmp_path, server, waits, capsys, how):
    server.answers = [(how, 100_000), (how, 50_000), (how, 0)]
    fetch(tmp_path, server)
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
@pytest.mark.parametrize("present", [1, HALF, len(CONTENT) - 1])
def test_a_partial_file_is_gone_on_with(tmp_path, server, ranges, present):
    server.ranges = ranges
    (tmp_path / f"{FAN.name}.part").write_bytes(CONTENT[:present])
    fetch(tmp_path, server)
    assert server.requested == [present]


def test_a_server_that_ignores_ranges_and_cuts_begins_anew(tmp_path, server):
    server.ranges = False
    server.answers = [("end", 200_000), ("end", 100_000), ("end", 250_000)]
    fetch(tmp_path, server)
    assert server.requested == [0, 200_000, 100_000, 250_000]


def test_a_complete_partial_file_is_only_checked(tmp_path, server):
    (tmp_path / f"{FAN.name}.part").write_bytes(CONTENT)
    fetch(tmp_path, server)
    assert server.requested == []


def test_a_partial_file_that_is_too_long_begins_anew(tmp_path, server):
    (tmp_path / f"{FAN.name}.part").write_bytes(CONTENT + b"more")
    fetch(tmp_path, server)
    assert server.requested == [0]


def test_a_server_may_keep_the_length_to_itself(tmp_path, server):
    server.lengths = False
    server.answers = [("end", HALF)]
    fetch(tmp_path, server)
    assert server.requested == [0, HALF]


def test_a_server_may_send_chunks_and_cut_them(tmp_path, server):
    server.answers = [("chunks", HALF), ("chunks", HALF)]
    fetch(tmp_path, server)
    assert server.requested == [0, HALF]


def test_a_server_may_begin_earlier_than_asked_but_not_later(tmp_path, server):
    part = tmp_path / f"{FAN.name}.part"
    part.write_bytes(CONTENT[:HALF])
    server.answers = [("from", HALF + 1)]
    with pytest.raises(UserError, match=f"begins at byte {HALF + 1}"):
        fetch(tmp_path, server)
    assert part.read_bytes() == CONTENT[:HALF]
    server.answers = [("from", 1000)]
    fetch(tmp_path, server)


@pytest.mark.parametrize("where", ["record_answers", "answers"])
def test_an_overloaded_server_is_asked_again_later(tmp_path, server, waits, where):
    setattr(server, where, [("status", 503, {}), ("status", 429, {"Retry-After": "30"}), ("status", 502, {})])
    fetch(tmp_path, server)
    assert waits == [1, 30, 4]


def test_a_retry_after_that_says_nothing_is_passed_over(tmp_path, server, waits):
    server.answers = [("status", 503, {"Retry-After": "soon"}), ("status", 503, {"Retry-After": "0"})]
    fetch(tmp_path, server)
    assert waits == [1, 2]


def test_a_server_that_hangs_up_is_asked_again_and_then_given_up(tmp_path, server, waits, capsys):
    server.answers = [("hang up",)]
    fetch(tmp_path / "once", server)
    assert waits == [1]
    assert "6_dB_fan.zip: no connection (" in capsys.readouterr().err
    server.answers = [("hang up",)] * 20
    with pytest.raises(UserError, match=r"no connection to 127\.0\.0\.1:\d+ \(.*\), 9 times in a row; what has come"):
        fetch(tmp_path / "often", server)


def test_waits_double_up_to_a_limit_and_then_it_is_given_up(tmp_path, server, waits, capsys):
    (tmp_path / f"{FAN.name}.part").write_bytes(CONTENT[:HALF])
    server.answers = [("status", 503, {})] * 20
    with pytest.raises(UserError, match=r"127\.0\.0\.1 answers 503 .*, 9 times in a row; what has come is kept"):
        fetch(tmp_path, server)
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
    fetch(tmp_path, server)


def test_a_damaged_partial_file_is_found_by_its_checksum(tmp_path, server, capsys):
    (tmp_path / f"{FAN.name}.part").write_bytes(bytes(HALF))
    with pytest.raises(UserError, match="arrived damaged"):
        fetch(tmp_path, server)
    fetch(tmp_path, server)


@pytest.mark.parametrize(
    ("present", "problem"), [(CONTENT[:-1], "has 299,999 bytes, not 300,000"), (bytes(300_000), "MD5")]
)
def test_a_file_that_the_script_did_not_write_is_not_touched(tmp_path, server, capsys, present, problem):
    (tmp_path / FAN.name).write_bytes(present)
    with pytest.raises(UserError, match=f"{problem}.*remove it and give the same command again"):
        fetch(tmp_path, server)
    assert (tmp_path / FAN.name).read_bytes() == present
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
    fetch(tmp_path, server)


def test_redirections_in_a_circle_are_one_line(tmp_path, server, capsys):
    server.answers = [("status", 302, {"Location": f"/files/{FAN.name}"})] * 40
    assert "nothing but further addresses" in fails(capsys, *fan_options(tmp_path, server.url))


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
    fetch(tmp_path, server)


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
    fetch(tmp_path, server)


@needs_posix
def test_a_killed_download_is_gone_on_with(tmp_path, server):
    server.answers = [("call", HALF, lambda: process.kill())]
    process = script("pass", "download", *fan_options(tmp_path, server.url))
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert names(tmp_path) in ([], [f"{FAN.name}.part"])
    fetch(tmp_path, server)
