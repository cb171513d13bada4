"""Detection where there are no abnormal recordings, and where recordings lie twice in the data."""

import shutil

import pandas as pd
import pytest
from support import SCRIPT, run_here, write_machine

from mimii.storage.schema import DASH
from mimii.sweep.detection import hold_out

CLASSIFICATION = SCRIPT.with_name("exp_classification.py")


def table(*machines):
    """Recordings of machines, each given by its ID and the split of each recording."""
    rows = [
        ("6dB", "fan", name, f"{name}/{number}", split)
        for name, splits in machines
        for number, split in enumerate(splits)
    ]
    return pd.DataFrame(rows, columns=["snr", "machine_type", "machine_id", "path", "split"])


def splits(recordings, name):
    return recordings.loc[recordings["machine_id"] == name, "split"].tolist()


def test_the_last_fifth_is_held_out_where_nothing_is_there_to_score():
    recordings = table(("id_00", ["train"] * 10), ("id_02", ["train"] * 2), ("id_04", ["train"]))
    found = hold_out(recordings, "machine")
    assert splits(found, "id_00") == ["train"] * 8 + ["eval"] * 2
    assert splits(found, "id_02") == ["train", "eval"]
    assert splits(found, "id_04") == ["train"]


@pytest.mark.parametrize(("scope", "last"), [("machine", "eval"), ("type", "train"), ("all", "train")])
def test_a_machine_group_with_recordings_to_score_keeps_its_split(scope, last):
    """Else the figures of the machine that has abnormal recordings would change."""
    recordings = table(("id_00", ["eval", "train"]), ("id_02", ["train"] * 5))
    found = hold_out(recordings, scope)
    assert splits(found, "id_00") == ["eval", "train"]
    assert splits(found, "id_02") == ["train"] * 4 + [last]


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    """A run on two machines, of which one has no abnormal recording."""
    base = tmp_path_factory.mktemp("unlabelled")
    write_machine(base / "data/6dB/fan/id_00", normal=5, abnormal=0)
    write_machine(base / "data/6dB/fan/id_02", normal=6, abnormal=2, seed=1)
    options = ["--base_dir", "data", "--model", "mahalanobis", "isolation_forest", "--jobs", 1, "--device", "cpu"]
    return run_here(base, *options)


def test_without_abnormal_recordings_there_are_scores_and_thresholds_but_no_metrics(unlabelled):
    assert unlabelled.status == 0
    rows = unlabelled.rows.set_index("machine_id").loc["id_00"]
    assert len(rows) == 2
    for name in ("auc", "pr_auc", "pauc", "precision", "recall", "f1"):
        assert (rows[name] == "").all()
    assert (rows["threshold"].astype(float) > 0).all()
    assert (rows["train_files"] == 4).all()
    assert (rows["eval_files"] == 1).all()
    for run_id in rows["run_id"]:
        (path,) = (unlabelled.directory / "results" / "scores").glob(f"*{run_id}.csv")
        assert pd.read_csv(path)["score"].notna().all()


def test_one_sentence_says_so(unlabelled):
    (line,) = unlabelled.lines("without metrics")
    assert line.endswith("6dB fan id_00.")
    assert not unlabelled.lines("Warning:")


def test_the_table_of_a_data_set_without_abnormal_recordings_has_dashes(tmp_path):
    write_machine(tmp_path / "data/6dB/fan/id_00", normal=5, abnormal=0)
    run = run_here(tmp_path, "--base_dir", "data", "--model", "mahalanobis", "--jobs", 1, "--device", "cpu")
    assert run.status == 0
    (line,) = [line for line in run.out.splitlines() if line.lstrip().startswith("mahalanobis")]
    assert line.split()[3:5] == [DASH, DASH]


@pytest.mark.parametrize(("script", "model"), [(SCRIPT, "mahalanobis"), (CLASSIFICATION, "svm")])
def test_a_recording_that_is_for_training_and_for_evaluation_is_named_once(tmp_path, script, model):
    machine = tmp_path / "data/6dB/fan/id_00"
    write_machine(machine, normal=8, abnormal=3)
    for number in range(1, 8):  # the first is for evaluation by detection; classification draws one
        shutil.copy(machine / "normal/00000000.wav", machine / f"normal/{number:08d}.wav")
    options = ["--model", model, "--jobs", 1, "--device", "cpu"]
    run = run_here(tmp_path, "--base_dir", "data", *options, script=script)
    assert run.status == 0
    (line,) = run.lines("have the content of one for training")
    assert str(machine / "normal") in line
