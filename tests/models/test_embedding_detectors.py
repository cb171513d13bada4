"""Detectors that tell machines apart, against what their networks and back-ends give one by one."""

import numpy as np
import pytest
from model_support import (
    EMBEDDINGS,
    MACHINE_NAME,
    OTHER_MACHINE,
    features_of,
    fitted,
    machine_sounds,
    new_model,
    origins_of,
    training,
)
from scipy.spatial.distance import cdist

from mimii.errors import TaskError
from mimii.models import create_model
from mimii.models.embedding import IdEmbedding
from mimii.networks.id_embedding import embed
from mimii.settings import BACKENDS, ClipSettings
from mimii.training.history import History

THIRD = ("6dB", "pump", "id_00")


def noise(machines, domains="", attributes=None, seed=0, size=20):
    """Windows of recordings of some machines, each about a spectrum of its own, and where they come from."""
    rng = np.random.default_rng(seed)
    middles = {machine: np.random.default_rng(number).normal(size=size) for number, machine in enumerate(set(machines))}
    middles = {machine: middles[machine] for machine in sorted(middles)}
    parts = [middles[machine] + rng.normal(scale=0.3, size=(6, size)) for machine in machines]
    columns = {"domain": domains} | ({} if attributes is None else {"attributes": attributes})
    origins = origins_of(machines, **columns)
    return features_of(parts).windows(1, np.ones(len(parts), dtype=bool), origins=origins)


def of_recordings(windows, *numbers):
    return windows.take(np.flatnonzero(np.isin(windows.recording, numbers)))


def id_embedding(windows, validation=None, epochs=3, size=20, seed=7, **options):
    model = create_model("id_embedding", n_mels=size, frames=1, clip=ClipSettings(**options))
    model.fit(windows, validation, training(seed, epochs=epochs, batch_size=64))
    return model


def means(windows):
    return np.stack(
        [windows.frames[windows.starts[windows.recording == n]].mean(axis=0) for n in np.unique(windows.recording)]
    )


def test_the_score_is_the_mean_of_those_of_the_networks():
    """Recomputed from the weights: the cosine distance from the nearest of the machine's recordings."""
    machines = [MACHINE_NAME] * 7 + [OTHER_MACHINE] * 7 + [THIRD] * 7
    windows, others = noise(machines), noise(machines, seed=1)
    model = id_embedding(windows, ensemble=3)
    assert len(model.members) == 3
    expected = np.zeros(21)
    for member in model.members:
        normal, found = embed(member.weights, means(windows)), embed(member.weights, means(others))
        apart = cdist(found, normal, "cosine")
        for begin in (0, 7, 14):
            expected[begin : begin + 7] += apart[begin : begin + 7, begin : begin + 7].min(axis=1) / 3
    for backend in ("knn", "kmeans"):  # of seven recordings, each one is a centre
        assert model.score_recordings(others, backend)[1] == pytest.approx(expected, rel=1e-4)


def test_networks_of_an_ensemble_begin_with_other_weights_and_do_not_depend_on_their_number():
    windows = noise([MACHINE_NAME, OTHER_MACHINE] * 6)
    two, three = id_embedding(windows, ensemble=2), id_embedding(windows, ensemble=3)
    first = [member.weights["dense_1"] for member in three.members]
    assert np.array_equal(two.members[1].weights["dense_1"], first[1])
    assert not any(np.allclose(first[one], first[other], atol=1e-3) for one, other in ((0, 1), (0, 2), (1, 2)))
    assert len(three.to_bytes()) > 1.4 * len(two.to_bytes())


def test_recordings_for_validation_are_compared_with_but_not_learnt_from():
    windows = noise([MACHINE_NAME, OTHER_MACHINE] * 6)
    learnt, held_out = of_recordings(windows, *range(8)), of_recordings(windows, *range(8, 12))
    model = id_embedding(learnt, held_out, ensemble=1)
    alone = id_embedding(learnt, ensemble=1)
    (member,), (other,) = model.members, alone.members
    assert np.array_equal(member.weights["dense_1"], other.weights["dense_1"])
    assert len(member.references[MACHINE_NAME]["source"]["vectors"]) == 6
    assert len(other.references[MACHINE_NAME]["source"]["vectors"]) == 4
    assert model.score_recordings(held_out, "knn")[1] == pytest.approx(np.zeros(4), abs=1e-9)


def test_source_and_target_domain_are_kept_apart():
    domains = ["source"] * 10 + ["target"] * 4 + ["source"] * 6
    windows = noise([MACHINE_NAME] * 14 + [OTHER_MACHINE] * 6, domains)
    model = id_embedding(windows, ensemble=1)
    (member,) = model.members
    counts = {
        machine: {name: len(part["vectors"]) for name, part in found.items()}
        for machine, found in member.references.items()
    }
    assert counts == {MACHINE_NAME: {"source": 10, "target": 4}, OTHER_MACHINE: {"source": 6}}


def taught(monkeypatch):
    """What networks are taught, from now on: how many classes, and the class of each recording."""
    calls = []
    train = IdEmbedding.train_network

    def spied(self, windows, validation, classes, training):
        first = np.unique(windows.recording, return_index=True)[1]
        calls.append((classes, windows.target[first].tolist()))
        return train(self, windows, validation, classes, training)

    monkeypatch.setattr(IdEmbedding, "train_network", spied)
    return calls


def test_a_machine_at_several_snr_is_one_class_and_is_judged_at_each(monkeypatch):
    calls = taught(monkeypatch)
    machines = [("6dB", "fan", "id_00"), ("0dB", "fan", "id_00"), ("6dB", "fan", "id_02"), ("6dB", "pump", "id_00")] * 3
    model = id_embedding(noise(machines), epochs=1, ensemble=1)
    assert calls == [(3, [0, 0, 1, 2] * 3)]
    assert len(model.machines) == len(model.members[0].references) == 4


def test_attributes_are_classes_where_they_are_asked_for(monkeypatch):
    calls = taught(monkeypatch)
    machines, attributes = [MACHINE_NAME] * 6 + [OTHER_MACHINE] * 3, ["a", "b"] * 3 + [""] * 3
    model = id_embedding(noise(machines, attributes=attributes), epochs=1, ensemble=1, classes="attributes")
    assert calls == [(3, [0, 1] * 3 + [2] * 3)]
    assert model.machines == (MACHINE_NAME, OTHER_MACHINE)
    alone = id_embedding(noise(machines[:6], attributes=attributes[:6]), epochs=1, ensemble=1, classes="attributes")
    assert alone.machines == (MACHINE_NAME,)  # one machine, but two things to tell apart


def test_classes_that_are_not_there_are_not_learnt(monkeypatch):
    calls = taught(monkeypatch)
    windows = noise([MACHINE_NAME, OTHER_MACHINE, THIRD] * 3)
    id_embedding(of_recordings(windows, 0, 2, 3, 5), epochs=1, ensemble=1)
    assert calls == [(2, [0, 1, 0, 1])]


def test_the_class_of_a_single_recording_can_be_held_out():
    """Then one class would be left, and nothing could be told from it."""
    windows = noise([MACHINE_NAME] * 7, attributes=["a"] * 6 + ["b"])
    options = ClipSettings(ensemble=1, classes="attributes")
    model = create_model("id_embedding", n_mels=20, frames=1, clip=options)
    model.fit(windows, None, training(epochs=1, batch_size=64))
    for normal in model.calibrate(windows, None, training(epochs=1, batch_size=64)).values():
        assert (list(normal.numbers), normal.source) == (list(range(7)), "training")


def test_scores_of_normal_recordings_are_by_networks_that_did_not_learn_them():
    windows = noise([MACHINE_NAME] * 10 + [OTHER_MACHINE] * 6)
    model = id_embedding(windows, epochs=2, ensemble=1)
    every_way = model.calibrate(windows, None, training(epochs=2, batch_size=64))
    held_out = [3, 8, 13]  # the fourth of five of each machine
    other = id_embedding(of_recordings(windows, *sorted(set(range(16)) - set(held_out))), epochs=2, ensemble=1)
    for backend in BACKENDS:
        normal = every_way[backend, ""]
        assert (list(normal.numbers), normal.source) == (list(range(16)), "held_out")
        expected = other.score_recordings(of_recordings(windows, *held_out), backend)[1]
        assert np.array_equal(normal.scores[held_out], expected)


def without_training(monkeypatch, model):
    """Whatever it is trained with, the network is the one that it has; gives the recordings of each training."""
    (member,) = model.members
    trainings = []

    def train_network(self, windows, validation, classes, training):
        trainings.append(set(windows.recording.tolist()))
        return member.weights, History(train_loss=[1.0])

    monkeypatch.setattr(type(model), "train_network", train_network)
    return trainings


@pytest.mark.parametrize("name", ["two_branch", pytest.param("multi_resolution", marks=pytest.mark.faults)])
def test_networks_over_samples_are_trained_again_for_thresholds_from_few_recordings(name, monkeypatch):
    monkeypatch.setattr("mimii.models.sample_embedding.ENOUGH", 10)
    model, data = fitted(name)[0], machine_sounds(few=True)
    trainings = without_training(monkeypatch, model)
    whole = data.train.joined(data.validation)
    every_way = model.calibrate(data.train, data.validation, training())
    assert list(every_way) == [(backend, "") for backend in BACKENDS]
    normal = every_way["knn", ""]
    numbers = [0, 1, 2, 3, 10, 11, 20, 23, 24, 25]
    assert (list(normal.numbers), normal.source) == (numbers, "held_out")
    (member,) = model.members
    _, embeddings = model.embed(member.weights, whole)
    apart = cdist(embeddings, embeddings, "cosine")
    folds = [0, 1, 2, 3, 4, 0, 0, 1, 2, 3]  # each fifth recording of a machine
    learnt = [{number for number, fold in zip(numbers, folds, strict=True) if fold != one} for one in range(5)]
    assert trainings == learnt
    expected = [
        min(apart[one, other] for other in range(10) if folds[other] != folds[one] and (one < 6) == (other < 6))
        for one in range(10)
    ]
    assert normal.scores == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_validation_recordings_give_the_threshold_where_each_machine_has_enough(monkeypatch):
    monkeypatch.setattr("mimii.models.sample_embedding.ENOUGH", 1)
    model, data = fitted("two_branch")[0], machine_sounds(few=True)
    trainings = without_training(monkeypatch, model)
    every_way = model.calibrate(data.train, data.validation, training())
    assert not trainings
    (member,) = model.members
    numbers, embeddings = model.embed(member.weights, data.train.joined(data.validation))
    assert list(numbers) == [0, 1, 2, 3, 10, 11, 20, 23, 24, 25]
    apart = cdist(embeddings, embeddings, "cosine")
    normal = every_way["knn", ""]
    assert (list(normal.numbers), normal.source) == ([10, 11, 20], "held_out")
    expected = [apart[4, :4].min(), apart[5, :4].min(), apart[6, 7:].min()]
    assert normal.scores == pytest.approx(expected, rel=1e-3, abs=1e-6)
    monkeypatch.setattr("mimii.models.sample_embedding.ENOUGH", 2)  # of the other machine there is one
    assert list(model.calibrate(data.train, data.validation, training())["knn", ""].numbers) == list(numbers)
    assert len(trainings) == 5


@pytest.mark.parametrize("name", ["two_branch", "multi_resolution"])
def test_a_detector_that_needs_samples_says_so_where_there_are_none(name):
    data = machine_sounds(few=True)
    windows = data.features.windows(5, np.arange(26) < 26, origins=data.origins)
    windows.samples = None
    with pytest.raises(TaskError, match=f"{name} needs the samples of recordings"):
        new_model(name).fit(windows, None, training(epochs=1))
    with pytest.raises(TaskError, match=f"{name} needs the samples of recordings"):
        fitted(name)[0].score_recordings(windows)


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_parameters_are_the_weights_and_what_the_back_end_compares_with(name):
    model, _ = fitted(name)
    weights = sum(array.size for member in model.members for array in member.weights.values())
    for backend in BACKENDS:
        compared = model.count_parameters(backend) - weights
        vectors = sum(
            len(part["vectors"])
            for member in model.members
            for found in member.references.values()
            for part in found.values()
        )
        size = next(iter(model.members[0].references.values()))["source"]["mean"].size
        machines = 2 * len(model.members)
        assert (
            compared
            == {
                "knn": vectors * size,
                "ldn": vectors * (size + 1),
                "kmeans": vectors * size,  # up to sixteen of a machine, and all different
                "mahalanobis": machines * (size + size * (size + 1) // 2),
            }[backend]
        )
        assert len(model.bytes_for(backend)) < len(model.to_bytes())
