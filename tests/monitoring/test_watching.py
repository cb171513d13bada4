"""Which files of a folder are new and complete."""

import os
import time
from pathlib import Path

import pytest

from mimii.data.content import Content
from mimii.errors import UserError
from mimii.monitoring import watching
from mimii.monitoring.watching import Changes, Folder


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set, also for files."""

    class Clock:
        now = 1_000_000.0

    monkeypatch.setattr(time, "monotonic", lambda: Clock.now)
    monkeypatch.setattr(time, "time", lambda: Clock.now)
    return Clock


def write(path, content, when):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (when, when))


def names(new):
    return [Path(item.path).name for item in new]


def test_what_was_there_long_before_is_given_at_once_the_earliest_first_and_only_once(tmp_path, clock):
    write(tmp_path / "b.wav", b"1", clock.now - 90)
    write(tmp_path / "deep" / "er" / "a.flac", b"2", clock.now - 80)
    write(tmp_path / "notes.txt", b"3", clock.now - 80)
    write(tmp_path / ".part" / "c.wav", b"4", clock.now - 80)
    folder = Folder(tmp_path, set(), 2)
    assert names(folder.look()) == ["b.wav", "a.flac"]
    assert folder.look() == []
    assert folder.waiting == []


def test_a_file_that_grows_waits_until_it_has_not_changed_for_a_while(tmp_path, clock):
    folder = Folder(tmp_path, set(), 2)
    for length in (1, 2, 3):
        write(tmp_path / "a.wav", b"x" * length, clock.now)
        assert folder.look() == []
        assert folder.waiting == [str(tmp_path / "a.wav")]
        clock.now += 1.5
    assert folder.look() == []
    clock.now += 0.6
    assert names(folder.look()) == ["a.wav"]


def test_a_file_whose_time_lies_in_the_future_is_complete_when_it_stays_as_it_is(tmp_path, clock):
    write(tmp_path / "a.wav", b"x", clock.now + 3600)  # the clock of the recorder is fast
    folder = Folder(tmp_path, set(), 2)
    assert folder.look() == []
    clock.now += 2
    assert names(folder.look()) == ["a.wav"]


def test_a_copied_or_touched_file_is_known_and_a_changed_one_is_new(tmp_path, clock):
    write(tmp_path / "a.wav", b"one", clock.now - 10)
    first = Folder(tmp_path, set(), 2).look()
    known = {item.identity for item in first}
    write(tmp_path / "a.wav", b"one", clock.now - 5)
    folder = Folder(tmp_path, set(known), 2)
    assert folder.look() == []
    write(tmp_path / "a.wav", b"two", clock.now - 4)
    assert names(folder.look()) == ["a.wav"]
    write(tmp_path / "sub" / "a.wav", b"two", clock.now - 4)
    assert names(folder.look()) == ["a.wav"]  # another recording, as another path says


def test_the_identity_does_not_depend_on_where_the_folder_is(tmp_path, clock):
    identities = set()
    for place in ("here", "there"):
        write(tmp_path / place / "day" / "a.wav", b"one", clock.now - 10)
        identities |= {item.identity for item in Folder(tmp_path / place, set(), 2).look()}
    assert len(identities) == 1


def test_a_folder_that_goes_away_is_waited_for_and_said_once(tmp_path, clock, log_lines):
    place = tmp_path / "drive"
    write(place / "a.wav", b"one", clock.now - 10)
    folder = Folder(place, set(), 2)
    place.rename(tmp_path / "gone")
    assert folder.look() == folder.look() == []
    assert log_lines == [f"WARNING The folder {place} is not there: waiting for it."]
    (tmp_path / "gone").rename(place)
    assert names(folder.look()) == ["a.wav"]
    assert log_lines[1:] == [f"WARNING The folder {place} is there again."]


def test_what_can_not_be_read_now_is_given_again_when_it_can(tmp_path, clock, monkeypatch):
    write(tmp_path / "a.wav", b"one", clock.now - 10)
    folder = Folder(tmp_path, set(), 2)
    with monkeypatch.context() as patch:
        patch.setattr(watching, "contents", lambda paths: [Content(3, 1, "") for _ in paths])
        assert names(folder.look()) == ["a.wav"]
        assert folder.look() == []
    assert names(folder.look()) == ["a.wav"]
    assert folder.look() == []


def test_what_is_moved_away_while_it_is_looked_at_is_no_recording(tmp_path, clock, monkeypatch):
    write(tmp_path / "a.wav", b"one", clock.now - 10)

    def moved(paths):
        (tmp_path / "a.wav").unlink()
        return [Content(0, 0, "") for _ in paths]

    monkeypatch.setattr(watching, "contents", moved)
    assert Folder(tmp_path, set(), 2).look() == []


def test_a_folder_that_was_never_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        Folder(tmp_path / "nowhere", set(), 2)


def test_a_change_ends_the_sleep(tmp_path):
    changes = Changes(tmp_path)
    # the system may need a moment until it listens, so several files are written
    assert any(((tmp_path / f"{number}.wav").touch(), changes.wait(0.2))[1] for number in range(100))


def test_without_a_change_the_sleep_ends_after_a_while(tmp_path):
    assert not Changes(tmp_path / "nowhere").wait(0.01)
