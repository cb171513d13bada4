"""Download, unpack and check MIMII.

python src/prepare_dataset.py download --base_dir ./dataset --snr 6dB --machine_type fan
python src/prepare_dataset.py extract --base_dir ./dataset
python src/prepare_dataset.py verify --base_dir ./dataset
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mimii.commands.parsing import Parser
from mimii.commands.running import guarded
from mimii.data.layouts import canonical_snr
from mimii.data.mimii import MACHINE_TYPES, RECORD_URL, SNRS, archives


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(description="Download, unpack and check MIMII.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    download = _add_command(commands, "download", "download MIMII's archives, or go on with it")
    download.add_argument("--url", default=RECORD_URL, help="list of files, as Zenodo's record API gives it")
    extract = _add_command(commands, "extract", "unpack the archives into 6dB/, 0dB/ and min6dB/, or go on with it")
    extract.add_argument("--remove_archives", action="store_true", help="remove each archive when it is unpacked")
    _add_command(commands, "verify", "compare the recordings with MIMII's; exit status 1 where they differ")
    return parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; a wrong one ends the process."""
    return build_parser().parse_args(argv)


def _add_command(commands: "argparse._SubParsersAction[Parser]", name: str, summary: str) -> Parser:
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.add_argument(
        "--base_dir", type=Path, required=True, default=argparse.SUPPRESS, help="where MIMII is, or is to be"
    )
    for option, metavar, spelling, choices in (
        ("snr", "SNR", canonical_snr, list(SNRS)),
        ("machine_type", "TYPE", str, list(MACHINE_TYPES)),
    ):
        parser.add_argument(
            f"--{option}",
            type=spelling,
            nargs="+",
            choices=choices,
            metavar=metavar,
            help=f"only these, of {', '.join(choices)}",
        )
    return parser


def run(args: argparse.Namespace) -> int:
    """Run a subcommand; returns the exit status."""
    # imported here, so that --help is quick
    if args.command == "verify":
        from mimii.data import verify

        report = verify.verify(args.base_dir, args.snr, args.machine_type)
        print(verify.render(report))
        return 0 if report.is_good else 1
    wanted = archives(args.snr, args.machine_type)
    if args.command == "download":
        from mimii.data.download import download

        download(args.base_dir, wanted, args.url)
    else:
        from mimii.data.unpack import extract

        extract(args.base_dir, wanted, remove_archives=args.remove_archives)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status."""
    args = parse_args(argv)
    return guarded(lambda: run(args))
