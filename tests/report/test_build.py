"""The report as a whole: what is made of good results, of odd ones, and of none."""

import re

import numpy as np
import pandas as pd
import pytest
from report_support import Page, make, save, write_classification, write_results


def test_all_of_it_is_there(made):
    page = Page(made / "index.html")
    assert not page.outside
    assert {path.stem for path in (made / "figures").glob("*.pdf")} == {
        *("heat_map_auc", "roc_6dB", "scores_6dB", "losses", "confusion_machine_type"),
        *("parameters_auc", "inference_time_auc", "training_time_auc"),
    }
    assert len(page.images) == 8  # six machines are too few for a diagram of ranks
    assert all(len(image["alt"]) > 40 for image in page.images)
    names = {path.stem for path in (made / "tables").glob("*.tex")} - {"main"}
    assert names >= {
        "auc_6dB",
        "pr_auc_6dB",
        "pauc_6dB",
        "machines_auc",
        "intervals",
        "efficiency_detection",
        "ranks",
        "pairs",
    }
    assert names == {path.stem for path in (made / "tables").glob("*.md")}
    assert names == {path.stem for path in (made / "tables").glob("*.csv")}


def test_the_page_says_what_was_run_and_what_is_missing(made):
    text = Page(made / "index.html").text
    for expected in (
        "6 (2 fan, 2 pump, 2 valve) at 6 dB",
        "3: simple_ae, conv_ae, isolation_forest",
        "epochs 3",
        "2026-01-02",
        "Synthetic demo data",
        "180 for training, 144 for evaluation",
        "Nothing can be heard.",
    ):
        assert expected in text


def odd_single(rows):
    return rows.iloc[:1]


def odd_single_model(rows):
    return rows[rows["model"] == "conv_ae"]


def odd_columns(rows):
    rows = rows.drop(columns=["pauc", "seed", "snr", "peak_ram_mb", "num_parameters", "timestamp", "device_name"])
    return rows.assign(auc_source=0.5, new="text, with a comma")


def odd_only_metrics(rows):
    return rows[["model", "machine_type", "machine_id", "pr_auc"]]


def odd_nan(rows):
    return rows.assign(auc=rows["auc"].where(rows["model"] != "conv_ae"), pauc=np.nan)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (odd_single, "one model: nothing to compare"),
        pytest.param(odd_single_model, "one model: nothing to compare", marks=pytest.mark.faults),
        pytest.param(odd_columns, "research_results.csv has no column snr, seed.", marks=pytest.mark.faults),
        pytest.param(odd_only_metrics, "models are ranked by PR-AUC", marks=pytest.mark.faults),
        pytest.param(odd_nan, "2 of 6 rows of anomaly detection have no value of auc.", marks=pytest.mark.faults),
    ],
)
def test_odd_results_still_make_a_report(tmp_path, change, said):
    rows = write_results(tmp_path, types=("fan",))
    save(change(rows), tmp_path / "research_results.csv")
    assert make("--result_dir", tmp_path) == 0
    page = Page(tmp_path / "report" / "index.html")
    assert said in page.text
    assert "There are no results of classification." in page.text
    assert not re.search(r"\bnan\b", page.text)
    assert page.images


def test_an_empty_table_and_a_foreign_one_are_said(tmp_path, capsys):
    write_classification(tmp_path)
    (tmp_path / "research_results.csv").write_text("")
    (tmp_path / "shopping.csv").write_text("what,price\nbread,3\n")
    assert make("--result_dir", tmp_path) == 0
    out = capsys.readouterr().out
    assert "research_results.csv is empty." in out
    assert "shopping.csv is no table of results" in out
    assert "There are no results of anomaly detection." in out


def user_errors(tmp_path):
    write_results(tmp_path / "good", files=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "research_results.csv").write_bytes(b'model,auc\n"a,1\n\xff\xfe')
    (tmp_path / "file").write_text("")
    return {
        "missing": (["--result_dir", tmp_path / "missing"], "is not a directory"),
        "empty": (["--result_dir", tmp_path / "empty"], "no results in"),
        "broken": (["--result_dir", tmp_path / "broken"], "can't be read as a table"),
        "model": (["--result_dir", tmp_path / "good", "--models", "nope"], "--models nope is not in"),
        "snr": (["--result_dir", tmp_path / "good", "--snr", "1dB"], "--snr 1dB is not in"),
        "output": (["--result_dir", tmp_path / "good", "--output_dir", tmp_path / "file"], "cannot write"),
        "compare": (["--compare", tmp_path / "good", tmp_path / "missing"], "is not a directory"),
    }


@pytest.mark.parametrize("case", ["missing", "empty", "broken", "model", "snr", "output", "compare"])
def test_bad_input_ends_with_one_line(tmp_path, capsys, case):
    words, said = user_errors(tmp_path)[case]
    assert make(*words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def without_metrics(rows):
    return rows.assign(auc=np.nan, pr_auc=np.nan, pauc=np.nan, threshold=0.5, threshold_from="held_out")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("label", ["normal", "unlabelled"])
def test_results_without_metrics_make_a_report_of_their_thresholds(tmp_path, label, capsys):
    rows = without_metrics(write_results(tmp_path, types=("fan",)))
    save(rows, tmp_path / "research_results.csv")
    for path in (tmp_path / "scores").iterdir():
        save(pd.read_csv(path).assign(label=label), path)
    assert make("--result_dir", tmp_path) == 0
    page = Page(tmp_path / "report" / "index.html")
    assert "6 of 6 rows of anomaly detection have no metrics" in page.text
    assert "Thresholds of machines without metrics" in page.text
    assert "kept no scores" not in page.text
    assert not re.search(r"\bnan\b", page.text)
    table = pd.read_csv(tmp_path / "report" / "tables" / "thresholds.csv")
    assert len(table) == 6
    scores = pd.read_csv(next((tmp_path / "scores").glob(f"*{rows['run_id'].iloc[0]}.csv")))
    assert table["above"].iloc[0] == (scores["score"] > 0.5).sum()
    assert capsys.readouterr().err == ""


@pytest.mark.faults
def test_machines_with_and_without_metrics_stand_side_by_side(tmp_path):
    rows = write_results(tmp_path, types=("fan", "pump"))
    is_pump = rows["machine_type"] == "pump"
    save(pd.concat([rows[~is_pump], without_metrics(rows[is_pump])]), tmp_path / "research_results.csv")
    assert make("--result_dir", tmp_path) == 0
    text = Page(tmp_path / "report" / "index.html").text
    assert "6 of 12 rows of anomaly detection have no metrics" in text
    assert "AUC of every detector" in text
    assert "Thresholds of machines without metrics" in text


@pytest.mark.filterwarnings("error")
def test_names_of_any_kind_are_shown(tmp_path, capfd):
    """Of machines, in the page, the tables and the figures."""
    types = ("$x", r"$a$ %b& #{c}\d^e~f", "ファン🚀", "NA", "_x_", "<b>")
    write_results(tmp_path, types=types, ids=("001", "all"), files=False)
    assert make("--result_dir", tmp_path) == 0
    assert capfd.readouterr().err == ""
    page = Page(tmp_path / "report" / "index.html")
    assert all(name in page.text for name in types)
    assert "12 (" in page.text
    table = pd.read_csv(tmp_path / "report" / "tables" / "machines_auc.csv", dtype=str, keep_default_na=False)
    assert set(table["machine_type"]) == set(types)
    assert set(table["machine_id"]) == {"001", "all"}


@pytest.mark.faults
def test_models_snr_and_metric_choose(tmp_path):
    write_results(tmp_path, snrs=("6dB", "0dB"), types=("fan",), files=False)
    words = ["--result_dir", tmp_path, "--models", "conv_ae", "simple_ae", "--snr", "0dB", "--metric", "pauc"]
    assert make(*words) == 0
    names = {path.stem for path in (tmp_path / "report" / "tables").glob("*.csv")}
    assert "pauc_0dB" in names
    assert not any("6dB" in name for name in names)
    page = Page(tmp_path / "report" / "index.html")
    assert page.text.index("pAUC of every detector") < page.text.index("PR-AUC of every detector")
    assert "isolation_forest" not in page.text
