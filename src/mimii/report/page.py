"""The page: one file that needs no network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mimii.report.figure import Figure
from mimii.report.table import Table
from mimii.storage.schema import DASH


@dataclass
class Section:
    """A part of the page.

    Attributes
    ----------
    title : str
    paragraphs : list of str
    tables : list of Table
    figures : list of Figure
    is_detail : bool
        Its tables are folded away.
    """

    title: str
    paragraphs: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    is_detail: bool = False

    @property
    def anchor(self) -> str:
        """Its name in the address."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower()).strip("-")


def render(
    title: str,
    facts: dict[str, str],
    sections: list[Section],
    images: dict[str, str],
    notes: list[str],
    is_synthetic: bool,
    links: Mapping[str, str],
) -> str:
    """The page as HTML.

    Parameters
    ----------
    title : str
    facts : dict of str to str
        What was run.
    sections : list of Section
    images : dict of str to str
        PNG in base64 by the name of the figure.
    notes : list of str
        What is missing.
    is_synthetic : bool
        The page opens with a warning.
    links : mapping of str to str
        Other pages of the report by their names.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"headings": _headings, "rows": _rows}
    return environment.get_template("page.html").render(
        title=title,
        facts=facts,
        sections=sections,
        images=images,
        notes=notes,
        is_synthetic=is_synthetic,
        links=links,
        dash=DASH,
    )


def _headings(table: Table) -> list[tuple[str, bool]]:
    """The name of each column, and whether it holds texts."""
    return list(zip(table.texts.columns, table.values.isna().all(), strict=True))


def _rows(table: Table) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """For each row its name and its cells: text, mark and the number to sort by, empty where there is none."""
    parts = (table.texts, table.marks, table.values)
    rows = zip(*(frame.to_numpy(dtype=object) for frame in parts), strict=True)
    return [
        (str(name), [(text, mark, _sortable(value)) for text, mark, value in zip(*row, strict=True)])
        for name, row in zip(table.texts.index, rows, strict=True)
    ]


def _sortable(value: float) -> str:
    return f"{value:.9g}" if np.isfinite(value) else ""
