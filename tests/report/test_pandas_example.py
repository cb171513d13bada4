"""The example of reading a table with pandas, in docs/columns.md."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from report_support import save, write_results

DOCS = Path(__file__).parents[2] / "docs"
LATEX = shutil.which("pdflatex")


def printed(capsys):
    """What the example prints, run in the current directory."""
    [example] = re.findall(r"```python\n(.*?)```", (DOCS / "columns.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(example, {})
    return capsys.readouterr().out


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Two data sets whose machines have the same names, three seeds, two scorings, and machine groups."""
    monkeypatch.chdir(tmp_path)
    rows = write_results(tmp_path, models=("simple_ae", "knn"), seeds=(1, 2, 3), files=False)
    rows = rows.assign(dataset="a_set", scoring="mse", score_pooling="mean")
    rows.loc[rows["model"] == "knn", ["scoring", "score_pooling", "epochs"]] = ["native", "", None]
    group = rows.iloc[:1].assign(machine_id="all", auc=0.0, run_id="group")
    second = rows[rows["seed"] == 1].assign(dataset="b & set", auc=0.25, run_id=lambda table: "b" + table["run_id"])
    other = rows[rows["model"] == "simple_ae"].assign(scoring="mahalanobis", run_id=lambda table: "m" + table["run_id"])
    save(pd.concat([rows, group, second, other.assign(auc=0.75)]), tmp_path / "results" / "research_results.csv")
    return rows


def test_each_machine_of_each_system_counts_once(rows, capsys):
    lines = [line.split(" & ") for line in printed(capsys).splitlines() if "_set" in line or "b \\& set" in line]
    found = {(cells[0], cells[1], cells[2]): [cell.strip(" \\") for cell in cells[-3:]] for cells in lines}
    assert len(found) == len(lines) == 5
    of_knn = rows[rows["model"] == "knn"].groupby(["machine_type", "machine_id"])["auc"].mean()
    assert found[r"a\_set", "knn", "native"] == [f"{of_knn.mean():.3f}", f"{of_knn.std():.3f}", "6"]
    assert found[r"a\_set", r"simple\_ae", "mahalanobis"] == ["0.750", "0.000", "6"]
    assert found[r"b \& set", "knn", "native"] == ["0.250", "0.000", "6"]


@pytest.mark.skipif(LATEX is None, reason="no LaTeX is installed")
def test_it_compiles_with_the_packages_that_it_names(rows, tmp_path, capsys):
    text = printed(capsys)
    packages = re.findall(r"^% (\\usepackage.*)$", text, re.MULTILINE)
    document = "\\documentclass{article}%s\\begin{document}%s\\end{document}"
    (tmp_path / "all.tex").write_text(document % ("".join(packages), text), encoding="utf-8")
    done = subprocess.run(
        [LATEX, "-interaction=nonstopmode", "-halt-on-error", "all.tex"], cwd=tmp_path, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stdout[-1500:]
