"""Classification of machine sounds: models that learn from labelled recordings.

python src/exp_classification.py --base_dir ./dataset --model all --classification_type machine_type
"""

import argparse
from collections.abc import Sequence

from mimii.commands import chosen, options, parsing
from mimii.commands.running import experiment_log, guarded
from mimii.models import list_models
from mimii.settings import CLASS_WEIGHTS, CLASSIFICATION_TYPES, ClassificationSettings

SCOPES = {"type": "each SNR and machine type", "machine": "each machine (machine_type only)", "all": "everything"}
SUMMARY = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "f1_macro": "macro F1",
    "num_parameters": "parameters",
    "training_time_sec": "train [s]",
}


def build_parser() -> parsing.Parser:
    """The command line."""
    parser = parsing.Parser(description=(__doc__ or "").splitlines()[0])
    group = parser.add_argument_group("task")
    group.add_argument(
        "--classification_type",
        choices=CLASSIFICATION_TYPES,
        default=CLASSIFICATION_TYPES[0],
        help="machine_type: normal or abnormal; machine_id: which individual machine",
    )
    options.add_data_options(parser)
    options.add_model_options(parser, list_models("classification"), SCOPES)
    options.add_feature_options(parser)
    training = options.add_training_options(parser, list_models("classification"))
    training.add_argument(
        "--class_weight",
        choices=CLASS_WEIGHTS,
        default=CLASS_WEIGHTS[0],
        help="balanced: the loss of a class is weighted by the inverse of its share",
    )
    options.add_run_options(parser)
    options.add_output_options(
        parser, "cache/classification_features", "cache/classification_models", "research_classification_results.csv"
    )
    return parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; a wrong one ends the process."""
    parser = build_parser()
    args = parser.parse_args(argv)
    chosen.check(parser, args)
    if args.classification_type == "machine_id" and args.scope == "machine":
        parser.error("--scope machine: a single machine can't be told from others; use --scope type or all")
    return args


def settings(args: argparse.Namespace) -> ClassificationSettings:
    """The options as settings."""
    return ClassificationSettings(
        data=chosen.data_settings(args),
        features=chosen.feature_settings(args),
        training=chosen.training_settings(args),
        classification_type=args.classification_type,
        class_weight=args.class_weight,
        run=chosen.run_settings(args),
    )


def run(args: argparse.Namespace) -> int:
    """Do the experiment and print its table; returns the exit status."""
    from mimii.commands.summary import Summary, show
    from mimii.sweep import experiment

    with experiment_log(args):
        return show(experiment.run(settings(args)), Summary("groups", SUMMARY).table)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(lambda: run(parse_args(argv)))
