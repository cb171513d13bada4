"""What all figures have in common: room for every name and number."""

from itertools import pairwise

import pandas as pd
import pytest
from report_support import load, save, write_results

from mimii.report import cost_figures, detection_figures, significance, statistics
from mimii.report.rows import by_machine


@pytest.mark.parametrize("count", [2, pytest.param(30, marks=pytest.mark.faults)])
def test_names_and_numbers_have_room_in_the_figures(tmp_path, count):
    """Of many models, too: a legend is within its figure, and no number at an axis runs into the next."""
    rows = write_results(tmp_path, types=("fan", "pump", "valve"))
    parts = [
        rows[rows["model"] == "conv_ae"].assign(
            model=f"denoising_ae (mahalanobis) {number}",
            num_parameters=100 * 1.3**number,
            auc=rows["auc"] - number / 99,
        )
        for number in range(count)
    ]
    for number, part in enumerate(parts):
        part["run_id"] += f"x{number}"
    save(pd.concat(parts), tmp_path / "research_results.csv")
    results = load(tmp_path)
    comparison = statistics.compare_models(by_machine(results.detection, "auc"))
    diagram = significance.rank_diagram(comparison, "auc", is_synthetic=False)
    drawn = [*cost_figures.parameters(results, "auc"), *diagram]
    assert len(drawn) == (2 if count > 2 else 1)
    for figure in drawn:
        figure.canvas.draw_without_rendering()
        whole = figure.canvas.bbox
        for legend in figure.canvas.legends:
            box = legend.get_window_extent()
            assert box.y0 >= -1
            assert box.y1 <= whole.height + 1
        numbers = [text for text in figure.canvas.axes[0].texts if text.get_text().isdigit()]
        boxes = [text.get_window_extent() for text in numbers]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_what_is_made_again_is_the_same_to_the_byte(made, tmp_path):
    detection_figures.heat_map(load(made.parent), "auc")[0].write(tmp_path)
    for name in ("heat_map_auc.pdf", "heat_map_auc.png"):
        assert (tmp_path / name).read_bytes() == (made / "figures" / name).read_bytes()
