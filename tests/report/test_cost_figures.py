"""The figure of the number of parameters."""

import pandas as pd

from mimii.report import cost_figures


def test_pareto_front():
    points = pd.DataFrame({"cost": [3, 1, 2, 2], "quality": [0.9, 0.7, 0.6, 0.8]}, index=list("abcd"))
    assert cost_figures.pareto_front(points) == ["b", "d", "a"]


def test_every_way_of_scoring_has_a_point(two_scorings):
    [scatter] = cost_figures.parameters(two_scorings, "auc")
    [legend] = scatter.canvas.legends
    labels = list(two_scorings.detection["label"].unique())
    assert [text.get_text() for text in legend.get_texts()] == ["Pareto front", *labels]
