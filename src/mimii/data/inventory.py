"""Looks at what a data set holds, machine by machine, and finds the recordings that are unlike the others of theirs."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import soundfile

from mimii.data import disk
from mimii.data.folders import audio_files
from mimii.data.layouts import FILE_NAME_FOLDERS
from mimii.data.machines import MACHINE, UNLABELLED, machine_name
from mimii.data.wav import HeaderError, open_recording, read_header, unfinished

_FACTS = {"channels": "channels", "sample_rate": "sample rate [Hz]", "seconds": "length [s]"}
_UNKNOWN = float("nan")
_ATTRIBUTES = re.compile(r"attributes_(\d+)\.csv", re.IGNORECASE)


class Look(NamedTuple):
    """What the header of a recording says.

    Attributes
    ----------
    channels, sample_rate, seconds : float
        The sample rate in Hz; NaN where the recording has a fault.
    fault : str
        Empty where it has none.
    """

    channels: float = _UNKNOWN
    sample_rate: float = _UNKNOWN
    seconds: float = _UNKNOWN
    fault: str = ""


@dataclass(frozen=True)
class Inventory:
    """What `take` found in a data set.

    Attributes
    ----------
    name : str
    base_dir : Path
    recordings : pd.DataFrame
        With the columns of `mimii.data.recordings.find_recordings` and those of `Look`. A recording that is unlike the
        others of its machine has a fault, too.
    problems : list of str
        A line for whatever else is wrong.
    notes : list of str
        A line for what is no fault, and good to know.
    """

    name: str
    base_dir: Path
    recordings: pd.DataFrame
    problems: list[str]
    notes: list[str]

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems and bool((self.recordings["fault"] == "").all())


def take(name: str, base_dir: Path, recordings: pd.DataFrame) -> Inventory:
    """Look at the recordings of a data set and compare them with each other. Reads headers only.

    Parameters
    ----------
    name : str
    base_dir : Path
        The paths in messages are relative to it.
    recordings : pd.DataFrame
        Those of one data set, as `mimii.data.recordings.find_recordings` gives them.
    """
    looks = pd.DataFrame(disk.headers(look, recordings["path"]), columns=Look._fields, index=recordings.index)
    recordings = recordings.join(looks)
    is_readable = recordings["fault"] == ""
    recordings.loc[is_readable, "fault"] = _differences(recordings[is_readable])
    problems = [*_untrained(recordings), *_empty_folders(recordings, base_dir)]
    return Inventory(name, base_dir, recordings, problems, _notes(recordings))


# --- recordings ---------------------------------------------------------------------------------------------------


def look(path: str) -> Look:
    """Read the header of a recording, of whatever format it is."""
    try:
        with open_recording(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return Look(fault="is empty")
            if not path.lower().endswith((".wav", ".wave")):
                info = soundfile.info(path)
                return Look(info.channels, info.samplerate, info.frames / info.samplerate)
            header = read_header(file)
            sound = size - header.data_start
            if problem := unfinished(file, header):
                return Look(fault=problem)
            if sound < header.data_size:
                return Look(fault=f"cut short, at {sound:,} of {header.data_size:,} bytes of sound")
            if not (header.data_size and header.frame_size and header.sample_rate):
                return Look(fault="has no samples")
            seconds = header.data_size // header.frame_size / header.sample_rate
            return Look(header.channels, header.sample_rate, seconds)
    except HeaderError as error:
        return Look(fault=str(error))
    except (soundfile.LibsndfileError, OSError) as error:
        return Look(fault=f"cannot be read: {disk.reason(error)}")


def usual(values: pd.Series, least: float = 0.0) -> float:
    """The most frequent value, where more than a share of all are like it, and else NaN."""
    counts = values.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return counts.index[0] if len(counts) and counts.iloc[0] > least * len(values) else _UNKNOWN


def _differences(recordings: pd.DataFrame) -> pd.Series:
    """For each recording how it differs from most of its machine; empty where it does not.

    Supplemental recordings are compared with each other. Where no length is that of more than half, a machine has
    recordings of any length.
    """
    differences = pd.Series("", index=recordings.index)
    for fact, title in _FACTS.items():
        of_machine = recordings.groupby([*MACHINE, "supplement"])[fact]
        right = of_machine.transform(usual, least=0.5 if fact == "seconds" else 0.0)
        is_unlike = right.notna() & (recordings[fact] != right)
        for row, value, wanted in zip(
            recordings.index[is_unlike], recordings.loc[is_unlike, fact], right[is_unlike], strict=True
        ):
            difference = f"{title} {value:.6g} instead of {wanted:.6g}"
            differences[row] = "; ".join(filter(None, [differences[row], difference]))
    return differences


# --- machines -----------------------------------------------------------------------------------------------------


def _untrained(recordings: pd.DataFrame) -> list[str]:
    is_train = (recordings["label"] == "normal") & recordings["given_split"].isin(["train", ""])
    if names := _machines(recordings, ~_has(recordings, is_train)):
        return [f"No recordings to train with: {names}."]
    return []


def _empty_folders(recordings: pd.DataFrame, base_dir: Path) -> list[str]:
    """Folders and lists of a challenge's data set that promise recordings, and have none."""
    sections: dict[Path, set[str]] = {}  # of each machine type's directory
    of_challenge = recordings[recordings["layout"] != "mimii"]
    for path, name, machine_id in of_challenge[["path", "name", "machine_id"]].itertuples(index=False):
        sections.setdefault(Path(path[: -len(name)]), set()).add(machine_id)
    problems = []
    for home, present in sorted(sections.items()):
        for entry in sorted(home.iterdir()):
            shown = os.path.relpath(entry, base_dir)
            listed = _ATTRIBUTES.fullmatch(entry.name)
            if listed and f"section_{listed[1]}" not in present:
                problems.append(f"{shown} belongs to a section without recordings.")
            if entry.name.casefold() in FILE_NAME_FOLDERS and entry.is_dir() and not any(audio_files(entry)):
                problems.append(f"{shown}{os.sep} has no recordings.")
    return problems


def _notes(recordings: pd.DataFrame) -> list[str]:
    notes = []
    is_test = (recordings["given_split"] == "eval") | (recordings["label"] == "abnormal")
    if names := _machines(recordings, ~_has(recordings, is_test)):
        kind = "test" if (recordings["layout"] != "mimii").any() else "abnormal"
        notes.append(f"No {kind} recordings yet, which is enough for training: {names}.")
    if names := _machines(recordings, _has(recordings, recordings["label"] == UNLABELLED)):
        notes.append(f"Test recordings without labels, which --ground_truth of an experiment gives: {names}.")
    return notes


def _has(recordings: pd.DataFrame, is_one: pd.Series) -> pd.Series:
    """For each machine whether it has one of these recordings."""
    return is_one.groupby([recordings[column] for column in MACHINE], sort=False).any()


def _machines(recordings: pd.DataFrame, is_meant: pd.Series) -> str:
    """The first machines that are meant, and how many there are more; empty where none is."""
    names = [machine_name(machine) for machine in is_meant.index[is_meant]]
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
