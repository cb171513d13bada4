"""The table by attribute: which states of a machine the best detector misjudges."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from mimii.data.attributes import columns
from mimii.data.machines import MACHINE, machine_name
from mimii.evaluation.metrics import detection_metrics
from mimii.report.loading import Results
from mimii.report.ranking import best_models
from mimii.report.table import Table, no_marks
from mimii.report.texts import synthetic_note
from mimii.storage.schema import number

_STATE = ["attribute", "value"]
_EVERY = "all"  # in place of an attribute: all normal recordings of the machine
_HEADINGS = {"attribute": "Attribute", "value": "Value", "normal": "Normal", "auc": "AUC", "alarms": "False alarms"}


def tables(results: Results) -> list[Table]:
    """Machine and attribute x AUC and false alarms, of the system with the best official score or, without one, AUC.

    Parameters
    ----------
    results : Results

    Returns
    -------
    list of Table
        One; none where no recording has attributes.
    """
    rows = results.scored
    rows = rows[[{"attributes", "domain"} <= set(results.scores[run_id]) for run_id in rows["run_id"]]]
    if rows.empty:
        return []
    system = _best_system(results, rows)
    rows = rows[rows["label"] == system]
    found, hidden = [], []
    for row in rows.to_dict("records"):
        scores = results.scores[row["run_id"]]
        machine = {name: row[name] for name in MACHINE}
        if (scores["attributes"] == "").all():
            hidden.append(machine_name(tuple(machine.values())))
        else:
            found += [machine | state for state in _states(scores, float(row["threshold"]))]
    if not found:
        return []
    # over the seeds
    data = pd.DataFrame(found).groupby([*MACHINE, *_STATE], sort=False, as_index=False).mean()
    index = pd.Index([machine_name(machine) for machine in data[MACHINE].to_numpy()], name="Machine")
    values = data.set_index(index)[list(_HEADINGS)]
    texts = values.assign(
        normal=values["normal"].map(lambda count: number(count, 0)),
        **{name: values[name].map(number) for name in ("auc", "alarms")},
    )
    seeds = rows["seed"].nunique()
    texts, values = texts.rename(columns=_HEADINGS), values.assign(attribute=np.nan, value=np.nan)
    return [
        Table(
            name="attributes",
            title="States of the machines",
            caption=f"How {system} judges each machine in each of its states, as the attributes tell them"
            f"{', mean over the seeds' if seeds > 1 else ''}: AUC of the normal recordings with this value against all "
            "abnormal ones of the machine, and the share of these normal recordings that are above the threshold. An "
            f"attribute that all of a machine's normal recordings share has no row.{_lowest(data)}"
            f"{_about_hidden(hidden)}{synthetic_note(results.is_synthetic)}",
            texts=texts,
            values=values.rename(columns=_HEADINGS),
            marks=no_marks(texts),
            data=data,
        )
    ]


def _best_system(results: Results, rows: pd.DataFrame) -> str:
    """The label of the system with the best official score over most machines, or else with the best mean AUC."""
    official = results.official.dropna(subset="score")
    official = official[official["label"].isin(rows["label"])]
    if official.empty:
        machines = rows.drop_duplicates(["label", *MACHINE]).groupby("label")["label"].transform("size")
        most = machines[machines == machines.max()].index
        return best_models(rows.loc[most], "auc")[0]
    official = official[official["scored_machines"] == official["scored_machines"].max()]
    return str(official.groupby("label", sort=False)["score"].mean().idxmax())


def _states(scores: pd.DataFrame, threshold: float) -> Iterator[dict[str, str | float]]:
    """What there is of all normal recordings of a machine, and of those with each value of each attribute."""
    is_normal = scores["label"] == "normal"
    normal, abnormal = scores[is_normal], scores.loc[~is_normal, "score"].to_numpy()

    def state(attribute: str, value: str, found: np.ndarray) -> dict[str, str | float]:
        is_abnormal = np.repeat([False, True], [len(found), len(abnormal)])
        auc = detection_metrics(is_abnormal, np.concatenate([found, abnormal]))["auc"]
        alarms = float((found > threshold).mean()) if np.isfinite(threshold) else np.nan
        return {"attribute": attribute, "value": value, "normal": len(found), "auc": auc, "alarms": alarms}

    yield state(_EVERY, "", normal["score"].to_numpy())
    for column, values in columns(normal).items():
        known = values[values != ""]
        if values.nunique() > 1:
            for value in sorted(known.unique(), key=_natural):
                chosen = known.index[known == value]
                yield state(str(column).removeprefix("attribute_"), value, normal.loc[chosen, "score"].to_numpy())


def _natural(value: str) -> tuple[float, str]:
    """A key that sorts 6 before 10, and 28V before 100V."""
    digits = value[: len(value) - len(value.lstrip("0123456789."))]
    try:
        return float(digits), value
    except ValueError:
        return np.inf, value


def _lowest(data: pd.DataFrame) -> str:
    """A sentence about the state in which the AUC is lowest."""
    states = data[data["attribute"] != _EVERY].dropna(subset="auc")
    if states["auc"].nunique() < 2:
        return ""
    row = states.iloc[int(states["auc"].argmin())]
    machine = machine_name(tuple(row[MACHINE]))
    return f" The lowest AUC is that of {machine} with {row['attribute']} {row['value']}: {number(row['auc'])}."


def _about_hidden(machines: list[str]) -> str:
    names = ", ".join(dict.fromkeys(machines))
    return f" Without attributes: {names}." if names else ""
