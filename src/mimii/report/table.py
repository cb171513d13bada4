"""A table of the report and how it is written: LaTeX (booktabs) for papers, Markdown for a README, CSV for programs."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from mimii.report import latex
from mimii.report.dots import Dots
from mimii.storage import files

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
    dots : Dots, optional
        A small plot in each row, on the page alone.
    is_matrix : bool
        All columns are of the same kind, so that it can be turned.
    """

    name: str
    title: str
    caption: str
    texts: pd.DataFrame
    values: pd.DataFrame
    marks: pd.DataFrame
    data: pd.DataFrame
    dots: Dots | None = None
    is_matrix: bool = False

    def turned(self) -> "Table":
        """The same with rows and columns exchanged."""
        return replace(self, texts=self.texts.T, values=self.values.T, marks=self.marks.T)

    @property
    def _alignment(self) -> list[str]:
        """Of each column, the index first: numbers to the right."""
        return ["left", *("left" if is_text else "right" for is_text in self.values.isna().all())]

    def to_latex(self) -> str:
        """For a paper; see `mimii.report.latex.to_latex`."""
        return latex.to_latex(self)

    def to_markdown(self) -> str:
        """A table for a README."""
        wraps = {"best": "**{}**", "second": "<u>{}</u>", "": "{}"}
        shown = [
            [wraps[mark].format(markdown(text)) for text, mark in zip(texts, marks, strict=True)]
            for texts, marks in zip(self.texts.to_numpy(), self.marks.to_numpy(), strict=True)
        ]
        index = self.texts.index.map(markdown).rename(markdown(self.texts.index.name))
        frame = pd.DataFrame(shown, index=index, columns=self.texts.columns.map(markdown))
        text = frame.to_markdown(colalign=self._alignment, disable_numparse=True)
        return f"{text}\n\n{markdown(self.caption)}\n"

    def write(self, directory: Path) -> set[str]:
        """Write all forms of the table; gives the letters that LaTeX needs for it."""
        tex = self.to_latex()
        for suffix, text in (("tex", tex), ("md", self.to_markdown()), ("csv", self.data.to_csv(index=False))):
            with files.whole_file(directory / f"{self.name}.{suffix}") as temporary:
                temporary.write_text(text, encoding="utf-8")
        return set(tex)


def markdown(text: object) -> str:
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
