"""How a command ends where it is told to."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import SOURCE

from mimii.commands.running import guarded

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are other there")


@pytest.fixture(autouse=True)
def handlers():
    """Those of the test run come back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")]
)
def test_a_signal_ends_a_command_with_one_line(number, status, word, capsys):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    swept = []

    def command():
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        except Exception:
            raise AssertionError("no handler of errors may take it for one") from None
        finally:
            swept.append("up")

    assert guarded(command) == status
    assert swept == ["up"]
    assert capsys.readouterr().err.strip() == f"{word}. What is done is kept; give the same command again to go on."


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is full")
def test_a_full_disk_behind_the_output_is_one_line_and_no_verdict(tmp_path):
    code = "import sys; from mimii.commands.running import guarded; sys.exit(guarded(lambda: print('x' * 99999) or 0))"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=SOURCE, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_fault_of_the_program_does_not_end_with_the_status_that_says_abnormal(capsys):
    def fault():
        raise ZeroDivisionError

    assert guarded(fault) == 2
    assert "Traceback" in capsys.readouterr().err
