"""Several detectors as one: the mean of their z-scores.

Detectors of different kinds are wrong about different recordings. Each one's scores are standardised with the mean and
the standard deviation that they have, machine by machine, on training recordings which it has not learnt from: no label
has a part in it.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mimii.data.machines import Machine
from mimii.errors import TaskError
from mimii.evaluation.thresholds import NormalScores, are_few
from mimii.features.origins import Origins
from mimii.features.windows import Windows
from mimii.models import container
from mimii.models.base import Detector
from mimii.models.choices import Way, fusion_way, member_settings, without_others
from mimii.models.factory import create_model
from mimii.models.machines import by_machine, origins_of
from mimii.models.registry import REGISTRY
from mimii.settings import NATIVE, ClipSettings
from mimii.storage import arrays
from mimii.training.history import History
from mimii.training.hooks import Training

log = logging.getLogger(__name__)

_INDEX = "index.npz"  # in the archive of the members


@dataclass(eq=False)
class _Machine:
    """What a fusion has of one machine.

    Attributes
    ----------
    members : dict of str to Detector
        Those that have learnt this machine alone.
    scales : dict of str to np.ndarray [shape=(2,)]
        Mean and standard deviation of each member's scores of held-out recordings.
    """

    members: dict[str, Detector] = field(default_factory=dict)
    scales: dict[str, np.ndarray] = field(default_factory=dict)


class Fusion(Detector):
    """The mean of the z-scores of other detectors.

    Members that know machines apart learn from all machines together, and the others from each machine by itself. Where
    there is one machine only, the former have nothing to learn: the fusion is one of the rest, as `names` and the
    variant say.

    Parameters
    ----------
    options : dict of str to Any
        Those fields of `mimii.settings.ClipSettings` that make a difference to it or its members; ``fuse`` is their
        names.

    Attributes
    ----------
    machines : tuple of Machine
        Those that it has learnt.
    names : tuple of str
        The members, of which `fit` may leave some out.
    """

    is_clip_level = True
    learnt_file = "members.zip"
    min_for_thresholds = 3  # of two, the scales come from models of a single recording, which know of no spread

    def __init__(self, name: str, n_mels: int, frames: int, device: str = "cpu", *, options: dict[str, Any]):
        super().__init__(name, n_mels, frames, device)
        self.options = options
        self.names: tuple[str, ...] = tuple(options["fuse"].split())
        self.uses_torch = any(REGISTRY[member].is_network for member in self.names)
        self.needs_samples = any(REGISTRY[member].needs_samples for member in self.names)
        self.min_recordings = max(1, *(self._new(member).min_recordings for member in self.names))
        self._shared: dict[str, Detector] = {}
        self._own: dict[Machine, _Machine] = {}
        self._held_out: dict[Machine, dict[str, NormalScores]] = {}

    def _new(self, name: str) -> Detector:
        """A member, not yet fitted."""
        known = {key: value for key, value in self.options.items() if key != "fuse"}
        member = create_model(
            name,
            n_mels=self.n_mels,
            frames=REGISTRY[name].window_length(self.frames),
            device=self.device if REGISTRY[name].is_network else "cpu",
            clip=ClipSettings(**known),
        )
        assert isinstance(member, Detector)
        return member

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Those that it has learnt."""
        return tuple(self._own)

    def load_libraries(self) -> None:
        """Load what the members need."""
        for name in self.names:
            self._new(name).load_libraries()

    def fit(self, windows: Windows, validation: Windows | None, training: Training) -> History:
        """Fit each member, and find how its scores of held-out recordings are distributed.

        Raises
        ------
        TaskError
            A member can't learn from the recordings.
        """
        begin = time.perf_counter()
        whole = windows if validation is None else windows.joined(validation)
        origins = origins_of(whole)
        numbers = np.unique(whole.recording)
        self.names = self._usable(len(np.unique(origins.target[numbers])))
        self.variant = ", ".join(self.names)
        of_judged = numbers[origins.are_judged(numbers)]
        machines = [origins.machines[number] for number in np.unique(origins.machine[of_judged])]
        self._shared, self._own = {}, {machine: _Machine() for machine in machines}
        self._held_out = {machine: {} for machine in machines}
        for name in self.names:
            entry = REGISTRY[name]
            of_member = Training(member_settings(name, training.settings), training.seed, training.hooks)
            used = (windows, validation) if entry.is_network else (whole, None)
            if entry.knows_machines:
                self._shared[name] = member = self._new(name)
                member.fit(*used, of_member)
                normal = member.calibrate(*used, of_member)[fusion_way(name)]
                for machine in machines:  # one with a single recording takes the scale of all: none can be held out
                    self._own[machine].scales[name] = scale_of(normal.scores)
                for machine, is_own in by_machine(windows, normal.numbers, self.machines):
                    self._learn_scale(machine, name, normal.of(is_own))
                continue
            for machine, of_machine, held_out in _parts(used, origins, machines):
                self._own[machine].members[name] = member = self._new(name)
                member.fit(of_machine, held_out, of_member)
                self._learn_scale(machine, name, member.calibrate(of_machine, held_out, of_member)[fusion_way(name)])
        return History(training_time_sec=time.perf_counter() - begin, train_samples=len(numbers))

    def take(self, machine: Machine, members: dict[str, Detector], scores: dict[str, np.ndarray]) -> None:
        """Become the fusion of detectors that have learnt already, and know one machine only.

        Parameters
        ----------
        machine : Machine
        members : dict of str to Detector
        scores : dict of str to np.ndarray [shape=(n,)]
            Of each one: scores of the machine's recordings by such detectors that have not learnt from them.
        """
        self.names, self.variant = tuple(members), ", ".join(members)
        self._shared = {name: member for name, member in members.items() if REGISTRY[name].knows_machines}
        own = {name: member for name, member in members.items() if name not in self._shared}
        self._own = {machine: _Machine(own, {name: scale_of(values) for name, values in scores.items()})}

    def _usable(self, classes: int) -> tuple[str, ...]:
        """The members that can learn from recordings of so many classes."""
        wanted = tuple(self.options["fuse"].split())
        alone = without_others(wanted)
        if classes > 1 or alone == wanted:
            return wanted
        if len(alone) < 2:
            rest = f" but {alone[0]}" if alone else ""
            raise TaskError(f"there is no other machine to learn from, and nothing is left of the fusion{rest}")
        log.debug("There is no other machine to compare with: fusion is one of %s.", " and ".join(alone))
        return alone

    def _learn_scale(self, machine: Machine, name: str, normal: NormalScores) -> None:
        self._held_out[machine][name] = normal.of(np.argsort(normal.numbers))
        self._own[machine].scales[name] = scale_of(normal.scores)

    def calibrate(self, windows: Windows, validation: Windows | None, training: Training) -> dict[Way, NormalScores]:
        """Scores of the training recordings that every member has held out.

        Each z-score's mean and standard deviation are those of the machine's other recordings.
        """
        complete = [held_out for held_out in self._held_out.values() if len(held_out) == len(self.names)]
        fused = [_fused(held_out) for held_out in complete]
        parts = [part for part in fused if len(part.numbers) >= self.min_for_thresholds]
        if not parts:
            return self.scores_of_training(windows if validation is None else windows.joined(validation))
        sources = {part.source for part in parts}
        order = np.argsort(np.concatenate([part.numbers for part in parts]))
        return {
            (NATIVE, ""): NormalScores(
                np.concatenate([part.numbers for part in parts])[order],
                np.concatenate([part.scores for part in parts])[order],
                "held_out" if sources == {"held_out"} else "training",
            )
        }

    def score_recordings(
        self, windows: Windows, scoring: str = NATIVE, score_pooling: str = ""
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score of each recording; there are no scores of windows to pool.

        Raises
        ------
        UserError
            A recording is of a machine that the detector has not learnt.
        """
        numbers = np.unique(windows.recording)
        of_shared = {
            name: member.score_recordings(windows, *fusion_way(name))[1] for name, member in self._shared.items()
        }
        scores = np.empty(len(numbers))
        for machine, is_own in by_machine(windows, numbers, self.machines):
            own = self._own[machine]
            part = windows.take(np.flatnonzero(np.isin(windows.recording, numbers[is_own])))
            found = {name: values[is_own] for name, values in of_shared.items()}
            found |= {name: member.score_recordings(part, *fusion_way(name))[1] for name, member in own.members.items()}
            scores[is_own] = np.mean(
                [(found[name] - own.scales[name][0]) / own.scales[name][1] for name in self.names], axis=0
            )
        return numbers, scores

    def score_every_way(self, windows: Windows) -> dict[Way, np.ndarray]:
        """Score of each recording in the one way that there is."""
        return {(NATIVE, ""): self.score_recordings(windows)[1]}

    def keep_only(self, machine: Machine) -> None:
        """Forget what the other machines sound like: they have done their part in the training."""
        self._own = {machine: self._own[machine]}
        for member in self._shared.values():
            member.keep_only(machine)

    @property
    def num_parameters(self) -> int:
        """Those of the members, and the scale of each one's scores."""
        scales = sum(2 * len(own.scales) for own in self._own.values())
        return scales + sum(member.count_parameters(fusion_way(name)[0]) for name, _, member in self._all())

    def _all(self) -> Iterator[tuple[str, str, Detector]]:
        """Name, a path in the file, and each member."""
        for name, member in self._shared.items():
            yield name, f"shared/{name}.npz", member
        for number, own in enumerate(self._own.values()):
            for name, member in own.members.items():
                yield name, f"{number}/{name}.npz", member

    def all_members(self) -> list[Detector]:
        """Its members, those of each machine one by one."""
        return [member for _, _, member in self._all()]

    def members_of(self, machine: Machine) -> Iterator[tuple[str, Detector, np.ndarray]]:
        """Name, detector, and mean and standard deviation of the scores, of each member that judges a machine."""
        own = self._own[machine]
        for name in self.names:
            yield name, own.members.get(name) or self._shared[name], own.scales[name]

    def to_bytes(self) -> bytes:
        """All members, and the scales of their scores, as an archive."""
        index = {
            "machines": np.array(self.machines),
            "names": np.array(self.names),
            "scales": np.array([[own.scales[name] for name in self.names] for own in self._own.values()]),
        }
        members = {path: member.to_bytes() for _, path, member in self._all()}
        return container.pack({_INDEX: arrays.to_bytes(index)} | members)

    def from_bytes(self, content: bytes) -> None:
        """Take over what `to_bytes` gave."""
        parts = container.unpack(content)
        index = arrays.from_bytes(parts[_INDEX])
        machines = [(snr, kind, number) for snr, kind, number in index["machines"].tolist()]
        self.names = tuple(index["names"].tolist())
        scales = index["scales"]
        wanted = self.options["fuse"].split()
        if not set(self.names) <= set(wanted) or scales.shape != (len(machines), len(self.names), 2) or not scales.size:
            raise ValueError("the members are not those of the fusion")
        if not (np.isfinite(scales).all() and (scales[:, :, 1] > 0).all()):
            raise ValueError("a scale of the scores can't be one")
        self._shared = {name: self._new(name) for name in self.names if REGISTRY[name].knows_machines}
        alone = [name for name in self.names if not REGISTRY[name].knows_machines]
        self._own = {
            machine: _Machine({name: self._new(name) for name in alone}, dict(zip(self.names, of_machine, strict=True)))
            for machine, of_machine in zip(machines, scales, strict=True)
        }
        for _, path, member in self._all():
            member.from_bytes(parts[path])
        for member in self._shared.values():
            if not set(machines) <= set(member.machines):
                raise ValueError("a member has not learnt the machines")


def scale_of(scores: np.ndarray, left_out: int = 0) -> np.ndarray:
    """What a detector's scores are standardised with.

    Nearest neighbours are as far from each other as the other way round: the scores of few recordings may differ by
    next to nothing, and that says nothing of how others will differ. Then the mean is the scale, too.

    Parameters
    ----------
    scores : np.ndarray [shape=(n,)]
        Of held-out recordings.
    left_out : int
        How many others there are, which this scale is for: it is then of the same kind as that of all of them.

    Returns
    -------
    np.ndarray [shape=(2,)]
        Mean, and standard deviation or what takes its place.
    """
    mean, std = float(scores.mean()), float(scores.std())
    if are_few(len(scores) + left_out) or std <= 1e-9 * abs(mean):
        std = abs(mean) or 1.0
    return np.array([mean, std])


def _fused(held_out: dict[str, NormalScores]) -> NormalScores:
    """The mean z-scores of a machine's recordings that all members have scored."""
    members = list(held_out.values())
    numbers = members[0].numbers
    for normal in members[1:]:
        numbers = np.intersect1d(numbers, normal.numbers)
    z_scores = np.zeros(len(numbers))
    for normal in members:
        scores = normal.scores[np.isin(normal.numbers, numbers)]
        for place, number in enumerate(numbers):
            others = normal.scores[normal.numbers != number]
            mean, std = scale_of(others if len(others) else normal.scores, left_out=1)
            z_scores[place] += (scores[place] - mean) / std / len(members)
    source = "held_out" if all(normal.source == "held_out" for normal in members) else "training"
    return NormalScores(numbers, z_scores, source)


def _parts(
    used: tuple[Windows, Windows | None], origins: Origins, machines: list[Machine]
) -> Iterator[tuple[Machine, Windows, Windows | None]]:
    """Each machine with its part of the windows to learn from and of those for validation."""
    for machine in machines:
        number = origins.machines.index(machine)
        parts = [
            None if part is None else part.take(np.flatnonzero(origins.machine[part.recording] == number))
            for part in used
        ]
        assert parts[0] is not None
        yield machine, parts[0], parts[1] if parts[1] is not None and len(parts[1]) else None
