"""One measures while the others wait; each of them is a process."""

import getpass
import multiprocessing
import os
import signal
import sys
import tempfile
import time

import pytest

from mimii.errors import UserError
from mimii.runtime import locks
from mimii.runtime.exclusive import Exclusive, shared_directory

LONG = 60  # [s] until a test that hangs is given up
SHORT = 0.5  # [s] in which something that must not happen could happen


class Flag:
    """An event between processes that outlives one that is killed."""

    def __init__(self, path):
        self.path = path

    def set(self):
        self.path.touch()

    def is_set(self):
        return self.path.exists()

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while not self.is_set() and time.monotonic() < end:
            time.sleep(0.01)
        return self.is_set()


def work(directory, started, working, leave):
    tempfile.tempdir = directory
    started.set()
    with Exclusive().working():
        working.set()
        leave.wait(LONG)


def work_in_steps(directory, started, working, leave):
    tempfile.tempdir = directory
    exclusive = Exclusive()
    started.set()
    with exclusive.working():
        working.set()
        while not leave.is_set():
            exclusive.after_step()


def measure(directory, started, measuring, leave):
    tempfile.tempdir = directory
    started.set()
    with Exclusive().alone():
        measuring.set()
        leave.wait(LONG)


@pytest.fixture
def start(tmp_path):
    """Start a function in a process: gives the process, the flag that it raises inside, the flag that ends it."""
    context = multiprocessing.get_context("spawn")
    running = []

    def start(function):
        flags = [Flag(tmp_path / f"{name}{len(running)}") for name in ("started", "inside", "leave")]
        process = context.Process(target=function, args=(str(tmp_path), *flags))
        process.start()
        running.append(process)
        assert flags[0].wait(LONG)
        return process, *flags[1:]

    yield start
    for process in running:
        process.kill()
        process.join(LONG)


def test_tasks_work_side_by_side(start):
    _, first, _ = start(work)
    _, second, _ = start(work)
    assert first.wait(LONG)
    assert second.wait(LONG)


def test_who_measures_waits_for_those_who_work_and_then_they_wait_for_it(start):
    _, working, stop_working = start(work)
    assert working.wait(LONG)
    _, measuring, stop_measuring = start(measure)
    assert not measuring.wait(SHORT)
    stop_working.set()
    assert measuring.wait(LONG)
    _, working_too, _ = start(work)
    _, measuring_too, stop_measuring_too = start(measure)
    stop_measuring_too.set()
    assert not working_too.wait(SHORT)
    assert not measuring_too.is_set()
    stop_measuring.set()
    assert working_too.wait(LONG)


def test_long_tasks_wait_for_one_that_measures_between_two_steps(start):
    _, first, stop_first = start(work_in_steps)
    _, second, stop_second = start(work_in_steps)
    assert first.wait(LONG)
    assert second.wait(LONG)
    _, measuring, stop_measuring = start(measure)
    assert measuring.wait(LONG)
    stop_measuring.set()
    _, measuring_again, _ = start(measure)
    assert measuring_again.wait(LONG)
    stop_first.set()
    stop_second.set()


def test_a_task_that_is_killed_holds_up_nobody(start):
    process, working, _ = start(work)
    assert working.wait(LONG)
    process.kill()
    process.join(LONG)
    process, measuring, _ = start(measure)
    assert measuring.wait(LONG)
    process.kill()
    process.join(LONG)
    _, working, _ = start(work)
    assert working.wait(LONG)


@pytest.fixture
def impatient(tmp_path, monkeypatch):
    """An `Exclusive` here that soon waits no longer."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(locks, "SAY_AFTER", 0.1)
    monkeypatch.setattr(locks, "LONGEST_WAIT", 0.3)
    monkeypatch.setattr(Exclusive, "_given_up", set())
    return Exclusive()


@pytest.mark.skipif(sys.platform == "win32", reason="no process is stopped there")
def test_a_stopped_process_that_works_is_waited_for_once_and_not_for_ever(start, impatient, log_lines):
    process, working, leave = start(work_in_steps)
    assert working.wait(LONG)
    os.kill(process.pid, signal.SIGSTOP)
    for _ in range(3):
        with impatient.alone():
            pass
        assert not impatient.was_alone
    waiting, warning = log_lines
    assert waiting.startswith(f"INFO Waiting for process {process.pid} ")
    assert warning.startswith("WARNING ")
    assert f"process {process.pid} " in warning
    with impatient.working():
        pass
    os.kill(process.pid, signal.SIGCONT)
    leave.set()
    process.join(LONG)
    with impatient.alone():
        pass
    assert impatient.was_alone
    assert len(log_lines) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no process is stopped there")
def test_a_stopped_process_that_measures_is_waited_for_once_and_not_for_ever(start, impatient, log_lines):
    process, measuring, leave = start(measure)
    assert measuring.wait(LONG)
    os.kill(process.pid, signal.SIGSTOP)
    with impatient.working():
        impatient._last -= 1000
        impatient.after_step()
    with impatient.alone():
        pass
    assert not impatient.was_alone
    waiting, warning = log_lines
    assert waiting.startswith(f"INFO Waiting for process {process.pid} ")
    assert f"process {process.pid} " in warning
    os.kill(process.pid, signal.SIGCONT)
    leave.set()
    process.join(LONG)
    with impatient.alone():
        pass
    assert impatient.was_alone


def test_who_measured_while_another_began_to_work_was_not_alone(impatient):
    with impatient.alone():
        other = Exclusive()
        other._begin()
    assert not impatient.was_alone
    other._pause()


@pytest.mark.parametrize("context", ["working", "alone"])
@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit(143)])
def test_an_exit_while_it_waits_for_another_is_the_one_that_comes_out(context, end, impatient, monkeypatch):
    def sleep(_):
        raise end

    monkeypatch.setattr(locks.time, "sleep", sleep)
    holding, waiting = (impatient.alone, "working") if context == "working" else (impatient.working, "alone")
    with holding(), pytest.raises((KeyboardInterrupt, SystemExit)) as raised, getattr(Exclusive(), waiting)():
        raise AssertionError("it does not wait")
    assert raised.type is (end if isinstance(end, type) else type(end))


def test_a_file_in_the_way_of_the_directory_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    directory = shared_directory()
    directory.rmdir()
    directory.touch()
    with pytest.raises(UserError, match=f"cannot use {directory} .it is no directory.: remove it, or .* TMPDIR"):
        shared_directory()
    directory.unlink()
    directory.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="it is no directory"):
        shared_directory()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    os.chown(shared_directory(), 12345, 12345)
    with pytest.raises(UserError, match="belongs to another user"):
        shared_directory()


def test_after_a_step_it_tells_how_long_the_others_took(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Exclusive, "_LOOK_EVERY", 0)
    exclusive = Exclusive()
    with exclusive.working():
        assert exclusive.after_step() == 0
        # of one that died while it measured: nobody has locked the gate
        measuring = shared_directory() / "measuring"
        measuring.touch()
        assert exclusive.after_step() > 0
        assert not measuring.exists()
        assert exclusive.after_step() == 0


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 12345"), OSError("No username set")])
def test_a_user_without_a_name_can_work_too(error, tmp_path, monkeypatch):
    """In a container that is started with a bare number for a user."""

    def getuser():
        raise error

    monkeypatch.setattr(getpass, "getuser", getuser)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    exclusive = Exclusive()
    with exclusive.working():
        pass
    with exclusive.alone():
        pass
