"""Anomaly detection on machine sounds: models that learn from normal recordings alone.

python src/exp_autoencoding.py --base_dir ./dataset --model all
"""

import argparse
import sys
from functools import partial

from mimii.commands import options as cli
from mimii.models import list_models

SCOPES = {"machine": "each machine", "type": "each SNR and machine type", "all": "everything"}
SUMMARY = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "num_parameters": "parameters",
    "training_time_sec": "train [s]",
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(description=__doc__.splitlines()[0])
    cli.add_data_options(parser)
    cli.add_model_options(parser, list_models("detection"), SCOPES)
    cli.add_scoring_options(parser)
    cli.add_feature_options(parser)
    cli.add_training_options(parser)
    cli.add_run_options(parser)
    cli.add_output_options(parser, "cache/research_features", "cache/research_models", "research_results.csv")
    return cli.checked(parser, parser.parse_args(argv))


def run(args: argparse.Namespace) -> int:
    """Run the experiment; returns the exit status."""
    from mimii.data.recordings import split_for_detection
    from mimii.sweep import detection
    from mimii.sweep.engine import Summary, session
    from mimii.sweep.task import make_pools

    with session(args, detection.COLUMNS) as lab:
        recordings = split_for_detection(lab.recordings)
        pools = lab.usable(make_pools(recordings, args.scope), detection.unusable)
        options = {
            "scoring": tuple(dict.fromkeys(args.scoring)),
            "score_pooling": args.score_pooling,
            "recording": cli.recording_settings(args),
        }
        tasks = [
            task for seed in args.seeds for task in lab.make_tasks(detection.DetectionTask, pools, seed, **options)
        ]
        is_challenge = (recordings["given_split"] != "").any()
        has_domains = (recordings["domain"] != "").any()
        scores = {"DCASE": partial(detection.challenge_score, has_domains=has_domains)} if is_challenge else {}
        return lab.run(tasks, Summary("machines", SUMMARY, scores))


if __name__ == "__main__":
    sys.exit(cli.guarded(lambda: run(parse_args())))
