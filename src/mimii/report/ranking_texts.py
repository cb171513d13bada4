"""A ranking in sentences: which model is best, which can't be told from it, and which of those is the smallest."""

import math
from collections.abc import Container, Iterable
from typing import NamedTuple

import pandas as pd

from mimii.data.machines import ALL, machine_name
from mimii.report import paired
from mimii.report.ranking import Ranking
from mimii.report.rows import has_seeds
from mimii.storage.schema import heading, number

_NAMED = 5  # how many models or machines a sentence names; the table has the others
_MANY = 1000  # machines that nobody has
_TEST = "Wilcoxon signed-rank tests with Holm's correction"
_TEST_OF_ONE = "Wilcoxon signed-rank test"


class Words(NamedTuple):
    """What models are, and on what they are compared."""

    model: str
    unit: str


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, not too many of them."""
    names = list(names)
    if len(names) > _NAMED + 1:
        names = [*names[:_NAMED], f"{len(names) - _NAMED} more"]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def from_to(low: float, high: float) -> str:
    """An interval in a sentence."""
    return f"95 % interval {number(low)} to {number(high)}"


def _name(metric: str) -> str:
    """What a metric is called within a sentence: ``AUC``, ``balanced accuracy``."""
    name = heading(metric)
    return name.lower() if name[1:].islower() else name


def _first(ranking: Ranking) -> list[str]:
    """The models of the highest mean; those that are equal as a reader sees them."""
    shown = ranking.means.map(number)
    return [str(label) for label in shown.index[shown == shown.iloc[0]]]


def best(ranking: Ranking, rows: pd.DataFrame, metric: str, words: Words, over_recordings: str = "") -> str:
    """The model of the highest mean, its interval, and on how many machines that rests.

    Parameters
    ----------
    ranking : Ranking
    rows : pd.DataFrame
        What it is made of.
    metric : str
    words : Words
    over_recordings : str
        Of a single machine, how sure its value is.
    """
    first, count = _first(ranking), len(ranking.means)
    name = f"{'mean ' if ranking.machines > 1 else ''}{_name(metric)}"
    value = number(ranking.mean)
    if count == 1:
        only = f"the only {words.model}{' with all machines' if ranking.lacking else ''}"
        text = f"{first[0]}, {only}, has a {name} of {value}"
    else:
        verb = "has" if len(first) == 1 else "share"
        text = f"{listed(first)} {verb} the highest {name} of {count} {words.model}s, {value}"
    if ranking.machines == 1:
        machine = machine_name(part for part in ranking.blocks.columns[0] if part != ALL)
        sure = f" ({over_recordings})" if over_recordings else ""
        which = f", {machine}" if machine else ""
        return f"{text}{sure}, on one {words.unit}{which}: nothing can be said about other machines."
    averaged = [*(["SNR"] if ranking.levels > 1 else []), *(["seeds"] if has_seeds(rows) else [])]
    over = f", each with the mean of its {' and '.join(averaged)}" if averaged else ""
    if ranking.low == ranking.high:  # no spread is no certainty
        return f"{text} (the same on all {ranking.machines} {words.unit}s{over})."
    if math.isfinite(ranking.low):
        whose = f"{first[0]}: " if len(first) > 1 else ""
        return f"{text} ({whose}{from_to(ranking.low, ranking.high)} over {ranking.machines} {words.unit}s{over})."
    return f"{text} ({ranking.machines} {words.unit}s{over}; too few for an interval)."


def alike(ranking: Ranking, words: Words, *, with_needed: bool = True) -> str:
    """Which models can't be told from the best one and, where none can be, how many machines that would take."""
    count, same, others = len(ranking.others), ranking.alike, ranking.others
    machines, test = f"{ranking.machines} {words.unit}s", _TEST if count > 1 else _TEST_OF_ONE
    following = str(others.index[0])
    it = "it" if len(_first(ranking)) == 1 else ranking.best
    if ranking.better:
        models = listed(ranking.better)
        verb = "is" if len(ranking.better) == 1 else "are"
        told = f"{len(same)} of the {count} others can't be told from it" if same else "all others can be told from it"
        return f"By {test} on {machines}, {models} {verb} better than {it} on most machines; {told}."
    if not same:
        values = others.iloc[0]
        by = f"by {number(values['median'])} (median difference, {from_to(values['low'], values['high'])})"
        if count == 1:
            return f"The other one, {following}, is worse {by}; {machines}, {test}."
        return f"All {count} others are worse ({machines}, {test}), the next, {following}, {by}."
    if len(same) < count:
        return f"{len(same)} of the {count} others can't be told from {it} ({machines}, {test}): {listed(same)}."
    none = f"none of the {count} others can" if count > 1 else f"{following} can't"
    text = f"With {machines} {none} be told from {it}"
    if ranking.can_tell:
        text += f" ({test})."
    else:
        fewest = paired.fewest_machines(count)
        text += f", whatever the difference ({test}): that takes {fewest} {words.unit}s or more."
    return text + (_needed(ranking) if with_needed else "")


def _needed(ranking: Ranking) -> str:
    """How many machines would tell the next model and the last one from the best, by what is seen here."""
    first = _first(ranking)
    labels = [str(label) for label in ranking.others.index if label not in first]
    if not labels:
        return ""
    next_one, last = labels[0], labels[-1]
    of_last, of_next = _about(ranking, last), _about(ranking, next_one)
    power = " (80 % power)" if "about" in of_last + of_next else ""
    if next_one == last:
        which = f"{last}" if len(ranking.others) == 1 else f"the other one, {last}"
        return f" As large as the difference is here, it would take {of_last} to tell {which}{power}."
    return (
        f" As large as the differences are here, it would take {of_last} to tell {last}, the last one, and {of_next} "
        f"to tell {next_one}, the next one{power}."
    )


def _about(ranking: Ranking, label: str) -> str:
    """How many machines; where the fewest that make a small p-value possible decide, no power is promised."""
    machines, fewest = ranking.machines_needed(label), paired.fewest_machines(len(ranking.others))
    if machines > _MANY:
        return f"more than {_MANY:,}"
    return f"{'at least' if machines <= max(fewest, ranking.machines + 1) else 'about'} {machines:.0f}"


def smallest(ranking: Ranking, low: float, rows: pd.DataFrame, metric: str, left_out: Container[str]) -> str:
    """The smallest of the models that may be as good as the best one.

    Parameters
    ----------
    ranking : Ranking
    low : float
        The lower end of the interval of the best one.
    rows : pd.DataFrame
        With the numbers of parameters.
    metric : str
    left_out : container of str
        Models that do not count.

    Returns
    -------
    str
        Empty where there is no interval, or no other model in it.
    """
    near = [label for label in [ranking.best, *ranking.alike] if ranking.means[label] >= low and label not in left_out]
    sizes = rows.groupby("label")["num_parameters"].mean().reindex(near).dropna()
    if len(sizes) < 2 or ranking.best not in sizes:
        return ""
    label = str(sizes.round().idxmin())  # of equal ones the better one, which comes first
    parameters = f"{sizes[label]:,.0f} parameters"
    within = f"Of the {len(sizes)} that are in the interval of the best and can't be told from it,"
    if label == ranking.best:
        return f"{within} {label} itself is the smallest, with {parameters}."
    mean = f"{'mean ' if ranking.machines > 1 else ''}{_name(metric)} {number(ranking.means[label])}"
    return (
        f"{within} {label} is the smallest: {parameters}, {mean}; {ranking.best} has {sizes[ranking.best]:,.0f} and "
        f"{number(ranking.mean)}."
    )
