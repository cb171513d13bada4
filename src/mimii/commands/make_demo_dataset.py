"""Write a synthetic demo data set in MIMII's layout, to try the framework without downloading MIMII.

    python src/make_demo_dataset.py --output_dir ./dataset/demo

The recordings are calculated (see mimii/data/synthesis.py), so results on them say nothing about real machines.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mimii.commands.parsing import Parser, natural, positive_int, seed_int
from mimii.commands.running import guarded
from mimii.data.layouts import LAYOUTS, canonical_snr
from mimii.data.mimii import CHANNELS, MACHINE_TYPES, SNRS


def build_parser() -> Parser:
    """The parser of the command line."""
    parser = Parser(
        description="Write a SYNTHETIC data set in MIMII's layout (4 machine types, 16 kHz, 10 s, 16-bit), for trying "
        "the framework: its sounds are calculated, none is recorded. Recordings that exist already are not made again.",
    )
    add = parser.add_argument
    add(
        "--output_dir",
        type=Path,
        default=Path("./dataset/demo"),
        metavar="DIR",
        help="folder that receives the data set",
    )
    add("--seed", type=seed_int, default=42, help="same seed, same recordings")
    add(
        "--snr",
        type=canonical_snr,
        nargs="+",
        choices=list(SNRS),
        metavar="SNR",
        help=f"level of the machine over the factory noise, of {', '.join(SNRS)} (default: 6dB); the sounds are "
        "the same at each",
    )
    add(
        "--machine_type",
        nargs="+",
        choices=MACHINE_TYPES,
        metavar="TYPE",
        help=f"only these, of {', '.join(MACHINE_TYPES)}",
    )
    add(
        "--layout",
        choices=list(LAYOUTS),
        default="mimii",
        help="MIMII's, or that of a DCASE challenge: with the split in the folders, and from 2021 on with domains",
    )
    add("--ids", type=int, choices=range(1, 5), default=2, metavar="N", help="machines of each type, 1 to 4")
    add("--normal", type=natural, default=32, help="normal recordings per machine")
    add("--abnormal", type=natural, default=12, help="abnormal recordings per machine")
    add(
        "--channels",
        type=int,
        choices=(1, CHANNELS),
        default=1,
        help=f"{CHANNELS} is MIMII's microphone array; its channel 0 is the one channel of 1",
    )
    add("--jobs", type=positive_int, help="processes (default: the cores)")
    return parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; a wrong one ends the process."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.normal + args.abnormal == 0:
        parser.error("--normal and --abnormal are both 0: there is nothing to make")
    if not LAYOUTS[args.layout].has_snr and len(args.snr or []) > 1:
        parser.error(f"--layout {args.layout} can't tell several SNR apart: make a data set for each")
    return args


def run(args: argparse.Namespace) -> int:
    """Make what is missing of the data set; returns the exit status."""
    # imported here, so that --help is quick
    from joblib import cpu_count

    from mimii.data.demo import DemoSettings, make_dataset

    settings = DemoSettings(
        snr=tuple(name for name in SNRS if name in (args.snr or ["6dB"])),
        machine_type=tuple(name for name in MACHINE_TYPES if name in (args.machine_type or MACHINE_TYPES)),
        **{name: getattr(args, name) for name in ("layout", "ids", "normal", "abnormal", "channels", "seed")},
    )
    made = make_dataset(args.output_dir, settings, args.jobs or cpu_count())
    outcome = f"wrote {made.written} of" if made.written else "already there, nothing written:"
    print(
        f"Synthetic demo data set in {args.output_dir}: {outcome} {made.recordings} recordings "
        f"({len(settings.machines)} machines x {args.normal} normal + {args.abnormal} abnormal, "
        f"SNR {', '.join(settings.snr)}, channels {args.channels}, seed {args.seed}), {made.size / 1e6:.1f} MB"
    )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status."""
    return guarded(lambda: run(parse_args(argv)))
