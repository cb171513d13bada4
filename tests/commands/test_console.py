"""What the console shows, and what is for the log alone."""

import logging
import os
import sys
import warnings

import pytest

from mimii.commands.console import logging_to

log = logging.getLogger("mimii.test")


def test_a_warning_is_shown_once_and_logged_as_often_as_it_is_given(tmp_path, capsys):
    with logging_to(tmp_path / "log.txt"):
        for _ in range(3):
            log.warning("a recording is skipped")
            log.error("a task failed")
    shown = capsys.readouterr().err
    assert shown.count("a recording is skipped") == 1
    assert shown.count("a task failed") == 3
    assert (tmp_path / "log.txt").read_text(encoding="utf-8").count("a recording is skipped") == 3


def test_warnings_of_libraries_are_for_the_log(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with logging_to(tmp_path / "log.txt"):
            warnings.warn("mean of an empty slice", RuntimeWarning, stacklevel=1)
            assert os.environ["PYTHONWARNINGS"] == "ignore"  # for the worker processes
    assert capsys.readouterr().err == ""
    assert "mean of an empty slice" in (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert "PYTHONWARNINGS" not in os.environ


class Gone:
    """A terminal that was closed while the run goes on."""

    def __init__(self, error):
        self.error = error

    def write(self, text):
        raise self.error

    flush = write


def test_a_terminal_that_is_gone_does_not_end_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Gone(OSError(5, "Input/output error")))
    with logging_to(tmp_path / "log.txt"):
        log.info("first")
        log.info("second")
    assert "second" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_a_reader_that_wants_no_more_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Gone(BrokenPipeError()))
    with pytest.raises(BrokenPipeError), logging_to(tmp_path / "log.txt"):
        log.info("first")
