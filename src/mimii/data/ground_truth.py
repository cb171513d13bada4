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

from mimii.data.datasets import year_of, year_of_file
from mimii.data.folders import without_ending
from mimii.data.layouts import LAYOUTS, RENAMED, PathFacts
from mimii.data.machines import DATASET_MACHINE, LABELS, UNLABELLED
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
_ATTRIBUTES_FOLDER = "ground_truth_attributes"
_DOMAINS = ("source", "target")  # which numbers stand for
_KINDS = "ground_truth_<machine type>_section_XX_test.csv or eval_data_list_20XX.csv"


class Clip(NamedTuple):
    """A clip of a challenge: the year where a path says it, the machine type and the name, both in small letters."""

    year: str
    machine_type: str
    name: str


class Facts(NamedTuple):
    """What is known of a clip; what is not is empty."""

    label: str = ""
    domain: str = ""
    attributes: str = ""


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
    last_file: dict[Clip, str] = {}
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
                last_file[clip] = path.name
    if differing := [clip for clip, named in by_name.items() if _differ(named, by_number[clip])]:
        log.warning(
            "Ground truth: the names of %d clip(s), such as %s in %s, have another label or domain than the numbers; "
            "the numbers count, as in the evaluator.",
            len(differing),
            differing[0].name,
            last_file[differing[0]],
        )
    return {clip: _joined(numbers, by_name[clip]) for clip, numbers in by_number.items()}


def _differ(one: Facts, other: Facts) -> bool:
    """Tell whether two know different labels or domains."""
    return any(a and b and a != b for a, b in ((one.label, other.label), (one.domain, other.domain)))


def _text(facts: Facts) -> str:
    return " and ".join(filter(None, facts))


def _joined(first: Facts, second: Facts) -> Facts:
    """What both know; where they differ, the first counts."""
    return Facts(*(one or other for one, other in zip(first, second, strict=True)))


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
    is_of_domains = "domain" in path.name.casefold() or "domain" in path.parent.name.casefold()
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
            raise UserError(f"--ground_truth {path}, line {number}: {','.join(row)!r} does not say what a clip is")


def _rows(path: Path) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"--ground_truth {path} can't be read ({error})") from error


def _facts(values: Iterable[str], is_of_domains: bool) -> tuple[Facts, Facts]:
    """What numbers say, and what names say, of which the last with attributes counts; raises `ValueError`."""
    numbers, named = Facts(), Facts()
    for value in values:
        if value in ("0", "1"):
            index = int(value)
            numbers = Facts(domain=_DOMAINS[index]) if is_of_domains else Facts(label=LABELS[index])
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
    """Give the clips for evaluation the labels, domains and attributes that their names do not say.

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
    folders = table["name"].str.partition("/")[0].str.casefold()
    is_hidden = (table["given_split"] == "eval") & (table["label"] == UNLABELLED) & (folders != RENAMED)
    label, domain, attributes = (table[name].tolist() for name in ("label", "domain", "attributes"))
    used: dict[Clip, str] = {}
    for position in is_hidden.to_numpy().nonzero()[0]:
        row = table.iloc[position]
        if not (meant := _meant(row, truth)):
            continue
        clip, facts = meant
        if used.setdefault(clip, row["dataset"]) != row["dataset"]:
            raise UserError(
                f"--ground_truth: a file about {row['machine_type']} fits the data sets {used[clip]} and "
                f"{row['dataset']}; put it into a folder whose name has the year, such as dcase2023"
            )
        label[position] = facts.label or label[position]
        domain[position] = domain[position] or facts.domain
        attributes[position] = attributes[position] or facts.attributes
    if not used:
        raise UserError(
            "--ground_truth names no clip of the data set that has no label: see that it is of the same year, and that "
            "the evaluation set is below --base_dir"
        )
    _report(used, truth)
    return table.assign(label=label, domain=domain, attributes=attributes).sort_values(
        [*DATASET_MACHINE, "label", "name"], ignore_index=True
    )


def _meant(row: "pd.Series", truth: dict[Clip, Facts]) -> tuple[Clip, Facts] | None:
    """What the ground truth says of a recording; that of its year comes first."""
    year, machine_type, name = year_of(row["dataset"]), row["machine_type"].casefold(), _stem(row["name"])
    years = (year, "") if year else dict.fromkeys(clip.year for clip in truth)
    found = [(clip, truth[clip]) for one in years if (clip := Clip(one, machine_type, name)) in truth]
    if len({facts for _, facts in found}) > 1 and not year:
        raise UserError(
            f"--ground_truth: files of several years are about {row['machine_type']}; say which data set this is, such "
            "as --dataset dcase2023"
        )
    return found[0] if found else None


def _report(used: dict[Clip, str], truth: dict[Clip, Facts]) -> None:
    """Say how many clips received a label, and which are not there."""
    for name in sorted(set(used.values())):
        clips = [clip for clip, dataset in used.items() if dataset == name and truth[clip].label]
        types = {clip.machine_type for clip in clips}
        about = {(clip.year, clip.machine_type) for clip in clips}
        absent = [clip for clip in truth if (clip.year, clip.machine_type) in about and clip not in used]
        log.info("Ground truth: labels of %d clips of %d machine type(s) of %s.", len(clips), len(types), name)
        if absent:
            log.warning(
                "The ground truth names %d more clip(s) of these machine types, which are not below --base_dir or have "
                "labels of their own, such as %s.",
                len(absent),
                absent[0].name,
            )
