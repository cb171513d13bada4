"""What the findings say of made-up results of which the truth is known."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from report_support import load, save

from mimii.data.machines import MACHINE
from mimii.report import findings
from mimii.report.findings import Finding
from mimii.storage.schema import MINUS

NORMAL = 40  # recordings
SPREAD = np.array([0.05, -0.05, 0.02, -0.02, 0.04, -0.04, 0.01, -0.01])  # between machines, the same for all models


def made_up(directory, models, *, machines=8, snrs=("6dB",), seeds=(1,), noise=0.004, sizes=None):
    """Detectors of known mean AUC, whose differences vary by about ``noise`` between machines; gives the results.

    The AUC can be a function too, of the machine's number, the SNR and the seed; then scores are kept.
    """
    rng = np.random.default_rng(0)
    rows = []
    for model, auc in models.items():
        own = noise * rng.normal(size=machines)
        own -= own.mean()  # so that the mean is just that of the truth
        for n, snr, seed in product(range(machines), snrs, seeds):
            machine = (snr, "fan", f"id_{n:02d}")
            value = auc(n, snr, seed) if callable(auc) else auc + SPREAD[n % 8] + own[n]
            rows.append(row(model, machine, seed, value, (sizes or {}).get(model, 1000)))
            if callable(auc) and np.isfinite(value):
                save_scores(directory, rows[-1])
    save(pd.DataFrame(rows), directory / "research_results.csv")
    return load(directory)


def row(model, machine, seed, auc, size):
    run_id = "".join(f"{model}{machine[0]}{machine[2]}{seed}".split("_"))
    return dict(zip(MACHINE, machine, strict=True)) | {
        **{"model": model, "seed": seed, "run_id": run_id, "auc": auc, "pr_auc": auc, "pauc": auc},
        **{"num_parameters": size, "inference_time_ms": 1.0, "eval_files": 2 * NORMAL, "dataset_scope": "machine"},
    }


def save_scores(directory, of_row):
    """Scores that have just this AUC: each abnormal recording is above so many of the normal ones."""
    above = of_row["auc"] * NORMAL - 0.5
    scores = [*np.arange(NORMAL), *np.full(NORMAL, above)]
    labels = np.repeat(["normal", "abnormal"], NORMAL)
    paths = [f"{of_row['machine_id']}/{of_row['snr']}/{n}.wav" for n in range(2 * NORMAL)]
    table = pd.DataFrame({"path": paths, "label": labels, "score": scores})
    stem = "_".join([of_row["model"], *(of_row[name] for name in MACHINE), of_row["run_id"]])
    save(table, directory / "scores" / f"{stem}.csv")


def texts(results):
    return [finding.text for finding in findings.findings(results, "auc")]


def by_anchor(results):
    return {finding.anchor: finding.text for finding in findings.findings(results, "auc")}


def test_a_clear_winner(tmp_path):
    found = by_anchor(made_up(tmp_path, {"knn": 0.9, "gmm": 0.8, "lof": 0.7}))
    best = found["table-auc_6dB"]
    assert best.startswith("knn has the highest mean AUC of 3 detectors, 0.9")
    assert "over 8 machines" in best
    assert found["table-against_best"].startswith("All 2 others are worse (8 machines, Wilcoxon")
    assert "the next, gmm, by 0.10" in found["table-against_best"]
    assert "table-efficiency_detection" not in found  # no other one is in the interval


def test_a_tie_of_some(tmp_path):
    models = {"knn": 0.9, "gmm": 0.898, "lof": 0.7}
    found = by_anchor(made_up(tmp_path, models, noise=0.01, sizes={"knn": 5000, "gmm": 70, "lof": 3}))
    alike = "1 of the 2 others can't be told from it (8 machines, Wilcoxon signed-rank tests with Holm's correction)"
    assert found["table-against_best"] == f"{alike}: gmm."
    cheapest = found["table-efficiency_detection"]
    assert cheapest.startswith("Of the 2 that are in the interval of the best and can't be told from it, gmm ")
    assert "70 parameters" in cheapest
    assert "lof" not in cheapest


def test_equal_means_share_the_first_place(tmp_path):
    found = by_anchor(made_up(tmp_path, {"knn": 0.8, "gmm": 0.8}, noise=0))
    assert found["table-auc_6dB"].startswith("knn and gmm share the highest mean AUC of 2 detectors, 0.800")
    assert found["table-against_best"] == (
        "With 8 machines gmm can't be told from knn (Wilcoxon signed-rank test)."  # no number of machines would tell
    )


def test_too_few_machines_for_a_test_say_how_many_it_takes(tmp_path):
    found = by_anchor(made_up(tmp_path, {"knn": 0.9, "gmm": 0.8, "lof": 0.6}, machines=5))
    assert "(95 % interval" in found["table-auc_6dB"]
    assert "over 5 machines" in found["table-auc_6dB"]
    assert found["table-against_best"] == (
        "With 5 machines none of the 2 others can be told from it, whatever the difference (Wilcoxon signed-rank "
        "tests with Holm's correction): that takes 7 machines or more. As large as the differences are here, it "
        "would take at least 7 to tell lof, the last one, and at least 7 to tell gmm, the next one."
    )


def test_enough_machines_for_a_test_that_finds_nothing_say_how_many_it_takes(tmp_path):
    found = by_anchor(made_up(tmp_path, {"knn": 0.801, "gmm": 0.8, "lof": 0.799}, noise=0.05))
    text = found["table-against_best"]
    assert text.startswith("With 8 machines none of the 2 others can be told from it (Wilcoxon")
    assert "whatever" not in text
    assert "the last one" in text


def test_two_machines_have_no_interval(tmp_path):
    found = by_anchor(made_up(tmp_path, {"knn": 0.9, "gmm": 0.8}, machines=2))
    assert "(2 machines; too few for an interval)" in found["table-auc_6dB"]
    assert "With 2 machines gmm can't be told from it, whatever" in found["table-against_best"]
    assert "table-efficiency_detection" not in found


def test_of_one_machine_nothing_follows_for_others(tmp_path):
    models = {"knn": lambda *_: 0.9, "gmm": lambda *_: 0.85}
    found = by_anchor(made_up(tmp_path, models, machines=1, sizes={"gmm": 10}))
    assert list(found) == ["table-auc_6dB", "table-efficiency_detection"]
    assert found["table-auc_6dB"].startswith("knn has the highest AUC of 2 detectors, 0.900 (95 % interval 0.8")
    assert "over 80 recordings), on one machine, fan id_00: nothing can be said about" in found["table-auc_6dB"]
    assert "gmm is the smallest: 10 parameters, AUC 0.850" in found["table-efficiency_detection"]


def test_one_detector_is_compared_with_nothing(tmp_path):
    [text] = texts(made_up(tmp_path, {"knn": 0.9}))
    assert text.startswith("knn, the only detector, has a mean AUC of 0.9")
    assert "over 8 machines" in text


def test_several_snr_are_one_machine(tmp_path):
    models = {"knn": 0.9, "gmm": 0.8}
    found = by_anchor(made_up(tmp_path, models, machines=4, snrs=("6dB", "0dB", "min6dB")))
    assert "over 4 machines, each with the mean of its SNR)" in found["table-auc_overall"]
    assert "With 4 machines gmm can't be told from it" in found["table-against_best"]  # twelve would tell


def test_several_seeds_are_one_result(tmp_path):
    found = by_anchor(made_up(tmp_path, {"knn": 0.9, "gmm": 0.8}, machines=4, seeds=(1, 2, 3)))
    assert "over 4 machines, each with the mean of its seeds)" in found["table-auc_6dB"]
    assert "With 4 machines gmm can't be told from it" in found["table-against_best"]


def test_seeds_do_not_narrow_the_interval_of_a_machine(tmp_path):
    one = texts(made_up(tmp_path / "one", {"knn": lambda *_: 0.8}, machines=1))
    three = texts(made_up(tmp_path / "three", {"knn": lambda *_: 0.8}, machines=1, seeds=(1, 2, 3)))
    assert one == three


@pytest.mark.parametrize(
    ("knn", "gmm", "expected"),
    [
        (
            0.525,
            0.45,
            "Of 3 machines nobody hears fan id_01: even the best there, knn, may be guessing: AUC 0.525 (95 %",
        ),
        (0.525, 0.8, "Each of 3 machines is heard by some detector, but knn does not hear fan id_01: AUC 0.525 (95 %"),
        (0.8, 0.525, "knn hears all of 3 machines, fan id_01 least: AUC 0.800 (95 % interval 0."),
    ],
)
def test_a_machine_that_is_hard_to_hear(tmp_path, knn, gmm, expected):
    models = {"knn": lambda n, *_: knn if n == 1 else 0.95, "gmm": lambda n, *_: gmm if n == 1 else 0.7}
    found = by_anchor(made_up(tmp_path, models, machines=3))
    assert found["table-machines_auc"].startswith(expected)


def test_the_best_of_many_that_guess_hears_nothing(tmp_path):
    """An AUC of 0.7 over 80 recordings is above chance for one detector, and not for the best of twenty."""
    models = {"knn": lambda n, *_: 0.7 if n == 1 else 0.95}
    assert "knn hears all of 3 machines" in texts(made_up(tmp_path / "one", models, machines=3))[-1]
    models |= {f"guess{number}": lambda *_: 0.5 for number in range(19)}
    found = texts(made_up(tmp_path / "many", models, machines=3))
    [text] = [text for text in found if "nobody hears" in text]
    assert "nobody hears fan id_01: even the best there, knn, may be guessing as the best of 20: AUC 0.700" in text


def test_where_the_best_detector_kept_no_scores_nothing_is_said_of_what_it_hears(tmp_path):
    made_up(tmp_path, {"knn": lambda *_: 0.9, "gmm": lambda *_: 0.8}, machines=3)
    next((tmp_path / "scores").glob("knn_*id_01*")).unlink()
    assert "Which machines knn hears can't be told: it has not kept the scores of all of them." in texts(load(tmp_path))


def test_a_detector_without_one_of_the_metrics_is_not_broken(tmp_path):
    """An older table has no partial AUC."""
    made_up(tmp_path, {"knn": 0.9, "gmm": 0.8})
    rows = pd.read_csv(tmp_path / "research_results.csv")
    save(rows.assign(pauc=rows["pauc"].where(rows["model"] == "knn")), tmp_path / "research_results.csv")
    found = [finding.text for finding in findings.findings(load(tmp_path), "pauc")]
    assert not any("Broken" in text for text in found)


def test_a_model_that_is_better_on_most_machines_is_not_called_alike(tmp_path):
    made_up(tmp_path, {"knn": 0.8, "gmm": 0.79}, machines=20)
    rows = pd.read_csv(tmp_path / "research_results.csv")
    is_odd = (rows["model"] == "knn") & (rows["machine_id"] == "id_00")
    step = np.where(is_odd, 0.29, np.where(rows["model"] == "knn", 0.0, 0.01 + 0.0001 * (rows.index % 7)))
    save(rows.assign(auc=(0.7 + step).round(4)), tmp_path / "research_results.csv")
    found = by_anchor(load(tmp_path))
    assert "gmm is better than it on most machines" in found["table-against_best"]


def test_several_machines_that_nobody_hears(tmp_path):
    found = texts(made_up(tmp_path, {"knn": lambda n, *_: 0.5 + 0.025 * (n == 2) + 0.4 * (n == 0)}, machines=3))
    assert "Nobody hears 2 of 3 machines: fan id_01 and fan id_02. At fan id_01 even the best, knn, may" in found[-1]


@pytest.mark.parametrize(
    ("auc", "fault"),
    [
        (lambda n, *_: np.nan if n < 2 else 0.9, "gmm has no AUC on 2 of 4 machines where others have one."),
        (
            lambda *_: 0.1,
            "gmm has a mean AUC of 0.100 on 4 machines, far below chance, as scores of the wrong sign have.",
        ),
    ],
)
def test_a_broken_detector_is_named(tmp_path, auc, fault):
    sizes = {"gmm": 1}
    found = texts(made_up(tmp_path, {"knn": lambda n, *_: 0.8 + 0.05 * n, "gmm": auc}, machines=4, sizes=sizes))
    assert found[0].startswith("knn")
    assert f"Broken, by all signs: {fault}" in found
    assert not any("gmm is the smallest" in text for text in found)


def test_a_detector_that_gives_one_score_is_broken(tmp_path):
    made_up(tmp_path, {"knn": lambda *_: 0.8, "gmm": lambda *_: 0.5}, machines=3)
    for path in (tmp_path / "scores").glob("gmm_*"):
        save(pd.read_csv(path).assign(score=1.0), path)
    assert "Broken, by all signs: gmm gives every recording the same score on all 3 machines." in texts(load(tmp_path))


def test_a_detector_at_chance_is_not_broken(tmp_path):
    found = texts(made_up(tmp_path, {"knn": lambda *_: 0.8, "gmm": lambda n, *_: 0.4 + 0.05 * n}, machines=3))
    assert not any("Broken" in text for text in found)


def test_a_detector_of_few_machines_is_not_compared(tmp_path):
    made_up(tmp_path, {"knn": 0.8, "gmm": 0.7, "lof": 0.95})
    rows = pd.read_csv(tmp_path / "research_results.csv")
    save(rows[(rows["model"] != "lof") | (rows["machine_id"] == "id_00")], tmp_path / "research_results.csv")
    found = texts(load(tmp_path))
    assert found[0].startswith("knn has the highest mean AUC of 2 detectors")
    assert "Not compared, for others were run on more: lof (1 of 8 machines)." in found


def test_classifiers_that_tie_are_named(tmp_path):
    aucs = {"svm": [0.9, 0.8, 0.85], "random_forest": [0.8, 0.9, 0.85], "gmm": [0.6, 0.5, 0.55]}
    rows = [
        {"model": model, "snr": "6dB", "machine_type": kind, "machine_id": "all", "seed": 1, "run_id": f"{model}{kind}"}
        | {"classification_type": "machine_type", "balanced_accuracy": value, "accuracy": value}
        for model, values in aucs.items()
        for kind, value in zip(("fan", "pump", "valve"), values, strict=True)
    ]
    save(pd.DataFrame(rows), tmp_path / "research_classification_results.csv")
    [finding] = findings.findings(load(tmp_path), "auc")
    assert finding.anchor == "table-classification_machine_type_6dB"
    assert finding.text.startswith(
        "Classification, normal or abnormal: random_forest and svm share the highest mean balanced accuracy of 3 "
        "classifiers, 0.850 (random_forest: 95 % interval"
    )
    assert "With 3 machine groups none of the 2 others can be told from" in finding.text


def test_without_labels_there_is_nothing_to_say(tmp_path):
    assert texts(made_up(tmp_path, {"knn": np.nan, "gmm": np.nan})) == []


def test_findings_for_a_pull_request():
    found = [Finding("knn_x (a*b) is best.", "table-auc"), Finding(f"It changes by {MINUS}0.1.", "table-b")]
    assert findings.to_markdown(found, "Report", is_synthetic=True) == (
        "## Report\n\n**Synthetic demo data, not real machines.**\n\n- knn_x (a\\*b) is best.\n"
        f"- It changes by {MINUS}0.1.\n"
    )
