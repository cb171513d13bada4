"""The figures of ROC curves."""

import numpy as np
import pytest
from report_support import load, save, write_results

from mimii.report.roc_figures import roc_curves

MODELS = ("simple_ae", "deep_ae", "vae", "conv_ae", "idnn", "knn", "gmm", "pca")


@pytest.fixture
def figure(tmp_path):
    write_results(tmp_path, models=MODELS, types=("fan",))
    results = load(tmp_path)
    [figure] = roc_curves(results, "auc")
    return figure, results


def test_the_best_and_the_mean_stand_out_and_the_others_are_counted(figure):
    figure, results = figure
    best = results.detection.groupby("label")["auc"].mean().idxmax()
    [legend] = figure.canvas.legends
    assert [text.get_text() for text in legend.get_texts()] == [best, "mean of 8 models", "the other 7"]
    whole, _ = figure.canvas.axes
    _, first, mean, *others = whole.lines
    assert len(others) == 7
    assert max(line.get_linewidth() for line in others) < mean.get_linewidth() < first.get_linewidth()
    assert mean.get_linestyle() == "-"  # dashes would look like a threshold
    curves = np.array([line.get_ydata() for line in (first, *others)])
    np.testing.assert_allclose(mean.get_ydata(), curves.mean(axis=0))


def test_the_curves_have_the_area_that_the_results_have(figure):
    figure, results = figure
    best = results.detection.groupby("label")["auc"].mean()
    line = figure.canvas.axes[0].lines[1]
    assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(best.max(), abs=2e-3)


def test_few_false_alarms_are_shown_beside_and_told(figure):
    figure, _ = figure
    for canvas in (figure.canvas, figure.narrow):
        _, few = canvas.axes
        assert few.get_xlim()[1] == pytest.approx(0.1)
    line = figure.canvas.axes[1].lines[1]
    found = np.interp(0.1, line.get_xdata(), line.get_ydata())
    assert f"At a false-positive rate of 0.1 simple_ae finds {100 * found:.0f} %" in figure.alt
    assert "over 2 machines" in figure.alt


def test_a_single_model_has_no_others(tmp_path):
    write_results(tmp_path, models=("simple_ae",), types=("fan",))
    [figure] = roc_curves(load(tmp_path), "auc")
    assert [text.get_text() for text in figure.canvas.legends[0].get_texts()] == ["simple_ae"]
    assert "the mean of" not in figure.alt


def test_where_the_best_kept_no_scores_the_caption_says_so(tmp_path):
    write_results(tmp_path)
    for path in (tmp_path / "scores").glob("simple_ae_*"):
        path.unlink()
    [figure] = roc_curves(load(tmp_path), "auc")
    assert "conv_ae has the highest mean AUC of those that kept their scores; simple_ae is better. At" in figure.caption


def test_a_machine_counts_once_however_many_seeds_it_has(tmp_path):
    rows = write_results(tmp_path, models=("simple_ae",), types=("fan",), seeds=(1, 2, 3))
    rows = rows[(rows["machine_id"] == "id_00") | (rows["seed"] == 1)]
    save(rows, tmp_path / "research_results.csv")
    [figure] = roc_curves(load(tmp_path), "auc")
    line = figure.canvas.axes[0].lines[1]
    expected = rows.groupby("machine_id")["auc"].mean().mean()
    assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(expected, abs=2e-3)
    assert "over 2 machines" in figure.caption


def test_a_model_with_scores_of_fewer_machines_is_left_out(tmp_path):
    write_results(tmp_path)
    next((tmp_path / "scores").glob("isolation_forest_*")).unlink()
    [figure] = roc_curves(load(tmp_path), "auc")
    assert "Left out, with scores of fewer machines: isolation_forest." in figure.caption
    assert "over 6 machines" in figure.caption
