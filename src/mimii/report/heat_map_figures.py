"""The figure of a metric of every model on every machine."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from mimii.data.machines import machine_name
from mimii.drawing import drawing
from mimii.report import paired
from mimii.report.figure import NARROW, Figure, set_title
from mimii.report.loading import Results
from mimii.report.ranking import Common, best_models, common
from mimii.report.rows import by_machine, machines_only
from mimii.report.snr import at_snr
from mimii.report.texts import name_of, synthetic_note
from mimii.storage.schema import DASH, heading

_FEW = 8  # columns whose numbers can be read on a narrow screen
_LETTER = 0.066  # width of a letter of 8 points [inch]


def heat_map(results: Results, metric: str) -> list[Figure]:
    """A metric of every model on every machine: models by their mean, machines from the easiest to the hardest."""
    rows = machines_only(results.detection).dropna(subset=metric)
    if rows.empty:
        return []
    table = by_machine(rows, metric)
    shared = common(table)
    table = _sorted(table.loc[best_models(rows, metric)], shared)
    models, columns = table.shape
    machines, levels = paired.blocks(table).shape[1], table.columns.get_level_values(0).nunique()
    is_turned = columns > models
    is_few = not is_turned and table.columns.get_level_values(0).value_counts().max() <= _FEW
    title = f"{heading(metric)} of every model on every machine"
    with drawing(grid=False, frame=False):
        canvas = _draw(table, is_turned=is_turned)
        set_title(canvas, title, is_synthetic=results.is_synthetic)
        narrow = _draw(table if is_few else table.iloc[:_FEW], is_turned=not is_few, width=NARROW)
        cut = "" if is_few or models <= _FEW else f", the {_FEW} best of {models} models"
        set_title(narrow, f"{heading(metric)} on every machine{cut}", is_synthetic=results.is_synthetic)
    return [
        Figure(
            name=name_of("heat_map", metric),
            title=title,
            caption=f"{heading(metric)} of {models} models on {machines} machines"
            f"{f' at {levels} SNR' if levels > 1 else ''}; brighter is better. The models are sorted by their mean, "
            f"the best first; the machines by theirs, the hardest last.{_not_ranked(shared)}"
            f"{synthetic_note(results.is_synthetic)}",
            alt=f"Heat map of {heading(metric)}, {models} models by {machines} machines."
            f"{_ends(shared.table)}{_not_ranked(shared)}",
            canvas=canvas,
            narrow=narrow,
        )
    ]


def _not_ranked(shared: Common) -> str:
    """The models whose mean is not that of the others, for it is over other machines."""
    if not shared.lacking:
        return ""
    they_were = "it was" if len(shared.lacking) == 1 else "they were"
    return f" Last and not ranked, for {they_were} run on fewer machines: {', '.join(shared.lacking)}."


def _ends(table: pd.DataFrame) -> str:
    """The best and the worst of the models that are compared, and the easiest and the hardest machine."""
    if table.empty:
        return ""
    means, of_machines = paired.blocks(table).mean(axis=1), table.mean(axis=0)
    hardest, easiest = (
        machine_name(table.columns[int(place)]) for place in (of_machines.argmin(), of_machines.argmax())
    )
    return (
        f" The highest mean has {means.idxmax()} with {means.max():.3f}, the lowest {means.idxmin()} with "
        f"{means.min():.3f}; the hardest machine is {hardest} with a mean of {of_machines.min():.3f}, the easiest "
        f"{easiest} with {of_machines.max():.3f}."
    )


def _sorted(table: pd.DataFrame, shared: Common) -> pd.DataFrame:
    """At each SNR machines from the highest mean down, of the models that are compared, where one has the machine."""
    means = table.loc[shared.table.index].mean(axis=0).fillna(table.mean(axis=0))
    snr = list(dict.fromkeys(table.columns.get_level_values(0)))
    order = sorted(table.columns, key=lambda machine: (snr.index(machine[0]), -means[machine]))
    return table[order]


def _draw(table: pd.DataFrame, *, is_turned: bool, width: float | None = None) -> Canvas:
    """A panel for each SNR, below each other.

    Parameters
    ----------
    table : pd.DataFrame
        Models x machines.
    is_turned : bool
        Machines are in rows.
    width : float, optional
        Of the figure [inch]; without it, what the cells take.
    """
    snr_of_column = table.columns.get_level_values(0)
    parts = {snr: table.loc[:, snr_of_column == snr] for snr in dict.fromkeys(snr_of_column)}
    models = list(table.index)
    names = {snr: [_short(machine) for machine in part.columns] for snr, part in parts.items()}
    blocks = {snr: part.T.to_numpy() if is_turned else part.to_numpy() for snr, part in parts.items()}
    rows = {snr: names[snr] if is_turned else models for snr in parts}
    columns = {snr: models if is_turned else names[snr] for snr in parts}

    widest = max(block.shape[1] for block in blocks.values())
    is_tight = width is not None or widest > 14
    beside = 0.2 + _LETTER * max(len(name) for part in rows.values() for name in part)
    below = 0.4 + _LETTER * max(len(name) for part in columns.values() for name in part)
    heights = [block.shape[0] * (0.2 if is_tight else 0.26) + 0.3 for block in blocks.values()]
    labelled = 1 if is_turned else len(blocks)  # panels with names below them: those of the models are the same in all
    canvas = Canvas(
        figsize=(
            width or max(beside + widest * (0.3 if is_tight else 0.5), 5),
            sum(heights) + labelled * below + 0.5,
        ),
        layout="constrained",
    )
    all_axes: np.ndarray = canvas.subplots(
        len(blocks), 1, squeeze=False, height_ratios=heights, sharex="col" if is_turned else "none"
    )
    low = min(0.5, float(np.floor(np.nanmin(table) * 10) / 10))
    for axes, snr in zip(all_axes.flat, blocks, strict=True):
        _draw_cells(axes, blocks[snr], low, is_tight=is_tight)
        axes.set_yticks(range(len(rows[snr])), rows[snr], fontsize=8)
        axes.set_xticks(range(len(columns[snr])), columns[snr], fontsize=8, rotation=90)
        axes.tick_params(length=0)
        if len(blocks) > 1:
            axes.set_title(at_snr(snr).removeprefix(" at "))
    return canvas


def _short(machine: Sequence[str]) -> str:
    """The name of a machine without its SNR."""
    return machine_name(machine[1:]).replace("_", " ")


def _draw_cells(axes: Axes, values: np.ndarray, low: float, *, is_tight: bool) -> None:
    """Shades and numbers."""
    image = axes.imshow(values, cmap="cividis", vmin=low, vmax=1, aspect="auto")
    # above a luminance of 0.18 black has the better contrast
    luminance = image.to_rgba(values)[..., :3] ** 2.2 @ (0.2126, 0.7152, 0.0722)
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:.2f}" if np.isfinite(value) else DASH
        if is_tight:
            text = text.removeprefix("0") if value < 0.995 else "1"
        is_dark = np.isfinite(value) and luminance[row, column] <= 0.18
        axes.text(
            *(column, row, text if np.isfinite(value) else DASH),
            ha="center",
            va="center",
            fontsize=6.5 if is_tight else 8,
            color="white" if is_dark else "black",
            in_layout=False,  # it is within the panel, and to measure every number takes long
        )
