"""Writes down what was found in a data set: a table of its machines, what is wrong, and how it stands."""

import textwrap
from collections.abc import Callable

import pandas as pd

from mimii.data.datasets import DEVELOPMENT, EVALUATION
from mimii.data.faults import fault_lines
from mimii.data.inventory import Inventory, usual
from mimii.data.machines import DOMAINS, MACHINE, UNLABELLED, machine_name

_PARTS = {DEVELOPMENT: "Development set: ", EVALUATION: "Evaluation set: ", "": ""}


def _of(split: str, label: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda table: (table["given_split"] == split) & (table["label"] == label)


# the columns that count recordings: their heading, and which recordings they count
_COUNTS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "train": _of("train", "normal"),
    "normal": _of("", "normal"),
    "abnormal": _of("", "abnormal"),
    "test normal": _of("eval", "normal"),
    "test abnormal": _of("eval", "abnormal"),
    "test, no label": _of("eval", UNLABELLED),
    "clean": lambda table: table["supplement"] == "clean",
    "noise": lambda table: table["supplement"] == "noise",
}
# the columns that say what the recordings are like: their heading, their unit and how much of the fact makes one
_FACTS = {"channels": ("channels", "ch", 1), "sample_rate": ("rate", "kHz", 1000), "seconds": ("length", "s", 1)}
_WIDTH = 80


def render(inventory: Inventory) -> str:
    """A table for each part of a data set, what is wrong with it, and a line that says how it stands.

    Parameters
    ----------
    inventory : Inventory

    Returns
    -------
    str
        Lines that fit into 80 columns, but for paths.
    """
    recordings = inventory.recordings
    lines = [f"Data set {inventory.name}"]
    for part, of_part in recordings.groupby("part"):
        lines += [*_table(_PARTS[str(part)], of_part), ""]
    if recordings["domain"].any():
        lines += ["a+b: a recordings of the source domain and b of the target domain", ""]
    faults = recordings[recordings["fault"] != ""]
    if wrong := [*fault_lines(faults, inventory.base_dir), *inventory.problems]:
        lines += [*wrong, ""]
    for note in inventory.notes:
        lines += textwrap.wrap(note, _WIDTH, break_long_words=False, break_on_hyphens=False)
    if inventory.is_good:
        return "\n".join([*lines, "Nothing is wrong."])
    state = f"{len(faults):,} of {len(recordings):,} recordings have a fault." if len(faults) else ""
    return "\n".join([*lines, f"{state} Get what is missing, or damaged, once more.".strip()])


def _table(title: str, recordings: pd.DataFrame) -> list[str]:
    """A line for each machine. What all machines have in common stands above them; empty columns are left out."""
    machines = [(machine_name(map(str, machine)), rows) for machine, rows in recordings.groupby(MACHINE)]
    columns = {"machine": [name for name, _ in machines]}
    for heading, chosen in _COUNTS.items():
        columns[heading] = [_count(rows[chosen(rows)]) for _, rows in machines]
    common = []
    for fact, (heading, unit, one) in _FACTS.items():
        values = [f"{_value(rows.loc[rows['supplement'] == '', fact] / one)} {unit}" for _, rows in machines]
        if len(set(values)) == 1:
            common.append(values[0])
        else:
            columns[heading] = values
    shown = {heading: values for heading, values in columns.items() if any(values)}
    widths = {heading: max(map(len, [heading, *values])) for heading, values in shown.items()}
    number = f"{len(machines):,} machine{'s' * (len(machines) > 1)}"
    lines = [f"{title}{number}, {len(recordings):,} recordings, {', '.join(common)}"]
    for name, *cells in [list(shown), *zip(*shown.values(), strict=True)]:
        aligned = [(cell or "-").rjust(width) for cell, width in zip(cells, list(widths.values())[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths["machine"]), *aligned]))
    return lines


def _count(recordings: pd.DataFrame) -> str:
    """How many recordings there are of each domain; empty where there is none."""
    if recordings.empty:
        return ""
    domains = recordings["domain"].value_counts()
    numbers = [domains.get(domain, 0) for domain in DOMAINS]
    if unknown := len(recordings) - sum(numbers):
        numbers = [*numbers, unknown] if any(numbers) else [unknown]
    return "+".join(map(str, numbers))


def _value(values: pd.Series) -> str:
    """What most recordings of a machine have or, where they differ, the range; a question mark where nobody knows."""
    values = values.dropna()
    if values.empty:
        return "?"
    if pd.notna(most := usual(values, least=0.5)):
        return f"{most:.6g}"
    return f"{values.min():.6g}-{values.max():.6g}"
