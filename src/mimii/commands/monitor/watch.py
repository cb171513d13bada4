"""``monitor.py watch``: judge the recordings that are added to a folder."""

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mimii.commands.options import add_model_file
from mimii.commands.parsing import Parser, positive_float

if TYPE_CHECKING:
    from mimii.commands.monitor.lines import Warnings
    from mimii.monitoring.monitor import Monitor
    from mimii.monitoring.watching import Folder
    from mimii.storage.results import ResultsTable

log = logging.getLogger(__name__)


def add_options(parser: Parser) -> None:
    """What the command takes."""
    parser.epilog = (
        "Each recording is judged once, when nothing has changed in it for a while, and has a row in the history. The "
        "same command goes on where it was stopped. Exit status with --once as that of score: 0 if the new recordings "
        "are normal, 1 if one is abnormal, 2 if one can't be judged."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where recordings are added, at any depth")
    add_model_file(parser)
    parser.add_argument(
        "--history", type=Path, required=True, default=argparse.SUPPRESS, help="CSV that rows are appended to"
    )
    parser.add_argument(
        "--once", action="store_true", help="judge what is new and complete, and end; for cron and the like"
    )
    parser.add_argument(
        "--settle", type=positive_float, default=2.0, metavar="SECONDS", help="how long a file must have been unchanged"
    )
    parser.add_argument(
        "--interval",
        type=positive_float,
        default=10.0,
        metavar="SECONDS",
        help="look at least so often, also where the system does not tell of new files, as on network drives",
    )


def run(args: argparse.Namespace) -> int:
    """Watch the folder; returns the exit status."""
    from mimii.commands.monitor.lines import showing_warnings
    from mimii.monitoring.history import open_history
    from mimii.monitoring.monitor import Monitor
    from mimii.monitoring.watching import Changes, Folder

    with showing_warnings() as shown:
        monitor = Monitor.load(args.model_file)
        history = open_history(args.history)
        folder = Folder(args.folder, history.run_ids(), args.settle)
        rounds = _Rounds(args.model_file, monitor, history, folder, shown)
        if args.once:
            return _once(rounds)
        print(f"Watching {args.folder}; Ctrl-C ends it.", file=sys.stderr)
        changes = Changes(args.folder)
        while True:
            rounds.judge_new()
            changes.wait(min(args.settle, args.interval) if folder.waiting else args.interval)


class _Rounds:
    """Judges what is new, time and again.

    Attributes
    ----------
    verdicts : set of str
        All that have been given.
    is_complete : bool
        Nothing hindered the search for recordings.
    """

    def __init__(
        self, model_file: Path, monitor: "Monitor", history: "ResultsTable", folder: "Folder", shown: "Warnings"
    ):
        from mimii.monitoring.history import latest_shares

        self._model_file, self._monitor, self._history, self.folder = model_file, monitor, history, folder
        self.verdicts: set[str] = set()
        self.is_complete = True
        self._shown = shown
        self._healthy = len(monitor.calibration.scores)
        self._shares = latest_shares(history, monitor.threshold)
        self._has_drifted = False

    def judge_new(self) -> None:
        """Judge the recordings that are new and complete: a line and a row for each."""
        from mimii.commands.monitor.lines import Lines
        from mimii.monitoring.drift import drift
        from mimii.monitoring.history import row_of
        from mimii.monitoring.judging import NORMAL, NOT_JUDGED, judge_all

        warnings = self._shown.count
        new = self.folder.look()
        self.is_complete &= self._shown.count == warnings
        if not new:
            return
        lines = Lines([item.path for item in new], self._healthy)
        for item, judgement in zip(new, judge_all(self._monitor, [item.path for item in new]), strict=True):
            if judgement.verdict == NOT_JUDGED and not Path(item.path).exists():
                self.folder.forget(item)
                continue
            self._history.append([row_of(judgement, item.content, item.identity, self._model_file, self._healthy)])
            lines(judgement)
            sys.stdout.flush()
            self.verdicts.add(judgement.verdict)
            if judgement.verdict == NORMAL:
                self._shares.append(judgement.share)
        warning = drift(self._shares, self._healthy)
        if warning and not self._has_drifted:
            log.warning("%s.", warning)
        self._has_drifted = bool(warning)


def _once(rounds: _Rounds) -> int:
    """One round, and another one for files that were just written."""
    import time

    from mimii.commands.monitor.lines import exit_status

    rounds.judge_new()
    if rounds.folder.waiting:
        time.sleep(rounds.folder.settle)
        rounds.judge_new()
    if waiting := rounds.folder.waiting:
        log.warning("%d file(s) are not complete and wait for the next time, such as %s.", len(waiting), waiting[0])
    return exit_status(rounds.verdicts, is_complete=rounds.is_complete)
