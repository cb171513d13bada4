"""A figure of the report, and how it is written: PDF for a paper, PNG for the page, and PNG for a narrow screen.

Figures are written by several processes, so what they are made of can be pickled: their axes have no lambdas.
"""

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from PIL import Image

from mimii.drawing import drawing
from mimii.report.texts import figure_title
from mimii.runtime.processes import in_parallel
from mimii.storage import files

NARROW = 3.3  # width of a figure for a narrow screen [inch]: at 110 pixels an inch what a phone of 390 pixels has
WIDE = 8.4  # the same of the other figures, at most
_FEWEST = 5  # figures that a process is started for


@dataclass
class Figure:
    """A figure of the report.

    Attributes
    ----------
    name : str
        Of its files.
    title, caption : str
    alt : str
        What it says, for who can't see it.
    canvas : matplotlib.figure.Figure
    narrow : matplotlib.figure.Figure, optional
        The same for a screen of 390 pixels, where ``canvas`` can't be read there.
    """

    name: str
    title: str
    caption: str
    alt: str
    canvas: Canvas
    narrow: Canvas | None = None

    def write(self, directory: Path) -> bytes:
        """Write PDF and PNG; gives the PNG."""
        with drawing():
            with files.whole_file(directory / f"{self.name}.pdf") as temporary:
                self.canvas.savefig(temporary, metadata={"CreationDate": None})
            self.canvas.set_layout_engine("none")  # the layout stays; to find it again takes longer than to draw
            png = _png(self.canvas)
        with files.whole_file(directory / f"{self.name}.png") as temporary:
            temporary.write_bytes(png)
        return png

    def narrow_png(self) -> bytes | None:
        """The PNG for a narrow screen; None where the other one does."""
        if self.narrow is None:
            return None
        with drawing():
            return _png(self.narrow)


@dataclass(frozen=True)
class Pictures:
    """The PNG of a figure.

    Attributes
    ----------
    name : str
        Of the figure.
    wide : bytes
    narrow : bytes, optional
        For a narrow screen, where the other one does not do.
    """

    name: str
    wide: bytes
    narrow: bytes | None


def write(figures: Sequence[Figure], directory: Path) -> dict[str, Pictures]:
    """Write figures, many of them with all cores; gives their pictures by name."""
    from joblib import cpu_count

    jobs = min(int(cpu_count()), len(figures) // _FEWEST)
    written = in_parallel(partial(_written, directory=directory), figures, jobs)
    return {pictures.name: pictures for pictures in written}


def _written(figure: Figure, directory: Path) -> Pictures:
    return Pictures(figure.name, figure.write(directory), figure.narrow_png())


def _png(canvas: Canvas) -> bytes:
    """The picture in 256 colours, with which it takes a third of the room in the page."""
    dpi, before = mpl.rcParams["savefig.dpi"], canvas.dpi
    pixels = FigureCanvasAgg(canvas)
    canvas.dpi = dpi
    pixels.draw()  # once; savefig draws twice, and writes a PNG that would have to be read again
    canvas.dpi = before
    whole, png = Image.fromarray(np.asarray(pixels.buffer_rgba())).convert("RGB"), io.BytesIO()
    whole.quantize(256, dither=Image.Dither.NONE).save(png, "png", dpi=(dpi, dpi))
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
    canvas = Canvas(figsize=(max(columns * width, NARROW), rows * height + 0.6), layout="constrained")
    grid: np.ndarray = canvas.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared)
    for number, axes in enumerate(grid.flat):
        axes.set_visible(number < count)
        if number + columns >= count:
            axes.set_xlabel(labels[0])
            axes.tick_params(labelbottom=True)
        if number % columns == 0:
            axes.set_ylabel(labels[1])
    return canvas, list(grid.flat)[:count]


def set_title(canvas: Canvas, text: str, *, is_synthetic: bool) -> None:
    """Give a figure its title, on as many lines as its width takes."""
    letters = int(11.5 * canvas.get_figwidth())  # so many fit, of the average width
    whole = figure_title(text, is_synthetic)
    for together in ("(synthetic data)", " dB"):  # no line ends within
        whole = whole.replace(together, together.replace(" ", "\N{NO-BREAK SPACE}"))
    canvas.suptitle(textwrap.fill(whole, letters, break_long_words=False), fontsize=10)


def legend_below(canvas: Canvas, all_axes: Sequence[Axes]) -> None:
    """Explain below the panels what is drawn in them, each name once."""
    known: dict[str, Artist] = {}
    for axes in all_axes:
        handles, names = axes.get_legend_handles_labels()
        known |= dict(zip(names, handles, strict=True))
    letters = max((len(name) for name in known), default=0)
    # an inch holds about fifteen letters, and the mark before a name takes the room of seven
    columns = max(1, min(len(known), int(15 * canvas.get_figwidth() // (7 + letters))))
    canvas.legend(list(known.values()), list(known), loc="outside lower center", ncols=columns, fontsize=8)


def thousands(value: float) -> str:
    """A large number in a few letters."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
