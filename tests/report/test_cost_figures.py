"""The figures of what models cost."""

import numpy as np
import pandas as pd
import pytest
from report_support import load, save, write_results

from mimii.report import cost_figures


def test_pareto_front():
    points = pd.DataFrame({"cost": [3, 1, 2, 2], "quality": [0.9, 0.7, 0.6, 0.8]}, index=list("abcd"))
    assert cost_figures.pareto_front(points) == ["b", "d", "a"]


def results_of(tmp_path, count):
    """Models of which a later one costs more; of two neighbours one is better than all cheaper ones."""
    models = tuple(f"detector_{number:02} (a way)" for number in range(count))
    rows = write_results(tmp_path, models=models, types=("fan",), files=False)
    number = rows["model"].str[9:11].astype(int)
    rows = rows.assign(
        num_parameters=100 * 1.5**number,
        inference_time_ms=1.2**number,
        training_time_sec=2.0**number,
        auc=np.where(number % 2, 0.3, 0.7 + 0.001 * number),
    )
    save(rows, tmp_path / "research_results.csv")
    return load(tmp_path), models


@pytest.mark.parametrize(
    ("draw", "name", "heading"),
    [
        (cost_figures.parameters, "parameters_auc", "Parameters"),
        (cost_figures.inference_time, "inference_time_auc", "Latency [ms]"),
        (cost_figures.training_time, "training_time_auc", "Training [s]"),
    ],
)
def test_the_front_alone_is_named_at_its_points(tmp_path, draw, name, heading):
    results, models = results_of(tmp_path, 6)
    [figure] = draw(results, "auc")
    assert figure.name == name
    for canvas in (figure.canvas, figure.narrow):
        [axes] = canvas.axes
        assert axes.get_xlabel() == heading
        assert [text.get_text() for text in axes.texts] == [*models[::2]]
        _, others, front = axes.lines
        assert [text.xy for text in axes.texts] == list(zip(*front.get_data(), strict=True))
        assert len(others.get_xdata()) == 3
    for model in models:
        assert (model in figure.alt) == (model in models[::2])


@pytest.mark.parametrize("count", [2, 6, 24])
def test_names_are_in_the_panel_and_not_on_each_other_nor_on_points(tmp_path, count):
    results, _ = results_of(tmp_path, count)
    [figure] = cost_figures.parameters(results, "auc")
    for canvas in (figure.canvas, figure.narrow):
        canvas.draw_without_rendering()
        [axes] = canvas.axes
        # of the name alone, without the line to its point
        boxes = [super(type(text), text).get_window_extent() for text in axes.texts]
        panel = axes.get_window_extent()
        for number, box in enumerate(boxes):
            assert panel.x0 < box.x0 < box.x1 < panel.x1
            assert panel.y0 < box.y0 < box.y1 < panel.y1 + 2
            assert not any(box.shrunk(0.98, 0.9).overlaps(other.shrunk(0.98, 0.9)) for other in boxes[number + 1 :])
        points = axes.transData.transform(np.column_stack(axes.lines[1].get_data()))
        assert not any(box.contains(*point) for box in boxes for point in points)


def test_a_model_without_all_machines_is_left_out_and_snr_count_once(tmp_path):
    rows = write_results(tmp_path, snrs=("6dB", "min6dB"), files=False)
    gone = (rows["model"] == "simple_ae") & (rows["machine_type"] != "fan")
    save(rows[~gone], tmp_path / "research_results.csv")
    [figure] = cost_figures.parameters(load(tmp_path), "auc")
    assert "over 6 machines" in figure.caption
    assert "Left out, for it was run on fewer machines: simple_ae." in figure.caption
    assert "simple_ae" not in figure.alt
