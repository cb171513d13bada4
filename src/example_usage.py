"""The public API on one page: run an experiment, read its rows, draw a figure, score recordings.

    python src/make_demo_dataset.py
    python src/example_usage.py

The same lines work in a notebook. Give the directory of other recordings as the first word of the command.
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure

import mimii


def main(base_dir: Path, output_dir: Path) -> None:
    """Do the four steps."""
    # 1. Run an experiment: one model for each machine below base_dir. The settings that are not given have their
    #    defaults. A second run with the same settings finds everything done.
    settings = mimii.DetectionSettings(
        data=mimii.DataSettings(base_dir=base_dir),
        training=mimii.TrainingSettings(epochs=8),
        scoring=mimii.ScoringSettings(scoring=("mahalanobis",)),
        run=mimii.RunSettings(
            models=("idnn",),
            scope="machine",
            result_dir=output_dir,
            pickle_dir=output_dir / "features",
            model_dir=output_dir / "models",
        ),
    )
    result = mimii.run(settings)

    # 2. Read the rows: a pandas table, one row for each model and machine, with the metrics and every setting.
    print(result.rows.groupby("machine_type")[["auc", "pr_auc", "f1"]].mean().round(3))

    # 3. Load the trained model of one machine. Its file holds all that is needed to score a recording.
    row = result.rows.sort_values(["machine_type", "machine_id"]).iloc[0]
    model = mimii.load_model(result.model_files[row["run_id"]])
    assert isinstance(model, mimii.TrainedDetector)  # a classifier would predict a class
    recordings = result.recordings[
        (result.recordings["machine_id"] == row["machine_id"])
        & (result.recordings["machine_type"] == row["machine_type"])
        & (result.recordings["snr"] == row["snr"])
        & (result.recordings["split"] == "eval")  # the model has not learnt from these
    ]
    print(f"\n{row['machine_type']} {row['machine_id']}:")
    for label in ("normal", "abnormal"):
        path = Path(recordings[recordings["label"] == label]["path"].iloc[0])
        score = model.score(path, scoring=row["scoring"])
        print(f"  {label:<8} {path.name}: score {score.score:.2f}, threshold {score.threshold:.2f}: {score.verdict}")

    # 4. Draw when in the last recording the machine sounded unusual.
    figure = Figure(figsize=(7, 2.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(score.times, score.values)
    axes.set(xlabel="time [s]", ylabel="anomaly score", title=path.name)
    figure.savefig(output_dir / "score_over_time.png")
    print(f"\nFigure: {output_dir / 'score_over_time.png'}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "dataset/demo"), Path("results/example"))
    except mimii.UserError as error:
        sys.exit(f"error: {error}")
