"""The command line of the report."""

import subprocess
import sys
from pathlib import Path

import pytest

import make_report
from mimii.commands.make_report import parse_args


@pytest.mark.parametrize("words", [["--metric", "f1"], ["--compare", "one"], ["--nope"]])
def test_wrong_options_end_with_one_line(capsys, words):
    with pytest.raises(SystemExit) as ended:
        parse_args(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help_imports_nothing_heavy():
    code = "import sys, make_report\ntry: make_report.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'numpy', 'pandas', 'torch', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    source = str(Path(make_report.__file__).parent)
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.splitlines()[-1] == "[]"
