"""The figure of average ranks and the differences that a test can see."""

import pandas as pd
from matplotlib.figure import Figure as Canvas

from mimii.drawing import COLOURS, drawing
from mimii.report.figure import NARROW, Figure, set_title
from mimii.report.statistics import Comparison
from mimii.report.texts import friedman, name_of, synthetic_note
from mimii.storage.schema import heading


def rank_diagram(comparison: Comparison, metric: str, is_synthetic: bool) -> list[Figure]:
    """Average ranks with the critical difference of the Nemenyi test, where that separates any two models."""
    ranks, difference = comparison.ranks, comparison.difference
    if difference is None or comparison.friedman is None:
        return []
    equals = _equals(ranks, difference)
    title = f"Average ranks by {heading(metric)}"
    with drawing():
        canvas, narrow = (_draw(ranks, difference, width) for width in (6.6, NARROW))
        for one in (canvas, narrow):
            set_title(one, title, is_synthetic=is_synthetic)
    others = len(ranks) - 1
    return [
        Figure(
            name=name_of("ranks", metric),
            title="Critical differences",
            caption=f"Average ranks by {heading(metric)} over {comparison.machines} machines, 1 is the best. Two "
            "models whose lines do not overlap differ at the 5 % level by the Nemenyi test, that is by more than "
            f"{difference:.2f} ranks. Those whose lines reach the shaded range can't be told from {ranks.index[0]}: "
            f"{equals} of the other {others}. "
            f"Friedman test: {friedman(*comparison.friedman)}.{synthetic_note(is_synthetic)}",
            alt=f"Average ranks of {len(ranks)} models over {comparison.machines} machines. The best has "
            f"{ranks.index[0]} with {ranks.iloc[0]:.2f}. Of the other {others} models {equals} are within the critical "
            f"difference of {difference:.2f} of it. The worst is {ranks.index[-1]} with {ranks.iloc[-1]:.2f}.",
            canvas=canvas,
            narrow=narrow,
        )
    ]


def _equals(ranks: pd.Series, difference: float) -> int:
    """How many models can't be told from the best one."""
    return int((ranks.iloc[1:] - ranks.iloc[0] <= difference).sum())


def _draw(ranks: pd.Series, difference: float, width: float) -> Canvas:
    """A line a model, the best on top: its rank, and half the critical difference at both sides."""
    canvas = Canvas(figsize=(width, 1.2 + 0.2 * len(ranks)), layout="constrained")
    axes = canvas.subplots()
    best, places = float(ranks.iloc[0]), range(len(ranks))
    axes.axvspan(best - difference / 2, best + difference / 2, color=COLOURS[0], alpha=0.1, linewidth=0)
    colours = [COLOURS[0] if rank - best <= difference else "0.45" for rank in ranks]
    axes.hlines(places, ranks - difference / 2, ranks + difference / 2, colors=colours, linewidth=2)
    axes.scatter(ranks, places, c=colours, s=22, zorder=3)
    axes.set_yticks(places, [f"{label}  {rank:.1f}" for label, rank in ranks.items()], fontsize=8)
    axes.set_ylim(len(ranks) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    step = 1 if len(ranks) < 8 else 5 if width > NARROW else 10
    axes.set(xlabel="Average rank", xticks=sorted({1, *range(step, len(ranks) + 1, step)}))
    return canvas
