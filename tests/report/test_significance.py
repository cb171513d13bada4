"""What the statistics say."""

import numpy as np
import pandas as pd
import pytest

from mimii.report import significance, statistics
from mimii.report.statistics import Comparison
from mimii.storage.schema import DASH


def comparison(p_value, p_holm):
    differences = {"difference": [-0.1], "median": [-0.08], "low": [-0.2], "high": [0.01]}
    pairs = pd.DataFrame({"a": ["x"], "b": ["y"]} | differences | {"p": [p_holm], "p_holm": [p_holm]})
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
    _, table = significance.tables(found, "auc", is_synthetic=True)
    shown = shown.removeprefix("p ").removeprefix("= ")
    cells = ["y", "-0.100", "-0.080", "[-0.200, +0.010]", shown, shown]
    assert [cell.replace("\N{MINUS SIGN}", "-") for cell in table.texts.iloc[0]] == cells
    assert "Synthetic" in table.caption


def table_of(*means, machines=8):
    """A model for each mean, with a spread over the machines that all models share."""
    columns = pd.MultiIndex.from_tuples([("", "fan", f"id_{n}") for n in range(machines)])
    index = [f"model {n}" for n in range(len(means))]
    spread = np.linspace(-0.1, 0.1, machines)
    own = 0.01 * np.arange(len(means))[:, None] * np.cos(np.arange(machines))  # so that differences differ
    return pd.DataFrame(np.array(means)[:, None] + spread + own, index=index, columns=columns)


def test_every_model_is_shown_against_the_best_one():
    comparison = statistics.compare_models(table_of(0.7, 0.85, 0.8))
    against, _, pairs = significance.tables(comparison, "auc", is_synthetic=False)
    assert against.name == "against_best"
    assert list(against.texts.index) == ["model 2", "model 0"]
    assert "model 1" in against.caption
    assert "8 machines" in against.caption
    assert "2 comparisons" in against.caption
    assert against.data["p_holm"].to_numpy() == pytest.approx([2 / 2**8 * 2, 2 / 2**8 * 2])
    assert against.texts["Mean difference"].str.startswith("+").all()
    assert len(pairs.texts) == 3


def test_few_machines_have_differences_but_no_p_values():
    comparison = statistics.compare_models(table_of(0.7, 0.8, machines=4))
    against, _ = significance.tables(comparison, "auc", is_synthetic=False)
    assert against.texts.loc["model 0", ["p", "p (Holm)", "95 % interval"]].tolist() == [DASH] * 3
    assert "take 6 machines" in against.caption
