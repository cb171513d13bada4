"""Judgements as lines of text for people, at most 80 columns wide where nothing in them is longer by itself."""

import logging
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill

from mimii.monitoring.finding import MOMENT
from mimii.monitoring.judging import ABNORMAL, NOT_JUDGED, Judgement
from mimii.runtime.spelling import plain

_WIDTH = 80
_NAME = 16  # characters of a name at most, so that its line is no wider
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
        self._of_folders: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Show a warning."""
        self.count += 1
        message = record.getMessage()
        is_known = message in self._of_folders
        if record.name == "mimii.data.folders":  # who watches a folder finds the same in it time and again
            self._of_folders.add(message)
        if not is_known:
            print(f"{Path(sys.argv[0]).name}: warning: {plain(message)}", file=sys.stderr)


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


def exit_status(verdicts: Collection[str], *, is_complete: bool) -> int:
    """2 if something could not be judged or looked for, else 1 if something is abnormal, else 0: as of grep and diff.

    Parameters
    ----------
    verdicts : collection of str
        See `mimii.monitoring.judging.Judgement`.
    is_complete : bool
        All recordings that were asked for were found.
    """
    if not is_complete or NOT_JUDGED in verdicts:
        return 2
    return 1 if ABNORMAL in verdicts else 0


class Lines:
    """Prints a line for each recording, and an indented one for all else that is to be known of it.

    Parameters
    ----------
    paths : sequence of str
        The recordings; what their folders have in common is not printed.
    healthy : int > 0
        How many healthy recordings the threshold rests on.
    """

    def __init__(self, paths: Sequence[str], healthy: int) -> None:
        self._healthy = healthy
        self._names = _short_names(paths)
        self._width = max((len(name) for name in self._names.values() if len(name) <= _NAME), default=0)

    def __call__(self, judgement: Judgement) -> None:
        """Print a judgement."""
        print(f"{self._names[judgement.path]:<{self._width}}  {_verdict(judgement, self._healthy)}")
        for line in _remarks(judgement):
            print(fill(plain(line), _WIDTH, initial_indent="    ", subsequent_indent="      ", break_long_words=False))


def _short_names(paths: Sequence[str]) -> dict[str, str]:
    """The names by which people can tell paths apart: short ones, and where two would be the same, whole ones."""
    folders = {os.fspath(Path(path).parent) for path in paths}
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # absolute ones and others, or of several drives
        common = ""
    names = {path: Path(os.path.relpath(path, common) if common else path) for path in set(paths)}
    shorts = {path: _short(name) for path, name in names.items()}
    counts = Counter(shorts.values())
    return {path: short if counts[short] == 1 else plain(str(names[path])) for path, short in shorts.items()}


def _short(path: Path) -> str:
    """A path of few characters: of a long name the end is kept, and of a folder the beginning."""
    name, folder = plain(path.name), plain(str(path.parent))
    room = _NAME - len(name) - 1  # for the folder
    if len(name) > _NAME:
        return f"...{name[3 - _NAME :]}"
    if folder == "." or room < 4:
        return name
    return f"{folder if len(folder) <= room else f'{folder[: room - 3]}...'}{os.sep}{name}"


def _verdict(judgement: Judgement, healthy: int) -> str:
    """The verdict, and how sure it is."""
    if judgement.reason:
        return judgement.verdict
    verdict = judgement.verdict.upper() if judgement.verdict == ABNORMAL else judgement.verdict
    size = abs(judgement.relative)
    # near the threshold, as many digits as tell on which side it is
    decimals = 2 if abs(size - 1) >= 0.005 else 6
    relative = f"{judgement.relative:.{decimals}f}" if size < 10 else f"{judgement.relative:,.0f}"
    return f"{verdict:<8}  {relative} of threshold; {_share(judgement.share, healthy)} healthy as high"


def _share(share: float, healthy: int) -> str:
    """A share of healthy recordings: ``40 % of``, ``1 in 40``; ``about 1 in 400`` if it is estimated, not counted."""
    if share >= 0.1:
        return f"{100 * share:.0f} % of"
    about = "about " if share * (healthy + 1) < 1 - 1e-9 else ""
    return f"{about}1 in {1 / share:,.0f}" if share * _MOST_IN > 1 else f"1 in {_MOST_IN:,}+"


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
