"""The style of all figures, and fonts for names in any script.

Colours are Okabe and Ito's, which colour-blind people tell apart; line styles and markers say the same in grey.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # that it looks for fonts is of no interest to a user

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
NORMAL, ABNORMAL = COLOURS[0], COLOURS[1]
COLOUR_MAP = "magma"  # of spectrograms


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
    """Draw in this style: figures are made, and written, within this context.

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
        "savefig.dpi": 200,
    }
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph ")  # no font has the letter: a box stands for it
        yield
