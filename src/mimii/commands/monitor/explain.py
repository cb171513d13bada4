"""``monitor.py explain``: a picture or a page that explains the verdict on one recording."""

import argparse
from pathlib import Path

from mimii.commands.options import add_model_file
from mimii.commands.parsing import Parser

SUFFIXES = (".html", ".png")


def add_options(parser: Parser) -> None:
    """What the command takes."""
    parser.epilog = (
        "Exit status: 0 if the recording is normal, 1 if it is abnormal, 2 if it can't be judged or anything else is "
        "wrong. docs/monitoring.md says what is shown."
    )
    parser.add_argument("recording", metavar="RECORDING", help="a file")
    add_model_file(parser)
    parser.add_argument(
        "--output",
        type=_output,
        required=True,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="a page that plays the sound (.html), or a picture (.png)",
    )


def _output(text: str) -> Path:
    if Path(text).suffix.lower() not in SUFFIXES:
        raise argparse.ArgumentTypeError(f"{text} is neither a page nor a picture: end its name in .html or .png")
    return Path(text)


def run(args: argparse.Namespace) -> int:
    """Explain the verdict; returns the exit status."""
    from mimii.commands.monitor.lines import Lines, exit_status
    from mimii.data.folders import on_disk
    from mimii.monitoring.explaining import explain
    from mimii.monitoring.monitor import Monitor

    monitor = Monitor.load(args.model_file)
    explanation = explain(monitor, on_disk(Path(args.recording)))
    if args.output.suffix.lower() == ".png":
        from mimii.monitoring.picture import write_picture as write
    else:
        from mimii.monitoring.page import write_page as write
    write(explanation, args.output)
    Lines([explanation.judgement.path], len(monitor.calibration.scores))(explanation.judgement)
    print(f"    see {args.output}")
    return exit_status([explanation.judgement.verdict], is_complete=True)
