"""The tables of a challenge: official scores, and what the organisers print of each machine; in percent, as theirs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.machines import machine_name
from mimii.evaluation.challenge import MEANINGS, mean_of_machines
from mimii.evaluation.resampling import RESAMPLES
from mimii.report.challenge import PARTS
from mimii.report.loading import Results
from mimii.report.table import Table, best_marks, no_marks
from mimii.report.texts import name_of, synthetic_note
from mimii.storage import challenge_columns
from mimii.storage.schema import DASH, Column, number
from mimii.sweep.challenge import BOTH

_FIGURES = [column for column in challenge_columns.MACHINES if column.name in challenge_columns.FIGURES]
_COVERED = ["scored_machines", "machines"]


def official_scores(results: Results, name: str = "dcase") -> list[Table]:
    """Model x part: the official score and its interval."""
    rows = results.official
    if rows.empty:
        return []
    over_seeds = int(rows.groupby("label")["seed"].nunique().max()) > 1
    parts = [part for part in PARTS if part in set(rows["part"])]
    most = rows.groupby("part")["scored_machines"].max()
    systems = rows.groupby(["label", "part"], sort=False)
    found = systems[["score", "low", "high", *_COVERED]].mean().assign(std=systems["score"].std(), seeds=systems.size())
    index = pd.Index(rows["label"].unique(), name="Model")
    texts, values = pd.DataFrame(index=index), pd.DataFrame(index=index)
    comparable = pd.DataFrame(index=index)
    for part in parts:
        of_part = pd.DataFrame(found.xs(part, level="part")).reindex(index)
        is_full = of_part["scored_machines"] == most[part]
        texts[part.capitalize()] = [
            _score_text(row, full) for row, full in zip(of_part.to_dict("records"), is_full, strict=True)
        ]
        values[part.capitalize()], comparable[part.capitalize()] = 100 * of_part["score"], is_full
    caption = _caption(rows, parts, over_seeds) + synthetic_note(results.is_synthetic)
    if texts.stack().str.endswith("†").any():
        caption += " † not all of the machines that other models have; not ranked."
    return [
        Table(
            name=name,
            title=f"Official score{f', {results.dataset}' if results.dataset else ''}",
            caption=caption,
            texts=texts,
            values=values,
            marks=best_marks(values, comparable, decimals=2),
            data=found.reset_index(),
        )
    ]


def _score_text(row: Mapping[Any, Any], is_full: bool) -> str:
    if not np.isfinite(row["score"]):
        return DASH
    spread = f" ± {_percent(row['std'])}" if np.isfinite(row["std"]) else ""
    return f"{_percent(row['score'])}{spread} [{_percent(row['low'])}, {_percent(row['high'])}]{'' if is_full else '†'}"


def _caption(rows: pd.DataFrame, parts: Sequence[str], over_seeds: bool) -> str:
    covered = rows.groupby("part")[_COVERED].max()
    counts = [
        f"{scored:.0f} of {every:.0f} machines in {part}"
        for part, scored, every in covered.itertuples(name=None)
        if part != BOTH
    ]
    seeds = ": mean and standard deviation over the seeds, mean of their intervals" if over_seeds else ""
    gaps = [gap for gap in rows.loc[rows["part"] != BOTH, "gap"].astype(str).unique() if gap]
    missing = f" Without a score for want of what it takes: {', '.join(gaps)}." if gaps else ""
    dataset, definition = rows["dataset"].iloc[0], int(rows["definition"].iloc[0])
    return (
        f"Official score of DCASE's task 2 in percent on {dataset}, the {MEANINGS[definition]}. It covers the machines "
        f"with labels: {', '.join(counts)}. In brackets its 95 % bootstrap interval ({RESAMPLES:,} resamples of the "
        f"recordings, stratified by machine, domain and label){seeds}.{missing} Best in bold, second underlined."
    )


def machines(results: Results) -> list[Table]:
    """For each part and system a table as the organisers print it: every machine, and the means."""
    scores = results.official.groupby(["part", "label"])["score"].mean()
    note = synthetic_note(results.is_synthetic)
    return [
        _of_system(of_system, str(part), str(label), float(scores.get((part, label), np.nan)), note)
        for (part, label), of_system in results.official_machines.groupby(["part", "label"], sort=False)
    ]


def _of_system(rows: pd.DataFrame, part: str, label: str, score: float, note: str) -> Table:
    year = int(rows["definition"].iloc[0])
    columns = [column for column in _FIGURES if rows[column.name].notna().any()]
    names = [column.name for column in columns]
    lines = dict(_lines(rows, names, year))
    index = pd.Index(lines, name="Machine")
    figures = pd.DataFrame(list(lines.values()), index=index, columns=names)
    values = (100 * figures).set_axis(list(map(_heading, columns)), axis="columns")
    texts = values.map(lambda value: number(value, 2))
    over_seeds = ", mean over the seeds" if rows["seed"].nunique() > 1 else ""
    whose = "all recordings" if year == 2020 else "the source (s) and of the target domain (t) alone"
    return Table(
        name=name_of("dcase", part, label),
        title=f"{label}, {part}",
        caption=f"What the organisers print of each machine of the {part} set, in percent, {label}{over_seeds}. The "
        f"official score is {_percent(score)}. P, R and F1 are precision, recall and F1 of {whose} at the threshold. "
        f"{_about_means(year)}{note}",
        texts=texts,
        values=values,
        marks=no_marks(texts),
        data=figures.reset_index(),
    )


def _heading(column: Column) -> str:
    """Short, for eleven columns stand side by side."""
    short = {"Precision": "P", "Recall": "R", "source": "(s)", "target": "(t)"}
    return " ".join(short.get(word, word) for word in column.heading.split())


def _about_means(year: int) -> str:
    if year == 2020:
        return "The last line is the mean over the machine types, of each of them over its IDs."
    return "The arithmetic (a-mean) and the harmonic mean (h-mean) are those of each column."


def _lines(rows: pd.DataFrame, names: list[str], year: int) -> Iterator[tuple[str, list[float]]]:
    """The name and the numbers of each line: of machines, of several machines of a type, and at the end of all.

    The means over machines are taken for each seed.
    """
    for machine_type, of_type in rows.groupby("machine_type", sort=False):
        for machine_id, machine in of_type.groupby("machine_id", sort=False):
            yield machine_name([str(machine_type), str(machine_id)]), machine[names].mean().tolist()
        if of_type["machine_id"].nunique() > 1:
            yield from _means(of_type, names, year, f"{machine_type}, ")
    yield from _means(rows, names, year, "all, ")


def _means(rows: pd.DataFrame, names: list[str], year: int, title: str) -> Iterator[tuple[str, list[float]]]:
    def over_seeds(mean: Callable[[pd.Series, pd.Series], float]) -> list[float]:
        of_seeds = [
            [mean(of_seed[name], of_seed["machine_type"]) for name in names]
            for _, of_seed in rows.groupby("seed", dropna=False)
        ]
        return [float(value) for value in np.mean(of_seeds, axis=0)]

    if year == 2020:
        yield f"{title}mean", over_seeds(lambda values, types: mean_of_machines(values, types, year))
        return
    yield f"{title}a-mean", over_seeds(lambda values, _: float(values.mean(skipna=False)))
    yield f"{title}h-mean", over_seeds(lambda values, types: mean_of_machines(values, types, year))


def _percent(value: float) -> str:
    return number(100 * value, 2)
