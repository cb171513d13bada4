"""Download, unpack and check MIMII.

python src/prepare_dataset.py download --base_dir ./dataset --snr 6dB --machine_type fan
python src/prepare_dataset.py extract --base_dir ./dataset
python src/prepare_dataset.py verify --base_dir ./dataset
"""

import argparse
import sys
from pathlib import Path

from mimii.commands import options as cli
from mimii.data import archives


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    download = _add_command(commands, "download", "download MIMII's archives, or go on with it")
    download.add_argument("--url", default=archives.RECORD_URL, help="list of files, as Zenodo's record API gives it")
    extract = _add_command(commands, "extract", "unpack the archives into 6dB/, 0dB/ and min6dB/, or go on with it")
    extract.add_argument("--remove_archives", action="store_true", help="remove each archive when it is unpacked")
    _add_command(commands, "verify", "compare the recordings with MIMII's; exit status 1 where they differ")
    return parser.parse_args(argv)


def _add_command(commands: argparse._SubParsersAction, name: str, summary: str) -> cli.Parser:
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.add_argument(
        "--base_dir", type=Path, required=True, default=argparse.SUPPRESS, help="where MIMII is, or is to be"
    )
    for option, choices in (("snr", archives.SNRS), ("machine_type", archives.MACHINE_TYPES)):
        parser.add_argument(
            f"--{option}",
            nargs="+",
            choices=list(choices),
            metavar=option.upper().removeprefix("MACHINE_"),
            help=f"only these, of {', '.join(choices)}",
        )
    return parser


def run(args: argparse.Namespace) -> int:
    """Run a subcommand; returns the exit status."""
    if args.command == "verify":
        from mimii.data import verify

        report = verify.verify(args.base_dir, args.snr, args.machine_type)
        print(verify.render(report))
        return 0 if report.is_good else 1
    wanted = archives.archives(args.snr, args.machine_type)
    if args.command == "download":
        archives.download(args.base_dir, wanted, args.url)
    else:
        archives.extract(args.base_dir, wanted, remove_archives=args.remove_archives)
    return 0


if __name__ == "__main__":
    sys.exit(cli.guarded(lambda: run(parse_args())))
