"""The figures of anomaly detection."""

import re

from report_support import load, write_results

from mimii.report import detection_figures


def test_a_network_scored_in_two_ways_has_one_panel_of_losses(two_scorings):
    [figure] = detection_figures.losses(two_scorings)
    assert [axes.get_title() for axes in figure.canvas.axes[:4]] == ["simple_ae", "conv_ae", "isolation_forest", "knn"]


def test_roc_curves_name_the_best_and_count_the_others(tmp_path):
    models = ("simple_ae", "deep_ae", "vae", "conv_ae", "idnn", "knn", "gmm", "pca")
    write_results(tmp_path, models=models, types=("fan",))
    results = load(tmp_path)
    [figure] = detection_figures.roc_curves(results, "auc")
    [legend] = figure.canvas.legends
    names = [text.get_text() for text in legend.get_texts()]
    means = results.detection.groupby("label")["auc"].mean().sort_values(ascending=False)
    assert names == [*means.index[:6], "2 others"]
    assert "The 6 models of the highest mean AUC are named." in figure.caption
    assert re.search(rf"the highest mean AUC has {means.index[0]}\.", figure.alt)
