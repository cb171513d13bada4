"""How a command ends where it is told to."""

import os
import signal
import sys

import pytest

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
