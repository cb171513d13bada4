"""Official scores in the report, and a report of several data sets."""

import re

import numpy as np
import pandas as pd
import pytest
from report_support import Page, load, make, save, write_classification, write_results

from mimii.report import challenge_tables, loading
from mimii.storage import challenge_columns
from mimii.sweep.challenge import score_id

DOMAINS = ("auc_source", "auc_target", "pauc")
PARTS = {"id_00": "development", "id_02": "evaluation"}  # of the machines that `write_results` gives


def challenge_rows(rows, dataset, scores):
    """Rows of both tables for rows of results: the score of a model on a part is looked up in ``scores``."""
    official, machines = [], []
    for (model, seed), of_system in rows.groupby(["model", "seed"], sort=False):
        by_part = {part: of_system[of_system["part"] == part] for part in PARTS.values()} | {"both": of_system}
        for part, of_part in by_part.items():
            times = dict(zip(of_part["run_id"], of_part["timestamp"], strict=True))
            count = len(of_part) + (part != "development")  # one machine without labels
            value = scores.get((model, part), 0.5) + 0.01 * (seed - 42)
            official.append(
                {"score_id": score_id(dataset, part, count, times), "dataset": dataset, "part": part}
                | {"definition": 2022, "model": model, "seed": seed, "score": value, "low": value - 0.1}
                | {"high": value + 0.1, "scored_machines": len(of_part), "machines": count}
                | {"run_ids": " ".join(times), "gap": ""}
            )
        for row in of_system.to_dict("records"):
            figures = dict(zip(DOMAINS, (0.9, 0.45, row["pauc"]), strict=True))
            machines.append(
                {"score_id": row["run_id"], "dataset": dataset, "part": row["part"], "definition": 2022}
                | {"model": model, "seed": seed, "machine_type": row["machine_type"]}
                | {"machine_id": row["machine_id"], "run_id": row["run_id"], "gap": ""}
                | figures
                | {"precision_source": 1.0, "f1_target": 0.0}
            )
    return official, machines


def write_challenge(directory, dataset="dcase2024", scores=None, **kwargs):
    """Write results of a challenge, with official scores; gives the rows."""
    rows = write_results(directory, snrs=("",), models=("vae", "knn"), **kwargs)
    rows = rows.assign(dataset=dataset, part=rows["machine_id"].map(PARTS))
    rows["run_id"] = dataset[-4:] + rows["run_id"].str[4:]
    save(rows, directory / "research_results.csv")
    for folder in ("scores", "history"):
        for path in (directory / folder).glob("*.csv"):
            stem, _, run_id = path.stem.rpartition("_")
            path.rename(path.with_stem(f"{stem}_{dataset[-4:]}{run_id[4:]}"))
    save_challenge(directory, *challenge_rows(rows, dataset, scores or {}))
    return rows


def save_challenge(directory, official, machines):
    for name, rows, columns in (
        ("scores", official, challenge_columns.SCORES),
        ("machines", machines, challenge_columns.MACHINES),
    ):
        table = pd.DataFrame(rows, columns=challenge_columns.names(columns))
        save(table, directory / f"challenge_{name}.csv")


def several(tmp_path):
    """Two data sets with the same machines and a third one without a name, in one directory."""
    parts = [tmp_path / name for name in ("dcase2023", "dcase2024", "")]
    results = tmp_path / "results"
    tables = []
    for number, name in enumerate(("dcase2023", "dcase2024")):
        of_set = tmp_path / name
        write_challenge(of_set, name, {("vae", "development"): 0.6 + 0.1 * number}, types=("fan",))
        tables.append(pd.read_csv(of_set / "research_results.csv"))
    tables.append(write_results(tmp_path / "plain", models=("vae",), types=("pump",), files=False))
    save(pd.concat(tables), results / "research_results.csv")
    for name in ("challenge_scores.csv", "challenge_machines.csv"):
        save(pd.concat([pd.read_csv(part / name) for part in parts[:2]]), results / name)
    return results


def test_the_tables_of_a_challenge_are_no_tables_of_results(tmp_path):
    rows = write_challenge(tmp_path, types=("fan",))
    results = load(tmp_path)
    assert len(results.detection) == len(rows) == 4
    assert len(results.official) == 6
    assert not any("challenge" in note for note in results.notes)


def test_official_scores_are_means_over_the_seeds_with_intervals(tmp_path):
    write_challenge(tmp_path, scores={("vae", "development"): 0.6, ("knn", "development"): 0.7}, seeds=(42, 43))
    [table] = challenge_tables.official_scores(load(tmp_path))
    assert list(table.texts.columns) == ["Development", "Evaluation", "Both"]
    assert table.texts.loc["vae", "Development"] == "60.50 ± 0.71 [50.50, 70.50]"
    assert table.marks["Development"].to_dict() == {"knn": "best", "vae": "second"}
    assert "3 of 3 machines in development, 3 of 4 machines in evaluation" in table.caption
    assert "AUC source, AUC target and pAUC" in table.caption
    assert "seeds" in table.caption
    row = table.data.set_index(["label", "part"]).loc[("vae", "development")]
    assert row[["score", "low", "high", "seeds"]].tolist() == pytest.approx([0.605, 0.505, 0.705, 2])


def test_machines_are_shown_as_the_organisers_print_them(tmp_path):
    rows = write_challenge(tmp_path, types=("fan", "pump"), ids=("id_00",), seeds=(42, 43))
    tables = {table.name: table for table in challenge_tables.machines(load(tmp_path))}
    assert set(tables) == {"dcase_development_vae", "dcase_development_knn"}
    table = tables["dcase_development_vae"]
    assert list(table.texts.columns) == ["AUC (s)", "AUC (t)", "pAUC", "P (s)", "F1 (t)"]
    assert list(table.texts.index) == ["fan id_00", "pump id_00", "all, a-mean", "all, h-mean"]
    of_seeds = [of_seed["pauc"].to_numpy() for _, of_seed in rows[rows["model"] == "vae"].groupby("seed")]
    shown = table.data.set_index("Machine")["pauc"]
    assert shown.iloc[:2].tolist() == pytest.approx(np.mean(of_seeds, axis=0))
    assert shown["all, a-mean"] == pytest.approx(np.mean(of_seeds))
    assert shown["all, h-mean"] == pytest.approx(np.mean([2 / (1 / values).sum() for values in of_seeds]))
    assert table.texts.loc["all, h-mean"].tolist()[:2] == ["90.00", "45.00"]
    assert table.texts.loc["all, h-mean", "F1 (t)"] == "0.00"
    assert "The official score is 50.50." in table.caption


def test_several_sections_of_a_type_have_means_of_their_own(tmp_path):
    rows = write_challenge(tmp_path, types=("fan", "pump"))
    machines = pd.read_csv(tmp_path / "challenge_machines.csv", dtype={"run_id": str}).assign(part="development")
    machines = machines[machines["run_id"] != rows["run_id"].iloc[3]]
    save(machines, tmp_path / "challenge_machines.csv")
    [table] = [table for table in challenge_tables.machines(load(tmp_path)) if table.title == "vae, development"]
    names = ["fan id_00", "fan id_02", "fan, a-mean", "fan, h-mean", "pump id_00", "all, a-mean", "all, h-mean"]
    assert list(table.texts.index) == names
    save(machines.assign(definition=2020), tmp_path / "challenge_machines.csv")
    [table] = [table for table in challenge_tables.machines(load(tmp_path)) if table.title == "vae, development"]
    shown = table.data.set_index("Machine")["pauc"]
    assert shown["fan, mean"] == pytest.approx(shown[["fan id_00", "fan id_02"]].mean())
    assert shown["all, mean"] == pytest.approx(shown[["fan, mean", "pump id_00"]].mean())


def test_scores_of_fewer_machines_are_marked_and_not_ranked(tmp_path):
    write_challenge(tmp_path, scores={("vae", "development"): 0.9})
    table = pd.read_csv(tmp_path / "challenge_scores.csv")
    few = (table["model"] == "vae") & (table["part"] == "development")
    save(table.assign(scored_machines=table["scored_machines"] - few), tmp_path / "challenge_scores.csv")
    [table] = challenge_tables.official_scores(load(tmp_path))
    assert table.texts.loc["vae", "Development"].endswith("†")
    assert set(table.marks["Development"]) == {""}
    assert "† not all of the machines" in table.caption


def test_a_score_that_does_not_exist_is_a_dash_with_its_reason(tmp_path):
    write_challenge(tmp_path)
    table = pd.read_csv(tmp_path / "challenge_scores.csv")
    reason = "fan id_00 (no normal clip of the target domain)"
    is_gone = table["part"] == "development"
    table = table.assign(gap=np.where(is_gone, reason, ""))
    table.loc[is_gone, ["score", "low", "high"]] = np.nan
    save(table, tmp_path / "challenge_scores.csv")
    [table] = challenge_tables.official_scores(load(tmp_path))
    assert set(table.texts["Development"]) == {"\N{EN DASH}"}
    assert reason in table.caption


def test_scores_of_runs_that_were_done_again_are_not_shown(tmp_path):
    rows = write_challenge(tmp_path)
    save(rows.assign(timestamp="2026-02-02T00:00:00+00:00"), tmp_path / "research_results.csv")
    results = load(tmp_path)
    assert results.official.empty
    assert any("6 official scores are of runs that were done again" in note for note in results.notes)


def test_the_score_of_all_machines_counts_and_not_a_later_one_of_some(tmp_path):
    rows = write_challenge(tmp_path)
    official, machines = challenge_rows(rows, "dcase2024", {})
    few = challenge_rows(rows[rows["machine_type"] == "fan"], "dcase2024", {("vae", "development"): 0.9})[0]
    save_challenge(tmp_path, official + few, machines)
    results = load(tmp_path)
    assert len(results.official) == 6
    assert set(results.official["score"]) == {0.5}


# --- the page, and several data sets


@pytest.mark.faults
def test_one_data_set_has_one_page_that_begins_with_its_scores(tmp_path):
    write_challenge(tmp_path, types=("fan",))
    assert make("--result_dir", tmp_path) == 0
    [path] = tmp_path.rglob("*.html")
    page = Page(path)
    assert page.source.index('id="table-dcase"') < page.source.index('id="table-auc')
    assert "50.00 [40.00, 60.00]" in page.text
    tables = {path.stem for path in (tmp_path / "report" / "tables").glob("*.tex")}
    assert {"dcase", "dcase_development_vae", "dcase_evaluation_knn"} <= tables
    assert not re.search(r"\bnan\b", page.text)


def test_without_a_challenge_the_page_has_no_such_section(made):
    assert "DCASE" not in Page(made / "index.html").text


@pytest.mark.faults
def test_several_data_sets_have_a_page_each_and_one_that_leads_to_them(tmp_path, capsys):
    results = several(tmp_path)
    assert make("--result_dir", results) == 0
    report = results / "report"
    folders = {path.parent.name for path in report.glob("*/index.html")}
    assert folders == {"dcase2023", "dcase2024", "without_a_name"}
    index = Page(report / "index.html")
    links = set(re.findall(r'href="([^"#]+/index.html)"', index.source))
    assert links == {f"{folder}/index.html" for folder in folders}
    assert all((report / link).is_file() for link in links)
    assert "60.00 [50.00, 70.00]" in index.text
    assert "70.00 [60.00, 80.00]" in index.text
    assert not re.search(r'id="(figure|table-auc)', index.source)  # nothing is computed over data sets
    for year, score, other in (("2023", "60.00", "70.00 ["), ("2024", "70.00", "60.00 [")):
        page = Page(report / f"dcase{year}" / "index.html")
        assert score in page.text
        assert other not in page.text
        assert 'href="../index.html"' in page.source
        assert "2 (2 fan)" in page.text
        table = pd.read_csv(report / f"dcase{year}" / "tables" / "machines_auc.csv")
        assert len(table) == 2
    assert "DCASE" not in Page(report / "without_a_name" / "index.html").text
    out = capsys.readouterr().out
    assert out.count("There are no results of classification.") == 1


def test_rows_without_a_column_for_the_data_set_are_one_data_set(tmp_path):
    rows = write_results(tmp_path, types=("fan",), files=False)
    assert "dataset" not in rows
    write_classification(tmp_path, types=("fan",))
    [results] = loading.load(tmp_path)
    assert results.dataset == ""
    assert len(results.detection) == len(rows)
    assert len(results.classification) == 2


def test_a_model_of_one_data_set_alone_can_be_chosen(tmp_path):
    names = [results.dataset for results in loading.load(several(tmp_path), models=["knn"])]
    assert names == ["dcase2023", "dcase2024"]


def test_data_sets_are_compared_one_by_one(tmp_path, capsys):
    results = several(tmp_path / "first")
    other = tmp_path / "other"
    rows = pd.read_csv(results / "research_results.csv", keep_default_na=False)
    rows = rows[rows["dataset"] != "dcase2023"]
    save(rows.assign(auc=rows["auc"].astype(float) / 2), other / "research_results.csv")
    assert make("--compare", results, other, "--output_dir", tmp_path / "out") == 0
    tables = {path.name for path in (tmp_path / "out" / "tables").glob("*.csv")}
    assert {"dcase2024_compare_auc_detection.csv", "without_a_name_compare_auc_detection_6dB.csv"} <= tables
    assert all(name.startswith(("dcase2024_", "without_a_name_")) for name in tables)
    assert "dcase2023 is not in other" in capsys.readouterr().out


def test_a_directory_of_one_data_set_is_compared_with_older_results_without_its_name(tmp_path):
    rows = write_challenge(tmp_path / "after", types=("fan",))
    save(rows.drop(columns=["dataset", "part"]), tmp_path / "before" / "research_results.csv")
    assert make("--compare", tmp_path / "before", tmp_path / "after") == 0
    tables = tmp_path / "after" / "comparison" / "tables"
    assert len(pd.read_csv(tables / "compare_auc_detection.csv")) == 4
