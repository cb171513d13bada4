"""What the statistics say about the differences between models: in sentences and in tables."""

import numpy as np
import pandas as pd

from mimii.report import paired
from mimii.report.ranking import Ranking
from mimii.report.statistics import Comparison
from mimii.report.table import Table, no_marks
from mimii.report.texts import bounds, friedman, p_value, synthetic_note
from mimii.storage.schema import MINUS, heading, number, signed

_ABOUT_TESTS = (
    "the mean, and the median of Hodges and Lehmann with its 95 % interval, which belongs to the two-sided Wilcoxon "
    "signed-rank test beside it"
)


def findings(comparison: Comparison, metric: str) -> list[str]:
    """The tests in sentences."""
    found = []
    if comparison.friedman:
        verdict = "differ" if comparison.friedman[1] < paired.SIGNIFICANT else "can't be told apart"
        found.append(
            f"Over {comparison.machines} machines the {len(comparison.ranks)} models {verdict} in {heading(metric)} "
            f"(Friedman test, {friedman(*comparison.friedman)})."
        )
    if len(comparison.pairs):
        count = int((comparison.pairs["p_holm"] < paired.SIGNIFICANT).sum())
        found.append(
            f"Of the {len(comparison.pairs)} pairs of models {count or 'none'} can be told apart at the 5 % level "
            "(Wilcoxon signed-rank tests, Holm's correction)."
        )
    return [*found, *comparison.remarks]


def tables(comparison: Comparison, metric: str, is_synthetic: bool) -> list[Table]:
    """All models against the best one, average ranks, and all pairs of models."""
    ranks = comparison.ranks.rename_axis("Model").to_frame("Average rank")
    ranking = comparison.ranking
    found = _against_best(ranking, metric, is_synthetic) if ranking else []
    found.append(
        Table(
            name="ranks",
            title="Average ranks",
            caption=f"Average rank of each model by {heading(metric)} over {comparison.machines} machines; 1 is the "
            f"best.{synthetic_note(is_synthetic)}",
            texts=ranks.map(lambda value: number(value, 2)),
            values=ranks,
            marks=no_marks(ranks),
            data=ranks.reset_index(),
        )
    )
    if len(comparison.pairs):
        pairs = comparison.pairs.sort_values(["p_holm", "p"], kind="stable")
        mean = f"Mean A {MINUS} B"
        values = pairs.set_index(pairs["a"].rename("Model A"))
        texts, values = _columns(values, {"b": "Model B", "difference": mean})
        found.append(
            Table(
                name="pairs",
                title="Pairs of models",
                caption=f"Differences in {heading(metric)} of all pairs of models over {comparison.machines} machines: "
                f"{_ABOUT_TESTS}, with Holm's correction for {len(pairs)} pairs.{synthetic_note(is_synthetic)}",
                texts=texts,
                values=values.assign(**{"Model B": np.nan}),
                marks=no_marks(texts),
                data=pairs,
            )
        )
    return found


def _against_best(ranking: Ranking, metric: str, is_synthetic: bool) -> list[Table]:
    """What the best model is better by than each of the others."""
    if not len(ranking.others):
        return []
    headings = {"mean": f"Mean {heading(metric)}", "difference": "Mean difference"}
    texts, values = _columns(ranking.others, headings)
    if ranking.machines < paired.MIN_MACHINES:
        about = f"the mean difference. Intervals of the median and p-values take {paired.MIN_MACHINES} machines"
    else:
        about = f"{_ABOUT_TESTS}, with Holm's correction for {len(values)} comparisons"
    return [
        Table(
            name="against_best",
            title=f"Compared with {ranking.best}",
            caption=f"By how much {heading(metric)} of {ranking.best}, the model of the highest mean "
            f"({number(ranking.mean)}), is better than that of each other model over {ranking.machines} machines: "
            f"{about}.{synthetic_note(is_synthetic)}",
            texts=texts,
            values=values,
            marks=no_marks(texts),
            data=ranking.others.reset_index(),
        )
    ]


def _columns(differences: pd.DataFrame, headings: dict[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Differences, with the median, its interval and p-values, as texts and as the numbers to sort by."""
    shown = {**headings, "median": "Median difference", "interval": "95 % interval", "p": "p", "p_holm": "p (Holm)"}
    formats = {"mean": number, "difference": signed, "median": signed, "p": p_value, "p_holm": p_value}
    intervals = [bounds(low, high, signed) for low, high in zip(differences["low"], differences["high"], strict=True)]
    texts = differences.assign(interval=intervals)
    texts = texts.assign(**{name: texts[name].map(text) for name, text in formats.items() if name in shown})
    values = differences.assign(interval=differences["low"])
    return texts[list(shown)].rename(columns=shown), values[list(shown)].rename(columns=shown)
