"""Sounds that models learn from in the tests, and models that have learnt from them."""

import functools

import numpy as np
import pandas as pd
import torch
from support import SAMPLE_RATE, sound

from mimii.data.machines import MACHINE
from mimii.features.logmel import log_mel
from mimii.features.windows import Features
from mimii.models import CLASSIFIERS, DETECTORS, create_model
from mimii.models.files import TrainedClassifier, TrainedDetector
from mimii.settings import FeatureSettings, TrainingSettings
from mimii.training.hooks import Training

torch.set_num_threads(1)  # as the experiments do; the tests themselves run side by side

SEED = 7
PITCHES = [150.0, 420.0, 900.0]
NETWORKS = [name for name, entry in (DETECTORS | CLASSIFIERS).items() if entry.is_network]
AUTOENCODERS = [name for name, entry in DETECTORS.items() if entry.is_network]
NETWORK_CLASSIFIERS = [name for name, entry in CLASSIFIERS.items() if entry.is_network]
CLIP_LEVEL = [name for name, entry in DETECTORS.items() if entry.is_clip_level]
WINDOW_DETECTORS = [name for name in DETECTORS if name not in CLIP_LEVEL]
CLASSICAL_DETECTORS = [name for name, entry in DETECTORS.items() if not entry.is_network]


def features_of(parts, sample_rate=SAMPLE_RATE):
    """Features of one machine's recordings, which are given as their frames."""
    table = pd.DataFrame({"path": list(map(str, range(len(parts))))})
    table[MACHINE] = "6dB", "fan", "id_00"
    frames = np.concatenate(parts).astype(np.float32)
    return Features(frames, np.cumsum([0, *map(len, parts)]), table, {}, sample_rate)


class Sounds:
    """Windows of 10 normal recordings to train on, 2 for validation, 4 normal and 4 abnormal ones to score."""

    classes = None

    def __init__(self, n_mels=64, frames=5, gain=1.0, shift=0.0):
        rng = np.random.default_rng(0)
        is_abnormal = [False] * 16 + [True] * 4
        settings = FeatureSettings(n_mels=n_mels, n_fft=2048)
        parts = [log_mel(sound(rng, seconds=0.6, abnormal=flag), SAMPLE_RATE, settings) for flag in is_abnormal]
        self.features = features = features_of([part * gain + shift for part in parts])
        number = np.arange(20)
        self.train = features.windows(frames, number < 10)
        self.validation = features.windows(frames, (number >= 10) & (number < 12))
        self.evaluation = features.windows(frames, number >= 12)
        self.is_abnormal = np.array(is_abnormal[12:])


class LabelledSounds:
    """Windows of sounds that are easy to tell apart: of each class 4 recordings to train on, 1 and 2 others."""

    def __init__(self, num_classes=2, n_mels=64, frames=5, gain=1.0, shift=0.0):
        rng = np.random.default_rng(0)
        self.classes = np.repeat(np.arange(num_classes), 7)
        settings = FeatureSettings(n_mels=n_mels, n_fft=2048)
        pitches = [PITCHES[number] for number in self.classes]
        parts = [log_mel(sound(rng, seconds=0.4, pitch=pitch), SAMPLE_RATE, settings) for pitch in pitches]
        self.features = features = features_of([part * gain + shift for part in parts])
        number = np.arange(len(parts)) % 7
        self.train = features.windows(frames, number < 4, self.classes)
        self.validation = features.windows(frames, number == 4, self.classes)
        self.evaluation = features.windows(frames, number > 4, self.classes)

    def accuracy(self, probabilities):
        """Share of the recordings whose mean probability is highest for their class."""
        numbers, means = self.evaluation.mean_by_recording(probabilities)
        return (means.argmax(axis=1) == self.classes[numbers]).mean()


sounds = functools.cache(Sounds)
labelled_sounds = functools.cache(LabelledSounds)


def new_data(name, *, num_classes=2, n_mels=64, frames=5, **changes):
    """What a model can learn from, of its own."""
    if name in CLASSIFIERS:
        return LabelledSounds(num_classes, n_mels, frames, **changes)
    return Sounds(n_mels, frames, **changes)


def data_for(name, *, num_classes=2, n_mels=64, frames=5):
    """What a model can learn from; not to be changed."""
    return labelled_sounds(num_classes, n_mels, frames) if name in CLASSIFIERS else sounds(n_mels, frames)


def epochs_for(name):
    return 10 if name in CLASSIFIERS else 6


def training(seed=SEED, **changes):
    """How a model is trained in the tests."""
    return Training(TrainingSettings(**{"epochs": 6, "batch_size": 16, **changes}), seed)


def fit(name, data=None, *, num_classes=2, n_mels=64, frames=5, seed=SEED, balanced=True, **changes):
    """A model that has learnt, and the history."""
    data = data or data_for(name, num_classes=num_classes, n_mels=n_mels, frames=frames)
    model = create_model(name, n_mels=n_mels, frames=frames, num_classes=num_classes, balanced=balanced)
    history = model.fit(data.train, data.validation, training(seed, **{"epochs": epochs_for(name), **changes}))
    return model, history


@functools.cache
def fitted(name, num_classes=2):
    """The same as `fit` gives, once."""
    return fit(name, num_classes=num_classes)


def output_of(model, data=None):
    """Probabilities or scores of each window or, by a clip-level detector, scores of each recording."""
    if model.name in CLASSIFIERS:
        return model.predict_proba((data or labelled_sounds(model.num_classes)).evaluation)
    windows = (data or sounds()).evaluation
    return model.score_recordings(windows)[1] if model.is_clip_level else model.score_windows(windows)


@functools.cache
def trained(name, num_classes=2):
    """A model that has learnt, with all that its file must hold."""
    model, _ = fitted(name, num_classes)
    features = FeatureSettings(n_fft=2048)
    facts = {"training_time_sec": 0.1 + 0.2, "train_loss": [0.5, 1 / 3], "train_files": 3, "torch_version": "x"}
    if name in CLASSIFIERS:
        return TrainedClassifier(model, features, SAMPLE_RATE, [f"c{n}" for n in range(num_classes)], facts)
    data = sounds()
    made = TrainedDetector.calibrated(model, features, data.features, data.train, data.validation, training())
    made.facts = facts
    return made


def new_network(name, num_classes=2):
    """A network with new weights, scaled to the training windows."""
    torch.manual_seed(0)
    network = create_model(name, num_classes=num_classes).network
    network.fit_scale(data_for(name, num_classes=num_classes).train)
    return network


def some_windows(count=32):
    """Windows of a machine as a batch."""
    return torch.from_numpy(sounds().train.take(np.arange(count)).gather())


def labelled_windows(num_classes=2, count=48):
    """Windows of all classes as a batch, and their classes."""
    windows = labelled_sounds(num_classes).train
    chosen = windows.take(np.linspace(0, len(windows) - 1, count).astype(int))
    return torch.from_numpy(chosen.gather()), torch.from_numpy(chosen.target)


def batch_for(name, num_classes=2):
    """The arguments of the loss of a network."""
    return labelled_windows(num_classes) if name in CLASSIFIERS else (some_windows(),)


def linear_widths(module):
    """The widths of a network's linear layers, from the input to the output."""
    layers = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]
    return [layers[0].in_features, *(layer.out_features for layer in layers)]
