"""Words that tables, figures and the page share."""

import math
from collections.abc import Callable

import pandas as pd

from mimii.data.machines import MACHINE
from mimii.report.rows import has_seeds
from mimii.storage.names import file_name
from mimii.storage.schema import DASH, number

TASKS = {"machine_type": "normal or abnormal", "machine_id": "which individual machine"}
PUBLISHED = "MIMII authors' AE (published)"


def task_title(task: str) -> str:
    """What a task of classification tells apart."""
    return TASKS.get(task, task)


def synthetic_note(is_synthetic: bool) -> str:
    """The end of a caption."""
    return " Synthetic demo data, not real machines." if is_synthetic else ""


def figure_title(text: str, is_synthetic: bool) -> str:
    """The title within a figure, which may be seen without its caption."""
    return f"{text} (synthetic data)" if is_synthetic else text


def mean_over(rows: pd.DataFrame, units: str) -> str:
    """What means over some rows are means of; ``units`` such as machines."""
    count = len(rows[MACHINE].drop_duplicates())
    return f"mean over {count} {units}" + (", of each over its seeds" if has_seeds(rows) else "")


def bounds(low: float, high: float, text: Callable[[float], str] = number) -> str:
    """The ends of an interval in brackets, a dash where there is none."""
    return f"[{text(low)}, {text(high)}]" if math.isfinite(low) else DASH


def p_value(value: float) -> str:
    """A p-value in a table, a dash where there is none."""
    if math.isnan(value):
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def friedman(statistic: float, value: float) -> str:
    """The result of a Friedman test."""
    shown = p_value(value)
    return f"χ² = {statistic:.1f}, p {shown if shown.startswith('<') else f'= {shown}'}"


def name_of(*parts: str) -> str:
    """The name of a table or a figure, of those parts that are not empty."""
    return file_name("_".join(filter(None, parts)))
