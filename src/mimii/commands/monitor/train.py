"""The command ``train``: from healthy recordings to the file of a monitor."""

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from mimii.commands import chosen, options, parsing
from mimii.data.folders import USABLE
from mimii.errors import UserError
from mimii.models import list_models
from mimii.settings import NATIVE, MonitorSettings

if TYPE_CHECKING:
    import numpy as np

    from mimii.monitoring.training import Learnt

_WIDTH = 80
_NAMED = 10  # recordings that are named for each reason to leave them out


def add_options(parser: parsing.Parser) -> None:
    """What it takes."""
    defaults = MonitorSettings()
    parser.add_argument(
        "recordings",
        type=Path,
        nargs="+",
        metavar="RECORDINGS",
        help="healthy recordings of one machine: files, and folders that hold some at any depth",
    )
    group = parser.add_argument_group("monitor")
    group.add_argument(
        "--model_file",
        type=Path,
        required=True,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="the file to write; one that is there is replaced when the new one is complete",
    )
    group.add_argument(
        "--model",
        choices=list_models("detection"),
        metavar="MODEL",
        help="the detector (default: fusion, or mahalanobis for fewer than 50 recordings), of "
        + ", ".join(list_models("detection")),
    )
    group.add_argument(
        "--others",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="healthy recordings of other machines, a folder or a file for each: id_embedding, as a part of fusion, "
        "learns from them what sets this machine apart",
    )
    group.add_argument(
        "--false_alarms",
        type=parsing.alarm_share,
        default=defaults.false_alarms,
        metavar="SHARE",
        help="share of healthy recordings that may be called abnormal",
    )
    options.add_scoring_options(parser, only=defaults.scoring.scoring[0])
    options.add_feature_options(parser)
    options.add_training_options(parser, list_models("detection"), several_seeds=False)
    group = parser.add_argument_group("run")
    options.add_device_option(group)
    group.add_argument("--jobs", type=parsing.positive_int, help="processes (default: the cores)")


def settings(args: argparse.Namespace) -> MonitorSettings:
    """The options as settings."""
    return MonitorSettings(
        model=args.model,
        features=chosen.feature_settings(args),
        training=chosen.training_settings(args),
        scoring=chosen.scoring_settings(args),
        false_alarms=args.false_alarms,
        device=args.device,
        jobs=args.jobs,
    )


def run(args: argparse.Namespace) -> int:
    """Train, write the model file, and say what is promised of it; returns the exit status."""
    from mimii.commands.console import on_console
    from mimii.monitoring.training import train_monitor
    from mimii.storage.files import check_writable

    if problem := chosen.more_bands_than_bins(args.n_mels, args.n_fft):
        raise UserError(problem)
    if args.model_file.is_dir() or args.model_file.suffix.lower() in USABLE:
        raise UserError(f"--model_file {args.model_file} is no file for a model: choose one such as pump3.model")
    check_writable(args.model_file.parent, "the model file")
    with on_console():
        learnt = train_monitor(args.recordings, settings(args), args.others or ())
    learnt.monitor.save(args.model_file)
    print("\n".join([*report(learnt), f"Written: {args.model_file}"]))
    return 0


def report(learnt: "Learnt") -> list[str]:
    """What was learnt, from what, and what can be relied on: lines of 80 characters, but for long names of files."""
    import numpy as np

    from mimii.monitoring.choosing import listed

    monitor = learnt.monitor
    detector, scores = monitor.detector, monitor.calibration.scores
    way = f" ({monitor.way[0]})" if monitor.way[0] != NATIVE else ""
    more = ""
    if count := detector.facts["other_files"]:
        more = f", and from {count} of {detector.facts['other_machines']} other machine(s)"
    elif learnt.missing:
        more = f"; --others would add {listed(learnt.missing)}"
    paragraphs = [
        f"{monitor.name}{way} has learnt from {len(scores)} recordings: {_lasting(monitor.healthy.seconds)}, "
        f"{detector.sample_rate} Hz{more}."
    ]
    for reason in dict.fromkeys(learnt.left_out.values()):
        paths = [path for path, given in learnt.left_out.items() if given == reason]
        paragraphs.append(f"Left out {len(paths)}, {reason}: {_listed(paths)}.")
    paragraphs.append(
        f"Threshold: {monitor.threshold:.5g}. The healthy recordings, held out in turn, scored {np.median(scores):.5g} "
        f"(median) to {scores.max():.5g} (highest)."
    )
    paragraphs.append(_promise(len(scores), monitor.false_alarms))
    paragraphs += [f"Warning: {warning}." for warning in learnt.warnings]
    return [line for paragraph in paragraphs for line in _wrapped(paragraph)]


def _promise(count: int, share: float) -> str:
    """How many false alarms are to be expected, and what that rests on."""
    from mimii.evaluation.conformal import plausible_shares, rank_of

    low, high = plausible_shares(count, share)
    begin = f"False alarms: {_percent(share)} of healthy recordings. This rests on {count} held-out recordings"
    if rank_of(count, share):
        return f"{begin}; between {_percent(low)} and {_percent(high)} may come of it (95 % interval)."
    return (
        f"{begin}, too few to promise it by themselves: the threshold is beyond the highest of their scores, by a "
        f"gamma distribution fitted to them. Up to {_percent(high)} may come of it (95 % interval). {_needed(share)} "
        "recordings could promise it."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _needed(share: float) -> int:
    """The fewest recordings whose highest score is a threshold for a share."""
    from mimii.evaluation.conformal import rank_of

    count = int(1 / share) - 1
    return count if rank_of(count, share) else count + 1


def _lasting(seconds: "np.ndarray") -> str:
    """How long recordings are, each and together."""
    total = float(seconds.sum())
    together = (
        f"{total / 3600:.1f} h" if total >= 7200 else f"{total / 60:.0f} minutes" if total >= 120 else f"{total:.0f} s"
    )
    shortest, longest = f"{seconds.min():.1f}", f"{seconds.max():.1f}"
    return f"{shortest if shortest == longest else f'{shortest} to {longest}'} s each, {together} together"


def _listed(paths: list[str]) -> str:
    """Some paths, and how many more there are."""
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more


def _wrapped(paragraph: str) -> list[str]:
    """Lines of printable characters; all but the first are indented."""
    from mimii.runtime.spelling import plain

    return textwrap.wrap(
        plain(paragraph), _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
