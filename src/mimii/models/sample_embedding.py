"""Embeddings of the samples of recordings, by networks that compute spectra of their own: for a GPU."""

from functools import partial
from typing import Any

import numpy as np
import torch

from mimii.errors import TaskError
from mimii.evaluation.thresholds import NormalScores
from mimii.features.windows import Windows
from mimii.models import references
from mimii.models.choices import Way
from mimii.models.embedding import EmbeddingDetector, Weights
from mimii.models.machines import by_machine, origins_of
from mimii.models.network import ENOUGH
from mimii.networks.embedding import EmbeddingNetwork
from mimii.networks.two_branch import MIN_SAMPLES, MultiResolution, TwoBranch
from mimii.settings import BACKENDS
from mimii.training import loop
from mimii.training.clips import ResidentClips, embed_clips
from mimii.training.history import History
from mimii.training.hooks import Training

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

    def fit(self, windows: Windows, validation: Windows | None, training: Training) -> History:
        """Train the networks, then look at where each machine's training recordings are; see `EmbeddingDetector`."""
        self._made = []
        return super().fit(windows, validation, training)

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
        """Scores of the validation recordings, where each machine has ten or more.

        The networks are not trained again; what they are compared with is found again, without these recordings.
        Otherwise each fifth recording is held out in turn, as of other detectors, and the networks are trained again:
        to a network the recordings that it has learnt from are much nearer to each other than new ones are.
        """
        whole = windows if validation is None else windows.joined(validation)
        machine = origins_of(whole).machine
        numbers = self.to_hold_out(whole, np.unique(whole.recording))
        held_out = numbers[~np.isin(numbers, windows.recording)]
        counts = np.bincount(machine[held_out], minlength=len(machine))
        if not len(numbers) or (counts[machine[numbers]] < ENOUGH).any():
            return super().calibrate(whole, None, training)
        scores = {backend: np.zeros(len(held_out)) for backend in BACKENDS}
        is_target_domain = origins_of(whole).is_target_domain
        for member in self.members:
            every, embeddings = self.embed(member.weights, whole)
            is_learnt = ~np.isin(every, held_out)
            of_held_out = embeddings[np.searchsorted(every, held_out)]
            for one, is_own in by_machine(whole, held_out, self.machines):
                of_machine = is_learnt & (machine[every] == origins_of(whole).machines.index(one))
                reference = references.learn(
                    embeddings[of_machine], is_target_domain[every[of_machine]], training.seed % 2**32
                )
                for backend, values in scores.items():
                    found = references.distances(reference, of_held_out[is_own], backend)
                    values[is_own] += found / len(self.members)
        return {(backend, ""): NormalScores(held_out, values, "held_out") for backend, values in scores.items()}

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
