"""What a machine and a label are called. Standard library only."""

from collections.abc import Iterable

MACHINE = ["snr", "machine_type", "machine_id"]  # the columns that tell one machine from another
LABELS = ("normal", "abnormal")
UNLABELLED = "unlabelled"  # the label of a recording whose label is withheld, as in a challenge's evaluation set
Machine = tuple[str, str, str]  # SNR, machine type and machine ID; a part that is not known is empty
ALL = "all"  # stands for the parts that the machines of a machine group do not share


def machine_name(machine: Iterable[str]) -> str:
    """SNR, type and ID as one name, without the parts that are empty."""
    return " ".join(part for part in machine if part)
