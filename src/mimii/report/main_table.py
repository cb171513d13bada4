"""The main table: detectors by their mean, the best first, with intervals over the machines, and machine types."""

import numpy as np
import pandas as pd

from mimii.report import paired
from mimii.report.dots import Dot, Dots
from mimii.report.loading import Results
from mimii.report.means import mean_text
from mimii.report.ranking import Common, common, counted, interval
from mimii.report.rows import by_machine, has_seeds, machines_only
from mimii.report.snr import at_snr, by_snr, snr_title
from mimii.report.table import Table, best_marks
from mimii.report.texts import PUBLISHED, name_of, synthetic_note
from mimii.storage.schema import heading, number

_CHANCE = {"auc": 0.5, "pauc": 0.5}  # of the metrics of which guessing gives the same on any recordings
_INTERVAL = "mean [95 % interval]"


def main_tables(results: Results, metric: str) -> list[Table]:
    """The main table and, where there are several SNR, one more for each of them.

    Parameters
    ----------
    results : Results
    metric : str
        Of `mimii.storage.schema.RANKINGS`.

    Returns
    -------
    list of Table
        The main table comes first; none where no row has the metric. A model that was scored in several ways has one
        row, that of its best scoring, and the others' means stand in it.
    """
    rows = _rows(results, metric)
    if rows.empty:
        return []
    tables = [_table(rows, metric, results.is_synthetic, is_grouped=True)]
    levels = by_snr(rows)
    if len(levels) > 1:
        tables += [_table(of_level, metric, results.is_synthetic, is_grouped=True) for _, of_level in levels]
    return tables


def every_scoring(results: Results, metric: str) -> list[Table]:
    """The same with a row for every scoring of a model; none where every model has one."""
    rows = _rows(results, metric)
    if rows["label"].nunique() == rows["trained"].nunique():
        return []
    return [_table(rows, metric, results.is_synthetic, is_grouped=False)]


def _rows(results: Results, metric: str) -> pd.DataFrame:
    """The rows that have the metric, and those of the published baseline where it has it."""
    rows = machines_only(results.detection).dropna(subset=metric)
    if metric == "auc" and len(results.published) and len(rows):
        published = results.published.assign(trained=PUBLISHED, scoring="", score_pooling="")
        rows = pd.concat([rows, published], ignore_index=True)
    return rows


def _table(rows: pd.DataFrame, metric: str, is_synthetic: bool, *, is_grouped: bool) -> Table:
    """The table of some rows: a row for each trained model, or for each scoring of one."""
    every = by_machine(rows, metric)
    shared = common(every.drop(index=PUBLISHED, errors="ignore"))
    cells = _counted(every, shared)
    systems = _systems(rows, cells, shared)
    groups = systems.groupby("trained" if is_grouped else "label", sort=False)
    shown = systems.loc[[str(group.index[0]) for _, group in groups]]  # the best of each comes first
    others = [group.iloc[1:] for _, group in groups]
    has_ways = any(len(group) for group in others)
    index = pd.Index(list(shown.index), name="Model")
    columns = _columns(cells.loc[shown.index])

    mean_heading = _INTERVAL if shown["low"].notna().any() else "mean"
    daggers = np.where(shown["is_full"], "", "†")
    bounds = shown[["mean", "low", "high"]].to_numpy()
    texts = [
        (mean_heading, pd.Series([mean_text(*row) for row in bounds]) + daggers),
        *((name, column.map(number)) for name, column in columns),
        ("Other scorings", pd.Series([_others(group) for group in others])) if has_ways else None,
    ]
    values = [
        (mean_heading, shown["mean"]),
        *columns,
        ("Other scorings", pd.Series(np.nan, index=shown.index)) if has_ways else None,
    ]
    text_table, value_table = _beside(texts, index), _beside(values, index)
    is_ranked = (shown["is_full"] & (shown["trained"] != PUBLISHED)).to_numpy()
    levels = list(cells.columns.get_level_values(0).unique())
    snr = levels[0] if len(levels) == 1 else ""
    dots = [Dot(mean, low, high, tuple(group["mean"])) for (mean, low, high), group in zip(bounds, others, strict=True)]
    title = f"{heading(metric)} of every {'detector' if is_grouped else 'detector and scoring'}{at_snr(snr)}"
    return Table(
        name=name_of(metric, snr if len(levels) == 1 else "overall", "" if is_grouped else "scorings"),
        title=title,
        caption=_caption(rows, metric, title, systems, shared, has_ways) + synthetic_note(is_synthetic),
        texts=text_table,
        values=value_table,
        marks=best_marks(value_table, value_table.notna().mul(is_ranked, axis=0)),
        data=_data(cells, systems),
        dots=Dots(dots, after=1, chance=_CHANCE.get(metric)),
    )


def _counted(cells: pd.DataFrame, shared: Common) -> pd.DataFrame:
    """The values that count, those of the published baseline on the machines that models are compared on."""
    values = counted(cells, shared)
    if PUBLISHED in cells.index and not shared.table.empty:
        values.loc[PUBLISHED] = values.loc[PUBLISHED].where(cells.columns.isin(shared.table.columns))
    return values.dropna(how="all").dropna(axis="columns", how="all")


def _systems(rows: pd.DataFrame, cells: pd.DataFrame, shared: Common) -> pd.DataFrame:
    """Of each label its mean over the machines and the interval, the best first.

    Models that are not compared, for they lack machines, come after the others, and the published baseline last.
    """
    individuals = paired.blocks(cells)
    systems = rows.drop_duplicates("label").set_index("label")[["trained", "scoring", "score_pooling"]].loc[cells.index]
    bounds = [interval(values) for values in individuals.to_numpy()]
    # the published baseline was not run here, so it is not among the models that are compared
    has_all = (systems["trained"] == PUBLISHED) & cells.reindex(columns=shared.table.columns).notna().all(axis=1)
    systems = systems.assign(
        mean=individuals.mean(axis=1),
        low=[low for low, _ in bounds],
        high=[high for _, high in bounds],
        machines=individuals.notna().sum(axis=1),
        is_full=systems.index.isin(shared.table.index) | (has_all & (not shared.table.empty)),
        way=_ways(systems),
    )
    is_reference = systems["trained"] == PUBLISHED
    order = systems.assign(reference=is_reference, partial=~systems["is_full"], minus=-systems["mean"].round(9))
    return systems.loc[order.sort_values(["reference", "partial", "minus"], kind="stable").index]


def _ways(systems: pd.DataFrame) -> pd.Series:
    """How the scores of each label were made, in as many words as tell the labels of a model apart."""
    is_pooled = systems["score_pooling"].replace("", None).groupby(systems["trained"]).transform("nunique") > 1
    return systems["scoring"] + (", " + systems["score_pooling"]).where(is_pooled, "")


def _columns(cells: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    """The means at each SNR and of each machine type, where there are several."""
    columns = []
    for level, name_of_level in (("snr", snr_title), ("machine_type", str)):
        names = list(cells.columns.get_level_values(level).unique())
        names = sorted(names) if level == "machine_type" else names
        if len(names) > 1:
            columns += [
                (name_of_level(name), cells.loc[:, cells.columns.get_level_values(level) == name].mean(axis=1))
                for name in names
            ]
    return columns


def _others(group: pd.DataFrame) -> str:
    return ", ".join(f"{way} {number(mean)}" for way, mean in zip(group["way"], group["mean"], strict=True))


def _beside(columns: list[tuple[str, pd.Series] | None], index: pd.Index) -> pd.DataFrame:
    """Columns as a table; two may have the same heading, such as a machine type that is called ``mean``."""
    found = [column for column in columns if column is not None]
    table = pd.DataFrame(dict(enumerate(series.array for _, series in found)), index=index)
    return table.set_axis([name for name, _ in found], axis="columns")


def _caption(rows: pd.DataFrame, metric: str, title: str, systems: pd.DataFrame, shared: Common, has_ways: bool) -> str:
    ranked = systems[systems["is_full"]]
    machines = int((ranked if len(ranked) else systems)["machines"].max())
    parts = [
        f"{title}: mean over {machines} machines, each of which counts once"
        + (", with the mean of its SNR" if rows["snr"].nunique() > 1 else "")
        + (" and of its seeds." if has_seeds(rows) else "."),
    ]
    if systems["low"].notna().any():
        parts.append("In brackets, and as a line in the plot, the 95 % interval over the machines (Student's t).")
    if metric in _CHANCE:
        parts.append("The broken line is chance, 0.5.")
    if metric == "pauc":
        parts.append("The area ends at a false-positive rate of 0.1 and is scaled so that chance is 0.5.")
    if has_ways:
        parts.append(
            "A model has one row, that of the scoring with the highest mean; rings are its other scorings. To choose "
            "the scoring by these numbers flatters it a little."
        )
    parts.append("Best in bold, second underlined.")
    if not systems["is_full"].all():
        parts.append("† not all of the machines that other models have; not ranked.")
    if missing := shared.machines - shared.table.shape[1]:
        what = "values at machines and SNR" if rows["snr"].nunique() > 1 else "machines"
        parts.append(f"{missing} of {shared.machines} {what} do not count, for not every ranked model has them.")
    if (systems["trained"] == PUBLISHED).any():
        parts.append(
            f"{PUBLISHED}: not run here; mean of two third-party runs of the MIMII authors' dense autoencoder on the "
            "same machines; not ranked."
        )
    return " ".join(parts)


def _data(cells: pd.DataFrame, systems: pd.DataFrame) -> pd.DataFrame:
    """What the CSV holds: a row for every scoring of every model."""
    named = systems[["trained", "way", "mean", "low", "high", "machines"]]
    named = named.rename(columns={"trained": "model", "way": "scoring"})
    columns = [column.reindex(systems.index).rename(name) for name, column in _columns(cells)]
    return pd.concat([named.rename_axis("label"), *columns], axis=1).reset_index()
