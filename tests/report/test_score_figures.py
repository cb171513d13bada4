"""The figures of anomaly scores."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from report_support import load, save, write_results

from mimii.drawing import ABNORMAL, NORMAL
from mimii.report.score_figures import score_dots


def results_of(tmp_path, **changes):
    rows = write_results(tmp_path, types=("fan",), ids=("id_00", "id_02", "id_04"))
    save(rows.assign(threshold=1.0, **changes), tmp_path / "research_results.csv")
    return load(tmp_path)


def dots_of(axes):
    """Where the dots are, by their colour."""
    return {to_hex(dots.get_edgecolor()[0]).upper(): dots.get_offsets().data for dots in axes.collections[:2]}


def lines_of(axes):
    """The ends of the lines in the legend."""
    [lines] = [lines for lines in axes.collections if lines.get_label() == "threshold"]
    return lines.get_segments()


def test_the_heading_names_the_system_whose_scores_are_shown(two_scorings):
    [figure] = score_dots(two_scorings, "auc")
    means = two_scorings.detection.groupby("label")["auc"].mean()
    best = "simple_ae (mahalanobis)"
    assert means[best] == means.max()
    assert figure.title == f"Anomaly scores of {best} at 6 dB"
    for text in (figure.caption, figure.alt):
        assert best in text
    for canvas in (figure.canvas, figure.narrow):
        assert canvas.get_suptitle().replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ") == figure.title


def test_where_the_best_kept_no_scores_the_caption_says_so(tmp_path):
    write_results(tmp_path)
    for path in (tmp_path / "scores").glob("simple_ae_*"):
        path.unlink()
    [figure] = score_dots(load(tmp_path), "auc")
    assert figure.title == "Anomaly scores of conv_ae at 6 dB"
    assert "of those that kept their scores; simple_ae is better" in figure.caption


def test_every_recording_is_a_dot_on_its_side_of_the_threshold(tmp_path):
    results = results_of(tmp_path)
    [figure] = score_dots(results, "auc")
    rows = results.detection[results.detection["label"] == "simple_ae"].sort_values("auc", ascending=False)
    [axes] = figure.canvas.axes
    found = dots_of(axes)
    beyond = {}
    for label, colour in (("normal", NORMAL), ("abnormal", ABNORMAL)):
        scores = [table.loc[table["label"] == label, "score"] for table in map(results.scores.get, rows["run_id"])]
        places = found[colour.upper()]
        assert len(places) == 36
        np.testing.assert_array_equal(places[:, 0] > 0, np.concatenate(scores) > 1)
        np.testing.assert_array_equal(np.round(places[:, 1]), np.repeat([0, 1, 2], 12))  # the hardest machine is last
        beyond[label] = (np.concatenate(scores) > 1).sum()
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"fan {machine.replace('_', ' ')}" for machine in rows["machine_id"]
    ]
    assert len(lines_of(axes)) == 3
    assert "The vertical line is the threshold." in figure.caption
    assert (
        f"Above the thresholds are {beyond['abnormal']} of 36 abnormal recordings and {beyond['normal']} of 36 normal"
        in figure.alt
    )


def test_a_separation_in_a_long_tail_can_be_seen(tmp_path):
    """Nine normal recordings of ten at the left of abnormal ones of far different size: no bin holds them all."""
    results = results_of(tmp_path)
    for run_id, table in results.scores.items():
        results.scores[run_id] = table.assign(score=np.where(table["label"] == "normal", 50.0, 60.0) + table["score"])
        results.scores[run_id].iloc[-1, -1] = 60_000
    results.detection["threshold"] = 55.0
    [figure] = score_dots(results, "auc")
    [axes] = figure.canvas.axes
    figure.canvas.draw_without_rendering()
    x = {colour: axes.transData.transform(places)[:, 0] for colour, places in dots_of(axes).items()}
    gap = x[ABNORMAL.upper()].min() - x[NORMAL.upper()].max()
    assert gap > 0.02 * axes.get_window_extent().width


def test_without_a_threshold_there_is_no_line(tmp_path):
    [figure] = score_dots(load_without(tmp_path), "auc")
    assert lines_of(figure.canvas.axes[0]) == []
    assert "No threshold is known" in figure.caption
    assert "threshold" not in figure.alt


def load_without(tmp_path):
    write_results(tmp_path, types=("fan",))
    return load(tmp_path)


def test_equal_scores_can_be_drawn(tmp_path):
    results = results_of(tmp_path)
    for run_id, table in results.scores.items():
        results.scores[run_id] = table.assign(score=3.0)
    [figure] = score_dots(results, "auc")
    assert all(np.isfinite(places).all() for places in dots_of(figure.canvas.axes[0]).values())


def test_of_several_seeds_one_is_shown(tmp_path):
    rows = write_results(tmp_path, models=("simple_ae",), types=("fan",), seeds=(7, 42))
    [figure] = score_dots(load(tmp_path), "auc")
    assert sum(map(len, dots_of(figure.canvas.axes[0]).values())) == 2 * 24
    assert "Of several seeds the first is shown." in figure.caption
    shown = rows[rows["seed"] == 7]["auc"]
    assert f"AUC of {shown.max():.2f}" in figure.alt


@pytest.mark.parametrize("count", [3, 20])
def test_many_machines_stand_in_two_columns(tmp_path, count):
    write_results(tmp_path, models=("simple_ae",), types=("fan",), ids=[f"id_{number:02}" for number in range(count)])
    [figure] = score_dots(load(tmp_path), "auc")
    assert [len(axes.get_yticks()) for axes in figure.canvas.axes] == ([3] if count == 3 else [10, 10])
    assert [len(axes.get_yticks()) for axes in figure.narrow.axes] == [count]
