"""Two results directories: what each model is better by in the other one, paired by machine, and how sure that is."""

from collections.abc import Sequence

import pandas as pd

from mimii.report import paired
from mimii.report.comparing import Task, note_of, tasks
from mimii.report.loading import Results
from mimii.report.table import Table, no_marks
from mimii.report.texts import bounds, name_of, p_value
from mimii.storage.schema import MINUS, heading, number, signed

_MEDIAN = "Median [95 % interval]"


def effects(task: Task, first: str, other: str) -> pd.DataFrame:
    """What each model is better by in ``other``, paired by machine, the largest gain first.

    Returns
    -------
    pd.DataFrame
        A row a model: its means, ``mean_first`` and ``mean_other``, the fields of `mimii.report.paired.Effect`, and
        ``p_holm``, corrected for the number of models.
    """
    found = {}
    for label, of_label in task.cells.groupby(level="label", sort=False):
        # the versions of a machine at several SNR count once, with their mean
        blocks = of_label.groupby(level=["machine_type", "machine_id"]).mean()
        effect = paired.effect((blocks[other] - blocks[first]).to_numpy())
        found[label] = {"mean_first": blocks[first].mean(), "mean_other": blocks[other].mean()} | effect._asdict()
    table = pd.DataFrame.from_dict(found, orient="index").rename_axis("Model")
    table["p_holm"] = paired.holm(table["p"].to_numpy())
    return table.sort_values("mean", ascending=False, kind="stable")


def sentences(loaded: Sequence[Results], directories: Sequence[str], metric: str) -> list[str]:
    """What changed, in a sentence for each task and directory."""
    first, *others = directories
    return [
        _sentence(effects(task, first, other), task, first, other)
        for task in tasks(loaded, directories, metric)
        if len(task.cells)
        for other in others
    ]


def _sentence(table: pd.DataFrame, task: Task, first: str, other: str) -> str:
    name, count = heading(task.metric), len(table)
    is_sure = table["p_holm"] < paired.SIGNIFICANT
    better, worse = (int((is_sure & (sign * table["median"] > 0)).sum()) for sign in (1, -1))
    machines = int(table["machines"].max())
    on_machines = f"{machines} {task.unit}{'s' if machines > 1 else ''}"
    models = f"{count} models" if count > 1 else "one model"
    text = f"{task.title.capitalize()}: from {first} to {other} {name} of {models} on {on_machines} changes by "
    text += f"{signed(table['mean'].mean())} in the mean"
    if count > 1:
        up, down = table.iloc[0], table.iloc[-1]
        text += f", from {signed(down['mean'])} ({table.index[-1]}) to {signed(up['mean'])} ({table.index[0]})"
    if machines < paired.MIN_MACHINES or machines < paired.fewest_machines(count):
        fewest = max(paired.MIN_MACHINES, paired.fewest_machines(count))
        return f"{text}. To call any change more than chance takes {fewest} {task.unit}s or more."
    told = f"{better or 'none'} is better, {worse or 'none'} is worse" if count > 1 else "it is better"
    if count == 1 and not better:
        told = "it is worse" if worse else "it can't be told apart"
    test = "Wilcoxon signed-rank tests with Holm's correction" if count > 1 else "a Wilcoxon signed-rank test"
    rest = f", {count - better - worse or 'none'} can't be told apart" if count > 1 else ""
    return f"{text}. By {test} {told}{rest}."


def paired_tables(loaded: Sequence[Results], directories: Sequence[str], metric: str) -> list[Table]:
    """The difference of each model with its interval, one table for each task and directory but the first."""
    first, *others = directories
    return [
        _paired(effects(task, first, other), task, first, other, note_of(loaded))
        for task in tasks(loaded, directories, metric)
        if len(task.cells)
        for other in others
    ]


def _paired(table: pd.DataFrame, task: Task, first: str, other: str, note: str) -> Table:
    columns: list[tuple[str, pd.Series, object]] = [
        (f"{task.unit.capitalize()}s", table["machines"], table["machines"].map(lambda count: f"{count:.0f}")),
        (first, table["mean_first"], table["mean_first"].map(number)),
        (other, table["mean_other"], table["mean_other"].map(number)),
        ("Difference", table["mean"], table["mean"].map(signed)),
        ("95 % interval", table["mean_low"], _bounds(table["mean_low"], table["mean_high"])),
        (_MEDIAN, table["median"], table["median"].map(signed) + " " + _bounds(table["low"], table["high"])),
        ("p (Holm)", table["p_holm"], table["p_holm"].map(p_value)),
    ]
    # by number and headed afterwards: a directory can be called as another column is
    headings = [title for title, _, _ in columns]
    values, shown = (
        pd.DataFrame({index: column[place] for index, column in enumerate(columns)}).set_axis(headings, axis="columns")
        for place in (1, 2)
    )
    name = heading(task.metric)
    return Table(
        name=name_of("compare", task.metric, *task.title.replace(",", "").split(), "paired", other),
        title=f"{name}, {task.title}: {first} and {other}",
        caption=f"{name} of {task.title}, {other} {MINUS} {first}, paired by {task.unit}: mean difference with its "
        "interval by Student's t, and the median of Hodges and Lehmann with the interval that belongs to the two-sided "
        f"Wilcoxon signed-rank test, with Holm's correction for {len(table)} models. Intervals of the median and "
        f"p-values take {paired.MIN_MACHINES} {task.unit}s.{note}",
        texts=shown,
        values=values,
        marks=no_marks(shown),
        data=table.rename(columns={"mean_first": f"mean {first}", "mean_other": f"mean {other}"}).reset_index(),
    )


def _bounds(lows: pd.Series, highs: pd.Series) -> pd.Series:
    return pd.Series([bounds(low, high, signed) for low, high in zip(lows, highs, strict=True)], index=lows.index)
