"""Processes that die, are left early or lose their parent."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import support

import mimii
from mimii.errors import StorageError, UserError
from mimii.runtime.processes import in_parallel

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are killed otherwise there")


@dataclass(frozen=True)
class Work:
    """Something to do for a process: it may die of it, always or the first time."""

    name: str
    directory: Path
    deaths: int = 0

    def do(self):
        """Leave a trace of each attempt, and die as the system kills a process where memory runs out."""
        attempts = len(list(self.directory.glob(f"{self.name}-*")))
        (self.directory / f"{self.name}-{attempts}-{os.getpid()}").touch()
        if attempts < self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.name

    @property
    def pids(self):
        """The process of each attempt."""
        return [int(path.name.rpartition("-")[2]) for path in sorted(self.directory.glob(f"{self.name}-*"))]


def do(work):
    return work.do()


def fail(work):
    raise StorageError(f"cannot write {work.name}")


def tell(work):
    logging.getLogger("mimii.test").info("told %s", work.name)
    return work.name


def sleep(work):
    work.do()
    time.sleep(600)


def lost(work):
    return f"lost {work.name}"


def works(directory, deaths, count=6):
    return [Work(f"w{number}", directory, deaths.get(number, 0)) for number in range(count)]


def children(process):
    """Processes that another one started to work for it."""
    return [child for child in process.children() if any("spawn_main" in word for word in child.cmdline())]


def test_what_a_process_died_of_is_tried_once_more_alone_and_the_rest_goes_on(tmp_path, log_lines):
    todo = works(tmp_path, {1: 1})
    results = list(in_parallel(do, todo, 2, lost=lost))
    assert sorted(results) == [f"w{number}" for number in range(6)]
    assert results[-1] == "w1"
    assert [len(work.pids) for work in todo] == [1, 2, 1, 1, 1, 1]
    assert todo[1].pids[1] not in {work.pids[0] for work in todo}
    [line] = log_lines
    assert line.startswith("WARNING w1: its process was killed")


@pytest.mark.faults
def test_what_two_processes_died_of_is_given_up_and_the_rest_goes_on(tmp_path, log_lines):
    todo = works(tmp_path, {0: 9, 1: 9, 4: 1})
    results = list(in_parallel(do, todo, 2, lost=lost))
    assert sorted(results) == ["lost w0", "lost w1", "w2", "w3", "w4", "w5"]
    assert [len(work.pids) for work in todo] == [2, 2, 1, 1, 2, 1]
    told = sorted(line.partition(":")[0] for line in log_lines)
    assert told == [f"WARNING {name}" for name in ("w0", "w0", "w1", "w1", "w4")]


def test_what_two_processes_died_of_ends_everything_where_nothing_can_take_its_place(tmp_path):
    with pytest.raises(UserError, match=r"w1: its process was killed.* twice"):
        list(in_parallel(do, works(tmp_path, {1: 9}), 2))


def test_a_failure_in_a_process_is_raised_here_and_ends_the_others(tmp_path):
    with pytest.raises(StorageError, match="cannot write w"):
        list(in_parallel(fail, works(tmp_path, {}), 2, lost=lost))
    assert children(psutil.Process()) == []


def test_what_processes_log_is_handled_here_with_its_level(tmp_path, log_lines):
    assert len(list(in_parallel(tell, works(tmp_path, {}), 2, lost=lost))) == 6
    assert sorted(log_lines) == [f"INFO told w{number}" for number in range(6)]


def test_processes_end_with_the_one_that_started_them(tmp_path):
    """As after a ``kill -9``; they sleep for ten minutes otherwise."""
    program = (
        "import test_processes as t; from pathlib import Path; from mimii.runtime.processes import in_parallel\n"
        f"list(in_parallel(t.sleep, t.works(Path({str(tmp_path)!r}), {{}}), 2, lost=t.lost))"
    )
    paths = [str(Path(mimii.__file__).parents[1]), str(Path(__file__).parent), str(Path(support.__file__).parent)]
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*paths, *sys.path])},
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        while len(list(tmp_path.iterdir())) < 2:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        workers = children(psutil.Process(process.pid))
        assert len(workers) == 2
        process.kill()
        _, alive = psutil.wait_procs(workers, timeout=30)
        assert alive == []
        assert process.stderr.read() == ""
