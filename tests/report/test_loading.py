"""What is read of a results directory, and what is not."""

import pandas as pd
import pytest
from report_support import MODELS, TYPES, load, save, write_classification, write_results

from mimii.data.machines import MACHINE
from mimii.report.rows import machines_only

EARLIER, LATER = "2025-12-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"


@pytest.mark.parametrize("time", [EARLIER, LATER])
def test_the_last_row_of_a_run_counts_though_the_clock_was_set_back(time, tmp_path):
    rows = write_results(tmp_path)
    again = rows.iloc[:1].assign(auc=0.123, timestamp=time)
    save(pd.concat([rows, again]), tmp_path / "research_results.csv")
    detection = load(tmp_path).detection
    assert len(detection) == len(rows)
    assert detection.set_index("run_id").loc[rows["run_id"][0], "auc"] == 0.123


@pytest.mark.parametrize("name", ["a.csv", "research_results_2.csv"])
def test_of_several_files_that_with_the_latest_row_counts(name, tmp_path):
    rows = write_results(tmp_path)
    for auc, time in ((0.123, LATER), (0.456, EARLIER)):
        save(rows.iloc[:1].assign(auc=auc, timestamp=time), tmp_path / name)
        detection = load(tmp_path).detection
        assert len(detection) == len(rows)
        assert (detection.set_index("run_id").loc[rows["run_id"][0], "auc"] == auc) == (time == LATER)


@pytest.mark.parametrize("time", [EARLIER, LATER])
def test_a_run_on_other_recordings_replaces_the_older_one(time, tmp_path):
    rows = write_results(tmp_path)
    again = rows.iloc[:1].assign(auc=0.123, run_id="new", timestamp=time)
    save(pd.concat([rows, again]), tmp_path / "research_results.csv")
    results = load(tmp_path)
    assert len(results.detection) == len(rows)
    assert "new" in set(results.detection["run_id"])
    assert "1 older rows" in " ".join(results.notes)


@pytest.mark.parametrize("synthetic", ["yes", "no", ""])
def test_rows_say_whether_their_recordings_are_synthetic_wherever_these_are_now(synthetic, tmp_path):
    rows = write_results(tmp_path, data="gone")
    save(rows.assign(synthetic=synthetic), tmp_path / "research_results.csv")
    results = load(tmp_path)
    assert results.is_synthetic == (synthetic == "yes")
    assert ("whether they are synthetic can't be told" in " ".join(results.notes)) == (synthetic == "")


@pytest.mark.parametrize("name", ["NA", "null", "nan", "None", "001", "1e3", "All", "all_2", "-"])
def test_a_machine_keeps_its_name(tmp_path, name):
    rows = write_results(tmp_path, types=("fan", name), ids=("id_00", name))
    results = load(tmp_path)
    assert set(results.detection["machine_id"]) == {"id_00", name}
    assert set(results.detection["machine_type"]) == {"fan", name}
    assert len(machines_only(results.detection)) == len(results.scored) == len(rows)
    of_machine = results.detection[(results.detection[MACHINE[1:]] == name).all(axis=1)]
    for run_id in of_machine["run_id"]:
        assert set(results.scores[run_id]["machine_id"]) == {name}
    assert {path.parts[-3] for path in results.recordings} == {"id_00", name}


def test_a_class_keeps_its_name(tmp_path):
    write_classification(tmp_path, models=("svm",), types=("fan",))
    [path] = (tmp_path / "scores").glob("*_confusion.csv")
    path.write_text("target,NA,001\nNA,3,1\n001,0,4\n")
    results = load(tmp_path)
    table = results.kept("confusion", results.classification["run_id"][0], ["target"])
    assert list(table["target"]) == ["NA", "001"]
    assert table[["NA", "001"]].to_numpy().tolist() == [[3, 1], [0, 4]]


def test_a_table_is_of_classification_if_it_has_one_of_its_columns(tmp_path):
    write_classification(tmp_path)
    path = tmp_path / "research_classification_results.csv"
    save(pd.read_csv(path)[["model", *MACHINE, "balanced_accuracy"]], path)
    results = load(tmp_path)
    assert results.detection.empty
    assert len(results.classification) == 2 * len(TYPES)


def test_all_columns_are_there_whatever_the_table_has(tmp_path):
    rows = write_results(tmp_path, files=False)
    save(rows[["model", "auc", *MACHINE]], tmp_path / "research_results.csv")
    detection = load(tmp_path).detection
    assert set(detection["model"]) == set(MODELS)
    assert (detection[["scoring", "device", "tf32"]] == "").all(axis=None)
    assert detection[["epochs", "seed", "threshold", "peak_ram_mb"]].isna().all(axis=None)


def test_damaged_scores_are_left_out(tmp_path):
    write_results(tmp_path)
    files = sorted((tmp_path / "scores").glob("*.csv"))
    files[0].write_bytes(b"\x00\xff\xfe,\n\x80")
    files[1].write_text("path,label\n")
    files[2].unlink()
    results = load(tmp_path)
    assert len(results.scores) == 15
    assert "3 of 18 runs kept no scores" in " ".join(results.notes)
