"""Makes a report: reads results, makes tables, statistics and figures, and writes them and the page."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mimii.report import (
    attributes,
    challenge_tables,
    classification_figures,
    classification_tables,
    comparing,
    cost_figures,
    cost_tables,
    data_sets,
    detection_figures,
    detection_tables,
    hearing_figures,
    listening,
    loading,
    page,
    significance,
    statistics,
)
from mimii.report.loading import Results
from mimii.report.overview import run_facts
from mimii.report.rows import by_machine, machines_only
from mimii.storage import files
from mimii.storage.schema import RANKINGS, heading

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
    """

    page: Path
    tables: int
    figures: int
    notes: list[str]


def build(
    result_dir: Path,
    output_dir: Path,
    *,
    metric: str,
    model_dir: Path,
    models: Sequence[str] | None = None,
    snr: Sequence[str] | None = None,
) -> Outcome:
    """Make the report of one results directory; of several data sets a page each, and one that leads to them.

    Parameters
    ----------
    result_dir, output_dir : Path
    metric : str
        Of `mimii.storage.schema.RANKINGS`: what models are ranked by.
    model_dir : Path
        The cache of trained detectors, for the figure of the score over time.
    models, snr : sequence of str, optional
        Only these.

    Raises
    ------
    UserError
        There is nothing to report, or a file can't be read or written.
    """
    loaded = loading.load(result_dir, models, snr)
    if len(loaded) == 1:
        return _of_data_set(loaded[0], output_dir, _TITLE, metric, model_dir)
    folders = data_sets.folders([results.dataset for results in loaded])
    made = [
        _of_data_set(
            results,
            output_dir / folder,
            f"{_TITLE}, {data_sets.name_of_set(results)}",
            metric,
            model_dir,
            links={"All data sets": "../index.html"},
        )
        for results, folder in zip(loaded, folders, strict=True)
    ]
    sections = [page.Section("DCASE", tables=data_sets.official_scores(loaded))]
    links = {data_sets.name_of_set(one): data_sets.address(folder) for one, folder in zip(loaded, folders, strict=True)}
    is_synthetic = any(results.is_synthetic for results in loaded)
    index = _write(output_dir, _TITLE, data_sets.facts(loaded), sections, [], is_synthetic, links)
    return Outcome(
        index.page,
        sum(one.tables for one in (index, *made)),
        sum(one.figures for one in made),
        data_sets.notes(loaded),
    )


def _of_data_set(
    results: Results,
    output_dir: Path,
    title: str,
    metric: str,
    model_dir: Path,
    links: Mapping[str, str] | None = None,
) -> Outcome:
    """The page of one data set."""
    metric = _usable(results, metric)
    detection = machines_only(results.detection)
    comparison = None
    if detection[metric].notna().any():
        comparison = statistics.compare_models(by_machine(detection, metric))
    heard = listening.listen(results, metric, model_dir)
    if len(results.scored) and not heard:
        results.notes.append(
            "No figure of a recording's score over time: the recordings are gone, or no model in "
            f"{model_dir.name} gives them the scores that the results have."
        )

    main = detection_tables.by_type(results, metric)
    others = [name for name in RANKINGS if name != metric]
    is_synthetic = results.is_synthetic
    sections = [
        page.Section("DCASE", tables=challenge_tables.official_scores(results)),
        page.Section(
            "Anomaly detection",
            tables=[*main, *detection_tables.decisions(results), *detection_tables.thresholds(results)],
        ),
        page.Section("Classification", tables=classification_tables.classification(results)),
        page.Section(
            "Figures",
            figures=[
                *detection_figures.heat_map(results, metric),
                *(significance.rank_diagram(comparison, metric, is_synthetic) if comparison else []),
                *detection_figures.roc_curves(results, metric),
                *cost_figures.parameters(results, metric),
                *detection_figures.histograms(results, metric),
                *hearing_figures.hearing(heard, is_synthetic),
                *detection_figures.losses(results),
                *classification_figures.confusion_matrices(results),
            ],
        ),
        page.Section(
            "Do the models differ?",
            paragraphs=significance.findings(comparison, metric) if comparison else [],
            tables=significance.tables(comparison, metric, is_synthetic) if comparison else [],
            is_detail=True,
        ),
        page.Section("Efficiency", tables=cost_tables.efficiency(results, metric)),
        page.Section("DCASE, every machine", tables=challenge_tables.machines(results), is_detail=True),
        page.Section("DCASE, by attribute", tables=attributes.tables(results), is_detail=True),
        page.Section(
            "Details",
            tables=[
                *detection_tables.machines(results, metric),
                *(table for name in others for table in detection_tables.by_type(results, name)),
                *(table for name in others for table in detection_tables.machines(results, name)),
                *detection_tables.intervals(results),
            ],
            is_detail=True,
        ),
    ]
    return _write(output_dir, title, run_facts([results]), sections, results.notes, is_synthetic, links)


def _usable(results: Results, metric: str) -> str:
    """The metric or, where no row has it, another one."""
    detection = machines_only(results.detection)
    known = [name for name in RANKINGS if detection[name].notna().any()]
    if not known or metric in known:
        return metric
    results.notes.append(f"There is no {heading(metric)}, so models are ranked by {heading(known[0])}.")
    return known[0]


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
    tables = [
        data_sets.named(table, dataset, is_one_of_several=len(compared) > 1)
        for dataset, results in compared.items()
        for table in comparing.difference_tables(results, names, metric, notes)
    ]
    everything = [results for of_sets in loaded for results in of_sets]
    facts = {"Compared": ", ".join([f"{names[0]} (reference)", *names[1:]])} | run_facts(everything)
    title = "Anomalous machine sounds: comparison"
    is_synthetic = any(results.is_synthetic for results in everything)
    return _write(output_dir, title, facts, [page.Section("Differences", tables=tables)], notes, is_synthetic)


def _write(
    output_dir: Path,
    title: str,
    facts: dict[str, str],
    sections: list[page.Section],
    notes: list[str],
    is_synthetic: bool,
    links: Mapping[str, str] | None = None,
) -> Outcome:
    """Write tables, figures and the page."""
    images = {}
    for section in sections:
        for table in section.tables:
            table.write(output_dir / "tables")
        for figure in section.figures:
            images[figure.name] = base64.b64encode(figure.write(output_dir / "figures")).decode()
    path = output_dir / "index.html"
    sections = [section for section in sections if section.tables or section.figures or section.paragraphs]
    text = page.render(title, facts, sections, images, notes, is_synthetic, links or {})
    with files.whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    count = sum(len(section.tables) for section in sections)
    return Outcome(path, count, len(images), notes)
