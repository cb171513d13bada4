"""The figures of the report: PDF for a paper, PNG for the page.

Colours are Okabe and Ito's, which colour-blind people tell apart; line styles and markers say the same in grey.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from mimii.data.recordings import MACHINE, machine_name
from mimii.report import loading
from mimii.report.listening import Hearing
from mimii.report.loading import Results, snr_title, snrs
from mimii.report.statistics import Comparison
from mimii.report.tables import DASH, TASKS, TITLES
from mimii.storage import files

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 1)))
MARKERS = "osD^vPX*<>hp"
NORMAL, ABNORMAL = COLOURS[0], COLOURS[1]
_HIGHLIGHTED = 6  # curves that a reader can tell apart in one panel
_GREY = "0.75"
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.92",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # text stays text
    "savefig.dpi": 160,
}


@dataclass
class Figure:
    """A figure of the report.

    Attributes
    ----------
    name : str
        Of its files.
    title, caption : str
    alt : str
        What it shows, for who can't see it.
    canvas : matplotlib.figure.Figure
    """

    name: str
    title: str
    caption: str
    alt: str
    canvas: Canvas

    def write(self, directory: Path) -> bytes:
        """Write PDF and PNG; gives the PNG."""
        png = io.BytesIO()
        with mpl.rc_context(_STYLE):
            with files.whole_file(directory / f"{self.name}.pdf") as temporary:
                self.canvas.savefig(temporary, metadata={"CreationDate": None})
            self.canvas.set_layout_engine("none")  # the layout stays; to find it again takes longer than to draw
            self.canvas.savefig(png, format="png")
        with files.whole_file(directory / f"{self.name}.png") as temporary:
            temporary.write_bytes(png.getvalue())
        return png.getvalue()


def _panels(
    count: int, *, columns: int, width: float, height: float, labels: tuple[str, str], **kwargs
) -> tuple[Canvas, np.ndarray]:
    """A figure with panels, labelled at its left and lower edge, and the panels in a flat array."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    # a single panel still needs the width of the title
    canvas = Canvas(figsize=(max(columns * width, 4), rows * height + 0.6), layout="constrained")
    axes = canvas.subplots(rows, columns, squeeze=False, **kwargs).ravel()
    for number, axis in enumerate(axes):
        axis.set_visible(number < count)
        if number + columns >= count:
            axis.set_xlabel(labels[0])
            axis.tick_params(labelbottom=True)
        if number % columns == 0:
            axis.set_ylabel(labels[1])
    return canvas, axes[:count]


def _title(results: Results, text: str) -> str:
    return text + (" (synthetic data)" if results.is_synthetic else "")


def _said(results: Results) -> str:
    return " Synthetic demo data, not real machines." if results.is_synthetic else ""


def best_models(rows: pd.DataFrame, metric: str) -> list[str]:
    """Models by their mean over the machines, the best first."""
    means = loading.by_machine(rows, metric).mean(axis=1)
    return list(means.sort_values(ascending=False, kind="stable").index)


def heat_map(results: Results, metric: str) -> list[Figure]:
    """A metric of every model on every machine."""
    rows = loading.machines_only(results.detection).dropna(subset=metric)
    if rows.empty:
        return []
    table = loading.by_machine(rows, metric)
    levels = list(dict.fromkeys(table.columns.get_level_values(0)))
    widest = max(int((table.columns.get_level_values(0) == snr).sum()) for snr in levels)
    with mpl.rc_context(_STYLE | {"axes.grid": False, "axes.spines.left": False, "axes.spines.bottom": False}):
        canvas = Canvas(
            figsize=(1.9 + 0.62 * max(widest, 4), (1.0 + 0.3 * len(table)) * len(levels)), layout="constrained"
        )
        axes = canvas.subplots(len(levels), 1, squeeze=False)[:, 0]
        low = min(0.5, float(np.floor(np.nanmin(table) * 10) / 10))
        for axis, snr in zip(axes, levels, strict=True):
            part = table.loc[:, table.columns.get_level_values(0) == snr]
            image = axis.imshow(part, cmap="cividis", vmin=low, vmax=1, aspect="auto")
            names = [f"{kind}\n{machine.replace('_', ' ')}" for _, kind, machine in part.columns]
            axis.set_xticks(range(part.shape[1]), names, fontsize=8)
            axis.set_yticks(range(len(part)), part.index)
            axis.tick_params(length=0)
            axis.set_title(_title(results, " ".join(filter(None, [TITLES[metric], snr and f"at {snr_title(snr)}"]))))
            for (row, column), value in np.ndenumerate(part.to_numpy()):
                # above a luminance of 0.18 black has the better contrast
                is_bright = np.dot(np.array(image.to_rgba(value)[:3]) ** 2.2, (0.2126, 0.7152, 0.0722)) > 0.18
                colour = "black" if is_bright or not np.isfinite(value) else "white"
                text = f"{value:.2f}" if np.isfinite(value) else DASH
                axis.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
        canvas.colorbar(image, ax=axes, label=TITLES[metric], shrink=0.9, pad=0.02)
    means = table.mean(axis=1)
    worst = table.mean(axis=0).idxmin()
    return [
        Figure(
            name=f"heat_map_{metric}",
            title=f"{TITLES[metric]} of every model on every machine",
            caption=f"{TITLES[metric]} of every model on every machine; brighter is better.{_said(results)}",
            alt=f"Heat map of {TITLES[metric]}: {len(table)} models by {table.shape[1]} machines. The highest mean has "
            f"{means.idxmax()} with {means.max():.3f}; the hardest machine is {machine_name(worst)}.",
            canvas=canvas,
        )
    ]


def roc_curves(results: Results, metric: str) -> list[Figure]:
    """ROC curves for each machine type, averaged over its machines; one figure at each SNR."""
    rows = loading.machines_only(results.detection)
    rows = rows[rows["run_id"].isin(list(results.scores))]
    if rows.empty:
        return []
    grid = np.linspace(0, 1, 501)
    curves = {run_id: _roc(results.scores[run_id], grid) for run_id in rows["run_id"]}
    order = best_models(rows, metric) or list(rows["label"].unique())
    shown, others = order[:_HIGHLIGHTED], order[_HIGHLIGHTED:]
    figures = []
    for snr in snrs(rows):
        here = rows[rows["snr"] == snr]
        kinds = sorted(here["machine_type"].unique())
        with mpl.rc_context(_STYLE):
            canvas, axes = _panels(
                len(kinds),
                columns=2,
                width=3.2,
                height=3.0,
                labels=("False-positive rate", "True-positive rate"),
                sharex=True,
                sharey=True,
            )
            for axis, kind in zip(axes, kinds, strict=True):
                axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=":")
                for label in [*others, *shown]:
                    runs = here.loc[(here["machine_type"] == kind) & (here["label"] == label), "run_id"]
                    if runs.empty:
                        continue
                    rates = np.concatenate([[0], np.mean([curves[run_id] for run_id in runs], axis=0)])
                    place = order.index(label)
                    look = (
                        {"color": COLOURS[place], "linestyle": LINES[place], "linewidth": 1.4, "label": label}
                        if label in shown
                        else {"color": _GREY, "linewidth": 0.8, "label": f"{len(others)} others"}
                    )
                    axis.plot(np.concatenate([[0], grid]), rates, **look)
                axis.set(title=kind, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
            known = {}
            for axis in axes:
                known |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
            names = [name for name in [*shown, f"{len(others)} others"] if name in known]
            # an inch holds about fifteen letters, and the line before a name takes the room of seven
            fitting = int(15 * canvas.get_figwidth() // (7 + max(map(len, names))))
            columns = max(1, min(4, len(names), fitting))
            canvas.legend([known[name] for name in names], names, loc="outside lower center", ncols=columns, fontsize=8)
            at = f" at {snr_title(snr)}" if snr else ""
            canvas.suptitle(_title(results, f"ROC curves{at}"), fontsize=10)
        few = f" The {len(shown)} models of the highest mean {TITLES[metric]} are named." if others else ""
        figures.append(
            Figure(
                name="_".join(filter(None, ["roc", snr])),
                title=f"ROC curves{at}",
                caption=f"ROC curves by machine type{at}: the mean of the true-positive rates over the machine IDs."
                f"{few} The dotted diagonal is chance.{_said(results)}",
                alt=f"ROC curves{at}, one panel for each of {', '.join(kinds)}, one line for each model; the highest "
                f"mean {TITLES[metric]} has {order[0]}.",
                canvas=canvas,
            )
        )
    return figures


def _roc(scores: pd.DataFrame, grid: np.ndarray) -> np.ndarray:
    """True-positive rate at false-positive rates."""
    from sklearn.metrics import roc_curve

    rates = roc_curve(scores["label"] == "abnormal", scores["score"], drop_intermediate=False)[:2]
    return np.interp(grid, *rates)


def pareto_front(points: pd.DataFrame) -> list[str]:
    """The models that no other one beats in cost and in quality.

    Parameters
    ----------
    points : pd.DataFrame
        A row a model; the first column is to be low, the second high.
    """
    front, best = [], -np.inf
    cost, quality = points.columns[:2]
    for label, row in points.dropna().sort_values([cost, quality], ascending=[True, False]).iterrows():
        if row[quality] > best:
            front.append(label)
            best = row[quality]
    return front


def parameters(results: Results, metric: str) -> list[Figure]:
    """A metric against the number of parameters, with the Pareto front."""
    rows = loading.machines_only(results.detection)
    points = rows.groupby("label", sort=False)[["num_parameters", metric]].mean().dropna()
    points = points[points["num_parameters"] > 0]
    if len(points) < 2:
        return []
    front = pareto_front(points)
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=(6.6, max(3.9, 0.5 + 0.175 * len(points))), layout="constrained")  # room for all names
        axis = canvas.subplots()
        axis.step(
            points.loc[front, "num_parameters"],
            points.loc[front, metric],
            where="post",
            color="0.35",
            linewidth=1,
            label="Pareto front",
        )
        for number, (label, (cost, quality)) in enumerate(points.iterrows()):
            colour = COLOURS[number % len(COLOURS)]
            axis.plot(
                cost,
                quality,
                MARKERS[number % len(MARKERS)],
                markersize=8 if label in front else 7,
                color=colour,
                markerfacecolor=colour if label in front else "white",
                markeredgewidth=1.5,
                label=label,
                linestyle="none",
            )
        axis.set_xscale("log")
        axis.margins(0.08)
        is_wide = points["num_parameters"].max() > 100 * points["num_parameters"].min()
        axis.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 3) if is_wide else (1, 2, 5)))
        axis.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: _thousands(value)))
        axis.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        axis.set(xlabel="Parameters", ylabel=f"Mean {TITLES[metric]}")
        axis.set_title(_title(results, f"{TITLES[metric]} against parameters"))
        canvas.legend(loc="outside right center", fontsize=8)
    return [
        Figure(
            name=f"parameters_{metric}",
            title=f"{TITLES[metric]} against parameters",
            caption=f"Mean {TITLES[metric]} over the machines against the number of parameters. Filled: on the Pareto "
            f"front, no other model has both fewer parameters and a higher {TITLES[metric]}.{_said(results)}",
            alt=f"Scatter plot of mean {TITLES[metric]} against parameters of {len(points)} models. On the Pareto "
            f"front: {', '.join(front)}.",
            canvas=canvas,
        )
    ]


def _thousands(value: float) -> str:
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def histograms(results: Results, metric: str) -> list[Figure]:
    """Scores of normal and abnormal recordings of each machine, by the best model; one figure at each SNR."""
    rows = loading.machines_only(results.detection)
    rows = rows[rows["run_id"].isin(list(results.scores))]
    if rows.empty:
        return []
    label = (best_models(rows, metric) or list(rows["label"]))[0]
    rows = rows[rows["label"] == label].drop_duplicates(MACHINE, keep="last")
    figures = []
    for snr in snrs(rows):
        here = rows[rows["snr"] == snr]
        with mpl.rc_context(_STYLE):
            canvas, axes = _panels(len(here), columns=4, width=2.1, height=1.75, labels=("Anomaly score", "Recordings"))
            for axis, row in zip(axes, here.to_dict("records"), strict=True):
                scores = results.scores[row["run_id"]]
                bins = np.histogram_bin_edges(scores["score"], bins=min(30, 8 + len(scores) // 10))
                groups = scores.groupby("label")["score"]
                normal, abnormal = groups.get_group("normal"), groups.get_group("abnormal")
                axis.hist(normal, bins, color=NORMAL, alpha=0.45, label="normal")
                axis.hist(
                    abnormal, bins, histtype="step", hatch="////", color=ABNORMAL, linewidth=1.3, label="abnormal"
                )
                auc = f", AUC {row['auc']:.2f}" if np.isfinite(row["auc"]) else ""
                axis.set_title(f"{row['machine_type']} {row['machine_id'].replace('_', ' ')}{auc}", fontsize=8)
                axis.yaxis.set_major_locator(MaxNLocator(3, integer=True))
                axis.xaxis.set_major_locator(MaxNLocator(4))
                axis.tick_params(labelsize=7)
            canvas.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
            at = f" at {snr_title(snr)}" if snr else ""
            canvas.suptitle(_title(results, f"Scores of {label}{at}"), fontsize=10)
        figures.append(
            Figure(
                name="_".join(filter(None, ["scores", snr])),
                title=f"Anomaly scores{at}",
                caption=f"Anomaly scores of normal and abnormal recordings of each machine{at}, by {label}, the model "
                f"of the highest mean {TITLES[metric]}.{_said(results)}",
                alt=f"Histograms of the anomaly scores of {label}{at}, normal and abnormal, one panel for each of "
                f"{len(here)} machines.",
                canvas=canvas,
            )
        )
    return figures


def losses(results: Results) -> list[Figure]:
    """Loss against epochs, for each network the mean over its machines."""
    rows = loading.machines_only(results.detection)
    rows = rows.drop_duplicates(["trained", *MACHINE, "seed"])  # however many ways it was scored in
    found: dict[str, list[pd.DataFrame]] = {}
    for label, run_id in rows[["trained", "run_id"]].itertuples(index=False):
        history = results.kept("history", run_id, ["epoch", "train_loss"])
        if history is not None:
            found.setdefault(label, []).append(history.set_index("epoch"))
    if not found:
        return []
    with mpl.rc_context(_STYLE):
        canvas, axes = _panels(len(found), columns=3, width=2.5, height=1.9, labels=("Epoch", "Loss"))
        for axis, (label, histories) in zip(axes, found.items(), strict=True):
            for column, colour, line, name in (
                ("train_loss", COLOURS[0], "-", "training"),
                ("val_loss", COLOURS[1], "--", "validation"),
            ):
                table = pd.concat([history.get(column, pd.Series(dtype=float)) for history in histories], axis=1)
                table = table.dropna(how="all")
                if table.empty:
                    continue
                axis.fill_between(
                    table.index, table.min(axis=1), table.max(axis=1), color=colour, alpha=0.12, linewidth=0
                )
                marker = "o" if len(table) == 1 else None
                axis.plot(table.mean(axis=1), color=colour, linestyle=line, marker=marker, label=name)
            axis.set_title(label)
            axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axis.yaxis.set_major_locator(MaxNLocator(4))
            axis.tick_params(labelsize=7)
        canvas.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
        canvas.suptitle(_title(results, "Loss while training"), fontsize=10)
    return [
        Figure(
            name="losses",
            title="Loss while training",
            caption="Loss of each network against the epochs: mean over the machines, shaded from the lowest to the "
            f"highest. The losses of different models are not comparable.{_said(results)}",
            alt=f"Training and validation loss against epochs, one panel for each of {', '.join(found)}.",
            canvas=canvas,
        )
    ]


def confusion_matrices(results: Results) -> list[Figure]:
    """Confusion matrices of the best classifier of each task."""
    rows = loading.pools_or_machines(results.classification)
    figures = []
    for task in sorted(rows["classification_type"].unique(), reverse=True):
        of_task = rows[rows["classification_type"] == task]
        means = of_task.groupby("label", sort=False)["balanced_accuracy"].mean().sort_values(ascending=False)
        if means.isna().all():
            continue
        label = means.index[0]
        chosen = of_task[of_task["label"] == label].drop_duplicates(MACHINE, keep="last")
        found = [
            (row, table.set_index("target"))
            for row in chosen.to_dict("records")
            if (table := results.kept("confusion", row["run_id"], ["target"])) is not None
        ]
        if not found:
            continue
        classes = max(len(table) for _, table in found)
        side = 1.6 + 0.34 * classes
        with mpl.rc_context(_STYLE | {"axes.grid": False}):
            columns = 4 if classes < 4 else 2
            canvas, axes = _panels(
                len(found), columns=columns, width=side * 0.92, height=side * 0.9, labels=("Predicted", "True")
            )
            for axis, (row, table) in zip(axes, found, strict=True):
                shares = table.div(table.sum(axis=1).replace(0, np.nan), axis=0)
                axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
                kind = row["machine_type"]
                names = [str(name).removeprefix(f"{kind} ").replace("_", " ") for name in table.index]
                long = max(map(len, names)) > 6 and len(names) > 2
                axis.set_xticks(range(len(names)), names, rotation=90 if long else 0)
                axis.set_yticks(range(len(names)), names, rotation=0 if long else 90, va="center")
                axis.tick_params(length=0, labelsize=8)
                axis.spines[["left", "bottom"]].set_visible(False)
                machine = [part for part in (snr_title(row["snr"]), kind, row["machine_id"]) if part != "all"]
                axis.set_title(" ".join(filter(None, machine)).replace("_", " ") or "all machines", fontsize=8)
                for (y, x), count in np.ndenumerate(table.to_numpy()):
                    colour = "white" if shares.to_numpy()[y, x] > 0.5 else "black"
                    axis.text(x, y, f"{count:g}", ha="center", va="center", color=colour, fontsize=8)
            about = TASKS.get(task, task)
            canvas.suptitle(_title(results, f"{label}: {about}"), fontsize=10)
        figures.append(
            Figure(
                name="_".join(filter(None, ["confusion", task])),
                title=f"Confusion matrices, {about}",
                caption=f"Confusion matrices of {label}, the classifier of the highest mean balanced accuracy, "
                f"{about}: numbers of recordings, shaded by their share of the true class.{_said(results)}",
                alt=f"Confusion matrices of {label}, {about}, one for each of {len(found)} pools of machines; its "
                f"mean balanced accuracy is {means.iloc[0]:.3f}.",
                canvas=canvas,
            )
        )
    return figures


def rank_diagram(results: Results, comparison: Comparison, metric: str) -> list[Figure]:
    """A critical-difference diagram: bars join models whose average ranks the Nemenyi test can't tell apart."""
    ranks, difference = comparison.ranks, comparison.difference
    if difference is None:
        return []
    count = len(ranks)
    half = math.ceil(count / 2)
    bars = _bars(ranks.to_numpy(), difference)
    depth = 0.35 + 0.16 * len(bars)  # where the first name is, below the axis
    with mpl.rc_context(_STYLE | {"axes.grid": False}):
        canvas = Canvas(figsize=(7, 0.9 + 0.32 * (depth / 0.32 + half)), layout="constrained")
        axis = canvas.subplots()
        axis.set_axis_off()
        axis.set(xlim=(1 - 0.45 * count, count + 0.45 * count), ylim=(-(depth + 0.32 * half), 0.62))
        axis.plot([1, count], [0, 0], color="black", linewidth=1)
        for rank in range(1, count + 1):
            axis.plot([rank, rank], [0, 0.07], color="black", linewidth=1)
            if (rank - 1) % math.ceil(count / 14) == 0:  # more numbers would run into each other
                axis.text(rank, 0.1, rank, ha="center", va="bottom", fontsize=8)
        for number, (label, rank) in enumerate(ranks.items()):
            is_left = number < half
            level = -(depth + 0.32 * (number if is_left else count - 1 - number))
            end = 1 - 0.05 * count if is_left else count + 0.05 * count
            axis.plot([rank, rank, end], [0, level, level], color="0.35", linewidth=0.9)
            text = f"{label}  {rank:.2f}" if is_left else f"{rank:.2f}  {label}"
            axis.text(
                end + (-0.01 if is_left else 0.01) * count,
                level,
                text,
                ha="right" if is_left else "left",
                va="center",
                fontsize=8,
            )
        for number, (first, last) in enumerate(bars):
            height = -0.2 - 0.16 * number
            axis.plot([first - 0.03 * count / 5, last + 0.03 * count / 5], [height, height], color="black", linewidth=3)
        axis.plot([1, 1 + difference], [0.42, 0.42], color="black", linewidth=1.5, marker="|", markersize=7)
        axis.text(1 + difference / 2, 0.46, f"CD = {difference:.2f}", ha="center", va="bottom", fontsize=8)
        canvas.suptitle(_title(results, f"Average ranks by {TITLES[metric]}"), fontsize=10)
    statistic, p_value = comparison.friedman
    return [
        Figure(
            name=f"ranks_{metric}",
            title="Critical differences",
            caption=f"Average ranks by {TITLES[metric]} over {comparison.machines} machines, the best at the left. "
            "Bars join models that differ by less than the critical difference (CD) of the Nemenyi test at the 5 % "
            "level. "
            f"Friedman's χ² = {statistic:.1f}, p {_p(p_value)}.{_said(results)}",
            alt=f"Critical-difference diagram of {count} models. Best average rank: {ranks.index[0]}, "
            f"{ranks.iloc[0]:.2f}; worst: {ranks.index[-1]}, {ranks.iloc[-1]:.2f}; critical difference "
            f"{difference:.2f}.",
            canvas=canvas,
        )
    ]


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _bars(ranks: Sequence[float], difference: float) -> list[tuple[float, float]]:
    """First and last rank of each largest group of models within the critical difference; ranks ascend."""
    bars: list[tuple[float, float]] = []
    for first in ranks:
        last = max(rank for rank in ranks if rank < first + difference)
        if last > first and (not bars or last > bars[-1][1]):
            bars.append((first, last))
    return bars


def hearing(results: Results, heard: list[Hearing]) -> list[Figure]:
    """Log-mel spectrograms above the anomaly score over time: of a normal and of an abnormal recording."""
    if not heard:
        return []
    with mpl.rc_context(_STYLE | {"axes.grid": False}):
        canvas = Canvas(figsize=(4.0 * len(heard), 4.4), layout="constrained")
        axes = canvas.subplots(2, len(heard), squeeze=False, sharex="col", sharey="row", height_ratios=(2, 1))
        low, high = np.percentile(np.concatenate([one.frames for one in heard]), [1, 99.8])
        for (top, bottom), one in zip(axes.T, heard, strict=True):
            seconds = len(one.frames) * one.hop_seconds
            image = top.imshow(
                one.frames.T,
                origin="lower",
                aspect="auto",
                cmap="magma",
                vmin=low,
                vmax=high,
                extent=(0, seconds, -0.5, one.frames.shape[1] - 0.5),
            )
            top.set_title(f"{one.label}: {Path(one.path).name}", fontsize=9)
            colour = ABNORMAL if one.label == "abnormal" else NORMAL
            bottom.plot(one.times, one.scores, color=colour, linewidth=0.8)
            bottom.axhline(one.scores.mean(), color="0.25", linestyle="--", linewidth=1)
            bottom.text(
                0.99,
                0.95,
                f"mean {one.scores.mean():.3g}",
                transform=bottom.transAxes,
                ha="right",
                va="top",
                fontsize=8,
            )
            bottom.set(xlabel="Time [s]", xlim=(0, seconds))
            bottom.grid(color="0.92")
        frequencies, places = _hertz(heard[0])
        axes[0, 0].set_yticks(places, [_thousands(value) for value in frequencies])
        axes[0, 0].set_ylabel("Frequency [Hz]")
        axes[1, 0].set_ylabel("Anomaly score")
        bottom_low, bottom_high = axes[1, 0].get_ylim()
        axes[1, 0].set_ylim(bottom_low, bottom_high + 0.15 * (bottom_high - bottom_low))
        canvas.colorbar(image, ax=axes[0], label="Level [dB]", pad=0.01)
        one = heard[-1]
        canvas.suptitle(_title(results, f"What {one.model} hears: {one.machine}"), fontsize=10)
    means = ", ".join(f"the mean score of the {one.label} one is {one.scores.mean():.3g}" for one in heard)
    return [
        Figure(
            name="hearing",
            title="What the model hears",
            caption=f"Log-mel spectrograms of recordings of {one.machine}, and below them the anomaly score of each "
            f"window by {one.model}. The dashed line is the mean, the score of the recording: the normal recording is "
            f"the one of the median score, the abnormal one that of the highest.{_said(results)}",
            alt=f"Spectrograms of {len(heard)} recordings of {one.machine} above the anomaly score of {one.model} over "
            f"time; {means}.",
            canvas=canvas,
        )
    ]


def _hertz(one: Hearing) -> tuple[np.ndarray, np.ndarray]:
    """Round frequencies, and the mel bands that they are in."""
    from librosa import mel_frequencies

    centres = mel_frequencies(n_mels=one.frames.shape[1] + 2, fmin=0, fmax=one.sample_rate / 2)[1:-1]
    wanted = np.array([250, 500, 1000, 2000, 4000, 8000, 16000])
    wanted = wanted[(wanted >= centres[0]) & (wanted <= centres[-1])]
    return wanted, np.interp(wanted, centres, np.arange(len(centres)))
