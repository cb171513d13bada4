"""What makes a difference to a model or a row changes its name, and nothing else does."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mimii.data.machines import MACHINE
from mimii.data.splits import split_for_detection
from mimii.models import CLASSIFIERS, DETECTORS, REGISTRY
from mimii.settings import (
    ClassificationSettings,
    ClipSettings,
    DataSettings,
    DetectionSettings,
    FeatureSettings,
    RunSettings,
    ScoringSettings,
    TrainingSettings,
)
from mimii.sweep import classification, detection
from mimii.sweep.identity import derive_seed, used_settings


def test_seeds_follow_from_their_parts_alone():
    assert derive_seed(42, "vae", "6dB fan id_00") == derive_seed(42, "vae", "6dB fan id_00")
    parts = [(42, "vae", "fan"), (43, "vae", "fan"), (42, "ae", "fan"), (42, "vae", "pump"), (42, "vae")]
    seeds = [derive_seed(*part) for part in parts]
    assert len(set(seeds)) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeds_are_the_same_on_every_machine_and_in_every_process():
    assert derive_seed(42, "simple_ae", "6dB fan id_00") == 50462316897611683


# --- the names of caches and of rows

FILES = pd.DataFrame(
    [
        ("6dB", "fan", "id_00", label, f"{number}.wav", f"{number:032x}")
        for label, count in (("abnormal", 1), ("normal", 3))
        for number in range(count)
    ],
    columns=[*MACHINE, "label", "name", "digest"],
).assign(path="a.wav", given_split="", domain="")
CHANGES = {
    FeatureSettings: {
        **{name: st.integers(1, 4096) for name in ("n_mels", "n_fft", "hop_length")},
        "power": st.floats(0.1, 10),
        "channel": st.integers(0, 7),
    },
    TrainingSettings: {
        **{name: st.integers(1, 4096) for name in ("frames", "epochs", "batch_size")},
        "learning_rate": st.floats(1e-9, 10),
        "val_split": st.floats(0, 0.999),
        "seed": st.integers(0, 2**32 - 1),
        "tf32": st.booleans(),
    },
}
# another machine of that type, for detectors that tell machines apart
TWO_MACHINES = pd.concat(
    [FILES, FILES.assign(machine_id="id_02", digest=FILES["digest"].str.replace("0", "f"))], ignore_index=True
).assign(attributes=["", "slow", "", "fast"] * 2)
ON_A_GPU = "cuda:0"


@pytest.fixture(autouse=True)
def _pretended_devices(monkeypatch):
    monkeypatch.setattr("mimii.sweep.planning.devices", lambda name: [ON_A_GPU if name == "cuda" else name])


def make_tasks(
    features=FeatureSettings(),  # noqa: B008 (frozen)
    training=TrainingSettings(),  # noqa: B008
    files=FILES,
    scoring=ScoringSettings(),  # noqa: B008
    **changes,
):
    run = RunSettings(**{"models": ("vae",), "scope": "machine", "device": "cuda", "jobs": 1} | changes)
    data = DataSettings(base_dir=Path("data"))
    settings = DetectionSettings(data=data, features=features, training=training, scoring=scoring, run=run)
    return detection.plan(settings, split_for_detection(files.drop(columns="split", errors="ignore")))


def make_task(**settings):
    task, *_ = make_tasks(**settings)
    return task


def names_of(task):
    """The names of the features, of the model and of the row."""
    evaluation, *_ = task.evaluations
    return task.store.path(task.group.machines[0]), task.model_path, evaluation.run_id


@given(st.data())
def test_any_change_of_any_setting_is_another_cache_and_another_row(data):
    settings = data.draw(st.sampled_from(list(CHANGES)))
    name = data.draw(st.sampled_from(list(CHANGES[settings])))
    values = data.draw(st.lists(CHANGES[settings][name], min_size=2, max_size=2, unique=True))
    key = "features" if settings is FeatureSettings else "training"
    one, other = (names_of(make_task(**{key: replace(settings(), **{name: value})})) for value in values)
    assert [a != b for a, b in zip(one, other, strict=True)] == [settings is FeatureSettings, True, True]


def test_every_setting_has_its_strategy():
    for settings, fields in CHANGES.items():
        assert list(fields) == list(settings.__dataclass_fields__)


@given(row=st.integers(0, 3), column=st.sampled_from(["name", "digest"]), value=st.integers(0, 2**60))
def test_any_change_of_any_recording_is_another_cache_and_another_row(row, column, value):
    files = FILES.copy()
    files.loc[row, column] = f"0{value}.wav" if column == "name" else f"x{value}"
    is_for_training = split_for_detection(FILES).loc[row, "split"] == "train"
    pairs = zip(names_of(make_task(files=files)), names_of(make_task()), strict=True)
    assert [one != other for one, other in pairs] == [True, is_for_training, True]


def test_another_model_scope_or_kind_of_device_is_another_model_and_row_and_the_jobs_are_not(monkeypatch):
    plain = names_of(make_task())
    for change in ({"models": ("simple_ae",)}, {"scope": "all"}, {"device": "cpu"}):
        assert {*names_of(make_task(**change))[1:]}.isdisjoint(plain)
    assert names_of(make_task(jobs=7, retrain=True)) == plain
    monkeypatch.setattr("mimii.sweep.planning.devices", lambda name: ["cuda:1"])
    assert names_of(make_task()) == plain


def test_another_way_of_scoring_is_another_row_of_the_same_model():
    plain = names_of(make_task())
    for scoring in (ScoringSettings(scoring=("mahalanobis",)), ScoringSettings(score_pooling="max")):
        features, model, run_id = names_of(make_task(scoring=scoring))
        assert (features, model) == plain[:2]
        assert run_id != plain[2]


DIFFERENCES = {
    "frames": 7,
    "epochs": 2,
    "batch_size": 32,
    "learning_rate": 0.1,
    "val_split": 0.3,
    "seed": 7,
    "tf32": True,
}
NETWORK = set(DIFFERENCES)
USED = {
    "isolation_forest": {"frames", "seed"},
    "one_class_svm": {"frames", "seed"},
    "gmm": {"seed"},
    **{name: set() for name in ("knn", "mahalanobis", "pca", "ldn")},
    **{name: {"epochs", "batch_size", "learning_rate", "seed"} for name in ("id_embedding", "fusion")},
    **{name: NETWORK - {"frames"} for name in ("two_branch", "multi_resolution")},
}


def names_among_machines(*models, files=TWO_MACHINES, **settings):
    """Each model's names of the first machine's features, of the model and of its first row, in its own scope."""
    tasks = make_tasks(models=models or tuple(DETECTORS), scope=None, files=files, **settings)
    return {task.model: names_of(task) for task in reversed(tasks)}


def changes(plain, changed):
    """Which models have another model file, and which ones another row; all have the same features."""
    assert all(names[0] == changed[model][0] for model, names in plain.items())
    return tuple({model for model, names in plain.items() if names[place] != changed[model][place]} for place in (1, 2))


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_setting_changes_a_detectors_row_exactly_where_it_makes_a_difference(name):
    training = replace(TrainingSettings(), **{name: DIFFERENCES[name]})
    others = {model for model in DETECTORS if name in USED.get(model, NETWORK)}
    assert changes(names_among_machines(), names_among_machines(training=training)) == (others, others)


CLIP_LEVEL = {"knn", "mahalanobis", "gmm", "pca", "ldn", "id_embedding", "fusion"}
EMBEDDINGS = {"id_embedding", "two_branch", "multi_resolution"}


@pytest.mark.parametrize(
    ("options", "models"),
    [
        ({"pooling": "max"}, CLIP_LEVEL),
        ({"distance": "cosine"}, {"knn", "ldn", "fusion"}),
        ({"twfr_r": 0.5}, set()),
        ({"classes": "attributes"}, {*EMBEDDINGS, "fusion"}),
        ({"ensemble": 2}, {*EMBEDDINGS, "fusion"}),
        ({"fuse": ("ldn", "mahalanobis")}, {"fusion"}),
        ({"fuse": ("ldn", "mahalanobis", "id_embedding")}, set()),
    ],
)
def test_an_option_changes_the_models_and_rows_of_the_detectors_that_know_it_alone(options, models):
    scoring = ScoringSettings(clip=ClipSettings(**options))
    assert changes(names_among_machines(), names_among_machines(scoring=scoring)) == (models, models)


@pytest.mark.parametrize(
    ("fuse", "known"),
    [
        (("knn", "pca"), {"pooling", "distance"}),
        (("mahalanobis", "gmm"), {"pooling", "seed"}),
        (("knn", "two_branch"), {"pooling", "distance", "classes", "ensemble", *DIFFERENCES} - {"frames"}),
        (("mahalanobis", "idnn"), {"pooling", *DIFFERENCES}),
    ],
)
def test_what_makes_a_difference_to_a_fusion_is_what_does_to_a_member(fuse, known):
    clip = ClipSettings(fuse=fuse)
    plain = names_among_machines("fusion", scoring=ScoringSettings(clip=clip))
    for name, value in DIFFERENCES.items():
        training = replace(TrainingSettings(), **{name: value})
        changed = names_among_machines("fusion", training=training, scoring=ScoringSettings(clip=clip))
        assert (changed != plain) == (name in known), name
    for name, value in {"pooling": "max", "distance": "cosine", "classes": "attributes", "ensemble": 2}.items():
        changed = names_among_machines("fusion", scoring=ScoringSettings(clip=replace(clip, **{name: value})))
        assert (changed != plain) == (name in known), name


def test_another_backend_is_another_row_of_the_same_embedding():
    changed = names_among_machines(scoring=ScoringSettings(backend=("knn",)))
    assert changes(names_among_machines(), changed) == (set(), EMBEDDINGS)


def test_what_a_model_does_by_itself_is_the_same_as_when_it_is_asked_for():
    for model in sorted(EMBEDDINGS | {"vae", "conv_ae"}):
        entry = REGISTRY[model]
        training = TrainingSettings(epochs=entry.epochs, batch_size=entry.batch_size)
        scoring = ScoringSettings(clip=ClipSettings(ensemble=entry.ensemble))
        asked = make_task(models=(model,), scope=entry.scope, files=TWO_MACHINES, training=training, scoring=scoring)
        assert names_among_machines(model)[model] == names_of(asked)


def test_another_machine_to_compare_with_is_another_model_of_those_that_tell_machines_apart():
    files = TWO_MACHINES.copy()
    files.loc[files["machine_id"] == "id_02", "digest"] += "x"
    others = {*EMBEDDINGS, "fusion"}
    assert changes(names_among_machines(), names_among_machines(files=files)) == (others, others)


def test_tf32_makes_a_difference_on_a_gpu_alone():
    for device, used in (("cpu", False), ("mps", False), ("cuda:1", True)):
        assert ("tf32" in used_settings("vae", TrainingSettings(), device, ClipSettings())) == used


def test_models_that_draw_no_random_number_are_run_once_whatever_the_seeds():
    data = DataSettings(base_dir=Path("data"))
    run = RunSettings(models=("knn", "gmm", "vae"), scope="machine", seeds=(1, 2, 1, 3), device="cpu", jobs=1)
    tasks = detection.plan(DetectionSettings(data=data, run=run), split_for_detection(FILES))
    seeds = [(task.model, task.settings.seed) for task in tasks]
    assert seeds == [("knn", 1), *[(model, seed) for seed in (1, 2, 3) for model in ("gmm", "vae")]]


@pytest.mark.parametrize(
    ("fuse", "seeds"), [(("knn", "pca"), {1}), (("knn", "gmm"), {1, 2}), (("knn", "id_embedding"), {1, 2})]
)
def test_a_fusion_is_run_with_each_seed_where_a_member_draws_random_numbers(fuse, seeds):
    data = DataSettings(base_dir=Path("data"))
    run = RunSettings(models=("fusion",), seeds=(1, 2), device="cpu", jobs=1)
    scoring = ScoringSettings(clip=ClipSettings(fuse=fuse))
    settings = DetectionSettings(data=data, scoring=scoring, run=run)
    tasks = detection.plan(settings, split_for_detection(TWO_MACHINES))
    assert {task.settings.seed for task in tasks} == seeds


def test_the_seed_decides_the_split_of_a_classification_so_every_classifier_has_one():
    files = pd.concat([FILES, FILES.assign(name="9" + FILES["name"])], ignore_index=True)
    data = DataSettings(base_dir=Path("data"))
    run = RunSettings(models=tuple(CLASSIFIERS), scope="type", seeds=(1, 2), device="cpu", jobs=1)
    tasks = classification.plan(ClassificationSettings(data=data, run=run), files)
    assert len({task.model_path for task in tasks}) == len({task.evaluations[0].run_id for task in tasks})
    assert len({task.model_path for task in tasks}) == 2 * len(CLASSIFIERS)
