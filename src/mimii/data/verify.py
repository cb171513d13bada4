"""Checks data sets: compares MIMII with its clips, and every other one with itself."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import pandas as pd

from mimii.data import dcase, disk
from mimii.data.faults import fault_lines
from mimii.data.inventory import Inventory, take
from mimii.data.machines import LABELS, MACHINE, machine_name
from mimii.data.mimii import BITS, CHANNELS, MACHINE_TYPES, SAMPLE_RATE, SAMPLES, SNRS, published_baseline
from mimii.data.recordings import find_recordings, is_synthetic, select
from mimii.data.wav import PCM, HeaderError, open_recording, read_header

_FOUND = ["normal", "abnormal", "faulty"]
_EXPECTED = ["normal_clips", "abnormal_clips"]


@dataclass(frozen=True)
class Report:
    """What `compare` found.

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


def verify(
    base_dir: Path,
    *,
    dataset: str | None = None,
    snrs: Collection[str] | None = None,
    machine_types: Collection[str] | None = None,
) -> list[Report | Inventory]:
    """Compare MIMII with what it should be, and the recordings of any other data set with each other.

    A data set in MIMII's layout whose paths have no SNR, or that calls itself synthetic, is not MIMII.

    Parameters
    ----------
    base_dir : Path
        See `find_recordings`.
    dataset : str, optional
        ``mimii`` or a data set of `mimii.data.dcase`: only this one. None stands for all that are there.
    snrs, machine_types : collection of str, optional
        Only these are expected, and looked at; None stands for all.

    Returns
    -------
    list of Report or Inventory
        One for each data set.

    Raises
    ------
    UserError
        There are no recordings, or none of the wanted ones, or two directories hold the same machine.
    """
    found = _find(base_dir, dataset, snrs)
    data_sets = list(found.groupby("dataset"))
    mimii = [name for name, recordings in data_sets if dataset == "mimii" or _is_mimii(recordings)]
    known = {*found["machine_type"], *(MACHINE_TYPES if mimii else ())}
    if unknown := [wanted for wanted in machine_types or () if wanted not in known]:
        select(found, machine_type=unknown)  # its error says what there is
    reports: list[Report | Inventory] = []
    for name, recordings in data_sets:
        recordings = _only(recordings, snrs, machine_types)
        if name in mimii:
            reports.append(compare(base_dir, recordings, snrs, machine_types))
        elif len(recordings):
            reports.append(take(str(name) or base_dir.resolve().name, base_dir, recordings))
    if not reports:
        select(found, snr=snrs, machine_type=machine_types)
    return [report for report in reports if isinstance(report, Inventory) or len(report.machines)]


def _find(base_dir: Path, dataset: str | None, snrs: Collection[str] | None) -> pd.DataFrame:
    is_mimii = dataset == "mimii" or (dataset is None and snrs is not None)  # no other data set has an SNR
    if dataset in dcase.RECORDS:
        home = base_dir / dataset
        return select(find_recordings(home if home.is_dir() else base_dir), dataset=[dataset])
    # a directory into which MIMII was unpacked beside other data sets
    of_mimii = [base_dir / snr for snr in SNRS if (base_dir / snr).is_dir()]
    of_dcase = [base_dir / name for name in dcase.RECORDS if (base_dir / name).is_dir()]
    places = [base_dir] if not (of_mimii and of_dcase) else of_mimii if is_mimii else [*of_mimii, *of_dcase]
    return pd.concat([find_recordings(place, "mimii" if is_mimii else "auto") for place in places], ignore_index=True)


def _is_mimii(recordings: pd.DataFrame) -> bool:
    """Tell whether a data set is taken for MIMII: its layout says an SNR, and it does not call itself synthetic."""
    has_snr = (recordings["layout"] == "mimii").all() and (recordings["snr"] != "").any()
    return bool(has_snr) and not is_synthetic(recordings["path"].iloc[0])


def compare(
    base_dir: Path,
    recordings: pd.DataFrame,
    snrs: Collection[str] | None = None,
    machine_types: Collection[str] | None = None,
) -> Report:
    """Compare recordings with MIMII's. Reads headers only.

    Parameters
    ----------
    base_dir : Path
        The paths in messages are relative to it.
    recordings : pd.DataFrame
        As `find_recordings` gives them.
    snrs, machine_types : collection of str, optional
        Only these are expected, and looked at; None stands for all.
    """
    expected = _only(published_baseline(), snrs, machine_types)
    recordings = _only(recordings, snrs, machine_types)
    recordings["fault"] = disk.headers(wav_fault, recordings["path"])
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

    if len(report.faults):
        lines += ["", *fault_lines(report.faults, report.base_dir)]

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
