"""The script from end to end: as a user starts it, and within this process for what goes wrong."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from support import (
    SAMPLE_RATE,
    Run,
    assert_refused,
    read_rows,
    recording_path,
    run_here,
    run_process,
    sound,
    start_script,
)

from mimii.features import extraction
from mimii.models import DETECTORS

WHAT = ["model", "snr", "machine_type", "machine_id", "dataset_scope"]
HOW_WELL = ["auc", "pr_auc", "pauc"]
COST = [
    *("training_time_sec", "model_size_mb", "num_parameters", "inference_time_ms", "throughput_samples_per_sec"),
    *("memory_usage_mb", "peak_ram_mb"),
]
HOW_MADE = [
    *("n_mels", "frames", "n_fft", "hop_length", "power", "channel", "epochs", "batch_size", "learning_rate"),
    *("val_split", "seed", "train_files", "eval_files", "train_samples", "device", "jobs", "torch_version"),
    *("run_id", "timestamp"),
]
MODELS = ["simple_ae", "vae", "isolation_forest"]
MACHINES = [("6dB", "fan", "id_00"), ("6dB", "fan", "id_02"), ("min6dB", "pump", "id_04")]
FAST = ["--model", "simple_ae", "--epochs", "1", "--jobs", "1"]
COMMAND = ["--model", *MODELS, "--epochs", "2", "--device", "cpu"]

SNIPPET = """
import pandas as pd

# Anomaly detection results
df_ad = pd.read_csv('results/research_results.csv')
summary_ad = df_ad.groupby('model').agg({
    'auc': ['mean', 'std'],
    'pr_auc': ['mean', 'std'],
    'training_time_sec': 'mean',
    'num_parameters': 'mean'
}).round(4)

print("Anomaly Detection Results:")
print(summary_ad.to_latex())
"""


# --- a run, and the same command again; each in processes of its own


@pytest.fixture(scope="session")
def first(once, data):
    """A run; its rows are those before the second run."""
    return Run.kept(
        once("first_run", lambda work: run_process(work, "--base_dir", data, *COMMAND, "--jobs", "2").keep("1")), "1"
    )


@pytest.fixture(scope="session")
def first_rows(first):
    return read_rows(first.directory / "1.csv")


@pytest.fixture(scope="session")
def second(once, data, first):
    """The same command again, in the same place."""
    once("second_run", lambda _: run_process(first.directory, "--base_dir", data, *COMMAND, "--jobs", "2").keep("2"))
    return Run.kept(first.directory, "2")


def test_a_run_succeeds_and_writes_a_row_for_each_machine_and_model(first, first_rows):
    assert first.status == 0, first.output
    assert "Traceback" not in first.output
    keys = sorted(first_rows[["model", *WHAT[1:4]]].itertuples(index=False, name=None))
    assert keys == sorted((model, *machine) for model in MODELS for machine in MACHINES)
    assert set(first_rows["dataset_scope"]) == {"machine"}


def test_the_columns_of_the_issue_are_there_once_each_and_groups_in_its_order(first_rows):
    columns = list(first_rows.columns)
    wanted = [*WHAT, *HOW_WELL, *COST, *HOW_MADE]
    assert [columns.count(name) for name in wanted] == [1] * len(wanted)
    for group in (WHAT, HOW_WELL, COST, HOW_MADE):
        assert [name for name in columns if name in group] == group


def test_metrics_are_there_and_within_their_bounds(first_rows):
    for name in HOW_WELL:
        assert first_rows[name].between(0, 1).all()
    networks = first_rows[first_rows["model"] != "isolation_forest"]
    assert (networks["auc"] > 0.9).all()  # the abnormal sounds here are easy to tell


def test_every_efficiency_figure_is_measured_for_every_model(first_rows):
    for name in ("training_time_sec", "model_size_mb", "num_parameters", "inference_time_ms"):
        assert (first_rows[name] > 0).all(), name
    assert (first_rows["throughput_samples_per_sec"] > 0).all()
    assert (first_rows["memory_usage_mb"] == 0).all()  # on the CPU
    assert first_rows["peak_ram_mb"].between(0, 2_000, inclusive="right").all()
    assert (first_rows[["window_time_ms", "windows_per_sec"]] > 0).all(axis=None)
    assert (first_rows["measured_alone"] == "yes").all()
    assert (first_rows["synthetic"] == "no").all()
    assert (first_rows.loc[first_rows["model"] == "simple_ae", "num_parameters"] == 42_440).all()


def test_a_row_tells_how_it_was_made(first_rows):
    expected = {
        **{"n_mels": 64, "frames": 5, "n_fft": 1024, "hop_length": 512, "power": 2.0, "channel": 0},
        **{"seed": 42, "train_files": 4, "eval_files": 4, "device": "cpu", "jobs": 2},
    }
    for name, value in expected.items():
        assert (first_rows[name] == value).all(), name
    windows = 63 - 5 + 1  # of a recording of 2 s
    is_network = first_rows["model"].map(lambda name: DETECTORS[name].is_network)
    for name, value in {"epochs": 2, "batch_size": 256, "learning_rate": 0.001, "val_split": 0.1}.items():
        assert set(first_rows.loc[is_network, name].astype(float)) == {value}, name
        assert set(first_rows.loc[~is_network, name]) == {""}, name  # it makes no difference there
    assert set(first_rows["tf32"]) == {""}  # nor does this one on a CPU
    assert (first_rows.loc[is_network, "train_samples"] == 3 * windows).all()  # one of 4 is kept for validation
    assert set(first_rows.loc[~is_network, "train_samples"]) <= {3 * windows, 4 * windows}
    assert first_rows["run_id"].is_unique
    assert pd.to_datetime(first_rows["timestamp"]).notna().all()
    assert first_rows["torch_version"].str.match(r"\d+\.\d+").all()


def test_the_machine_that_can_not_be_trained_is_named_in_one_line(first):
    assert len(first.lines("0dB valve id_06")) == 1


def test_the_summary_has_a_line_for_each_model(first):
    table = first.out.splitlines()
    for model in MODELS:
        assert sum(line.split()[:1] == [model] for line in table) == 1
    assert "42,440" in first.out
    assert max(map(len, table)) <= 80 or "research_results.csv" in max(table, key=len)


def test_scores_of_each_recording_are_kept_for_each_row(first, first_rows, data):
    files = list((first.directory / "results" / "scores").iterdir())
    assert len(files) == len(first_rows)
    for row in first_rows.itertuples():
        [path] = [file for file in files if row.run_id in file.name]
        table = pd.read_csv(path)
        assert len(table) == row.eval_files == 4
        assert sorted(table["label"]) == ["abnormal", "abnormal", "normal", "normal"]
        assert np.isfinite(table["score"]).all()
        assert all(Path(name).is_file() for name in table["path"])
        pairs = [
            (high > low) + 0.5 * (high == low)
            for high in table.loc[table["label"] == "abnormal", "score"]
            for low in table.loc[table["label"] == "normal", "score"]
        ]
        assert row.auc == pytest.approx(np.mean(pairs))


def test_the_loss_of_each_epoch_is_kept_for_each_network(first, first_rows):
    files = list((first.directory / "results" / "history").iterdir())
    networks = first_rows[first_rows["model"] != "isolation_forest"]
    assert len(files) == len(networks)
    for run_id in networks["run_id"]:
        [path] = [file for file in files if run_id in file.name]
        history = pd.read_csv(path)
        assert list(history["epoch"]) == [1, 2]
        assert np.isfinite(history[["train_loss", "val_loss"]]).all(axis=None)


def test_features_and_models_are_cached_where_the_issue_says(first):
    features = list((first.directory / "cache" / "research_features").glob("*.pickle"))
    assert len(features) == 3
    models = [path for path in (first.directory / "cache" / "research_models").iterdir() if path.is_file()]
    assert len(models) == 9


def test_each_command_keeps_its_log(first):
    logs = list((first.directory / "results" / "logs").iterdir())
    assert len(logs) >= 1
    text = "".join(path.read_text(encoding="utf-8") for path in logs)
    assert "0dB valve id_06" in text
    assert "epoch 2/2" in text


def test_plain_lines_where_the_output_is_no_terminal(first):
    assert "\r" not in first.output
    assert "\x1b" not in first.output


def test_the_same_command_again_adds_no_row_and_says_so(second, first_rows):
    assert second.status == 0
    pd.testing.assert_frame_equal(read_rows(second.directory / "2.csv"), first_rows)
    assert second.lines("9", "--retrain")
    assert [line for line in second.out.splitlines() if line.startswith("simple_ae") or " simple_ae " in line]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_a_reader_that_goes_away_causes_no_traceback(second, data):
    """As in ``python src/exp_autoencoding.py ... | head -1``."""
    process = start_script(second.directory, "--base_dir", data, *COMMAND, "--jobs", "2")
    process.stdout.close()
    err = process.stderr.read()
    process.wait(60)
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_the_snippet_of_the_seeds_runs_as_it_stands(first):
    done = subprocess.run(
        [sys.executable, "-c", SNIPPET], cwd=first.directory, capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert r"\begin{tabular}" in done.stdout
    for model in MODELS:
        assert model.replace("_", r"\_") in done.stdout or model in done.stdout


def test_one_job_and_two_and_another_order_give_the_same_numbers_bit_for_bit(first, first_rows, data, tmp_path):
    alone = run_here(tmp_path / "work", "--base_dir", data, *COMMAND, "--jobs", "1", "--model", *MODELS[::-1])
    columns = [*WHAT, *HOW_WELL, "num_parameters", "train_samples", "run_id"]
    order = ["model", "machine_id"]
    one = alone.rows.sort_values(order)[columns].reset_index(drop=True)
    two = first_rows.sort_values(order)[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert set(alone.rows["jobs"]) == {1}
    for folder in ("scores", "history"):
        files = {path.name: path.read_bytes() for path in (alone.directory / "results" / folder).iterdir()}
        expected = {path.name: path.read_bytes() for path in (first.directory / "results" / folder).iterdir()}
        assert files.keys() == expected.keys()
        assert [name for name in files if files[name] != expected[name]] == []


# --- ways of scoring


def test_another_scoring_adds_its_rows_and_trains_nothing(data, tmp_path, log_lines):
    options = ["--base_dir", data, "--machine_type", "fan", "--epochs", 2, "--jobs", 1]
    options += ["--model", "simple_ae", "isolation_forest"]
    run = run_here(tmp_path / "work", *options)
    before = run.rows
    assert set(before[["model", "scoring"]].itertuples(index=False, name=None)) == {
        ("simple_ae", "mse"),
        ("isolation_forest", "native"),
    }
    models = {path: path.stat().st_mtime_ns for path in (run.directory / "cache" / "research_models").iterdir()}
    assert run_here(run.directory, *options, "--scoring", "mse", "mahalanobis").status == 0
    pd.testing.assert_frame_equal(run.rows.iloc[:4], before)
    added = run.rows.iloc[4:]
    assert list(added[["model", "scoring"]].itertuples(index=False, name=None)) == [("simple_ae", "mahalanobis")] * 2
    assert (added["training_time_sec"].to_numpy() > before["training_time_sec"][:2].to_numpy()).all()  # the residuals
    assert (added["model_size_mb"].to_numpy() > before["model_size_mb"][:2].to_numpy()).all()
    assert set(added["num_parameters"] - 42_440) == {64 + 64 * 65 // 2}
    assert (added["auc"] > 0.9).all()
    assert added["score_pooling"].tolist() == ["", ""]
    assert {path: path.stat().st_mtime_ns for path in models} == models
    assert not [line for line in log_lines if "epoch 1/2" in line]

    again = run_here(run.directory, *options, "--scoring", "mahalanobis", "mse", "mahalanobis")
    assert len(again.rows) == 6
    table = [line.split()[:2] for line in again.out.splitlines()]
    assert [line for line in table if line[:1] == ["simple_ae"]] == [["simple_ae", "mse"], ["simple_ae", "mahalanobis"]]
    assert max(map(len, again.out.splitlines())) <= 80 or "research_results.csv" in again.out


def test_both_scorings_at_once_are_those_of_two_runs(data, tmp_path):
    options = ["--base_dir", data, "--machine_type", "pump", *FAST]
    both = run_here(tmp_path / "both", *options, "--scoring", "mse", "mahalanobis").rows
    assert run_here(tmp_path / "both", *options, "--scoring", "mse", "mahalanobis", "--retrain").status == 0
    run_here(tmp_path / "one", *options, "--scoring", "mahalanobis")
    each = run_here(tmp_path / "one", *options).rows.iloc[::-1].reset_index(drop=True)
    columns = ["scoring", "run_id", *HOW_WELL, "threshold", "threshold_from", "precision", "recall", "f1"]
    pd.testing.assert_frame_equal(both[columns], each[columns])


def test_pooling_of_window_scores_is_another_run_of_the_same_model(data, tmp_path):
    options = ["--base_dir", data, "--machine_type", "pump", *FAST, "--scoring", "mse", "mahalanobis"]
    run = run_here(tmp_path / "work", *options)
    for pooling in ("max", "top10", "mean"):
        assert run_here(run.directory, *options, "--score_pooling", pooling).status == 0
    assert run.rows[["scoring", "score_pooling"]].to_numpy().tolist() == [
        *(["mse", "mean"], ["mahalanobis", ""], ["mse", "max"], ["mse", "top10"]),
    ]
    assert len(list((run.directory / "cache" / "research_models").iterdir())) == 1
    scores = {}
    for row in run.rows[run.rows["scoring"] == "mse"].itertuples():
        [path] = (run.directory / "results" / "scores").glob(f"*_{row.run_id}.csv")
        scores[row.score_pooling] = pd.read_csv(path)["score"]
    assert (scores["max"] > scores["top10"]).all()
    assert (scores["top10"] > scores["mean"]).all()


def test_options_of_whole_recordings_make_other_runs_of_the_models_that_know_them(data, tmp_path):
    options = ["--base_dir", data, "--machine_type", "pump", "--epochs", 1, "--jobs", 1]
    options += ["--model", "simple_ae", "knn", "pca"]
    run = run_here(tmp_path / "work", *options)
    assert run_here(run.directory, *options, "--pooling", "twfr", "--twfr_r", 0.5).status == 0
    assert run_here(run.directory, *options, "--distance", "cosine", "--twfr_r", 0.7).status == 0
    found = run.rows[["model", "pooling", "twfr_r", "distance"]].astype(str).to_numpy().tolist()
    assert found == [
        *(["simple_ae", "", "", ""], ["knn", "mean", "", "euclidean"], ["pca", "mean", "", ""]),
        *(["knn", "twfr", "0.5", "euclidean"], ["pca", "twfr", "0.5", ""]),
        ["knn", "mean", "", "cosine"],
    ]
    assert run.rows["run_id"].is_unique
    assert len(list((run.directory / "cache" / "research_models").iterdir())) == 6


def test_a_machine_of_one_recording_for_training_fails_the_models_that_need_two(own_data, tmp_path):
    for number in (3, 4, 5):
        recording_path(own_data, "normal", number).unlink()
    models = [name for name in DETECTORS if not DETECTORS[name].is_network]
    run = run_here(tmp_path / "work", "--base_dir", own_data / "6dB" / "fan" / "id_00", "--jobs", 1, "--model", *models)
    assert run.status == 1
    assert sorted(run.rows["model"]) == sorted(set(models) - {"gmm", "id_embedding"})
    assert run.lines("gmm needs 2 recordings to learn from, and has 1")
    assert run.lines("Not used: id_embedding", "no other to compare with: 6dB fan id_00")


def test_the_threshold_follows_from_recordings_for_training_and_decides(data, tmp_path):
    run = run_here(tmp_path / "work", "--base_dir", data, *COMMAND, "--jobs", 1, "--scope", "type")
    assert run.status == 0
    few = run.rows["machine_id"].where(run.rows["machine_id"] == "all", "_highest").replace("all", "")
    few[run.rows["machine_type"] == "pump"] = "_highest"  # a group of one machine with four recordings
    source = run.rows["model"].map(lambda model: "held_out" if model == "isolation_forest" else "training")
    assert list(run.rows["threshold_from"]) == list(source + few)
    fans = run.rows.query("model == 'vae' and machine_type == 'fan'").set_index("machine_id")
    assert fans["threshold"].nunique() == 3  # of each machine, and of the pool
    for row in run.rows.itertuples():
        [path] = (run.directory / "results" / "scores").glob(f"*_{row.run_id}.csv")
        table = pd.read_csv(path)
        is_alarm, is_abnormal = table["score"] > row.threshold, table["label"] == "abnormal"
        found = (is_alarm & is_abnormal).sum()
        assert row.recall == pytest.approx(found / is_abnormal.sum())
        assert row.precision == pytest.approx(found / max(is_alarm.sum(), 1))
        assert row.f1 == pytest.approx(2 * found / max(is_alarm.sum() + is_abnormal.sum(), 1))


@pytest.mark.faults
def test_of_all_models_those_that_can_not_take_the_windows_are_named_and_left_out(data, tmp_path):
    options = ["--base_dir", data, "--machine_type", "pump", "--epochs", 1, "--jobs", 1]
    run = run_here(tmp_path / "work", *options, "--model", "all", "--frames", 4, "--n_mels", 7)
    assert run.status == 0
    alone = [name for name, entry in DETECTORS.items() if not entry.has_embedding]
    assert sorted(run.rows["model"]) == sorted(set(alone) - {"conv_ae", "idnn"})
    assert run.lines("conv_ae needs --n_mels 8")
    assert run.lines("idnn needs --frames 3, 5, 7")


# --- models, selections, scopes


def test_all_models_run_that_need_no_other_machine(data, tmp_path):
    run = run_here(
        tmp_path / "work", "--base_dir", data / "6dB" / "fan" / "id_00", "--model", "all", "--epochs", 1, "--jobs", 1
    )
    assert run.status == 0
    assert sorted(run.rows["model"]) == sorted(name for name, entry in DETECTORS.items() if not entry.has_embedding)
    assert len(run.lines("Not used: id_embedding learns to tell machines apart")) == 1
    assert set(run.rows[WHAT[1:4]].itertuples(index=False, name=None)) == {("6dB", "fan", "id_00")}
    assert (run.rows[["training_time_sec", "num_parameters", "inference_time_ms", "model_size_mb"]] > 0).all(axis=None)
    classical = run.rows["model"].isin([name for name in DETECTORS if not DETECTORS[name].is_network])
    assert classical.sum() == 8
    pooled = run.rows["model"].isin([name for name in DETECTORS if DETECTORS[name].options])
    assert pooled.sum() == 6
    assert set(run.rows.loc[pooled, "pooling"]) == {"mean"}
    assert set(run.rows.loc[pooled, "score_pooling"]) == set(run.rows.loc[~pooled, "pooling"]) == {""}
    assert set(run.rows.loc[pooled, "train_samples"]) == {4}
    assert (run.rows.loc[pooled, "threshold_from"] == "held_out_highest").all()
    assert (run.rows[["threshold", "precision", "recall", "f1"]].map(np.isfinite)).all(axis=None)


@pytest.mark.parametrize(
    ("options", "machines"),
    [
        (["--snr", "min6dB"], MACHINES[2:]),
        (["--snr", "6dB", "min6dB", "--machine_id", "id_02", "id_04"], MACHINES[1:]),
        (["--machine_type", "fan", "--machine_id", "id_00"], MACHINES[:1]),
    ],
    ids=str,
)
def test_selections_choose_machines(options, machines, data, tmp_path):
    run = run_here(tmp_path / "work", "--base_dir", data, *FAST, *options)
    assert run.status == 0
    assert sorted(run.rows[WHAT[1:4]].itertuples(index=False, name=None)) == sorted(machines)


def test_scope_type_adds_a_row_for_each_pool(data, tmp_path):
    run = run_here(tmp_path / "work", "--base_dir", data, *FAST, "--scope", "type")
    assert run.status == 0
    keys = sorted(run.rows[WHAT[1:4]].itertuples(index=False, name=None))
    assert keys == sorted([*MACHINES, ("6dB", "fan", "all"), ("min6dB", "pump", "all")])
    assert set(run.rows["dataset_scope"]) == {"type"}
    pool = run.rows.query("machine_id == 'all' and machine_type == 'fan'").iloc[0]
    assert pool["eval_files"] == 8
    assert pool["train_files"] == 8
    assert len(list((run.directory / "results" / "scores").iterdir())) == len(run.rows) == 5


def test_scope_all_trains_one_model_and_evaluates_machine_by_machine(data, tmp_path):
    run = run_here(tmp_path / "work", "--base_dir", data, *FAST, "--scope", "all")
    assert run.status == 0
    keys = sorted(run.rows[WHAT[1:4]].itertuples(index=False, name=None))
    # the valve has no recording to train on, and can be evaluated by what was learnt from the others
    assert keys == sorted([*MACHINES, ("0dB", "valve", "id_06"), ("all", "all", "all")])
    assert set(run.rows["train_files"]) == {12}
    assert len(list((run.directory / "cache" / "research_models").iterdir())) == 1
    again = run_here(run.directory, "--base_dir", data, *FAST, "--scope", "all")
    assert again.status == 0
    assert len(again.rows) == 5


def test_another_setting_is_another_run(data, tmp_path):
    for options in ([], ["--seed", 1], ["--epochs", 2], ["--frames", 3], ["--val_split", 0], ["--scope", "type"]):
        run = run_here(tmp_path / "work", "--base_dir", data, "--machine_type", "pump", *FAST, *options)
        assert run.status == 0
    assert len(run.rows) == 7
    assert run.rows["run_id"].is_unique


def test_retrain_does_it_again(data, tmp_path):
    options = ["--base_dir", data, "--machine_type", "pump", *FAST]
    run = run_here(tmp_path / "work", *options)
    run_here(run.directory, *options)
    assert len(run.rows) == 1
    assert run_here(run.directory, *options, "--retrain").status == 0
    old, new = (row for _, row in run.rows.iterrows())
    assert list(new[[*WHAT, *HOW_WELL, "run_id"]]) == list(old[[*WHAT, *HOW_WELL, "run_id"]])
    assert new["training_time_sec"] != old["training_time_sec"]


def test_a_cached_model_keeps_its_training_time_and_history(data, tmp_path):
    options = ["--base_dir", data, "--machine_type", "pump", *FAST]
    run = run_here(tmp_path / "work", *options)
    before = run.rows.iloc[0]
    shutil.rmtree(run.directory / "results")
    assert run_here(run.directory, *options).status == 0
    after = run.rows.iloc[0]
    columns = [*WHAT, *HOW_WELL, "training_time_sec", "peak_ram_mb", "train_files", "train_samples", "run_id"]
    assert list(after[columns]) == list(before[columns])
    assert len(list((run.directory / "results" / "history").iterdir())) == 1


def test_a_changed_recording_is_a_new_run(own_data, tmp_path):
    options = ["--base_dir", own_data, "--machine_id", "id_00", *FAST]
    run = run_here(tmp_path / "work", *options)
    soundfile.write(recording_path(own_data, "normal", 5), sound(np.random.default_rng(8), seconds=2.1), SAMPLE_RATE)
    assert run_here(run.directory, *options).status == 0
    assert len(run.rows) == 2
    assert run.rows["run_id"].is_unique


def test_a_recording_that_has_gone_is_used_no_more(own_data, tmp_path):
    options = ["--base_dir", own_data, "--machine_id", "id_00", *FAST]
    run = run_here(tmp_path / "work", *options)
    recording_path(own_data, "normal", 5).unlink()
    assert run_here(run.directory, *options).status == 0
    assert list(run.rows["train_files"]) == [4, 3]
    assert run.rows["run_id"].is_unique


def test_features_are_extracted_once_for_all_models(data, tmp_path, monkeypatch):
    read = []
    genuine = extraction.read_channel
    monkeypatch.setattr(extraction, "read_channel", lambda *args: (read.append(args), genuine(*args))[1])
    options = ["--base_dir", data, "--machine_type", "pump", "--epochs", 1, "--jobs", 1]
    run = run_here(tmp_path / "work", *options, "--model", "simple_ae", "ss_ae")
    run_here(run.directory, *options, "--model", "isolation_forest")
    assert len(run.rows) == 3
    assert len(read) == 8


def test_results_and_caches_go_where_the_options_say(data, tmp_path):
    run = run_here(
        tmp_path / "work",
        *("--base_dir", data, "--machine_type", "pump", *FAST),
        *("--result_dir", "r", "--pickle_dir", "p", "--model_dir", "m", "--output_csv", "new/table.csv"),
    )
    assert run.status == 0
    assert len(read_rows(run.directory / "new" / "table.csv")) == 1
    assert sorted(path.name for path in run.directory.iterdir() if path.name in "rpmnewresultscache") == [
        *("m", "new", "p", "r")
    ]


# --- bad input


def test_a_missing_base_dir_is_one_line_and_status_2(tmp_path):
    run = run_process(tmp_path, "--base_dir", "nowhere")
    assert_refused(run, "nowhere", "--base_dir")


def test_a_base_dir_without_recordings_says_what_was_looked_for_and_found(tmp_path):
    (tmp_path / "data" / "photos").mkdir(parents=True)
    run = run_here(tmp_path / "work", "--base_dir", tmp_path / "data", *FAST)
    assert_refused(run, "normal", "abnormal", "photos")
    assert not run.csv.exists()


def test_an_empty_base_dir_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    assert_refused(run_here(tmp_path / "work", "--base_dir", tmp_path / "data", *FAST), "normal", "abnormal")


@pytest.mark.parametrize("options", [["--machine_id", "id_09"], ["--snr", "3dB"], ["--machine_type", "rocket"]])
def test_a_selection_of_nothing_is_refused(options, data, tmp_path):
    assert_refused(run_here(tmp_path / "work", "--base_dir", data, *FAST, *options), *options)


def test_nothing_that_can_be_run_is_no_success(data, tmp_path):
    run = run_here(tmp_path / "work", "--base_dir", data, *FAST, "--machine_type", "valve")
    assert run.status != 0
    assert run.lines("valve")
    assert not run.csv.exists()


@pytest.mark.parametrize("option", ["--pickle_dir", "--model_dir", "--result_dir", "--output_csv"])
def test_a_place_that_can_not_be_written_is_named_before_anything_is_trained(option, data, tmp_path):
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "below"
    run = run_here(tmp_path / "work", "--base_dir", data, *FAST, option, target)
    assert_refused(run, str(tmp_path / "file"))


def test_an_output_csv_that_is_a_directory_is_named(data, tmp_path):
    assert_refused(run_here(tmp_path / "work", "--base_dir", data, *FAST, "--output_csv", tmp_path), str(tmp_path))


@pytest.mark.parametrize("content", [b"caf\xe9;\xff\n", None], ids=["no text", "torn rows"])
def test_a_results_file_that_can_not_be_read_does_not_end_in_a_traceback(content, data, tmp_path):
    options = ["--base_dir", data, "--machine_type", "pump", *FAST]
    run = run_here(tmp_path / "work", *options)
    spoilt = run.csv.read_bytes() + b"1,2,3\n" + b"1," * 99 + b"1\n" if content is None else content
    run.csv.write_bytes(spoilt)
    again = run_here(run.directory, *options)
    assert again.lines("research_results")
    assert run.csv.read_bytes() == spoilt


def spoil(base):
    """Four recordings of fan id_00 and id_02 that can't be used, each for a reason of its own; gives their paths."""
    unreadable, short = recording_path(base, "normal", 5), recording_path(base, "abnormal", 1, "id_02")
    other_rate, not_finite = recording_path(base, "normal", 0), recording_path(base, "normal", 4, "id_02")
    unreadable.write_bytes(b"RIFF, but not really")
    soundfile.write(short, np.zeros(100), SAMPLE_RATE)
    soundfile.write(other_rate, np.zeros(8000), 8000)
    soundfile.write(not_finite, np.full(32000, np.nan, dtype=np.float32), SAMPLE_RATE, subtype="FLOAT")
    return [unreadable, short, other_rate, not_finite]


def test_recordings_that_can_not_be_used_are_named_and_left_out_and_the_rest_goes_on(own_data, tmp_path):
    bad = spoil(own_data)
    run = run_here(tmp_path / "work", "--base_dir", own_data, *FAST)
    assert run.status == 0
    for path in bad:
        assert len(run.lines(str(path))) == 1
    rows = run.rows.set_index("machine_id")
    assert sorted(rows.index) == ["id_00", "id_02", "id_04"]
    assert rows["train_files"].to_dict() == {"id_00": 3, "id_02": 3, "id_04": 4}
    assert rows["eval_files"].to_dict() == {"id_00": 3, "id_02": 3, "id_04": 4}
    for path in (run.directory / "results" / "scores").iterdir():
        assert {str(name) for name in bad}.isdisjoint(pd.read_csv(path)["path"])
    assert rows["auc"].notna().all()

    again = run_here(run.directory, "--base_dir", own_data, *FAST)
    assert again.status == 0
    assert len(again.rows) == 3


def test_recordings_shorter_than_a_window_are_named_and_count_nowhere(own_data, tmp_path):
    short = [recording_path(own_data, "normal", 5), recording_path(own_data, "abnormal", 1)]
    for level, path in enumerate(short):
        soundfile.write(path, np.full(2000, level / 10), SAMPLE_RATE)  # 4 frames, where a window has 5
    run = run_here(tmp_path / "work", "--base_dir", own_data, *FAST, "--machine_id", "id_00")
    assert run.status == 0
    for path in short:
        assert len(run.lines(str(path))) == 1
    row = run.rows.iloc[0]
    assert row["eval_files"] == 3
    assert row["train_files"] == 3
    [scores] = (run.directory / "results" / "scores").iterdir()
    assert {str(path) for path in short}.isdisjoint(pd.read_csv(scores)["path"])


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode there")
def test_a_file_name_that_is_no_utf8_is_no_obstacle(own_data, tmp_path):
    folder = os.fsencode(recording_path(own_data, "normal", 5).parent)
    shutil.copy(recording_path(own_data, "normal", 5), folder + b"/caf\xe9.wav")
    with open(folder + b"/empty\xe9.wav", "wb"):
        pass
    run = run_here(tmp_path / "work", "--base_dir", own_data, *FAST, "--machine_id", "id_00")
    assert run.status == 0
    assert len(run.rows) == 1
    assert run.rows["train_files"][0] in {4, 5}  # it is used, or named and left out


@pytest.mark.parametrize(("label", "numbers"), [("abnormal", [0, 1]), ("normal", [2, 3, 4, 5]), ("normal", [0, 1])])
def test_a_machine_that_loses_all_recordings_of_a_kind_is_named_and_the_others_go_on(
    label, numbers, own_data, tmp_path
):
    for number in numbers:
        recording_path(own_data, label, number).write_text("no sound")
    run = run_here(tmp_path / "work", "--base_dir", own_data, *FAST, "--machine_type", "fan")
    assert list(run.rows["machine_id"]) == ["id_02"]
    assert run.lines("fan id_00")


def test_a_pool_with_a_machine_that_can_not_be_evaluated_is_done_once(own_data, tmp_path):
    for number in (0, 1):
        recording_path(own_data, "abnormal", number).write_text("no sound")
    options = ["--base_dir", own_data, *FAST, "--machine_type", "fan", "--scope", "type"]
    run = run_here(tmp_path / "work", *options)
    assert sorted(run.rows["machine_id"]) == ["all", "id_02"]
    run_here(run.directory, *options)
    assert sorted(run.rows["machine_id"]) == ["all", "id_02"]


def test_a_channel_that_is_not_there_is_no_success(data, tmp_path):
    run = run_here(tmp_path / "work", "--base_dir", data, *FAST, "--machine_type", "pump", "--channel", 5)
    assert run.status != 0
    assert run.lines("channel")
    assert not run.csv.exists()


def test_windows_longer_than_every_recording_are_no_success(data, tmp_path):
    run = run_here(tmp_path / "work", "--base_dir", data, *FAST, "--machine_type", "pump", "--frames", 1000)
    assert run.status != 0
    assert run.lines("--frames")
    assert not run.csv.exists()


def test_a_loss_that_is_not_finite_fails_that_model_and_no_other(data, tmp_path):
    options = ["--base_dir", data, "--machine_type", "pump", "--epochs", 3, "--jobs", 1, "--learning_rate", 1e30]
    run = run_here(tmp_path / "work", *options, "--model", "simple_ae", "isolation_forest")
    assert run.status != 0
    assert run.lines("simple_ae", "learning_rate")
    assert list(run.rows["model"]) == ["isolation_forest"]


def test_a_silent_machine_gives_finite_rows_or_says_why_not(own_data, tmp_path):
    for path in (own_data / "6dB" / "fan" / "id_00").rglob("*.wav"):
        soundfile.write(path, np.zeros(32000), SAMPLE_RATE)
    run = run_here(
        tmp_path / "work",
        *("--base_dir", own_data / "6dB" / "fan" / "id_00", "--epochs", 1, "--jobs", 1),
        *("--model", "simple_ae", "vae", "ss_ae", "isolation_forest", "one_class_svm"),
        *("knn", "mahalanobis", "gmm", "pca", "ldn", "fusion", "--scoring", "mse", "mahalanobis"),
    )
    assert run.status == 0
    assert len(run.rows) == 14
    assert set(run.rows["auc"]) == {0.5}
    assert (run.rows[["threshold", "f1"]].map(np.isfinite)).all(axis=None)


DAMAGES = {
    "cut short": lambda content: content[:50],
    "zeroed": lambda content: bytes(len(content)),
    "another version": lambda content: content[:-32],
    "a bit flipped": lambda content: content[:1000] + bytes([content[1000] ^ 4]) + content[1001:],
}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage, id=name, marks=[] if name == "a bit flipped" else pytest.mark.faults)
        for name, damage in DAMAGES.items()
    ],
)
def test_damaged_caches_are_made_again(damage, data, tmp_path):
    options = ["--base_dir", data, "--machine_type", "pump", "--epochs", 1, "--jobs", 1]
    options += ["--model", "simple_ae", "isolation_forest"]
    run = run_here(tmp_path / "work", *options)
    before = run.rows
    shutil.rmtree(run.directory / "results")
    caches = [path for path in (run.directory / "cache").rglob("*") if path.is_file()]
    assert len(caches) == 3
    for path in caches:
        path.write_bytes(damage(path.read_bytes()))
    again = run_here(run.directory, *options)
    assert again.status == 0
    for path in caches:
        assert again.lines(path.name)
    assert list(again.rows["auc"]) == list(before["auc"])
    shutil.rmtree(run.directory / "results")
    assert not run_here(run.directory, *options).lines("again:")


def test_commands_that_run_at_once_share_a_table(data, tmp_path):
    """Here one after the other, into a table that has a row of somebody else without an end of line."""
    options = ["--base_dir", data, "--machine_type", "pump", "--epochs", 1, "--jobs", 1]
    run = run_here(tmp_path / "work", *options, "--model", "simple_ae")
    run.csv.write_bytes(run.csv.read_bytes().rstrip())
    run_here(run.directory, *options, "--model", "ss_ae")
    assert list(run.rows["model"]) == ["simple_ae", "ss_ae"]


def test_a_table_of_another_version_is_left_alone(data, tmp_path):
    work = tmp_path / "work"
    (work / "results").mkdir(parents=True)
    old = "model,auc\nsimple_ae,0.5\n"
    (work / "results" / "research_results.csv").write_text(old)
    run = run_here(work, "--base_dir", data, "--machine_type", "pump", *FAST)
    assert run.status == 0
    assert run.csv.read_text() == old
    [other] = re.findall(r"research_results\w+\.csv", run.out)
    assert len(read_rows(run.directory / "results" / other)) == 1


# --- genuine recordings


def test_real_clips_give_rows_for_the_two_machines_and_name_the_other_14(real_clips, tmp_path):
    run = run_here(
        tmp_path / "work",
        *("--base_dir", real_clips, "--model", "ss_ae", "one_class_svm", "--epochs", 1, "--jobs", 1),
    )
    assert run.status == 0
    keys = sorted(run.rows[["model", "snr", "machine_type", "machine_id"]].itertuples(index=False, name=None))
    assert keys == [(model, "0dB", "fan", name) for model in ("one_class_svm", "ss_ae") for name in ("id_00", "id_02")]
    assert run.rows.groupby("machine_id")["train_files"].first().to_dict() == {"id_00": 14, "id_02": 6}
    assert run.rows.groupby("machine_id")["eval_files"].first().to_dict() == {"id_00": 12, "id_02": 8}
    [line] = run.lines("fan id_04")
    assert len(re.findall(r"0dB \w+ id_0\d", line)) == 14
    assert len(run_here(run.directory, "--base_dir", real_clips, "--model", "ss_ae", "--epochs", 1).rows) == 4
