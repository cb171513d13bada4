"""What is read of a results directory, and what is not."""

import pandas as pd
import pytest
from report_support import MODELS, TYPES, save, write_classification, write_results

from mimii.data.machines import MACHINE
from mimii.report import loading
from mimii.report.rows import machines_only


def test_the_latest_row_of_a_run_counts(tmp_path):
    rows = write_results(tmp_path)
    again = rows.iloc[:1].assign(auc=0.123, timestamp="2026-02-01T00:00:00+00:00")
    save(pd.concat([again, rows]), tmp_path / "research_results.csv")
    detection = loading.load(tmp_path).detection
    assert len(detection) == len(rows)
    assert detection.set_index("run_id").loc[rows["run_id"][0], "auc"] == 0.123


def test_a_run_on_other_recordings_replaces_the_older_one(tmp_path):
    rows = write_results(tmp_path)
    again = rows.iloc[:1].assign(auc=0.123, run_id="new", timestamp="2026-02-01T00:00:00+00:00")
    save(pd.concat([again, rows]), tmp_path / "research_results.csv")
    results = loading.load(tmp_path)
    assert len(results.detection) == len(rows)
    assert "new" in set(results.detection["run_id"])
    assert "1 older rows" in " ".join(results.notes)


@pytest.mark.parametrize("name", ["NA", "null", "nan", "None", "001", "1e3", "All", "all_2", "-"])
def test_a_machine_keeps_its_name(tmp_path, name):
    rows = write_results(tmp_path, types=("fan", name), ids=("id_00", name))
    results = loading.load(tmp_path)
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
    results = loading.load(tmp_path)
    table = results.kept("confusion", results.classification["run_id"][0], ["target"])
    assert list(table["target"]) == ["NA", "001"]
    assert table[["NA", "001"]].to_numpy().tolist() == [[3, 1], [0, 4]]


def test_a_table_is_of_classification_if_it_has_one_of_its_columns(tmp_path):
    write_classification(tmp_path)
    path = tmp_path / "research_classification_results.csv"
    save(pd.read_csv(path)[["model", *MACHINE, "balanced_accuracy"]], path)
    results = loading.load(tmp_path)
    assert results.detection.empty
    assert len(results.classification) == 2 * len(TYPES)


def test_all_columns_are_there_whatever_the_table_has(tmp_path):
    rows = write_results(tmp_path, files=False)
    save(rows[["model", "auc", *MACHINE]], tmp_path / "research_results.csv")
    detection = loading.load(tmp_path).detection
    assert set(detection["model"]) == set(MODELS)
    assert (detection[["scoring", "device", "tf32"]] == "").all(axis=None)
    assert detection[["epochs", "seed", "threshold", "peak_ram_mb"]].isna().all(axis=None)


def test_damaged_scores_are_left_out(tmp_path):
    write_results(tmp_path)
    files = sorted((tmp_path / "scores").glob("*.csv"))
    files[0].write_bytes(b"\x00\xff\xfe,\n\x80")
    files[1].write_text("path,label\n")
    files[2].unlink()
    results = loading.load(tmp_path)
    assert len(results.scores) == 15
    assert "3 of 18 runs kept no scores" in " ".join(results.notes)
