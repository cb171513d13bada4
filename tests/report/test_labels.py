"""What tells the rows of a model apart, and what does not."""

import pandas as pd
import pytest
from report_support import MODELS, load, save, write_results

from mimii.report import main_table
from mimii.report.labels import setting_text


@pytest.mark.parametrize(
    ("column", "values"), [("scoring", ("mse", "mahalanobis")), ("score_pooling", ("mean", "max")), ("epochs", (3, 50))]
)
def test_what_was_run_with_several_settings_is_told_apart(tmp_path, column, values):
    rows = write_results(tmp_path, models=("simple_ae", "conv_ae"))
    first = rows.assign(**{column: values[0]})
    other = first[first["model"] == "simple_ae"].assign(**{column: values[1]})
    other["run_id"] += "x"
    save(pd.concat([first, other]), tmp_path / "research_results.csv")
    labels = set(load(tmp_path).detection["label"])
    conv = f"conv_ae ({values[0]})" if column == "scoring" else "conv_ae"
    about = "" if column == "scoring" else f"{column}="
    assert labels == {conv, *(f"simple_ae ({about}{value})" for value in values)}


def test_a_way_of_scoring_names_only_those_that_have_several(two_scorings):
    labels = list(two_scorings.detection["label"].unique())
    networks = [f"{name} ({way})" for name in ("simple_ae", "conv_ae") for way in ("mse", "mahalanobis")]
    assert labels == [*networks, "isolation_forest", "knn"]
    assert list(two_scorings.detection["trained"].unique()) == ["simple_ae", "conv_ae", "isolation_forest", "knn"]


def test_a_setting_that_older_rows_do_not_have_makes_no_other_model(tmp_path):
    rows = write_results(tmp_path)
    save(rows.assign(scoring=["mean", *[""] * (len(rows) - 1)]), tmp_path / "research_results.csv")
    assert set(load(tmp_path).detection["label"]) == set(MODELS)


@pytest.mark.parametrize(
    ("column", "values"),
    [("epochs", (2, 50)), ("batch_size", (64, 256)), ("val_split", (0.1, 0.2)), ("frames", (5, 7)), ("seed", (1, 2))],
)
def test_a_setting_that_makes_no_difference_makes_no_other_model(tmp_path, column, values):
    """As older tables have it: a clip-level detector does not learn in epochs."""
    rows = write_results(tmp_path, models=("knn", "simple_ae"))
    first = rows.assign(**{column: values[0]})
    other = first.assign(auc=0.75, timestamp="2026-02-01T00:00:00+00:00", **{column: values[1]})
    other["run_id"] += "x"
    save(pd.concat([first, other]), tmp_path / "research_results.csv")
    results = load(tmp_path)
    of_knn = results.detection[results.detection["model"] == "knn"]
    assert set(of_knn["label"]) == {"knn"}
    assert (of_knn["auc"] == 0.75).all()  # the latest
    assert of_knn[column].isna().all()
    assert len(of_knn) == 6
    assert list(main_table.main_tables(results, "auc")[0].texts.index).count("knn") == 1
    networks = set(results.detection.loc[results.detection["model"] == "simple_ae", "label"])
    assert networks == ({"simple_ae"} if column == "seed" else {f"simple_ae ({column}={value})" for value in values})
    assert "6 older rows" in " ".join(results.notes)


def test_a_row_of_today_and_an_older_one_are_of_one_model(tmp_path):
    """Today the settings that make no difference are empty, and so is TF32 on a CPU."""
    rows = write_results(tmp_path, models=("knn", "simple_ae")).assign(tf32="False")
    today = rows.assign(timestamp="2026-02-01T00:00:00+00:00", tf32="")
    today["run_id"] += "x"
    today = today.astype({"epochs": object, "seed": object})
    today.loc[today["model"] == "knn", ["epochs", "seed"]] = ""
    save(pd.concat([rows, today]), tmp_path / "research_results.csv")
    results = load(tmp_path)
    assert list(results.detection["label"].unique()) == ["simple_ae", "knn"]
    assert results.detection["run_id"].str.endswith("x").all()


def test_a_model_that_nobody_knows_keeps_its_settings(tmp_path):
    rows = write_results(tmp_path, models=("my_model",))
    other = rows.assign(epochs=50, run_id=rows["run_id"] + "x")
    save(pd.concat([rows, other]), tmp_path / "research_results.csv")
    assert set(load(tmp_path).detection["label"]) == {"my_model (epochs=3)", "my_model (epochs=50)"}


@pytest.mark.parametrize(
    ("value", "text"), [(64.0, "64"), (4294967295.0, "4294967295"), (0.001, "0.001"), (2, "2"), ("mse", "mse")]
)
def test_settings_have_no_needless_digits(value, text):
    assert setting_text(value) == text
