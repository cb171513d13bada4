"""Trained models with all that they need to judge a recording."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mimii.data.machines import MACHINE, Machine
from mimii.errors import UserError
from mimii.evaluation.scoring import pool_scores
from mimii.features.windows import Features, Windows
from mimii.models import container
from mimii.models.base import Classifier, Detector, Model, WindowDetector
from mimii.models.calibration import Calibration
from mimii.models.choices import Way
from mimii.models.container import Description
from mimii.models.recording import Recording, signal_of, signal_parts, windows_of
from mimii.settings import FeatureSettings
from mimii.training.hooks import Training

_PART_SECONDS = 1.0  # of a recording, for the score over time of a way that has no window scores


@dataclass(frozen=True, eq=False)
class Score:
    """What a detector says of a recording.

    Attributes
    ----------
    score : float
        Higher is more anomalous.
    threshold : float
        Above it a recording counts as abnormal.
    times : np.ndarray [shape=(n,)]
        In the recording, where `values` are [s].
    values : np.ndarray [shape=(n,)]
        The score over time.
    frames : np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        Log-mel frames of the recording [dB].
    """

    score: float
    threshold: float
    times: np.ndarray
    values: np.ndarray
    frames: np.ndarray

    @property
    def is_abnormal(self) -> bool:
        """The score is above the threshold."""
        return self.score > self.threshold

    @property
    def verdict(self) -> str:
        """``normal`` or ``abnormal``."""
        return "abnormal" if self.is_abnormal else "normal"


def _description(
    model: Model,
    features: FeatureSettings,
    sample_rate: int,
    facts: Mapping[str, Any],
    *,
    classes: list[str],
    calibrations: Mapping[Way, Calibration],
) -> Description:
    """What stands in a model's file beside what it has learnt."""
    return Description(
        name=model.name,
        frames=model.frames,
        variant=model.variant,
        balanced=getattr(model, "balanced", False),
        clip_options=getattr(model, "options", {}),
        features=features,
        sample_rate=int(sample_rate),
        classes=classes,
        calibrations=[calibration.to_entry(way) for way, calibration in calibrations.items()],
        facts=dict(facts),
    )


@dataclass(eq=False)
class TrainedDetector:
    """A trained detector with all that it needs to judge a recording.

    Attributes
    ----------
    model : Detector
        Fitted.
    features : FeatureSettings
        How the log-mel frames are computed that it has learnt.
    sample_rate : int
        Of the recordings that it has learnt [Hz].
    calibrations : dict of (str, str) to Calibration
        The thresholds for every way of scoring: scoring, and pooling of window scores.
    facts : dict of str to Any
        About the training: texts, numbers and lists of numbers.
    """

    model: Detector
    features: FeatureSettings
    sample_rate: int
    calibrations: dict[Way, Calibration]
    facts: dict[str, Any]

    @property
    def hop_seconds(self) -> float:
        """From one frame to the next [s]."""
        return self.features.hop_length / self.sample_rate

    @classmethod
    def calibrated(
        cls,
        model: Detector,
        settings: FeatureSettings,
        features: Features,
        windows: Windows,
        validation: Windows | None,
        training: Training,
    ) -> "TrainedDetector":
        """Complete a fitted detector by its thresholds.

        Parameters
        ----------
        model : Detector
            Fitted.
        settings : FeatureSettings
            Of the features.
        features : Features
            Of the recordings that the windows are of.
        windows, validation, training
            What the detector was fitted with.

        Raises
        ------
        TaskError
            A score of a normal recording is not finite.
        """
        machines: list[Machine] = [
            (str(snr), str(machine_type), str(machine_id))
            for snr, machine_type, machine_id in features.recordings[MACHINE].itertuples(index=False)
        ]
        normal = model.calibrate(windows, validation, training)
        calibrations = {
            way: Calibration.of(scores, [machines[number] for number in scores.numbers])
            for way, scores in normal.items()
        }
        return cls(model, settings, features.sample_rate, calibrations, {})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file that `load_model` reads, whole or not at all."""
        self.save_with(path, {})

    def save_with(self, path: str | os.PathLike[str], parts: Mapping[str, bytes]) -> None:
        """Write the file with further parts, which are archives; `mimii.models.files.load_with_parts` reads them."""
        description = self._description(self.facts, self.calibrations)
        container.save(Path(path), description, {self.model.learnt_file: self._learnt, **parts})

    def size(self, way: Way) -> int:
        """How large a file is that holds what a way of scoring needs, and no history of the training [bytes]."""
        description = self._description({}, {way: self.calibrations[way]})
        # where there is one way, all is needed: it is not written twice, which takes scikit-learn's models long
        has_several = len({scoring for scoring, _ in self.calibrations}) > 1
        learnt = self.model.bytes_for(way[0]) if has_several else self._learnt
        return len(container.archived(description, {self.model.learnt_file: learnt}))

    @cached_property
    def _learnt(self) -> bytes:
        return self.model.to_bytes()

    def _description(self, facts: Mapping[str, Any], calibrations: Mapping[Way, Calibration]) -> Description:
        return _description(self.model, self.features, self.sample_rate, facts, classes=[], calibrations=calibrations)

    def score(
        self,
        recording: Recording,
        *,
        scoring: str | None = None,
        score_pooling: str = "mean",
        machine: Machine | None = None,
    ) -> Score:
        """Judge a recording.

        The score over time is that of each window, at its middle, where windows have scores. In the other ways, which
        judge a recording as a whole, it is the score of each part of about one second, as if the part were a recording;
        it can't be compared with the threshold, because short recordings vary more.

        Parameters
        ----------
        recording : path or np.ndarray [shape=(n_samples,), dtype=int16 or float]
            A wav file, or samples of the model's sample rate; full scale is 32768 or, of floats, 1.
        scoring : str, optional
            One of the detector's ways; by default its first one.
        score_pooling : str
            How the scores of windows become that of the recording, where windows have scores.
        machine : Machine, optional
            SNR, machine type and machine ID: the threshold is that of this machine, where the detector has learnt it,
            and else that of all machines that it has learnt. A detector that knows several machines apart must know it.

        Raises
        ------
        RecordingError
            The recording can't be read, has another sample rate, is too short or is not finite.
        UserError
            There is no such way of scoring, an array can't be samples, or the detector knows several machines apart
            and has not learnt this one.
        """
        way = self._way(scoring, score_pooling)
        signal, frames = signal_of(recording, self.model, self.features, self.sample_rate)
        seconds = self.hop_seconds
        windows = windows_of([frames], self.model.frames, machine, [signal] if self.model.needs_samples else None)
        if way[1] and isinstance(self.model, WindowDetector):
            values = self.model.score_windows(windows)
            _, scores = pool_scores(windows, values, way[1])
            times = (windows.starts + (self.model.frames - 1) / 2) * seconds
        else:
            _, scores = self.model.score_recordings(windows, *way)
            count = max(1, len(frames) // max(self.model.frames, round(_PART_SECONDS / seconds)))
            parts = np.array_split(frames, count)
            signals = signal_parts(signal, parts, self.features.hop_length) if self.model.needs_samples else None
            _, values = self.model.score_recordings(windows_of(parts, self.model.frames, machine, signals), *way)
            middles = np.cumsum([0, *map(len, parts[:-1])]) + [(len(part) - 1) / 2 for part in parts]
            times = middles * seconds
        threshold = self.calibrations[way].threshold(machine)
        return Score(float(scores[0]), threshold, times, values.astype(np.float64), frames)

    def _way(self, scoring: str | None, score_pooling: str) -> Way:
        ways = list(self.calibrations)
        scoring = scoring or ways[0][0]
        for way in ((scoring, score_pooling), (scoring, "")):
            if way in self.calibrations:
                return way
        texts = ", ".join(" with ".join(filter(None, way)) for way in ways)
        raise UserError(f"{self.model.name} can't score by {scoring} with {score_pooling}; its ways are {texts}")


@dataclass(eq=False)
class TrainedClassifier:
    """A trained classifier with all that it needs to judge a recording.

    Attributes
    ----------
    model : Classifier
        Fitted.
    features : FeatureSettings
        How the log-mel frames are computed that it has learnt.
    sample_rate : int
        Of the recordings that it has learnt [Hz].
    classes : list of str
        In the order of the model's outputs.
    facts : dict of str to Any
        About the training: texts, numbers and lists of numbers.
    """

    model: Classifier
    features: FeatureSettings
    sample_rate: int
    classes: list[str]
    facts: dict[str, Any]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file that `load_model` reads, whole or not at all."""
        container.save(Path(path), self._description(self.facts), {self.model.learnt_file: self._learnt})

    def size(self) -> int:
        """How large a file is that holds what it needs, and no history of the training [bytes]."""
        return len(container.archived(self._description({}), {self.model.learnt_file: self._learnt}))

    @cached_property
    def _learnt(self) -> bytes:
        return self.model.to_bytes()

    def _description(self, facts: Mapping[str, Any]) -> Description:
        return _description(self.model, self.features, self.sample_rate, facts, classes=self.classes, calibrations={})

    def predict(self, recording: Recording) -> dict[str, float]:
        """Probability of each class: the mean over the windows of a recording.

        Parameters
        ----------
        recording : path or np.ndarray [shape=(n_samples,), dtype=int16 or float]
            A wav file, or samples of the model's sample rate; full scale is 32768 or, of floats, 1.

        Raises
        ------
        RecordingError
            The recording can't be read, has another sample rate, is too short or is not finite.
        UserError
            An array can't be samples.
        """
        _, frames = signal_of(recording, self.model, self.features, self.sample_rate)
        windows = windows_of([frames], self.model.frames)
        _, (probabilities,) = windows.mean_by_recording(self.model.predict_proba(windows))
        return dict(zip(self.classes, probabilities.tolist(), strict=True))
