"""Anomaly detection on machine sounds: models that learn from normal recordings alone.

python src/exp_autoencoding.py --base_dir ./dataset --model all
"""

import argparse
from collections.abc import Sequence
from functools import partial

from mimii.commands import chosen, options, parsing
from mimii.commands.running import experiment_log, guarded
from mimii.models import DETECTORS, list_models
from mimii.settings import DetectionSettings

SCOPES = {"machine": "each machine", "type": "each SNR and machine type", "all": "everything"}
OWN_SCOPES = (
    " (default: machine; for id_embedding type, for "
    + " and ".join(name for name, entry in DETECTORS.items() if entry.scope == "all")
    + " all, and for fusion the widest of its members)"
)
SUMMARY = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "num_parameters": "parameters",
    "training_time_sec": "train [s]",
}


def build_parser() -> parsing.Parser:
    """The command line."""
    parser = parsing.Parser(description=(__doc__ or "").splitlines()[0])
    options.add_data_options(parser)
    options.add_model_options(parser, list_models("detection"), SCOPES, OWN_SCOPES)
    options.add_scoring_options(parser)
    options.add_feature_options(parser)
    options.add_training_options(parser, list_models("detection"))
    options.add_run_options(parser, has_backends=True)
    options.add_output_options(
        parser, "cache/research_features", "cache/research_models", "research_results.csv", has_submission=True
    )
    return parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; a wrong one ends the process."""
    parser = build_parser()
    args = parser.parse_args(argv)
    chosen.check(parser, args)
    return args


def settings(args: argparse.Namespace) -> DetectionSettings:
    """The options as settings."""
    return DetectionSettings(
        data=chosen.data_settings(args),
        features=chosen.feature_settings(args),
        training=chosen.training_settings(args),
        scoring=chosen.scoring_settings(args),
        run=chosen.run_settings(args),
    )


def run(args: argparse.Namespace) -> int:
    """Do the experiment and print its table; returns the exit status."""
    from mimii.commands.summary import Summary, show
    from mimii.sweep import experiment

    with experiment_log(args):
        result = experiment.run(settings(args))
        return show(result, partial(Summary("machines", SUMMARY).with_scores, scores=result.official))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(lambda: run(parse_args(argv)))
