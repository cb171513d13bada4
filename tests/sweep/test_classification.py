"""The split of classification, its classes, and how predictions become metrics."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_recall_fscore_support,
    roc_auc_score,
)

from mimii.data.machines import MACHINE, UNLABELLED
from mimii.data.splits import split_for_classification
from mimii.evaluation.metrics import classification_metrics
from mimii.features.store import FeatureStore
from mimii.features.windows import Features
from mimii.settings import (
    CLASSIFICATION_TYPES,
    ClassificationSettings,
    DataSettings,
    FeatureSettings,
    RunSettings,
    TrainingSettings,
)
from mimii.sweep.classification import (
    COLUMNS,
    ClassificationTask,
    can_evaluate,
    class_list,
    class_names,
    drop_small_classes,
    plan,
    why_not,
)
from mimii.sweep.groups import make_groups
from mimii.sweep.identity import evaluations
from mimii.sweep.subjects import subjects_of

examples = hypothesis_settings(deadline=None, derandomize=True, max_examples=50)
CLIP = ["machine_type", "machine_id", "label", "name"]
SNRS = ("0dB", "6dB", "min6dB")


def make_table(*machines):
    """Rows for machines given as (snr, type, id, normal, abnormal), the counts as numbers or as lists of numbers."""
    rows = []
    for snr, kind, machine_id, normal, abnormal in machines:
        for label, clips in (("abnormal", abnormal), ("normal", normal)):
            numbers = range(clips) if isinstance(clips, int) else clips
            places = [(snr, kind, machine_id, label, f"{number:08d}.wav") for number in numbers]
            rows += [(*place, "/".join(place)) for place in places]
    table = pd.DataFrame(rows, columns=[*MACHINE, "label", "name", "path"])
    table = table.sort_values([*MACHINE, "label", "name"], ignore_index=True)
    return table.assign(given_split="", domain="", size=1, mtime=1, digest="")


@st.composite
def tables(draw):
    """Some machines, each at some SNR; a clip may be missing at one of them."""
    rows = []
    for kind, machine_id in draw(st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from("xy")), min_size=1)):
        clips = [draw(st.integers(0, 8)), draw(st.integers(0, 4))]
        for snr in draw(st.sets(st.sampled_from(SNRS), min_size=1)):
            missing = draw(st.sets(st.integers(0, 8), max_size=2))
            rows.append((snr, kind, machine_id, *([n for n in range(count) if n not in missing] for count in clips)))
    return make_table(("0dB", "c", "z", 2, draw(st.integers(0, 3))), *rows)


def clips_of(table):
    return set(table[CLIP].itertuples(index=False, name=None))


def sides(table, seed=42):
    split = split_for_classification(table, seed)
    return split[split["split"] == "train"], split[split["split"] == "eval"]


def task_for(group, classification_type="machine_type", scope="type", model="simple_classifier", **options):
    classes = class_list(group, classification_type)
    chosen = {"classification_type": classification_type, "class_weight": "balanced"}
    settings = TrainingSettings(**{"frames": 2, **options})
    subjects = subjects_of(group, scope, partial(can_evaluate, classification_type, len(classes)))
    facts = f"{classification_type} {scope} {settings}"
    return ClassificationTask(
        model=model,
        scope=scope,
        group=group,
        evaluations=evaluations(facts, subjects, [("", "")]),
        store=FeatureStore(Path("features"), FeatureSettings(n_mels=2)),
        settings=settings,
        model_path=Path("classifier.model"),
        device="cpu",
        jobs=1,
        retrain=False,
        options=chosen,
        classes=classes,
        **chosen,
    )


def features_of(recordings):
    """Three frames of each recording."""
    frames = np.zeros((3 * len(recordings), 2), dtype=np.float32)
    return Features(frames, 3 * np.arange(len(recordings) + 1), recordings, {}, 16000)


# --- the split


@examples
@given(table=tables(), seed=st.integers(0, 2**32 - 1))
def test_no_clip_stands_on_both_sides_at_whatever_snr(table, seed):
    train, evaluation = sides(table, seed)
    assert clips_of(train).isdisjoint(clips_of(evaluation))
    assert sorted([*train["path"], *evaluation["path"]]) == sorted(table["path"])


@examples
@given(
    table=tables(),
    seed=st.integers(0, 9),
    val_split=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    scope=st.sampled_from(["machine", "type", "all"]),
    classification_type=st.sampled_from(["machine_type", "machine_id"]),
)
def test_in_every_task_training_validation_and_evaluation_share_no_clip(
    table, seed, val_split, scope, classification_type
):
    groups, _ = drop_small_classes(make_groups(split_for_classification(table, seed), scope))
    for group in groups:
        if why_not(group, classification_type):
            continue
        task = task_for(group, classification_type, scope, seed=seed, val_split=val_split)
        features = features_of(group.recordings)
        windows, validation = task.training_windows(features)
        recordings = features.recordings
        learnt, held_out = (recordings.iloc[np.unique(part.recording)] for part in (windows, validation))
        evaluated = recordings[recordings["split"] == "eval"]
        assert clips_of(learnt).isdisjoint(clips_of(held_out))
        assert clips_of(learnt).isdisjoint(clips_of(evaluated))
        assert clips_of(held_out).isdisjoint(clips_of(evaluated))
        assert len(learnt) + len(held_out) + len(evaluated) == len(recordings)
        # and every class has something to learn from and something to be judged by
        assert set(windows.target) == set(range(len(task.classes)))
        assert set(task.targets(evaluated)) == set(range(len(task.classes)))
        assert (windows.target == task.targets(recordings)[windows.recording]).all()
        if val_split == 0:
            assert len(held_out) == 0


@examples
@given(
    counts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_fifth_of_each_machine_and_label_is_for_evaluation(counts, seed):
    table = make_table(*(("6dB", "fan", f"id_{number:02d}", *count) for number, count in enumerate(counts)))
    _, evaluation = sides(table, seed)
    chosen = evaluation.groupby(["machine_id", "label"]).size()
    for key, count in table.groupby(["machine_id", "label"]).size().items():
        expected = max(round(0.2 * count), 1) if count > 1 else 0
        assert chosen.get(key, 0) == expected


def test_100_clips_are_80_and_20_at_every_snr():
    table = make_table(*((snr, "fan", "id_00", 100, 50) for snr in SNRS))
    train, evaluation = sides(table)
    assert set(train.groupby(["snr", "label"]).size().items()) == {
        ((snr, label), count) for snr in SNRS for label, count in (("normal", 80), ("abnormal", 40))
    }
    assert len(evaluation) == 3 * 30
    assert all((evaluation["snr"] == snr).sum() == 30 for snr in SNRS)


def test_the_split_depends_on_the_seed_and_on_nothing_else():
    table = make_table(("6dB", "fan", "id_00", 40, 20))
    first = split_for_classification(table, 1)
    np.random.seed(0)
    pd.testing.assert_frame_equal(split_for_classification(table, 1), first)
    assert list(split_for_classification(table, 2)["split"]) != list(first["split"])


def test_the_split_of_a_machine_does_not_depend_on_the_others():
    fan = ("6dB", "fan", "id_00", 20, 10)
    alone = split_for_classification(make_table(fan), 42)
    beside = split_for_classification(
        make_table(fan, ("6dB", "fan", "id_02", 9, 3), ("6dB", "pump", "id_00", 7, 7)), 42
    )
    beside = beside[(beside["machine_type"] == "fan") & (beside["machine_id"] == "id_00")]
    assert list(beside["split"]) == list(alone["split"])


def test_the_choice_is_random_within_a_label():
    """Not the first fifth or the last: of 5 seeds on 50 clips no two agree, and each choice has a gap."""
    table = make_table(("6dB", "fan", "id_00", 50, 0))
    choices = [sorted(sides(table, seed)[1]["name"].str[:8].astype(int)) for seed in range(5)]
    assert len(set(map(tuple, choices))) == 5
    assert all(choice[-1] - choice[0] > len(choice) for choice in choices)


def test_recordings_without_a_label_are_left_out():
    table = make_table(("", "fan", "section_00", 10, 5))
    hidden = table.iloc[[0, 7]].assign(label=UNLABELLED, name=["x.wav", "y.wav"], path=["x", "y"])
    split = split_for_classification(pd.concat([table, hidden], ignore_index=True), 42)
    assert sorted(split["path"]) == sorted(table["path"])


def test_the_split_that_folders_give_is_not_taken_for_classification():
    """There all abnormal recordings are for evaluation, and nothing could be learnt of them."""
    table = make_table(("", "fan", "id_00", 20, 10))
    given = table.assign(given_split=np.where(table["label"] == "abnormal", "eval", "train"))
    assert list(split_for_classification(given, 42)["split"]) == list(split_for_classification(table, 42)["split"])


# --- what can be split


def test_labels_with_one_clip_are_named_and_left_out():
    table = make_table(
        ("6dB", "fan", "id_00", 5, 5),
        ("6dB", "fan", "id_02", 5, 1),
        ("6dB", "fan", "id_04", 1, 1),
        ("6dB", "pump", "id_00", 2, 2),
    )
    [fan, pump], dropped = drop_small_classes(make_groups(split_for_classification(table, 42), "type"))
    assert len(dropped) == 2
    assert sum("6dB fan id_02" in name and "abnormal" in name.split("(")[1] for name in dropped) == 1
    [small] = [name for name in dropped if "6dB fan id_04" in name]
    assert "abnormal" in small
    assert "normal" in small.replace("abnormal", "")
    counts = fan.recordings.groupby(["machine_id", "label"]).size().to_dict()
    assert counts == {("id_00", "abnormal"): 5, ("id_00", "normal"): 5, ("id_02", "normal"): 5}
    assert len(pump.recordings) == 4
    assert all(list(machine.index) == list(range(len(machine))) for machine in fan.machines)


@examples
@given(table=tables(), scope=st.sampled_from(["machine", "type", "all"]))
def test_what_is_left_has_clips_on_both_sides_and_nothing_else_is_dropped(table, scope):
    split = split_for_classification(table, 42)
    keys = [*MACHINE, "label"]
    on_both = split.groupby(keys)["split"].transform("nunique") == 2
    groups, dropped = drop_small_classes(make_groups(split, scope))
    kept = [path for group in groups for machine in group.machines for path in machine["path"]]
    assert sorted(kept) == sorted(split.loc[on_both, "path"])
    assert bool(dropped) == (not on_both.all())
    for machine, group in split[~on_both].groupby(MACHINE):
        [text] = [text for text in dropped if text.startswith(" ".join(machine) + " (")]
        assert sorted(text.partition("(")[2].rstrip(")").split(", ")) == sorted(group["label"].unique())


def test_a_group_says_why_it_can_not_be_used():
    table = make_table(("6dB", "fan", "id_00", 5, 5), ("6dB", "pump", "id_00", 1, 1), ("6dB", "slider", "id_00", 5, 0))
    groups, _ = drop_small_classes(make_groups(split_for_classification(table, 42), "type"))
    reasons = {group.key[1]: why_not(group, "machine_type") for group in groups}
    assert reasons["fan"] == ""
    assert "too few" in reasons["pump"]
    assert "only one class" in reasons["slider"]
    assert "normal" in reasons["slider"]
    reasons = {group.key[1]: why_not(group, "machine_id") for group in groups}
    assert "only one class" in reasons["fan"]
    assert "--scope all" in reasons["fan"]


def test_a_machine_is_one_class_at_every_snr_and_another_one_in_every_type():
    table = make_table(*((snr, kind, "id_00", 2, 1) for snr in SNRS for kind in ("fan", "pump")))
    names = class_names(table, "machine_id")
    assert names.nunique() == 2
    assert names.groupby(table["machine_type"]).nunique().to_dict() == {"fan": 1, "pump": 1}
    assert list(class_names(table, "machine_type")) == list(table["label"])


# --- metrics


def test_metrics_computed_by_hand():
    """Three normal recordings, of which one is taken for abnormal, and one abnormal one."""
    result = classification_metrics(np.array([0, 0, 0, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]]))
    assert set(result) == {"accuracy", "precision", "recall", "f1", "balanced_accuracy", "f1_macro", "roc_auc"}
    assert result["accuracy"] == pytest.approx(3 / 4)
    assert result["recall"] == pytest.approx(3 / 4)
    assert result["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert result["precision"] == pytest.approx((3 * 1 + 1 * 1 / 2) / 4)
    assert result["f1"] == pytest.approx((3 * 4 / 5 + 1 * 2 / 3) / 4)
    assert result["f1_macro"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert result["roc_auc"] == pytest.approx(2 / 3)
    assert all(type(value) is float for value in result.values())


def test_the_majority_class_flatters_accuracy_and_not_the_balanced_one():
    result = classification_metrics(np.array([0] * 9 + [1]), np.tile([0.8, 0.2], (10, 1)))
    assert result["accuracy"] == pytest.approx(0.9)
    assert result["balanced_accuracy"] == pytest.approx(0.5)
    assert result["f1_macro"] == pytest.approx(0.9 / 1.9)  # half of 18/19
    assert result["roc_auc"] == pytest.approx(0.5)


@examples
@given(num_classes=st.integers(2, 5), extra=st.lists(st.integers(0, 4), max_size=30), seed=st.integers(0, 2**32 - 1))
def test_metrics_are_those_of_scikit_learn(num_classes, extra, seed):
    targets = np.array([*range(num_classes), *(value % num_classes for value in extra)])
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(num_classes), len(targets))
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(targets, predicted, average="weighted", zero_division=0)
    scores = probabilities[:, 1] if num_classes == 2 else probabilities
    assert classification_metrics(targets, probabilities) == pytest.approx(
        {
            "accuracy": accuracy_score(targets, predicted),
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "balanced_accuracy": balanced_accuracy_score(targets, predicted),
            "f1_macro": f1_score(targets, predicted, average="macro", zero_division=0),
            "roc_auc": roc_auc_score(targets, scores, multi_class="ovr"),
        }
    )


# --- judgement of recordings


@pytest.fixture
def fans():
    """Three machines of a type; of each 2 + 1 recordings are for evaluation."""
    table = make_table(*(("6dB", "fan", machine_id, 10, 5) for machine_id in ("id_00", "id_02", "id_04")))
    [group] = make_groups(split_for_classification(table, 42), "type")
    return group


def evaluated(group, machine_id=None):
    table = group.recordings
    table = table[table["split"] == "eval"].reset_index(drop=True)
    return table if machine_id is None else table[table["machine_id"] == machine_id].reset_index(drop=True)


def random_outputs(count, num_classes):
    return np.random.default_rng(5).dirichlet(np.ones(num_classes), count)


def test_rows_are_the_machines_and_the_group(fans):
    for classification_type, classes in (
        ("machine_type", ("normal", "abnormal")),
        ("machine_id", ("fan id_00", "fan id_02", "fan id_04")),
    ):
        task = task_for(fans, classification_type)
        assert task.classes == classes
        assert [evaluation.subject.key[2] for evaluation in task.evaluations] == ["id_00", "id_02", "id_04", "all"]
        assert len({evaluation.run_id for evaluation in task.evaluations}) == 4


def test_run_ids_tell_tasks_apart():
    table = make_table(*(("6dB", "fan", machine_id, 10, 5) for machine_id in ("id_00", "id_02", "id_04")))
    ids = []
    for classification_type in CLASSIFICATION_TYPES:
        for scope in ("type", "all"):
            settings = ClassificationSettings(
                data=DataSettings(base_dir=Path("data")),
                classification_type=classification_type,
                run=RunSettings(models=("svm",), scope=scope, seeds=(1, 2), device="cpu", jobs=1),
            )
            tasks = plan(settings, table)
            assert {task.options["num_classes"] for task in tasks} == {
                2 if classification_type == "machine_type" else 3
            }
            ids += [evaluation.run_id for task in tasks for evaluation in task.evaluations]
    assert len(set(ids)) == len(ids) == 32


def test_a_machine_among_machines_has_only_what_is_defined(fans):
    task = task_for(fans, "machine_id")
    recordings = evaluated(fans, "id_02")
    outputs = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    metrics = task.evaluate(None, recordings, outputs, ("6dB", "fan", "id_02"), ("", "")).metrics
    defined = {name: value for name, value in metrics.items() if value == value}
    assert defined["accuracy"] == pytest.approx(2 / 3)
    assert defined["recall"] == pytest.approx(2 / 3)
    assert not {"roc_auc", "f1_macro", "precision", "f1"} & set(defined)


def test_the_group_has_every_metric(fans):
    task = task_for(fans, "machine_id")
    recordings = evaluated(fans)
    outputs = random_outputs(len(recordings), 3)
    metrics = task.evaluate(None, recordings, outputs, fans.key, ("", "")).metrics
    assert metrics == classification_metrics(recordings["machine_id"].map(int_of_id).to_numpy(), outputs)


def int_of_id(machine_id):
    return int(machine_id[-2:]) // 2


@pytest.mark.parametrize("classification_type", ["machine_type", "machine_id"])
def test_probabilities_and_confusion_are_kept(classification_type, fans):
    task = task_for(fans, classification_type)
    recordings = evaluated(fans)
    outputs = random_outputs(len(recordings), len(task.classes))
    judgement = task.evaluate(None, recordings, outputs, fans.key, ("", ""))
    scores, confusion = judgement.scores, judgement.confusion
    assert list(scores["path"]) == list(recordings["path"])
    assert list(scores["target"]) == list(class_names(recordings, classification_type))
    assert np.array_equal(scores[[f"p_{name}" for name in task.classes]].to_numpy(), outputs)
    assert list(scores["prediction"]) == [task.classes[place] for place in outputs.argmax(axis=1)]
    counts = confusion.set_index("target")
    assert list(counts.index) == list(counts.columns) == list(task.classes)
    assert counts.to_numpy().sum() == len(recordings)
    assert counts.sum(axis=1).to_dict() == scores["target"].value_counts().to_dict()
    for target in task.classes:
        for prediction in task.classes:
            both = (scores["target"] == target) & (scores["prediction"] == prediction)
            assert counts.loc[target, prediction] == both.sum()


def test_a_confusion_matrix_has_the_classes_that_nothing_was_taken_for(fans):
    task = task_for(fans, "machine_id")
    recordings = evaluated(fans, "id_00")
    outputs = np.tile([1.0, 0.0, 0.0], (len(recordings), 1))
    judgement = task.evaluate(None, recordings, outputs, ("6dB", "fan", "id_00"), ("", ""))
    counts = judgement.confusion.set_index("target")
    assert counts.shape == (3, 3)
    assert counts.to_numpy().tolist() == [[3, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_what_lost_a_class_can_not_be_evaluated(fans):
    by_label, by_machine = (task_for(fans, kind) for kind in ("machine_type", "machine_id"))
    recordings = evaluated(fans)
    normal, two = recordings[recordings["label"] == "normal"], recordings[recordings["machine_id"] != "id_04"]
    assert by_label.can_evaluate(recordings, fans.key)
    assert not by_label.can_evaluate(normal, fans.key)
    assert not by_label.can_evaluate(evaluated(fans, "id_00").query("label == 'abnormal'"), ("6dB", "fan", "id_00"))
    assert by_machine.can_evaluate(recordings, fans.key)
    assert not by_machine.can_evaluate(two, fans.key)
    assert by_machine.can_evaluate(evaluated(fans, "id_00"), ("6dB", "fan", "id_00"))
    assert not by_machine.can_evaluate(evaluated(fans, "id_00").head(0), ("6dB", "fan", "id_00"))


def test_the_table_has_the_columns_of_the_issue():
    wanted = [
        *("model", "snr", "machine_type", "machine_id", "dataset_scope", "classification_type", "num_classes"),
        *("accuracy", "precision", "recall", "f1", "balanced_accuracy", "f1_macro", "roc_auc"),
        *("training_time_sec", "model_size_mb", "num_parameters", "inference_time_ms", "memory_usage_mb"),
        *("throughput_samples_per_sec", "peak_ram_mb", "n_mels", "frames", "n_fft", "hop_length", "power", "channel"),
        *("epochs", "batch_size", "learning_rate", "val_split", "seed", "train_files", "eval_files", "train_samples"),
        *("device", "jobs", "torch_version", "run_id", "timestamp"),
    ]
    assert [COLUMNS.count(name) for name in wanted] == [1] * len(wanted)
    assert COLUMNS.index("roc_auc") < COLUMNS.index("training_time_sec") < COLUMNS.index("n_mels")
