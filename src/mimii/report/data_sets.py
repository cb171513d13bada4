"""A report over several data sets: what its first page shows, and how results directories are compared."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar
from urllib.parse import quote

import numpy as np
import pandas as pd

from mimii.data.datasets import DEVELOPMENT, EVALUATION
from mimii.report import challenge_tables
from mimii.report.figure import Figure
from mimii.report.labels import SETTINGS, with_labels
from mimii.report.loading import Results
from mimii.report.overview import run_facts
from mimii.report.table import Table, best_marks
from mimii.report.texts import synthetic_note
from mimii.storage.names import file_name
from mimii.storage.schema import number

_NO_NAME = "without a name"
Shown = TypeVar("Shown", Table, Figure)


def name_of_set(results: Results) -> str:
    """What a data set is called."""
    return results.dataset or _NO_NAME


def folders(names: Sequence[str]) -> list[str]:
    """A directory for each data set, none of them twice."""
    found: list[str] = []
    for name in names:
        folder = file_name(name or _NO_NAME).strip(".") or "_"
        found.append(folder if folder not in found else f"{folder}_{len(found) + 1}")
    return found


def address(folder: str) -> str:
    """The address of a data set's page, as seen from the first page."""
    return f"{quote(folder)}/index.html"


def facts(loaded: Sequence[Results]) -> dict[str, str]:
    """What the first page opens with: the machines and models of each data set."""
    found = {}
    for results in loaded:
        models = dict.fromkeys([*results.detection["label"], *results.classification["label"]])
        found[name_of_set(results)] = f"machines: {run_facts([results])['Machines']}; models: {', '.join(models)}"
    return found


def notes(loaded: Sequence[Results]) -> list[str]:
    """What is missing: once what is missing of all data sets, and the rest with the name of its data set."""
    counts = Counter(note for results in loaded for note in dict.fromkeys(results.notes))
    of_all = [note for note, count in counts.items() if count == len(loaded)]
    return of_all + [
        f"{name_of_set(results)}: {note}" for results in loaded for note in results.notes if note not in of_all
    ]


def official_scores(loaded: Sequence[Results]) -> list[Table]:
    """Official scores of all data sets: side by side, and those of each one with their intervals."""
    found = [results for results in loaded if len(results.official)]
    names = (f"dcase_{folder}" for folder in folders([results.dataset for results in found]))
    return [
        *(table for part in (DEVELOPMENT, EVALUATION) for table in _side_by_side(found, part)),
        *(table for results in found for table in challenge_tables.official_scores(results, next(names))),
    ]


def _side_by_side(loaded: Sequence[Results], part: str) -> list[Table]:
    """Model x data set, of one part."""
    found = [results.official[results.official["part"] == part] for results in loaded]
    if not any(map(len, found)):
        return []
    # a setting may differ between data sets and not within one
    rows = pd.concat(found, ignore_index=True).assign(classification_type="")
    missing = [name for name in SETTINGS if name not in rows]  # those of classification
    labels_of_all = with_labels(rows.assign(**dict.fromkeys(missing, "")))["label"]
    ends = np.cumsum([len(rows) for rows in found])
    means = {
        name_of_set(results): rows["score"].groupby(labels_of_all[end - len(rows) : end].to_numpy(), sort=False).mean()
        for results, rows, end in zip(loaded, found, ends, strict=True)
        if len(rows)
    }
    labels = dict.fromkeys(label for column in means.values() for label in column.index)
    scores = pd.DataFrame(means).reindex(list(labels)).rename_axis("Model")
    values = 100 * scores
    note = synthetic_note(any(results.is_synthetic for results in loaded))
    return [
        Table(
            name=f"dcase_{part}",
            title=f"Official scores, {part}",
            caption=f"Official score of DCASE's task 2 in percent on each {part} set, as its year defines it, mean "
            f"over the seeds. The tables below have the intervals and say which machines are covered.{note} Best in "
            "bold, second underlined.",
            texts=values.map(lambda value: number(value, 2)),
            values=values,
            marks=best_marks(values, decimals=2),
            data=scores.reset_index(),
        )
    ]


def shared(
    loaded: Sequence[Sequence[Results]], directories: Sequence[str], notes: list[str]
) -> dict[str, list[Results]]:
    """What is comparable of several results directories: the data sets that all of them have.

    Where each directory has one data set, and one has no name, it is taken for the same: older tables have no names.

    Parameters
    ----------
    loaded : sequence of sequence of Results
        For each directory its data sets.
    directories : sequence of str
        Their names.
    notes : list of str
        Receives what is not in all directories.
    """
    known = {results.dataset for of_sets in loaded for results in of_sets} - {""}
    if len(known) < 2 and all(len(of_sets) == 1 for of_sets in loaded):
        return {name_of_set(loaded[0][0]): [of_sets[0] for of_sets in loaded]}
    by_name = [{name_of_set(results): results for results in of_sets} for of_sets in loaded]
    names = dict.fromkeys(name for of_sets in by_name for name in of_sets)
    for name in names:
        if missing := [
            directory for directory, of_sets in zip(directories, by_name, strict=True) if name not in of_sets
        ]:
            notes.append(f"{name} is not in {', '.join(missing)}, and is not compared.")
    common = [name for name in names if all(name in of_sets for of_sets in by_name)]
    return {name: [of_sets[name] for of_sets in by_name] for name in common}


def named(one: Shown, dataset: str) -> Shown:
    """A table or a figure of one data set beside those of others: its name and its title say which."""
    return replace(
        one,
        name=file_name(f"{dataset}_{one.name}"),
        title=f"{dataset}: {one.title}",
        caption=f"{dataset}: {one.caption}",
    )
