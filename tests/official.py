"""The official scores of DCASE task 2, computed plainly from their definitions, to compare the program's with."""

import sys
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

MAX_FPR = 0.1
EPSILON = sys.float_info.epsilon


class Scored(NamedTuple):
    """A test clip with its score."""

    machine_type: str
    machine_id: str
    is_abnormal: bool
    domain: str
    score: float


def auc(scored):
    """The share of pairs of an abnormal and a normal clip in which the abnormal one is higher; ties count half.

    None where there are no pairs.
    """
    abnormal, normal = _sides(scored)
    if not len(abnormal) or not len(normal):
        return None
    higher = (abnormal[:, None] > normal).sum()
    equal = (abnormal[:, None] == normal).sum()
    return (higher + equal / 2) / (len(abnormal) * len(normal))


def pauc(scored, max_fpr=MAX_FPR):
    """The area under the ROC curve up to a false-positive rate, scaled so that chance is 0.5 (McClish, 1989)."""
    abnormal, normal = _sides(scored)
    if not len(abnormal) or not len(normal):
        return None
    area = last_fpr = last_tpr = 0.0
    for threshold in sorted({*abnormal, *normal}, reverse=True):
        fpr, tpr = (normal >= threshold).mean(), (abnormal >= threshold).mean()
        if fpr > max_fpr:  # the piece that crosses the limit ends there
            tpr = last_tpr + (tpr - last_tpr) * (max_fpr - last_fpr) / (fpr - last_fpr)
            fpr = max_fpr
        area += (fpr - last_fpr) * (tpr + last_tpr) / 2
        last_fpr, last_tpr = fpr, tpr
        if fpr == max_fpr:
            break
    chance = max_fpr**2 / 2
    return (1 + (area - chance) / (max_fpr - chance)) / 2


def _sides(scored):
    values = np.array([clip.score for clip in scored], dtype=float)
    is_abnormal = np.array([clip.is_abnormal for clip in scored], dtype=bool)
    return values[is_abnormal], values[~is_abnormal]


def figures(year, scored: Iterable[Scored]):
    """What enters the score of a machine, by its name; None where there are no clips to compute it from."""
    scored = list(scored)
    source, target = ([clip for clip in scored if clip.domain == domain] for domain in ("source", "target"))
    if year == 2020:
        return {"auc": auc(scored), "pauc": pauc(scored)}
    if year == 2021:
        return {
            "auc_source": auc(source),
            "auc_target": auc(target),
            "pauc_source": pauc(source),
            "pauc_target": pauc(target),
        }
    abnormal = [clip for clip in scored if clip.is_abnormal]
    normal = [[clip for clip in clips if not clip.is_abnormal] for clips in (source, target)]
    return {
        "auc_source": auc([*abnormal, *normal[0]]),
        "auc_target": auc([*abnormal, *normal[1]]),
        "pauc": pauc(scored),
    }


def by_machine(scored):
    machines = {}
    for clip in scored:
        machines.setdefault((clip.machine_type, clip.machine_id), []).append(clip)
    return machines


def score(year, scored: Iterable[Scored]):
    """The official score of a year over all machines that have labelled clips, of which there is one at least.

    None where one of them lacks a figure that the score takes.
    """
    table = {machine: figures(year, clips) for machine, clips in by_machine(scored).items()}
    if any(value is None for values in table.values() for value in values.values()):
        return None
    if year == 2020:
        types = {}
        for (machine_type, _), values in table.items():
            types.setdefault(machine_type, []).append((values["auc"], values["pauc"]))
        # over the IDs of a type, then over the types, then both together
        return float(np.mean([np.mean(values, axis=0) for values in types.values()]))
    return harmonic_mean([value for values in table.values() for value in values.values()])


def harmonic_mean(values):
    """With values below the machine epsilon raised to it."""
    return len(values) / sum(1 / max(value, EPSILON) for value in values)


class Decided(NamedTuple):
    precision: float
    recall: float
    f1: float


def decided(scored, threshold):
    """How well the clips of one domain are told apart at a threshold; what has no clips to divide by is 0."""
    alarms = [clip.is_abnormal for clip in scored if clip.score > threshold]
    right = sum(alarms)
    precision = right / max(len(alarms), EPSILON)
    recall = right / max(sum(clip.is_abnormal for clip in scored), EPSILON)
    return Decided(precision, recall, 2 * precision * recall / max(precision + recall, EPSILON))
