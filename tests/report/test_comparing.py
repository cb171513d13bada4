"""Results directories side by side."""

from pathlib import Path

import pandas as pd
import pytest
from report_support import Page, load, make, save, write_classification, write_results

from mimii.report import comparing
from mimii.storage.schema import signed


def test_compare_shows_the_difference_of_each_cell(tmp_path, capsys):
    before = write_results(tmp_path / "before", files=False)
    after = before.assign(auc=before["auc"] - 0.05)
    save(after[after["model"] != "isolation_forest"], tmp_path / "after" / "research_results.csv")
    assert make("--compare", tmp_path / "before", tmp_path / "after") == 0
    out = capsys.readouterr().out
    assert "6 of 18 results of detection are not in all directories" in out
    directory = tmp_path / "after" / "comparison"
    table = pd.read_csv(directory / "tables" / "compare_auc_detection_6dB.csv")
    assert table.loc[table["directory"] == "after", "fan difference"].to_numpy() == pytest.approx([-0.05, -0.05])
    assert table.loc[table["directory"] == "before", "mean difference"].to_numpy() == pytest.approx([0, 0])
    page = Page(directory / "index.html")
    assert f"({signed(-0.05)})" in page.text
    assert not page.outside


def test_directories_of_one_name_are_told_apart():
    assert comparing.directory_names([Path("/a/x/results"), Path("/a/y/results")]) == ["x/results", "y/results"]
    assert comparing.directory_names([Path("/a/x"), Path("/a/y")]) == ["x", "y"]
    assert comparing.directory_names([Path("/a"), Path("/a")]) == ["1: a", "2: a"]


def test_the_tasks_of_classification_are_compared_too(tmp_path):
    for name in ("before", "after"):
        write_classification(tmp_path / name)
    loaded = [load(tmp_path / name) for name in ("before", "after")]
    notes = []
    [table] = comparing.difference_tables(loaded, ["before", "after"], "auc", notes)
    assert table.name == "compare_balanced_accuracy_classification_normal_or_abnormal_6dB"
    assert "mean over the machine groups" in table.caption
    assert list(table.texts.index[:2]) == ["random_forest, before", "random_forest, after"]
    assert table.texts.loc["svm, after"].str.endswith(" (+0.000)").all()
    assert not notes
