"""``monitor.py score``: a line for each recording, and an exit status."""

import argparse
import csv
import json
import logging
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from mimii.commands.options import add_model_file
from mimii.commands.parsing import Parser, positive_int
from mimii.errors import UserError

if TYPE_CHECKING:
    from mimii.monitoring.judging import Judgement

log = logging.getLogger(__name__)


def add_options(parser: Parser) -> None:
    """What the command takes."""
    parser.epilog = (
        "Exit status: 0 if all recordings are normal, 1 if one is abnormal, 2 if one can't be judged or anything else "
        "is wrong, even if others are abnormal. docs/monitoring.md says what the columns are."
    )
    parser.add_argument(
        "recordings",
        nargs="+",
        metavar="RECORDING",
        help="files, folders with all that is below them, or -: the paths in standard input, one in each line or, as "
        "find -print0 writes them, one before each null character",
    )
    add_model_file(parser)
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help="write a JSON object for each recording, one in a line")
    formats.add_argument("--csv", action="store_true", help="write a table with a row for each recording")
    parser.add_argument("--jobs", type=positive_int, help="processes, for a thousand and more (default: the cores)")


def run(args: argparse.Namespace) -> int:
    """Judge the recordings; returns the exit status."""
    from mimii.commands.monitor.lines import Lines, exit_status
    from mimii.monitoring.judging import ABNORMAL, NORMAL, NOT_JUDGED, judge_all
    from mimii.monitoring.monitor import Monitor

    monitor = Monitor.load(args.model_file)
    paths, is_complete = _asked(args.recordings)
    writer = _json_line if args.json else _CsvRows() if args.csv else Lines(paths, len(monitor.calibration.scores))
    counts = dict.fromkeys((NORMAL, ABNORMAL, NOT_JUDGED), 0)
    for judgement in judge_all(monitor, paths, args.jobs):
        counts[judgement.verdict] += 1
        writer(judgement)
        sys.stdout.flush()
    if not (args.json or args.csv):
        not_judged = f", {counts[NOT_JUDGED]:,} not judged" if counts[NOT_JUDGED] else ""
        print(f"{counts[NORMAL]:,} normal, {counts[ABNORMAL]:,} abnormal{not_judged}")
    return exit_status([verdict for verdict, count in counts.items() if count], is_complete=is_complete)


def _asked(given: list[str]) -> tuple[list[str], bool]:
    """The files to judge, and whether they are all that was asked for; raises `UserError` where there is none."""
    from mimii.commands.monitor.lines import showing_warnings
    from mimii.monitoring.asked import asked, listed
    from mimii.runtime.spelling import plain

    if "-" in given:
        if sys.stdin is None:
            raise UserError("there is no standard input to read paths from")
        place = given.index("-")
        given = [*given[:place], *listed(sys.stdin.buffer.read()), *(path for path in given[place:] if path != "-")]
        if not given:
            raise UserError("there is no path in standard input")
    with showing_warnings() as warnings:  # of a folder that can't be searched, say
        paths, empty = asked(given)
        if not paths:
            raise UserError(f"there is no audio file below {plain(empty[0])}")
        for folder in empty:
            log.warning("There is no audio file below %s.", folder)
    return paths, not warnings.count


def _json_line(judgement: "Judgement") -> None:
    """For programs: what is not a number is null, and each finding has its text."""
    values = {name: _or_none(value) for name, value in asdict(judgement).items()}
    values["findings"] = [{"text": finding.text, **asdict(finding)} for finding in judgement.findings]
    print(json.dumps(values, allow_nan=False))


class _CsvRows:
    """For tables: a row for each recording, with the texts of its findings in one cell, and those of its warnings."""

    def __init__(self) -> None:
        from mimii.monitoring.judging import Judgement

        self._columns = [field.name for field in fields(Judgement)]
        self._write(self._columns)

    def __call__(self, judgement: "Judgement") -> None:
        texts = {
            "findings": "; ".join(finding.text for finding in judgement.findings),
            "warnings": "; ".join(judgement.warnings),
        }
        values = vars(judgement) | texts
        self._write([_or_none(values[name]) for name in self._columns])

    def _write(self, cells: Sequence[object]) -> None:
        from mimii.storage.files import csv_quoting

        csv.writer(sys.stdout, lineterminator="\n", quoting=csv_quoting(cells)).writerow(cells)


def _or_none(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
