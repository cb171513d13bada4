"""Finds recordings, as a table that everything else filters or groups."""

import logging
import os
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from mimii.data import attributes, ground_truth
from mimii.data.content import contents
from mimii.data.datasets import choose_data_set, name_data_sets, parts
from mimii.data.finding import Found, Unused, drop_copies, join_parts, sort_files
from mimii.data.folders import on_disk, one_form
from mimii.data.layouts import LAYOUTS, canonical_snr
from mimii.data.machines import DATASET_MACHINE, MACHINE
from mimii.errors import UserError
from mimii.runtime.spelling import did_you_mean

log = logging.getLogger(__name__)

# a data set is synthetic where its README begins like this
README_NAME = "README.txt"
SYNTHETIC_MARK = "SYNTHETIC"


def find_recordings(
    base_dir: Path, layout: str = "auto", *, dataset: str | None = None, truth: Sequence[Path] = ()
) -> pd.DataFrame:
    """Find every machine below a directory. One warning counts the audio files that are not used, and says why.

    MIMII: a directory with recordings in ``normal/`` or ``abnormal/`` is a machine. Its type and its SNR may be named
    above ``base_dir``, so that it can point at all of MIMII, at one SNR, at one type or at one machine. Where the data
    set has folders ``train`` and ``test`` above or right below the labels, they give the split.

    DCASE: a directory with recordings in ``train/`` or ``test/`` is a machine type, and the file names tell the rest;
    a section is a machine. The data sets of several years are told apart, see `mimii.data.datasets`.

    The parts of a machine may lie in several directories, as archives unpack side by side.

    Parameters
    ----------
    base_dir : Path
        Where to look; symbolic links are followed.
    layout : str
        A key of ``LAYOUTS``, or ``auto``.
    dataset : str, optional
        The name of the data set; of several the one that has it.
    truth : sequence of Path
        Files or directories that say what evaluation clips without labels are; see `mimii.data.ground_truth`.

    Returns
    -------
    pd.DataFrame
        A row a recording, sorted by data set, machine, label and name, with the columns

        - path : str, absolute
        - dataset : str, ``dcase2024`` or another name; empty in MIMII's layout where nobody gives one
        - snr : str, ``6dB``, ``0dB``, ``min6dB`` ..., empty where the path has none
        - machine_type, machine_id : str, with composed letters; the ID is empty where the path has none
        - label : str, ``normal``, ``abnormal`` or ``unlabelled``
        - name : str, the path below the machine's label, or below the machine type in the DCASE layouts
        - given_split : str, ``train`` or ``eval`` where the data set has a split, else empty; ``supplemental`` for
          what is neither
        - domain : str, ``source`` or ``target`` where the layout has domains, else empty
        - attributes : str, how the machine ran, from the file name of DCASE 2021 or later, from a list beside the
          recordings or from the ground truth; see `mimii.data.attributes`
        - supplement : str, ``clean`` or ``noise`` for supplemental recordings, else empty
        - published_as : str, the file name under which the organisers published a clip that was renamed, else empty
        - size : int [bytes], mtime : int [ns]
        - digest : str, of the content (see `mimii.data.content.content`); with the name it tells a recording from
          others and from its changed version
        - layout : str, the key of ``LAYOUTS`` that was recognised
        - part : str, ``development`` or ``evaluation``: the part of the challenge's data set that the machine is in;
          empty in MIMII's layout

    Raises
    ------
    UserError
        The directory is missing, has no recordings, holds the same recordings of a machine twice or a machine whose
        name is no plain text, holds several layouts that can't be told apart as data sets, has no data set of the given
        name, or the ground truth can't be used.
    """
    base_dir = on_disk(base_dir)
    if not base_dir.is_dir():
        problem = "is not a directory" if base_dir.exists() else "does not exist"
        raise UserError(f"--base_dir {base_dir} {problem}: give the directory that holds {LAYOUTS['mimii'].pattern}")

    base = Path(os.path.abspath(base_dir))  # noqa: PTH100 (not resolve(): a link may be what says 6dB)
    candidates = list(LAYOUTS) if layout == "auto" else [layout]
    found, unused = sort_files(base, candidates)
    if not found:
        raise UserError(_nothing_found(base_dir, candidates, unused))
    for recognised in found:
        if recognised != "mimii":
            found[recognised] = name_data_sets(found[recognised])
    chosen = {name: [one for one in recordings if one.dataset == dataset] for name, recordings in found.items()}
    if dataset == "mimii" and "mimii" in found:
        found = {"mimii": found["mimii"]}
    elif dataset and any(chosen.values()):  # others need not even fit together
        found = {name: recordings for name, recordings in chosen.items() if recordings}
    names = [{recording.dataset for recording in recordings} for recordings in found.values()]
    is_clear = len(set().union(*names)) == sum(map(len, names))
    if not is_clear or ("mimii" in found and len(found) > 1):
        others = sorted(name or "mimii" for name in set().union(*names)) if is_clear else []
        raise UserError(
            f"{base_dir} holds data sets of several layouts; choose one: --layout {' or '.join(found)}"
            + f", or --dataset {' or '.join(others)}" * bool(others)
        )
    table = pd.concat(
        [
            _table(join_parts(recordings, LAYOUTS[recognised], unused)).assign(layout=recognised)
            for recognised, recordings in found.items()
        ]
    )
    if list(found) != ["mimii"]:
        table = drop_copies(table)
    if unused:
        log.warning("Not used, %s.", unused.text(base))
    return _completed(table.sort_values([*DATASET_MACHINE, "label", "name"], ignore_index=True), dataset, truth)


def _table(recordings: list[Found]) -> pd.DataFrame:
    rows = [
        (recording.path, recording.dataset, *facts.machine, *facts[1:])
        for recording in recordings
        for facts in [recording.facts]
    ]
    facts = ["label", "name", "given_split", "domain", "attributes", "supplement"]
    table = pd.DataFrame(rows, columns=["path", *DATASET_MACHINE, *facts]).assign(published_as="")
    looks = pd.DataFrame(contents(table["path"]), columns=["size", "mtime", "digest"])
    return table.join(looks)


def _completed(table: pd.DataFrame, dataset: str | None, truth: Sequence[Path]) -> pd.DataFrame:
    """Add what other files and the options say of recordings."""
    table = choose_data_set(table, dataset)
    table = table.assign(part=parts(table))
    if (table["layout"] == "dcase2021").any():
        table = attributes.with_lists(table)
    return ground_truth.apply(table, ground_truth.read(truth)) if truth else table


def _nothing_found(base_dir: Path, candidates: Collection[str], unused: Unused) -> str:
    """Why a directory has no recordings, and what to do."""
    patterns = " or ".join(LAYOUTS[name].pattern for name in candidates)
    if not unused:
        return f"no recordings of the layout {patterns} below {base_dir}; found {_contents(base_dir)}"
    if "mimii" in candidates:
        advice = "Put the sounds of each machine into <machine>/normal and <machine>/abnormal"
    else:
        advice = "Leave --layout out, and the layout is recognised"
    return f"no recordings of the layout {patterns}, but {unused.text(base_dir)}. {advice}"


def _contents(base_dir: Path) -> str:
    """What a user would see first in a directory, in a few words."""
    try:
        names = sorted(path.name + ("/" if path.is_dir() else "") for path in base_dir.iterdir())
    except OSError as error:
        return f"that it can't be read ({error.strerror})"
    if not names:
        return "an empty directory"
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def select(recordings: pd.DataFrame, **wanted: Collection[str] | None) -> pd.DataFrame:
    """Keep the recordings whose columns have one of the wanted values.

    Parameters
    ----------
    recordings : pd.DataFrame
        As `find_recordings` gives it.
    **wanted : collection of str, or None
        For each column the values to keep; None keeps all. An SNR may be written as paths may: ``-6dB``, ``-6_dB``.

    Raises
    ------
    UserError
        No recording of the data set has one of the values, or none has all of them together.
    """
    selected = recordings
    for column, values in wanted.items():
        if values is None:
            continue
        values = [canonical_snr(value) if column == "snr" else one_form(value) for value in values]
        present = sorted(recordings[column].unique())
        if missing := [value for value in values if value not in present]:
            choices = ", ".join(filter(None, present)) or "none"
            suggestion = did_you_mean(missing[0], present)
            raise UserError(f"--{column} {' '.join(missing)} is not in the data set, which has {choices}{suggestion}")
        selected = selected[selected[column].isin(values)]
    if selected.empty:
        raise UserError("no machine has all of the selected --snr, --machine_type and --machine_id together")
    return selected.reset_index(drop=True)


def is_synthetic(path: str | Path) -> bool:
    """Tell whether a recording lies in a data set whose README calls itself synthetic."""
    return any(_calls_itself_synthetic(parent / README_NAME) for parent in Path(path).parents)


def _calls_itself_synthetic(readme: Path) -> bool:
    try:
        with open(readme, encoding="utf-8", errors="replace") as file:
            return file.readline().startswith(SYNTHETIC_MARK)
    except OSError:
        return False


def fingerprint(recordings: pd.DataFrame) -> list[list]:
    """Facts that tell one set of recordings from another, and a recording from its changed version.

    A copied or touched data set is the same one.
    """
    return recordings[[*MACHINE, "label", "name", "digest"]].values.tolist()
