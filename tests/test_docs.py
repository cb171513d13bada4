"""The documentation agrees with the code, its links lead somewhere, and its commands run."""

import argparse
import importlib
import re
import shlex
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from support import SAMPLE_RATE, sound

import mimii
from mimii.models import CLASSIFIERS, DETECTORS, REGISTRY, create_model
from mimii.storage import schema

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]
PAGES += [ROOT / directory / "README.md" for directory in ("benchmarks", "cache", "dataset", "results")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMMANDS = PROJECT["scripts"]  # such as mimii-detect = "mimii.commands.detection:main"
PLAIN_DEFAULTS = {"all", "none", "the cores", "configured", "the model's"}  # of options whose default is None
# of Dask and of the benchmarks
OTHER_PROGRAMS = {"--nworkers", "--nthreads", "--repeats", "--only", "--share", "--models", "--against", "--work_dir"}

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text_of(page):
    return page.read_text(encoding="utf-8")


def section(page, heading):
    """The text below a heading of the second level."""
    for part in re.split(r"^## ", text_of(page), flags=re.MULTILINE)[1:]:
        if part.startswith(heading):
            return part
    raise AssertionError(f"{page.name} has no section {heading}")


def fences(text, language):
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands_of(block):
    """The commands of a shell block as lists of words; a line that ends with a backslash goes on."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def table_rows(text):
    """The cells of every row of the Markdown tables in a text, without their heads."""
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]
    heads = [index for index, line in enumerate(text.splitlines()) if re.fullmatch(r"\|(-+\|)+", line)]
    names = [text.splitlines()[index - 1] for index in heads]
    return [row for row in rows if "| " + " | ".join(row) + " |" not in names]


def command_of_script(path):
    """The installed command that is the same as a script, as the table of the README has it."""
    scripts = {row[0].strip("`"): row[1].strip("`") for row in table_rows(section(README, "Installation"))}
    return scripts[path]


def module_of(command):
    return importlib.import_module(COMMANDS[command].partition(":")[0])


def options_of(command):
    """The options of a command and of its subcommands, by name."""
    options = {}
    parsers = [module_of(command).build_parser()]
    for parser in parsers:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
            for name in action.option_strings:
                if name.startswith("--") and name != "--help":
                    options[name] = action
    return options


def arguments(words):
    """The command that a line of shell starts, and its arguments; no command where the line is another program's."""
    if words[:1] == ["python"] and words[1].startswith("src/") and words[1] != "src/example_usage.py":
        return command_of_script(words[1]), words[2:]
    return (words[0], words[1:]) if words[0] in COMMANDS else ("", [])


@by_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", text_of(file), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, target


@by_page
def test_paths_in_the_text_exist(page):
    for path in re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./-]+)`", text_of(page)):
        assert (ROOT / path).exists(), path


@by_page
def test_options_in_the_text_exist(page):
    if page.name == "CHANGELOG.md":
        return  # tells of options that are gone
    known = OTHER_PROGRAMS.union({"--help"}, *(options_of(command) for command in COMMANDS))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z_0-9]*", text_of(page))) <= known


def test_every_page_is_linked_from_the_front_page():
    assert len(text_of(README).splitlines()) <= 220
    for page in ROOT.glob("docs/*.md"):
        assert f"(docs/{page.name})" in text_of(README)


def test_the_front_page_names_every_command_and_its_script():
    rows = table_rows(section(README, "Installation"))
    assert {row[1].strip("`") for row in rows} == set(COMMANDS)
    for script, command, _ in rows:
        module = COMMANDS[command.strip("`")].partition(":")[0]
        assert module.rpartition(".")[2] in text_of(ROOT / script.strip("`"))
    assert f"{len(DETECTORS)} anomaly detectors" in text_of(README)
    assert f"{len(CLASSIFIERS)} classifiers" in text_of(README)


def shown_default(action):
    if action.required:
        return "required"
    if isinstance(action, argparse._StoreTrueAction):
        return "off"
    default = action.default
    return f"`{' '.join(default) if isinstance(default, list) else default}`"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_options_has_every_option_with_its_default(command):
    options = options_of(command)
    parts = re.split(r"^## ", text_of(ROOT / "docs" / "options.md"), flags=re.MULTILINE)[1:]
    rows = [row for part in parts if f"`{command}`" in part for row in table_rows(part)]
    assert sorted(row[0].strip("`") for row in rows) == sorted(options)
    for name, default, meaning in rows:
        action = options[name.strip("`")]
        if action.default is None and not action.required:
            assert default in PLAIN_DEFAULTS, name
        else:
            assert default == shown_default(action), name
        if name not in ("`--model`", "`--models`", "`--fuse`"):
            assert all(f"`{choice}`" in meaning for choice in action.choices or ()), name


def test_the_page_of_columns_has_every_column():
    page = text_of(ROOT / "docs" / "columns.md")
    table = page.partition("<!-- columns -->\n")[2].partition("<!-- /columns -->")[0]
    assert table.strip() == schema.markdown()


def test_the_page_of_columns_says_which_settings_a_model_uses():
    introduction = text_of(ROOT / "docs" / "columns.md").partition("## ")[0]
    (_, of_networks), *others = table_rows(introduction)
    stated = {name: settings for names, settings in others for name in re.findall(r"`(\w+)`", names)}
    for name, entry in REGISTRY.items():
        if name == "fusion":
            continue  # it depends on the members
        settings = stated.pop(name, of_networks if entry.is_network else "")
        assert set(re.findall(r"`(\w+)`", settings)) - {"frames"} == set(entry.settings) - {"frames"}, name
        assert entry.needs_samples or ("`frames`" in settings) == ("frames" in entry.settings), name
    assert not stated


@pytest.mark.parametrize(("heading", "models"), [("The detectors", DETECTORS), ("The classifiers", CLASSIFIERS)])
def test_the_page_of_detectors_has_every_model_with_its_parameters(heading, models):
    rows = {row[0].strip("`"): row[2] for row in table_rows(section(ROOT / "docs" / "detectors.md", heading))}
    assert list(rows) == list(models)
    for name, entry in models.items():
        if entry.reconstructs:
            assert rows[name] == f"{create_model(name).num_parameters:,}", name


@by_page
def test_lines_of_shell_are_commands_that_exist(page):
    targets = set(re.findall(r"^([\w-]+):", text_of(ROOT / "Makefile"), flags=re.MULTILINE))
    for block in fences(text_of(page), "sh"):
        for words in commands_of(block):
            command, options = arguments(words)
            if command:
                module_of(command).build_parser().parse_args(options)
            elif words[0] == "make":
                assert set(words[1:]) <= targets
            elif words[0] == "python":
                assert (ROOT / words[1]).is_file()
            elif "pip" in words[:3]:
                names = words[words.index("install") + 1 :]
                assert names[0] in (".", "-e", "pre-commit") or (ROOT / names[1]).is_file()
            else:
                assert words[0] in ("python3", ".", "dask", ".venv/bin/pre-commit"), words


@by_page
def test_blocks_of_python_are_python(page):
    for block in fences(text_of(page), "python"):
        compile(block, page.name, "exec")


def run_line(words, directory, *further, status=0):
    """Run a line of shell of the documentation in a directory; further options replace earlier ones."""
    command, options = arguments(words)
    name = COMMANDS[command].partition(":")[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.setattr(sys, "argv", [command, *options, *further])
        assert getattr(module_of(command), name)() == status


def run_block(block, directory, names):
    """Run a block of Python of the documentation in a directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        exec(compile(block, "documentation", "exec"), names)


@pytest.fixture(scope="module")
def paper(data, tmp_path_factory):
    """The first entrance, on small data: both experiments and the report."""
    directory = tmp_path_factory.mktemp("paper")
    (directory / "dataset").symlink_to(data)
    detect, classify, report = commands_of(fences(section(README, "Entrance 1"), "sh")[1])
    run_line(detect, directory, "--model", "simple_ae", "mahalanobis", "--epochs", "1", "--jobs", "1")
    run_line(classify, directory, "--model", "svm", "--jobs", "1")
    run_line(report, directory)
    return directory


def test_the_first_entrance_leads_to_a_report(paper):
    assert (paper / "results" / "research_results.csv").is_file()
    assert (paper / "results" / "research_classification_results.csv").is_file()
    assert "simple_ae" in (paper / "results" / "report" / "index.html").read_text(encoding="utf-8")


def test_the_results_can_be_read_as_the_page_of_columns_says(paper, capsys):
    (block,) = fences(text_of(ROOT / "docs" / "columns.md"), "python")
    run_block(block, paper, {})
    table = capsys.readouterr().out
    assert r"simple\_ae" in table
    assert "mahalanobis & native" in table  # its settings are empty, and it is in the table all the same


def test_the_second_entrance_leads_to_a_verdict(tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(7)
    for number in range(24):
        path = tmp_path / "recordings" / "pump3" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound(rng), SAMPLE_RATE, subtype="PCM_16")
    for directory in ("new", "incoming"):
        (tmp_path / directory).mkdir()
        soundfile.write(tmp_path / directory / "today.wav", sound(rng, abnormal=True), SAMPLE_RATE, subtype="PCM_16")
    first, others = map(commands_of, fences(section(README, "Entrance 2"), "sh"))
    train, score = first
    explain, watch, report, export = others
    run_line(train, tmp_path, "--jobs", "1")
    capsys.readouterr()
    run_line([word.replace("*", "today") for word in score], tmp_path, status=1)
    assert "ABNORMAL" in capsys.readouterr().out
    run_line(explain, tmp_path, status=1)
    run_line(watch, tmp_path, "--once", status=1)
    run_line(report, tmp_path)
    run_line(export, tmp_path)
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("today.html", "pump3.png", "pump3.onnx"))


def test_the_third_entrance_works_without_a_download(tmp_path, capsys):
    make, detect = commands_of(fences(section(README, "Entrance 3"), "sh")[1])
    run_line(make, tmp_path, "--normal", "6", "--abnormal", "2", "--machine_type", "fan", "--jobs", "1")
    run_line(detect, tmp_path, "--model", "mahalanobis", "--jobs", "1")
    assert "DCASE" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "results" / "research_results.csv")) == 2


def test_the_page_of_python_runs_from_top_to_bottom(data, tmp_path, capsys):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "demo").symlink_to(data)
    names = {"__name__": "__main__"}
    for block in fences(text_of(ROOT / "docs" / "python.md"), "python"):
        run_block(block, tmp_path, names)
    assert "abnormal" in capsys.readouterr().out
    assert (tmp_path / "results" / "example" / "scores.png").stat().st_size > 5000
    assert sorted(names["result"].rows["scoring"].unique()) == ["mahalanobis", "mse", "native"]


def test_the_page_of_python_has_every_name_of_the_api():
    page = text_of(ROOT / "docs" / "python.md")
    for name in ("run", "load_model", "UserError"):
        assert f"mimii.{name}" in page
    for name in mimii.__all__:
        if name.endswith("Settings"):
            (row,) = (row for row in table_rows(page) if row[0] == f"`{name}`")
            fields = getattr(mimii, name).__dataclass_fields__
            documented = set(re.findall(r"`(\w+)`", row[1]))
            assert documented <= set(fields), name
            if name != "RunSettings":  # of which the directories are named together
                assert documented == set(fields), name


def test_the_citation_is_complete():
    citation = yaml.safe_load(text_of(ROOT / "CITATION.cff"))
    assert {"cff-version", "message", "title", "authors", "version", "date-released", "license"} <= set(citation)
    for reference in citation["references"]:
        assert {"type", "title", "authors", "year", "url"} <= set(reference)
        assert all({"family-names", "given-names"} == set(author) for author in reference["authors"])


def test_version_and_licence_are_the_same_everywhere():
    citation = yaml.safe_load(text_of(ROOT / "CITATION.cff"))
    latest, date = re.search(r"^## (\S+) \((\S+)\)$", text_of(ROOT / "CHANGELOG.md"), flags=re.MULTILINE).groups()
    assert mimii.__version__ == citation["version"] == latest
    assert PROJECT.get("version", latest) == latest
    assert str(citation["date-released"]) == date
    assert text_of(ROOT / "LICENSE").startswith(citation["license"])
