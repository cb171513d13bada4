"""Several results directories side by side, with the difference of each cell from the first."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from mimii.data.machines import MACHINE
from mimii.report.labels import SETTINGS, setting_text
from mimii.report.loading import CLASSIFICATION_RANKING, Results
from mimii.report.rows import groups_or_machines, machines_only
from mimii.report.snr import at_snr, snr_order
from mimii.report.table import Table, no_marks
from mimii.report.texts import name_of, synthetic_note, task_title
from mimii.storage.schema import DASH, heading, number, signed

_FACTS = ("seed", "device_name", "torch_version")


def directory_names(directories: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that differ: ``before``, ``after``; or ``before/results``, ``after/results``."""
    parts = [directory.resolve().parts for directory in directories]
    for length in range(1, max(map(len, parts)) + 1):
        ends = ["/".join(part[-length:]) for part in parts]
        if len(set(ends)) == len(ends):
            return ends
    return [f"{number}: {part[-1]}" for number, part in enumerate(parts, start=1)]


class Task(NamedTuple):
    """What directories are compared in.

    Attributes
    ----------
    title : str
        ``detection`` or, with what it tells apart, ``classification``.
    metric : str
    unit : str
        What a value is of.
    cells : pd.DataFrame
        A row a model and machine that all directories have, a column a directory; the mean over the seeds.
    missing, total : int
        How many results are not in all directories, and how many there are.
    """

    title: str
    metric: str
    unit: str
    cells: pd.DataFrame
    missing: int
    total: int


def tasks(loaded: Sequence[Results], directories: Sequence[str], metric: str) -> list[Task]:
    """What can be compared.

    Parameters
    ----------
    loaded : sequence of Results
    directories : sequence of str
        Their names.
    metric : str
        Of detection; of classification it is the balanced accuracy.
    """
    jobs = [("detection", metric, "machine", [machines_only(results.detection) for results in loaded])]
    classified = [groups_or_machines(results.classification) for results in loaded]
    for task in sorted({task for rows in classified for task in rows["classification_type"]}, reverse=True):
        of_task = [rows[rows["classification_type"] == task] for rows in classified]
        jobs.append((f"classification, {task_title(task)}", CLASSIFICATION_RANKING, "machine group", of_task))
    found = []
    for title, of_metric, unit, parts in jobs:
        if all(rows.empty for rows in parts):
            continue
        series = [rows.groupby(["label", *MACHINE], sort=False)[of_metric].mean() for rows in parts]
        cells = pd.concat(series, axis=1, keys=directories)
        common = cells.dropna()
        found.append(Task(title, of_metric, unit, common, len(cells) - len(common), len(cells)))
    return found


def settings_table(loaded: Sequence[Results], directories: Sequence[str]) -> list[Table]:
    """The settings that differ between the directories, of the models that all of them have; none where they agree."""
    rows = [pd.concat([results.detection, results.classification]) for results in loaded]
    models = set.intersection(*({*part["model"]} for part in rows))
    names = [*SETTINGS, *_FACTS]
    values = pd.DataFrame(
        {
            directory: [_values(part.loc[part["model"].isin(models), name]) for name in names]
            for directory, part in zip(directories, rows, strict=True)
        },
        index=pd.Index([heading(name) for name in names], name="Setting"),
    )
    texts = values[values.nunique(axis=1) > 1]
    if texts.empty:
        return []
    return [
        Table(
            name="compare_settings",
            title="What was changed",
            caption="Settings, versions and devices that differ between the results, of the models that all of them "
            f"have; all other settings are the same.{note_of(loaded)}",
            texts=texts,
            values=texts.map(lambda _: np.nan).astype(float),
            marks=no_marks(texts),
            data=texts.reset_index(),
        )
    ]


def _values(column: pd.Series) -> str:
    found = sorted(column.replace("", None).dropna().unique())
    return ", ".join(setting_text(value) for value in found) or DASH


def note_of(loaded: Sequence[Results]) -> str:
    """The end of a caption."""
    return synthetic_note(any(results.is_synthetic for results in loaded))


def difference_tables(
    loaded: Sequence[Results], directories: Sequence[str], metric: str, notes: list[str]
) -> list[Table]:
    """Model x machine type for detection, and for each task of classification; ``notes`` receives what is missing."""
    tables = []
    for task in tasks(loaded, directories, metric):
        if task.missing:
            notes.append(
                f"{task.missing} of {task.total} results of {task.title} are not in all directories, or have no "
                f"{heading(task.metric)}, and are not shown."
            )
        levels = task.cells.index.get_level_values("snr")
        tables += [
            _table(task.cells[levels == snr], task, snr, note_of(loaded))
            for snr in sorted(levels.unique(), key=lambda snr: (snr_order(snr), snr))
        ]
    return tables


def _table(cells: pd.DataFrame, task: Task, snr: str, note: str) -> Table:
    """A table of one SNR, a row for each model and directory."""
    title, metric = task.title, task.metric
    first, *others = cells.columns
    # of each machine type a table of models x directories
    columns = {
        str(machine_type): part.groupby(level="label", sort=False).mean()
        for machine_type, part in cells.groupby(level="machine_type")
    }
    overall = cells.groupby(level="label", sort=False).mean()
    if len(columns) > 1:
        columns["mean"] = overall
    columns = {name: means.reindex(overall.index) for name, means in columns.items()}
    keys = [(label, directory) for label in overall.index for directory in cells.columns]
    index = pd.Index([f"{label}, {directory}" for label, directory in keys], name="Model, results")
    values = pd.DataFrame({name: [means.loc[key] for key in keys] for name, means in columns.items()}, index=index)
    differences = pd.DataFrame(
        {name: [means.loc[key] - means.loc[key[0], first] for key in keys] for name, means in columns.items()},
        index=index,
    )
    is_other = [directory in others for _, directory in keys]
    texts = pd.DataFrame(
        {
            name: [
                number(value) + (f" ({signed(difference)})" if other and np.isfinite(difference) else "")
                for value, difference, other in zip(values[name], differences[name], is_other, strict=True)
            ]
            for name in columns
        },
        index=index,
    )
    data = pd.concat([pd.DataFrame(keys, columns=["model", "directory"], index=index), values], axis=1)
    return Table(
        name=name_of("compare", metric, *title.replace(",", "").split(), snr),
        title=f"{heading(metric)}, {title}{at_snr(snr)}",
        caption=f"{heading(metric)} of {title}{at_snr(snr)}, mean over the {task.unit}s that all directories have; in "
        f"brackets the difference from {first}.{note}",
        texts=texts,
        values=values,
        marks=no_marks(texts),
        data=data.join(differences.add_suffix(" difference")),
    )
