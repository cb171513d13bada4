"""``monitor.py report``: a history in a picture and some sentences."""

import argparse
import textwrap
from pathlib import Path

from mimii.commands.parsing import Parser


def add_options(parser: Parser) -> None:
    """What the command takes."""
    parser.add_argument(
        "--history", type=Path, required=True, default=argparse.SUPPRESS, help="what monitor.py watch wrote"
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        default=argparse.SUPPRESS,
        metavar="PICTURE",
        help="the score over days with the threshold: a file .png, .svg or .pdf",
    )


def run(args: argparse.Namespace) -> int:
    """Draw the history and say what it says; returns the exit status."""
    from mimii.errors import UserError
    from mimii.monitoring.history import read_history
    from mimii.monitoring.timeline import draw, summary

    history = read_history(args.history)
    if history.empty:
        raise UserError(f"there are no recordings in {args.history} yet")
    draw(history, args.output)
    for sentence in summary(history):
        print(textwrap.fill(sentence, 80, break_long_words=False, break_on_hyphens=False))
    print(f"The picture is {args.output}.")
    return 0
