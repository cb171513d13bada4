"""The table by attribute."""

import numpy as np
import pandas as pd
import pytest
from report_support import SETTINGS, save

from mimii.evaluation.metrics import detection_metrics
from mimii.report import attributes, loading

# of each machine: attributes of its clips, normal and abnormal ones, and their scores
FAN = [
    *[("normal", "vel_6_loc_A", score) for score in (0.1, 0.2, 0.3)],
    *[("normal", "vel_10_loc_A", score) for score in (0.8, 0.9)],
    *[("normal", "vel_6_loc_B", 0.4)],
    *[("abnormal", "vel_6_loc_A", 0.85), ("abnormal", "vel_20_loc_B", 0.7)],
]
PUMP = [("normal", "", 0.1), ("normal", "", 0.2), ("abnormal", "", 0.3)]
MACHINES = {"fan": FAN, "pump": PUMP}


def write(directory, systems, machines=MACHINES, with_attributes=True):
    """Rows of results and files of scores; ``systems`` gives the seeds of each model and what its scores are plus."""
    rows = []
    for model, (seeds, added) in systems.items():
        for (machine, clips), seed in [(pair, seed) for pair in machines.items() for seed in seeds]:
            table = pd.DataFrame(clips, columns=["label", "attributes", "score"])
            is_abnormal = (table["label"] == "abnormal").to_numpy()
            table["score"] += np.where(is_abnormal, added, 0)
            subject = {"snr": "", "machine_type": machine, "machine_id": "section_00"}
            table = table.assign(path=[f"{n}.wav" for n in range(len(table))], domain="source", **subject)
            run_id = f"{len(rows):016x}"
            kept = table if with_attributes else table.drop(columns=["attributes", "domain"])
            save(kept, directory / "scores" / f"{model}_{machine}_section_00_{run_id}.csv")
            rows.append(
                {"model": model, **subject, "dataset": "dcase2024", "part": "development", "seed": seed}
                | {"run_id": run_id, "threshold": 0.5 + (seed == 2)}
                | detection_metrics(is_abnormal, table["score"].to_numpy())
                | SETTINGS
            )
    save(pd.DataFrame(rows), directory / "research_results.csv")
    [results] = loading.load(directory)
    return results


@pytest.fixture
def table(tmp_path):
    [table] = attributes.tables(write(tmp_path, {"knn": ((1,), 0.0), "ldn": ((1,), -0.5)}))
    return table


def test_each_value_has_the_auc_of_its_normal_clips_and_their_false_alarms(table):
    assert list(table.texts.index) == ["fan section_00"] * 5
    rows = [tuple(row) for row in table.texts.to_numpy()]
    assert rows == [
        ("all", "", "6", "0.750", "0.333"),
        ("vel", "6", "4", "1.000", "0.000"),  # 6 before 10
        ("vel", "10", "2", "0.250", "1.000"),
        ("loc", "A", "5", "0.700", "0.400"),
        ("loc", "B", "1", "1.000", "0.000"),
    ]
    assert list(table.data["auc"]) == pytest.approx([0.75, 1, 0.25, 0.7, 1])


def test_the_caption_names_the_system_the_worst_state_and_machines_that_hide_theirs(table):
    assert "How knn judges" in table.caption  # the AUC of ldn is lower
    assert "lowest AUC is that of fan section_00 with vel 10: 0.250" in table.caption
    assert "Without attributes: pump section_00." in table.caption
    assert "seeds" not in table.caption


def test_the_forms_for_papers_and_programs_are_written(table, tmp_path):
    table.write(tmp_path / "tables")
    assert sorted(path.suffix for path in (tmp_path / "tables").iterdir()) == [".csv", ".md", ".tex"]


def test_several_seeds_are_one_row(tmp_path):
    [table] = attributes.tables(write(tmp_path, {"simple_ae": ((1, 2), 0.0)}))
    assert len(table.texts) == 5
    assert table.texts["False alarms"].tolist()[2] == "0.500"  # all of them at one threshold, none at the other
    assert "mean over the seeds" in table.caption


def test_the_official_score_decides_where_there_is_one(tmp_path):
    results = write(tmp_path, {"knn": ((1,), 0.0), "ldn": ((1,), -0.5)})
    columns = {"part": "development", "seed": 1, "scored_machines": 2}
    results.official = pd.DataFrame(
        [{"label": "knn", "score": 0.5} | columns, {"label": "ldn", "score": 0.6} | columns]
    )
    [table] = attributes.tables(results)
    assert "How ldn judges" in table.caption


def test_a_system_with_fewer_machines_is_not_the_best(tmp_path):
    write(tmp_path, {"knn": ((1,), 0.0), "ldn": ((1,), 5.0)})
    rows = pd.read_csv(tmp_path / "research_results.csv", dtype={"run_id": str})
    save(rows[(rows["model"] == "knn") | (rows["machine_type"] == "fan")], tmp_path / "research_results.csv")
    [results] = loading.load(tmp_path)
    [table] = attributes.tables(results)
    assert "How knn judges" in table.caption


def test_an_attribute_that_all_share_has_no_row(tmp_path):
    clips = [(label, f"mic_1_{text}", score) for label, text, score in FAN]
    [table] = attributes.tables(write(tmp_path, {"knn": ((1,), 0.0)}, {"fan": clips}))
    assert set(table.texts["Attribute"]) == {"all", "vel", "loc"}


@pytest.mark.parametrize("with_attributes", [True, False])
def test_without_attributes_there_is_no_table(with_attributes, tmp_path):
    assert attributes.tables(write(tmp_path, {"knn": ((1,), 0.0)}, {"pump": PUMP}, with_attributes)) == []


def test_without_scores_there_is_no_table(tmp_path):
    results = write(tmp_path, {"knn": ((1,), 0.0)})
    for path in (tmp_path / "scores").iterdir():
        path.unlink()
    [results] = loading.load(tmp_path)
    assert attributes.tables(results) == []
