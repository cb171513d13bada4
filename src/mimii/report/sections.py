"""The sections of the page, of one data set or of a comparison: what stands where."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mimii.report import (
    attributes,
    challenge_tables,
    changes,
    classification_figures,
    classification_tables,
    comparing,
    comparing_figures,
    cost_figures,
    cost_tables,
    data_sets,
    detection_tables,
    hearing,
    hearing_figures,
    heat_map_figures,
    listening,
    loss_figures,
    main_table,
    rank_figures,
    roc_figures,
    score_figures,
    significance,
    statistics,
)
from mimii.report.figure import Figure
from mimii.report.findings import Finding
from mimii.report.loading import Results
from mimii.report.page import Folded, Part, Section, choice
from mimii.report.rows import by_machine, machines_only
from mimii.report.table import Table
from mimii.storage.schema import RANKINGS, heading


def usable(results: Results, metric: str) -> str:
    """The metric or, where no row has it, another one."""
    detection = machines_only(results.detection)
    known = [name for name in RANKINGS if detection[name].notna().any()]
    if not known or metric in known:
        return metric
    results.notes.append(f"There is no {heading(metric)}, so models are ranked by {heading(known[0])}.")
    return known[0]


def of_data_set(results: Results, metric: str, model_dir: Path, *, audio: bool) -> list[Section]:
    """The sections between the findings and the settings.

    Parameters
    ----------
    results : Results
        Its notes receive what is missing.
    metric : str
        What detectors are ranked by; see `usable`.
    model_dir : Path
        The cache of trained detectors, for the score over time.
    audio : bool
        Recordings can be heard.
    """
    main = main_table.main_tables(results, metric)
    clips = listening.hear(results, metric, model_dir, audio)
    dataset, is_synthetic = results.dataset, results.is_synthetic
    others = [name for name in RANKINGS if name != metric]
    sections = [
        Section("DCASE", [*challenge_tables.official_scores(results)]),
        Section(
            "Anomaly detection",
            [
                *main[:1],
                *_folded(*main[1:], *main_table.every_scoring(results, metric), *detection_tables.decisions(results)),
                *detection_tables.thresholds(results),
            ],
        ),
        Section(
            "Hear it",
            [hearing.render(clips, metric, dataset=dataset, is_synthetic=is_synthetic)] if clips else [],
            for_papers=hearing_figures.hearing(clips, is_synthetic),
        ),
        Section(
            "Figures",
            [
                *heat_map_figures.heat_map(results, metric),
                *roc_figures.roc_curves(results, metric),
                *score_figures.score_dots(results, metric),
                *loss_figures.losses(results),
            ],
        ),
        Section(
            "Classification",
            [
                *classification_tables.classification(results),
                *classification_figures.confusion_matrices(results),
            ],
        ),
        Section("Costs", _costs(results, metric)),
        Section("Do the models differ?", _differences(results, metric)),
        Section(
            "Details",
            _folded(
                *detection_tables.machines(results, metric),
                *(table for name in others for table in main_table.main_tables(results, name)),
                *(table for name in others for table in detection_tables.machines(results, name)),
                *detection_tables.intervals(results),
                *challenge_tables.machines(results),
                *attributes.tables(results),
            ),
        ),
    ]
    return [section for section in sections if section.parts]


def of_comparison(
    compared: Mapping[str, Sequence[Results]], directories: Sequence[str], metric: str, notes: list[str]
) -> tuple[list[Section], list[Finding]]:
    """The sections of a comparison, one for each data set, and what changed.

    Parameters
    ----------
    compared : mapping of str to sequence of Results
        For each data set its results in each of the directories.
    directories : sequence of str
        Their names.
    metric : str
    notes : list of str
        Receives what is missing.
    """
    found: list[Section] = []
    findings: list[Finding] = []
    for dataset, loaded in compared.items():
        parts: list[Part] = [*comparing.settings_table(loaded, directories)]
        paired = changes.paired_tables(loaded, directories, metric)
        parts += [*comparing_figures.scatters(loaded, directories, metric), *paired]
        parts += _folded(*comparing.difference_tables(loaded, directories, metric, notes))
        texts = changes.sentences(loaded, directories, metric)
        if len(compared) > 1:
            parts = [_of_set(part, dataset) for part in parts]
            paired = [data_sets.named(table, dataset) for table in paired]
            texts = [f"{dataset}: {text}" for text in texts]
        found.append(Section(dataset if len(compared) > 1 else "Differences", parts))
        findings += [Finding(text, f"table-{table.name}") for text, table in zip(texts, paired, strict=True)]
    return found, findings


def _of_set(part: Part, dataset: str) -> Part:
    """A part of the page that says of which data set it is."""
    if isinstance(part, Folded):
        return Folded(data_sets.named(part.table, dataset))
    if isinstance(part, Table):
        return data_sets.named(part, dataset)
    return data_sets.named(part, dataset) if isinstance(part, Figure) else part


def _folded(*tables: Table) -> list[Part]:
    return [Folded(table) for table in tables]


def _costs(results: Results, metric: str) -> list[Part]:
    figures = choice(
        f"{heading(metric)} against",
        {
            "parameters": cost_figures.parameters(results, metric),
            "inference time": cost_figures.inference_time(results, metric),
            "training time": cost_figures.training_time(results, metric),
        },
    )
    return [*figures, *_folded(*cost_tables.efficiency(results, metric))]


def _differences(results: Results, metric: str) -> list[Part]:
    """The statistics, where there are detectors to compare."""
    detection = machines_only(results.detection)
    if not detection[metric].notna().any():
        return []
    comparison = statistics.compare_models(by_machine(detection, metric))
    return [
        *significance.findings(comparison, metric),
        *rank_figures.rank_diagram(comparison, metric, results.is_synthetic),
        *_folded(*significance.tables(comparison, metric, results.is_synthetic)),
    ]
