"""Several results directories side by side, with the difference of each cell from the first."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mimii.data.machines import MACHINE
from mimii.report.loading import CLASSIFICATION_RANKING, Results
from mimii.report.rows import groups_or_machines, machines_only
from mimii.report.snr import at_snr, snr_order
from mimii.report.table import Table, no_marks
from mimii.report.texts import name_of, synthetic_note, task_title
from mimii.storage.schema import heading, number, signed


def directory_names(directories: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that differ: ``before``, ``after``; or ``before/results``, ``after/results``."""
    parts = [directory.resolve().parts for directory in directories]
    for length in range(1, max(map(len, parts)) + 1):
        ends = ["/".join(part[-length:]) for part in parts]
        if len(set(ends)) == len(ends):
            return ends
    return [f"{number}: {part[-1]}" for number, part in enumerate(parts, start=1)]


def difference_tables(
    loaded: Sequence[Results], directories: Sequence[str], metric: str, notes: list[str]
) -> list[Table]:
    """Model x machine type for detection, and for each task of classification.

    Parameters
    ----------
    loaded : sequence of Results
    directories : sequence of str
        Their names.
    metric : str
        Of detection; of classification it is the balanced accuracy.
    notes : list of str
        Receives what can't be compared.
    """
    note = synthetic_note(any(results.is_synthetic for results in loaded))
    jobs = [("detection", metric, [machines_only(results.detection) for results in loaded])]
    classified = [groups_or_machines(results.classification) for results in loaded]
    for task in sorted({task for rows in classified for task in rows["classification_type"]}, reverse=True):
        of_task = [rows[rows["classification_type"] == task] for rows in classified]
        jobs.append((f"classification, {task_title(task)}", CLASSIFICATION_RANKING, of_task))
    tables = []
    for title, of_metric, parts in jobs:
        if all(rows.empty for rows in parts):
            continue
        cells = _cells(parts, directories, of_metric)
        common = cells.dropna()
        if missing := len(cells) - len(common):
            notes.append(
                f"{missing} of {len(cells)} results of {title} are not in all directories, or have no "
                f"{heading(of_metric)}, and are not shown."
            )
        levels = common.index.get_level_values("snr")
        tables += [
            _table(common[levels == snr], of_metric, title, snr, note)
            for snr in sorted(levels.unique(), key=lambda snr: (snr_order(snr), snr))
        ]
    return tables


def _cells(parts: Sequence[pd.DataFrame], directories: Sequence[str], metric: str) -> pd.DataFrame:
    """A row a model and machine, a column a directory; the mean over the seeds."""
    series = [rows.groupby(["label", *MACHINE], sort=False)[metric].mean() for rows in parts]
    return pd.concat(series, axis=1, keys=directories)


def _table(cells: pd.DataFrame, metric: str, title: str, snr: str, note: str) -> Table:
    """A table of one SNR, a row for each model and directory; `cells` is what `_cells` gives."""
    first, *others = cells.columns
    # of each machine type a table of models x directories
    columns = {
        str(machine_type): part.groupby("label", sort=False).mean()
        for machine_type, part in cells.groupby("machine_type")
    }
    overall = cells.groupby("label", sort=False).mean()
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
    units = "machines" if title == "detection" else "machine groups"
    return Table(
        name=name_of("compare", metric, *title.replace(",", "").split(), snr),
        title=f"{heading(metric)}, {title}{at_snr(snr)}",
        caption=f"{heading(metric)} of {title}{at_snr(snr)}, mean over the {units} that all directories have; in "
        f"brackets the difference from {first}.{note}",
        texts=texts,
        values=values,
        marks=no_marks(texts),
        data=data.join(differences.add_suffix(" difference")),
    )
