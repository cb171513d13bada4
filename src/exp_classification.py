"""Classification of machine sounds: models that learn from labelled recordings.

python src/exp_classification.py --base_dir ./dataset --model all --classification_type machine_type
"""

import argparse
import sys
from functools import partial

from mimii.commands import options as cli
from mimii.errors import UserError
from mimii.models import list_models

SCOPES = {"type": "each SNR and machine type", "machine": "each machine (machine_type only)", "all": "everything"}
SUMMARY = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "f1_macro": "macro F1",
    "num_parameters": "parameters",
    "training_time_sec": "train [s]",
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(description=__doc__.splitlines()[0])
    group = parser.add_argument_group("task")
    group.add_argument(
        "--classification_type",
        choices=["machine_type", "machine_id"],
        default="machine_type",
        help="machine_type: normal or abnormal; machine_id: which individual machine",
    )
    cli.add_data_options(parser)
    cli.add_model_options(parser, list_models("classification"), SCOPES)
    cli.add_feature_options(parser)
    training = cli.add_training_options(parser)
    training.add_argument(
        "--class_weight",
        choices=["balanced", "none"],
        default="balanced",
        help="balanced: the loss of a class is weighted by the inverse of its share",
    )
    cli.add_run_options(parser)
    cli.add_output_options(
        parser, "cache/classification_features", "cache/classification_models", "research_classification_results.csv"
    )
    args = cli.checked(parser, parser.parse_args(argv))
    if args.classification_type == "machine_id" and args.scope == "machine":
        parser.error("--scope machine: a single machine can't be told from others; use --scope type or all")
    return args


def run(args: argparse.Namespace) -> int:
    """Run the experiment; returns the exit status."""
    from mimii.data.recordings import split_for_classification
    from mimii.sweep import classification
    from mimii.sweep.engine import Summary, session
    from mimii.sweep.task import make_pools

    with session(args, classification.COLUMNS) as lab:
        tasks = []
        for seed in args.seeds:
            recordings = split_for_classification(lab.recordings, seed)
            if recordings.empty:
                raise UserError("no recording has a label, so there is nothing to learn from")
            pools, dropped = classification.drop_small_classes(make_pools(recordings, args.scope))
            if dropped:
                lab.warn(f"Left out, too few clips for both sides of the split: {', '.join(dropped)}.")
            pools = lab.usable(pools, partial(classification.unusable, classification_type=args.classification_type))
            tasks += lab.make_tasks(
                classification.ClassificationTask,
                pools,
                seed,
                classification_type=args.classification_type,
                class_weight=args.class_weight,
            )
        return lab.run(tasks, Summary("pools", SUMMARY))


if __name__ == "__main__":
    sys.exit(cli.guarded(lambda: run(parse_args())))
