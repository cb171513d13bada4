"""What all figures have in common: room for every name and number, and what is written."""

import pickle
from itertools import pairwise

import pandas as pd
import pytest
from PIL import Image
from report_support import load, save, write_results

from mimii.report import (
    classification_figures,
    comparing_figures,
    cost_figures,
    figure,
    heat_map_figures,
    loss_figures,
    rank_figures,
    roc_figures,
    score_figures,
    statistics,
)
from mimii.report.rows import by_machine


@pytest.mark.parametrize("count", [3, pytest.param(30, marks=pytest.mark.faults)])
def test_names_and_numbers_have_room_in_the_figures(tmp_path, count):
    """Of many models, too: names are within their figure, and no number at an axis runs into the next."""
    rows = write_results(tmp_path, types=tuple(f"type{number}" for number in range(6)))  # so that ranks are drawn
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
    [ranks] = rank_figures.rank_diagram(comparison, "auc", is_synthetic=False)
    [costs] = cost_figures.parameters(results, "auc")
    [heat] = heat_map_figures.heat_map(results, "auc")
    for canvas in (ranks.canvas, ranks.narrow, costs.canvas, costs.narrow, heat.canvas, heat.narrow):
        canvas.draw_without_rendering()
        whole = canvas.bbox
        for axes in canvas.axes:
            low, high = sorted(axes.get_xlim())
            below = [
                text.get_window_extent()
                for place, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
                if low <= place <= high
            ]
            names = [text.get_window_extent() for text in (*axes.get_yticklabels(), axes.xaxis.label)]
            assert all(box.x0 > -2 and box.x1 < whole.width + 2 for box in (*below, *names))
            assert all(left.x1 < right.x0 for left, right in pairwise(below))


def test_what_is_made_again_is_the_same_to_the_byte(made, tmp_path):
    heat_map_figures.heat_map(load(made.parent), "auc")[0].write(tmp_path)
    for name in ("heat_map_auc.pdf", "heat_map_auc.png"):
        assert (tmp_path / name).read_bytes() == (made / "figures" / name).read_bytes()


def test_several_processes_write_the_same_figures(tmp_path, made, monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    monkeypatch.setattr(figure, "_FEWEST", 1)
    results = load(made.parent)
    every = [*cost_figures.parameters(results, "auc"), *classification_figures.confusion_matrices(results)]
    pictures = figure.write(every, tmp_path)
    assert pictures.keys() == {one.name for one in every}
    for one in every:
        for path in (tmp_path / f"{one.name}.pdf", tmp_path / f"{one.name}.png"):
            assert path.read_bytes() == (made / "figures" / path.name).read_bytes()
        assert pictures[one.name].wide == (tmp_path / f"{one.name}.png").read_bytes()


def test_figures_can_be_sent_to_another_process(made):
    results = load(made.parent)
    every = [
        *heat_map_figures.heat_map(results, "auc"),
        *roc_figures.roc_curves(results, "auc"),
        *score_figures.score_dots(results, "auc"),
        *loss_figures.losses(results),
        *comparing_figures.scatters([results, results], ["one", "other"], "auc"),
    ]
    assert {one.name.partition("_")[0] for one in every} == {"heat", "roc", "scores", "losses", "compare"}
    for one in every:
        assert pickle.loads(pickle.dumps(one)).name == one.name


def test_a_narrow_version_fits_a_phone_and_pictures_are_white_below(tmp_path):
    write_results(tmp_path, models=("simple_ae",), types=("fan",))
    [curves] = roc_figures.roc_curves(load(tmp_path), "auc")
    assert curves.narrow.get_figwidth() == figure.NARROW < curves.canvas.get_figwidth()
    curves.write(tmp_path / "figures")
    path = tmp_path / "narrow.png"
    path.write_bytes(curves.narrow_png())
    for picture in (path, tmp_path / "figures" / "roc_6dB.png"):
        assert Image.open(picture).convert("RGBA").getpixel((1, 1)) == (255, 255, 255, 255)
