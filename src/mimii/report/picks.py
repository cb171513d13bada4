"""Which recordings of the results are worth hearing: usual ones of two machines, and those that are judged wrongly."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.machines import LABELS, MACHINE, machine_name
from mimii.report.loading import Results
from mimii.report.ranking import best_models
from mimii.report.rows import machines_only

ONLY, BEST, WORST, WRONG = "only", "best", "worst", "wrong"  # why a recording was picked

_MISTAKES = 2  # of each kind that are shown

_NORMAL, _ABNORMAL = LABELS
_Row = dict[Any, Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pick:
    """A recording that is worth hearing.

    Attributes
    ----------
    group : str
        ``best`` and ``worst``: of the machine with the highest and the lowest metric; ``only``: there is one machine.
        ``wrong``: it is on the wrong side of the others.
    row : dict
        Of the results: the run that scored it.
    value : float
        The metric of its machine.
    equals : int
        How many machines have this value, itself among them.
    path, label : str
    score : float
    threshold : float
        Of its machine; NaN where the results have none.
    passed, others : int
        Of the machine's recordings of the other label, how many it is on the wrong side of, and how many there are.
    """

    group: str
    row: _Row
    value: float
    equals: int
    path: str
    label: str
    score: float
    threshold: float
    passed: int
    others: int

    @property
    def machine(self) -> str:
        """Its name."""
        return machine_name(str(self.row[name]) for name in MACHINE)

    @property
    def is_called_abnormal(self) -> bool | None:
        """The verdict; None where there is no threshold."""
        return self.score > self.threshold if np.isfinite(self.threshold) else None

    @property
    def is_misjudged(self) -> bool:
        """The verdict is not the label."""
        return self.is_called_abnormal not in (None, self.label == _ABNORMAL)


def best_detector(results: Results, metric: str) -> str:
    """The detector of the highest mean over the machines; empty where no row has the metric."""
    rows = machines_only(results.detection)
    rows = rows[rows[metric].notna()]
    return best_models(rows, metric)[0] if len(rows) else ""


def pick(results: Results, metric: str) -> list[Pick]:
    """Pick recordings by the scores of the best detector.

    Of the machine that it judges best and of the one that it judges worst it is the normal recording of the median
    score, and the abnormal one. Of all machines it is those normal recordings that score higher than the most abnormal
    ones of their machines, and those abnormal ones that score lower than the most normal ones: two of each, of
    different machines. Of several seeds the first one's scores count.

    Returns
    -------
    list of Pick
        Empty where no run of the detector kept its scores.
    """
    rows = results.scored
    rows = rows[(rows["label"] == best_detector(results, metric)) & rows[metric].notna()]
    if rows.empty:
        return []
    means = rows.groupby(MACHINE, sort=False)[metric].transform("mean")
    runs = rows.assign(_mean=means).drop_duplicates(MACHINE).sort_values("_mean", ascending=False, kind="stable")
    judged = [_Judged(results, row, runs["_mean"]) for row in runs.to_dict("records")]
    ends = {ONLY: judged[0]} if len(judged) == 1 else {BEST: judged[0], WORST: judged[-1]}
    picks = [one.usual(group, label) for group, one in ends.items() for label in LABELS]
    shown = {one.path for one in picks}
    for label in LABELS:
        mistakes = [found for one in judged if (found := one.mistake(label, shown))]
        picks += [found for _, found in sorted(mistakes, key=lambda pair: pair[0], reverse=True)[:_MISTAKES]]
    return picks


class _Judged:
    """The recordings of a machine with their scores, and how many of the others each is on the wrong side of."""

    def __init__(self, results: Results, row: _Row, values: pd.Series):
        table = results.scores[row["run_id"]].sort_values("score", kind="stable").reset_index(drop=True)
        scores, is_abnormal = table["score"].to_numpy(), (table["label"] == _ABNORMAL).to_numpy()
        normal, abnormal = scores[~is_abnormal], scores[is_abnormal]
        passed = np.where(
            is_abnormal, len(normal) - np.searchsorted(normal, scores, "right"), np.searchsorted(abnormal, scores)
        )
        others = np.where(is_abnormal, len(normal), len(abnormal))
        # how far on the wrong side, so that machines whose scores have other scales can be compared
        excess = (scores - np.median(normal)) / (np.std(normal) or 1.0) * np.where(is_abnormal, -1, 1)
        self.row, self.threshold = row, float(row["threshold"])
        self.value, self.equals = float(row["_mean"]), int((values == row["_mean"]).sum())
        self.table = table.assign(passed=passed, others=others, share=passed / others, excess=excess)

    def usual(self, group: str, label: str) -> Pick:
        """The recording of the median score."""
        of_label = self.table[self.table["label"] == label]
        return self._pick(group, of_label.iloc[len(of_label) // 2])

    def mistake(self, label: str, shown: set[str]) -> tuple[tuple[float, float], Pick] | None:
        """The recording that is furthest on the wrong side, and how far; None where none is."""
        table = self.table[(self.table["label"] == label) & ~self.table["path"].isin(shown)]
        if table.empty:
            return None
        worst = table.sort_values(["share", "excess"], kind="stable").iloc[-1]
        found = self._pick(WRONG, worst)
        return ((worst["share"], worst["excess"]), found) if found.passed or found.is_misjudged else None

    def _pick(self, group: str, recording: pd.Series) -> Pick:
        return Pick(
            group=group,
            row=self.row,
            value=self.value,
            equals=self.equals,
            path=str(recording["path"]),
            label=str(recording["label"]),
            score=float(recording["score"]),
            threshold=self.threshold,
            passed=int(recording["passed"]),
            others=int(recording["others"]),
        )
