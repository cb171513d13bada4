"""Labels, domains and attributes of evaluation clips, as the organisers of DCASE publish them after a challenge.

Two kinds of files are read: those of the evaluators, ``ground_truth_<machine type>_section_XX_test.csv`` in folders for
labels, domains and attributes, and the baseline's ``eval_data_list_20XX.csv``, which names the clips of each machine
type with the names that have labels.
"""

import csv
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mimii.data.datasets import year_of, year_of_file
from mimii.data.folders import without_ending
from mimii.data.layouts import LAYOUTS, RENAMED, PathFacts
from mimii.data.machines import DATASET_MACHINE, DOMAINS, LABELS, UNLABELLED
from mimii.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

_EVALUATOR = re.compile(
    r"ground_truth_(?:(?:data|domain|attributes?)_)?(?P<machine_type>.+?)_(?:section|id)_\d+(?:_.*)?\.csv",
    re.IGNORECASE,
)
_LIST = re.compile(r"eval_data_list.*\.csv", re.IGNORECASE)
_ATTRIBUTES = re.compile(r"attributes_\d+\.csv", re.IGNORECASE)  # of 2022's evaluator, in a folder by machine type
_ATTRIBUTES_FOLDER, _DOMAIN_FOLDER = "ground_truth_attributes", "ground_truth_domain"
_COLUMNS = ("label", "domain", "attributes")  # of the table of recordings
_KINDS = "ground_truth_<machine type>_section_XX_test.csv or eval_data_list_20XX.csv"


class Clip(NamedTuple):
    """A clip of a challenge: the year where a path says it, the machine type and the name, both in small letters."""

    year: str
    machine_type: str
    name: str


class Facts(NamedTuple):
    """What is known of a clip; what is not is empty. It is disputed where a number and a name differ."""

    label: str = ""
    domain: str = ""
    attributes: str = ""
    is_disputed: bool = False


def read(paths: Sequence[Path]) -> dict[Clip, Facts]:
    """Read files of ground truth.

    A number comes before what a name says: in 2022 the names of some clips of ToyCar and ToyTrain have other labels
    than those that the evaluator computes the score with.

    Parameters
    ----------
    paths : sequence of Path
        Files, or directories that are searched for files.

    Raises
    ------
    UserError
        There is no such file, or it is of another kind or can't be read.
    """
    by_number: dict[Clip, Facts] = {}
    by_name: dict[Clip, Facts] = {}
    for given in paths:
        base = (given if given.is_dir() else given.parent).absolute()
        for path in _files(given):
            for clip, numbers, named in _read_file(path.absolute(), base):
                before = by_number.get(clip, Facts())
                if _differ(before, numbers):
                    raise UserError(
                        f"--ground_truth {path} says {_text(numbers)} of {clip.name}, and before it was {_text(before)}"
                    )
                by_number[clip] = _joined(before, numbers)
                by_name[clip] = _joined(by_name.get(clip, Facts()), named)
    return {
        clip: _joined(numbers, by_name[clip])._replace(is_disputed=_differ(numbers, by_name[clip]))
        for clip, numbers in by_number.items()
    }


def _differ(one: Facts, other: Facts) -> bool:
    """Tell whether two know different labels or domains."""
    return any(a and b and a != b for a, b in ((one.label, other.label), (one.domain, other.domain)))


def _text(facts: Facts) -> str:
    return " and ".join(filter(None, facts[:3]))


def _joined(first: Facts, second: Facts) -> Facts:
    """What both know; where they differ, the first counts."""
    return Facts(first.label or second.label, first.domain or second.domain, first.attributes or second.attributes)


def _files(given: Path) -> list[Path]:
    if not given.exists():
        raise UserError(f"--ground_truth {given} does not exist: give a directory with {_KINDS}")
    if given.is_dir():
        found = [path for path in sorted(given.rglob("*.csv")) if _is_truth(path)]
        if not found:
            raise UserError(f"--ground_truth {given} holds no {_KINDS}: choose the directory of an evaluator")
        return found
    if not _is_truth(given):
        raise UserError(f"--ground_truth {given} is no ground truth by its name, which would be {_KINDS}")
    return [given]


def _is_truth(path: Path) -> bool:
    if _ATTRIBUTES.fullmatch(path.name):
        return path.parent.parent.name.casefold() == _ATTRIBUTES_FOLDER
    return bool(_EVALUATOR.fullmatch(path.name) or _LIST.fullmatch(path.name))


def _read_file(path: Path, base: Path) -> Iterator[tuple[Clip, Facts, Facts]]:
    """Each clip of a file, what numbers say of it, and what names say."""
    match, year = _EVALUATOR.fullmatch(path.name), year_of_file(path, base)
    is_of_attributes = _ATTRIBUTES.fullmatch(path.name) is not None
    is_of_domains = "domain" in path.name.casefold() or path.parent.name.casefold() == _DOMAIN_FOLDER
    machine_type = match["machine_type"] if match else path.parent.name if is_of_attributes else ""
    for number, row in enumerate(_rows(path), start=1):
        values = [value.strip() for value in row if value.strip()]
        if len(values) == 1 and not _named(values[0]) and not match:  # of a list: the clips of a machine type follow
            machine_type = values[0]
        elif len(values) > 1 and machine_type and _named(values[0]):
            others = [value for value in values[1:] if _named(value)] if is_of_attributes else values[1:]
            try:
                numbers, named = _facts(others, is_of_domains)
            except ValueError as error:
                raise UserError(f"--ground_truth {path}, line {number}: {error}") from error
            yield Clip(year, machine_type.casefold(), _stem(values[0])), numbers, named
        elif values and number > 1:  # a first line may be one of headings
            hint = "; commas must separate the columns" if len(row) == 1 and re.search(r"[;\t]", row[0]) else ""
            raise UserError(
                f"--ground_truth {path}, line {number}: {','.join(row)!r} does not say what a clip is{hint}"
            )


def _rows(path: Path) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"--ground_truth {path} can't be read ({error})") from error
    if not any(rows):
        log.warning("--ground_truth %s is empty.", path)
    return rows


def _facts(values: Iterable[str], is_of_domains: bool) -> tuple[Facts, Facts]:
    """What numbers say, and what names say, of which the last with attributes counts; raises `ValueError`."""
    numbers, named = Facts(), Facts()
    for value in values:
        if value in ("0", "1"):
            index = int(value)
            numbers = Facts(domain=DOMAINS[index]) if is_of_domains else Facts(label=LABELS[index])
        elif facts := _named(value):
            label = "" if facts.label == UNLABELLED else facts.label
            named = _joined(Facts(label, facts.domain, facts.attributes), named)
        else:
            raise ValueError(f"{value!r} is neither 0 nor 1 nor the name of a clip")
    return numbers, named


def _named(text: str) -> PathFacts | None:
    """What the name of a clip says, with or without its ending; None where it is none."""
    name = PurePosixPath(f"{without_ending(PurePosixPath(text).name)}.wav")
    for layout in ("dcase2020", "dcase2021"):
        if facts := LAYOUTS[layout].read(Path("/machine/test"), name):
            return facts
    return None


def _stem(name: str) -> str:
    return without_ending(PurePosixPath(name).name).casefold()


def apply(table: "pd.DataFrame", truth: dict[Clip, Facts]) -> "pd.DataFrame":
    """Give clips for evaluation the labels, domains and attributes that the names of the published files do not say.

    The ground truth also counts for copies in ``test_rename/``, whose names may have other labels.

    Parameters
    ----------
    table : pd.DataFrame
        With the columns of `mimii.data.recordings.find_recordings`.
    truth : dict of Clip to Facts

    Raises
    ------
    UserError
        Nothing in the table is meant, or it is not clear which year a file is of.
    """
    is_renamed = (table["published_as"] != "").to_numpy()
    is_hidden = ((table["given_split"] == "eval") & (table["label"] == UNLABELLED)).to_numpy()
    published: list[str] = np.where(is_renamed, table["published_as"], table["name"]).tolist()
    datasets: list[str] = table["dataset"].tolist()
    machine_types: list[str] = table["machine_type"].tolist()
    columns = [table[name].tolist() for name in _COLUMNS]
    years = list(dict.fromkeys(clip.year for clip in truth))
    used: dict[Clip, str] = {}
    relabelled = 0
    for position in np.flatnonzero(is_hidden | is_renamed).tolist():
        dataset, machine_type = datasets[position], machine_types[position]
        if not (meant := _meant(dataset, machine_type, _stem(published[position]), truth, years)):
            continue
        clip, facts = meant
        if used.setdefault(clip, dataset) != dataset:
            raise UserError(
                f"--ground_truth: a file about {machine_type} fits the data sets {used[clip]} and {dataset}; put it "
                f"into a folder whose name has the year, such as {dataset}"
            )
        known = Facts(*(column[position] for column in columns))
        if is_renamed[position]:
            relabelled += bool(facts.label) and facts.label != known.label
            found = _joined(facts, known)
        else:
            found = Facts(
                facts.label or known.label, known.domain or facts.domain, known.attributes or facts.attributes
            )
        for column, value in zip(columns, found[:3], strict=True):
            column[position] = value
    if not used:
        of_years = ", ".join(sorted({f"dcase{year}" for year in years if year})) or "a year that is not known"
        raise UserError(
            f"--ground_truth is of {of_years} and names no clip of {', '.join(sorted(set(datasets)))} whose label is "
            "withheld: give that of the same year, and have the evaluation set below --base_dir"
        )
    if disputed := [clip for clip in used if truth[clip].is_disputed]:
        log.warning(
            "Ground truth: %d clip(s), such as %s of dcase%s, have another label or domain in a list of names than in "
            "numbers; the numbers count, as in the evaluator.",
            len(disputed),
            disputed[0].name,
            disputed[0].year,
        )
    if relabelled:
        log.warning(
            "Ground truth: %d recording(s) of %s/ have another label in their name; the ground truth counts.",
            relabelled,
            RENAMED,
        )
    _report(used, truth)
    facts_of_all = dict(zip(_COLUMNS, columns, strict=True))
    return table.assign(**facts_of_all).sort_values([*DATASET_MACHINE, "label", "name"], ignore_index=True)


def _meant(
    dataset: str, machine_type: str, name: str, truth: dict[Clip, Facts], years: Sequence[str]
) -> tuple[Clip, Facts] | None:
    """What the ground truth says of a recording; that of its year comes first."""
    year = year_of(dataset)
    clips = [Clip(one, machine_type.casefold(), name) for one in ((year, "") if year else years)]
    found = [(clip, truth[clip]) for clip in clips if clip in truth]
    if not year and len({facts for _, facts in found}) > 1:
        raise UserError(
            f"--ground_truth: files of several years are about {machine_type} of {dataset}, whose year is not known: "
            f"put the year into the name of its folder, such as dcase{clips[0].year}"
        )
    return found[0] if found else None


def _report(used: dict[Clip, str], truth: dict[Clip, Facts]) -> None:
    """Say how many clips received a label, and which are not there."""
    for name in sorted(set(used.values())):
        clips = [clip for clip, dataset in used.items() if dataset == name and truth[clip].label]
        types = {clip.machine_type for clip in clips}
        about = {(clip.year, clip.machine_type) for clip in clips}
        if name and any(not clip.year for clip in clips):
            log.warning(
                "The ground truth of %s has no year in its path and is taken for that of %s.",
                ", ".join(sorted({clip.machine_type for clip in clips if not clip.year})),
                name,
            )
        absent = [clip for clip in truth if (clip.year, clip.machine_type) in about and clip not in used]
        log.info("Ground truth: labels of %d clips of %d machine type(s) of %s.", len(clips), len(types), name)
        if absent:
            log.warning(
                "The ground truth names %d more clip(s) of these machine types, such as %s, which are not below "
                "--base_dir or not chosen.",
                len(absent),
                absent[0].name,
            )
