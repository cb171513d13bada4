"""What was found, in a few sentences that are made from the numbers and say how sure they are."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from mimii.report import paired, ranking_texts
from mimii.report.loading import CLASSIFICATION_RANKING, Results
from mimii.report.ranking import rank
from mimii.report.ranking_texts import Words, listed
from mimii.report.rows import by_machine, by_task, machines_only
from mimii.report.soundness import CHANCE, Heard, best_heard, broken, heard_by
from mimii.report.table import markdown
from mimii.report.texts import name_of, task_title
from mimii.storage.schema import number

_DETECTORS = Words("detector", "machine")
_CLASSIFIERS = Words("classifier", "machine group")


class Finding(NamedTuple):
    """A sentence or two, and the anchor on the page of the table that they rest on."""

    text: str
    anchor: str


def findings(results: Results, metric: str) -> list[Finding]:
    """What the results of one data set say.

    Parameters
    ----------
    results : Results
    metric : str
        Of `mimii.storage.schema.RANKINGS`: what detectors are ranked by.

    Returns
    -------
    list of Finding
        Of the detectors which one is best, which can't be told from it, which of those is the smallest, which machine
        nobody hears, and which are broken; of the classifiers of each task which one is best.
    """
    return [*_detection(results, metric), *_classification(results)]


def to_markdown(found: Sequence[Finding], title: str, is_synthetic: bool) -> str:
    """The findings for a pull request or an issue."""
    warning = ["**Synthetic demo data, not real machines.**", ""] if is_synthetic else []
    return "\n".join([f"## {markdown(title)}", "", *warning, *(f"- {markdown(finding.text)}" for finding in found), ""])


def _detection(results: Results, metric: str) -> list[Finding]:
    rows = machines_only(results.detection)
    table = by_machine(rows, metric)
    ranking = rank(table)
    if ranking is None:
        return []
    of_best = heard_by(results, ranking.best)
    low, over_recordings = ranking.low, ""
    if ranking.machines == 1 and metric == "auc" and of_best:
        low, over_recordings = of_best[0].low, of_best[0].interval
    main = f"table-{name_of(metric, _level(table))}"
    of_machines = f"table-{name_of('machines', 'auc')}"
    faults = broken(results, metric)
    found = [Finding(ranking_texts.best(ranking, rows, metric, _DETECTORS, over_recordings), main)]
    if len(ranking.others) and ranking.machines > 1:
        found.append(Finding(ranking_texts.alike(ranking, _DETECTORS), "table-against_best"))
    if smallest := ranking_texts.smallest(ranking, low, rows, metric, faults):
        found.append(Finding(smallest, "table-efficiency_detection"))
    if hearing := _hearing(best_heard(results), of_best, ranking.best, paired.blocks(table).shape[1]):
        found.append(Finding(hearing, of_machines))
    if faults:
        sentences = "; ".join(f"{label} {fault}" for label, fault in faults.items())
        found.append(Finding(f"Broken, by all signs: {sentences}.", of_machines))
    if partial := [label for label in ranking.lacking if label not in faults]:
        labels = listed(f"{label} ({_has(label, table)})" for label in partial)
        found.append(Finding(f"Not compared, for others were run on more: {labels}.", main))
    return found


def _has(label: str, table: pd.DataFrame) -> str:
    """How many machines a model has a value of; several SNR of a machine count once."""
    blocks = paired.blocks(table)
    machines, every = int(blocks.loc[[label]].notna().to_numpy().sum()), blocks.shape[1]
    return f"{machines} of {every} machines" if machines < every else "not at every SNR"


def _level(table: pd.DataFrame) -> str:
    """The part of the main table's name that says of which SNR it is."""
    levels = table.columns.get_level_values(0).unique()
    return str(levels[0]) if len(levels) == 1 else "overall"


def _classification(results: Results) -> list[Finding]:
    found = []
    for task, rows in by_task(results.classification):
        table = by_machine(rows, CLASSIFICATION_RANKING)
        ranking = rank(table)
        if ranking is None:
            continue
        text = ranking_texts.best(ranking, rows, CLASSIFICATION_RANKING, _CLASSIFIERS)
        if len(ranking.others) and ranking.machines > 1:
            text += f" {ranking_texts.alike(ranking, _CLASSIFIERS, with_needed=False)}"
        anchor = f"table-{name_of('classification', task, str(table.columns[0][0]))}"
        found.append(Finding(f"Classification, {task_title(task)}: {text}", anchor))
    return found


def _hearing(best: Sequence[Heard], of_best: Sequence[Heard], label: str, every: int) -> str:
    """The machines that nobody hears or, where there are none, one that the best detector hears least.

    Parameters
    ----------
    best : sequence of Heard
        Of each machine the detector that hears it best, the worst first.
    of_best : sequence of Heard
        Of each machine the detector that is best over all machines.
    label : str
        That detector.
    every : int
        How many machines there are; those without kept scores can't be told of.
    """
    if not best:
        return ""
    if len(of_best) < len(best):
        return f"Which machines {label} hears can't be told: it has not kept the scores of all of them."
    count = f"{len(best)} machines" if len(best) > 1 else "one machine"
    if len(best) < every:
        count += f" of {every}, those with kept scores"
    if unheard := [heard for heard in best if not heard.is_heard]:
        worst = unheard[0]
        choice = f" as the best of {worst.chosen_from}" if worst.chosen_from > 1 and worst.low > CHANCE else ""
        may_guess = f"{worst.label}, may be guessing{choice}: AUC {number(worst.auc)} ({worst.interval})"
        if len(unheard) == 1:
            return f"Of {count} nobody hears {worst.machine}: even the best there, {may_guess}."
        machines = listed(heard.machine for heard in unheard)
        return f"Nobody hears {len(unheard)} of {count}: {machines}. At {worst.machine} even the best, {may_guess}."
    if len(of_best) == 1:
        return ""
    worst = of_best[0]
    of_worst = f"AUC {number(worst.auc)} ({worst.interval})"
    deaf = [heard.machine for heard in of_best if not heard.is_heard]
    if not deaf:
        return f"{worst.label} hears all of {count}, {worst.machine} least: {of_worst}."
    there = next((heard for heard in best if heard.machine == worst.machine), worst)
    also = f", nor {listed(deaf[1:])}" if len(deaf) > 1 else ""
    where = f"at {worst.machine}, where" if also else "there, where"
    return (
        f"Each of {count} is heard by some detector, but {worst.label} does not hear {worst.machine}{also}: {of_worst} "
        f"{where} {there.label} has {number(there.auc)}."
    )
