"""The figures of classification."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from mimii.data.machines import ALL, MACHINE
from mimii.drawing import drawing
from mimii.report.figure import Figure, panels
from mimii.report.loading import CLASSIFICATION_RANKING, Results
from mimii.report.rows import by_task
from mimii.report.snr import snr_title
from mimii.report.texts import figure_title, name_of, synthetic_note, task_title


def confusion_matrices(results: Results) -> list[Figure]:
    """Confusion matrices of the best classifier of each task."""
    figures = []
    for task, rows in by_task(results.classification):
        means = rows.groupby("label", sort=False)[CLASSIFICATION_RANKING].mean().sort_values(ascending=False)
        if means.isna().all():
            continue
        label = str(means.index[0])
        chosen = rows[rows["label"] == label].drop_duplicates(MACHINE, keep="last")
        matrices = [
            (_machine_title(row), row["machine_type"], table.set_index("target"))
            for row in chosen.to_dict("records")
            if (table := results.kept("confusion", row["run_id"], ["target"])) is not None
        ]
        if not matrices:
            continue
        title = task_title(task)
        with drawing(grid=False):
            canvas = _draw(matrices)
            canvas.suptitle(figure_title(f"{label}: {title}", results.is_synthetic), fontsize=10)
        figures.append(
            Figure(
                name=name_of("confusion", task),
                title=f"Confusion matrices, {title}",
                caption=f"Confusion matrices of {label}, the classifier of the highest mean balanced accuracy, "
                f"{title}: numbers of recordings, shaded by their share of the true class."
                f"{synthetic_note(results.is_synthetic)}",
                alt=f"Confusion matrices of {label}, {title}, one for each of {len(matrices)} machine groups; its "
                f"mean balanced accuracy is {means.iloc[0]:.3f}.",
                canvas=canvas,
            )
        )
    return figures


def _machine_title(row: dict[Any, Any]) -> str:
    parts = [snr_title(row["snr"]), row["machine_type"], row["machine_id"]]
    return " ".join(part for part in parts if part not in ("", ALL)).replace("_", " ") or "all machines"


def _draw(matrices: Sequence[tuple[str, str, pd.DataFrame]]) -> Canvas:
    """Panels of confusion matrices; each comes with its title and its machine type."""
    classes = max(len(table) for _, _, table in matrices)
    side = 1.6 + 0.34 * classes
    canvas, all_axes = panels(
        len(matrices),
        columns=4 if classes < 4 else 2,
        width=side * 0.92,
        height=side * 0.9,
        labels=("Predicted", "True"),
    )
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
        axes.text(x, y, f"{count:g}", ha="center", va="center", color=colour, fontsize=8)
