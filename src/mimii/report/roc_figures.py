"""The figures of ROC curves."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from mimii.data.machines import MACHINE
from mimii.drawing import COLOURS, drawing
from mimii.report.figure import NARROW, Figure, legend_below, set_title
from mimii.report.loading import Results
from mimii.report.rows import best_models
from mimii.report.snr import at_snr, by_snr
from mimii.report.texts import name_of, synthetic_note
from mimii.storage.schema import heading

_FEW = 0.1  # the highest false-positive rate of the panel beside: a plant stands no more false alarms
# false-positive rates at which curves are averaged
_GRID = np.concatenate([np.linspace(0, _FEW, 501), np.linspace(_FEW, 1, 451)[1:]])


def roc_curves(results: Results, metric: str) -> list[Figure]:
    """ROC curves, averaged over the machines, whole and for few false alarms; one figure at each SNR."""
    rows = results.scored
    if rows.empty:
        return []
    curves = {run_id: _roc(results.scores[run_id]) for run_id in rows["run_id"]}
    order = best_models(rows, metric) or list(rows["label"].unique())
    return [_figure(results, metric, snr, at_level, curves, order) for snr, at_level in by_snr(rows)]


def _roc(scores: pd.DataFrame) -> np.ndarray:
    """True-positive rates at the false-positive rates of the grid."""
    from sklearn.metrics import roc_curve

    rates = roc_curve(scores["label"].to_numpy() == "abnormal", scores["score"].to_numpy(), drop_intermediate=False)
    return np.interp(_GRID, *rates[:2])


def _figure(
    results: Results,
    metric: str,
    snr: str,
    rows: pd.DataFrame,
    curves: Mapping[str, np.ndarray],
    order: Sequence[str],
) -> Figure:
    means = {
        label: np.mean([curves[run_id] for run_id in rows.loc[rows["label"] == label, "run_id"]], axis=0)
        for label in order
        if (rows["label"] == label).any()
    }
    best, *others = means
    title = f"ROC curves{at_snr(snr)}"
    with drawing():
        canvas, narrow = _draw(means, is_narrow=False), _draw(means, is_narrow=True)
        for one in (canvas, narrow):
            set_title(one, title, is_synthetic=results.is_synthetic)
    machines = len(rows.drop_duplicates(MACHINE))
    at_few = int(np.searchsorted(_GRID, _FEW))
    found = (
        f"At a false-positive rate of {_FEW} {best} finds {100 * means[best][at_few]:.0f} % of the abnormal recordings"
    )
    if others:
        found += f", the mean of the {len(means)} models is {100 * np.mean(list(means.values()), axis=0)[at_few]:.0f} %"
    return Figure(
        name=name_of("roc", snr),
        title=title,
        caption=f"ROC curves{at_snr(snr)}, each the mean of the true-positive rates over {machines} machines; beside, "
        f"the part with few false alarms. {best} has the highest mean {heading(metric)}. {found}. The dotted line is "
        f"chance.{synthetic_note(results.is_synthetic)}",
        alt=f"ROC curves{at_snr(snr)} of {len(means)} models, means over {machines} machines. {found}.",
        canvas=canvas,
        narrow=narrow,
    )


def _draw(means: Mapping[str, np.ndarray], *, is_narrow: bool) -> Canvas:
    """All false-positive rates, and the lowest ones."""
    canvas = Canvas(figsize=(NARROW, 5.8) if is_narrow else (7.2, 3.9), layout="constrained")
    shape = (2, 1) if is_narrow else (1, 2)
    whole, few = canvas.subplots(*shape).flat
    for axes in (whole, few):
        _draw_curves(axes, means)
        axes.set(ylim=(-0.01, 1.01), xlabel="False-positive rate", ylabel="True-positive rate")
    whole.set(xlim=(-0.01, 1.01))
    few.set(xlim=(-0.001, _FEW), xticks=np.linspace(0, _FEW, 6))
    few.set_title("Few false alarms")
    whole.set_title("Whole curves")
    legend_below(canvas, [whole])
    return canvas


def _draw_curves(axes: Axes, means: Mapping[str, np.ndarray]) -> None:
    """The best model's curve and the mean of all; the others are faint and lie below them."""
    best, *others = means
    rates = np.concatenate([[0], _GRID])  # a curve begins at zero, however many it finds without a false alarm
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=":")
    curves = {label: np.concatenate([[0], values]) for label, values in means.items()}
    axes.plot(rates, curves[best], color=COLOURS[0], linewidth=2, label=best, zorder=4)
    if others:
        mean = np.mean(list(curves.values()), axis=0)
        axes.plot(rates, mean, color="black", linewidth=1.4, label=f"mean of {len(means)} models", zorder=3)
    for number, label in enumerate(others):
        name = f"the other {len(others)}" if number == 0 else "_"
        axes.plot(rates, curves[label], color="0.55", alpha=0.45, linewidth=0.8, label=name)
