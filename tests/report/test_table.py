"""A table and its forms."""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from report_support import load, write_results

from mimii.report import main_table
from mimii.report.latex import document
from mimii.report.table import Table, best_marks, no_marks

LATEX = next(filter(None, map(shutil.which, ("pdflatex", "tectonic"))), None)


def test_best_and_second_are_marked_as_they_are_shown():
    values = pd.DataFrame({"x": [0.9001, 0.9004, 0.8, 0.7], "y": [0.1, 0.3, 0.2, np.nan]})
    assert best_marks(values)["x"].tolist() == ["best", "best", "second", ""]
    assert best_marks(values)["y"].tolist() == ["", "best", "second", ""]


def test_latex_and_markdown(tmp_path):
    write_results(tmp_path)
    table = main_table.main_tables(load(tmp_path), "auc")[0]
    assert list(table.texts.index) == ["simple_ae", "conv_ae", "isolation_forest"]
    latex, markdown = table.to_latex(), table.to_markdown()
    number, second, _ = table.texts.iloc[:, 0]
    assert r"\textbf{" + number + "}" in latex
    assert r"\underline{" + second + "}" in latex
    assert "\\toprule" in latex
    assert "simple\\_ae" in latex
    assert latex.isascii()
    escaped = [text.replace("[", r"\[").replace("]", r"\]") for text in (number, second)]
    assert f"**{escaped[0]}**" in markdown
    assert f"<u>{escaped[1]}</u>" in markdown


def matrix(rows, columns):
    """A number for each pair of machine and model."""
    names = [f"model_{number:02d} (mahalanobis)" for number in range(columns)]
    machines = pd.Index([f"6dB machine id_{number:02d}" for number in range(rows)], name="Machine")
    values = pd.DataFrame(0.5, index=machines, columns=pd.Index(names, name="Model"))
    texts = values.map("{:.3f}".format)
    return Table("wide", "Wide", "All of it.", texts, values, no_marks(texts), values.reset_index(), is_matrix=True)


def columns_of(latex):
    """How many columns each table of some LaTeX has."""
    return [len(re.sub(r"[^lr]", "", form)) for form in re.findall(r"\\begin\{(?:tabular|longtable)\}\{(.*)\}", latex)]


def test_a_wide_table_is_turned_or_becomes_several():
    assert columns_of(matrix(6, 3).to_latex()) == [4]
    turned = matrix(6, 28).to_latex()
    assert columns_of(turned) == [7]
    assert r"6dB machine id\_00" in turned.split(r"\midrule")[0]
    several = matrix(48, 28).to_latex()
    assert len(columns_of(several)) > 1
    assert sum(columns_of(several)) == 28 + len(columns_of(several))  # every part has the names
    assert several.count(r"\begin{longtable}") == len(columns_of(several))
    assert "resizebox" not in several


def test_what_tells_rows_apart_is_in_every_part():
    table = matrix(5, 28)
    other = pd.DataFrame({"Other": [f"other_{number}" for number in range(5)]}, index=table.texts.index)
    table.is_matrix = False
    table.texts, table.marks = other.join(table.texts), no_marks(other.join(table.texts))
    table.values = other.map(lambda _: np.nan).join(table.values)
    latex = table.to_latex()
    assert latex.count(r"other\_3") == len(columns_of(latex)) > 1


@pytest.mark.skipif(LATEX is None, reason="no LaTeX is installed")
def test_the_document_of_all_tables_compiles_as_it_stands(made, tmp_path):
    shutil.copytree(made / "tables", tmp_path, dirs_exist_ok=True)
    wide = [matrix(48, 28), odd_table()]
    wide[1].texts.index = pd.Index(["ファン🚀 Łódź ±"], name="Machine")
    letters = set().union(*(table.write(tmp_path) for table in wide))
    (tmp_path / "other.tex").write_text(document("Other", [("Wide & odd", ["wide", "odd"])], letters), encoding="utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if "pdflatex" in LATEX else []
    for name in ("main.tex", "main.tex", "other.tex", "other.tex"):  # longtable finds its widths in the first run
        done = subprocess.run(
            [LATEX, *options, name],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
        )
        assert done.returncode == 0, done.stdout[-2000:]
        assert "Overfull" not in done.stdout
    assert (tmp_path / "main.pdf").stat().st_size > 10_000


def odd_table():
    name = r"$a$_%b& #{c}\d^e~f|g<h>"
    texts = pd.DataFrame({name: ["1"], "x": ["*2*"]}, index=pd.Index([name], name=name))
    values = pd.DataFrame({name: [1.0], "x": [2.0]}, index=texts.index)
    return Table("odd", "odd", f"Caption of {name}.", texts, values, no_marks(texts), values.reset_index(drop=True))


def test_latex_shows_every_character_of_a_name():
    latex = odd_table().to_latex()
    escaped = (
        r"\$a\$\_\%b\& \#\{c\}\textbackslash{}d\textasciicircum{}e\textasciitilde{}f\textbar{}g"
        r"\textless{}h\textgreater{}"
    )
    assert latex.count(escaped) == 4  # caption, two headings, the row


def test_markdown_shows_every_character_of_a_name():
    lines = odd_table().to_markdown().splitlines()
    assert all(line.replace(r"\|", "").count("|") == 4 for line in lines[:3])
    assert r"\$a\$\_%b& #{c}\\d^e\~f\|g\<h>" in lines[2]
    assert r"\*2\*" in lines[2]


def test_a_table_with_other_letters_names_what_compiles_it():
    table = odd_table()
    table.texts.index = pd.Index(["ファン"], name="Machine")
    assert "LuaLaTeX" in table.to_latex().splitlines()[0]
    assert "LuaLaTeX" not in odd_table().to_latex()
