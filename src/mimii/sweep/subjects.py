"""What models are evaluated on: machines and machine groups, and what is said of those without metrics."""

import logging
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from mimii.data.machines import ALL, LABELS, MACHINE, UNLABELLED
from mimii.sweep.groups import Key, MachineGroup
from mimii.sweep.identity import Subject

log = logging.getLogger(__name__)

_NAMED = 6  # machines that a message names


def subjects_of(group: MachineGroup, scope: str, can_evaluate: Callable[[pd.DataFrame, Key], bool]) -> list[Subject]:
    """What a group's models are evaluated on: each machine and, of a group of several, the whole of it.

    Parameters
    ----------
    group : MachineGroup
    scope : str
    can_evaluate : callable
        Tells whether the recordings of a key have metrics.
    """
    parts: list[tuple[Key, pd.DataFrame, str]] = []
    for machine in group.machines:
        first = machine.iloc[0]
        snr, machine_type, machine_id = first[MACHINE]
        parts.append(((snr, machine_type, machine_id), machine, first.get("part", "")))
    if scope != "machine":
        parts.append((group.key, group.recordings, ""))
    evaluated = [(key, recordings[recordings["split"] == "eval"], part) for key, recordings, part in parts]
    return [
        Subject.of(key, recordings, group.dataset, part)
        for key, recordings, part in evaluated
        if can_evaluate(recordings, key)
    ]


def awaits_evaluation(recordings: pd.DataFrame) -> bool:
    """Tell whether recordings for training are of a challenge, whose recordings for evaluation are published later."""
    is_challenge = "given_split" in recordings and bool((recordings["given_split"] != "").any())
    return is_challenge and "eval" not in set(recordings["split"])


def waiting(group: MachineGroup) -> list[Subject]:
    """The machines of a challenge that can be learnt from, and whose recordings for evaluation are still to come."""
    found = []
    for machine in group.machines:
        if awaits_evaluation(machine) and "train" in set(machine["split"]):
            first = machine.iloc[0]
            snr, machine_type, machine_id = first[MACHINE]
            key = snr, machine_type, machine_id
            found.append(Subject.of(key, machine.iloc[:0], group.dataset, first.get("part", "")))
    return found


def has_metrics(recordings: pd.DataFrame) -> bool:
    """Tell whether there is a ROC curve; recordings without a label do not count."""
    return set(recordings["label"]).issuperset(LABELS)


def name_those_without_metrics(subjects: Sequence[Subject]) -> None:
    """Say which machines have no metrics, or metrics of some recordings only, and why."""
    one_label, no_label, to_come = (set[str]() for _ in range(3))
    partly: dict[str, str] = {}
    for subject in subjects:
        is_labelled = subject.recordings["label"] != UNLABELLED
        if subject.recordings.empty:
            to_come.add(subject.name)
        elif not has_metrics(subject.recordings) and subject.key[-1] != ALL:
            (one_label if is_labelled.all() else no_label).add(subject.name)
        elif not is_labelled.all() and subject.key[-1] != ALL:
            partly[subject.name] = f"{is_labelled.sum()} of {len(is_labelled)} of {subject.name}"
    if one_label:
        log.warning(
            "Trained, scored and given a threshold, but without metrics, which take both normal and abnormal "
            "recordings: %s.",
            ", ".join(sorted(one_label)),
        )
    if no_label:
        log.warning(
            "Scored and given a threshold, but without metrics, because not all labels of their recordings for "
            "evaluation are known, which --ground_truth can give: %s.",
            _shortened(no_label),
        )
    if partly:
        log.warning("Not all recordings for evaluation have labels: %s.", _shortened(partly.values()))
    if to_come:
        log.warning(
            "Trained and kept, because their recordings for evaluation are not there yet: %s.", _shortened(to_come)
        )


def _shortened(names: Iterable[str]) -> str:
    """Some of many names, and how many more there are."""
    names = sorted(names)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
