"""A figure of the report, how it is written, and the style of all figures: PDF for a paper, PNG for the page.

Colours are Okabe and Ito's, which colour-blind people tell apart; line styles and markers say the same in grey.
"""

import io
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from mimii.storage import files

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # that it looks for fonts is of no interest to a user

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
NORMAL, ABNORMAL = COLOURS[0], COLOURS[1]


# fonts with letters that matplotlib's own one does not have, for names of machines: of other scripts, and of emoji
_FONTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Noto Sans KR", "Source Han Sans"),
    *("Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Yu Gothic", "MS Gothic", "Microsoft YaHei", "SimHei"),
    *("Malgun Gothic", "IPAexGothic", "IPAGothic", "TakaoGothic", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei"),
    *("Droid Sans Fallback", "Arial Unicode MS", "Noto Sans", "Noto Emoji", "Segoe UI Emoji", "Symbola"),
)


@cache
def _fallback_fonts() -> list[str]:
    """Those of the fonts that are installed here."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return [name for name in _FONTS if name in installed]


@contextmanager
def drawing(*, grid: bool = True, frame: bool = True) -> Iterator[None]:
    """Draw in the style of the report: figures are made, and written, within this context.

    Parameters
    ----------
    grid : bool
        Lines behind what is drawn.
    frame : bool
        Lines at the left and at the bottom.
    """
    style: dict[RcKeyType, Any] = {
        "font.family": ["sans-serif", *_fallback_fonts()],
        "font.size": 9,
        "text.parse_math": False,  # a $ in a name is a $
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": frame,
        "axes.spines.bottom": frame,
        "axes.grid": grid,
        "grid.color": "0.92",
        "axes.axisbelow": True,
        "legend.frameon": False,
        "pdf.fonttype": 42,  # text stays text
        "savefig.dpi": 160,
    }
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph ")  # no font has the letter: a box stands for it
        yield


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
