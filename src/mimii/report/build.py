"""Makes a report: reads results, makes tables, statistics and figures, and writes them and the page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mimii.data.recordings import MACHINE, machine_name
from mimii.report import comparing, figures, listening, loading, page, statistics, tables
from mimii.report.loading import Results, snr_title
from mimii.report.tables import TITLES
from mimii.storage import files


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
    """Make the report of one results directory.

    Parameters
    ----------
    result_dir, output_dir : Path
    metric : str
        Of `mimii.report.loading.DETECTION`: what models are ranked by.
    model_dir : Path
        The cache of trained detectors, for the figure of the score over time.
    models, snr : sequence of str, optional
        Only these.

    Raises
    ------
    UserError
        There is nothing to report, or a file can't be read or written.
    """
    results = loading.load(result_dir, models, snr)
    detection = loading.machines_only(results.detection)
    if not detection.empty and detection[metric].isna().all():
        known = [name for name in loading.DETECTION if detection[name].notna().any()]
        results.notes.append(
            f"There is no {TITLES[metric]}, so models are ranked by {TITLES[known[0]]}." if known else ""
        )
        metric = known[0] if known else metric
    comparison = None
    if detection[metric].notna().any():
        comparison = statistics.compare_models(loading.by_machine(detection, metric))
    heard = listening.listen(results, metric, model_dir) if len(detection) else []
    if len(detection) and not heard:
        results.notes.append(
            f"No figure of a recording's score over time: no model in {model_dir.name} gives a recording that is still "
            "there the score that the results have."
        )

    main = tables.by_type(results, metric)
    others = [name for name in loading.DETECTION if name != metric]
    classified = tables.classification(results)
    sections = [
        page.Section("Anomaly detection", tables=[*main, *tables.decisions(results)]),
        page.Section("Classification", tables=classified),
        page.Section(
            "Figures",
            figures=[
                *figures.heat_map(results, metric),
                *(figures.rank_diagram(results, comparison, metric) if comparison else []),
                *figures.roc_curves(results, metric),
                *figures.parameters(results, metric),
                *figures.histograms(results, metric),
                *figures.hearing(results, heard),
                *figures.losses(results),
                *figures.confusion_matrices(results),
            ],
        ),
        page.Section(
            "Do the models differ?",
            paragraphs=_findings(comparison, metric) if comparison else [],
            tables=tables.tests(comparison, metric, results) if comparison else [],
            is_detail=True,
        ),
        page.Section("Efficiency", tables=tables.efficiency(results, metric)),
        page.Section(
            "Details",
            tables=[
                *tables.machines(results, metric),
                *(table for name in others for table in tables.by_type(results, name)),
                *(table for name in others for table in tables.machines(results, name)),
                *tables.intervals(results),
            ],
            is_detail=True,
        ),
    ]
    title = "Anomalous machine sounds: report"
    return _write(output_dir, title, _what_was_run([results]), sections, results.notes, results.is_synthetic)


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
    names = comparing.names(directories)
    notes = [f"{name}: {note}" for name, results in zip(names, loaded, strict=True) for note in results.notes]
    found = comparing.tables(loaded, names, metric, notes)
    sections = [page.Section("Differences", tables=found)]
    is_synthetic = any(results.is_synthetic for results in loaded)
    facts = {"Compared": ", ".join([f"{names[0]} (reference)", *names[1:]])} | _what_was_run(loaded)
    return _write(output_dir, "Anomalous machine sounds: comparison", facts, sections, notes, is_synthetic)


def _write(
    output_dir: Path,
    title: str,
    facts: dict[str, str],
    sections: list[page.Section],
    notes: list[str],
    is_synthetic: bool,
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
    text = page.render(title, facts, sections, images, notes, is_synthetic)
    with files.whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    count = sum(len(section.tables) for section in sections)
    return Outcome(path, count, len(images), notes)


def _findings(comparison: statistics.Comparison, metric: str) -> list[str]:
    """The tests in sentences."""
    found = []
    if comparison.friedman:
        statistic, p_value = comparison.friedman
        verdict = "differ" if p_value < 0.05 else "can't be told apart"
        p_text = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
        found.append(
            f"Over {comparison.machines} machines the {len(comparison.ranks)} models {verdict} in {TITLES[metric]} "
            f"(Friedman test, χ² = {statistic:.1f}, {p_text})."
        )
    if len(comparison.pairs):
        count = int((comparison.pairs["p_holm"] < 0.05).sum())
        found.append(
            f"Of the {len(comparison.pairs)} pairs of models {count or 'none'} can be told apart at the 5 % level "
            "(Wilcoxon signed-rank tests, Holm's correction)."
        )
    return [*found, *comparison.remarks]


def _settings(rows: pd.DataFrame) -> str:
    """The settings of some rows, with all of the values that they have."""
    found = {
        name: rows[name].replace("", None).dropna().unique() for name in [*loading.SETTINGS, "seed"] if name in rows
    }
    return "; ".join(
        f"{name} {', '.join(loading.short(value) for value in values)}" for name, values in found.items() if len(values)
    )


def _what_was_run(loaded: Sequence[Results]) -> dict[str, str]:
    """What the page opens with: machines, clips, models, settings, versions, dates."""
    rows = pd.concat([table for results in loaded for table in (results.detection, results.classification)])
    machines = loading.machines_only(rows)
    keys = machines[MACHINE].drop_duplicates()
    types = ", ".join(
        f"{len(group)} {kind or 'machines'}" for kind, group in keys.groupby("machine_type")["machine_id"]
    )
    levels = ", ".join(snr_title(snr) for snr in loading.snrs(keys) if snr)
    facts = {"Machines": f"{len(keys)} ({types})" + (f" at {levels}" if levels else "")}
    if len(keys) == 1:
        facts["Machines"] = machine_name(keys.iloc[0])
    for name, number in (("detection", 0), ("classification", 1)):
        table = pd.concat([(results.detection, results.classification)[number] for results in loaded])
        if table.empty:
            continue
        models = list(dict.fromkeys(table["label"]))
        facts[f"Models, {name}"] = f"{len(models)}: {', '.join(models)}"
        trained = table.drop_duplicates([*MACHINE, "train_files", "eval_files"])
        units = loading.machines_only(trained) if number == 0 else loading.pools_or_machines(trained)
        units = units.drop_duplicates(MACHINE)
        if units["eval_files"].notna().any():
            facts[f"Clips, {name}"] = (
                f"{units['train_files'].sum():,.0f} for training, {units['eval_files'].sum():,.0f} for evaluation"
            )
        facts[f"Settings, {name}"] = _settings(table)
    for title, column in (("Device", "device_name"), ("PyTorch", "torch_version")):
        if values := sorted(filter(None, rows[column].unique())):
            facts[title] = ", ".join(values)
    if dates := sorted(date[:10] for date in rows["timestamp"] if date):
        facts["Run"] = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return facts
