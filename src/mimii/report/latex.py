"""Tables as LaTeX for a paper: booktabs, as many tables as their width takes, and a document that has all of them."""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mimii.storage.schema import DASH, MINUS

if TYPE_CHECKING:
    from mimii.report.table import Table

PACKAGES = ("array", "booktabs", "graphicx", "longtable")
_LONG = 40  # rows from which on a table may break over pages
_WIDTH = 345.0  # of the text of the article class [pt], the narrowest of the usual ones
_WIDEST = 0.4 * _WIDTH  # of a column of texts, whose words take several lines from there on
_TEX = {
    **{"±": r"$\pm$", MINUS: "$-$", "†": r"$^\dagger$", DASH: "--", "\N{MULTIPLICATION SIGN}": r"$\times$"},
    **{"≤": r"$\leq$", "≥": r"$\geq$", "χ": r"$\chi$", "²": r"$^2$", "Δ": r"$\Delta$"},
}
_ESCAPES = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{"|": r"\textbar{}", "<": r"\textless{}", ">": r"\textgreater{}"},
        **{"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "\n": " "},
        **_TEX,
    }
)
# of letters in \footnotesize [pt]; the others are as wide as a digit
_WIDTHS = {
    **dict.fromkeys("ijl.,:;'|![]", 2.5),
    **dict.fromkeys("ftr()- ", 3.4),
    **dict.fromkeys(f"mwMW%@+{MINUS}", 7.6),
}
_DIGIT, _CAPITAL, _BOLD = 4.4, 6.4, 1.15
# how wide a letter is, compared with the first of these sizes, and the gap on either side of a column [pt]
_SIZES = {r"\footnotesize": (1.0, 3.0), r"\scriptsize": (0.94, 2.0)}
_MARKS = {"best": r"\textbf{%s}", "second": r"\underline{%s}", "": "%s"}


def to_latex(table: "Table") -> str:
    """A table, or several where it is wider than a page; the comment names the packages that they need."""
    layout = _layout(table)
    if len(layout.parts) > 1 and table.is_matrix and len(table.texts) < table.texts.shape[1]:
        turned = table.turned()
        if len(_layout(turned).parts) < len(layout.parts):
            table, layout = turned, _layout(turned)
    text = "\n".join(_part(table, layout, number) for number in range(1, len(layout.parts) + 1))
    other = "" if text.isascii() else "; LuaLaTeX or XeLaTeX with a font that has all letters"
    return f"% \\usepackage{{{','.join(PACKAGES)}}}{other}\n{text}"


def document(title: str, sections: Iterable[tuple[str, Sequence[str]]], letters: Collection[str]) -> str:
    """A document that includes the tables and can be compiled as it stands.

    Parameters
    ----------
    title : str
    sections : iterable of (str, sequence of str)
        The heading of each section and the names of its tables.
    letters : collection of str
        All letters of the tables. Those that pdfLaTeX does not have are boxes with their number.
    """
    unknown = sorted({letter for letter in letters if ord(letter) > 0x17F and letter not in _TEX})
    boxes = [f"  \\DeclareUnicodeCharacter{{{ord(x):04X}}}{{\\fbox{{\\tiny {ord(x):04X}}}}}" for x in unknown]
    body = [
        f"\\section*{{{escape(heading)}}}\n" + "\n".join(f"\\input{{{name}}}" for name in names) + "\n\\clearpage"
        for heading, names in sections
    ]
    return "\n".join(
        [
            "% Every table of the report. Compile it twice: longtable finds its widths in the first run.",
            r"\documentclass{article}",
            f"\\usepackage{{iftex,{','.join(PACKAGES)}}}",
            r"\ifPDFTeX",
            r"  \IfFileExists{lmodern.sty}{\usepackage{lmodern}\usepackage[T1]{fontenc}}{}",
            *boxes,
            r"\fi",
            f"\\title{{{escape(title)}}}\n\\author{{}}\n\\date{{}}",
            "\\begin{document}\n\\maketitle",
            *body,
            "\\end{document}\n",
        ]
    )


def escape(text: object) -> str:
    """Escape what LaTeX reads as a command."""
    return str(text).translate(_ESCAPES)


def _width(text: object) -> float:
    return sum(_WIDTHS.get(letter, _CAPITAL if letter.isupper() else _DIGIT) for letter in str(text))


@dataclass(frozen=True)
class _Layout:
    """How a table is set: which columns each part has, in which size, and whether the headings stand upright."""

    parts: list[list[int]]
    size: str
    is_upright: bool


def _layout(table: "Table") -> _Layout:
    """In one part if any size and direction of the headings allows it; else in as few as there can be."""
    for is_upright in (False, True):
        for size in _SIZES:
            if sum(_widths(table, size, is_upright=is_upright)) <= _WIDTH:
                return _Layout([list(range(table.texts.shape[1]))], size, is_upright)
    size = next(iter(_SIZES))
    layouts = [_Layout(_split(table, _widths(table, size, is_upright=flag)), size, flag) for flag in (False, True)]
    return min(layouts, key=lambda layout: len(layout.parts))


def _widths(table: "Table", size: str, *, is_upright: bool) -> list[float]:
    """The width of each column, that of the names first."""
    scale, gap = _SIZES[size]
    columns = [table.texts.index.to_series(), *(table.texts.iloc[:, number] for number in range(table.texts.shape[1]))]
    is_bold = [False, *(table.marks == "best").any()]
    found = []
    for number, (column, bold) in enumerate(zip(columns, is_bold, strict=True)):
        cells = max(map(_width, column), default=0.0) * (_BOLD if bold else 1)
        heading = 2 * _DIGIT if is_upright and number else _width(column.name)
        found.append(min(max(cells, heading), _WIDEST) * scale + 2 * gap)
    return found


def _keys(table: "Table") -> int:
    """How many texts at the left say, with the name, what a row is of; every part has them."""
    is_text = [*table.values.isna().all(), False]
    keys = is_text.index(False)
    return keys if keys < table.texts.shape[1] else 0


def _split(table: "Table", widths: list[float]) -> list[list[int]]:
    """Which columns stand in which part: in as few as there can be, and as evenly as the widths allow."""
    keys = _keys(table)
    names, others = sum(widths[: keys + 1]), widths[keys + 1 :]
    count = max(1, math.ceil(sum(others) / max(_WIDTH - names, 1)))
    while True:
        goal, used = sum(others) / count, 0.0
        parts: list[list[int]] = [[]]
        for number, width in enumerate(others, keys):
            is_full = used + width > _WIDTH - names or (used + width / 2 > goal and len(parts) < count)
            if parts[-1] and is_full:
                parts.append([])
                used = 0.0
            parts[-1].append(number)
            used += width
        if len(parts) <= count:
            return [[*range(keys), *part] for part in parts]
        count = len(parts)


def _part(table: "Table", layout: _Layout, number: int) -> str:
    columns, count = layout.parts[number - 1], len(layout.parts)
    caption = escape(table.caption) if number == 1 else f"{escape(table.title)} (continued)."
    label = f"tab:{table.name.replace('_', '-')}" + (f"-{number}" if number > 1 else "")
    about = f"\\caption{{{caption}{f' Part {number} of {count}.' if count > 1 else ''}}}\n\\label{{{label}}}"
    pattern = r"\rotatebox{90}{%s}" if layout.is_upright else "%s"
    headings = [pattern % escape(table.texts.columns[column]) for column in columns]
    head = f"\\toprule\n{' & '.join([escape(table.texts.index.name), *headings])} \\\\\n\\midrule"
    rows = "\n".join(f"{' & '.join(cells)} \\\\" for cells in _rows(table, columns))
    scale, gap = _SIZES[layout.size]
    form = _format(table, columns, scale)
    small = f"{layout.size}\n\\setlength{{\\tabcolsep}}{{{gap:g}pt}}"
    if len(table.texts) > _LONG:
        return (
            f"\\begingroup{small}\\setlength{{\\LTcapwidth}}{{\\linewidth}}\n\\begin{{longtable}}{{{form}}}\n{about}\\\\\n"
            f"{head}\n\\endfirsthead\n{head}\n\\endhead\n\\bottomrule\n\\endlastfoot\n{rows}\n"
            "\\end{longtable}\n\\endgroup\n"
        )
    return (
        f"\\begin{{table}}[htbp]\n\\centering{small}\n{about}\n\\begin{{tabular}}{{{form}}}\n{head}\n{rows}\n"
        "\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )


def _format(table: "Table", columns: list[int], scale: float) -> str:
    is_text = table.values.isna().all().to_numpy()
    parts = [_column(table.texts.index, scale, is_text=True)]
    parts += [_column(table.texts.iloc[:, number], scale, is_text=bool(is_text[number])) for number in columns]
    return "".join(parts)


def _column(texts: Iterable[object], scale: float, *, is_text: bool) -> str:
    if max(map(_width, texts), default=0.0) > _WIDEST:
        return f">{{\\raggedright\\arraybackslash}}p{{{_WIDEST * scale:.0f}pt}}"
    return "l" if is_text else "r"


def _rows(table: "Table", columns: list[int]) -> Iterator[list[str]]:
    texts, marks = (frame.iloc[:, columns].to_numpy(dtype=object) for frame in (table.texts, table.marks))
    for name, row, marks_of_row in zip(table.texts.index, texts, marks, strict=True):
        cells = (_MARKS[mark] % escape(text) for text, mark in zip(row, marks_of_row, strict=True))
        # behind the end of a line a bracket would be read as its option
        yield [f"{{}}{escape(name)}" if str(name).startswith("[") else escape(name), *cells]
