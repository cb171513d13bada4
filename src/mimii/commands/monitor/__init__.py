"""Watch a machine by its sound: learn what is healthy, judge recordings, say why.

python src/monitor.py train recordings/pump3 --model_file models/pump3.model
python src/monitor.py score new/today.wav --model_file models/pump3.model
"""

import argparse
import importlib
from collections.abc import Sequence
from types import ModuleType

from mimii.commands.parsing import Parser
from mimii.commands.running import GOES_ON, guarded

# a module of each in this package: `add_options` adds what it takes to its parser, `run` does it
COMMANDS = {
    "train": "learn from healthy recordings of a machine, and write a model file",
    "score": "judge recordings: which are abnormal, how sure that is, and where in the sound it is",
    "explain": "show why a recording got its verdict: a page that plays the sound, or a picture",
    "export": "write an ONNX file that scores as the model does, for machines without this program",
    "watch": "judge the recordings that are added to a folder, and keep a history",
    "report": "draw a history: the score over days, with the threshold",
}


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        _module(name).add_options(command)
    return parser


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; a wrong one ends the process."""
    return build_parser().parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status."""
    args = parse_args(argv)
    # what the other commands write is whole or absent, and they begin anew
    when_stopped = GOES_ON if args.command == "watch" else ""
    return guarded(lambda: int(_module(args.command).run(args)), when_stopped=when_stopped)
