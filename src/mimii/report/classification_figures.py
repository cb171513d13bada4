"""The figures of classification."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from mimii.data.machines import ALL, MACHINE
from mimii.drawing import drawing
from mimii.report.figure import NARROW, WIDE, Figure, panels, set_title
from mimii.report.loading import CLASSIFICATION_RANKING, Results
from mimii.report.rows import by_task
from mimii.report.snr import snr_title
from mimii.report.texts import name_of, synthetic_note, task_title

_MOST = 16  # matrices in a figure
_Matrix = tuple[str, str, pd.DataFrame]  # its title, its machine type, and true x predicted classes


def confusion_matrices(results: Results) -> list[Figure]:
    """Confusion matrices of the best classifier of each task."""
    return [figure for task, rows in by_task(results.classification) for figure in _of_task(results, task, rows)]


def _of_task(results: Results, task: str, rows: pd.DataFrame) -> list[Figure]:
    means = rows.groupby("label", sort=False)[[CLASSIFICATION_RANKING, "num_parameters"]].mean()
    means = means.dropna(subset=CLASSIFICATION_RANKING)
    if means.empty:
        return []
    # of those that tie the smallest is shown
    means["rounded"] = means[CLASSIFICATION_RANKING].round(9)
    means = means.sort_values(["rounded", "num_parameters"], ascending=[False, True], kind="stable")
    label, best = str(means.index[0]), float(means[CLASSIFICATION_RANKING].iloc[0])
    ties = [str(name) for name in means.index[means["rounded"] == means["rounded"].iloc[0]][1:]]
    chosen = rows[rows["label"] == label].drop_duplicates(MACHINE, keep="last")
    chosen = chosen.sort_values(CLASSIFICATION_RANKING, kind="stable") if len(chosen) > _MOST else chosen
    matrices = [
        (_machine_title(row), row["machine_type"], table.set_index("target"))
        for row in chosen.to_dict("records")
        if (table := results.kept("confusion", row["run_id"], ["target"])) is not None
    ]
    if not matrices:
        return []
    shown = matrices[:_MOST]
    cut = f" Of {len(matrices)} machine groups the {_MOST} hardest are shown." if len(matrices) > _MOST else ""
    title = task_title(task)
    with drawing(grid=False):
        canvas, narrow = _draw(shown, WIDE), _draw(shown, NARROW)
        for one in (canvas, narrow):
            set_title(one, f"{label}: {title}", is_synthetic=results.is_synthetic)
    return [
        Figure(
            name=name_of("confusion", task),
            title=f"Confusion matrices of {label}, {title}",
            caption=f"Confusion matrices of {label}, {title}: numbers of recordings, shaded by their share of the true "
            f"class. {_rank(label, best, ties, len(means))}{cut}{synthetic_note(results.is_synthetic)}",
            alt=f"Confusion matrices of {label}, {title}, for {len(shown)} machine groups. "
            f"{_rank(label, best, ties, len(means))} {_errors(matrices)}",
            canvas=canvas,
            narrow=narrow,
        )
    ]


def _rank(label: str, best: float, ties: Sequence[str], count: int) -> str:
    """Where a classifier stands, in a sentence."""
    value = f"mean balanced accuracy, {best:.3f}"
    if not ties:
        return f"It has the highest {value}, of {count} classifiers." if count > 1 else f"Its {value}."
    those = f"{', '.join(ties[:-1])} and {ties[-1]}" if len(ties) > 1 else ties[0]
    return (
        f"{len(ties) + 1} of {count} classifiers have the same highest {value}: {label}, which has the fewest "
        f"parameters of them, {those}."
    )


def _errors(matrices: Sequence[_Matrix]) -> str:
    """How many recordings are confused, and where most of them are, in a sentence."""
    totals = [int(table.to_numpy().sum()) for _, _, table in matrices]
    wrong = [total - int(np.trace(table.to_numpy())) for total, (_, _, table) in zip(totals, matrices, strict=True)]
    if not sum(wrong):
        return f"None of {sum(totals)} recordings is confused."
    most = int(np.argmax(wrong))
    return (
        f"{sum(wrong)} of {sum(totals)} recordings are confused, most of them of {matrices[most][0]}: {wrong[most]} "
        f"of {totals[most]}."
    )


def _machine_title(row: dict[Any, Any]) -> str:
    parts = [snr_title(row["snr"]), row["machine_type"], row["machine_id"]]
    return " ".join(part for part in parts if part not in ("", ALL)).replace("_", " ") or "all machines"


def _draw(matrices: Sequence[_Matrix], width: float) -> Canvas:
    """Panels of confusion matrices."""
    classes = max(len(table) for _, _, table in matrices)
    fitting = {True: 2, False: 1} if width == NARROW else {True: 4, False: 2}
    columns = fitting[classes < 4]
    side = min(1.5 + 0.31 * classes, width / columns)
    canvas, all_axes = panels(
        len(matrices), columns=columns, width=side, height=side + 0.1, labels=("Predicted", "True")
    )
    canvas.set_layout_engine("constrained", h_pad=0.06)
    for axes, (title, machine_type, table) in zip(all_axes, matrices, strict=True):
        _draw_matrix(axes, table, [str(name).removeprefix(f"{machine_type} ") for name in table.index])
        axes.set_title(title, fontsize=8)
    return canvas


def _draw_matrix(axes: Axes, table: pd.DataFrame, classes: Sequence[str]) -> None:
    names = [name.replace("_", " ") for name in classes]
    shares = table.div(table.sum(axis=1).replace(0, np.nan), axis=0).to_numpy()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    are_long = max(map(len, names)) > 6 and len(names) > 2
    axes.set_xticks(range(len(names)), names, rotation=90 if are_long else 0)
    axes.set_yticks(range(len(names)), names, rotation=0 if are_long else 90, va="center")
    axes.tick_params(length=0, labelsize=8)
    axes.spines[["left", "bottom"]].set_visible(False)
    for (y, x), count in np.ndenumerate(table.to_numpy()):
        colour = "white" if shares[y, x] > 0.5 else "black"
        axes.text(x, y, f"{count:g}", ha="center", va="center", color=colour, fontsize=8, in_layout=False)
