"""The tables of anomaly detection beside the main one."""

import numpy as np
import pandas as pd
from report_support import load, save, write_results

from mimii.report import detection_tables
from mimii.storage.schema import DASH


def test_a_model_without_a_seed_stands_beside_several_seeds(tmp_path):
    """It has one result for each machine."""
    rows = write_results(tmp_path, models=("simple_ae", "knn"), seeds=(1, 2, 3))
    is_repeated = (rows["model"] == "knn") & (rows["seed"] > 1)
    rows = rows[~is_repeated].assign(seed=rows["seed"].astype(float).where(rows["model"] != "knn"))
    save(rows, tmp_path / "research_results.csv")
    results = load(tmp_path)
    [machines] = detection_tables.machines(results, "auc")
    assert machines.values["knn"].notna().all()
    [intervals] = detection_tables.intervals(results)
    seeds = intervals.texts.groupby("Model")["Seed"].unique()
    assert sorted(seeds["simple_ae"]) == ["1", "2", "3"]
    assert list(seeds["knn"]) == [DASH]
    assert set(intervals.data.loc[intervals.data["label"] == "knn", "seed"]) == {""}


def test_every_way_of_scoring_has_a_row_of_its_decisions(two_scorings):
    [decisions] = detection_tables.decisions(two_scorings)
    assert set(decisions.texts.index) == set(two_scorings.detection["label"])
    assert decisions.texts.loc["simple_ae (mse)"].tolist() == ["0.500", "0.250", "0.333 [0.333, 0.333]"]
    assert decisions.marks.loc["simple_ae (mahalanobis)", "F1"] == "best"
    assert decisions.values["F1"].is_monotonic_decreasing


def test_machines_keep_their_names(tmp_path):
    """Whatever they are called: a name may look like nothing or like a number."""
    ids = ("001", "NA", "None", "nan", "null")
    write_results(tmp_path, types=("fan", "NA"), ids=ids)
    [machines] = detection_tables.machines(load(tmp_path), "auc")
    assert list(machines.texts.index) == [
        f"6dB {machine_type} {name}" for machine_type in ("NA", "fan") for name in ids
    ]
    assert np.isfinite(machines.values.to_numpy()).all()


def test_intervals_hold_the_auc(made):
    table = pd.read_csv(made / "tables" / "intervals.csv")
    assert len(table) == 18
    assert ((table["low"] <= table["auc"]) & (table["auc"] <= table["high"])).all()
    assert (table["low"] < table["high"]).all()


def test_what_is_made_again_is_the_same_to_the_byte(made, tmp_path):
    detection_tables.intervals(load(made.parent))[0].write(tmp_path)
    assert (tmp_path / "intervals.csv").read_bytes() == (made / "tables" / "intervals.csv").read_bytes()
