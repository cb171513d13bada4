"""Embeddings of the samples of recordings, by networks that compute spectra of their own: for a GPU."""

from functools import partial
from typing import Any

import numpy as np
import torch

from mimii.errors import TaskError
from mimii.evaluation.scoring import folds
from mimii.evaluation.thresholds import NormalScores
from mimii.features.windows import Windows
from mimii.models import references
from mimii.models.embedding import EmbeddingDetector, Weights
from mimii.models.machines import by_machine, origins_of
from mimii.models.registry import Way
from mimii.networks.embedding import EmbeddingNetwork
from mimii.networks.two_branch import MIN_SAMPLES, MultiResolution, TwoBranch
from mimii.settings import BACKENDS
from mimii.training import loop
from mimii.training.clips import ResidentClips, embed_clips
from mimii.training.history import History
from mimii.training.hooks import Training

ENOUGH = 10  # validation recordings of a machine, for a threshold from them alone

_NETWORKS = {"two_branch": TwoBranch, "multi_resolution": MultiResolution}
_LENGTH = "samples_of_a_clip"  # among the weights
_OF_TRAINING = "adacos."  # how the weights begin that only the training needs: the centres of the classes


class SampleEmbedding(EmbeddingDetector):
    """An embedding of a recording's spectra, by a convolutional network of several branches (Wilkinghoff, 2023).

    A clip has as many samples as the median of the training recordings. Shorter recordings are repeated up to there; of
    longer ones, clips all over the recording are averaged.
    """

    uses_torch = True
    needs_samples = True

    def __init__(self, name: str, n_mels: int, frames: int, device: str = "cpu", *, options: dict[str, Any]):
        super().__init__(name, n_mels, frames, device, options=options)
        self._made: list[tuple[Weights, EmbeddingNetwork]] = []

    def train_network(
        self, windows: Windows, validation: Windows | None, classes: int, training: Training
    ) -> tuple[Weights, History]:
        """Train on clips of the samples."""
        if windows.samples is None:
            raise TaskError(f"{self.name} needs the samples of recordings")
        lengths = np.diff(windows.samples.offsets)[np.unique(windows.recording)]
        length = max(MIN_SAMPLES, int(np.median(lengths)))
        torch.manual_seed(training.seed)
        network = _NETWORKS[self.name](length, classes)
        history = loop.train(
            network,
            windows,
            validation,
            training,
            device=self.device,
            resident=partial(ResidentClips, length=length),
            foretell=self.name,
        )
        state = network.cpu().state_dict()
        weights = {key: value.numpy() for key, value in state.items() if not key.startswith(_OF_TRAINING)}
        return weights | {_LENGTH: np.array(length)}, history

    def embed(self, weights: Weights, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
        """Embed clips of the samples."""
        if windows.samples is None:
            raise TaskError(f"{self.name} needs the samples of recordings")
        return embed_clips(self.network_of(weights), windows, self.clip_length(weights), self.device)

    @staticmethod
    def clip_length(weights: Weights) -> int:
        """Samples in a clip."""
        return int(weights[_LENGTH])

    def network_of(self, weights: Weights) -> EmbeddingNetwork:
        """The network of some weights, made when it is used for the first time."""
        for known, network in self._made:
            if known is weights:
                return network
        make = partial(_NETWORKS[self.name], self.clip_length(weights), 2)
        with torch.device("meta"):  # where a length that is not that of the weights takes no memory
            state = make().state_dict()
        expected = {key: value for key, value in state.items() if not key.startswith(_OF_TRAINING)}
        found = {key: torch.tensor(value) for key, value in weights.items() if key != _LENGTH}
        if {key: (value.shape, value.dtype) for key, value in found.items()} != {
            key: (value.shape, value.dtype) for key, value in expected.items()
        }:
            raise ValueError("the weights are not those of its network")
        network = make()
        network.load_state_dict(found, strict=False)
        self._made.append((weights, network.to(self.device).eval()))
        return network

    def calibrate(self, windows: Windows, validation: Windows | None, training: Training) -> dict[Way, NormalScores]:
        """Scores of the validation recordings or, where a machine has fewer than ten, of all training recordings.

        The networks are not trained again. What the back-ends compare with is found again, without the recordings that
        are scored.
        """
        whole = windows if validation is None else windows.joined(validation)
        machine = origins_of(whole).machine
        numbers = self.to_hold_out(whole, np.unique(whole.recording))
        if not len(numbers):
            return self.scores_of_training(whole)
        learnt_from = np.unique(windows.recording)
        is_held_out = ~np.isin(numbers, learnt_from)
        counts = np.bincount(machine[numbers[is_held_out]], minlength=len(machine))
        has_enough = bool((counts[machine[numbers]] >= ENOUGH).all())
        parts = [is_held_out] if has_enough else folds(len(numbers), machine[numbers])
        scores = {backend: np.zeros(len(numbers)) for backend in BACKENDS}
        for member in self.members:
            every, embeddings = self.embed(member.weights, whole)
            places = np.searchsorted(every, numbers)
            for part in parts:
                self._compare(whole, numbers, embeddings[places], part, scores, training.seed % 2**32)
        chosen = is_held_out if has_enough else np.ones(len(numbers), dtype=bool)
        source = "held_out" if has_enough else "training"
        return {
            (backend, ""): NormalScores(numbers[chosen], values[chosen] / len(self.members), source)
            for backend, values in scores.items()
        }

    def _compare(
        self,
        windows: Windows,
        numbers: np.ndarray,
        embeddings: np.ndarray,
        part: np.ndarray,
        scores: dict[str, np.ndarray],
        seed: int,
    ) -> None:
        """Add to the scores of a part of the recordings how far they are from the others of their machine."""
        is_target_domain = origins_of(windows).is_target_domain[numbers]
        for _, is_own in by_machine(windows, numbers, self.machines):
            others, own = is_own & ~part, is_own & part
            if own.any():
                reference = references.learn(embeddings[others], is_target_domain[others], seed)
                for backend, values in scores.items():
                    values[own] += references.distances(reference, embeddings[own], backend)

    def check_weights(self) -> None:
        """Make all networks."""
        for member in self.members:
            length = self.clip_length(member.weights)
            if not MIN_SAMPLES <= length < 2**28:
                raise ValueError(f"a clip can't have {length} samples")
            network = self.network_of(member.weights)
            for reference in member.references.values():
                if self.silence(reference).shape != (1, network.size):
                    raise ValueError("the references are not those of its network")
