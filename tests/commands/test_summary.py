"""The table that an experiment's command ends with."""

import numpy as np
import pandas as pd
import pytest

from mimii.commands.summary import Summary
from mimii.data.machines import MACHINE


@pytest.mark.parametrize("unit", ["machines", "groups"])
def test_machines_are_counted_and_not_rows(unit):
    """Two machines with five seeds each are two machines."""
    machines = [("6dB", "fan", "id_00"), ("0dB", "fan", "id_00"), ("6dB", "pump", "all"), ("6dB", "valve", "all")]
    rows = pd.DataFrame(
        [("vae", *machine, seed, 0.5) for machine in machines for seed in range(5)],
        columns=["model", "snr", "machine_type", "machine_id", "seed", "auc"],
    )
    _, _, line = Summary(unit, {"auc": "AUC"}).table(rows).splitlines()
    assert line.split() == ["vae", "2", "0.500"]


def scores_of(model, scoring, **parts):
    """Rows of official scores of one seed, of seven machines of ten."""
    return pd.DataFrame(
        [
            {"dataset": "dcase2024", "part": part, "model": model, "scoring": scoring, "score": score}
            | {"definition": 2022, "scored_machines": 7, "machines": 10, "scored_clips": 1_390, "clips": 1_400}
            for part, score in parts.items()
        ]
    )


def test_official_scores_of_each_part_are_means_over_the_seeds():
    rows = pd.DataFrame(
        [
            (model, scoring, "dcase2024", "", "fan", f"section_{number:02d}", seed, 0.5, 0.4, 1e7, 12345.6)
            for model, scoring in (("isolation_forest", "native"), ("multi_resolution", "mahalanobis"))
            for number in range(30)
            for seed in range(2)
        ],
        columns=[
            "model",
            "scoring",
            "dataset",
            *MACHINE,
            "seed",
            "auc",
            "pr_auc",
            "num_parameters",
            "training_time_sec",
        ],
    )
    scores = pd.concat(
        [
            scores_of("isolation_forest", "native", development=0.5, evaluation=0.25, both=0.375),
            scores_of("isolation_forest", "native", development=0.7, evaluation=0.75, both=np.nan),
            scores_of("multi_resolution", "mahalanobis", development=0.9),
            scores_of("knn", "native", development=0.1).assign(dataset="dcase2023"),
        ]
    )
    columns = {"auc": "AUC", "pr_auc": "PR-AUC", "num_parameters": "parameters", "training_time_sec": "train [s]"}
    text = Summary("machines", columns).with_scores(rows, scores)
    assert all(len(line) <= 80 for line in text.splitlines())
    heading, _, forest, network, *_ = text.splitlines()
    assert heading.split() == ["model", "scoring", "machines", "DCASE", "dev", "eval", "both", "AUC", "train", "[s]"]
    assert forest.split()[3:7] == ["0.600", "0.500", "0.375", "0.500"]
    assert network.split()[3:6] == ["0.900", "\N{EN DASH}", "\N{EN DASH}"]
    assert "7 of 10 in development" in " ".join(text.split())
    assert "of 2022 and later" in " ".join(text.split())


def test_without_official_scores_the_table_is_the_plain_one():
    rows = pd.DataFrame([("knn", "plant", "", "fan", "id_00", 0.5)], columns=["model", "dataset", *MACHINE, "auc"])
    summary = Summary("machines", {"auc": "AUC"})
    assert summary.with_scores(rows, scores_of("knn", "native", development=0.5)) == summary.table(rows)
