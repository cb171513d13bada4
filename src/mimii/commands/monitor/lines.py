"""Judgements as lines of text for people, at most 80 columns wide where nothing in them is longer by itself."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill

from mimii.monitoring.finding import MOMENT
from mimii.monitoring.judging import ABNORMAL, Judgement
from mimii.monitoring.telling import plain

_WIDTH = 80
_NAME = 20  # characters of a name at most, so that its line is no wider
_MOST_IN = 10_000  # healthy recordings of which one scores as high: no tail of a few hundred scores says more


class Warnings(logging.Handler):
    """Shows the warnings of the engine, a line each on standard error.

    Attributes
    ----------
    count : int
        How many there were.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Show a warning."""
        self.count += 1
        print(f"{Path(sys.argv[0]).name}: warning: {plain(record.getMessage())}", file=sys.stderr)


@contextmanager
def showing_warnings() -> Iterator[Warnings]:
    """Show the warnings of the engine while a block runs."""
    shown, logger = Warnings(), logging.getLogger("mimii")
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(shown)
    try:
        yield shown
    finally:
        logger.removeHandler(shown)
        logger.propagate = propagates


class Lines:
    """Prints a line for each recording, and an indented one for all else that is to be known of it.

    Parameters
    ----------
    paths : sequence of str
        The recordings; what their folders have in common is not printed.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._names = _short_names(paths)
        self._width = max(map(len, self._names.values()))

    def __call__(self, judgement: Judgement) -> None:
        """Print a judgement."""
        print(f"{self._names[judgement.path]:<{self._width}}  {_verdict(judgement)}")
        for line in _remarks(judgement):
            print(fill(plain(line), _WIDTH, initial_indent="    ", subsequent_indent="      ", break_long_words=False))


def _short_names(paths: Sequence[str]) -> dict[str, str]:
    """The names by which people can tell paths apart, as far as few characters allow."""
    folders = {os.fspath(Path(path).parent) for path in paths}
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # absolute ones and others, or of several drives
        common = ""
    return {path: _short(Path(os.path.relpath(path, common) if common else path)) for path in set(paths)}


def _short(path: Path) -> str:
    """A path of few characters: of a long name the end is kept, and of a folder the beginning."""
    name, folder = plain(path.name), plain(str(path.parent))
    room = _NAME - len(name) - 1  # for the folder
    if len(name) > _NAME:
        return f"...{name[3 - _NAME :]}"
    if folder == "." or room < 4:
        return name
    return f"{folder if len(folder) <= room else f'{folder[: room - 3]}...'}{os.sep}{name}"


def _verdict(judgement: Judgement) -> str:
    """The verdict, and how sure it is."""
    if judgement.reason:
        return judgement.verdict
    verdict = judgement.verdict.upper() if judgement.verdict == ABNORMAL else judgement.verdict
    size = abs(judgement.relative)
    relative = f"{judgement.relative:.2f}" if size < 10 else f"{judgement.relative:,.0f}"
    return f"{verdict:<8}  {relative} of threshold; {_share(judgement.share)} healthy as high"


def _share(share: float) -> str:
    """A share of healthy recordings: ``40 % of``, ``1 in 400`` or ``1 in 10,000+``."""
    if share >= 0.1:
        return f"{100 * share:.0f} % of"
    return f"1 in {1 / share:,.0f}" if share * _MOST_IN > 1 else f"1 in {_MOST_IN:,}+"


def _remarks(judgement: Judgement) -> list[str]:
    """What else is to be said of a recording."""
    if judgement.reason:
        return [judgement.reason]
    lines = []
    if judgement.verdict == ABNORMAL:
        begin, end = judgement.begin, judgement.end
        is_moment = end - begin < MOMENT
        lines.append(f"most at {(begin + end) / 2:.1f} s" if is_moment else f"most from {begin:.1f} to {end:.1f} s")
        if not judgement.findings:
            lines.append("no frequency stands out: many differ a little")
    return (
        lines + [finding.text for finding in judgement.findings] + [f"warning: {text}" for text in judgement.warnings]
    )
