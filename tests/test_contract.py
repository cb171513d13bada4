"""One contract for every model of the registry, detectors and classifiers."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from model_support import (
    CLASSICAL_DETECTORS,
    EMBEDDINGS,
    KNOWS_MACHINES,
    MACHINE_NAME,
    NETWORKS,
    OTHER_MACHINE,
    SEED,
    WINDOW_DETECTORS,
    batch_for,
    clip_for,
    data_for,
    epochs_for,
    features_of,
    fit,
    fitted,
    labelled_sounds,
    machine_sounds,
    new_data,
    new_model,
    new_network,
    origins_of,
    output_of,
    sounds,
    trained,
    training,
)

from mimii.errors import TaskError, UserError
from mimii.evaluation.metrics import detection_metrics
from mimii.features.windows import Samples
from mimii.models import BASELINES, CLASSIFIERS, DETECTORS, create_model, scoring_ways
from mimii.models.choices import training_settings
from mimii.models.files import load_model
from mimii.settings import ClipSettings
from mimii.storage.files import CacheError

MODELS = [*DETECTORS, *CLASSIFIERS]
ON_SAMPLES = [name for name, entry in DETECTORS.items() if entry.needs_samples]
ON_FRAMES = [name for name in MODELS if name not in ON_SAMPLES]
WITHOUT_CHANCE = ["one_class_svm", "svm", "knn", "mahalanobis", "pca", "ldn"]  # SVMs up to 3000 windows
EACH_CLASS_COUNT = [(name, 2) for name in MODELS] + [(name, 3) for name in CLASSIFIERS]
EACH_NETWORK = [(name, count) for name, count in EACH_CLASS_COUNT if name in NETWORKS]
ODD_SHAPES = [(13, 1), (65, 7), (8, 1), (9, 2), (128, 10), (1, 3)]


# --- what a model gives


@pytest.mark.parametrize("name", DETECTORS)
def test_each_recording_has_one_finite_score_in_every_way(name):
    model, _ = fitted(name)
    windows = data_for(name).evaluation
    every_way = model.score_every_way(windows)
    assert list(every_way) == scoring_ways(name)
    for way, scores in every_way.items():
        numbers, alone = model.score_recordings(windows, *way)
        assert list(numbers) == list(range(12, 20))
        assert np.array_equal(scores, alone)
        assert scores.shape == (8,)
        assert np.isfinite(scores).all()
        assert len(np.unique(scores)) == 8


@pytest.mark.parametrize("name", WINDOW_DETECTORS)
def test_each_window_has_one_finite_score(name):
    scores = output_of(fitted(name)[0])
    assert scores.shape == (len(sounds().evaluation),)
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > len(scores) // 2


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_window_has_a_probability_for_each_class(name, num_classes):
    probabilities = output_of(fitted(name, num_classes)[0])
    assert probabilities.shape == (len(labelled_sounds(num_classes).evaluation), num_classes)
    assert np.isfinite(probabilities).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in DETECTORS if name in ON_FRAMES])
def test_anomalies_score_higher(name):
    """Networks over samples need more recordings and steps than a test has time for."""
    data = data_for(name)
    for way in scoring_ways(name, scorings=["mse"], score_poolings="mean"):
        _, scores = fitted(name)[0].score_recordings(data.evaluation, *way)
        assert detection_metrics(data.is_abnormal, scores)["auc"] > 0.9, way
        assert scores[data.is_abnormal].mean() > scores[~data.is_abnormal].mean(), way


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classes_that_are_easy_to_tell_apart_are_told_apart(name, num_classes):
    probabilities = output_of(fitted(name, num_classes)[0])
    assert labelled_sounds(num_classes).accuracy(probabilities) > 0.8
    wrong = np.roll(probabilities, 1, axis=1)
    assert labelled_sounds(num_classes).accuracy(wrong) < 0.2  # it is the class that counts, not just some order


@pytest.mark.parametrize("name", MODELS)
def test_applying_a_model_leaves_it_as_it_is(name):
    model, _ = fitted(name)
    first = output_of(model)
    torch.manual_seed(5)
    assert np.array_equal(output_of(model), first)


@pytest.mark.parametrize("name", [*WINDOW_DETECTORS, *CLASSIFIERS])
def test_the_output_for_a_window_does_not_depend_on_its_company(name):
    model, _ = fitted(name)
    chosen = np.array([20, 3, 3, 11])
    windows = data_for(name).evaluation.take(chosen)
    alone = model.predict_proba(windows) if name in CLASSIFIERS else model.score_windows(windows)
    assert np.allclose(alone, output_of(model)[chosen], rtol=1e-4, atol=1e-5)


def spoilt_samples(windows, kept):
    """Noise in place of all recordings but one, where there are samples."""
    if windows.samples is None:
        return None
    values, offsets = windows.samples.values, windows.samples.offsets
    noise = np.random.default_rng(0).normal(scale=0.3, size=len(values)).astype(values.dtype)
    noise[offsets[kept] : offsets[kept + 1]] = values[offsets[kept] : offsets[kept + 1]]
    return Samples(noise, offsets)


@pytest.mark.parametrize("name", DETECTORS)
def test_the_score_of_a_recording_does_not_depend_on_the_others(name):
    """So nothing of the recordings for evaluation is in what scores are standardised with."""
    model, _ = fitted(name)
    windows = data_for(name).evaluation
    is_chosen = windows.recording == 15
    spoilt = windows.frames.copy()
    spoilt[windows.starts[~is_chosen, None] + np.arange(5)] += 40
    among_others = replace(windows, frames=spoilt, samples=spoilt_samples(windows, 15))
    for way in scoring_ways(name, score_poolings="mean"):
        together = model.score_recordings(windows, *way)[1]
        changed = model.score_recordings(among_others, *way)[1]
        numbers, alone = model.score_recordings(windows.take(np.flatnonzero(is_chosen)), *way)
        assert list(numbers) == [15]
        assert np.allclose(together[3], changed[3], rtol=1e-4)
        assert np.allclose(together[3], alone[0], rtol=1e-4)
        assert not np.isclose(together, changed, rtol=1e-4).any(where=np.arange(8) != 3)


# --- learning


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_output_bit_for_bit(name):
    model, history = fitted(name)
    np.random.seed(1)
    torch.manual_seed(99)
    again, history_again = fit(name)
    assert np.array_equal(output_of(again), output_of(model))
    assert history_again.train_loss == history.train_loss
    assert history_again.val_loss == history.val_loss


@pytest.mark.parametrize("name", MODELS)
def test_another_seed_gives_another_output_where_numbers_are_drawn(name):
    is_same = np.array_equal(output_of(fit(name, seed=SEED + 1)[0]), output_of(fitted(name)[0]))
    if name == "gmm":  # its two Gaussians may come to the same from other starts
        return
    assert is_same == (name in WITHOUT_CHANCE)


@pytest.mark.parametrize("name", MODELS)
def test_the_registry_says_which_training_settings_make_a_difference(name):
    """Against the models themselves: what is not named changes nothing."""
    entry = (DETECTORS | CLASSIFIERS)[name]
    if entry.reconstructs:
        assert set(entry.settings) == set(vars(training().settings))
        return
    model, _ = fitted(name)
    named = training_settings(name, clip_for(name))
    seed = SEED if "seed" in named else SEED + 1
    changes = {"epochs": epochs_for(name) + 1, "batch_size": 4, "learning_rate": 0.5, "val_split": 0.4, "tf32": True}
    frames = 5 if "frames" in named else 1
    data = data_for(name, frames=frames)
    other, _ = fit(name, data, frames=frames, seed=seed, **{key: changes[key] for key in changes if key not in named})
    assert np.array_equal(output_of(other, data), output_of(model))
    if name == "multi_resolution":
        return  # what is named is the same as of two_branch, which takes half the time
    for key in {"epochs", "batch_size", "learning_rate"} & set(named):
        other, _ = fit(name, data, frames=frames, **{key: changes[key]})
        assert not np.allclose(output_of(other, data), output_of(model)), key


@pytest.mark.parametrize(("name", "num_classes"), EACH_NETWORK)
def test_training_changes_every_weight(name, num_classes):
    still = fit(name, num_classes=num_classes, epochs=1, learning_rate=1e-30)[0].network.state_dict()
    moved = fit(name, num_classes=num_classes, epochs=1)[0].network.state_dict()
    assert still.keys() == moved.keys()
    parameters = [key for key, _ in create_model(name, num_classes=num_classes).network.named_parameters()]
    assert [key for key in parameters if torch.equal(still[key], moved[key])] == []


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_training_changes_every_weight_of_an_embedding(name):
    still = fit(name, epochs=1, learning_rate=1e-30)[0].members
    moved = fit(name, epochs=1)[0].members
    assert len(still) == len(moved) == int(new_model(name).options["ensemble"])
    for one, other in zip(still, moved, strict=True):
        assert one.weights.keys() == other.weights.keys()
        learnt = {
            key for key in one.weights if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))
        }
        same = {key for key in learnt if np.array_equal(one.weights[key], other.weights[key])}
        assert same <= {"samples_of_a_clip"}


@pytest.mark.parametrize(("name", "num_classes"), EACH_NETWORK)
def test_no_parameter_of_a_network_is_unused(name, num_classes):
    network = new_network(name, num_classes).train()
    network.loss(*batch_for(name, num_classes)).backward()
    unused = [key for key, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert unused == []
    counted = sum(weight.numel() for weight in network.parameters())
    assert create_model(name, num_classes=num_classes).num_parameters == counted


@pytest.mark.parametrize("name", CLASSICAL_DETECTORS)
def test_a_classical_detector_learns_from_its_windows(name):
    model = create_model(name)
    model.fit(sounds().train.take(np.arange(50)), None, training())
    assert not np.allclose(output_of(model), output_of(fitted(name)[0]))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_learns_from_its_targets(name):
    """The same windows under the other class give the other answer."""
    data = new_data(name)
    for windows in (data.train, data.validation):
        windows.target = 1 - windows.target
    model, _ = fit(name, data)
    assert data.accuracy(output_of(model, data)) < 0.2


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_the_loss_of_an_embedding_falls(name):
    """That of the validation recordings need not: the last epoch counts, and nothing is chosen by it."""
    epochs = 4 if name in ON_SAMPLES else 20
    _, history = fit(name, epochs=epochs)
    assert len(history.train_loss) == epochs
    assert len(history.val_loss) == (epochs if DETECTORS[name].is_network else 0)
    assert history.train_loss[-1] < 0.9 * history.train_loss[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_falls(name):
    _, history = fitted(name, 3 if name in CLASSIFIERS else 2)
    assert len(history.train_loss) == len(history.val_loss) == epochs_for(name)
    assert history.train_loss[-1] < (0.9 if name in CLASSIFIERS else 0.98) * history.train_loss[0]
    assert history.val_loss[-1] < history.val_loss[0]


@pytest.mark.parametrize("name", MODELS)
def test_training_takes_time_and_says_so(name):
    assert fitted(name)[1].training_time_sec > 0


@pytest.mark.parametrize("name", MODELS)
def test_a_model_needs_no_validation(name):
    model = new_model(name)
    history = model.fit(data_for(name).train, None, training(epochs=1))
    assert history.val_loss == []
    assert np.isfinite(output_of(model)).all()


class Unbalanced:
    """Nine windows of class 0 for one of class 1, and what tells them apart is weak."""

    validation = None

    def __init__(self):
        rng = np.random.default_rng(0)
        classes = np.array([int(number % 10 == 9) for number in range(60)])
        features = features_of([rng.normal(0.35 * number, size=(20, 8)) for number in classes])
        number = np.arange(60)
        self.train = features.windows(2, number < 40, classes)
        self.evaluation = features.windows(2, number >= 40, classes)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_weights_by_class_make_a_rare_class_be_believed_in(name):
    data, shares = Unbalanced(), {}
    for balanced in (True, False):
        model, _ = fit(name, data, n_mels=8, frames=2, balanced=balanced, batch_size=32, epochs=4)
        shares[balanced] = output_of(model, data)[:, 1].mean()
    assert shares[False] == pytest.approx(0.1, abs=0.04)  # its share of the training windows
    assert shares[True] > 1.5 * shares[False]


# --- what is hard on them


@pytest.mark.parametrize(("n_mels", "frames"), ODD_SHAPES)
@pytest.mark.parametrize(("name", "num_classes"), EACH_CLASS_COUNT)
def test_windows_may_have_any_shape(name, num_classes, n_mels, frames):
    if misfit := (DETECTORS | CLASSIFIERS)[name].misfit(n_mels, frames):
        with pytest.raises(ValueError, match=misfit):
            create_model(name, n_mels=n_mels, frames=frames)
        return
    data = data_for(name, num_classes=num_classes, n_mels=n_mels, frames=frames)
    if name in ON_SAMPLES and (n_mels, frames) != ODD_SHAPES[0]:
        return  # it does not look at the frames
    model, _ = fit(name, num_classes=num_classes, n_mels=n_mels, frames=frames, epochs=1)
    output = output_of(model, data)
    is_of_windows = name in CLASSIFIERS or name in WINDOW_DETECTORS
    assert len(output) == (len(data.evaluation) if is_of_windows else 8)
    assert output.shape[1:] == ((num_classes,) if name in CLASSIFIERS else ())
    assert np.isfinite(output).all()
    if name in NETWORKS:
        batch = torch.from_numpy(data.evaluation.take(np.arange(3)).gather())
        shape = (1 if name == "idnn" else frames, n_mels) if name in DETECTORS else (1 if num_classes == 2 else 3,)
        assert model.network(batch).shape == (3, *shape)


@pytest.mark.parametrize("name", ON_FRAMES)
def test_each_band_is_standardised(name):
    """So a change of scale of the input changes nothing."""
    data = new_data(name, gain=4.0, shift=100.0)
    changed, expected = output_of(fit(name, data)[0], data), output_of(fitted(name)[0])
    tolerances = {"atol": 0.05} if name in CLASSIFIERS else {"rtol": 0.05}
    if name == "fusion":
        tolerances["atol"] = 0.1  # standard deviations
    assert np.allclose(changed, expected, **tolerances)


@pytest.mark.parametrize("name", ON_FRAMES)
def test_bands_that_never_change_are_no_obstacle(name):
    data = new_data(name)
    data.train.frames[:, 10:20] = -156.0  # the frames of all windows are one array
    model, _ = fit(name, data, epochs=1)
    assert np.isfinite(output_of(model, data)).all()


@pytest.mark.parametrize("name", DETECTORS)
def test_a_single_window_is_enough_to_learn_from(name):
    model = new_model(name)
    one = sounds().train.take(np.array([0]))
    if name in EMBEDDINGS:
        with pytest.raises(
            TaskError, match=f"{name} learns to tell machines apart and needs recordings of two or more"
        ):
            model.fit(one, None, training(epochs=1))
        return
    if model.min_recordings > 1:
        with pytest.raises(TaskError, match=f"{name} needs 2 recordings to learn from, and has 1"):
            model.fit(one, None, training(epochs=1))
        return
    model.fit(one, None, training(epochs=1))
    assert np.isfinite(output_of(model, sounds())).all()
    assert model.num_parameters > 0


@pytest.mark.parametrize("name", DETECTORS)
def test_two_recordings_are_enough_to_learn_from(name):
    """Of a detector that knows machines apart, two of each."""
    model, windows = new_model(name), data_for(name).train
    chosen = [0, 1, 24, 25] if name in KNOWS_MACHINES else [0, 1]
    windows = windows.take(np.flatnonzero(np.isin(windows.recording, chosen)))
    model.fit(windows, None, training(epochs=1))
    for normal in model.calibrate(windows, None, training(epochs=1)).values():
        assert list(normal.numbers) == chosen
        assert np.isfinite(normal.scores).all()
    for scores in model.score_every_way(data_for(name).evaluation).values():
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_single_recording_of_a_class_is_enough_to_learn_from(name):
    train = labelled_sounds().train
    first = train.recording[train.target == 1][0]
    chosen = train.take(np.flatnonzero((train.target == 0) | (train.recording == first)))
    model = create_model(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a user would read lines of scikit-learn's source
        model.fit(chosen, None, training(epochs=10))
    assert np.isfinite(output_of(model)).all()
    assert model.num_parameters > 0


# --- several machines


def taken_for(machine, windows):
    """The same windows, but all of them are said to be of a machine."""
    return replace(windows, origins=origins_of([machine] * len(windows.origins.machine)))


@pytest.mark.parametrize("name", KNOWS_MACHINES)
def test_a_detector_knows_the_machines_that_it_has_learnt(name):
    assert fitted(name)[0].machines == (MACHINE_NAME, OTHER_MACHINE)


@pytest.mark.parametrize("name", [name for name in KNOWS_MACHINES if name in ON_FRAMES])
def test_recordings_of_another_machine_are_no_normal_ones_of_this_one(name):
    model, data = fitted(name)[0], machine_sounds()
    own = data.evaluation.take(np.flatnonzero(data.evaluation.recording < 16))
    others = data.train.take(np.flatnonzero(data.train.recording >= 20))
    for way in scoring_ways(name):
        normal = model.score_recordings(own, *way)[1]
        assert model.score_recordings(taken_for(MACHINE_NAME, others), *way)[1].min() > normal.max(), way
        assert model.score_recordings(others, *way)[1].max() < normal.max(), way


@pytest.mark.parametrize("name", KNOWS_MACHINES)
def test_recordings_of_several_machines_are_each_compared_with_its_own(name):
    model, data = fitted(name)[0], machine_sounds()
    windows = data.evaluation.joined(data.validation)
    together = model.score_every_way(windows)
    for place, number in enumerate(range(10, 21)):
        alone = model.score_every_way(windows.take(np.flatnonzero(windows.recording == number)))
        for way, scores in together.items():
            assert scores.shape == (11,)
            assert np.allclose(alone[way], scores[place], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", KNOWS_MACHINES)
def test_a_machine_that_was_not_learnt_is_refused(name):
    model, data = fitted(name)[0], machine_sounds()
    with pytest.raises(
        UserError, match="the model knows no recordings of 6dB fan id_04, only of 6dB fan id_00, 6dB fan id_02"
    ):
        model.score_recordings(taken_for(("6dB", "fan", "id_04"), data.evaluation))
    with pytest.raises(
        UserError, match="say of which machine the recording is; the model knows 6dB fan id_00, 6dB fan id_02"
    ):
        model.score_every_way(replace(data.evaluation, origins=None))


@pytest.mark.parametrize("name", KNOWS_MACHINES)
def test_a_detector_of_one_of_its_machines_judges_that_one_as_before(name):
    """And it needs no word of whose the recordings are."""
    saved, data = trained(name).model.to_bytes(), machine_sounds()
    alone = new_model(name)
    alone.from_bytes(saved)
    alone.keep_only(MACHINE_NAME)
    assert alone.machines == (MACHINE_NAME,)
    small = alone.to_bytes()
    assert len(small) < len(saved)
    again = new_model(name)
    again.from_bytes(small)
    assert again.machines == (MACHINE_NAME,)
    assert again.num_parameters == alone.num_parameters < fitted(name)[0].num_parameters
    expected = fitted(name)[0].score_every_way(data.evaluation)
    for model, windows in ((alone, data.evaluation), (again, replace(data.evaluation, origins=None))):
        found = model.score_every_way(windows)
        assert all(np.array_equal(found[way], scores) for way, scores in expected.items())
    with pytest.raises(UserError, match=r"knows no recordings of 6dB fan id_02, only of 6dB fan id_00$"):
        again.score_recordings(taken_for(OTHER_MACHINE, data.evaluation))


def chosen_recordings(*numbers):
    train = machine_sounds().train
    return train.take(np.flatnonzero(np.isin(train.recording, numbers)))


@pytest.mark.parametrize("name", KNOWS_MACHINES)
def test_a_machine_of_a_single_recording_can_be_learnt_and_judged(name):
    """It is compared with that one, of which nothing can be held out: the scores of the others stand in."""
    model, windows = new_model(name), chosen_recordings(0, 1, 2, 21)
    model.fit(windows, None, training(epochs=1))
    assert model.machines == (MACHINE_NAME, OTHER_MACHINE)
    for way, normal in model.calibrate(windows, None, training(epochs=1)).items():
        assert list(normal.numbers) == [0, 1, 2]
        assert np.isfinite(normal.scores).all()
        others = model.score_recordings(chosen_recordings(22, 23, 24), *way)[1]
        assert np.isfinite(others).all()


@pytest.mark.parametrize("name", KNOWS_MACHINES)
def test_of_machines_of_single_recordings_the_training_scores_are_what_there_is(name):
    model, windows = new_model(name), chosen_recordings(0, 21)
    model.fit(windows, None, training(epochs=1))
    for normal in model.calibrate(windows, None, training(epochs=1)).values():
        assert (list(normal.numbers), normal.source) == ([0, 21], "training")
        assert np.isfinite(normal.scores).all()


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_a_machine_alone_has_nothing_to_be_told_from(name):
    with pytest.raises(TaskError, match=f"{name} learns to tell machines apart .* but has those of fan id_00$"):
        new_model(name).fit(chosen_recordings(0, 1, 2), None, training(epochs=1))


def test_a_fusion_of_a_machine_alone_is_one_of_the_others_and_says_so():
    model, windows = new_model("fusion"), chosen_recordings(*range(10))
    model.fit(windows, None, training())
    assert model.names == ("ldn", "mahalanobis")
    assert model.variant == "ldn, mahalanobis"
    plain = create_model("fusion", clip=ClipSettings(fuse=("ldn", "mahalanobis")))
    plain.fit(windows, None, training())
    windows = machine_sounds().evaluation
    assert np.array_equal(model.score_recordings(windows)[1], plain.score_recordings(windows)[1])
    again = new_model("fusion")
    again.from_bytes(model.to_bytes())
    assert again.names == ("ldn", "mahalanobis")
    assert np.array_equal(again.score_recordings(windows)[1], plain.score_recordings(windows)[1])


# --- files


@pytest.mark.parametrize(("name", "num_classes"), [*EACH_CLASS_COUNT, *((name, 2) for name in BASELINES)])
def test_a_saved_model_gives_equal_output_and_knows_all_that_it_knew(name, num_classes, tmp_path):
    saved = trained(name, num_classes)
    saved.save(tmp_path / "a.model")
    loaded = load_model(tmp_path / "a.model")
    assert [item.name for item in tmp_path.iterdir()] == ["a.model"]
    assert type(loaded) is type(saved)
    assert (loaded.features, loaded.sample_rate, loaded.facts) == (saved.features, saved.sample_rate, saved.facts)
    assert np.array_equal(output_of(loaded.model), output_of(saved.model))
    assert loaded.model.num_parameters == saved.model.num_parameters
    assert loaded.model.variant == saved.model.variant
    if name in CLASSIFIERS:
        assert loaded.classes == saved.classes
        assert loaded.model.balanced == saved.model.balanced
        return
    assert loaded.model.machines == saved.model.machines
    windows = data_for(name).evaluation
    expected = saved.model.score_every_way(windows)
    for way, scores in loaded.model.score_every_way(windows).items():
        assert np.array_equal(scores, expected[way])
        assert loaded.model.count_parameters(way[0]) == saved.model.count_parameters(way[0])
    assert list(loaded.calibrations) == list(saved.calibrations) == scoring_ways(name)
    for way, found in loaded.calibrations.items():
        calibration = saved.calibrations[way]
        assert np.array_equal(found.scores, calibration.scores)
        assert (found.machines, found.source) == (calibration.machines, calibration.source)
        assert (found.threshold_of_all, found.thresholds) == (calibration.threshold_of_all, calibration.thresholds)


@pytest.mark.parametrize("name", MODELS)
def test_a_damaged_model_file_is_found_out(name, tmp_path):
    path = tmp_path / "a.model"
    trained(name).save(path)
    whole = path.read_bytes()
    for content in (b"", b"damaged", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(content)
        with pytest.raises(CacheError) as caught:
            load_model(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "absent.model")
