"""A figure of the report, and how it is written: PDF for a paper, PNG for the page."""

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from mimii.drawing import drawing
from mimii.storage import files


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
        with drawing():
            with files.whole_file(directory / f"{self.name}.pdf") as temporary:
                self.canvas.savefig(temporary, metadata={"CreationDate": None})
            self.canvas.set_layout_engine("none")  # the layout stays; to find it again takes longer than to draw
            self.canvas.savefig(png, format="png")
        with files.whole_file(directory / f"{self.name}.png") as temporary:
            temporary.write_bytes(png.getvalue())
        return png.getvalue()


def panels(
    count: int, *, columns: int, width: float, height: float, labels: tuple[str, str], shared: bool = False
) -> tuple[Canvas, list[Axes]]:
    """A figure with panels, labelled at its left and lower edge.

    Parameters
    ----------
    count : int > 0
    columns : int > 0
        At most so many panels stand side by side.
    width, height : float
        Of a panel [inch].
    labels : tuple of str
        Of the x axis and of the y axis.
    shared : bool
        All panels have the same axes.

    Returns
    -------
    canvas : matplotlib.figure.Figure
    axes : list of Axes
        The panels.
    """
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    # a single panel still needs the width of the title
    canvas = Canvas(figsize=(max(columns * width, 4), rows * height + 0.6), layout="constrained")
    grid: np.ndarray = canvas.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared)
    for number, axes in enumerate(grid.flat):
        axes.set_visible(number < count)
        if number + columns >= count:
            axes.set_xlabel(labels[0])
            axes.tick_params(labelbottom=True)
        if number % columns == 0:
            axes.set_ylabel(labels[1])
    return canvas, list(grid.flat)[:count]


def legend_below(canvas: Canvas, axes: Axes) -> None:
    """Explain the lines of all panels below them; ``axes`` has them all."""
    canvas.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)


def thousands(value: float) -> str:
    """A large number in a few letters."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
