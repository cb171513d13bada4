"""What models that judge recordings as a whole cost: fit to 1,000 recordings and score of 1,000 others.

python benchmarks/recording_models.py --output recording_models.json

The recordings are log-mel frames drawn at random, as many and as large as those of MIMII (10 s, 64 bands): the time
depends on their number, not on what they hold. Pooling is part of both times; reading wav files is not.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from mimii import cli
from mimii.settings import POOLINGS, RecordingSettings, TrainingSettings


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=cli.positive_int, default=1000, help="for training, and again to score")
    parser.add_argument("--frames", type=cli.positive_int, default=313, help="log-mel frames of a recording")
    parser.add_argument("--n_mels", type=cli.positive_int, default=64, help="mel bands")
    parser.add_argument("--pooling", choices=POOLINGS, default="mean", help="what becomes of each band's frames")
    parser.add_argument("--repeats", type=cli.positive_int, default=3, help="the median of so many counts")
    parser.add_argument("--threads", type=cli.positive_int, default=2, help="of linear algebra")
    parser.add_argument("--output", type=Path, metavar="FILE", help="receives the figures as JSON")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Measure, print a table, and write the figures; returns the exit status."""
    import numpy as np
    import pandas as pd
    from threadpoolctl import threadpool_limits

    from mimii.features import Features
    from mimii.models import DETECTORS, create_model

    rng = np.random.default_rng(0)
    count = 2 * args.recordings
    # a recording has a level of its own in each band, as the recordings of a machine have
    frames = rng.normal(size=(count, args.frames, args.n_mels)).astype(np.float32)
    frames += rng.normal(size=(count, 1, args.n_mels)).astype(np.float32)
    table = pd.DataFrame({"path": map(str, range(count))})
    offsets = np.arange(count + 1) * args.frames
    features = Features(frames.reshape(-1, args.n_mels), offsets, table, {}, 16000)
    length = min(TrainingSettings().frames, args.frames)
    training = features.windows(length, np.arange(count) < args.recordings)
    evaluation = features.windows(length, np.arange(count) >= args.recordings)

    results = []
    print(f"{args.recordings} recordings of {args.frames} x {args.n_mels}, {args.pooling}, {os.cpu_count()} cores\n")
    print(f"{'model':>12} {'fit [s]':>8} {'score [s]':>9} {'both [s]':>8} {'parameters':>10}")
    with threadpool_limits(args.threads):
        for name in [name for name, entry in DETECTORS.items() if entry.options]:
            fits, scores = [], []
            for _ in range(args.repeats):
                model = create_model(
                    name, n_mels=args.n_mels, frames=length, recording=RecordingSettings(pooling=args.pooling)
                )
                begin = time.perf_counter()
                model.fit(training, None, TrainingSettings(), seed=0)
                middle = time.perf_counter()
                model.score_recordings(evaluation)
                fits.append(middle - begin)
                scores.append(time.perf_counter() - middle)
            row = {
                "model": name,
                "fit_sec": statistics.median(fits),
                "score_sec": statistics.median(scores),
                "num_parameters": model.num_parameters,
            }
            row["total_sec"] = row["fit_sec"] + row["score_sec"]
            results.append(row)
            print(
                f"{name:>12} {row['fit_sec']:8.3f} {row['score_sec']:9.3f} {row['total_sec']:8.3f} "
                f"{row['num_parameters']:10,}"
            )
    if args.output:
        settings = {key: value for key, value in vars(args).items() if key != "output"}
        args.output.write_text(
            json.dumps({"settings": settings, "results": results}, indent=2) + "\n", encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(cli.guarded(lambda: run(parse_args())))
