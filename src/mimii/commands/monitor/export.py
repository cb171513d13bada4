"""``monitor.py export``: a model file as an ONNX file."""

import argparse
import textwrap
from pathlib import Path

from mimii.commands.options import add_model_file
from mimii.commands.parsing import Parser
from mimii.errors import UserError


def add_options(parser: Parser) -> None:
    """What the command takes."""
    parser.epilog = (
        "The file takes samples and gives a score; its metadata has the threshold. It takes the packages of "
        "requirements-onnx.txt to write it, and nothing but onnxruntime to use it: see examples/score_with_onnx.py."
    )
    add_model_file(parser)
    parser.add_argument(
        "--onnx",
        type=_onnx,
        required=True,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="the file to write, such as pump3.onnx; one that is there is replaced when the new one is complete",
    )


def _onnx(text: str) -> Path:
    if Path(text).suffix.lower() != ".onnx":
        raise argparse.ArgumentTypeError(f"{text} is no name for an ONNX file: end it in .onnx")
    return Path(text)


def run(args: argparse.Namespace) -> int:
    """Write the file, and say how well it agrees with the model; returns the exit status."""
    from mimii.monitoring.export import export
    from mimii.monitoring.monitor import Monitor

    monitor = Monitor.load(args.model_file)
    if args.onnx.exists() and args.onnx.samefile(args.model_file):
        raise UserError(f"{args.onnx} is the model file: choose another name for the ONNX file")
    exported = export(monitor, args.onnx)
    tried = (
        f"Tried on {exported.recordings} of the healthy recordings and {exported.sounds} made sounds: its scores "
        f"differ from the model's by a share of {exported.difference:.1g} at most."
    )
    print(textwrap.fill(tried, 80))
    print(f"Written: {args.onnx} ({exported.size / 1000:,.0f} kB)")
    return 0
