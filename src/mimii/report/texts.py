"""Words that tables, figures and the page share."""

from mimii.storage.names import file_name

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


def deviation(over_seeds: bool, units: str) -> str:
    """What stands before and behind a ± when the means are over the ``units``, such as machines."""
    if over_seeds:
        return f"mean over the {units} and standard deviation over the seeds"
    return f"mean and standard deviation over the {units}"


def p_value(value: float) -> str:
    """A p-value in a table."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def friedman(statistic: float, value: float) -> str:
    """The result of a Friedman test."""
    shown = p_value(value)
    return f"χ² = {statistic:.1f}, p {shown if shown.startswith('<') else f'= {shown}'}"


def name_of(*parts: str) -> str:
    """The name of a table or a figure, of those parts that are not empty."""
    return file_name("_".join(filter(None, parts)))
