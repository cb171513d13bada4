"""The classification script from end to end: as a user starts it, and within this process for what goes wrong."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from support import SOURCE, Run, assert_refused, read_rows, run_here, run_process, write_machine

from mimii.data.recordings import find_recordings
from mimii.data.splits import split_for_classification
from mimii.evaluation.metrics import classification_metrics
from mimii.features import extraction
from mimii.models import CLASSIFIERS

WHAT = ["model", "snr", "machine_type", "machine_id", "dataset_scope"]
HOW_WELL = ["accuracy", "precision", "recall", "f1", "balanced_accuracy", "f1_macro", "roc_auc"]
MODELS = ["simple_classifier", "svm"]
FAST = ["--model", "simple_classifier", "--epochs", "1", "--jobs", "1"]
COMMAND = ["--model", *MODELS, "--epochs", "3", "--device", "cpu"]
# type pools: 6dB fan of three machines, one of which has too few abnormal clips; 0dB fan of two; pump can't be split
ROWS = [
    *[("0dB", "fan", machine_id) for machine_id in ("all", "id_00", "id_02")],
    *[("6dB", "fan", machine_id) for machine_id in ("all", "id_00", "id_02")],
]

SNIPPET = """
import pandas as pd

# Classification results
df_cls = pd.read_csv('results/research_classification_results.csv')
summary_cls = df_cls.groupby('model').agg({
    'accuracy': ['mean', 'std'],
    'f1': ['mean', 'std'],
    'training_time_sec': 'mean',
    'num_parameters': 'mean'
}).round(4)

print("\\nClassification Results:")
print(summary_cls.to_latex())
"""


SCRIPT = SOURCE / "exp_classification.py"


class ClassificationRun(Run):
    table = "research_classification_results.csv"

    @property
    def keys(self):
        return sorted(self.rows[WHAT[1:4]].itertuples(index=False, name=None))


def classify(directory, *options):
    run = run_here(directory, *options, script=SCRIPT)
    return ClassificationRun(run.status, run.out, run.err, run.directory)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Fans at two SNR, one of them with a single abnormal clip, and a pump with one clip of each label."""
    base = tmp_path_factory.mktemp("data")
    for snr, seed in (("6dB", 0), ("0dB", 1)):
        write_machine(base / snr / "fan" / "id_00", normal=6, abnormal=4, seed=seed)
        write_machine(base / snr / "fan" / "id_02", normal=6, abnormal=4, seed=seed + 10, pitch=500)
    write_machine(base / "6dB" / "pump" / "id_00", normal=1, abnormal=1, seed=7, pitch=300)
    write_machine(base / "6dB" / "fan" / "id_04", normal=0, abnormal=1, seed=8, pitch=300)
    return base


@pytest.fixture
def one_machine(tmp_path):
    """A machine of 4 + 4 recordings that a test may spoil, and how they are split."""
    write_machine(tmp_path / "data" / "6dB" / "fan" / "id_00", normal=4, abnormal=4)
    table = split_for_classification(find_recordings(tmp_path / "data"), 42)
    return tmp_path / "data", table


# --- a run in processes of its own


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """A run with one job, within this process."""
    return classify(tmp_path_factory.mktemp("alone"), "--base_dir", data, *COMMAND, "--jobs", "1")


@pytest.fixture(scope="module")
def first(data, alone, tmp_path_factory):
    """The same with two jobs, as a user starts it, and with the features that are there."""
    features = alone.directory / "cache" / "classification_features"
    options = ["--base_dir", data, *COMMAND, "--jobs", "2", "--pickle_dir", features]
    return ClassificationRun(*vars(run_process(tmp_path_factory.mktemp("first"), *options, script=SCRIPT)).values())


@pytest.fixture(scope="module")
def first_rows(first):
    return first.rows.copy()


@pytest.fixture(scope="module")
def machines(data, alone, tmp_path_factory):
    """The other task, with the features that are there."""
    features = alone.directory / "cache" / "classification_features"
    options = ["--base_dir", data, *COMMAND, "--jobs", "1", "--pickle_dir", features]
    return classify(tmp_path_factory.mktemp("machines"), *options, "--classification_type", "machine_id")


def test_a_run_gives_a_row_for_each_machine_and_for_the_pool(first, first_rows):
    assert first.status == 0, first.output
    keys = sorted(first_rows[WHAT[:4]].itertuples(index=False, name=None))
    assert keys == sorted((model, *key) for model in MODELS for key in ROWS)
    assert set(first_rows["dataset_scope"]) == {"type"}
    assert set(first_rows["classification_type"]) == {"machine_type"}
    assert set(first_rows["num_classes"]) == {2}
    assert set(first_rows["class_weight"]) == {"balanced"}


def test_the_columns_of_the_issue_are_there_once_each(first_rows):
    wanted = [
        *(*WHAT, "classification_type", "num_classes", *HOW_WELL),
        *("training_time_sec", "model_size_mb", "num_parameters", "inference_time_ms", "throughput_samples_per_sec"),
        *("memory_usage_mb", "peak_ram_mb", "n_mels", "frames", "n_fft", "hop_length", "power", "channel"),
        *("epochs", "batch_size", "learning_rate", "val_split", "seed", "train_files", "eval_files", "train_samples"),
        *("device", "jobs", "torch_version", "run_id", "timestamp"),
    ]
    assert [list(first_rows.columns).count(name) for name in wanted] == [1] * len(wanted)


def test_metrics_are_there_and_the_sounds_are_told_apart(first_rows):
    metrics = first_rows[HOW_WELL].astype(float)
    assert ((metrics >= 0) & (metrics <= 1)).all(axis=None)
    pools = first_rows["machine_id"] == "all"
    assert (metrics.loc[pools, "balanced_accuracy"] > 0.5).all()  # more than the majority class
    assert metrics.loc[pools, "roc_auc"].mean() > 0.9


def test_every_row_says_what_it_cost_and_how_it_was_made(first_rows):
    for name in ("training_time_sec", "model_size_mb", "num_parameters", "inference_time_ms"):
        assert (first_rows[name].astype(float) > 0).all(), name
    assert (first_rows["throughput_samples_per_sec"] > 0).all()
    assert (first_rows["memory_usage_mb"] == 0).all()  # on the CPU
    assert (first_rows.loc[first_rows["model"] == "simple_classifier", "num_parameters"] == 22_657).all()
    # of 6 + 4 clips one of each label is for evaluation, and two machines share a model
    assert (first_rows["train_files"] == 16).all()
    is_pool = first_rows["machine_id"] == "all"
    assert (first_rows.loc[is_pool, "eval_files"] == 4).all()
    assert (first_rows.loc[~is_pool, "eval_files"] == 2).all()
    windows = 63 - 5 + 1  # of a recording of 2 s
    is_network = first_rows["model"] == "simple_classifier"
    assert (first_rows.loc[is_network, "train_samples"] == 12 * windows).all()  # one a machine and label is validation
    assert (first_rows.loc[~is_network, "train_samples"] == 16 * windows).all()
    assert first_rows["run_id"].is_unique
    assert set(first_rows["jobs"]) == {2}


def test_what_has_too_few_clips_is_named_with_the_reason(first):
    [line] = first.lines("too few", "fan id_04")
    assert "abnormal" in line
    assert "pump id_00" in line
    assert first.lines("Not used", "6dB pump")
    assert "fan id_00" not in line


def test_the_summary_has_a_line_for_each_model(first):
    table = first.out.splitlines()
    for model in MODELS:
        assert sum(line.split()[:1] == [model] for line in table) == 1
    assert "22,657" in first.out
    assert max(len(line) for line in table if "research_classification_results" not in line) <= 80
    assert "research_classification_results.csv" in first.out


def test_caches_are_where_the_issue_says(alone, first):
    assert len(list((alone.directory / "cache" / "classification_features").glob("*.pickle"))) == 4
    for run in (alone, first):
        models = [path.suffix for path in (run.directory / "cache" / "classification_models").iterdir()]
        assert sorted(models) == [".model"] * 4
    assert [path.name for path in (first.directory / "cache").iterdir()] == ["classification_models"]


def scores_of(run, row):
    [path] = (run.directory / "results" / "scores").glob(f"*{row.run_id}.csv")
    return pd.read_csv(path)


def confusion_of(run, row):
    [path] = (run.directory / "results" / "scores").glob(f"*{row.run_id}_confusion.csv")
    return pd.read_csv(path).set_index("target")


@pytest.mark.parametrize("which", ["first", "machines"])
def test_probabilities_of_each_recording_give_the_metrics_of_the_row(which, request):
    run = request.getfixturevalue(which)
    for row in run.rows.itertuples():
        scores = scores_of(run, row)
        classes = [name.removeprefix("p_") for name in scores.columns if name.startswith("p_")]
        probabilities = scores[[f"p_{name}" for name in classes]].to_numpy()
        assert len(classes) == row.num_classes
        assert len(scores) == row.eval_files
        assert scores["path"].is_unique
        assert all(Path(path).is_file() for path in scores["path"])
        assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
        assert list(scores["prediction"]) == [classes[place] for place in probabilities.argmax(axis=1)]
        targets = scores["target"].map(classes.index).to_numpy()
        assert row.accuracy == pytest.approx((targets == probabilities.argmax(axis=1)).mean())
        if row.classification_type == "machine_type":
            assert classes == ["normal", "abnormal"]
            assert list(scores["target"]) == list(scores["label"])
        else:
            assert list(scores["target"]) == list(scores["machine_type"] + " " + scores["machine_id"])
        if len(set(targets)) == row.num_classes:
            expected = classification_metrics(targets, probabilities)
            assert {name: float(getattr(row, name)) for name in HOW_WELL} == pytest.approx(expected)


@pytest.mark.parametrize("which", ["first", "machines"])
def test_confusion_matrices_count_each_recording_once(which, request):
    run = request.getfixturevalue(which)
    for row in run.rows.itertuples():
        confusion = confusion_of(run, row)
        assert confusion.to_numpy().sum() == row.eval_files
        assert np.trace(confusion.to_numpy()) == pytest.approx(row.accuracy * row.eval_files)
        assert list(confusion.index) == list(confusion.columns)
        assert len(confusion) == row.num_classes


def test_no_recording_of_the_training_is_evaluated(first, data):
    split = split_for_classification(find_recordings(data), 42)
    for row in first.rows.itertuples():
        evaluated = split[split["path"].isin(scores_of(first, row)["path"])]
        assert set(evaluated["split"]) == {"eval"}


def test_the_snippet_of_the_seeds_runs_as_it_stands(first, monkeypatch, capsys):
    monkeypatch.chdir(first.directory)
    exec(compile(SNIPPET, "snippet", "exec"), {})
    out = capsys.readouterr().out
    assert r"\begin{tabular}" in out
    for model in MODELS:
        assert model.replace("_", r"\_") in out or model in out


def test_plain_lines_where_the_output_is_no_terminal(first):
    assert "\r" not in first.output
    assert "\x1b" not in first.output
    assert "UserWarning" not in first.output


def test_the_same_command_again_adds_no_row_and_says_so(alone, data):
    before = alone.csv.read_bytes()
    again = classify(alone.directory, "--base_dir", data, *COMMAND, "--jobs", "1")
    assert again.status == 0
    assert alone.csv.read_bytes() == before
    assert again.lines("4", "--retrain")
    assert [line for line in again.out.splitlines() if line.split()[:1] == ["svm"]]


def in_order(rows, columns):
    return rows.sort_values(["model", "snr", "machine_id"])[columns].reset_index(drop=True)


def test_one_job_and_two_give_the_same_numbers_bit_for_bit(alone, first):
    columns = [*WHAT, *HOW_WELL, "num_parameters", "train_samples", "run_id"]
    pd.testing.assert_frame_equal(in_order(alone.rows, columns), in_order(first.rows, columns), check_exact=True)
    assert set(alone.rows["jobs"]) == {1}
    for folder in ("scores", "history"):
        files = {path.name: path.read_bytes() for path in (alone.directory / "results" / folder).iterdir()}
        expected = {path.name: path.read_bytes() for path in (first.directory / "results" / folder).iterdir()}
        assert files == expected


def test_another_run_takes_the_trained_models_from_the_cache(alone, data, tmp_path):
    """A new results directory, the old caches: nothing is trained or extracted again."""
    caches = alone.directory / "cache"
    before = {path.name: path.stat().st_mtime_ns for path in caches.rglob("*") if path.is_file()}
    again = classify(
        tmp_path / "work",
        *("--base_dir", data, *COMMAND, "--jobs", "1", "--model_dir", caches / "classification_models"),
        *("--pickle_dir", caches / "classification_features"),
    )
    assert again.status == 0
    assert not again.lines("trained again")
    assert {path.name: path.stat().st_mtime_ns for path in caches.rglob("*") if path.is_file()} == before
    columns = [*WHAT, *HOW_WELL, "training_time_sec", "run_id"]
    pd.testing.assert_frame_equal(in_order(again.rows, columns), in_order(alone.rows, columns))


def test_machine_id_tells_the_machines_of_a_type_at_one_snr(machines):
    assert machines.status == 0
    assert sorted(machines.rows[WHAT[:4]].itertuples(index=False, name=None)) == sorted(
        (model, *key) for model in MODELS for key in ROWS
    )
    assert set(machines.rows["classification_type"]) == {"machine_id"}
    pools = machines.rows[machines.rows["machine_id"] == "all"]
    assert (pools["num_classes"] == 2).all()
    assert (pools["balanced_accuracy"].astype(float) > 0.5).all()


def test_a_row_of_one_machine_among_others_leaves_empty_what_is_not_defined(machines):
    alone = machines.rows[machines.rows["machine_id"] != "all"]
    assert alone["accuracy"].between(0, 1).all()
    assert (alone["accuracy"] == alone["recall"]).all()
    for name in ("roc_auc", "f1_macro", "f1", "precision"):
        assert (alone[name].astype(str) == "").all()
        assert (machines.rows.loc[machines.rows["machine_id"] == "all", name].astype(str) != "").all()


# --- other commands, within this process


def test_every_model_runs(data, tmp_path):
    run = classify(
        tmp_path / "work",
        *("--base_dir", data / "0dB" / "fan", "--machine_id", "id_00", "--model", "all"),
        *("--scope", "machine", "--epochs", 2, "--jobs", 1),
    )
    assert run.status == 0
    assert sorted(run.rows["model"]) == sorted(CLASSIFIERS)
    assert run.keys == [("0dB", "fan", "id_00")] * 11
    assert (run.rows[["training_time_sec", "num_parameters", "inference_time_ms", "model_size_mb"]] > 0).all(axis=None)


def test_scope_machine_makes_a_model_for_each_machine(data, tmp_path):
    run = classify(tmp_path / "work", "--base_dir", data, *FAST, "--scope", "machine")
    assert run.status == 0
    assert run.keys == [key for key in ROWS if key[2] != "all"]
    assert set(run.rows["train_files"]) == {8}
    assert len(list((run.directory / "cache" / "classification_models").iterdir())) == 4


@pytest.mark.parametrize(
    ("classification_type", "classes"), [("machine_type", ["normal", "abnormal"]), ("machine_id", None)]
)
def test_scope_all_trains_one_model_with_every_version_of_a_clip_on_one_side(
    classification_type, classes, data, tmp_path
):
    run = classify(
        tmp_path / "work", "--base_dir", data, *FAST, "--scope", "all", "--classification_type", classification_type
    )
    assert run.status == 0
    assert run.keys == sorted([key for key in ROWS if key[2] != "all"] + [("all", "all", "all")])
    assert len(list((run.directory / "cache" / "classification_models").iterdir())) == 1
    [pool] = run.rows[run.rows["snr"] == "all"].itertuples()
    scores = scores_of(run, pool)
    assert [name[2:] for name in scores.columns if name.startswith("p_")] == (classes or ["fan id_00", "fan id_02"])
    clips = scores.assign(name=scores["path"].map(lambda path: Path(path).name))
    versions = clips.groupby(["machine_id", "label", "name"])["snr"].agg(sorted)
    assert all(snrs == ["0dB", "6dB"] for snrs in versions)


def test_scope_machine_does_not_go_with_machine_id(data, tmp_path):
    run = classify(
        tmp_path / "work", "--base_dir", data, *FAST, "--scope", "machine", "--classification_type", "machine_id"
    )
    assert_refused(run, "--scope machine")
    assert list(run.directory.iterdir()) == []


def test_retrain_does_it_again(data, tmp_path):
    options = ["--base_dir", data / "0dB", *FAST, "--scope", "machine", "--machine_id", "id_00"]
    run = classify(tmp_path / "work", *options)
    classify(run.directory, *options)
    assert len(run.rows) == 1
    assert classify(run.directory, *options, "--retrain").status == 0
    old, new = (row for _, row in run.rows.iterrows())
    assert list(new[[*WHAT, *HOW_WELL, "run_id"]]) == list(old[[*WHAT, *HOW_WELL, "run_id"]])
    assert new["training_time_sec"] != old["training_time_sec"]


def test_another_setting_is_another_run(data, tmp_path):
    base = ["--base_dir", data / "0dB", *FAST]
    for options in (
        ["--class_weight", "none"],
        ["--classification_type", "machine_id"],
        ["--scope", "all"],
        ["--seed", 3],
        ["--val_split", 0],
        [],
    ):
        run = classify(tmp_path / "work", *base, *options)
        assert run.status == 0
    assert len(run.rows) == 6 * 3
    assert run.rows["run_id"].is_unique
    assert set(run.rows["class_weight"]) == {"balanced", "none"}


def test_both_scripts_share_a_directory_of_features(data, tmp_path, monkeypatch):
    read = []
    genuine = extraction.read_channel
    monkeypatch.setattr(extraction, "read_channel", lambda *args: (read.append(args), genuine(*args))[1])
    options = ["--base_dir", data / "0dB", "--epochs", 1, "--jobs", 1, "--pickle_dir", tmp_path / "features"]
    run = classify(tmp_path / "work", *options, "--model", "simple_classifier")
    names = sorted(path.name for path in (tmp_path / "features").iterdir())
    assert len(names) == 2
    assert len(read) == 20
    assert run_here(tmp_path / "work", *options, "--model", "simple_ae").status == 0
    assert len(read) == 20
    assert sorted(path.name for path in (tmp_path / "features").iterdir()) == names
    assert len(read_rows(run.directory / "results" / "research_results.csv")) == 2
    assert len(run.rows) == 3


def test_several_seeds_read_each_recording_once(data, tmp_path, monkeypatch):
    read = []
    genuine = extraction.read_channel
    monkeypatch.setattr(extraction, "read_channel", lambda *args: (read.append(args), genuine(*args))[1])
    run = classify(tmp_path / "work", "--base_dir", data / "0dB", *FAST, "--seeds", 1, 2, 3)
    assert run.status == 0
    assert sorted(run.rows["seed"]) == sorted([1, 2, 3] * 3)
    assert len(read) == 20


# --- bad input


def test_a_class_that_lost_its_training_recordings_is_named_and_no_row_pretends(one_machine, tmp_path):
    base, table = one_machine
    for path in table.query("label == 'abnormal' and split == 'train'")["path"]:
        Path(path).write_text("no sound")
    run = classify(tmp_path / "work", "--base_dir", base, "--model", *MODELS, "--epochs", 1, "--jobs", 1)
    assert run.status != 0
    assert not run.csv.exists()
    assert "IndexError" not in run.output
    assert "ValueError" not in run.output
    assert [line for line in run.lines("abnormal", "train") if "cannot be read" not in line]


def test_a_machine_that_lost_its_training_recordings_is_not_mistaken_for_another(data, tmp_path):
    """With classes 0 and 2 left, the second probability of a model is that of class 2."""
    base = tmp_path / "data"
    for number, machine_id in enumerate(("id_00", "id_02", "id_04")):
        write_machine(base / "6dB" / "fan" / machine_id, normal=4, abnormal=4, seed=number, pitch=150 + 150 * number)
    table = split_for_classification(find_recordings(base), 42)
    for path in table.query("machine_id == 'id_02' and split == 'train'")["path"]:
        Path(path).write_text("no sound")
    run = classify(
        tmp_path / "work",
        *("--base_dir", base, "--model", "random_forest", "svm", "--jobs", 1, "--classification_type", "machine_id"),
    )
    assert "IndexError" not in run.output
    assert run.lines("fan id_02")
    if run.csv.exists():
        third = run.rows[run.rows["machine_id"] == "id_04"]
        assert (third["accuracy"].astype(float) == 1).all()


def test_a_class_that_lost_its_recordings_for_evaluation_is_no_success(one_machine, tmp_path):
    base, table = one_machine
    for path in table.query("label == 'abnormal' and split == 'eval'")["path"]:
        Path(path).write_text("no sound")
    run = classify(tmp_path / "work", "--base_dir", base, *FAST)
    assert run.status != 0
    assert not run.csv.exists()
    assert run.lines("fan id_00", "evaluated")


def test_recordings_that_can_not_be_used_are_named_and_left_out_and_the_rest_goes_on(one_machine, tmp_path):
    base, table = one_machine
    unreadable = table.query("label == 'normal' and split == 'train'")["path"].iloc[0]
    short = table.query("label == 'abnormal' and split == 'train'")["path"].iloc[0]
    Path(unreadable).write_text("no sound")
    soundfile.write(short, np.zeros(100), 16000)
    run = classify(tmp_path / "work", "--base_dir", base, *FAST, "--scope", "machine")
    assert run.status == 0
    assert len(run.lines(unreadable)) == len(run.lines(short)) == 1
    assert list(run.rows["train_files"]) == [4]
    assert list(run.rows["skipped_files"]) == [2]


def test_a_class_with_a_single_training_recording_is_enough(tmp_path):
    write_machine(tmp_path / "data" / "6dB" / "fan" / "id_00", normal=5, abnormal=2)
    models = [*MODELS, "random_forest"]
    run = classify(tmp_path / "work", "--base_dir", tmp_path / "data", "--model", *models, "--epochs", 1, "--jobs", 1)
    assert run.status == 0
    assert len(run.rows) == 6


def test_clips_that_are_on_one_side_for_the_sake_of_another_snr_are_not_called_too_few(tmp_path):
    write_machine(tmp_path / "data" / "6dB" / "fan" / "id_00", normal=10, abnormal=10)
    write_machine(tmp_path / "data" / "0dB" / "fan" / "id_00", normal=3, abnormal=3)
    run = classify(tmp_path / "work", "--base_dir", tmp_path / "data", *FAST)
    assert run.status == 0
    assert ("0dB", "fan", "id_00") in run.keys or not run.lines("0dB fan", "fewer than 2")


@pytest.mark.parametrize("scope", ["type", "all"])
def test_recordings_without_any_label_are_refused_with_the_reason(scope, data, tmp_path):
    folder = tmp_path / "data" / "fan" / "test"
    folder.mkdir(parents=True)
    shutil.copy(data / "6dB" / "fan" / "id_00" / "normal" / "00000000.wav", folder / "section_03_0000.wav")
    run = classify(tmp_path / "work", "--base_dir", tmp_path / "data", *FAST, "--scope", scope)
    assert_refused(run, "label")


def test_nothing_that_can_be_split_is_no_success(data, tmp_path):
    run = classify(tmp_path / "work", "--base_dir", data, *FAST, "--machine_type", "pump")
    assert run.status == 2
    assert run.lines("pump id_00", "too few")
    assert not run.csv.exists()


def test_a_loss_that_is_not_finite_fails_that_model_and_no_other(data, tmp_path):
    run = classify(
        tmp_path / "work",
        *("--base_dir", data / "0dB", "--model", "deep_classifier", "random_forest"),
        *("--epochs", 3, "--jobs", 1, "--learning_rate", 1e30),
    )
    assert run.status == 1
    assert run.lines("deep_classifier", "learning_rate")
    assert set(run.rows["model"]) == {"random_forest"}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--class_weight", "heavy"], "heavy"),
        (["--classification_type", "colour"], "colour"),
        (["--scope", "snr"], "snr"),
        (["--model", "simple_ae"], "simple_ae"),
        (["--model", "conv_classifier", "--n_mels", "4"], "--n_mels"),
        (["--base_dir", "nowhere"], "nowhere"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(options, word, data, tmp_path):
    assert_refused(classify(tmp_path / "work", "--base_dir", data, *FAST, *options), word)


# --- genuine recordings


@pytest.fixture(scope="module")
def real_runs(tmp_path_factory):
    """Both tasks on the genuine clips, with one cache."""
    clips = Path(__file__).resolve().parents[3] / "shared" / "data" / "mimii_clips"
    if not clips.is_dir():
        pytest.skip("no real recordings here")
    directory = tmp_path_factory.mktemp("real")
    options = ["--base_dir", clips, "--model", "ss_classifier", "--epochs", 1, "--jobs", 1]
    return [classify(directory, *options, "--classification_type", kind) for kind in ("machine_type", "machine_id")]


def test_real_clips_give_rows_for_fan_and_say_why_the_others_can_not_be_split(real_runs):
    run, _ = real_runs
    assert run.status == 0
    rows = run.rows[run.rows["classification_type"] == "machine_type"]
    keys = set(rows[WHAT[1:4]].itertuples(index=False, name=None))
    assert keys == {("0dB", "fan", machine_id) for machine_id in ("id_00", "id_02", "all")}
    assert set(rows.loc[rows["machine_id"] == "all", "eval_files"]) == {4 + 1 + 2 + 1}
    assert set(rows["train_files"]) == {40 - 8}
    for machine_type in ("pump", "slider", "valve"):
        assert run.lines("too few", f"0dB {machine_type} id_00 (abnormal, normal)")
        assert run.lines("Not used", f"0dB {machine_type}", "too few")
    [line] = run.lines("Not used, too few")
    assert len(re.findall(r"0dB \w+ id_0\d", line)) == 14


def test_real_clips_of_fans_are_told_apart_by_machine(real_runs):
    _, run = real_runs
    assert run.status == 0
    rows = run.rows[run.rows["classification_type"] == "machine_id"]
    keys = set(rows[WHAT[1:4]].itertuples(index=False, name=None))
    assert keys == {("0dB", "fan", machine_id) for machine_id in ("id_00", "id_02", "all")}
    assert set(rows["num_classes"]) == {2}
    assert run.lines("fan id_04")
    assert not run.lines("Extracting")  # the features are those of the other task
