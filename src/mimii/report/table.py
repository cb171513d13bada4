"""A table of the report and how it is written: LaTeX (booktabs) for papers, Markdown for a README, CSV for programs."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mimii.storage import files
from mimii.storage.schema import DASH, MINUS

_LONG = 40  # rows from which on a LaTeX table may break over pages
_NARROW = 7  # columns up to which it may, for only a table on one page can be scaled to its width
_FIT = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}"  # only what is wider than the text shrinks
_TEX = {"±": r"$\pm$", MINUS: "$-$", "†": r"$^\dagger$", DASH: "--"}
_ESCAPES = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{"|": r"\textbar{}", "<": r"\textless{}", ">": r"\textgreater{}"},
        **{"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"},
    }
)
# what Markdown would not show as it is; an underscore between letters it does, and a < before a blank
_MARKDOWN = re.compile(r"[\\`*\[\]|~$]|<(?=[a-zA-Z/!?])|&(?=\w+;|#)|(?<!\w)_|_(?!\w)")


@dataclass
class Table:
    """A table: what is shown, and the numbers behind it.

    Attributes
    ----------
    name : str
        Of its files.
    title, caption : str
    texts : pd.DataFrame
        What is shown; the index is the first column.
    values : pd.DataFrame
        Numbers of the same shape, by which the page sorts.
    marks : pd.DataFrame
        Of the same shape: ``best``, ``second`` or empty.
    data : pd.DataFrame
        What the CSV holds, unrounded.
    """

    name: str
    title: str
    caption: str
    texts: pd.DataFrame
    values: pd.DataFrame
    marks: pd.DataFrame
    data: pd.DataFrame

    @property
    def _alignment(self) -> list[str]:
        """Of each column, the index first: numbers to the right."""
        return ["left", *("left" if is_text else "right" for is_text in self.values.isna().all())]

    def to_latex(self) -> str:
        """A float for a paper; its comment names the packages that it needs."""
        is_long = len(self.texts) > _LONG and self.texts.shape[1] <= _NARROW
        styles = {"best": "textbf:--rwrap;", "second": "underline:--rwrap;", "": ""}
        # the styles are given by position: a label can be there twice
        css = self.marks.map(styles.__getitem__).to_numpy()
        headings: dict[object, object] = dict(enumerate([self.texts.index.name, *self.texts.columns]))
        # by number: a machine type can be called as the index is
        frame = self.texts.reset_index(allow_duplicates=True).set_axis(list(headings), axis="columns")
        css = np.hstack([np.full((len(frame), 1), ""), css])
        text = (
            frame.style.hide(axis="index")
            .format(_latex)
            .format_index(lambda number: _latex(headings[number]), axis="columns")
            .apply(lambda _: css, axis=None)
            .to_latex(
                hrules=True,
                column_format="".join("l" if column == "left" else "r" for column in self._alignment),
                caption=_latex(self.caption),
                label=f"tab:{self.name.replace('_', '-')}",
                environment="longtable" if is_long else None,
                position=None if is_long else "t",
                position_float=None if is_long else "centering",
            )
        )
        for character, command in _TEX.items():
            text = text.replace(character, command)
        if is_long:
            text = f"\\begingroup\\footnotesize\n{text}\\endgroup\n"
        else:
            text = text.replace(r"\begin{tabular}", _FIT + "{%\n\\begin{tabular}")
            text = text.replace(r"\end{tabular}", r"\end{tabular}}")
        other = "" if text.isascii() else "; LuaLaTeX or XeLaTeX with a font that has all letters"
        return f"% \\usepackage{{booktabs,graphicx,longtable}}{other}\n{text}"

    def to_markdown(self) -> str:
        """A table for a README."""
        wraps = {"best": "**{}**", "second": "<u>{}</u>", "": "{}"}
        shown = [
            [wraps[mark].format(_markdown(text)) for text, mark in zip(texts, marks, strict=True)]
            for texts, marks in zip(self.texts.to_numpy(), self.marks.to_numpy(), strict=True)
        ]
        index = self.texts.index.map(_markdown).rename(_markdown(self.texts.index.name))
        frame = pd.DataFrame(shown, index=index, columns=self.texts.columns.map(_markdown))
        text = frame.to_markdown(colalign=self._alignment, disable_numparse=True)
        return f"{text}\n\n{_markdown(self.caption)}\n"

    def write(self, directory: Path) -> None:
        """Write all forms of the table."""
        for suffix, text in (
            ("tex", self.to_latex()),
            ("md", self.to_markdown()),
            ("csv", self.data.to_csv(index=False)),
        ):
            with files.whole_file(directory / f"{self.name}.{suffix}") as temporary:
                temporary.write_text(text, encoding="utf-8")


def _latex(text: object) -> str:
    """Escape what LaTeX reads as a command."""
    return str(text).translate(_ESCAPES)


def _markdown(text: object) -> str:
    """Escape what Markdown reads as a mark."""
    return _MARKDOWN.sub(r"\\\g<0>", str(text))


def best_marks(values: pd.DataFrame, comparable: pd.DataFrame | None = None, decimals: int = 3) -> pd.DataFrame:
    """Mark the best value of each column and the second, as a reader sees them: rounded; equal ones alike.

    Parameters
    ----------
    values : pd.DataFrame
        Higher is better.
    comparable : pd.DataFrame of bool, optional
        Which cells take part.
    decimals : int
    """
    shown = values.round(decimals)
    if comparable is not None:
        shown = shown.where(comparable)
    ranks = shown.rank(method="dense", ascending=False)
    marks = {1.0: "best", 2.0: "second"}
    found = ranks.map(lambda rank: marks.get(rank, ""))
    alone = shown.notna().sum() < 2  # the only one is not the best
    found.loc[:, alone.to_numpy()] = ""
    return found


def no_marks(texts: pd.DataFrame) -> pd.DataFrame:
    """The marks of a table in which nothing is best."""
    return texts.map(lambda _: "")
