"""Detectors that learn to tell machines apart, and judge a recording by how near it is to its own machine's others.

A network learns from normal recordings alone which machine a recording is of. To do so it must find what makes a
machine this machine, and leaves out what all machines share: a recording that is far from its own machine's is abnormal
(Wilkinghoff, 2021 and later; outlier exposure in the words of DCASE). No label of a fault and no recording for
evaluation has a part in it.
"""

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mimii.data.machines import Machine
from mimii.errors import TaskError
from mimii.evaluation.scoring import folds
from mimii.features.windows import Windows
from mimii.models import references
from mimii.models.base import Detector
from mimii.models.choices import Way
from mimii.models.clip_level import pooled
from mimii.models.distances import Learnt
from mimii.models.machines import by_machine, judged, origins_of
from mimii.settings import BACKENDS
from mimii.storage import arrays
from mimii.training.history import History
from mimii.training.hooks import Training

Weights = dict[str, np.ndarray]  # of a network, by their names


@dataclass(frozen=True, eq=False)
class Member:
    """One network of an ensemble, and what the machines sound like to it.

    Attributes
    ----------
    weights : dict of str to np.ndarray
    references : dict of Machine to dict
        Of each machine what `mimii.models.references.learn` gave.
    """

    weights: Weights
    references: dict[Machine, dict[str, Learnt]]


class EmbeddingDetector(Detector):
    """What the detectors share that learn an embedding by telling machines apart.

    Each scoring is a back-end; see `mimii.models.references`. An ensemble is several networks that begin with other
    random weights: the score is the mean of theirs.

    Parameters
    ----------
    options : dict of str to Any
        Those fields of `mimii.settings.ClipSettings` that make a difference to it.

    Attributes
    ----------
    machines : tuple of Machine
        Those that it has learnt.
    members : list of Member
    """

    is_clip_level = True
    learnt_file = "learnt.npz"
    members: list[Member]

    def __init__(self, name: str, n_mels: int, frames: int, device: str = "cpu", *, options: dict[str, Any]):
        super().__init__(name, n_mels, frames, device)
        self.options = options
        self._machines: tuple[Machine, ...] = ()

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Those that it has learnt."""
        return self._machines

    @abstractmethod
    def train_network(
        self, windows: Windows, validation: Windows | None, classes: int, training: Training
    ) -> tuple[Weights, History]:
        """Train a network from new weights to tell the targets of windows apart, of which there are so many."""

    @abstractmethod
    def embed(self, weights: Weights, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
        """Embed recordings.

        Returns
        -------
        numbers : np.ndarray [shape=(n,), dtype=int64]
            The recordings that have windows, ascending.
        embeddings : np.ndarray [shape=(n, size)]
            Of length 1.
        """

    def load_libraries(self) -> None:
        """Load torch and scikit-learn."""
        import sklearn.cluster
        import sklearn.covariance  # noqa: F401

        import mimii.networks.embedding  # noqa: F401
        from mimii.training import loop

        loop.load_libraries()

    def fit(self, windows: Windows, validation: Windows | None, training: Training) -> History:
        """Train the networks, then look at where each machine's training recordings are.

        Raises
        ------
        TaskError
            All recordings are of one class, so that there is nothing to tell apart.
        """
        whole = windows if validation is None else windows.joined(validation)
        origins = origins_of(whole)
        numbers = np.unique(whole.recording)
        classes = np.unique(origins.target[numbers])
        if len(classes) < 2:
            raise TaskError(
                f"{self.name} learns to tell machines apart and needs recordings of two or more, but has those of "
                f"{', '.join(origins.classes[number] for number in classes) or 'one'}"
            )
        of_class = np.searchsorted(classes, origins.target)  # only those that are there
        parts = [
            None if part is None else replace(part, target=of_class[part.recording]) for part in (windows, validation)
        ]
        assert parts[0] is not None
        machines = np.unique(origins.machine[numbers[origins.are_judged(numbers)]])
        self._machines = tuple(origins.machines[number] for number in machines)
        self.members, histories, seconds = [], [], 0.0
        for number in range(int(self.options["ensemble"])):
            of_member = replace(training, seed=training.seed + number)
            weights, history = self.train_network(parts[0], parts[1], len(classes), of_member)
            histories.append(history)
            begin = time.perf_counter()
            self.members.append(Member(weights, self._references(weights, whole, training.seed % 2**32)))
            seconds += history.training_time_sec + time.perf_counter() - begin
        return History(
            train_loss=np.mean([history.train_loss for history in histories], axis=0).tolist(),
            val_loss=np.mean([history.val_loss for history in histories], axis=0).tolist(),
            training_time_sec=seconds,
            train_samples=len(np.unique(windows.recording)),
        )

    def _references(self, weights: Weights, windows: Windows, seed: int) -> dict[Machine, dict[str, Learnt]]:
        """What each machine's recordings sound like to a network."""
        windows = judged(windows)
        origins = origins_of(windows)
        numbers, embeddings = self.embed(weights, windows)
        is_target_domain = origins.is_target_domain[numbers]
        return {
            machine: references.learn(embeddings[is_own], is_target_domain[is_own], seed)
            for machine, is_own in by_machine(windows, numbers, self.machines)
        }

    def score_recordings(
        self, windows: Windows, scoring: str = BACKENDS[0], score_pooling: str = ""
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score of each recording by a back-end; there are no scores of windows to pool.

        Raises
        ------
        UserError
            A recording is of a machine that the detector has not learnt.
        """
        numbers, scores = self._scores(windows, [scoring])
        return numbers, scores[scoring]

    def score_every_way(self, windows: Windows) -> dict[Way, np.ndarray]:
        """Score of each recording by each back-end; the recordings are embedded once."""
        _, scores = self._scores(windows, BACKENDS)
        return {(backend, ""): scores[backend] for backend in BACKENDS}

    def _scores(self, windows: Windows, backends: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        numbers = np.unique(windows.recording)
        scores = {backend: np.zeros(len(numbers)) for backend in backends}
        for member in self.members:
            numbers, embeddings = self.embed(member.weights, windows)
            for machine, is_own in by_machine(windows, numbers, self.machines):
                for backend, values in scores.items():
                    found = references.distances(member.references[machine], embeddings[is_own], backend)
                    values[is_own] += found / len(self.members)
        return numbers, scores

    def to_hold_out(self, windows: Windows, numbers: np.ndarray) -> np.ndarray:
        """Those of machines of which others remain to compare with."""
        origins = origins_of(windows)
        numbers = numbers[origins.are_judged(numbers)]
        _, machine, counts = np.unique(origins.machine[numbers], return_inverse=True, return_counts=True)
        return numbers[counts[machine] > 1]

    def keep_only(self, machine: Machine) -> None:
        """Forget what the other machines sound like: they have done their part in the training."""
        self._machines = (machine,)
        for number, member in enumerate(self.members):
            self.members[number] = replace(member, references={machine: member.references[machine]})

    @property
    def num_parameters(self) -> int:
        """Those of the networks, and what all back-ends compare with."""
        return sum(self.count_parameters(backend) - self._weights for backend in BACKENDS) + self._weights

    @property
    def _weights(self) -> int:
        return sum(array.size for member in self.members for array in member.weights.values())

    def count_parameters(self, scoring: str = BACKENDS[0]) -> int:
        """Those of the networks, and what the back-end compares with."""
        compared = sum(
            references.count(reference, scoring) for member in self.members for reference in member.references.values()
        )
        return self._weights + compared

    def to_bytes(self) -> bytes:
        """All that was learnt, as numpy saves arrays."""
        return self._saved(dict)

    def bytes_for(self, scoring: str) -> bytes:
        """Without what the other back-ends need."""
        return self._saved(lambda reference: references.only(reference, scoring))

    def _saved(self, part: Callable[[dict[str, Learnt]], dict[str, Learnt]]) -> bytes:
        members: dict[str, Any] = {
            str(number): {
                "weights": member.weights,
                "references": {
                    str(self.machines.index(machine)): part(reference)
                    for machine, reference in member.references.items()
                },
            }
            for number, member in enumerate(self.members)
        }
        return arrays.to_bytes({"machines": np.array(self.machines), "members": members})

    def from_bytes(self, content: bytes) -> None:
        """Take over what `to_bytes` gave."""
        read = arrays.from_bytes(content)
        self._machines = tuple((snr, kind, number) for snr, kind, number in read["machines"].tolist())
        members = [read["members"][str(number)] for number in range(len(read["members"]))]
        if len(members) != self.options["ensemble"] or not self.machines:
            raise ValueError("the networks are not as many as the ensemble has")
        self.members = [Member(member["weights"], self._read(member["references"])) for member in members]
        self.check_weights()

    def _read(self, found: Mapping[str, Any]) -> dict[Machine, dict[str, Learnt]]:
        read = {machine: found[str(number)] for number, machine in enumerate(self.machines)}
        for reference in read.values():
            for backend in BACKENDS:
                if not reference or references.distances(reference, self.silence(reference), backend).shape != (1,):
                    raise ValueError("a back-end does not give a recording a score")
        return read

    @staticmethod
    def silence(reference: dict[str, Learnt]) -> np.ndarray:
        """An embedding of zeros, as long as those of a reference: (1, size)."""
        return np.zeros((1, next(iter(reference.values()))["mean"].shape[0]))

    @abstractmethod
    def check_weights(self) -> None:
        """See that the weights of all members are those of the network, and fit the references.

        Raises
        ------
        ValueError
            They are not.
        """


class IdEmbedding(EmbeddingDetector):
    """An embedding of a recording's pooled log-mel frames, by a small network: seconds on a CPU.

    It is used without torch; see `mimii.networks.id_embedding`.
    """

    def train_network(
        self, windows: Windows, validation: Windows | None, classes: int, training: Training
    ) -> tuple[Weights, History]:
        """Train on one vector for each recording."""
        import torch

        from mimii.networks.embedding import IdEmbedding as Network
        from mimii.training import loop

        numbers, vectors = pooled(windows, self.options)
        target = np.zeros(int(windows.recording.max()) + 1, dtype=np.int64)
        assert windows.target is not None
        target[windows.recording] = windows.target
        as_windows = Windows(vectors.astype(np.float32), np.arange(len(numbers)), numbers, 1, target[numbers])
        torch.manual_seed(training.seed)
        network = Network(self.n_mels, classes)
        history = loop.train(network, as_windows, None, training, announce=False)
        return network.arrays(), history

    def to_hold_out(self, windows: Windows, numbers: np.ndarray) -> np.ndarray:
        """None at all where that would leave a single class to learn: a network is trained without what is held out."""
        chosen, origins = super().to_hold_out(windows, numbers), origins_of(windows)
        parts = folds(len(chosen), origins.machine[chosen]) if len(chosen) else []
        left = [origins.target[np.setdiff1d(numbers, chosen[part])] for part in parts]
        return chosen if all(len(np.unique(targets)) > 1 for targets in left) else chosen[:0]

    def embed(self, weights: Weights, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
        """Embed each recording's pooled frames."""
        from mimii.networks.id_embedding import embed

        numbers, vectors = pooled(windows, self.options)
        return numbers, embed(weights, vectors)

    def check_weights(self) -> None:
        """Embed silence with each of the networks."""
        from mimii.networks.id_embedding import embed

        for member in self.members:
            embedding = embed(member.weights, np.zeros((1, self.n_mels)))
            for reference in member.references.values():
                if embedding.shape != self.silence(reference).shape:
                    raise ValueError("the weights are not those of its network")
