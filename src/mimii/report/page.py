"""The page: one file that needs no network."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from markupsafe import Markup

from mimii.monitoring.templates import environment
from mimii.report.figure import Figure, Pictures
from mimii.report.findings import Finding
from mimii.report.table import Table
from mimii.storage.schema import DASH

MOST_ROWS = 1000  # of a table on the page; nobody reads more, and a browser would take its time
_UPRIGHT = 10  # columns from which on long headings stand upright
_DENSE = 105  # letters of a row from which on the gaps are small
_LANDSCAPE = 130  # letters of a row from which on a table is printed across


@dataclass(frozen=True)
class Folded:
    """A table that is shown when its title is clicked."""

    table: Table


@dataclass(frozen=True)
class Choice:
    """Figures of which one is seen at a time.

    Attributes
    ----------
    title : str
    figures : mapping of str to Figure
        By the name of the button that chooses it.
    """

    title: str
    figures: Mapping[str, Figure]


Part = str | Markup | Table | Folded | Figure | Choice


@dataclass
class Section:
    """A section of the page.

    Attributes
    ----------
    title : str
    parts : list of Part
        What it shows, in order: a text is a paragraph, and `Markup` is put in as it is.
    for_papers : list of Figure
        Figures that are written and not shown, because the page itself shows more.
    """

    title: str
    parts: list[Part] = field(default_factory=list)
    for_papers: list[Figure] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """Its name in the address."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower()).strip("-")

    @property
    def tables(self) -> list[Table]:
        """Its tables, the folded ones too."""
        found = (part.table if isinstance(part, Folded) else part for part in self.parts)
        return [part for part in found if isinstance(part, Table)]

    @property
    def figures(self) -> list[Figure]:
        """Its figures, with those of choices."""
        found: list[Figure] = []
        for part in self.parts:
            if isinstance(part, Figure):
                found.append(part)
            elif isinstance(part, Choice):
                found += part.figures.values()
        return found


def choice(title: str, figures: Mapping[str, Sequence[Figure]]) -> list[Part]:
    """Figures to choose from, of those functions that have one; a single one needs no choice."""
    found = {name: figure for name, of_name in figures.items() for figure in of_name}
    return list(found.values()) if len(found) < 2 else [Choice(title, found)]


def render(
    title: str,
    sections: Sequence[Section],
    *,
    lead: str,
    findings: Sequence[Finding],
    facts: Mapping[str, str],
    images: Mapping[str, Pictures],
    notes: Sequence[str],
    is_synthetic: bool,
    links: Mapping[str, str],
) -> str:
    """The page as HTML.

    Parameters
    ----------
    title : str
    sections : sequence of Section
        Between the findings and the settings.
    lead : str
        What the results are of, in a line.
    findings : sequence of Finding
    facts : mapping of str to str
        What was run.
    images : mapping of str to Pictures
        By the name of the figure.
    notes : sequence of str
        What is missing.
    is_synthetic : bool
        The page opens with a warning.
    links : mapping of str to str
        Other pages of the report by their names.
    """
    pages = environment(Path(__file__).parent)
    kinds = {"table": Table, "folded": Folded, "figure": Figure, "choice": Choice, "markup": Markup}
    pages.tests |= {name: lambda part, kind=kind: isinstance(part, kind) for name, kind in kinds.items()}
    pages.filters |= {"columns": _columns, "rows": _rows, "letters": _letters, "base64": _base64}
    return pages.get_template("page.html").render(
        title=title,
        sections=sections,
        lead=lead,
        findings=[(finding.text, finding.anchor, _target(finding.anchor, sections)) for finding in findings],
        facts=facts,
        images=images,
        notes=notes,
        is_synthetic=is_synthetic,
        links=links,
        dash=DASH,
        most_rows=MOST_ROWS,
        dense=_DENSE,
        landscape=_LANDSCAPE,
    )


def _target(anchor: str, sections: Sequence[Section]) -> str:
    """The title of the table or figure that an anchor is of; empty where it is on no page."""
    for section in sections:
        titles = {f"table-{table.name}": table.title for table in section.tables}
        titles |= {f"figure-{figure.name}": figure.title for figure in section.figures}
        if anchor in titles:
            return titles[anchor]
    return ""


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _columns(table: Table) -> list[tuple[str, bool, bool]]:
    """The name of each column, whether it holds texts, and whether its name stands upright."""
    is_many = table.texts.shape[1] > _UPRIGHT
    widths = [max(map(len, map(str, table.texts.iloc[:, place])), default=0) for place in range(table.texts.shape[1])]
    is_upright = is_many and sum(map(len, map(str, table.texts.columns))) > 1.5 * sum(widths)
    return [
        (str(name), bool(flag), is_upright) for name, flag in zip(table.texts, table.values.isna().all(), strict=True)
    ]


def _rows(table: Table) -> Iterator[tuple[str, list[tuple[str, str, str]], dict[str, object] | None]]:
    """Of each row its name, its cells (text, mark and the number to sort by, empty where there is none), its dots."""
    parts = (table.texts, table.marks, table.values)
    rows = zip(*(frame.to_numpy(dtype=object) for frame in parts), strict=True)
    dots = table.dots.places() if table.dots else [None] * len(table.texts)
    for name, row, dot in zip(table.texts.index, rows, dots, strict=True):
        yield str(name), [(text, mark, _sortable(value)) for text, mark, value in zip(*row, strict=True)], dot


def _sortable(value: float) -> str:
    return f"{value:.9g}" if np.isfinite(value) else ""


def _letters(table: Table) -> int:
    """How many letters a row takes at most, with the gaps between the columns; headings break at blanks."""
    columns = [table.texts.index, *(table.texts.iloc[:, place] for place in range(table.texts.shape[1]))]
    names = [("", False, False), *_columns(table)]
    widths = [
        max([len(str(text)) for text in column] + [0 if upright else len(word) for word in name.split()], default=0) + 3
        for column, (name, _, upright) in zip(columns, names, strict=True)
    ]
    return sum(widths) + (20 if table.dots else 0)
