"""What an experiment makes of a challenge's data sets: several years, sets that are still to come, submissions."""

import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from support import SAMPLE_RATE, assert_refused, read_rows, run_here, sound

QUICK = ["--model", "mahalanobis", "--jobs", 1]


def write(path, number, abnormal=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = sound(np.random.default_rng([number, abnormal]), seconds=0.5, abnormal=abnormal)
    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")


def write_training(home, count=6):
    for number in range(count):
        write(home / "train" / f"section_00_source_train_normal_{number:04d}_vel_{number % 2}.wav", number)


def write_development(home):
    write_training(home)
    for number in range(4):
        for label in ("normal", "anomaly"):
            domain = "source" if number % 2 else "target"
            name = f"section_00_{domain}_test_{label}_{number:04d}_vel_{number % 2}.wav"
            write(home / "test" / name, 10 + number, label == "anomaly")


def write_hidden(home):
    for number in range(6):
        write(home / "test" / f"section_00_{number:04d}.wav", 20 + number, number % 2 == 1)


@pytest.fixture(scope="module")
def years(tmp_path_factory):
    """Two years with the same machine, and one run on both."""
    base = tmp_path_factory.mktemp("years")
    for year in (2022, 2023):
        write_development(base / "data" / f"dcase{year}" / "fan")
    write_training(base / "data" / "dcase2023" / "shaker")
    write_hidden(base / "data" / "dcase2023" / "shaker")
    run = run_here(base, "--base_dir", "data", *QUICK, "--submission", "to_send")
    assert run.status == 0, run.output
    return base, run


def test_years_below_one_directory_have_rows_of_their_own(years):
    _, run = years
    rows = run.rows.sort_values(["dataset", "machine_type"])
    assert rows[["dataset", "machine_type", "part"]].values.tolist() == [
        ["dcase2022", "fan", "development"],
        ["dcase2023", "fan", "development"],
        ["dcase2023", "shaker", "evaluation"],
    ]


def test_clips_without_labels_are_scored_and_one_sentence_says_so(years):
    _, run = years
    assert len(run.lines("--ground_truth", "shaker")) == 1
    row = run.rows.set_index("machine_type").loc["shaker"]
    assert (str(row["auc"]), row["eval_files"]) == ("", 6)


def test_kept_scores_say_domain_and_attributes(years):
    base, run = years
    row = run.rows.query("dataset == 'dcase2022'").iloc[0]
    [path] = (base / "results" / "scores").glob(f"*{row['run_id']}.csv")
    scores = pd.read_csv(path, keep_default_na=False, dtype=str)
    assert set(scores["domain"]) == {"source", "target"}
    assert set(scores["attributes"]) == {"vel_0", "vel_1"}
    assert set(scores["attribute_vel"]) == {"0", "1"}


def test_a_submission_has_a_score_and_a_decision_for_each_clip(years):
    base, run = years
    assert sorted(path.relative_to(base / "to_send").as_posix() for path in (base / "to_send").rglob("*.csv")) == [
        "dcase2022/anomaly_score_fan_section_00_test.csv",
        "dcase2022/decision_result_fan_section_00_test.csv",
        "dcase2023/anomaly_score_shaker_section_00_test.csv",
        "dcase2023/decision_result_shaker_section_00_test.csv",
    ]
    scores, decisions = (
        pd.read_csv(base / "to_send" / "dcase2023" / f"{name}_shaker_section_00_test.csv", header=None)
        for name in ("anomaly_score", "decision_result")
    )
    names = [f"section_00_{number:04d}.wav" for number in range(6)]
    assert scores[0].tolist() == decisions[0].tolist() == names
    row = run.rows.set_index("machine_type").loc["shaker"]
    assert decisions[1].tolist() == (scores[1] > float(row["threshold"])).astype(int).tolist()
    [path] = (base / "results" / "scores").glob(f"*{row['run_id']}.csv")
    assert sorted(scores[1]) == sorted(pd.read_csv(path)["score"])


def test_one_system_on_one_data_set_is_written_without_folders(years, tmp_path):
    base, _ = years
    shutil.copytree(base / "results", tmp_path / "results")
    options = ["--base_dir", base / "data" / "dcase2022", *QUICK, "--pickle_dir", base / "cache" / "research_features"]
    run = run_here(tmp_path, *options, "--model_dir", base / "cache" / "research_models", "--submission", "to_send")
    assert run.status == 0, run.output
    assert run.lines("Done before")
    assert len(list((tmp_path / "to_send").glob("*.csv"))) == 2


def test_a_submission_that_lacks_a_clip_is_not_written(tmp_path):
    write_development(tmp_path / "data" / "dcase2023" / "fan")
    (tmp_path / "data/dcase2023/fan/test/section_00_source_test_normal_0009.wav").write_bytes(b"RIFF")
    run = run_here(tmp_path, "--base_dir", "data", *QUICK, "--submission", "to_send")
    assert run.status == 1
    assert run.lines("No submission of mahalanobis", "1 clip(s) of fan section_00 have no score", "0009.wav")
    assert not list((tmp_path / "to_send").rglob("*.csv"))


def test_a_submission_is_not_mixed_with_other_files_and_names_what_it_lacks(years, tmp_path):
    base, _ = years
    shutil.copytree(base / "data" / "dcase2023", tmp_path / "dcase2023")
    shutil.copytree(base / "results", tmp_path / "results")
    shutil.copytree(base / "cache", tmp_path / "cache")
    (tmp_path / "dcase2023/shaker/test/section_00_0003.wav").unlink()
    run = run_here(tmp_path, "--base_dir", tmp_path, "--machine_type", "shaker", *QUICK, "--submission", "to_send")
    assert run.status == 0, run.output
    assert run.lines("1 clip(s) between the first and the last are not there", "0003")
    shutil.rmtree(tmp_path / "dcase2023/shaker/test")
    write_hidden(tmp_path / "dcase2023/grinder")
    write_training(tmp_path / "dcase2023/grinder")
    run = run_here(tmp_path, "--base_dir", tmp_path, *QUICK, "--submission", "to_send")
    assert run.status == 1
    assert run.lines("the test recordings of shaker section_00 are not there yet")
    run = run_here(tmp_path, "--base_dir", tmp_path, "--machine_type", "grinder", *QUICK, "--submission", "to_send")
    assert run.lines("to_send holds 2 other file(s), such as anomaly_score_shaker_section_00_test.csv")
    run = run_here(tmp_path, "--base_dir", tmp_path, "--machine_type", "grinder", *QUICK, "--submission", "other")
    assert run.status == 0, run.output
    assert run.lines("has 1 of 2 machines, those that were chosen")


def test_a_data_set_that_was_moved_can_be_submitted(years, tmp_path):
    base, _ = years
    for name in ("results", "cache"):
        shutil.copytree(base / name, tmp_path / name)
    shutil.copytree(base / "data" / "dcase2023", tmp_path / "elsewhere" / "dcase2023")
    run = run_here(tmp_path, "--base_dir", "elsewhere", *QUICK, "--submission", "to_send")
    assert run.status == 0, run.output
    assert run.lines("Done before", "2 of 2")
    assert len(list((tmp_path / "to_send").iterdir())) == 2


def test_2021_has_a_file_for_each_domain_and_2020_no_decisions(tmp_path):
    for domain in ("source", "target"):
        for number in range(4):
            name = f"section_03_{domain}_test_{number:04d}.wav"
            write(tmp_path / "data" / "dcase2021" / "fan" / f"{domain}_test" / name, number)
    for number in range(4):
        write(tmp_path / f"data/dcase2021/fan/train/section_03_source_train_normal_{number:04d}.wav", 10 + number)
        write(tmp_path / f"data/dcase2020/fan/train/normal_id_01_{number:08d}.wav", 10 + number)
        write(tmp_path / f"data/dcase2020/fan/test/id_01_{number:08d}.wav", number)
    run = run_here(tmp_path, "--base_dir", "data", *QUICK, "--submission", "to_send")
    assert run.status == 0, run.output
    files = [path.relative_to(tmp_path / "to_send").as_posix() for path in (tmp_path / "to_send").rglob("*.csv")]
    kinds = ("anomaly_score", "decision_result")
    assert sorted(files) == [
        "dcase2020/anomaly_score_fan_id_01.csv",
        *(f"dcase2021/{kind}_fan_section_03_{domain}_test.csv" for kind in kinds for domain in ("source", "target")),
    ]


def test_a_submission_of_other_data_is_refused(tmp_path):
    write(tmp_path / "data/6dB/fan/id_00/normal/0.wav", 0)
    assert_refused(run_here(tmp_path, "--base_dir", "data", *QUICK, "--submission", "to_send"), "--submission", "DCASE")
    write_training(tmp_path / "more/dcase2023/fan")
    run = run_here(tmp_path, "--base_dir", "more", *QUICK, "--submission", "to_send")
    assert_refused(run, "--submission", "no recordings for evaluation")


def test_training_data_alone_are_learnt_and_the_model_waits_for_the_evaluation_set(tmp_path):
    home = tmp_path / "data" / "dcase2023" / "shaker"
    write_training(home)
    options = ["--base_dir", "data", "--model", "simple_ae", "mahalanobis", "--epochs", 2, "--jobs", 1]
    first = run_here(tmp_path, *options)
    assert first.status == 0, first.output
    assert len(first.lines("their recordings for evaluation are not there yet", "shaker section_00")) == 1
    assert set(first.rows["train_files"]) == {6}
    assert set(first.rows["eval_files"]) == {0}
    assert np.isfinite(first.rows["threshold"].astype(float)).all()
    models = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "research_models").glob("*.model")}
    assert len(models) == 2
    assert run_here(tmp_path, *options).lines("Done before, not done again: 2 of 2")

    write_hidden(home)
    second = run_here(tmp_path, *options)
    assert second.status == 0, second.output
    assert {path: path.stat().st_mtime_ns for path in models} == models
    rows = read_rows(tmp_path / "results" / "research_results.csv").tail(2)
    assert set(rows["eval_files"].astype(int)) == {6}
    times = first.rows.set_index("model")["threshold"].to_dict()
    assert rows.set_index("model")["threshold"].to_dict() == times


def test_a_renamed_data_set_is_evaluated_and_not_learnt_again(tmp_path):
    write_development(tmp_path / "data" / "mine" / "fan")
    run_here(tmp_path, "--base_dir", "data", *QUICK)
    models = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "research_models").glob("*.model")}
    run = run_here(tmp_path, "--base_dir", "data", *QUICK, "--dataset", "dcase2021")
    assert run.status == 0, run.output
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache/research_models").glob("*.model")} == models
    assert run.rows["dataset"].tolist() == ["mine", "dcase2021"]


def test_supplemental_recordings_are_named_and_are_other_machines_where_a_detector_knows_machines(tmp_path):
    home = tmp_path / "data" / "dcase2025"
    write_development(home / "fan")
    for number in range(5):
        write(home / "fan/supplemental" / f"section_00_noise_source_{number:04d}_noAttribute.wav", 30 + number)
    plain = run_here(tmp_path, "--base_dir", "data", *QUICK)
    assert plain.lines("5 of noise alone", "none of the chosen detectors can use them")
    options = ["--model", "mahalanobis", "id_embedding", "--ensemble", 1, "--epochs", 1, "--jobs", 1]
    alone = run_here(tmp_path, "--base_dir", "data", *options)
    assert alone.lines("id_embedding", "has no other to compare with")  # noise is no machine
    write_training(home / "valve")
    options += ["--scope", "all"]
    both = run_here(tmp_path, "--base_dir", "data", *options)
    assert both.status == 0, both.output
    assert both.lines("5 of noise alone", "other machines to id_embedding")
    rows = both.rows.query("dataset_scope == 'all' and machine_id != 'all'").set_index(["model", "machine_type"])
    assert set(rows["machine_id"]) == {"section_00"}
    assert set(rows.loc["id_embedding", "train_files"]) == {6 + 6 + 5}
    assert set(rows.loc["mahalanobis", "train_files"]) == {6 + 6}
