"""Several results directories side by side, with the difference of each cell from the first."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mimii.data.recordings import MACHINE
from mimii.report import loading
from mimii.report.loading import Results, snr_title
from mimii.report.tables import TASKS, TITLES, Table, number, signed

_WHAT = ["label", "machine"]


def names(directories: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that differ: ``before``, ``after``; or ``before/results``, ``after/results``."""
    parts = [directory.resolve().parts for directory in directories]
    for length in range(1, max(map(len, parts)) + 1):
        ends = ["/".join(part[-length:]) for part in parts]
        if len(set(ends)) == len(ends):
            return ends
    return [f"{number}: {'/'.join(part[-1:])}" for number, part in enumerate(parts, start=1)]


def tables(loaded: Sequence[Results], directories: Sequence[str], metric: str, notes: list[str]) -> list[Table]:
    """Model x machine type for detection, and model x pool for each task of classification.

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
    about = " Synthetic demo data, not real machines." if any(results.is_synthetic for results in loaded) else ""
    jobs = [("detection", metric, [loading.machines_only(results.detection) for results in loaded], "machine_type")]
    pools = [loading.pools_or_machines(results.classification) for results in loaded]
    for task in sorted({task for rows in pools for task in rows["classification_type"]}, reverse=True):
        of_task = [rows[rows["classification_type"] == task] for rows in pools]
        jobs.append((f"classification, {TASKS.get(task, task)}", "balanced_accuracy", of_task, "machine_type"))
    found = []
    for what, of_metric, parts, column in jobs:
        if all(rows.empty for rows in parts):
            continue
        cells = _cells(parts, directories, of_metric)
        common = cells.dropna()
        if left_out := len(cells) - len(common):
            notes.append(f"{left_out} of {len(cells)} results of {what} are not in all directories and were left out.")
        if len(common):
            found += [
                _table(group, directories, of_metric, column, what, snr, about)
                for snr, group in sorted(common.groupby(level="snr"), key=lambda pair: loading.decibels(pair[0]))
            ]
    return found


def _cells(parts: Sequence[pd.DataFrame], directories: Sequence[str], metric: str) -> pd.DataFrame:
    """A row a model and machine, a column a directory; the mean over the seeds."""
    series = [rows.groupby(["label", *MACHINE], sort=False)[metric].mean() for rows in parts]
    return pd.concat(series, axis=1, keys=directories)


def _table(
    cells: pd.DataFrame, directories: Sequence[str], metric: str, column: str, what: str, snr: str, about: str
) -> Table:
    first, *others = directories
    means = cells.groupby(["label", column], sort=False).mean().unstack(column)
    means = means.swaplevel(axis=1)
    kinds = sorted(cells.index.get_level_values(column).unique())
    overall = cells.groupby("label", sort=False).mean()
    index, shown, values, data = [], [], [], []
    for label in overall.index:
        numbers = {kind: means.loc[label, kind] if kind in means else None for kind in kinds}
        if len(kinds) > 1:
            numbers["mean"] = overall.loc[label]
        for directory in directories:
            index.append(f"{label}, {directory}")
            row = {kind: found[directory] for kind, found in numbers.items()}
            differences = {kind: found[directory] - found[first] for kind, found in numbers.items()}
            values.append(row)
            shown.append(
                {
                    kind: number(value) + (f" ({signed(differences[kind])})" if directory in others else "")
                    for kind, value in row.items()
                }
            )
            data.append(
                {"model": label, "directory": directory, **row}
                | {f"{kind} difference": value for kind, value in differences.items()}
            )
    texts = pd.DataFrame(shown, index=pd.Index(index, name="Model, results"))
    numbers = pd.DataFrame(values, index=texts.index)
    at = f" at {snr_title(snr)}" if snr not in ("", "all") else ""
    name = "_".join(filter(None, ["compare", metric, *what.replace(",", "").split(), snr]))
    unit = "machines" if what == "detection" else "pools"
    return Table(
        name=name,
        title=f"{TITLES[metric]}, {what}{at}",
        caption=f"{TITLES[metric]} of {what}{at}, mean over the {unit} that all directories have; in brackets the "
        f"difference from {first}.{about}",
        texts=texts,
        values=numbers,
        marks=texts.map(lambda _: ""),
        data=pd.DataFrame(data),
    )
