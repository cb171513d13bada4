"""What the statistics say, and the rank diagram."""

import pandas as pd
import pytest

from mimii.report import significance
from mimii.report.statistics import Comparison


def comparison(p_value, p_holm):
    pairs = pd.DataFrame({"a": ["x"], "b": ["y"], "difference": [-0.1], "p": [p_holm], "p_holm": [p_holm]})
    ranks = pd.Series({"y": 1.25, "x": 2.0, "z": 2.75})
    return Comparison(8, ranks, friedman=(7.0, p_value), difference=1.1, pairs=pairs, remarks=["A remark."])


@pytest.mark.parametrize(
    ("p_value", "verdict", "shown"),
    [
        (0.0004, "differ", "p < 0.001"),
        (0.04, "differ", "p = 0.040"),
        (0.2, "can't be told apart", "p = 0.200"),
    ],
)
def test_p_values_read_the_same_everywhere(p_value, verdict, shown):
    found = comparison(p_value, p_value)
    sentence, pairs, remark = significance.findings(found, "auc")
    assert f"the 3 models {verdict} in AUC" in sentence
    assert f"χ² = 7.0, {shown})" in sentence
    assert ("1 pairs of models 1 can" if p_value < 0.05 else "1 pairs of models none can") in pairs
    assert remark == "A remark."
    [diagram] = significance.rank_diagram(found, "auc", is_synthetic=False)
    assert f"χ² = 7.0, {shown}." in diagram.caption
    _, table = significance.tables(found, "auc", is_synthetic=True)
    cells = table.texts.iloc[0].tolist()
    assert cells == ["y", "\N{MINUS SIGN}0.100", *[shown.removeprefix("p ").removeprefix("= ")] * 2]
    assert "Synthetic" in table.caption


def test_bars_join_the_largest_groups():
    assert significance.rank_bars([1.0, 1.5, 2.4, 4.0], 1.0) == [(1.0, 1.5), (1.5, 2.4)]
    assert significance.rank_bars([1.0, 3.0], 1.0) == []
