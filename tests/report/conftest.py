"""Fixtures of the report's tests."""

import shutil

import pandas as pd
import pytest
from report_support import load, make, save, write_classification, write_results


def _make_report(base):
    (base / "data").mkdir()
    (base / "data" / "README.txt").write_text("SYNTHETIC demo data set\n")
    write_results(base / "results", data=base / "data")
    write_classification(base / "results")
    assert make("--result_dir", base / "results", "--model_dir", base / "none") == 0


@pytest.fixture(scope="session")
def made(once):
    """A report of both experiments, on synthetic data."""
    return once("report", _make_report) / "results" / "report"


@pytest.fixture
def two_scorings(tmp_path):
    """Results of networks scored in both ways, and of a forest and a nearest neighbour, which have one of their own."""
    rows = write_results(tmp_path, models=("simple_ae", "conv_ae", "isolation_forest", "knn"))
    is_network = rows["model"].str.endswith("_ae")
    rows = rows.assign(scoring="native", threshold=1.0, threshold_from="held_out", precision=0.5, recall=0.25, f1=1 / 3)
    rows.loc[is_network, "scoring"] = "mse"
    other = rows[is_network].assign(scoring="mahalanobis", auc=0.99, f1=0.75)
    other["run_id"] += "x"
    for folder in ("scores", "history"):
        for path in (tmp_path / folder).glob("*_ae_*.csv"):
            shutil.copy(path, path.with_stem(f"{path.stem}x"))
    save(pd.concat([other, rows]), tmp_path / "research_results.csv")
    return load(tmp_path)
