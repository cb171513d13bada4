"""All that makes a detector from log-mel frames, so that it can be made again from some of the recordings."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mimii.models import REGISTRY, create_model
from mimii.models.base import Detector
from mimii.models.trained import windows_of
from mimii.settings import ClipSettings, FeatureSettings, TrainingSettings
from mimii.training.hooks import Training

# Blocks that are held out in turn. Fewer are not enough: a covariance of 64 bands that is learnt from four fifths of
# 200 recordings gives scores of another scale than one that is learnt from all.
BLOCKS = 20
# Networks, and the models of scikit-learn that see windows, take longer to train, so they have five blocks. From few
# recordings they learn quickly. Then there are more blocks: as many as learn from about 500 recordings together.
_TRAININGS = 5
_RECORDINGS = 500


@dataclass(frozen=True, eq=False, kw_only=True)
class Recipe:
    """All that makes a detector from log-mel frames.

    Attributes
    ----------
    model : str
        A name of the registry.
    features : FeatureSettings
        Of the log-mel frames.
    sample_rate : int
        Of the recordings [Hz].
    frames : int > 0
        In a window.
    training : TrainingSettings
    seed : int
        Of the training.
    clip : ClipSettings
    device : str
    """

    model: str
    features: FeatureSettings
    sample_rate: int
    frames: int
    training: TrainingSettings
    seed: int
    clip: ClipSettings
    device: str

    def trainings(self, count: int) -> int:
        """How many detectors are made to score held-out recordings, of which there are so many."""
        wanted = max(_TRAININGS, _RECORDINGS // count)
        return min(count, BLOCKS, BLOCKS if REGISTRY[self.model].is_clip_level else wanted)

    def epochs(self, count: int, of: int) -> int:
        """The epochs in which a network takes as many steps with some of the recordings as with all of them.

        In the epochs of the settings, a network that learns from four fifths of the recordings would take fewer steps
        than the network of the file. Its errors would be larger for that reason, too, and not only because the held-out
        recordings are new to it.

        Parameters
        ----------
        count, of : int > 0
            How many recordings are learnt from, and how many there are.
        """
        return round(self.training.epochs * of / count) if REGISTRY[self.model].is_network else 0

    def fit(self, parts: list[np.ndarray], of: int) -> tuple[Detector, dict[str, Any]]:
        """Make a detector and let it learn from recordings.

        A network keeps some of them for validation, evenly from all of the time.

        Parameters
        ----------
        parts : list of np.ndarray [shape=(n_frames, n_mels), dtype=float32]
            The log-mel frames of each recording [dB].
        of : int > 0
            How many recordings there are; see `epochs`.

        Returns
        -------
        detector : Detector
        history : dict of str to Any
            What happened meanwhile; see `mimii.training.history.History`.
        """
        entry = REGISTRY[self.model]
        model = create_model(
            self.model, n_mels=self.features.n_mels, frames=self.frames, device=self.device, clip=self.clip
        )
        assert isinstance(model, Detector)
        windows = windows_of(parts, self.frames)
        if not entry.is_network:
            return model, vars(model.fit(windows, None, Training(self.training, self.seed)))
        from mimii.training.devices import precision
        from mimii.training.loop import load_libraries

        load_libraries()
        is_validation = validation_of(len(parts), self.training.val_split)[windows.recording]
        validation = windows.take(np.flatnonzero(is_validation)) if is_validation.any() else None
        settings = replace(self.training, epochs=self.epochs(len(parts), of))
        with precision(settings.tf32):
            history = model.fit(windows.take(np.flatnonzero(~is_validation)), validation, Training(settings, self.seed))
        return model, vars(history)


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
