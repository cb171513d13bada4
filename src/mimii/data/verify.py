"""Compares what is on disk with MIMII: clips of each machine, and the header and length of every wav file."""

import os
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from mimii.data.machines import LABELS, MACHINE, machine_name
from mimii.data.mimii import BITS, CHANNELS, SAMPLE_RATE, SAMPLES, published_baseline
from mimii.data.recordings import find_recordings
from mimii.data.wav import PCM, HeaderError, open_recording, read_header

THREADS = 16  # they wait for the disk, which answers many requests at once faster than one by one
FAULT_LINES = 50  # the most lines about faults that are printed
NAMED_ALONE = 5  # the most recordings of a machine with the same fault that have a line each

_FOUND = ["normal", "abnormal", "faulty"]
_EXPECTED = ["normal_clips", "abnormal_clips"]


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    Attributes
    ----------
    base_dir : Path
    machines : pd.DataFrame
        A row a machine that is expected, and a row a machine that is not MIMII's, with the columns

        - snr, machine_type, machine_id : str
        - normal, abnormal : int, clips that were found
        - normal_clips, abnormal_clips : int, clips that MIMII has; 0 where it has no such machine
        - faulty : int, clips with a fault
        - state : str, ``ok``, or what is wrong in a few words
    faults : pd.DataFrame
        A row a recording with a fault, with the columns of `find_recordings`, and

        - fault : str, the faults of the recording
    """

    base_dir: Path
    machines: pd.DataFrame
    faults: pd.DataFrame

    @property
    def is_good(self) -> bool:
        """Whether all expected recordings were found, no others, and none has a fault."""
        return bool((self.machines["state"] == "ok").all())


def verify(base_dir: Path, snrs: Collection[str] | None = None, machine_types: Collection[str] | None = None) -> Report:
    """Compare a directory with MIMII. Reads headers only.

    Parameters
    ----------
    base_dir : Path
        See `find_recordings`.
    snrs, machine_types : collection of str, or None
        Only these are expected, and looked at; None stands for all.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        There are no recordings at all, or two directories hold the same machine.
    """
    expected = _only(published_baseline(), snrs, machine_types)
    recordings = _only(find_recordings(base_dir), snrs, machine_types)
    with ThreadPoolExecutor(THREADS) as pool:
        faults = pool.map(wav_fault, recordings["path"])
        bar = tqdm(faults, total=len(recordings), desc="headers", unit="file", disable=None, leave=False)
        recordings = recordings.assign(fault=list(bar))

    found = recordings.assign(
        normal=recordings["label"] == LABELS[0],
        abnormal=recordings["label"] == LABELS[1],
        faulty=recordings["fault"] != "",
    )
    found = found.groupby(MACHINE, as_index=False)[_FOUND].sum()
    # expected machines first, in MIMII's order, then others
    machines = expected[[*MACHINE, *_EXPECTED]].merge(found, on=MACHINE, how="left")
    others = found.merge(expected[MACHINE], on=MACHINE, how="left", indicator=True)
    machines = pd.concat([machines, others[others.pop("_merge") == "left_only"]], ignore_index=True)
    counts = [*_FOUND, *_EXPECTED]
    machines[counts] = machines[counts].fillna(0).astype(int)
    machines["state"] = [_state(*numbers) for numbers in machines[counts].to_numpy().tolist()]
    return Report(base_dir, machines, recordings[recordings["fault"] != ""].reset_index(drop=True))


def _only(table: pd.DataFrame, snrs: Collection[str] | None, machine_types: Collection[str] | None) -> pd.DataFrame:
    for column, values in (("snr", snrs), ("machine_type", machine_types)):
        if values is not None:
            table = table[table[column].isin(list(values))]
    return table.reset_index(drop=True)


def _state(normal: int, abnormal: int, faulty: int, normal_clips: int, abnormal_clips: int) -> str:
    """``ok``, or what is wrong with a machine, in a few words."""
    if normal_clips + abnormal_clips == 0:
        return "not in MIMII"
    if normal + abnormal == 0:
        return "missing"
    differences = [normal_clips - normal, abnormal_clips - abnormal]
    missing = sum(max(difference, 0) for difference in differences)
    extra = sum(max(-difference, 0) for difference in differences)
    problems = [(missing, "missing"), (extra, "too many"), (faulty, "faulty")]
    return ", ".join(f"{count} {problem}" for count, problem in problems if count) or "ok"


def wav_fault(path: str | Path) -> str:
    """What distinguishes a wav file from MIMII's: its format, its number of samples, its length on disk.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    str
        The faults, separated by semicolons; empty where there is none.
    """
    try:
        with open_recording(path) as file:
            return "; ".join(_wav_faults(file, os.fstat(file.fileno()).st_size))
    except HeaderError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _wav_faults(file: FileIO, size: int) -> list[str]:
    if size == 0:
        return ["is empty"]
    header = read_header(file)
    faults = []
    if header.format != PCM:
        faults.append(f"format {header.format} instead of PCM ({PCM})")
    for fact, value, right in (
        ("channels", header.channels, CHANNELS),
        ("sample rate [Hz]", header.sample_rate, SAMPLE_RATE),
        ("bits", header.bits, BITS),
        ("samples", header.data_size // header.frame_size if header.frame_size else 0, SAMPLES),
    ):
        if value != right:
            faults.append(f"{fact} {value} instead of {right}")
    if size != header.file_size:
        faults.append(f"{size} bytes on disk instead of the {header.file_size} of its header")
    return faults


def render(report: Report) -> str:
    """A table of the machines, the faults by machine, and a line that says how it stands and what to do."""
    lines = [f"{'machine':<18}{'normal':>14}{'abnormal':>14}  state"]
    for *machine, normal, abnormal, normal_clips, abnormal_clips, state in report.machines[
        [*MACHINE, "normal", "abnormal", *_EXPECTED, "state"]
    ].itertuples(index=False):
        normal_text, abnormal_text = f"{normal} of {normal_clips}", f"{abnormal} of {abnormal_clips}"
        lines.append(f"{machine_name(machine):<18}{normal_text:>14}{abnormal_text:>14}  {state}")

    faults = _fault_lines(report)
    lines += ["", *faults[:FAULT_LINES]] if faults else []
    if len(faults) > FAULT_LINES:
        lines.append(f"... and {len(faults) - FAULT_LINES} more lines like these")

    states = report.machines["state"].tolist()
    recordings = int(report.machines[["normal", "abnormal"]].sum().sum())
    lines.append("")
    if report.is_good:
        return "\n".join([*lines, f"All {len(states)} machines are as in MIMII, with {recordings:,} recordings."])
    return "\n".join(
        [
            *lines,
            f"{states.count('ok')} of {len(states)} machines are as in MIMII, {states.count('missing')} are missing; "
            f"{len(report.faults):,} of {recordings:,} recordings have a fault.",
            "Get what is missing, and mend what is damaged, with download and extract.",
        ]
    )


def _fault_lines(report: Report) -> list[str]:
    """A line for each recording with a fault; one line for many recordings of a machine with the same fault."""
    lines = []
    for (*_, fault), recordings in report.faults.groupby([*MACHINE, "fault"], sort=False):
        paths = [os.path.relpath(path, report.base_dir) for path in recordings["path"]]
        if len(paths) <= NAMED_ALONE:
            lines += [f"{path}: {fault}" for path in paths]
        else:
            lines.append(f"{paths[0]} and {len(paths) - 1} more: {fault}")
    return lines
