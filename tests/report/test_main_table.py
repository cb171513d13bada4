"""The main table: its order, its intervals, and one row for all scorings of a model."""

import numpy as np
import pandas as pd
import pytest
from report_support import MODELS, TYPES, load, save, write_results
from scipy import stats

from mimii.data.machines import MACHINE
from mimii.data.mimii import published_baseline
from mimii.report import main_table
from mimii.report.cost_figures import parameters
from mimii.report.dots import Dot, Dots
from mimii.report.findings import findings
from mimii.report.heat_map_figures import heat_map
from mimii.report.picks import best_detector
from mimii.report.ranking import best_models
from mimii.report.roc_figures import roc_curves
from mimii.report.score_figures import score_dots
from mimii.report.texts import PUBLISHED

MEAN = "mean [95 % interval]"


def table_of(directory, metric="auc"):
    return main_table.main_tables(load(directory), metric)[0]


def test_the_best_is_first_with_an_interval_over_the_machines(tmp_path):
    rows = write_results(tmp_path)
    table = table_of(tmp_path)
    means = rows.groupby("model")["auc"].mean().sort_values(ascending=False)
    assert list(table.texts.index) == list(means.index)
    aucs = rows.loc[rows["model"] == "conv_ae", "auc"]
    low, high = stats.t.interval(0.95, len(aucs) - 1, aucs.mean(), stats.sem(aucs))
    assert table.texts.loc["conv_ae", MEAN] == f"{aucs.mean():.3f} [{low:.3f}, {min(high, 1):.3f}]"
    fan = rows[(rows["model"] == "conv_ae") & (rows["machine_type"] == "fan")]["auc"]
    assert table.texts.loc["conv_ae", "fan"] == f"{fan.mean():.3f}"
    assert table.marks.iloc[:2][MEAN].tolist() == ["best", "second"]
    assert table.data["mean"].tolist() == pytest.approx(means.tolist())
    assert "mean over 6 machines" in table.caption


def test_of_two_machines_there_is_no_interval(tmp_path):
    write_results(tmp_path, types=("fan",), files=False)
    table = table_of(tmp_path)
    assert list(table.texts.columns) == ["mean"]
    assert "[" not in table.texts.to_string()
    assert "interval" not in table.caption


def test_seeds_and_snr_of_a_machine_count_once(tmp_path):
    rows = write_results(tmp_path, seeds=(1, 2, 3), snrs=("min6dB", "6dB"), files=False)
    tables = main_table.main_tables(load(tmp_path), "auc")
    assert [table.name for table in tables] == ["auc_overall", "auc_6dB", "auc_min6dB"]
    assert list(tables[0].texts.columns) == [MEAN, "6 dB", "\N{MINUS SIGN}6 dB", "fan", "pump", "valve"]
    aucs = rows[rows["model"] == "conv_ae"].groupby(["machine_type", "machine_id"])["auc"].mean()
    low, _ = stats.t.interval(0.95, 5, aucs.mean(), stats.sem(aucs))
    assert tables[0].data.set_index("label").loc["conv_ae", "low"] == pytest.approx(low)
    assert (
        "mean over 6 machines, each of which counts once, with the mean of its SNR and of its seeds"
        in tables[0].caption
    )


def test_scorings_of_a_model_stand_in_one_row(two_scorings):
    [table] = main_table.main_tables(two_scorings, "auc")
    assert table.texts.index.is_unique
    assert set(table.texts.index) == {"simple_ae (mahalanobis)", "conv_ae (mahalanobis)", "isolation_forest", "knn"}
    mean = two_scorings.detection.query("label == 'simple_ae (mse)'")["auc"].mean()
    assert table.texts.loc["simple_ae (mahalanobis)", "Other scorings"] == f"mse {mean:.3f}"
    assert table.texts.loc["knn", "Other scorings"] == ""
    [place] = [dot.others for name, dot in zip(table.texts.index, table.dots.rows, strict=True) if "simple" in name]
    assert place == pytest.approx((mean,))
    [every] = main_table.every_scoring(two_scorings, "auc")
    assert set(every.texts.index) == set(table.data["label"]) == set(two_scorings.detection["label"])


def test_a_model_without_all_machines_is_last_and_not_ranked(tmp_path):
    rows = write_results(tmp_path)
    gone = (rows["model"] == "simple_ae") & (rows["machine_type"] == "fan") & (rows["machine_id"] == "id_00")
    rows = rows.assign(auc=rows["auc"].where(rows["model"] != "simple_ae", 0.99))
    save(rows[~gone], tmp_path / "research_results.csv")
    table = table_of(tmp_path)
    assert table.texts.index[-1] == "simple_ae"
    assert table.texts.iloc[-1, 0].endswith("†")
    assert table.marks.loc["simple_ae"].tolist() == [""] * 4
    assert "† not all" in table.caption


def mimii_rows(tmp_path, directory="results", **kwargs):
    rows = write_results(tmp_path / directory, models=("simple_ae", "conv_ae"), types=("fan",), files=False, **kwargs)
    counts = published_baseline().set_index(MACHINE)["abnormal_clips"]
    rows["eval_files"] = [2 * counts[tuple(machine)] for machine in rows[MACHINE].to_numpy()]
    save(rows, tmp_path / directory / "research_results.csv")
    return rows


def test_the_published_baseline_stands_below_whole_machines_of_mimii(tmp_path):
    rows = mimii_rows(tmp_path)
    table = table_of(tmp_path / "results")
    published = published_baseline().query(
        "snr == '6dB' and machine_type == 'fan' and machine_id in ['id_00', 'id_02']"
    )
    assert table.texts.index[-1] == PUBLISHED
    assert table.texts.loc[PUBLISHED, "mean"] == f"{published[['auc_run1', 'auc_run2']].mean(axis=1).mean():.3f}"
    assert table.marks.loc[PUBLISHED, "mean"] == ""
    assert "not run here" in table.caption
    assert PUBLISHED not in table_of(tmp_path / "results", "pauc").texts.index
    save(rows.assign(eval_files=24), tmp_path / "results" / "research_results.csv")
    assert PUBLISHED not in table_of(tmp_path / "results").texts.index  # a part of the machines


def test_no_published_baseline_beside_synthetic_data(tmp_path):
    rows = mimii_rows(tmp_path)
    save(rows.assign(synthetic="yes"), tmp_path / "results" / "research_results.csv")
    table = table_of(tmp_path / "results")
    assert PUBLISHED not in table.texts.index
    assert "Synthetic" in table.caption


def test_machine_groups_do_not_count(tmp_path):
    rows = write_results(tmp_path, files=False)
    group = rows.iloc[:1].assign(machine_id="all", auc=0.01, run_id="group")
    save(pd.concat([rows, group]), tmp_path / "research_results.csv")
    assert table_of(tmp_path).values.loc["simple_ae", "fan"] > 0.5


def test_machine_types_may_be_called_as_a_column_is(tmp_path):
    write_results(tmp_path, types=("mean", "Model", "NA"), files=False)
    table = table_of(tmp_path)
    assert list(table.texts.columns) == [MEAN, "Model", "NA", "mean"]
    assert np.isfinite(table.values.to_numpy()).all()
    assert r"\textbf" in table.to_latex()


def test_all_that_is_drawn_is_on_the_axis():
    dots = Dots([Dot(0.8, 0.71, 0.93, (0.44,)), Dot(0.6, np.nan, np.nan)], after=1, chance=0.5)
    assert dots.ends == pytest.approx((0.4, 1.0))
    first, second = dots.places()
    assert 0 < first["others"][0] < dots.place(0.5) < first["low"] < first["mean"] < first["high"] < 150
    assert second["low"] is None
    same = Dots([Dot(1.0, np.nan, np.nan)], after=1)
    assert 0 < same.places()[0]["mean"] < 150


def test_all_name_the_same_best_model_where_only_the_weakest_has_all_machines(tmp_path):
    rows = write_results(tmp_path)
    first = (rows["machine_type"] == "fan") & (rows["machine_id"] == "id_00")
    last = (rows["machine_type"] == "valve") & (rows["machine_id"] == "id_02")
    gone = ((rows["model"] == "simple_ae") & first) | ((rows["model"] == "conv_ae") & last)
    save(rows[~gone], tmp_path / "research_results.csv")
    results = load(tmp_path)
    both = rows[~first & ~last]
    means = both.groupby("model")["auc"].mean().sort_values(ascending=False)
    order = list(means.index)
    [table] = main_table.main_tables(results, "auc")
    assert list(table.texts.index) == best_models(results.detection, "auc") == order
    assert best_detector(results, "auc") == "simple_ae"
    assert findings(results, "auc")[0].text.startswith("simple_ae has the highest mean AUC")
    assert table.data["mean"].tolist() == pytest.approx(means.tolist())
    assert table.marks.iloc[:2, 0].tolist() == ["best", "second"]
    assert "†" not in table.texts.to_string()
    assert "mean over 4 machines" in table.caption
    assert "2 of 6 machines do not count" in table.caption
    [roc] = roc_curves(results, "auc")
    assert "over 4 machines" in roc.caption
    assert "simple_ae has the highest mean AUC. " in roc.caption
    [scores] = score_dots(results, "auc")
    assert "by simple_ae, the model of the highest mean AUC. " in scores.caption
    [costs] = parameters(results, "auc")
    assert "over 4 machines" in costs.caption
    [heat] = heat_map(results, "auc")
    assert f"The highest mean has simple_ae with {table.data['mean'][0]:.3f}" in heat.alt


def test_models_that_share_no_machine_are_not_ranked(tmp_path):
    rows = write_results(tmp_path)
    kept = rows["machine_type"] == rows["model"].map(dict(zip(MODELS, TYPES, strict=True)))
    save(rows[kept], tmp_path / "research_results.csv")
    results = load(tmp_path)
    [table] = main_table.main_tables(results, "auc")
    assert table.texts.iloc[:, 0].str.endswith("†").all()
    assert not (table.marks != "").to_numpy().any()
    assert len(best_models(results.detection, "auc")) == 3
    assert parameters(results, "auc") == roc_curves(results, "auc") == []
    [heat] = heat_map(results, "auc")
    assert "highest mean" not in heat.alt
