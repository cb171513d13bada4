"""From the scores that an experiment kept to the rows of official scores."""

import logging
import math
from dataclasses import replace

import numpy as np
import official
import pandas as pd
import pytest

from mimii.data.machines import MACHINE, machine_name
from mimii.storage import challenge_columns, names, schema
from mimii.storage.results import save_csv
from mimii.sweep.challenge import keep_scores
from mimii.sweep.engine import Result

DEV = [("fan", "section_00"), ("fan", "section_01"), ("gearbox", "section_00")]
EVAL = [("fan", "section_03"), ("gearbox", "section_03")]
HIDDEN = ("gearbox", "section_04")


def clips_of(machine, part, labels):
    """What is found of a machine: two clips for training, and those for evaluation, of a domain and label each."""
    rng = np.random.default_rng([*map(ord, "".join(machine))])
    rows = [("train", "normal", "source")] * 2
    rows += [
        ("eval", label, domain)
        for label in labels
        for domain in ("source", "target")
        for _ in range(rng.integers(4, 9))
    ]
    table = pd.DataFrame(rows, columns=["split", "label", "domain"])
    machine_type, machine_id = machine
    return table.assign(
        dataset="dcase2022",
        layout="dcase2021",
        part=part,
        snr="",
        machine_type=machine_type,
        machine_id=machine_id,
        name=[f"test/{number}.wav" for number in range(len(table))],
        path=[f"{machine_type}/{machine_id}/{number}.wav" for number in range(len(table))],
    )


def found():
    """The recordings of an experiment: three machines for development, and of three for evaluation two with labels."""
    parts = [(machine, "development", ("normal", "abnormal")) for machine in DEV]
    parts += [(machine, "evaluation", ("normal", "abnormal")) for machine in EVAL]
    parts += [(HIDDEN, "evaluation", ("unlabelled",))]
    counts = {"development": len(DEV), "evaluation": len(EVAL) + 1}
    table = pd.concat([clips_of(*part) for part in parts], ignore_index=True)
    return table.assign(machines_in_part=table["part"].map(counts))


def run_id(model, seed, machine):
    return names.digest([model, seed, *machine])


def keep_clips(directory, clips, model, seed, machine):
    """Write the scores of a run, many of them equal, and give them."""
    rng = np.random.default_rng([seed, *map(ord, model + "".join(machine))])
    kept = clips[["path", *MACHINE, "label", "domain"]].assign(
        attributes="", score=rng.normal(1.0 * (clips["label"] == "abnormal"), 1).round(1)
    )
    path = directory / names.scores_file(model, machine_name(["", *machine]), run_id(model, seed, machine))
    save_csv(path, kept)
    return kept


def experiment(directory, recordings, systems=(("knn", 0), ("vae", 1), ("vae", 2)), time="2026-01-01T00:00:00+00:00"):
    """What an experiment leaves; the rows have the columns of the results table."""
    rows = []
    for model, seed in systems:
        for (dataset, part, *machine), clips in recordings.groupby(["dataset", "part", "machine_type", "machine_id"]):
            clips = clips[clips["split"] == "eval"]
            keep_clips(directory, clips, model, seed, machine)
            is_labelled = "abnormal" in set(clips["label"])
            eval_files = len(clips)
            rows.append(
                {"model": model, "scoring": "mse" if model == "vae" else "native", "dataset": dataset, "part": part}
                | {"snr": "", "machine_type": machine[0], "machine_id": machine[1], "auc": 0.5 if is_labelled else ""}
                | {"threshold": 0.5, "run_id": run_id(model, seed, machine), "timestamp": time}
                | {"seed": seed or "", "epochs": 3 if model == "vae" else "", "eval_files": eval_files}
            )
    names_of_columns = [column.name for column in schema.of_table("detection")]
    table = schema.convert(
        pd.DataFrame(rows, columns=names_of_columns, dtype=object).fillna("").astype(str), strict=True
    )
    return Result(table, recordings, directory / "research_results.csv", {}, [])


def read(directory, name):
    return pd.read_csv(directory / name, dtype=str, keep_default_na=False)


def expected(directory, recordings, model, seed, machines):
    scored = []
    for machine in machines:
        path = directory / names.scores_file(model, machine_name(["", *machine]), run_id(model, seed, machine))
        for row in pd.read_csv(path).itertuples():
            scored.append(official.Scored(*machine, row.label == "abnormal", row.domain, row.score))
    return official.score(2022, scored)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    directory, recordings = tmp_path_factory.mktemp("kept"), found()
    return directory, recordings, keep_scores(experiment(directory, recordings), directory)


def test_each_part_of_each_system_and_seed_has_a_row(kept):
    directory, recordings, rows = kept
    table = read(directory, names.CHALLENGE_SCORES)
    assert list(table.columns) == challenge_columns.names(challenge_columns.SCORES)
    machines = {"development": DEV, "evaluation": EVAL, "both": DEV + EVAL}
    counts = {"development": (3, 3), "evaluation": (2, 3), "both": (5, 6)}
    assert len(table) == len(rows) == 9
    for row in rows.itertuples():
        seed = 0 if math.isnan(row.seed) else int(row.seed)
        value = expected(directory, recordings, row.model, seed, machines[row.part])
        assert row.score == pytest.approx(value, abs=1e-12)
        assert row.low < row.score < row.high
        assert (row.scored_machines, row.machines) == counts[row.part]
        assert (row.dataset, row.definition, row.gap) == ("dcase2022", 2022, "")
        assert len(row.run_ids.split()) == counts[row.part][0]
    assert set(table["seed"]) == {"", "1", "2"}
    texts = [float(text) for text in table["score"]]
    assert texts == rows["score"].tolist()  # full precision


def test_each_labelled_machine_has_its_row(kept):
    directory, _, _ = kept
    table = read(directory, names.CHALLENGE_MACHINES)
    assert list(table.columns) == challenge_columns.names(challenge_columns.MACHINES)
    machines = set(zip(table["machine_type"], table["machine_id"], strict=True))
    assert machines == {*DEV, *EVAL}
    assert len(table) == 3 * 5
    assert set(table["part"]) == {"development", "evaluation"}
    assert (table[["auc_source", "auc_target", "pauc", "precision_source", "f1_target"]] != "").all(axis=None)
    assert (table[["pauc_source", "precision"]] == "").all(axis=None)


def test_the_same_runs_are_written_once_and_those_done_again_anew(tmp_path):
    result = experiment(tmp_path, found(), [("knn", 0)])
    rows = keep_scores(result, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.csv")}
    files = [path.rename(path.with_suffix(".gone")) for path in (tmp_path / "scores").iterdir()]
    again = keep_scores(result, tmp_path)  # nothing is read again
    assert {path: path.read_bytes() for path in tmp_path.glob("*.csv")} == before
    pd.testing.assert_frame_equal(again, rows)
    for path in files:
        path.rename(path.with_suffix(".csv"))
    later = replace(result, rows=result.rows.assign(timestamp="2026-01-02T00:00:00+00:00"))
    assert not set(keep_scores(later, tmp_path)["score_id"]) & set(rows["score_id"])
    assert len(read(tmp_path, names.CHALLENGE_SCORES)) == 6


def test_a_system_without_the_scores_of_a_run_has_no_row_and_is_named(tmp_path, caplog):
    recordings = found()
    result = experiment(tmp_path, recordings, [("knn", 0)])
    [path] = (tmp_path / "scores").glob(f"*{run_id('knn', 0, DEV[0])}.csv")
    path.unlink()
    with caplog.at_level(logging.WARNING, "mimii"):
        rows = keep_scores(result, tmp_path)
    assert rows["part"].tolist() == ["evaluation"]
    assert any(
        "knn dcase2022 development: no official score" in text and "--retrain" in text for text in caplog.messages
    )


def test_a_run_that_failed_is_missing_and_the_count_says_so(tmp_path, caplog):
    recordings = found()
    result = experiment(tmp_path, recordings, [("knn", 0)])
    rest = result.rows[result.rows["machine_id"] != "section_01"]
    with caplog.at_level(logging.WARNING, "mimii"):
        rows = keep_scores(replace(result, rows=rest), tmp_path)
    of_part = rows.set_index("part")
    assert of_part.loc["development", "scored_machines"] == 2
    assert of_part.loc["development", "machines"] == 3
    [text] = [text for text in caplog.messages if "development" in text]
    assert "2 of 3 labelled machines" in text


def test_a_machine_without_a_domain_leaves_no_score_and_is_named(tmp_path, caplog):
    recordings = found()
    is_gone = (recordings["machine_id"] == "section_01") & (recordings["domain"] == "target")
    with caplog.at_level(logging.WARNING, "mimii"):
        rows = keep_scores(experiment(tmp_path, recordings[~is_gone], [("knn", 0), ("vae", 1)]), tmp_path)
    finite = rows.groupby("part")["score"].apply(lambda scores: scores.notna().all())
    assert finite.to_dict() == {"development": False, "evaluation": True, "both": False}
    assert set(rows.loc[rows["part"] == "development", "gap"]) == {
        "fan section_01 (no normal clip of the target domain)"
    }
    [text] = caplog.messages  # once for all systems
    assert "no normal clip of the target domain" in text
    assert set(read(tmp_path, names.CHALLENGE_SCORES).query("part == 'development'")["score"]) == {""}


def test_several_data_sets_are_never_one_score(tmp_path):
    recordings = found()
    other = recordings[recordings["part"] == "development"].assign(dataset="dcase2020", layout="dcase2020", domain="")
    own = recordings[recordings["part"] == "evaluation"].assign(dataset="plant", layout="mimii", part="")
    rows = keep_scores(experiment(tmp_path, pd.concat([other, own]), [("knn", 0)]), tmp_path)
    assert rows[["dataset", "part", "definition", "scored_machines"]].values.tolist() == [
        ["dcase2020", "development", 2020, 3]
    ]


def test_without_a_challenge_nothing_is_written(tmp_path):
    recordings = found().assign(layout="mimii", dataset="", part="")
    assert keep_scores(experiment(tmp_path, recordings, [("knn", 0)]), tmp_path).empty
    assert not list(tmp_path.glob("challenge*"))
