"""A fusion of detectors, against the z-scores of its members, which are fitted and held out one by one."""

import numpy as np
import pytest
from model_support import (
    MACHINE_NAME,
    OTHER_MACHINE,
    features_of,
    machine_sounds,
    origins_of,
    sounds,
    training,
)

from mimii.errors import TaskError
from mimii.evaluation.thresholds import gamma_threshold
from mimii.models import container, create_model
from mimii.models.choices import fusion_way
from mimii.settings import ClipSettings
from mimii.storage import arrays

HOW = {"epochs": 3, "batch_size": 64}
MACHINES = [MACHINE_NAME] * 12 + [OTHER_MACHINE] * 7


def noise(machines, seed=0, size=20, level=0.0):
    """Recordings of machines, which differ by some bands that go together, and their frames differ."""
    rng, mixing = np.random.default_rng(seed), np.random.default_rng(9).normal(size=(3, size))
    middles = {MACHINE_NAME: 0.0, OTHER_MACHINE: 1.5 * np.sin(np.arange(size))}
    parts = [
        middles[machine] + level + rng.normal(size=3) @ mixing + rng.normal(scale=0.5, size=(8, size))
        for machine in machines
    ]
    return features_of(parts).windows(3, np.ones(len(parts), dtype=bool), origins=origins_of(machines))


def of_recordings(windows, numbers):
    return windows.take(np.flatnonzero(np.isin(windows.recording, numbers)))


def created(name, size=20, **options):
    return create_model(name, n_mels=size, frames=3, clip=ClipSettings(**options))


def fusion(windows, *names, validation=None, size=20):
    model = created("fusion", size, fuse=names, ensemble=1)
    model.fit(windows, validation, training(**HOW))
    return model


def members_alone(windows, names):
    """Each member of a machine fitted by itself, and its scores of recordings that it has not learnt."""
    found = {}
    for name in names:
        model = created(name, **({"ensemble": 1} if name == "id_embedding" else {}))
        model.fit(windows, None, training(**HOW))
        found[name] = model, model.calibrate(windows, None, training(**HOW))[fusion_way(name)]
    return found


@pytest.mark.parametrize(
    "names",
    [
        ("ldn", "mahalanobis"),
        ("id_embedding", "pca", "knn"),
        pytest.param(("gmm", "isolation_forest"), marks=pytest.mark.faults),
    ],
)
def test_a_score_is_the_mean_of_the_z_scores_by_the_machines_held_out_scores(names):
    windows, others = noise(MACHINES), noise(MACHINES, seed=1, level=1.0)
    _, found = fusion(windows, *names).score_recordings(others)
    for numbers in (np.arange(12), np.arange(12, 19)):
        own = members_alone(of_recordings(windows, numbers), [name for name in names if name != "id_embedding"])
        if "id_embedding" in names:  # it learns from all machines
            own |= members_alone(windows, ["id_embedding"])
        z_scores = []
        for name in names:
            model, normal = own[name]
            held_out = normal.scores[np.isin(normal.numbers, numbers)]
            assert len(held_out) == len(numbers)
            assert normal.source == "held_out"
            _, scores = model.score_recordings(of_recordings(others, numbers), *fusion_way(name))
            z_scores.append((scores - np.mean(held_out)) / np.std(held_out))
        assert found[numbers] == pytest.approx(np.mean(z_scores, axis=0))


def test_a_threshold_is_from_z_scores_whose_scale_is_that_of_the_other_recordings():
    windows, names = noise(MACHINES), ("ldn", "mahalanobis")
    model = fusion(windows, *names)
    normal = model.calibrate(windows, None, training(**HOW))["native", ""]
    assert (list(normal.numbers), normal.source) == (list(range(19)), "held_out")
    for numbers in (np.arange(12), np.arange(12, 19)):
        own = members_alone(of_recordings(windows, numbers), names)
        for place, number in enumerate(numbers):
            z_scores = []
            for _, held_out in own.values():
                others = [score for other, score in enumerate(held_out.scores) if other != place]
                z_scores.append((held_out.scores[place] - np.mean(others)) / np.std(others))
            assert normal.scores[number] == pytest.approx(np.mean(z_scores))


def test_normal_recordings_are_about_0_and_others_higher():
    model = fusion(noise(MACHINES * 2), "ldn", "mahalanobis", "id_embedding")
    assert abs(np.median(model.score_recordings(noise(MACHINES, seed=1))[1])) < 1
    assert np.median(model.score_recordings(noise(MACHINES, seed=2, level=2.0))[1]) > 2


def test_a_network_is_scored_by_its_residuals_and_validated_by_its_own_recordings():
    data, other = sounds(), create_model("simple_ae")
    model = create_model("fusion", clip=ClipSettings(fuse=("simple_ae", "ldn")))
    model.fit(data.train, data.validation, training())
    other.fit(data.train, data.validation, training())
    nearest = create_model("ldn")
    whole = data.train.joined(data.validation)
    nearest.fit(whole, None, training())
    assert [name for name, *_ in model.members_of(model.machines[0])] == ["simple_ae", "ldn"]
    z_scores = []
    for name, alone, used in (("simple_ae", other, (data.train, data.validation)), ("ldn", nearest, (whole, None))):
        held_out = alone.calibrate(*used, training())[fusion_way(name)]
        assert list(held_out.numbers) == list(range(12))
        _, scores = alone.score_recordings(data.evaluation, *fusion_way(name))
        z_scores.append((scores - held_out.scores.mean()) / held_out.scores.std())
    _, found = model.score_recordings(data.evaluation)
    assert found == pytest.approx(np.mean(z_scores, axis=0))
    normal = model.calibrate(data.train, data.validation, training())["native", ""]
    # the network's residuals are of recordings that it has learnt
    assert (list(normal.numbers), normal.source) == (list(range(12)), "training")
    assert gamma_threshold(normal.scores) < found[data.is_abnormal].min()


def test_a_threshold_is_from_recordings_that_every_member_has_held_out(monkeypatch):
    monkeypatch.setattr("mimii.models.network.ENOUGH", 2)
    data = sounds()
    model = create_model("fusion", clip=ClipSettings(fuse=("simple_ae", "ldn")))
    model.fit(data.train, data.validation, training(epochs=1))
    normal = model.calibrate(data.train, data.validation, training(epochs=1))["native", ""]
    assert (list(normal.numbers), normal.source) == (list(range(12)), "training")  # two would be too few
    train, validation = of_recordings(data.train, range(8)), data.train.joined(data.validation)
    validation = of_recordings(validation, range(8, 12))
    model.fit(train, validation, training(epochs=1))
    normal = model.calibrate(train, validation, training(epochs=1))["native", ""]
    assert (list(normal.numbers), normal.source) == (list(range(8, 12)), "held_out")


def test_of_a_machine_of_one_recording_the_scale_of_an_embedding_is_that_of_all():
    windows = of_recordings(noise(MACHINES), range(13))
    model = fusion(windows, "ldn", "id_embedding")
    (_, normal), *_ = members_alone(windows, ["id_embedding"]).values()
    assert list(normal.numbers) == list(range(12))
    scales = {name: scale for name, _, scale in model.members_of(OTHER_MACHINE)}
    assert scales["id_embedding"] == pytest.approx([normal.scores.mean(), normal.scores.std()])
    assert np.isfinite(model.score_recordings(noise(MACHINES, seed=1))[1]).all()


@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_a_threshold_from_few_recordings_is_of_the_scores_own_size(count):
    """Else most of the recordings to come would be called abnormal, or none of those that are."""
    alarms, missed = [], []
    for seed in range(8):
        windows = noise([MACHINE_NAME] * count, seed=seed)
        model = fusion(windows, "ldn", "mahalanobis")
        threshold = gamma_threshold(model.calibrate(windows, None, training())["native", ""].scores)
        alarms += list(model.score_recordings(noise([MACHINE_NAME] * 9, seed=100 + seed))[1] > threshold)
        missed += list(model.score_recordings(noise([MACHINE_NAME] * 9, seed=200 + seed, level=30.0))[1] < threshold)
    assert np.mean(alarms) < 0.4
    assert np.mean(missed) < 0.2


def test_of_two_recordings_nothing_can_be_held_out():
    """The others' scale would be that of a single recording, which knows of no spread."""
    windows = noise([MACHINE_NAME] * 2)
    normal = fusion(windows, "ldn", "mahalanobis").calibrate(windows, None, training())["native", ""]
    assert (list(normal.numbers), normal.source) == ([0, 1], "training")


def test_scores_that_are_all_the_same_have_a_scale():
    same = features_of([np.ones((4, 20))] * 6).windows(3, np.ones(6, dtype=bool))
    other = features_of([np.ones((4, 20)), np.full((4, 20), 9.0)]).windows(3, np.ones(2, dtype=bool))
    model = fusion(same, "knn", "pca")
    assert np.isfinite(model.calibrate(same, None, training())["native", ""].scores).all()
    normal, abnormal = model.score_recordings(other)[1]
    assert normal < abnormal < np.inf


def test_members_that_all_tell_machines_apart_need_two():
    windows = noise([MACHINE_NAME] * 6)
    model = created("fusion", fuse=("id_embedding", "two_branch"), ensemble=1)
    with pytest.raises(TaskError, match=r"no other machine to learn from, and nothing is left of the fusion$"):
        model.fit(windows, None, training(**HOW))


def test_a_machine_at_several_snr_is_no_other_machine():
    """To be told apart they must sound in other ways, not the noise about them."""
    machines = [MACHINE_NAME] * 6 + [("0dB", *MACHINE_NAME[1:])] * 6
    parts = [np.random.default_rng(number).normal(size=(8, 20)) for number in range(12)]
    windows = features_of(parts).windows(3, np.ones(12, dtype=bool), origins=origins_of(machines))
    model = fusion(windows, "ldn", "mahalanobis", "id_embedding")
    assert model.names == ("ldn", "mahalanobis")
    assert len(model.machines) == 2


def test_parameters_are_those_of_the_members_and_their_scales():
    model = fusion(noise(MACHINES), "knn", "mahalanobis")
    assert model.num_parameters == 19 * 20 + 2 * (20 + 20 * 21 // 2) + 2 * 2 * 2
    model.keep_only(OTHER_MACHINE)
    assert model.num_parameters == 7 * 20 + (20 + 20 * 21 // 2) + 2 * 2


def test_fused_networks_over_samples_share_the_recordings():
    data = machine_sounds(few=True)
    model = create_model("fusion", clip=ClipSettings(fuse=("ldn", "two_branch")))
    assert model.needs_samples
    assert model.uses_torch
    model.fit(data.train, data.validation, training(epochs=1, batch_size=64))
    assert model.names == ("ldn", "two_branch")
    (_, alone, (mean, std)) = list(model.members_of(MACHINE_NAME))[1]
    of_ldn = create_model("ldn")
    own = of_recordings(data.train.joined(data.validation), range(12))
    of_ldn.fit(own, None, training())
    held_out = of_ldn.calibrate(own, None, training())["native", ""].scores
    first = (of_ldn.score_recordings(data.evaluation)[1] - held_out.mean()) / held_out.std()
    second = (alone.score_recordings(data.evaluation, "ldn")[1] - mean) / std
    assert model.score_recordings(data.evaluation)[1] == pytest.approx((first + second) / 2, rel=1e-4)


# --- files


def spoilt(model, **changes):
    parts = container.unpack(model.to_bytes())
    index = arrays.from_bytes(parts["index.npz"])
    return container.pack(parts | {"index.npz": arrays.to_bytes(index | changes)})


def test_what_was_saved_is_loaded_with_its_members_and_machines():
    model, others = fusion(noise(MACHINES), "ldn", "id_embedding"), noise(MACHINES, seed=1)
    again = created("fusion", fuse=("ldn", "id_embedding"), ensemble=1)
    again.from_bytes(model.to_bytes())
    assert (again.machines, again.names) == (model.machines, model.names)
    assert again.num_parameters == model.num_parameters
    assert np.array_equal(again.score_recordings(others)[1], model.score_recordings(others)[1])
    for name, member, scale in again.members_of(OTHER_MACHINE):
        assert name in model.names
        assert member.name == name
        assert scale.shape == (2,)


def test_an_index_that_does_not_fit_is_refused():
    model = fusion(noise(MACHINES), "ldn", "knn", "id_embedding")
    scales = arrays.from_bytes(container.unpack(model.to_bytes())["index.npz"])["scales"]
    unknown = np.array([MACHINE_NAME, ("6dB", "fan", "id_09")])
    for changes in (
        {"names": np.array(["ldn", "pca", "id_embedding"])},
        {"names": np.array(["ldn", "knn"])},
        {"names": np.array([], dtype="U3"), "scales": scales[:, :0]},
        {"scales": scales[:1]},
        {"scales": scales * np.nan},
        {"scales": scales * [1, 0]},
        {"scales": scales * [1, -1]},
        {"machines": unknown},
        {"machines": np.array([MACHINE_NAME])},
        {"machines": np.array([["6dB", "fan"], ["6dB", "pump"]])},
    ):
        again = created("fusion", fuse=("ldn", "knn", "id_embedding"), ensemble=1)
        with pytest.raises((ValueError, KeyError)):
            again.from_bytes(spoilt(model, **changes))


@pytest.mark.parametrize("missing", ["index.npz", "shared/id_embedding.npz", "0/ldn.npz", "1/ldn.npz"])
def test_a_part_that_is_missing_is_missed(missing):
    model = fusion(noise(MACHINES), "ldn", "id_embedding")
    parts = container.unpack(model.to_bytes())
    assert missing in parts
    again = created("fusion", fuse=("ldn", "id_embedding"), ensemble=1)
    with pytest.raises(KeyError):
        again.from_bytes(container.pack({name: part for name, part in parts.items() if name != missing}))
