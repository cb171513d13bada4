"""Sounds that models learn from in the tests, and models that have learnt from them."""

import functools

import numpy as np
import pandas as pd
import torch
from support import SAMPLE_RATE, sound
from threadpoolctl import threadpool_limits

from mimii.data.machines import MACHINE
from mimii.features.logmel import log_mel
from mimii.features.origins import Origins
from mimii.features.windows import Features, Samples
from mimii.models import CLASSIFIERS, DETECTORS, create_model, sample_embedding
from mimii.models.files import TrainedClassifier, TrainedDetector
from mimii.settings import ClipSettings, FeatureSettings, TrainingSettings
from mimii.training.hooks import Training

torch.set_num_threads(1)  # as the experiments do; the tests themselves run side by side
threadpool_limits(1)

SEED = 7
PITCHES = [150.0, 420.0, 900.0]
MACHINE_NAME, OTHER_MACHINE = ("6dB", "fan", "id_00"), ("6dB", "fan", "id_02")
NETWORKS = [name for name, entry in (DETECTORS | CLASSIFIERS).items() if entry.reconstructs]  # classifiers, too
AUTOENCODERS = [name for name, entry in DETECTORS.items() if entry.reconstructs]
NETWORK_CLASSIFIERS = [name for name, entry in CLASSIFIERS.items() if entry.is_network]
CLIP_LEVEL = [name for name, entry in DETECTORS.items() if entry.is_clip_level]
WINDOW_DETECTORS = [name for name in DETECTORS if name not in CLIP_LEVEL]
KNOWS_MACHINES = [name for name, entry in DETECTORS.items() if entry.knows_machines]
EMBEDDINGS = [name for name, entry in DETECTORS.items() if entry.has_embedding]
CLASSICAL_DETECTORS = [name for name, entry in DETECTORS.items() if not (entry.is_network or entry.knows_machines)]
# few and small networks, and few epochs, for the tests
CLIPS = {"id_embedding": ClipSettings(ensemble=2), "fusion": ClipSettings(ensemble=1)}
EPOCHS = {"id_embedding": 20, "two_branch": 1, "multi_resolution": 1, "fusion": 10}


def features_of(parts, sample_rate=SAMPLE_RATE):
    """Features of one machine's recordings, which are given as their frames."""
    table = pd.DataFrame({"path": list(map(str, range(len(parts))))})
    table[MACHINE] = MACHINE_NAME
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


class MachineSounds:
    """The same recordings, with their samples, among those of another machine: 5 to train on and 1 for validation.

    The other one hums up to where an abnormal recording whistles: what tells them apart is also what is abnormal. For
    networks over samples, which take long, there are few to train on.
    """

    def __init__(self, n_mels=64, frames=5, gain=1.0, shift=0.0, few=False):
        rng = np.random.default_rng(0)
        is_abnormal = [False] * 16 + [True] * 4
        signals = [sound(rng, seconds=0.6, abnormal=flag) for flag in is_abnormal]
        signals += [sound(rng, seconds=0.6, pitch=PITCHES[2]) for _ in range(6)]
        settings = FeatureSettings(n_mels=n_mels, n_fft=2048)
        parts = [log_mel(signal, SAMPLE_RATE, settings) for signal in signals]
        self.features = features = features_of([part * gain + shift for part in parts])
        features.samples = samples_of(signals)
        number = np.arange(26)
        machines = [OTHER_MACHINE if is_other else MACHINE_NAME for is_other in number >= 20]
        features.recordings[MACHINE] = machines
        self.origins = origins = origins_of(machines)
        is_train = (number < 4) | (number >= 23) if few else (number < 10) | (number >= 21)
        self.train = features.windows(frames, is_train, origins=origins)
        self.validation = features.windows(frames, np.isin(number, [10, 11, 20]), origins=origins)
        self.evaluation = features.windows(frames, (number >= 12) & (number < 20), origins=origins)
        self.is_abnormal = np.array(is_abnormal[12:])


def samples_of(signals):
    """The samples of recordings, one after the other."""
    return Samples(np.concatenate(signals), np.cumsum([0, *map(len, signals)]))


def origins_of(machines, **columns):
    """Where recordings come from, which are given as their machines."""
    table = pd.DataFrame(machines, columns=MACHINE).assign(**{"domain": "", "attributes": ""} | columns)
    return Origins.of(table, "attributes" if "attributes" in columns else "machine")


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
machine_sounds = functools.cache(MachineSounds)
labelled_sounds = functools.cache(LabelledSounds)


def new_data(name, *, num_classes=2, n_mels=64, frames=5, **changes):
    """What a model can learn from, of its own."""
    if name in CLASSIFIERS:
        return LabelledSounds(num_classes, n_mels, frames, **changes)
    if name in KNOWS_MACHINES:
        return MachineSounds(n_mels, frames, few=DETECTORS[name].needs_samples, **changes)
    return Sounds(n_mels, frames, **changes)


def data_for(name, *, num_classes=2, n_mels=64, frames=5):
    """What a model can learn from; not to be changed."""
    if name in CLASSIFIERS:
        return labelled_sounds(num_classes, n_mels, frames)
    if name in KNOWS_MACHINES:
        return machine_sounds(n_mels, frames, few=DETECTORS[name].needs_samples)
    return sounds(n_mels, frames)


def epochs_for(name):
    return EPOCHS.get(name, 10 if name in CLASSIFIERS else 6)


def settings_for(name):
    # of a detector that knows machines apart, all in one batch
    return {"epochs": epochs_for(name), "batch_size": 32 if name in KNOWS_MACHINES else 16}


def clip_for(name):
    return CLIPS.get(name, ClipSettings())


def new_model(name, **options):
    """An unfitted model, small enough for the tests."""
    return create_model(name, **{"clip": clip_for(name)} | options)


def training(seed=SEED, **changes):
    """How a model is trained in the tests."""
    return Training(TrainingSettings(**{"epochs": 6, "batch_size": 16, **changes}), seed)


def fit(name, data=None, *, num_classes=2, n_mels=64, frames=5, seed=SEED, balanced=True, **changes):
    """A model that has learnt, and the history."""
    data = data or data_for(name, num_classes=num_classes, n_mels=n_mels, frames=frames)
    model = new_model(name, n_mels=n_mels, frames=frames, num_classes=num_classes, balanced=balanced)
    history = model.fit(data.train, data.validation, training(seed, **settings_for(name) | changes))
    return model, history


@functools.cache
def fitted(name, num_classes=2):
    """The same as `fit` gives, once."""
    return fit(name, num_classes=num_classes)


def output_of(model, data=None):
    """Probabilities or scores of each window or, by a clip-level detector, scores of each recording."""
    if model.name in CLASSIFIERS:
        return model.predict_proba((data or labelled_sounds(model.num_classes)).evaluation)
    windows = (data or data_for(model.name)).evaluation
    return model.score_recordings(windows)[1] if model.is_clip_level else model.score_windows(windows)


sample_embedding.ENOUGH = 1  # validation recordings: networks on samples are not trained again for each threshold


@functools.cache
def trained(name, num_classes=2):
    """A model that has learnt, with all that its file must hold."""
    model, _ = fitted(name, num_classes)
    features = FeatureSettings(n_fft=2048)
    facts = {"training_time_sec": 0.1 + 0.2, "train_loss": [0.5, 1 / 3], "train_files": 3, "torch_version": "x"}
    if name in CLASSIFIERS:
        return TrainedClassifier(model, features, SAMPLE_RATE, [f"c{n}" for n in range(num_classes)], facts)
    data = data_for(name)
    of_model = training(**settings_for(name))
    made = TrainedDetector.calibrated(model, features, data.features, data.train, data.validation, of_model)
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
