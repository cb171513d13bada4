"""The columns of the two tables of official scores of DCASE's task 2: ``SCORES`` and ``MACHINES``."""

import pandas as pd

from mimii.storage import schema
from mimii.storage.schema import Column

KEY = "score_id"
SETTINGS = [column for column in schema.of_table("detection") if column.group == "setting"]
WHOLE = {column.name for column in schema.COLUMNS if not column.is_text and not column.decimals}
SYSTEM = ["model", *(column.name for column in SETTINGS), "seed"]  # what tells one system from another

AREAS = ("auc", "auc_source", "auc_target", "pauc", "pauc_source", "pauc_target")
_DECISIONS = ("precision", "recall", "f1")
_SUFFIXES = {"": "", "_source": " source", "_target": " target"}
FIGURES = [*AREAS, *(f"{name}{suffix}" for name in _DECISIONS for suffix in _SUFFIXES)]  # of a machine, from 0 to 1


def _of_both(key: str) -> list[Column]:
    """What the rows of both tables begin with."""
    by_name = {column.name: column for column in schema.COLUMNS}
    return [
        Column(KEY, "Score", "fact", key, is_text=True),
        Column("dataset", "Data set", "subject", "name of the data set", is_text=True),
        Column("part", "Part", "subject", "`development`, `evaluation` or, in the first table, `both`", is_text=True),
        Column("definition", "Definition", "fact", "year that the score's definition is from", decimals=0),
        *(by_name[name] for name in SYSTEM),
    ]


def _area(name: str, meaning: str) -> Column:
    kind, _, domain = name.partition("_")
    heading = {"auc": "AUC", "pauc": "pAUC"}[kind]
    return Column(name, f"{heading} {domain}".strip(), "quality", f"{meaning} {heading}" + f", {domain}" * bool(domain))


_GAP = Column(
    "gap", "Missing", "fact", "why there is no score: clips that are not there, or of no known domain", is_text=True
)
_TIME = Column("timestamp", "Time", "fact", "when the row was written, UTC", is_text=True)

SCORES = [
    *_of_both("digest of the runs that the score is of, of the time of each, and of the number of machines"),
    Column("score", "Official score", "quality", "the official score; empty where there is none"),
    Column("low", "Low", "quality", "lower end of its 95 % bootstrap interval"),
    Column("high", "High", "quality", "upper end"),
    *(_area(name, "mean over the machines, as the definition takes it:") for name in AREAS),
    Column("scored_machines", "Machines", "fact", "labelled machines that the score covers", decimals=0),
    Column("machines", "All machines", "fact", "machines of that part, without labels or with", decimals=0),
    Column("scored_clips", "Clips", "fact", "labelled clips of the machines that the score covers", decimals=0),
    Column("clips", "All clips", "fact", "clips for evaluation of these machines, without labels or with", decimals=0),
    _GAP,
    Column("run_ids", "Runs", "fact", "`run_id` of each of them, separated by blanks", is_text=True),
    _TIME,
]
MACHINES = [
    *_of_both("digest of the run and its time"),
    Column("machine_type", "Machine type", "subject", "such as `fan`", is_text=True),
    Column("machine_id", "Machine ID", "subject", "such as `id_00` or `section_00`", is_text=True),
    *(_area(name, "as the definition has it:") for name in AREAS),
    *(
        Column(
            f"{name}{suffix}",
            f"{schema.heading(name)}{words}",
            "decision",
            f"{schema.heading(name)} at the threshold" + f", of the{words} domain's own clips" * bool(words),
        )
        for name in _DECISIONS
        for suffix, words in _SUFFIXES.items()
    ),
    Column("threshold", "Threshold", "decision", "a clip with a higher score counts as abnormal"),
    Column("normal", "Normal", "fact", "normal clips", decimals=0),
    Column("abnormal", "Abnormal", "fact", "abnormal clips", decimals=0),
    _GAP,
    Column("run_id", "Run", "fact", "`run_id` in the table of results", is_text=True),
    _TIME,
]


def names(columns: list[Column]) -> list[str]:
    """The names of columns."""
    return [column.name for column in columns]


def convert(table: pd.DataFrame) -> pd.DataFrame:
    """Give the columns of one of the two tables their types: an empty number is NaN, a text stays as it is."""
    numbers = {column.name for column in (*SCORES, *MACHINES) if not column.is_text}
    found = [name for name in table.columns if name in numbers]
    return table.assign(**{name: pd.to_numeric(table[name], errors="coerce") for name in found})
