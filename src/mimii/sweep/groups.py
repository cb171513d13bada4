"""Which machines share a model."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mimii.data.layouts import SUPPLEMENTAL
from mimii.data.machines import ALL, MACHINE, machine_columns, machine_name
from mimii.errors import UserError
from mimii.models import REGISTRY

log = logging.getLogger(__name__)

Key = tuple[str, str, str]  # SNR, machine type and machine ID

# what the machines of a group have in common
_SHARED = {"machine": MACHINE, "type": ["snr", "machine_type"], "all": []}


@dataclass(frozen=True, eq=False)
class MachineGroup:
    """Machines that share a model.

    Attributes
    ----------
    key : tuple of str
        SNR, type and ID; ``all`` for what differs within the group.
    machines : list of pd.DataFrame
        The recordings of each machine.
    dataset : str
        The data set that they are of; empty where nobody gave it a name.
    """

    key: Key
    machines: list[pd.DataFrame]
    dataset: str = ""

    @property
    def name(self) -> str:
        """The data set and the key as one name."""
        return machine_name((self.dataset, *self.key))

    @cached_property
    def recordings(self) -> pd.DataFrame:
        """The recordings of all its machines."""
        return pd.concat(self.machines, ignore_index=True)

    def of_split(self, split: str) -> pd.DataFrame:
        """The recordings for ``train`` or ``eval``."""
        return self.recordings[self.recordings["split"] == split]


def make_groups(recordings: pd.DataFrame, scope: str) -> list[MachineGroup]:
    """Divide recordings by what shares a model: each ``machine``, each SNR and ``type``, or ``all`` of a data set."""
    shared = [name for name in machine_columns(recordings) if name not in MACHINE] + _SHARED[scope]
    parts = [part for _, part in recordings.groupby(shared)] if shared else [recordings]
    groups = []
    for part in parts:
        first = part.iloc[0]
        snr, machine_type, machine_id = (first[column] if column in shared else ALL for column in MACHINE)
        machines = [machine.reset_index(drop=True) for _, machine in part.groupby(MACHINE)]
        groups.append(MachineGroup((snr, machine_type, machine_id), machines, first.get("dataset", "")))
    return groups


def learnt_from(recordings: pd.DataFrame, model: str) -> np.ndarray:
    """Which recordings of a machine group a model learns from: np.ndarray [shape=(n,), dtype=bool].

    They are those for training and, for detectors that tell machines apart, those that `are_lent`.
    """
    is_train = (recordings["split"] == "train").to_numpy()
    return is_train | recordings["is_lent"].to_numpy() if REGISTRY[model].knows_machines else is_train


def are_lent(recordings: pd.DataFrame) -> np.ndarray:
    """Which recordings are learnt from by detectors that tell machines apart, though they are not for training.

    A machine that has none for training, because it has no more normal recordings than are for evaluation, can't be
    judged; but it is another machine to the others, which its normal recordings are lent to. A clip that is for
    evaluation at another SNR is not lent. Supplemental recordings, of noise alone or of a machine without it, are lent,
    too: as those of another machine.

    Parameters
    ----------
    recordings : pd.DataFrame [n rows]
        All those of an experiment, with a column ``split``.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=bool]
    """
    is_judged = is_of_learnt_machine(recordings)
    without_snr = [name for name in machine_columns(recordings) if name != "snr"]
    clips = pd.MultiIndex.from_frame(recordings[[*without_snr, "name"]])
    is_evaluated = clips.isin(clips[is_judged & (recordings["split"] == "eval").to_numpy()])
    is_supplemental = (recordings["split"] == SUPPLEMENTAL).to_numpy()
    return (~is_judged & (recordings["label"] == "normal").to_numpy() & ~is_evaluated) | is_supplemental


def is_of_learnt_machine(recordings: pd.DataFrame) -> np.ndarray:
    """Which recordings are of machines that have some for training: np.ndarray [shape=(n,), dtype=bool]."""
    machines = pd.MultiIndex.from_frame(recordings[machine_columns(recordings)])
    return machines.isin(machines[(recordings["split"] == "train").to_numpy()])


def name_those_not_judged(groups: Sequence[MachineGroup]) -> None:
    """Say which machines are learnt from as other machines only, by detectors that know machines apart."""
    names = {
        machine_name(machine[machine_columns(machine)].iloc[0])
        for group in groups
        for machine in group.machines
        if "train" not in set(machine["split"])
    }
    if names:
        log.warning(
            "Detectors that know machines apart learn from these as other machines, and do not judge them, as no "
            "normal recording is left to train on: %s.",
            ", ".join(sorted(names)),
        )


def usable(
    groups: Sequence[MachineGroup], why_not: Callable[[MachineGroup], str], said: set[str]
) -> list[MachineGroup]:
    """Drop the groups that can't be trained or evaluated, and name them in one warning for each reason.

    Parameters
    ----------
    groups : sequence of MachineGroup
    why_not : callable
        Gives the reason why a group can't be used; empty where it can be.
    said : set of str
        Warnings that were given before, for another seed say, and are not given again.

    Raises
    ------
    UserError
        No group is left.
    """
    reasons: dict[str, list[str]] = {}
    kept = []
    for group in groups:
        if reason := why_not(group):
            reasons.setdefault(reason, []).append(group.name)
        else:
            kept.append(group)
    for reason, names in reasons.items():
        warn_once(f"Not used, {len(names)} of {len(groups)}, {reason}: {', '.join(names)}.", said)
    if not kept:
        raise UserError(f"nothing can be run: {'; '.join(reasons)}")
    return kept


def warn_once(message: str, said: set[str]) -> None:
    """Give a warning that was not given before."""
    if message not in said:
        said.add(message)
        log.warning("%s", message)
