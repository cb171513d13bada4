"""The tables of what models cost: time, memory, size."""

import pandas as pd

from mimii.report.loading import CLASSIFICATION_RANKING, Results
from mimii.report.rows import by_task, machines_only
from mimii.report.table import Table, best_marks, no_marks
from mimii.report.texts import name_of, synthetic_note, task_title
from mimii.storage.schema import heading, of_group, show

# the sizes first, then the others in the order of the schema
_COSTS = list(dict.fromkeys(["num_parameters", "model_size_mb", *of_group("cost")]))


def efficiency(results: Results, metric: str) -> list[Table]:
    """Cost of each model beside the mean of a metric: of the detectors, and of the classifiers for each task."""
    detection = _costs(
        machines_only(results.detection), metric, "detection", "anomaly detection", "machines", results.is_synthetic
    )
    return [
        *detection,
        *(
            table
            for task, rows in by_task(results.classification)
            for table in _costs(
                rows, CLASSIFICATION_RANKING, task, task_title(task), "machine groups", results.is_synthetic
            )
        ),
    ]


def _costs(rows: pd.DataFrame, metric: str, task: str, title: str, units: str, is_synthetic: bool) -> list[Table]:
    """A table of costs, means over the rows; none where there is nothing to show."""
    costs = [name for name in _COSTS if rows[name].notna().any()]
    costs = [name for name in costs if name != "memory_usage_mb" or rows[name].gt(0).any()]
    if rows.empty or not costs:
        return []
    shown = [metric, *costs] if rows[metric].notna().any() else costs
    means = rows.groupby("label", sort=False)[shown].mean()
    if metric in shown:
        means = means.sort_values(metric, ascending=False, kind="stable")
    means.index.name = "Model"
    headings = {name: heading(name) for name in shown}
    values = means.rename(columns=headings)
    texts = pd.DataFrame(
        {headings[name]: [show(name, value) for value in means[name]] for name in shown}, index=means.index
    )
    marks = no_marks(values)
    if metric in shown:
        marks[headings[metric]] = best_marks(values[[headings[metric]]])
    devices = ", ".join(filter(None, rows["device_name"].unique())) or "an unknown device"
    jobs = rows["jobs"].max()
    beside = (
        f" Up to {jobs:.0f} models were trained side by side, which makes each training slower." if jobs > 1 else ""
    )
    stacked = rows.get("stacked_with", pd.Series(0.0)).max()
    if stacked > 0:
        beside += f" Up to {stacked + 1:.0f} networks were one stacked network: time and memory are each one's share."
    disturbed = int((rows["measured_alone"] == "no").sum())
    not_alone = f" {disturbed} of {len(rows)} runs were measured beside another process." if disturbed else ""
    return [
        Table(
            name=name_of("efficiency", task),
            title=f"Efficiency, {title}",
            caption=f"Cost of each model beside its {heading(metric)}, means over the {units}. Measured on {devices}. "
            f"Latency is the time to score one recording. RAM is what the fit took beyond what the process held before."
            f"{beside}{not_alone}{synthetic_note(is_synthetic)}",
            texts=texts,
            values=values,
            marks=marks,
            data=means.reset_index(),
        )
    ]
