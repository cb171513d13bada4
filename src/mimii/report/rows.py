"""Which rows of the results count for a table or a figure, and in which order."""

import pandas as pd

from mimii.data.machines import ALL, MACHINE
from mimii.report.snr import snr_order


def machines_only(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows without those of machine groups: one AUC over several machines compares scores of different scale."""
    return rows[~_are_groups(rows)]


def _are_groups(rows: pd.DataFrame) -> pd.Series:
    """Tell which rows are of machine groups; a detector of single machines may be that of one called ``all``."""
    is_of_one = (rows["dataset_scope"] == "machine") & (rows["classification_type"] == "")
    return (rows["machine_id"] == ALL) & ~is_of_one


def groups_or_machines(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of machine groups or, of a model that has none, those of machines: what a classifier was trained on."""
    is_group = _are_groups(rows)
    has_groups = is_group.groupby([rows["classification_type"], rows["label"]]).transform("any")
    return rows[is_group | ~has_groups]


def by_task(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each task of classification, of machine groups where there are any."""
    rows = groups_or_machines(rows)
    tasks = sorted(rows["classification_type"].unique(), reverse=True)
    return [(task, rows[rows["classification_type"] == task]) for task in tasks]


def by_machine(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean over the seeds: a row a model, a column a machine (SNR, type, ID), in the order of the rows."""
    table = rows.pivot_table(index="label", columns=MACHINE, values=metric, aggfunc="mean", sort=False)
    columns = sorted(table.columns, key=lambda machine: (snr_order(machine[0]), *machine))
    return table.reindex(index=[label for label in rows["label"].unique() if label in table.index], columns=columns)


def has_seeds(rows: pd.DataFrame) -> bool:
    """Tell whether a model was run with several seeds."""
    return len(rows) > 0 and int(rows.groupby("label")["seed"].nunique().max()) > 1
