"""Detectors that know several machines apart: whose recordings are whose."""

import numpy as np

from mimii.data.machines import Machine, machine_name
from mimii.errors import UserError
from mimii.features.origins import Origins
from mimii.features.windows import Windows

ONE_MACHINE: Machine = ("", "", "")  # where nobody says which machine a recording is of, and there is but one


def origins_of(windows: Windows) -> Origins:
    """Where the recordings of windows come from; where they do not say it, they are all of one machine."""
    if windows.origins is not None:
        return windows.origins
    return Origins.of_machine(ONE_MACHINE, int(windows.recording.max(initial=-1)) + 1)


def judged(windows: Windows) -> Windows:
    """The windows of those recordings that are of machines to be judged."""
    if windows.origins is None or not windows.origins.unjudged:
        return windows
    return windows.take(np.flatnonzero(windows.origins.are_judged(windows.recording)))


def by_machine(windows: Windows, numbers: np.ndarray, known: tuple[Machine, ...]) -> list[tuple[Machine, np.ndarray]]:
    """The recordings of each machine that a detector has learnt.

    A detector of a single machine takes recordings of which nobody says where they come from for this machine's, and
    one of a machine without a name takes all recordings for its.

    Parameters
    ----------
    windows : Windows
    numbers : np.ndarray [shape=(n,), dtype=int64]
        The recordings that have windows.
    known : tuple of Machine
        The machines that the detector has learnt.

    Returns
    -------
    list of (Machine, np.ndarray [shape=(n,), dtype=bool])
        The machine, and which of the recordings are its.

    Raises
    ------
    UserError
        A recording is of none of the machines.
    """
    if windows.origins is None or known == (ONE_MACHINE,):
        if len(known) > 1:
            raise UserError(f"say of which machine the recording is; the model knows {_names(known)}")
        return [(known[0], np.ones(len(numbers), dtype=bool))]
    machine = windows.origins.machine[numbers]
    found = [(windows.origins.machines[number], machine == number) for number in np.unique(machine)]
    for one, _ in found:
        if one not in known:
            raise UserError(f"the model knows no recordings of {machine_name(one)}, only of {_names(known)}")
    return found


def _names(machines: tuple[Machine, ...]) -> str:
    return ", ".join(map(machine_name, machines))
