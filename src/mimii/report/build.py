"""Makes a report: reads results, makes tables, statistics and figures, and writes them and the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mimii.report import comparing, data_sets, figure, latex, loading, page, sections
from mimii.report.findings import Finding, findings, to_markdown
from mimii.report.loading import Results
from mimii.report.overview import lead, run_facts
from mimii.report.page import Section
from mimii.storage import files

_TITLE = "Anomalous machine sounds: report"


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes
    ----------
    page : Path
    tables, figures : int
        How many.
    notes : list of str
        What is missing.
    findings : list of Finding
        What the page opens with.
    """

    page: Path
    tables: int
    figures: int
    notes: list[str]
    findings: list[Finding]


def build(
    result_dir: Path,
    output_dir: Path,
    *,
    metric: str,
    model_dir: Path,
    models: Sequence[str] | None = None,
    snr: Sequence[str] | None = None,
    audio: bool = True,
) -> Outcome:
    """Make the report of one results directory; of several data sets a page each, and one that leads to them.

    Parameters
    ----------
    result_dir, output_dir : Path
    metric : str
        Of `mimii.storage.schema.RANKINGS`: what models are ranked by.
    model_dir : Path
        The cache of trained detectors, for a recording's score over time.
    models, snr : sequence of str, optional
        Only these.
    audio : bool
        Recordings can be heard on the page.

    Raises
    ------
    UserError
        There is nothing to report, or a file can't be read or written.
    """
    loaded = loading.load(result_dir, models, snr)
    if len(loaded) == 1:
        return _of_data_set(loaded[0], output_dir, _TITLE, metric, model_dir, audio=audio)
    folders = data_sets.folders([results.dataset for results in loaded])
    names = [data_sets.name_of_set(results) for results in loaded]
    made = [
        _of_data_set(
            results,
            output_dir / folder,
            f"{_TITLE}, {name}",
            metric,
            model_dir,
            audio=audio,
            links={"All data sets": "../index.html"},
        )
        for results, folder, name in zip(loaded, folders, names, strict=True)
    ]
    links = {name: data_sets.address(folder) for name, folder in zip(names, folders, strict=True)}
    index = _write(
        output_dir,
        _TITLE,
        [Section("DCASE", [*data_sets.official_scores(loaded)])],
        lead=f"{len(loaded)} data sets, each with a page of its own. Nothing is averaged over them.",
        # of each data set the first finding, which leads to its page
        found=[
            Finding(f"{name}: {one.findings[0].text}", links[name])
            for name, one in zip(names, made, strict=True)
            if one.findings
        ],
        facts=data_sets.facts(loaded),
        notes=[],
        is_synthetic=any(results.is_synthetic for results in loaded),
        links=links,
    )
    return Outcome(
        index.page,
        sum(one.tables for one in (index, *made)),
        sum(one.figures for one in made),
        data_sets.notes(loaded),
        index.findings,
    )


def _of_data_set(
    results: Results,
    output_dir: Path,
    title: str,
    metric: str,
    model_dir: Path,
    *,
    audio: bool,
    links: Mapping[str, str] | None = None,
) -> Outcome:
    """The page of one data set."""
    metric = sections.usable(results, metric)
    return _write(
        output_dir,
        title,
        sections.of_data_set(results, metric, model_dir, audio=audio),
        lead=lead(results),
        found=findings(results, metric),
        facts=run_facts([results]),
        notes=results.notes,
        is_synthetic=results.is_synthetic,
        links=links or {},
    )


def compare(
    directories: Sequence[Path],
    output_dir: Path,
    *,
    metric: str,
    models: Sequence[str] | None = None,
    snr: Sequence[str] | None = None,
) -> Outcome:
    """Make the report of the differences between results directories; the first is what the others are compared to.

    See `build` for the parameters and what it raises.
    """
    loaded = [loading.load(directory, models, snr) for directory in directories]
    names = comparing.directory_names(directories)
    notes = [
        f"{name}: {note}" for name, of_sets in zip(names, loaded, strict=True) for note in data_sets.notes(of_sets)
    ]
    compared = data_sets.shared(loaded, names, notes)
    parts, found = sections.of_comparison(compared, names, metric, notes)
    everything = [results for of_sets in loaded for results in of_sets]
    return _write(
        output_dir,
        "Anomalous machine sounds: comparison",
        parts,
        lead=f"{', '.join(names[1:])} compared with {names[0]}",
        found=found,
        facts={"Compared": ", ".join([f"{names[0]} (reference)", *names[1:]])} | run_facts(everything),
        notes=notes,
        is_synthetic=any(results.is_synthetic for results in everything),
        links={},
    )


def _write(
    output_dir: Path,
    title: str,
    parts: Sequence[Section],
    *,
    lead: str,
    found: list[Finding],
    facts: Mapping[str, str],
    notes: list[str],
    is_synthetic: bool,
    links: Mapping[str, str],
) -> Outcome:
    """Write tables, figures, the findings and the page."""
    parts = [section for section in parts if section.parts]
    letters: set[str] = set()
    for section in parts:
        for table in section.tables:
            letters |= table.write(output_dir / "tables")
    shown = [one for section in parts for one in section.figures]
    for_papers = [one for section in parts for one in section.for_papers]
    images = figure.write([*shown, *for_papers], output_dir / "figures")
    included = [(section.title, [table.name for table in section.tables]) for section in parts if section.tables]
    text = page.render(
        title,
        parts,
        lead=lead,
        findings=found,
        facts=facts,
        images=images,
        notes=notes,
        is_synthetic=is_synthetic,
        links=links,
    )
    written = {output_dir / "index.html": text}
    if included:
        written[output_dir / "tables" / "main.tex"] = latex.document(title, included, letters)
    if found:
        written[output_dir / "findings.md"] = to_markdown(found, title, is_synthetic)
    for path, content in written.items():
        with files.whole_file(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return Outcome(output_dir / "index.html", sum(len(section.tables) for section in parts), len(shown), notes, found)
