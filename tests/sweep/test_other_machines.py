"""Detectors that know machines apart, beside those that learn one machine each."""

import shutil
from collections import Counter

import pandas as pd
import pytest
from support import assert_refused, recording_path, run_here, write_machine

from mimii.data.machines import MACHINE
from mimii.errors import UserError
from mimii.report import detection_tables, loading, main_table
from mimii.settings import ClipSettings, DataSettings, DetectionSettings, RunSettings, ScoringSettings
from mimii.sweep import detection, experiment

FANS = [("6dB", "fan", "id_00"), ("6dB", "fan", "id_02")]
PUMP = ("min6dB", "pump", "id_04")  # alone in its type
VALVE = ("0dB", "valve", "id_06")  # without a recording left to train on
QUICK = ["--epochs", 2, "--ensemble", 1, "--jobs", 1, "--device", "cpu"]
MODELS = ["knn", "id_embedding", "two_branch", "fusion"]
COMMAND = [*QUICK, "--model", *MODELS, "--backend", "ldn", "knn"]


def keys(rows):
    return sorted(rows[MACHINE].itertuples(index=False, name=None))


def plan(recordings, *, fuse=None, models=MODELS, **run):
    clip = ClipSettings() if fuse is None else ClipSettings(fuse=fuse)
    settings = DetectionSettings(
        data=DataSettings(base_dir="data"),
        scoring=ScoringSettings(clip=clip),
        run=RunSettings(models=tuple(models), device="cpu", jobs=1, **run),
    )
    return detection.plan(settings, recordings)


@pytest.fixture(scope="module")
def recordings(data):
    run = RunSettings(models=tuple(MODELS))
    return detection.prepare(DetectionSettings(data=DataSettings(base_dir=data), run=run))


# --- what is planned


def test_each_detector_learns_from_the_machines_that_it_can_use(recordings):
    found = {(task.model, task.scope, task.group.name) for task in plan(recordings)}
    assert found == {
        *(("knn", "machine", " ".join(machine)) for machine in [*FANS, PUMP]),
        ("id_embedding", "type", "6dB fan all"),
        ("two_branch", "all", "all all all"),
        *(("fusion", "type", name) for name in ("6dB fan all", "min6dB pump all")),
    }


@pytest.mark.parametrize(
    ("fuse", "scope"),
    [(("knn", "pca"), "machine"), (("knn", "vae"), "machine"), (("knn", "id_embedding", "two_branch"), "all")],
    ids=str,
)
def test_a_fusion_has_the_widest_scope_of_its_members(recordings, fuse, scope):
    assert {task.scope for task in plan(recordings, fuse=fuse, models=["fusion"])} == {scope}


def test_a_scope_that_is_asked_for_is_that_of_every_detector(recordings):
    assert {(task.model, task.group.name) for task in plan(recordings, scope="all")} == {
        (model, "all all all") for model in MODELS
    }
    found = {(task.model, task.group.name) for task in plan(recordings, scope="machine")}
    assert found == {(model, " ".join(machine)) for model in ("knn", "fusion") for machine in [*FANS, PUMP]}


def test_detectors_that_know_machines_apart_have_no_row_for_a_whole_group(recordings):
    for scope in ("type", "all"):
        for task in plan(recordings, scope=scope):
            machines = [evaluation.subject.key for evaluation in task.evaluations]
            learnt = [machine for machine in (*FANS, PUMP) if machine in machines]
            if task.model == "knn":  # its scores are of one kind, and the valve's can be compared with others
                assert set(machines) - set(learnt) == {task.group.key} | ({VALVE} if scope == "all" else set())
            else:
                assert machines == learnt


def test_what_can_not_be_compared_is_named_once_for_all_seeds_and_backends(recordings, log_lines):
    plan(recordings, models=["id_embedding", "knn"], seeds=(1, 2))
    assert [line for line in log_lines if "Not used: " in line] == [
        "WARNING Not used: id_embedding learns to tell machines apart, and has no other to compare with: "
        "min6dB pump id_04; --scope all compares machines of all types, if --base_dir and the options leave some."
    ]


def test_machines_that_are_learnt_from_and_not_judged_are_named(recordings, log_lines):
    plan(recordings, models=["two_branch", "knn"])
    [line] = [line for line in log_lines if "do not judge" in line]
    assert line.endswith(": 0dB valve id_06.")
    log_lines.clear()
    plan(recordings, models=["knn"], scope="all")
    assert not [line for line in log_lines if "do not judge" in line]


def test_a_group_of_which_no_machine_can_be_learnt_and_judged_is_named(recordings):
    fans = recordings[recordings["machine_type"] == "fan"]
    is_first = fans["machine_id"] == "id_00"
    apart = fans[is_first & (fans["split"] == "train") | ~is_first & (fans["split"] == "eval")]
    assert len(plan(apart, models=["knn", "id_embedding"], scope="type")) == 1
    with pytest.raises(UserError, match="id_embedding finds none with recordings both to train on and to evaluate"):
        plan(apart, models=["id_embedding"], scope="type")


def test_the_machines_at_several_snr_are_the_same_and_nothing_to_tell_apart(recordings):
    pumps = recordings[recordings["machine_type"] == "pump"]
    louder = pumps.assign(snr="6dB", path="x" + pumps["path"])
    with pytest.raises(UserError, match="two_branch learns to tell machines apart, and has no other"):
        plan(pd.concat([pumps, louder], ignore_index=True), models=["two_branch"])


# --- what is done


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    """A run of detectors of all scopes."""
    return run_here(tmp_path_factory.mktemp("scopes") / "work", "--base_dir", data, *COMMAND)


@pytest.fixture(scope="module")
def rows(done):
    assert done.status == 0, done.output
    return done.rows


def test_rows_are_machine_by_machine(rows):
    assert keys(rows[rows["model"] == "knn"]) == sorted([*FANS, PUMP])
    assert keys(rows[rows["model"] == "fusion"]) == sorted([*FANS, PUMP])
    for backend in ("ldn", "knn"):
        of_backend = rows[rows["scoring"] == backend]
        assert keys(of_backend[of_backend["model"] == "id_embedding"]) == FANS
        assert keys(of_backend[of_backend["model"] == "two_branch"]) == sorted([*FANS, PUMP])
    assert rows.groupby("model")["dataset_scope"].unique().str.join("").to_dict() == {
        **{"knn": "machine", "id_embedding": "type", "two_branch": "all", "fusion": "type"}
    }
    assert rows["run_id"].is_unique


def test_rows_are_whole(rows):
    assert rows["auc"].between(0, 1).all()
    assert set(rows["eval_files"]) == {4}
    assert (rows[["threshold", "training_time_sec", "num_parameters", "model_size_mb"]] > 0).all(axis=None)
    embeddings = rows[rows["model"].isin(["id_embedding", "two_branch"])]
    assert set(embeddings["epochs"].astype(float)) == {2}
    assert set(embeddings["batch_size"].astype(float)) == {64}
    assert set(embeddings["ensemble"].astype(float)) == {1}
    assert set(embeddings["classes"]) == {"machine"}
    assert set(rows.loc[rows["model"] == "fusion", "fuse"]) == {"ldn mahalanobis id_embedding"}
    fused = rows[rows["model"] == "fusion"].set_index("machine_type")["variant"]
    assert set(fused["fan"]) == {"ldn, mahalanobis, id_embedding"}
    assert fused["pump"] == "ldn, mahalanobis"


def test_a_machine_without_recordings_to_train_on_is_learnt_from_and_not_judged(done, rows):
    assert VALVE not in keys(rows)
    assert set(rows.loc[rows["model"] == "two_branch", "train_files"]) == {4 + 4 + 4 + 2}
    assert set(rows.loc[rows["model"] == "id_embedding", "train_files"]) == {4 + 4}
    for path in (done.directory / "results" / "scores").iterdir():
        assert not pd.read_csv(path)["path"].str.contains("valve").any()


def test_a_fusion_without_another_machine_to_compare_with_says_so(done):
    assert len(done.lines("Fusion does without id_embedding, for want of another machine to compare with")) == 1


def models_of(run):
    return {path: path.stat().st_mtime_ns for path in (run.directory / "cache" / "research_models").iterdir()}


def test_one_model_serves_all_machines_and_backends_and_a_second_run_trains_nothing(done, rows, data):
    before = models_of(done)
    counts = Counter(model for path in before for model in MODELS if path.name.startswith(model))
    assert counts == {"knn": 3, "id_embedding": 1, "two_branch": 1, "fusion": 2}
    assert len(before) == 7
    again = run_here(done.directory, "--base_dir", data, *COMMAND)
    assert again.status == 0
    assert not again.lines("Training ")
    assert again.lines("Done before, not done again: 7 of 7")
    pd.testing.assert_frame_equal(again.rows, rows)


def test_another_backend_adds_its_rows_and_trains_nothing(done, rows, data):
    shutil.copytree(done.directory, work := done.directory.with_name("other_backend"))
    run = run_here(work, "--base_dir", data, *COMMAND, "--backend", "kmeans", "ldn", "mahalanobis")
    assert run.status == 0
    pd.testing.assert_frame_equal(run.rows.iloc[: len(rows)], rows)
    added = run.rows.iloc[len(rows) :]
    assert sorted(added.groupby(["model", "scoring"]).size().items()) == [
        *((("id_embedding", backend), 2) for backend in ("kmeans", "mahalanobis")),
        *((("two_branch", backend), 3) for backend in ("kmeans", "mahalanobis")),
    ]
    assert list(models_of(run).values()) == list(models_of(done).values())


def test_detectors_of_all_scopes_stand_in_one_table(done, rows):
    [results] = loading.load(done.directory / "results")
    labels = ["knn", "id_embedding (ldn)", "id_embedding (knn)", "two_branch (ldn)", "two_branch (knn)", "fusion"]
    [machines] = detection_tables.machines(results, "auc")
    assert set(machines.values.columns) == set(labels)
    assert list(machines.values.index) == [" ".join(machine) for machine in [*FANS, PUMP]]
    assert machines.values.drop(columns=labels[1:3]).notna().all(axis=None)
    [every] = main_table.every_scoring(results, "auc")
    assert set(every.values.index) == set(labels)


def test_where_nothing_is_left_to_do_there_is_one_line(data, tmp_path):
    run = run_here(tmp_path / "work", "--base_dir", data, *QUICK, "--model", "id_embedding", "--machine_type", "pump")
    assert_refused(run, "id_embedding", "no other to compare with: min6dB pump id_04", "--scope all")


def test_recordings_for_evaluation_are_not_learnt_from_where_those_to_train_on_can_not_be_read(own_data, tmp_path):
    for number in range(2, 6):
        recording_path(own_data, "normal", number).write_text("no sound")
    options = ["--base_dir", own_data, *QUICK, "--model", "id_embedding", "--machine_type", "fan"]
    run = run_here(tmp_path / "work", *options)
    assert run.status == 1
    assert run.lines("needs recordings of two or more, but has those of fan id_02")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["ldn", "id_embeding"], "did you mean id_embedding?"),
        (["ldn", "fusion"], "invalid choice: 'fusion'"),
        (["ldn"], "a fusion needs two detectors or more"),
        (["ldn", "ldn"], "a fusion needs two detectors or more"),
    ],
    ids=str,
)
def test_what_can_not_be_fused_is_one_line(words, answer, data, tmp_path):
    run = run_here(tmp_path / "work", "--base_dir", data, *QUICK, "--model", "fusion", "--fuse", *words)
    assert_refused(run, "--fuse", answer)


@pytest.mark.parametrize(
    ("fuse", "answer"),
    [
        (("ldn", "id_embeding"), r"--fuse id_embeding: it can't be fused \(did you mean id_embedding\?\)"),
        (("ldn", "pca", "ldn"), "each one once"),
        (("ldn",), "two detectors or more"),
    ],
)
def test_what_can_not_be_fused_is_refused_of_a_notebook(fuse, answer, tmp_path):
    settings = DetectionSettings(
        data=DataSettings(base_dir=tmp_path),
        scoring=ScoringSettings(clip=ClipSettings(fuse=fuse)),
        run=RunSettings(models=("fusion",)),
    )
    with pytest.raises(UserError, match=answer):
        experiment.check(settings, ["fusion"])


def test_two_short_machines_are_enough(tmp_path):
    for number in (0, 2):
        write_machine(tmp_path / f"data/6dB/fan/id_0{number}", normal=2, abnormal=1, seconds=1.0, seed=number)
    run = run_here(tmp_path, "--base_dir", "data", *QUICK, "--model", "id_embedding", "fusion")
    assert run.status == 0, run.output
    assert keys(run.rows[run.rows["model"] == "id_embedding"]) == FANS
    assert keys(run.rows[run.rows["model"] == "fusion"]) == FANS
