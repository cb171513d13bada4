"""Where recordings come from: for detectors that learn to tell machines apart, and know each machine by itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mimii.data.machines import MACHINE, Machine

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Origins:
    """Where recordings come from.

    Attributes
    ----------
    machines : tuple of Machine
        SNR, machine type and machine ID.
    machine : np.ndarray [shape=(n_recordings,), dtype=int64]
        The number of each recording's machine.
    classes : tuple of str
        What a network learns to tell apart.
    target : np.ndarray [shape=(n_recordings,), dtype=int64]
        The number of each recording's class.
    is_target_domain : np.ndarray [shape=(n_recordings,), dtype=bool]
        It was recorded under the conditions that DCASE calls the target domain.
    unjudged : frozenset of Machine
        Machines that are there to be told from the others, and whose recordings are not to be judged.
    """

    machines: tuple[Machine, ...]
    machine: np.ndarray
    classes: tuple[str, ...]
    target: np.ndarray
    is_target_domain: np.ndarray
    unjudged: frozenset[Machine] = frozenset()

    def are_judged(self, numbers: np.ndarray) -> np.ndarray:
        """Which recordings are of machines that are to be judged: numbers (n,) -> (n,) of bool."""
        is_judged = np.array([machine not in self.unjudged for machine in self.machines], dtype=bool)
        return is_judged[self.machine[numbers]]

    @classmethod
    def of(cls, recordings: "pd.DataFrame", classes: str = "machine", is_judged: np.ndarray | None = None) -> "Origins":
        """From a table of recordings.

        Parameters
        ----------
        recordings : pd.DataFrame [n_recordings rows]
            As `mimii.data.recordings.find_recordings` gives it.
        classes : str
            One of `mimii.settings.CLASSES`. ``machine``: machine type and ID, so that the versions of a machine at
            several SNR are of one class. ``attributes``: these and the attributes in the file name.
        is_judged : np.ndarray [shape=(n_recordings,), dtype=bool], optional
            Whether the recording's machine is to be judged; without it, all are. What supplemental recordings hold, the
            noise or the machine without it, is never judged: it counts as another machine.
        """
        if "supplement" in recordings and (is_supplement := recordings["supplement"] != "").any():
            other = (recordings["machine_id"] + " " + recordings["supplement"]).where(is_supplement)
            recordings = recordings.assign(machine_id=other.fillna(recordings["machine_id"]))
            is_judged = ~is_supplement.to_numpy() & (True if is_judged is None else is_judged)
        columns = {"machine": MACHINE[1:], "attributes": [*MACHINE[1:], "attributes"]}[classes]
        machine, machines = _numbered(recordings, MACHINE)
        target, names = _numbered(recordings, columns)
        known: list[Machine] = [(snr, machine_type, machine_id) for snr, machine_type, machine_id in machines]
        others = [] if is_judged is None else np.unique(machine[~is_judged]).tolist()
        return cls(
            machines=tuple(known),
            machine=machine,
            classes=tuple(" ".join(filter(None, name)) for name in names),
            target=target,
            is_target_domain=(recordings["domain"] == "target").to_numpy(),
            unjudged=frozenset(known[number] for number in others),
        )

    @classmethod
    def of_machine(cls, machine: Machine, count: int) -> "Origins":
        """Of so many recordings of one machine."""
        numbers = np.zeros(count, dtype=np.int64)
        return cls((machine,), numbers, (" ".join(filter(None, machine[1:])),), numbers, np.zeros(count, dtype=bool))


def _numbered(recordings: "pd.DataFrame", columns: list[str]) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Number the values of some columns: (n,) numbers, and the values in their order."""
    # few values among many recordings, in the order of their first recordings
    distinct = recordings[columns].drop_duplicates().itertuples(index=False)
    found = [tuple(map(str, row)) for row in distinct]
    place = recordings.groupby(columns, sort=False, dropna=False).ngroup().to_numpy(dtype=np.int64)
    values = sorted(set(found))
    numbers = {value: number for number, value in enumerate(values)}
    return np.array([numbers[value] for value in found], dtype=np.int64)[place], values
