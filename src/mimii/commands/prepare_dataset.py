"""Download, unpack and check MIMII, or the data set of a DCASE challenge.

python src/prepare_dataset.py download --base_dir ./dataset --snr 6dB --machine_type fan
python src/prepare_dataset.py extract --base_dir ./dataset
python src/prepare_dataset.py verify --base_dir ./dataset
python src/prepare_dataset.py download --base_dir ./dataset --dataset dcase2024
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mimii.commands.parsing import Parser
from mimii.commands.running import guarded
from mimii.data import dcase, mimii
from mimii.data.layouts import canonical_snr
from mimii.runtime.spelling import did_you_mean, plain

MIMII = "mimii"
FIRST, *_, LAST = dcase.RECORDS
DATASETS = [MIMII, *dcase.RECORDS]


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(description="Download, unpack and check MIMII, or the data set of a DCASE challenge.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    download = _add_command(commands, "download", "download the archives of a data set, or go on with it")
    download.add_argument("--url", help="another list of files, as Zenodo's record API gives it, for one part")
    extract = _add_command(commands, "extract", "unpack the archives of a data set, or go on with it")
    extract.add_argument("--remove_archives", action="store_true", help="remove each archive when it is unpacked")
    for command in (download, extract):
        command.set_defaults(dataset=MIMII)
        command.add_argument(
            "--part",
            nargs="+",
            choices=dcase.PARTS,
            metavar="PART",
            help=f"only these parts of a challenge's data set, of {', '.join(dcase.PARTS)}",
        )
    verify = _add_command(commands, "verify", "check the recordings; exit status 1 where something is wrong")
    verify.description = (
        "Check the recordings: MIMII is compared with what it should be, and the recordings of any other data set with "
        "each other. Without --dataset, all that is below --base_dir is checked. The exit status is 1 where something "
        "is wrong."
    )
    return parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; a wrong one ends the process."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if problem := _problem(args):
        parser.error(problem)
    return args


def _problem(args: argparse.Namespace) -> str:
    """What of the options does not fit together; empty where all do."""
    parts = getattr(args, "part", None) or ()
    if args.dataset == MIMII:
        unknown = [wanted for wanted in args.machine_type or () if wanted not in mimii.MACHINE_TYPES]
        if unknown:
            known = mimii.MACHINE_TYPES
            suggestion = did_you_mean(unknown[0], known)
            return (
                f"argument --machine_type: invalid choice: {unknown[0]!r}{suggestion}; MIMII has {', '.join(known)}, "
                "and --dataset names another data set"
            )
        return "argument --part: MIMII has no parts; --dataset names another data set" if parts else ""
    if args.dataset and args.snr:
        return f"argument --snr: {args.dataset} has no SNR"
    if getattr(args, "url", None) and len(parts) != 1:
        return "argument --url: choose with --part the one that it has"
    return ""


def _add_command(commands: "argparse._SubParsersAction[Parser]", name: str, summary: str) -> Parser:
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.add_argument(
        "--base_dir", type=Path, required=True, default=argparse.SUPPRESS, help="where the data sets are, or are to be"
    )
    parser.add_argument(
        "--dataset",
        choices=DATASETS,
        metavar="NAME",
        help=f"{MIMII}, or {FIRST} to {LAST}, which have a directory of their name in --base_dir",
    )
    parser.add_argument(
        "--snr",
        type=canonical_snr,
        nargs="+",
        choices=list(mimii.SNRS),
        metavar="SNR",
        help=f"only these SNRs of MIMII, of {', '.join(mimii.SNRS)}",
    )
    parser.add_argument(
        "--machine_type", nargs="+", metavar="TYPE", help="only these machine types, by the names of the data set"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Run a subcommand; returns the exit status."""
    return {"download": _download, "extract": _extract, "verify": _verify}[args.command](args)


# the modules that do the work are imported here, so that --help is quick


def _download(args: argparse.Namespace) -> int:
    from mimii.data.download import download
    from mimii.data.records import choose, read_record

    if args.dataset == MIMII:
        url = args.url or mimii.RECORD_URL
        wanted = mimii.archives(args.snr, args.machine_type)
        chosen = choose(read_record(url), [archive.name for archive in wanted], url)
        download(args.base_dir, dict(zip(wanted, chosen, strict=True)))
        return 0
    parts = args.part or dcase.PARTS
    records = {part: read_record(args.url or dcase.record_url(args.dataset, part)) for part in parts}
    wanted = dcase.select(records, args.machine_type, holder=f"the record of {args.dataset}")
    remotes = {archive: records[archive.path.parent.name][archive.name] for archive in wanted}
    download(args.base_dir / args.dataset, remotes)
    names = {archive.name for archive in wanted}
    left_out = [name for files in records.values() for name in files if name not in names]
    if left_out and not args.machine_type:
        print(f"left out, for they are no archives or older ones: {plain(', '.join(left_out))}")
    return 0


def _extract(args: argparse.Namespace) -> int:
    from mimii.data.unpack import extract

    if args.dataset == MIMII:
        extract(args.base_dir, mimii.archives(args.snr, args.machine_type), remove_archives=args.remove_archives)
        return 0
    base_dir = args.base_dir / args.dataset
    present = dcase.archives_in(base_dir, args.part or dcase.PARTS)
    wanted = dcase.select(present, args.machine_type, holder=str(base_dir / dcase.ARCHIVES))
    extract(base_dir, wanted, remove_archives=args.remove_archives)
    if absent := [part for part, names in present.items() if not names]:
        print(f"not there: archives of the part {', '.join(absent)}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from mimii.data import inventory_table, verify

    reports = verify.verify(args.base_dir, dataset=args.dataset, snrs=args.snr, machine_types=args.machine_type)
    texts = [
        verify.render(report) if isinstance(report, verify.Report) else inventory_table.render(report)
        for report in reports
    ]
    print("\n\n".join(texts))
    return 0 if all(report.is_good for report in reports) else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status."""
    args = parse_args(argv)
    return guarded(lambda: run(args))
