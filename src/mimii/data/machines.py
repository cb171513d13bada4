"""What a machine and a label are called. Standard library only."""

from collections.abc import Container, Iterable

MACHINE = ["snr", "machine_type", "machine_id"]  # the columns that tell one machine from another
DATASET_MACHINE = ["dataset", *MACHINE]  # the same where several data sets are in one table
LABELS = ("normal", "abnormal")
DOMAINS = ("source", "target")  # of a challenge: the conditions of training, and others
UNLABELLED = "unlabelled"  # the label of a recording whose label is withheld, as in a challenge's evaluation set
Machine = tuple[str, str, str]  # SNR, machine type and machine ID; a part that is not known is empty
ALL = "all"  # stands for the parts that the machines of a machine group do not share


def machine_columns(table: Container[str]) -> list[str]:
    """The columns of a table that tell its machines apart; one of a single data set need not name it."""
    return [name for name in DATASET_MACHINE if name in table]


def machine_name(machine: Iterable[str]) -> str:
    """SNR, type and ID as one name, without the parts that are empty."""
    return " ".join(part for part in machine if part)
