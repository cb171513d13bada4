"""Compares what is on disk with MIMII: clips of each machine, and the header and length of every wav file."""

import os
import struct
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from mimii.data.mimii import published_baseline
from mimii.data.recordings import LABELS, MACHINE, find_recordings, machine_name

CHANNELS = 8
SAMPLE_RATE = 16000  # [Hz]
SAMPLES = 160000  # in a channel: 10 s
BITS = 16

PCM, EXTENSIBLE = 0x0001, 0xFFFE  # format tags; the second has the format in a field of its own
THREADS = 16  # they wait for the disk, which answers many questions at once faster than one by one
FAULT_LINES = 50  # that are printed
NAMED_ALONE = 5  # recordings of a machine with the same fault; of more than these, a line names the first


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    Attributes
    ----------
    base_dir : Path
    machines : pd.DataFrame
        A row a machine that is expected, and a row a machine that is not MIMII's, with the columns

        - snr, machine_type, machine_id : str
        - normal, abnormal : int, clips that are there
        - normal_clips, abnormal_clips : int, clips that MIMII has; 0 where it has no such machine
        - faulty : int, clips with a fault
    faults : pd.DataFrame
        A row a recording with a fault, with the columns of `find_recordings`, and

        - fault : str, what is wrong
    """

    base_dir: Path
    machines: pd.DataFrame
    faults: pd.DataFrame

    @property
    def is_good(self) -> bool:
        """Whether all that is expected is there, and nothing has a fault."""
        return all(_state(machine) == "ok" for machine in self.machines.itertuples())


def verify(base_dir: Path, snrs: Iterable[str] | None = None, machine_types: Iterable[str] | None = None) -> Report:
    """Compare a directory with MIMII. Reads headers only.

    Parameters
    ----------
    base_dir : Path
        See `find_recordings`.
    snrs, machine_types : iterable of str, or None
        What is expected, and looked at; None stands for all.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        There are no recordings at all, or the same machine is there twice.
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
    counts = ["normal", "abnormal", "faulty"]
    found = found.groupby(MACHINE, as_index=False)[counts].sum()
    clips = ["normal_clips", "abnormal_clips"]
    # expected machines first, in MIMII's order, then what else is there
    machines = expected[[*MACHINE, *clips]].merge(found, on=MACHINE, how="left")
    others = found.merge(expected[MACHINE], on=MACHINE, how="left", indicator=True)
    machines = pd.concat([machines, others[others.pop("_merge") == "left_only"]], ignore_index=True)
    machines[counts + clips] = machines[counts + clips].fillna(0).astype(int)
    return Report(base_dir, machines, recordings[recordings["fault"] != ""].reset_index(drop=True))


def _only(table: pd.DataFrame, snrs: Iterable[str] | None, machine_types: Iterable[str] | None) -> pd.DataFrame:
    for column, values in (("snr", snrs), ("machine_type", machine_types)):
        if values is not None:
            table = table[table[column].isin(list(values))]
    return table.reset_index(drop=True)


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
        with open(path, "rb") as file:
            return "; ".join(_wav_faults(file, os.fstat(file.fileno()).st_size))
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _wav_faults(file, size: int) -> list[str]:
    if size == 0:
        return ["is empty"]
    start = file.read(12)
    if len(start) < 12 or start[:4] != b"RIFF" or start[8:] != b"WAVE":
        return ["is not a wav file"]
    declared = 8 + int.from_bytes(start[4:8], "little")
    chunk_format = data_size = None
    position = 12
    while data_size is None and len(header := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", header)
        position += 8
        if name == b"fmt ":
            chunk_format = file.read(min(length, 40))
        elif name == b"data":
            data_size = length
        position += length + length % 2  # chunks begin at even positions
        file.seek(position)
    if chunk_format is None or len(chunk_format) < 16 or data_size is None:
        return ["has no samples: its header is cut short or damaged"]

    tag, channels, sample_rate, _, frame_size, bits = struct.unpack("<HHIIHH", chunk_format[:16])
    if tag == EXTENSIBLE:
        tag = int.from_bytes(chunk_format[24:26], "little")
    faults = []
    if tag != PCM:
        faults.append(f"format {tag} instead of PCM ({PCM})")
    for what, value, right in (
        ("channels", channels, CHANNELS),
        ("sample rate [Hz]", sample_rate, SAMPLE_RATE),
        ("bits", bits, BITS),
        ("samples", data_size // frame_size if frame_size else 0, SAMPLES),
    ):
        if value != right:
            faults.append(f"{what} {value} instead of {right}")
    declared = max(declared, position)
    if size != declared:
        faults.append(f"{size} bytes on disk instead of the {declared} of its header")
    return faults


def render(report: Report) -> str:
    """A table of the machines, the faults by machine, and a line that says how it stands and what to do."""
    lines = [f"{'machine':<18}{'normal':>14}{'abnormal':>14}  state"]
    for machine in report.machines.itertuples():
        normal = f"{machine.normal} of {machine.normal_clips}"
        abnormal = f"{machine.abnormal} of {machine.abnormal_clips}"
        lines.append(f"{_name(machine):<18}{normal:>14}{abnormal:>14}  {_state(machine)}")

    faults = _fault_lines(report)
    lines += ["", *faults[:FAULT_LINES]] if faults else []
    if len(faults) > FAULT_LINES:
        lines.append(f"... and {len(faults) - FAULT_LINES} more lines like these")

    states = [_state(machine) for machine in report.machines.itertuples()]
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
    """A line for each recording with a fault, or for all of a machine's that have the same one."""
    lines = []
    for (*_, fault), recordings in report.faults.groupby([*MACHINE, "fault"], sort=False):
        paths = [os.path.relpath(path, report.base_dir) for path in recordings["path"]]
        if len(paths) <= NAMED_ALONE:
            lines += [f"{path}: {fault}" for path in paths]
        else:
            lines.append(f"{paths[0]} and {len(paths) - 1} more: {fault}")
    return lines


def _name(machine: tuple) -> str:
    return machine_name((machine.snr, machine.machine_type, machine.machine_id))


def _state(machine: tuple) -> str:
    """``ok``, or what is wrong with a machine, in a few words."""
    if machine.normal_clips + machine.abnormal_clips == 0:
        return "not in MIMII"
    if machine.normal + machine.abnormal == 0:
        return "missing"
    differences = [machine.normal_clips - machine.normal, machine.abnormal_clips - machine.abnormal]
    missing = sum(max(difference, 0) for difference in differences)
    extra = sum(max(-difference, 0) for difference in differences)
    words = [(missing, "missing"), (extra, "too many"), (machine.faulty, "faulty")]
    return ", ".join(f"{count} {word}" for count, word in words if count) or "ok"
