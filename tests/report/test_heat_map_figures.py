"""The heat map."""

import numpy as np
import pytest
from report_support import load, write_results

from mimii.report.heat_map_figures import heat_map
from mimii.report.rows import by_machine


def texts(labels):
    return [label.get_text() for label in labels]


@pytest.mark.parametrize(("ids", "is_turned"), [(("id_00",), False), (("id_00", "id_02"), True)])
def test_the_longer_list_is_in_rows_and_both_are_sorted(tmp_path, ids, is_turned):
    write_results(tmp_path, ids=ids)
    results = load(tmp_path)
    [figure] = heat_map(results, "auc")
    [axes] = figure.canvas.axes
    table = by_machine(results.detection, "auc")
    models = list(table.mean(axis=1).sort_values(ascending=False).index)
    machines = list(table.mean(axis=0).sort_values(ascending=False).index)
    names = [f"{machine_type} {machine_id}".replace("_", " ") for _, machine_type, machine_id in machines]
    rows, columns = (names, models) if is_turned else (models, names)
    assert (texts(axes.get_yticklabels()), texts(axes.get_xticklabels())) == (rows, columns)
    values = table.loc[models, machines].to_numpy()
    values = values.T if is_turned else values
    for text in axes.texts:
        column, row = (int(place) for place in text.get_position())
        assert text.get_text() == f"{values[row, column]:.2f}"
    assert f"the hardest machine is {' '.join(machines[-1])} with" in figure.alt
    assert f"The highest mean has {models[0]} with {table.mean(axis=1).max():.3f}" in figure.alt


def test_each_snr_is_sorted_by_itself(tmp_path):
    write_results(tmp_path, snrs=("6dB", "-6dB"))
    results = load(tmp_path)
    [figure] = heat_map(results, "auc")
    means = by_machine(results.detection, "auc").mean(axis=0)
    for axes, snr in zip(figure.canvas.axes, ("6dB", "-6dB"), strict=True):
        order = means[snr].sort_values(ascending=False).index
        assert texts(axes.get_yticklabels()) == [" ".join(machine).replace("_", " ") for machine in order]


def test_a_narrow_screen_has_the_best_models_of_many(tmp_path):
    models = tuple(f"model_{number:02}" for number in range(12))
    write_results(tmp_path, models=models, types=("fan",), ids=[f"id_{n:02}" for n in range(9)], files=False)
    results = load(tmp_path)
    [figure] = heat_map(results, "auc")
    means = by_machine(results.detection, "auc").mean(axis=1).sort_values(ascending=False)
    assert texts(figure.narrow.axes[0].get_xticklabels()) == list(means.index[:8])
    assert "the 8 best of 12 models" in figure.narrow.get_suptitle().replace("\n", " ")


def test_a_missing_value_is_a_dash(tmp_path):
    write_results(tmp_path, types=("fan",), files=False)
    results = load(tmp_path)
    results.detection.loc[0, "auc"] = np.nan
    [figure] = heat_map(results, "auc")
    assert texts(figure.canvas.axes[0].texts).count("\N{EN DASH}") == 1
