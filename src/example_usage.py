"""How to use this library from Python: run an experiment, read its results, draw a figure, score a recording.

    python src/make_demo_dataset.py
    python src/example_usage.py --base_dir dataset/demo

Read it from `main` down.
"""

import argparse
import sys
from pathlib import Path

from mimii.commands import options as cli
from mimii.settings import FeatureSettings


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--base_dir", type=Path, default=Path("dataset/demo"), help="the recordings")
    parser.add_argument("--output_dir", type=Path, default=Path("results/example"), help="receives everything")
    return parser.parse_args(argv)


def main(base_dir: Path, output_dir: Path) -> int:
    """Do the four steps; returns the exit status."""
    # Heavy libraries are imported where they are used, so that --help is quick.
    import pandas as pd
    from matplotlib.figure import Figure

    import exp_autoencoding
    from mimii.models import create_model
    from mimii.report.listening import score_recording

    # 1. Run an experiment: one model for each machine below base_dir. These are the options of the command line,
    #    and a second run with the same ones finds everything done.
    model_dir = output_dir / "models"
    options = {
        "--base_dir": base_dir,
        "--result_dir": output_dir,
        "--model_dir": model_dir,  # the trained models
        "--pickle_dir": output_dir / "features",  # log-mel features, extracted once
        "--model": "simple_ae",
        "--scoring": "mse",  # or mahalanobis; models such as knn have a score of their own
        "--epochs": 3,
        "--jobs": 1,  # so small a model needs no second process
    }
    words = [str(word) for pair in options.items() for word in pair]
    if exp_autoencoding.run(exp_autoencoding.parse_args(words)):
        return 1

    # 2. Read the results: a row a model and machine, with the metrics and every setting that led to them.
    rows = pd.read_csv(output_dir / "research_results.csv", dtype={"run_id": str}).fillna({"snr": ""})
    print(rows.groupby(["machine_type", "scoring"])[["auc", "pr_auc", "f1"]].mean().round(3))

    # 3. Draw a figure of the scores of one machine. run_id ties a row to the files that belong to it.
    row = rows.iloc[0]
    (scores_file,) = (output_dir / "scores").glob(f"*_{row['run_id']}.csv")
    scores = pd.read_csv(scores_file)  # a row a recording: path, label, score ...
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    for label, group in scores.groupby("label"):
        axes.hist(group["score"], bins=10, alpha=0.6, label=label)
    axes.axvline(row["threshold"], color="black", linestyle="--", label="threshold")
    axes.set(xlabel="anomaly score", ylabel="recordings", title=f"{row['machine_type']} {row['machine_id']}")
    axes.legend()
    figure.savefig(output_dir / "scores.png")

    # 4. Score one recording with the trained model: higher is more anomalous. A window is `frames` log-mel frames,
    #    and the score of the recording is the mean over its windows. The threshold follows from normal recordings.
    machine = "_".join(filter(None, [row["snr"], row["machine_type"], row["machine_id"]]))
    model_file = max(model_dir.glob(f"simple_ae_{machine}_*"), key=lambda path: path.stat().st_mtime)
    settings = FeatureSettings()  # as in the experiment: 64 mel bands ...
    model = create_model("simple_ae", n_mels=settings.n_mels, frames=int(row["frames"]))
    model.load(model_file)
    recording = Path(scores["path"].iloc[0])
    _, _, window_scores = score_recording(model, recording, settings, model.frames)
    verdict = "abnormal" if window_scores.mean() > row["threshold"] else "normal"
    print(f"{recording.name} ({scores['label'].iloc[0]}): score {window_scores.mean():.3f}, judged {verdict}")
    print(f"Figure: {output_dir / 'scores.png'}")
    return 0


if __name__ == "__main__":
    args = parse_args()
    sys.exit(cli.guarded(lambda: main(args.base_dir, args.output_dir)))
