"""Make tables, statistics, figures and a page from the results of the experiments; nothing is trained.

python src/make_report.py --result_dir results
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mimii.commands import parsing
from mimii.commands.running import guarded
from mimii.data.layouts import canonical_snr
from mimii.storage.schema import RANKINGS


def build_parser() -> parsing.Parser:
    """The command line."""
    parser = parsing.Parser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--result_dir", type=Path, default=Path("results"), help="what the experiments wrote")
    parser.add_argument(
        "--compare",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="instead of --result_dir: two or more of them side by side, with the differences from the first",
    )
    parser.add_argument(
        "--output_dir",
        type=Path,
        metavar="DIR",
        help="receives the page, tables and figures (default: report in --result_dir, comparison in the last of "
        "--compare)",
    )
    parser.add_argument("--metric", choices=RANKINGS, default=RANKINGS[0], help="what detectors are ranked by")
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="only these")
    parser.add_argument("--snr", type=canonical_snr, nargs="+", metavar="SNR", help="only these, of 6dB, 0dB, min6dB")
    parser.add_argument(
        "--model_dir",
        type=Path,
        default=Path("cache/research_models"),
        help="cache of trained detectors, for a recording's score over time",
    )
    parser.add_argument(
        "--no_audio", action="store_true", help="confidential sounds: they are seen on the page, and not heard"
    )
    return parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; a wrong one ends the process."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.compare and len(args.compare) < 2:
        parser.error("--compare takes two directories or more")
    return args


def run(args: argparse.Namespace) -> int:
    """Make the report; returns the exit status."""
    from mimii.report.build import build, compare

    choice = {"metric": args.metric, "models": args.models, "snr": args.snr}
    if args.compare:
        made = compare(args.compare, args.output_dir or args.compare[-1] / "comparison", **choice)
    else:
        output_dir = args.output_dir or args.result_dir / "report"
        made = build(args.result_dir, output_dir, model_dir=args.model_dir, audio=not args.no_audio, **choice)
    for note in made.notes:
        print(f"Note: {note}")
    print(f"Report: {made.page} ({made.tables} tables, {made.figures} figures)")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(lambda: run(parse_args(argv)))
