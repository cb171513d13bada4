"""Which recordings are worth hearing."""

import numpy as np
import pandas as pd
import pytest
from report_support import load, save, write_results

from mimii.evaluation.metrics import detection_metrics
from mimii.report.picks import best_detector, pick


def results_of(directory, machines, threshold=np.nan, seeds=(42,), model="knn"):
    """Results of one detector; of each machine the scores of the normal and of the abnormal recordings."""
    rows = []
    for number, (machine_id, (normal, abnormal)) in enumerate(machines.items()):
        for seed in seeds:
            run_id = f"{number:08x}{seed:08x}"
            labels = ["normal"] * len(normal) + ["abnormal"] * len(abnormal)
            scores = np.array([*normal, *abnormal], dtype=float) + (seed - seeds[0])
            paths = [f"{machine_id}/{label}/{score:g}.wav" for label, score in zip(labels, scores, strict=True)]
            table = pd.DataFrame({"path": paths, "label": labels, "score": scores})
            save(table, directory / "scores" / f"{model}_6dB_fan_{machine_id}_{run_id}.csv")
            metrics = detection_metrics(np.array(labels) == "abnormal", scores)
            machine = {"snr": "6dB", "machine_type": "fan", "machine_id": machine_id, "dataset_scope": "machine"}
            rows.append({"model": model, **machine, "seed": seed, "run_id": run_id, "threshold": threshold, **metrics})
    save(pd.DataFrame(rows), directory / "research_results.csv")
    return load(directory)


def summary(picks):
    return [(one.group, one.machine, one.label, one.score) for one in picks]


def test_usual_recordings_of_the_best_and_the_worst_machine(tmp_path):
    machines = {
        "id_00": ([1, 2, 3], [7, 8, 9]),
        "id_02": ([1, 2, 30], [3, 4, 50]),  # the worst
        "id_04": ([1, 2, 5], [3, 6, 7]),
    }
    picks = pick(results_of(tmp_path, machines), "auc")
    assert summary(picks)[:4] == [
        ("best", "6dB fan id_00", "normal", 2),
        ("best", "6dB fan id_00", "abnormal", 8),
        ("worst", "6dB fan id_02", "normal", 2),
        ("worst", "6dB fan id_02", "abnormal", 4),
    ]
    assert [one.value for one in picks[:4:2]] == [1, pytest.approx(7 / 9)]
    assert [one.equals for one in picks[:4:2]] == [1, 1]


def test_the_most_wrong_ones_are_of_different_machines(tmp_path):
    machines = {
        "id_00": ([1, 2, 3, 4], [10, 20]),
        "id_02": ([0, 1, 2, 30], [15, 25, 31]),  # passes two of three
        "id_04": ([0, 1, 2, 300, 400], [350, 500, 0.5]),  # two pass others, and a fault is below four of five
    }
    wrong = [one for one in pick(results_of(tmp_path, machines), "auc") if one.group == "wrong"]
    # as many are passed by both: then what is further from the machine's other healthy recordings comes first
    assert {(one.machine, one.label, one.score) for one in wrong} == {
        ("6dB fan id_02", "normal", 30),
        ("6dB fan id_04", "normal", 400),
        ("6dB fan id_02", "abnormal", 15),
        ("6dB fan id_04", "abnormal", 0.5),
    }
    passed = {one.score: (one.passed, one.others) for one in wrong}
    assert passed == {30: (2, 3), 400: (2, 3), 15: (1, 4), 0.5: (4, 5)}
    assert [one.score for one in wrong if one.label == "abnormal"] == [0.5, 15]


def test_equal_scores_pass_nobody(tmp_path):
    picks = pick(results_of(tmp_path, {"id_00": ([1, 2], [2, 2]), "id_02": ([1, 2], [3, 4])}), "auc")
    assert [one for one in picks if one.group == "wrong"] == []


def test_a_threshold_makes_mistakes_where_the_order_is_right(tmp_path):
    picks = pick(results_of(tmp_path, {"id_00": ([1, 2, 3], [7, 8, 9])}, threshold=7.5), "auc")
    assert [(one.group, one.is_called_abnormal) for one in picks] == [("only", False), ("only", True), ("wrong", False)]
    assert (picks[2].score, picks[2].passed, picks[2].is_misjudged) == (7, 0, True)


def test_without_a_threshold_there_is_no_verdict(tmp_path):
    picks = pick(results_of(tmp_path, {"id_00": ([1, 2, 3], [7, 8, 9])}), "auc")
    assert [(one.is_called_abnormal, one.is_misjudged) for one in picks] == [(None, False)] * 2


def test_the_first_of_several_seeds_counts_and_machines_that_are_equally_good_are_counted(tmp_path):
    machines = {"id_00": ([1, 2, 3], [7, 8, 9]), "id_02": ([1, 2, 3], [7, 8, 9]), "id_04": ([5], [1])}
    picks = pick(results_of(tmp_path, machines, seeds=(1, 2), model="isolation_forest"), "auc")
    assert (picks[0].equals, picks[2].equals) == (2, 1)
    assert {one.row["seed"] for one in picks} == {1}


def test_it_is_the_detector_of_the_highest_mean_and_nobody_else(tmp_path):
    rows = write_results(tmp_path)
    results = load(tmp_path)
    assert best_detector(results, "auc") == "simple_ae"
    assert {one.row["model"] for one in pick(results, "auc")} == {"simple_ae"}
    for run_id in rows.loc[rows["model"] == "simple_ae", "run_id"]:
        next((tmp_path / "scores").glob(f"*_{run_id}.csv")).unlink()
    assert pick(load(tmp_path), "auc") == []


def test_without_metrics_there_is_none(tmp_path):
    write_results(tmp_path)
    results = load(tmp_path)
    results.detection["auc"] = np.nan
    assert best_detector(results, "auc") == ""
    assert pick(results, "auc") == []
