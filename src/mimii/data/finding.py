"""Sorts the audio files below a directory: which recording each one is, and why others are not used."""

import logging
import os
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from mimii.data.folders import UNUSABLE, USABLE, audio_files, one_form
from mimii.data.layouts import (
    BY_DOMAIN,
    FILE_NAME_FOLDERS,
    LABEL_FOLDERS,
    LAYOUTS,
    RENAMED,
    SPLIT_FOLDERS,
    SUPPLEMENTAL,
    VALIDATION_FOLDERS,
    Layout,
    PathFacts,
)
from mimii.data.machines import DATASET_MACHINE, machine_name
from mimii.errors import UserError

log = logging.getLogger(__name__)


class Found(NamedTuple):
    """A recording, what its path says, and the directory below which it lies: that of a label or a split.

    The data set is that of a challenge; it is empty where the layout has none.
    """

    path: str
    facts: PathFacts
    directory: Path
    dataset: str = ""


class Unused:
    """Audio files that are not used, by reason."""

    def __init__(self) -> None:
        self._paths: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._paths)

    def add(self, path: str, reason: str) -> None:
        """Count a file."""
        self._paths.setdefault(reason, []).append(path)

    def text(self, base: Path) -> str:
        """One line: how many files, and for each reason their number and the first path below ``base``."""
        count = sum(map(len, self._paths.values()))
        parts = [
            f"{len(paths):,} {reason} (the first is {os.path.relpath(paths[0], base)})"
            for reason, paths in self._paths.items()
        ]
        return f"{count:,} audio file{'s' * (count > 1)} below {base}: {'; '.join(parts)}"


def sort_files(base: Path, candidates: Sequence[str]) -> tuple[dict[str, list[Found]], Unused]:
    """Tell recordings, by layout, from other audio files.

    Parameters
    ----------
    base : Path
        Absolute.
    candidates : sequence of str
        Keys of ``LAYOUTS``.

    Raises
    ------
    UserError
        A machine's name is no plain text.
    """
    folders = list(audio_files(base))
    split_base = base if _has_splits(directory.relative_to(base).parts for directory, _ in folders) else None
    found: dict[str, list[Found]] = {}
    unused = Unused()
    nested: list[tuple[str, Found]] = []
    for directory, names in folders:
        for name in names:
            path = f"{directory}{os.sep}{name}"
            if name.lower().endswith(UNUSABLE):
                unused.add(path, f"of the format {Path(name).suffix[1:].lower()}, which is not read: convert to wav")
                continue
            recognised, recording = _recognise(base, directory, name, candidates, split_base)
            if recording is None:
                unused.add(path, _why_unused(base, directory, candidates, split_base is not None))
            elif recording.directory == directory:
                found.setdefault(recognised, []).append(recording)
            else:
                nested.append((recognised, recording))

    # a folder normal/ that holds machines is a data set's name
    every = chain(*found.values(), (recording for _, recording in nested))
    of_machines = {parent for directory in {item.directory for item in every} for parent in directory.parents}
    for recognised, recording in nested:
        if recording.directory in of_machines:
            unused.add(recording.path, "beside machines, in none of their folders")
        else:
            found.setdefault(recognised, []).append(recording)
    return found, unused


def _has_splits(paths: Iterable[tuple[str, ...]]) -> bool:
    """Tell whether a data set has folders for training and for evaluation, and not only a machine called `test`."""
    folders = {part.casefold() for parts in paths for part in parts}
    return len({SPLIT_FOLDERS[folder] for folder in folders if folder in SPLIT_FOLDERS}) > 1


def _recognise(
    base: Path, directory: Path, name: str, candidates: Iterable[str], split_base: Path | None
) -> tuple[str, Found | None]:
    """The layout that an audio file belongs to, and what its path says in the nearest directory that says anything."""
    below = PurePosixPath(name)
    upwards = directory
    while True:
        for candidate in candidates:
            if facts := LAYOUTS[candidate].read(upwards, below, split_base):
                machine = facts.machine
                if not "".join(machine).isprintable():
                    raise UserError(f"{os.fsencode(upwards.parent)!r}: a machine's name must be plain text; rename it")
                if not "".join((*machine, facts.name, facts.attributes)).isascii():
                    snr, machine_type, machine_id = map(one_form, machine)
                    facts = facts._replace(
                        machine=(snr, machine_type, machine_id),
                        name=one_form(facts.name),
                        attributes=one_form(facts.attributes),
                    )
                return candidate, Found(f"{directory}{os.sep}{name}", facts, upwards)
        if upwards == base:
            return "", None
        below = upwards.name / below
        upwards = upwards.parent


def _why_unused(base: Path, directory: Path, candidates: Sequence[str], has_splits: bool) -> str:
    folders = [part.casefold() for part in (base.name, *directory.relative_to(base).parts)]
    if SUPPLEMENTAL in folders and "dcase2021" in candidates:
        return "in supplemental/, with a name that says neither machine nor noise"
    if has_splits and any(folder in VALIDATION_FOLDERS for folder in folders):
        return "for validation: put them into train/ or test/ if they are to be used"
    if len({LABEL_FOLDERS[folder] for folder in folders if folder in LABEL_FOLDERS}) > 1:
        return "in the folder of one label inside that of the other"
    if list(candidates) != ["mimii"] and any(folder in FILE_NAME_FOLDERS for folder in folders):
        return "in train/ or test/, but neither with a name of the layout nor in a folder normal/ or abnormal/ there"
    return f"in no folder {'normal/ or abnormal/' if 'mimii' in candidates else 'train/ or test/'}"


def join_parts(recordings: Sequence[Found], layout: Layout, unused: Unused) -> list[Found]:
    """Join the parts of machines that lie in several directories, and drop second formats of the same recording.

    Parameters
    ----------
    recordings : sequence of Found
    layout : Layout
        Their layout.
    unused : Unused
        Gets the second formats.

    Raises
    ------
    UserError
        Two directories hold the same recordings of a machine.
    """
    best: dict[tuple, Found] = {}
    for recording in sorted(recordings, key=lambda recording: _preference(recording.path)):
        facts = recording.facts
        key = (recording.directory, facts.label, _stem(facts.name), facts.machine)
        if key in best:
            unused.add(recording.path, "in another format beside the same name")
        else:
            best[key] = recording

    firsts: dict[tuple, Found] = {}
    for recording in best.values():
        facts = recording.facts
        name = layout.clip(_stem(facts.name))
        first = firsts.setdefault((recording.dataset, facts.machine, facts.label, name), recording)
        if first.directory != recording.directory:
            raise UserError(
                f"{first.directory.parent} and {recording.directory.parent} both hold machine "
                f"'{machine_name(facts.machine)}', with {facts.name} and perhaps others in each: point --base_dir at "
                "one of the two data sets, or remove the one you do not need"
            )
    homes: dict[tuple, dict[tuple, Path]] = {}  # of each machine: its directories, apart from their split
    places = dict.fromkeys((one.dataset, *one.facts.machine, one.directory) for one in best.values())
    for *of_machine, directory in places:
        home = directory.parent
        without_split = tuple(part for part in home.parts if part.casefold() not in SPLIT_FOLDERS)
        homes.setdefault(tuple(of_machine), {}).setdefault(without_split, home)
    if joined := {machine: list(found.values()) for machine, found in homes.items() if len(found) > 1}:
        machine, (first_home, second_home, *_) = next(iter(joined.items()))
        log.info(
            "The parts of %d machine(s) are joined, such as those of '%s' in %s and %s.",
            len(joined),
            machine_name(machine),
            first_home,
            second_home,
        )
    if half := [machine for machine in homes if machine[-1].casefold() in SPLIT_FOLDERS]:
        log.warning(
            "The folder of machine '%s' is taken for its name: the data set has no other part that would make it a "
            "split into train/ and test/.",
            machine_name(half[0]),
        )
    return list(best.values())


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _preference(path: str) -> int:
    return USABLE.index(next(suffix for suffix in USABLE if path.lower().endswith(suffix)))


def drop_copies(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the recordings for evaluation that a data set holds twice, as the baseline of DCASE leaves it.

    Clips of ``test/`` lie in ``test_rename/`` once more, where their names have labels, and those of ``source_test/``
    and ``target_test/`` in ``test/``.

    Parameters
    ----------
    table : pd.DataFrame
        With the columns of `mimii.data.recordings.find_recordings`. The column ``published_as`` receives the names of
        clips that are left out with the names of their copies that are used.
    """
    parts = [name.casefold().partition("/") for name in table["name"]]
    folders, files = (np.array([part[place] for part in parts], dtype=object) for place in (0, 2))
    is_known = (table["digest"] != "").to_numpy()
    is_renamed = (folders == RENAMED) & is_known
    if is_renamed.any():
        copies = _contents(table)
        is_copy = copies.isin(copies[is_renamed]) & ~is_renamed & (table["given_split"] == "eval").to_numpy()
        if count := int(is_copy.sum()):
            log.info("%d recordings of test/ are used with the labels of their copies in %s/.", count, RENAMED)
            published = dict(zip(copies[is_copy], table.loc[is_copy, "path"].map(os.path.basename), strict=True))
            names = [
                published.get(copy, "") if renamed else "" for copy, renamed in zip(copies, is_renamed, strict=True)
            ]
            table = table.assign(published_as=names)
        keep = ~is_copy
        table, folders, files, is_known = table[keep], folders[keep], files[keep], is_known[keep]
    is_by_domain = np.isin(folders, BY_DOMAIN) & is_known
    if is_by_domain.any():
        copies = _contents(table.assign(file=files), "file")
        table = table[~(copies.isin(copies[is_by_domain]) & (folders == "test"))]
    return table.reset_index(drop=True)


def _contents(table: pd.DataFrame, *columns: str) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(table[[*DATASET_MACHINE, "digest", *columns]])
