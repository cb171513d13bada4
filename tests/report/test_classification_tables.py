"""The table of classification."""

import pytest
from report_support import load, write_classification

from mimii.report import classification_tables


def test_machine_groups_count(tmp_path):
    write_classification(tmp_path)
    results = load(tmp_path)
    (table,) = classification_tables.classification(results)
    assert list(table.texts.columns) == ["Accuracy", "Balanced accuracy", "Precision", "Recall", "F1"]
    expected = results.classification.query("model == 'svm'")["f1"]
    assert table.values.loc["svm", "F1"] == pytest.approx(expected.mean())
    assert "mean over 3 machine groups" in table.caption
    assert "[" in table.texts.loc["svm", "Balanced accuracy"]
    assert table.values["Balanced accuracy"].is_monotonic_decreasing
