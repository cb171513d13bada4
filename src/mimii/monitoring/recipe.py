"""All that makes a detector from recordings, so that it can be made again from some of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from mimii.features.origins import Origins
from mimii.features.windows import Windows
from mimii.models import REGISTRY, create_model
from mimii.models.base import Detector
from mimii.models.choices import member_settings, members, trains_network, window_length
from mimii.models.machines import ONE_MACHINE
from mimii.models.recording import windows_of
from mimii.monitoring.heard import Heard
from mimii.settings import ClipSettings, FeatureSettings, TrainingSettings
from mimii.sweep.identity import derive_seed
from mimii.training.hooks import Training

# Blocks that are held out in turn. Fewer are not enough: a covariance of 64 bands that is learnt from four fifths of
# 200 recordings gives scores of another scale than one that is learnt from all.
BLOCKS = 20
# Whatever is trained in epochs, and the models of scikit-learn that see windows, take longer, so they have five blocks.
# From few recordings they learn quickly. Then there are more blocks: as many as learn from about 500 recordings
# together.
_TRAININGS = 5
_RECORDINGS = 500


@dataclass(frozen=True, eq=False, kw_only=True)
class Recipe:
    """All that makes a detector from recordings.

    Attributes
    ----------
    model : str
        A name of the registry.
    features : FeatureSettings
        Of the log-mel frames.
    sample_rate : int
        Of the recordings [Hz].
    training : TrainingSettings
    clip : ClipSettings
    device : str
        For networks.
    others : list of list of Heard
        Recordings of each other machine, for a detector that learns to tell machines apart.
    """

    model: str
    features: FeatureSettings
    sample_rate: int
    training: TrainingSettings
    clip: ClipSettings
    device: str
    others: Sequence[Sequence[Heard]] = ()

    @property
    def frames(self) -> int:
        """In a window."""
        return window_length(self.model, self.training.frames, self.clip)

    @property
    def seed(self) -> int:
        """Of its training."""
        return derive_seed(self.training.seed, self.model)

    @property
    def is_quick(self) -> bool:
        """It is fitted within a moment, or on a GPU: then processes side by side gain nothing."""
        return self._is_fitted_at_once or self._place != "cpu"

    @property
    def _is_fitted_at_once(self) -> bool:
        entry = REGISTRY[self.model]
        return entry.is_clip_level and not (entry.is_network or entry.has_embedding)

    @property
    def _place(self) -> str:
        """Where it runs."""
        return self.device if trains_network(self.model, self.clip) else "cpu"

    def of_members(self) -> list["Recipe"]:
        """Of a fusion, how each of its members is made; each of any other detector is its only member."""
        found = []
        for name in members(self.model, self.clip):
            others = self.others if REGISTRY[name].knows_machines else ()
            found.append(replace(self, model=name, others=others))
        return found

    def trainings(self, count: int) -> int:
        """How many detectors are made to score held-out recordings, of which there are so many."""
        wanted = BLOCKS if self._is_fitted_at_once else max(_TRAININGS, _RECORDINGS // count)
        return min(count, BLOCKS, wanted)

    def epochs(self, count: int, of: int) -> int:
        """The epochs in which a network takes as many steps with some of the recordings as with all of them.

        In the epochs of the settings, a network that learns from four fifths of the recordings would take fewer steps
        than the network of the file. Its errors would be larger for that reason, too, and not only because the held-out
        recordings are new to it.

        Parameters
        ----------
        count, of : int > 0
            How many recordings of the machine are learnt from, and how many there are.
        """
        others = sum(map(len, self.others))
        epochs = member_settings(self.model, self.training).epochs or 0
        return round(epochs * (of + others) / (count + others))

    def new(self) -> Detector:
        """The detector before it has learnt anything."""
        model = create_model(
            self.model, n_mels=self.features.n_mels, frames=self.frames, device=self._place, clip=self.clip
        )
        assert isinstance(model, Detector)
        return model

    def fit(self, own: Sequence[Heard], of: int) -> tuple[Detector, dict[str, Any]]:
        """Make a detector and let it learn from recordings; it forgets what other machines sound like.

        A network keeps some of them for validation, evenly from all of the time.

        Parameters
        ----------
        own : sequence of Heard
            Recordings of the machine.
        of : int > 0
            How many there are; see `epochs`.

        Returns
        -------
        detector : Detector
        history : dict of str to Any
            What happened meanwhile; see `mimii.training.history.History`.
        """
        model, windows = self.new(), self._windows(own)
        model.load_libraries()
        training = Training(
            replace(member_settings(self.model, self.training), epochs=self.epochs(len(own), of)), self.seed
        )
        if not REGISTRY[self.model].is_network:
            history = model.fit(windows, None, training)
        else:
            from mimii.training.devices import precision

            is_validation = self._are_for_validation(own)[windows.recording]
            validation = windows.take(np.flatnonzero(is_validation)) if is_validation.any() else None
            with precision(self.training.tf32):
                history = model.fit(windows.take(np.flatnonzero(~is_validation)), validation, training)
        if self.others:
            model.keep_only(ONE_MACHINE)
        return model, vars(history)

    def _windows(self, own: Sequence[Heard]) -> Windows:
        """The windows of recordings of the machine, and of those of the other machines."""
        windows = windows_of_heard([*own, *chain.from_iterable(self.others)], self.frames)
        if self.others:
            machine = np.repeat(np.arange(1 + len(self.others)), [len(own), *map(len, self.others)])
            names = [f"machine {number}" for number in range(1, 1 + len(self.others))]
            windows.origins = Origins(
                machines=(ONE_MACHINE, *(("", "", name) for name in names)),
                machine=machine,
                classes=("the machine", *names),
                target=machine,
                is_target_domain=np.zeros(len(machine), dtype=bool),
            )
        return windows

    def _are_for_validation(self, own: Sequence[Heard]) -> np.ndarray:
        """Which of the recordings are kept for validation: some of each machine."""
        return np.concatenate([validation_of(len(heard), self.training.val_split) for heard in (own, *self.others)])


def windows_of_heard(heard: Sequence[Heard], length: int) -> Windows:
    """The windows of recordings, of so many frames each; with samples where they are there."""
    signals = [one.signal for one in heard if one.signal is not None]
    return windows_of([one.frames for one in heard], length, signals=signals or None)


def validation_of(count: int, fraction: float) -> np.ndarray:
    """Which recordings are kept for validation: evenly spaced, one at least where there are two and a fraction.

    Parameters
    ----------
    count : int > 0
    fraction : float in [0, 1)

    Returns
    -------
    np.ndarray [shape=(count,), dtype=bool]
    """
    kept = np.zeros(count, dtype=bool)
    if fraction > 0:
        number = min(max(1, round(fraction * count)), count - 1)
        kept[((np.arange(number) + 0.5) / max(1, number) * count).astype(int)] = True
    return kept
