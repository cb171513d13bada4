"""The figure of losses."""

import pickle

import pandas as pd
from report_support import load, save, write_results

from mimii.report.loss_figures import losses


def panels_of(figure):
    return {axes.get_title(): axes for axes in figure.canvas.axes if axes.get_visible()}


def test_a_network_scored_in_two_ways_has_one_panel(two_scorings):
    [figure] = losses(two_scorings)
    assert list(panels_of(figure)) == ["simple_ae", "conv_ae", "isolation_forest", "knn"]


def rewrite(directory, model, **columns):
    """Give the runs of a model these losses; the machines differ by a factor."""
    for number, path in enumerate(sorted((directory / "history").glob(f"{model}_*"))):
        table = pd.DataFrame(columns)
        save(
            table.assign(epoch=range(1, 1 + len(table)))
            .mul(1)
            .assign(**{name: table[name] * (1 + number / 10) for name in columns}),
            path,
        )


def test_what_is_drawn_are_means_and_the_lines_of_the_machines(tmp_path):
    write_results(tmp_path, models=("simple_ae",), types=("fan",), seeds=(1, 2))
    rewrite(tmp_path, "simple_ae", train_loss=[4.0, 2.0, 1.0], val_loss=[4.0, 3.0, 2.0])
    [figure] = losses(load(tmp_path))
    axes = panels_of(figure)["simple_ae"]
    [machines] = axes.collections  # lines, and no bands that overlap
    assert len(machines.get_segments()) == 2  # of two seeds one
    training, validation = axes.lines
    assert training.get_ydata()[0] > 4
    assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")
    assert "Of several seeds the first is shown." in figure.caption
    assert "No validation loss ends more than 5 %" in figure.alt


def test_a_loss_without_values_has_no_panel(tmp_path):
    write_results(tmp_path, models=("simple_ae", "conv_ae"), types=("fan",))
    rewrite(tmp_path, "conv_ae", train_loss=[float("nan")] * 2)
    [figure] = losses(load(tmp_path))
    assert list(panels_of(figure)) == ["simple_ae"]


def test_the_axis_is_logarithmic_where_the_loss_falls_far_and_overfitting_is_named(tmp_path):
    write_results(tmp_path, models=("simple_ae", "conv_ae"), types=("fan",))
    rewrite(tmp_path, "simple_ae", train_loss=[900.0, 30.0, 1.0], val_loss=[900.0, 30.0, 40.0])
    [figure] = losses(load(tmp_path))
    assert {name: axes.get_yscale() for name, axes in panels_of(figure).items()} == {
        "simple_ae": "log",
        "conv_ae": "linear",
    }
    assert "The validation loss of simple_ae ends more than 5 % above its lowest value." in figure.alt
    assert pickle.dumps(figure)  # as it is sent to the process that writes it, with both kinds of axes


def test_panels_leave_no_place_empty_that_need_not_be(tmp_path):
    write_results(tmp_path, models=[f"model_{number}" for number in range(10)], types=("fan",), ids=("id_00",))
    [figure] = losses(load(tmp_path))
    assert len(figure.canvas.axes) == 10
