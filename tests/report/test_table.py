"""A table and its forms."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from report_support import load, write_results

from mimii.report import detection_tables
from mimii.report.table import Table, best_marks, no_marks

LATEX = next(filter(None, map(shutil.which, ("pdflatex", "tectonic"))), None)


def test_best_and_second_are_marked_as_they_are_shown():
    values = pd.DataFrame({"x": [0.9001, 0.9004, 0.8, 0.7], "y": [0.1, 0.3, 0.2, np.nan]})
    assert best_marks(values)["x"].tolist() == ["best", "best", "second", ""]
    assert best_marks(values)["y"].tolist() == ["", "best", "second", ""]


def test_latex_and_markdown(tmp_path):
    write_results(tmp_path)
    table = detection_tables.by_type(load(tmp_path), "auc")[0]
    best, second = (table.marks["mean"] == "best").idxmax(), (table.marks["mean"] == "second").idxmax()
    assert (best, second) == ("simple_ae", "conv_ae")
    latex, markdown = table.to_latex(), table.to_markdown()
    number = table.texts.loc[best, "mean"]
    assert r"\textbf{" + number.replace("±", r"$\pm$") + "}" in latex
    assert r"\underline{" + table.texts.loc[second, "mean"].replace("±", r"$\pm$") + "}" in latex
    assert "\\toprule" in latex
    assert "simple\\_ae" in latex
    assert latex.isascii()
    assert f"**{number}**" in markdown
    assert f"<u>{table.texts.loc[second, 'mean']}</u>" in markdown


@pytest.mark.skipif(LATEX is None, reason="no LaTeX is installed")
def test_the_tables_compile(made, tmp_path):
    inputs = "\n".join(f"\\input{{{path.as_posix()}}}\\clearpage" for path in sorted((made / "tables").glob("*.tex")))
    document = "\\documentclass{article}\\usepackage{booktabs,graphicx,longtable}\\begin{document}%s\\end{document}"
    (tmp_path / "all.tex").write_text(document % inputs)
    options = ["-interaction=nonstopmode", "-halt-on-error"] if "pdflatex" in LATEX else []
    for _ in range(2):  # longtable finds its widths in the first pass
        done = subprocess.run(
            [LATEX, *options, "all.tex"],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
        )
        assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert (tmp_path / "all.pdf").stat().st_size > 10_000


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
