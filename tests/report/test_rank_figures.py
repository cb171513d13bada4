"""The figure of average ranks."""

import pickle

import pandas as pd

from mimii.report.rank_figures import rank_diagram
from mimii.report.statistics import Comparison


def comparison(difference):
    ranks = pd.Series({"y": 1.25, "x": 2.0, "z": 2.75})
    return Comparison(8, ranks, friedman=(7.0, 0.03), difference=difference)


def test_lines_that_do_not_overlap_are_models_that_differ():
    [figure] = rank_diagram(comparison(1.1), "auc", is_synthetic=True)
    [axes] = figure.canvas.axes
    lines = axes.collections[0].get_segments()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["y  1.2", "x  2.0", "z  2.8"]
    ends = [(line[0, 0], line[1, 0]) for line in lines]
    assert ends[0][1] > ends[1][0]
    assert ends[0][1] < ends[2][0]
    colours = [tuple(colour) for colour in axes.collections[0].get_colors()]
    assert colours[0] == colours[1] != colours[2]
    assert "Of the other 2 models 1 are within the critical difference of 1.10 of it." in figure.alt
    assert "over 8 machines" in figure.caption
    assert "Synthetic" in figure.caption
    assert pickle.dumps(figure)  # as it is sent to the process that writes it


def test_without_a_critical_difference_there_is_no_figure():
    assert rank_diagram(comparison(None), "auc", is_synthetic=False) == []
