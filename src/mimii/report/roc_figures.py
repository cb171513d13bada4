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
from mimii.report.ranking import best_models, common, highest_of
from mimii.report.rows import by_machine, machines_only
from mimii.report.snr import at_snr, by_snr
from mimii.report.texts import name_of, synthetic_note

_FEW = 0.1  # the highest false-positive rate of the panel beside: a plant stands no more false alarms
# false-positive rates at which curves are averaged
_GRID = np.concatenate([np.linspace(0, _FEW, 501), np.linspace(_FEW, 1, 451)[1:]])


def roc_curves(results: Results, metric: str) -> list[Figure]:
    """ROC curves, averaged over the machines, whole and for few false alarms; one figure at each SNR."""
    rows = results.scored
    if rows.empty:
        return []
    curves = {run_id: _roc(results.scores[run_id]) for run_id in rows["run_id"]}
    order = best_models(machines_only(results.detection), metric) or list(rows["label"].unique())
    figures = (_figure(results, metric, snr, at_level, curves, order) for snr, at_level in by_snr(rows))
    return [figure for figure in figures if figure]


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
) -> Figure | None:
    # a mean of curves is of the machines as one of AUCs is: only of the same ones can they be compared
    shared = common(by_machine(rows.assign(is_kept=1.0), "is_kept"))
    shown = [label for label in order if label in shared.table.index]
    if not shown:
        return None
    machines = shared.table.columns
    is_shared = pd.MultiIndex.from_frame(rows[MACHINE]).isin(machines)
    means = {label: _mean(rows[is_shared & (rows["label"] == label)], curves) for label in shown}
    best, *others = means
    title = f"ROC curves{at_snr(snr)}"
    with drawing():
        canvas, narrow = _draw(means, is_narrow=False), _draw(means, is_narrow=True)
        for one in (canvas, narrow):
            set_title(one, title, is_synthetic=results.is_synthetic)
    at_few = int(np.searchsorted(_GRID, _FEW))
    found = (
        f"At a false-positive rate of {_FEW} {best} finds {100 * means[best][at_few]:.0f} % of the abnormal recordings"
    )
    if others:
        found += f", the mean of the {len(means)} models is {100 * np.mean(list(means.values()), axis=0)[at_few]:.0f} %"
    left_out = f" Left out, with scores of fewer machines: {', '.join(shared.lacking)}." if shared.lacking else ""
    return Figure(
        name=name_of("roc", snr),
        title=title,
        caption=f"ROC curves{at_snr(snr)}, each the mean of the true-positive rates over {len(machines)} machines; "
        f"beside, the part with few false alarms. {best} has {highest_of(order, shown, metric)}. {found}. The dotted "
        f"line is chance.{left_out}{synthetic_note(results.is_synthetic)}",
        alt=f"ROC curves{at_snr(snr)} of {len(means)} models, means over {len(machines)} machines. {found}.",
        canvas=canvas,
        narrow=narrow,
    )


def _mean(rows: pd.DataFrame, curves: Mapping[str, np.ndarray]) -> np.ndarray:
    """The mean curve of a model over its machines, after that over the seeds of each."""
    of_machines = [
        np.mean([curves[run_id] for run_id in run_ids], axis=0) for _, run_ids in rows.groupby(MACHINE)["run_id"]
    ]
    return np.mean(of_machines, axis=0)


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
