"""The figures of anomaly detection."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from mimii.data.machines import MACHINE, machine_name
from mimii.drawing import ABNORMAL, COLOURS, NORMAL, drawing
from mimii.report.figure import Figure, legend_below, panels
from mimii.report.loading import Results
from mimii.report.rows import best_models, by_machine, machines_only
from mimii.report.snr import at_snr, by_snr
from mimii.report.texts import figure_title, name_of, synthetic_note
from mimii.storage.schema import DASH, heading

_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
_HIGHLIGHTED = len(_LINES)  # curves that a reader can tell apart in one panel
_GREY = "0.75"


def heat_map(results: Results, metric: str) -> list[Figure]:
    """A metric of every model on every machine."""
    rows = machines_only(results.detection).dropna(subset=metric)
    if rows.empty:
        return []
    table = by_machine(rows, metric)
    title = heading(metric)
    snr_of_column = table.columns.get_level_values(0)
    parts = {snr: table.loc[:, snr_of_column == snr] for snr in dict.fromkeys(snr_of_column)}
    widest = max(part.shape[1] for part in parts.values())
    low = min(0.5, float(np.floor(np.nanmin(table) * 10) / 10))
    with drawing(grid=False, frame=False):
        canvas = Canvas(
            figsize=(1.9 + 0.62 * max(widest, 4), (1.0 + 0.3 * len(table)) * len(parts)), layout="constrained"
        )
        all_axes: np.ndarray = canvas.subplots(len(parts), 1, squeeze=False)
        for axes, (snr, part) in zip(all_axes.flat, parts.items(), strict=True):
            image = _draw_heat_map(axes, part, low)
            axes.set_title(figure_title(f"{title}{at_snr(snr)}", results.is_synthetic))
        canvas.colorbar(image, ax=list(all_axes.flat), label=title, shrink=0.9, pad=0.02)
    means = table.mean(axis=1)
    hardest = table.columns[int(table.mean(axis=0).argmin())]
    return [
        Figure(
            name=name_of("heat_map", metric),
            title=f"{title} of every model on every machine",
            caption=f"{title} of every model on every machine; brighter is better."
            f"{synthetic_note(results.is_synthetic)}",
            alt=f"Heat map of {title}: {len(table)} models by {table.shape[1]} machines. The highest mean has "
            f"{means.idxmax()} with {means.max():.3f}; the hardest machine is {machine_name(hardest)}.",
            canvas=canvas,
        )
    ]


def _draw_heat_map(axes: Axes, table: pd.DataFrame, low: float) -> AxesImage:
    """Models x machines of one SNR."""
    image = axes.imshow(table, cmap="cividis", vmin=low, vmax=1, aspect="auto")
    machines = table.columns.to_frame()
    names = [
        f"{machine_type}\n{machine_id.replace('_', ' ')}"
        for machine_type, machine_id in zip(machines["machine_type"], machines["machine_id"], strict=True)
    ]
    axes.set_xticks(range(table.shape[1]), names, fontsize=8)
    axes.set_yticks(range(len(table)), list(table.index))
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        # above a luminance of 0.18 black has the better contrast
        is_bright = np.dot(np.array(image.to_rgba(value)[:3]) ** 2.2, (0.2126, 0.7152, 0.0722)) > 0.18
        colour = "black" if is_bright or not np.isfinite(value) else "white"
        text = f"{value:.2f}" if np.isfinite(value) else DASH
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    return image


def roc_curves(results: Results, metric: str) -> list[Figure]:
    """ROC curves for each machine type, averaged over its machines; one figure at each SNR."""
    rows = results.scored
    if rows.empty:
        return []
    grid = np.linspace(0, 1, 501)
    curves = {run_id: _roc(results.scores[run_id], grid) for run_id in rows["run_id"]}
    order = best_models(rows, metric) or list(rows["label"].unique())
    others = len(order[_HIGHLIGHTED:])
    few = f" The {_HIGHLIGHTED} models of the highest mean {heading(metric)} are named." if others else ""
    figures = []
    for snr, at_level in by_snr(rows):
        title = f"ROC curves{at_snr(snr)}"
        machine_types = sorted(at_level["machine_type"].unique())
        with drawing():
            canvas, all_axes = panels(
                len(machine_types),
                columns=2,
                width=3.2,
                height=3.0,
                labels=("False-positive rate", "True-positive rate"),
                shared=True,
            )
            for axes, machine_type in zip(all_axes, machine_types, strict=True):
                _draw_curves(axes, at_level[at_level["machine_type"] == machine_type], curves, order, grid)
                axes.set(title=machine_type, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
            _explain_curves(canvas, all_axes, [*order[:_HIGHLIGHTED], f"{others} others"])
            canvas.suptitle(figure_title(title, results.is_synthetic), fontsize=10)
        figures.append(
            Figure(
                name=name_of("roc", snr),
                title=title,
                caption=f"ROC curves by machine type{at_snr(snr)}: the mean of the true-positive rates over the "
                f"machine IDs.{few} The dotted diagonal is chance.{synthetic_note(results.is_synthetic)}",
                alt=f"{title}, one panel for each of {', '.join(machine_types)}, one line for each model; the highest "
                f"mean {heading(metric)} has {order[0]}.",
                canvas=canvas,
            )
        )
    return figures


def _roc(scores: pd.DataFrame, grid: np.ndarray) -> np.ndarray:
    """True-positive rate at false-positive rates."""
    from sklearn.metrics import roc_curve

    rates = roc_curve(scores["label"] == "abnormal", scores["score"], drop_intermediate=False)[:2]
    return np.interp(grid, *rates)


def _draw_curves(
    axes: Axes, rows: pd.DataFrame, curves: Mapping[str, np.ndarray], order: Sequence[str], grid: np.ndarray
) -> None:
    """The mean curve of each model; those beyond the best are grey and lie below them."""
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=":")
    others = order[_HIGHLIGHTED:]
    for label in [*others, *order[:_HIGHLIGHTED]]:
        runs = rows.loc[rows["label"] == label, "run_id"]
        if runs.empty:
            continue
        rates = np.concatenate([[0], np.mean([curves[run_id] for run_id in runs], axis=0)])
        look: dict[str, Any] = {"color": _GREY, "linewidth": 0.8, "label": f"{len(others)} others"}
        if label not in others:
            rank = order.index(label)
            look = {"color": COLOURS[rank], "linestyle": _LINES[rank], "linewidth": 1.4, "label": label}
        axes.plot(np.concatenate([[0], grid]), rates, **look)


def _explain_curves(canvas: Canvas, all_axes: Sequence[Axes], names: Sequence[str]) -> None:
    """A legend below the panels, with those of the names that a panel has, in this order."""
    known: dict[Any, Any] = {}
    for axes in all_axes:
        handles, drawn = axes.get_legend_handles_labels()
        known |= dict(zip(drawn, handles, strict=True))
    names = [name for name in names if name in known]
    # an inch holds about fifteen letters, and the line before a name takes the room of seven
    fitting = int(15 * canvas.get_figwidth() // (7 + max(map(len, names))))
    columns = max(1, min(4, len(names), fitting))
    canvas.legend([known[name] for name in names], names, loc="outside lower center", ncols=columns, fontsize=8)


def histograms(results: Results, metric: str) -> list[Figure]:
    """Scores of normal and abnormal recordings of each machine, by the best model; one figure at each SNR."""
    rows = results.scored
    if rows.empty:
        return []
    label = (best_models(rows, metric) or list(rows["label"]))[0]
    rows = rows[rows["label"] == label].drop_duplicates(MACHINE, keep="last")
    figures = []
    for snr, at_level in by_snr(rows):
        with drawing():
            canvas, all_axes = panels(
                len(at_level), columns=4, width=2.1, height=1.75, labels=("Anomaly score", "Recordings")
            )
            for axes, row in zip(all_axes, at_level.to_dict("records"), strict=True):
                _draw_histogram(axes, results.scores[row["run_id"]])
                auc = f", AUC {row['auc']:.2f}" if np.isfinite(row["auc"]) else ""
                axes.set_title(f"{row['machine_type']} {row['machine_id'].replace('_', ' ')}{auc}", fontsize=8)
            legend_below(canvas, all_axes[0])
            canvas.suptitle(figure_title(f"Scores of {label}{at_snr(snr)}", results.is_synthetic), fontsize=10)
        figures.append(
            Figure(
                name=name_of("scores", snr),
                title=f"Anomaly scores{at_snr(snr)}",
                caption=f"Anomaly scores of normal and abnormal recordings of each machine{at_snr(snr)}, by {label}, "
                f"the model of the highest mean {heading(metric)}.{synthetic_note(results.is_synthetic)}",
                alt=f"Histograms of the anomaly scores of {label}{at_snr(snr)}, normal and abnormal, one panel for "
                f"each of {len(at_level)} machines.",
                canvas=canvas,
            )
        )
    return figures


def _draw_histogram(axes: Axes, scores: pd.DataFrame) -> None:
    bins = list(np.histogram_bin_edges(scores["score"], bins=min(30, 8 + len(scores) // 10)))
    normal, abnormal = (scores.loc[scores["label"] == label, "score"] for label in ("normal", "abnormal"))
    axes.hist(normal, bins, color=NORMAL, alpha=0.45, label="normal")
    axes.hist(abnormal, bins, histtype="step", hatch="////", color=ABNORMAL, linewidth=1.3, label="abnormal")
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelsize=7)


def losses(results: Results) -> list[Figure]:
    """Loss against epochs, for each network the mean over its machines."""
    rows = machines_only(results.detection)
    rows = rows.drop_duplicates(["trained", *MACHINE, "seed"])  # however many ways it was scored in
    found: dict[str, list[pd.DataFrame]] = {}
    for label, run_id in zip(rows["trained"], rows["run_id"], strict=True):
        history = results.kept("history", run_id, ["epoch", "train_loss"])
        if history is not None:
            found.setdefault(label, []).append(history.set_index("epoch"))
    if not found:
        return []
    title = "Loss while training"
    with drawing():
        canvas, all_axes = panels(len(found), columns=3, width=2.5, height=1.9, labels=("Epoch", "Loss"))
        for axes, (label, histories) in zip(all_axes, found.items(), strict=True):
            _draw_losses(axes, histories)
            axes.set_title(label)
        legend_below(canvas, all_axes[0])
        canvas.suptitle(figure_title(title, results.is_synthetic), fontsize=10)
    return [
        Figure(
            name="losses",
            title=title,
            caption="Loss of each network against the epochs: mean over the machines, shaded from the lowest to the "
            f"highest. The losses of different models are not comparable.{synthetic_note(results.is_synthetic)}",
            alt=f"Training and validation loss against epochs, one panel for each of {', '.join(found)}.",
            canvas=canvas,
        )
    ]


def _draw_losses(axes: Axes, histories: Sequence[pd.DataFrame]) -> None:
    for column, colour, line, name in (
        ("train_loss", COLOURS[0], "-", "training"),
        ("val_loss", COLOURS[1], "--", "validation"),
    ):
        table = pd.concat([history.get(column, pd.Series(dtype=float)) for history in histories], axis=1)
        table = table.dropna(how="all")
        if table.empty:
            continue
        axes.fill_between(table.index, table.min(axis=1), table.max(axis=1), color=colour, alpha=0.12, linewidth=0)
        marker = "o" if len(table) == 1 else None
        axes.plot(table.mean(axis=1), color=colour, linestyle=line, marker=marker, label=name)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelsize=7)
