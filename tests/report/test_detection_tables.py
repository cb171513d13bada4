"""The tables of anomaly detection."""

import numpy as np
import pandas as pd
from report_support import load, save, write_results

from mimii.data.machines import MACHINE
from mimii.data.mimii import published_baseline
from mimii.report import detection_tables
from mimii.report.texts import PUBLISHED
from mimii.storage.schema import DASH


def test_means_and_deviations_over_the_ids(tmp_path):
    rows = write_results(tmp_path)
    table = detection_tables.by_type(load(tmp_path), "auc")[0]
    fan = rows[(rows["model"] == "conv_ae") & (rows["machine_type"] == "fan")]["auc"]
    every = rows[rows["model"] == "conv_ae"]["auc"]
    assert table.texts.loc["conv_ae", "fan"] == f"{fan.mean():.3f} ± {fan.std():.3f}"
    assert table.texts.loc["conv_ae", "mean"] == f"{every.mean():.3f} ± {every.std():.3f}"
    assert "standard deviation over the machine IDs" in table.caption
    assert table.data.set_index("Model").loc["conv_ae", "fan n"] == 2


def test_deviations_are_over_the_seeds_where_there_are_several(tmp_path):
    rows = write_results(tmp_path, seeds=(1, 2, 3))
    table = detection_tables.by_type(load(tmp_path), "auc")[0]
    fan = rows[(rows["model"] == "conv_ae") & (rows["machine_type"] == "fan")]
    means = fan.groupby("seed")["auc"].mean()
    assert table.texts.loc["conv_ae", "fan"] == f"{means.mean():.3f} ± {means.std():.3f}"
    assert "standard deviation over the seeds" in table.caption


def test_a_model_without_a_seed_stands_beside_several_seeds(tmp_path):
    """It has one result for each machine, and no deviation over seeds."""
    rows = write_results(tmp_path, models=("simple_ae", "knn"), seeds=(1, 2, 3))
    is_repeated = (rows["model"] == "knn") & (rows["seed"] > 1)
    rows = rows[~is_repeated].assign(seed=rows["seed"].astype(float).where(rows["model"] != "knn"))
    save(rows, tmp_path / "research_results.csv")
    results = load(tmp_path)
    table = detection_tables.by_type(results, "auc")[0]
    of_knn = rows[rows["model"] == "knn"].set_index("machine_type")["auc"]
    assert table.texts.loc["knn", "fan"] == f"{of_knn['fan'].mean():.3f}"
    assert table.data.set_index("Model").loc["knn", "fan n"] == 2
    assert " ± " in table.texts.loc["simple_ae", "fan"]
    [machines] = detection_tables.machines(results, "auc")
    assert machines.values["knn"].notna().all()
    [intervals] = detection_tables.intervals(results)
    seeds = intervals.texts.groupby("Model")["Seed"].unique()
    assert sorted(seeds["simple_ae"]) == ["1", "2", "3"]
    assert list(seeds["knn"]) == [DASH]
    assert set(intervals.data.loc[intervals.data["label"] == "knn", "seed"]) == {""}


def test_a_model_without_all_machines_is_not_ranked(tmp_path):
    rows = write_results(tmp_path)
    gone = (rows["model"] == "simple_ae") & (rows["machine_type"] == "fan") & (rows["machine_id"] == "id_00")
    save(
        rows[~gone].assign(auc=rows["auc"].where(rows["model"] != "simple_ae", 0.99)), tmp_path / "research_results.csv"
    )
    table = detection_tables.by_type(load(tmp_path), "auc")[0]
    assert table.texts.loc["simple_ae", "fan"] == "0.990†"
    assert table.marks.loc["simple_ae", "fan"] == ""
    assert table.marks.loc["simple_ae", "pump"] == "best"
    assert "† not all" in table.caption


def test_every_way_of_scoring_has_a_row(two_scorings):
    labels = list(two_scorings.detection["label"].unique())
    [by_type] = detection_tables.by_type(two_scorings, "auc")
    [decisions] = detection_tables.decisions(two_scorings)
    assert list(by_type.texts.index) == list(decisions.texts.index) == labels
    assert decisions.texts.loc["simple_ae (mse)"].tolist() == ["0.500 ± 0.000", "0.250 ± 0.000", "0.333 ± 0.000"]
    assert decisions.marks.loc["simple_ae (mahalanobis)", "F1"] == "best"


def mimii_rows(tmp_path, **kwargs):
    rows = write_results(tmp_path, models=("simple_ae", "conv_ae"), types=("fan",), files=False, **kwargs)
    counts = published_baseline().set_index(MACHINE)["abnormal_clips"]
    rows["eval_files"] = [2 * counts[tuple(machine)] for machine in rows[MACHINE].to_numpy()]
    save(rows, tmp_path / "research_results.csv")
    return rows


def test_the_published_baseline_stands_beside_whole_machines_of_mimii(tmp_path):
    mimii_rows(tmp_path)
    table = detection_tables.by_type(load(tmp_path), "auc")[0]
    published = published_baseline().query(
        "snr == '6dB' and machine_type == 'fan' and machine_id in ['id_00', 'id_02']"
    )
    means = published[["auc_run1", "auc_run2"]].mean(axis=1)
    assert table.texts.loc[PUBLISHED, "fan"] == f"{means.mean():.3f} ± {means.std():.3f}"
    assert table.marks.loc[PUBLISHED, "fan"] == ""
    assert "not run here" in table.caption
    assert PUBLISHED not in detection_tables.by_type(load(tmp_path), "pauc")[0].texts.index


def test_no_published_baseline_beside_a_part_of_a_machine(tmp_path):
    rows = mimii_rows(tmp_path)
    save(rows.assign(eval_files=24), tmp_path / "research_results.csv")
    assert PUBLISHED not in detection_tables.by_type(load(tmp_path), "auc")[0].texts.index


def test_no_published_baseline_beside_synthetic_data(tmp_path):
    (tmp_path / "README.txt").write_text("SYNTHETIC demo data set\n")
    rows = write_results(tmp_path / "results", models=("simple_ae",), types=("fan",), data=tmp_path)
    counts = published_baseline().set_index(MACHINE)["abnormal_clips"]
    rows["eval_files"] = [2 * counts[tuple(machine)] for machine in rows[MACHINE].to_numpy()]
    save(rows, tmp_path / "results" / "research_results.csv")
    results = load(tmp_path / "results")
    assert results.is_synthetic
    table = detection_tables.by_type(results, "auc")[0]
    assert PUBLISHED not in table.texts.index
    assert "Synthetic" in table.caption


def test_snr_are_ordered_by_level(tmp_path):
    write_results(tmp_path, snrs=("min6dB", "0dB", "6dB"), types=("fan",), files=False)
    found = detection_tables.by_type(load(tmp_path), "auc")
    assert [table.name for table in found] == ["auc_6dB", "auc_0dB", "auc_min6dB", "auc_overall"]
    assert list(found[-1].texts.columns) == ["6 dB", "0 dB", "\N{MINUS SIGN}6 dB", "mean"]


def test_machine_groups_do_not_count(tmp_path):
    rows = write_results(tmp_path, files=False)
    group = rows.iloc[:1].assign(machine_id="all", auc=0.01, run_id="group")
    save(pd.concat([rows, group]), tmp_path / "research_results.csv")
    assert detection_tables.by_type(load(tmp_path), "auc")[0].values.loc["simple_ae", "fan"] > 0.5


def test_machines_keep_their_names(tmp_path):
    """Whatever they are called: a name may look like nothing or like a number."""
    ids = ("001", "NA", "None", "nan", "null")
    write_results(tmp_path, types=("fan", "NA"), ids=ids)
    results = load(tmp_path)
    [by_type] = detection_tables.by_type(results, "auc")
    assert list(by_type.texts.columns) == ["NA", "fan", "mean"]
    [machines] = detection_tables.machines(results, "auc")
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
