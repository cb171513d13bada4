"""The report: statistics against independent computations, tables, what happens to odd input, and the page itself."""

import html
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

import make_report
from mimii.commands import options as cli
from mimii.data.mimii import published_baseline
from mimii.data.recordings import MACHINE
from mimii.evaluation.metrics import classification_metrics, detection_metrics
from mimii.report import comparing, figures, loading, statistics, tables
from mimii.report.tables import signed

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
LATEX = next(filter(None, map(shutil.which, ("pdflatex", "tectonic"))), None)
MODELS = ("simple_ae", "conv_ae", "isolation_forest")
TYPES = ("fan", "pump", "valve")
SETTINGS = {
    **{"dataset_scope": "machine", "n_mels": 64, "frames": 5, "n_fft": 1024, "hop_length": 512, "power": 2.0},
    **{"channel": 0, "epochs": 3, "batch_size": 256, "learning_rate": 0.001, "val_split": 0.1},
    **{"device": "cpu", "device_name": "a CPU", "torch_version": "2.13.0", "timestamp": "2026-01-02T03:04:05+00:00"},
}
COST = {
    **{"model_size_mb": 0.2, "training_time_sec": 1.5, "inference_time_ms": 0.3, "throughput_samples_per_sec": 1e5},
    **{"memory_usage_mb": 0.0, "peak_ram_mb": 400.0},
}


def write_results(
    directory,
    *,
    models=MODELS,
    types=TYPES,
    ids=("id_00", "id_02"),
    snrs=("6dB",),
    seeds=(42,),
    data="data",
    files=True,
):
    """Write what the detection experiments leave; gives the rows."""
    rng = np.random.default_rng(0)
    rows = []
    for number, (model, snr, kind, machine, seed) in enumerate(
        (m, s, t, i, seed) for m in models for s in snrs for t in types for i in ids for seed in seeds
    ):
        run_id = f"{number:016x}"
        labels = np.repeat(["normal", "abnormal"], 12)
        # the later a model comes, the worse it is
        scores = rng.normal(np.where(labels == "abnormal", 1.5 - 0.5 * models.index(model), 0), 1)
        paths = [str(Path(data) / snr / kind / machine / name / f"{n:08d}.wav") for n, name in enumerate(labels)]
        table = pd.DataFrame(dict(zip(MACHINE, (snr, kind, machine), strict=True)), index=range(24))
        table = table.assign(path=paths, label=labels, score=scores)
        history = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [3.0, 2.0, 1.5], "val_loss": [3.1, 2.2, np.nan]})
        stem = f"{model}_{snr}_{kind}_{machine}_{run_id}"
        if files:
            save(table, directory / "scores" / f"{stem}.csv")
            save(history, directory / "history" / f"{stem}.csv")
        rows.append(
            {"model": model, **dict(zip(MACHINE, (snr, kind, machine), strict=True)), "seed": seed, "run_id": run_id}
            | detection_metrics(labels == "abnormal", scores)
            | {"num_parameters": 1000 * (1 + models.index(model)), "train_files": 30, "eval_files": 24}
            | COST
            | SETTINGS
        )
    save(pd.DataFrame(rows), directory / "research_results.csv")
    return pd.DataFrame(rows)


def write_classification(directory, *, models=("random_forest", "svm"), types=TYPES):
    """Write what the classification experiment leaves."""
    rng = np.random.default_rng(1)
    rows = []
    for number, (model, kind) in enumerate((m, t) for m in models for t in types):
        run_id = f"c{number:015x}"
        targets = np.repeat([0, 1], 8)
        probabilities = rng.dirichlet([1, 1], 16)
        classes = np.array(["normal", "abnormal"])
        confusion = pd.crosstab(classes[targets], classes[probabilities.argmax(axis=1)]).reindex(
            index=pd.Index(classes, name="target"), columns=classes, fill_value=0
        )
        save(confusion.reset_index(), directory / "scores" / f"{model}_6dB_{kind}_all_{run_id}_confusion.csv")
        rows.append(
            {"model": model, "snr": "6dB", "machine_type": kind, "machine_id": "all", "seed": 42, "run_id": run_id}
            | {"classification_type": "machine_type", "num_parameters": 500, "train_files": 60, "eval_files": 16}
            | classification_metrics(targets, probabilities)
            | COST
            | SETTINGS
        )
    save(pd.DataFrame(rows), directory / "research_classification_results.csv")


def save(table, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


def make(*words):
    """Run the script's work; gives the exit status."""
    return cli.guarded(lambda: make_report.run(make_report.parse_args([str(word) for word in words])))


class Page(HTMLParser):
    """What a test wants to know about the page."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.images, self.outside = [], []
        self.feed(self.source)
        self.text = html.unescape(re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", self.source, flags=re.DOTALL))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "img":
            self.images.append(attrs)
        link = attrs.get("src") or attrs.get("href") or ""
        if tag != "a" and link and not link.startswith("data:"):
            self.outside.append(link)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report of both experiments, on synthetic data."""
    base = tmp_path_factory.mktemp("report")
    (base / "data").mkdir()
    (base / "data" / "README.txt").write_text("SYNTHETIC demo data set\n")
    write_results(base / "results", data=base / "data")
    write_classification(base / "results")
    assert make("--result_dir", base / "results", "--model_dir", base / "none") == 0
    return base / "results" / "report"


# --- statistics


def test_bootstrap_weighs_as_if_recordings_were_drawn():
    rng = np.random.default_rng(3)
    is_abnormal = np.repeat([False, True], [25, 15])
    scores = np.round(rng.normal(is_abnormal, 1), 1)  # with ties
    found = statistics.bootstrap_auc(is_abnormal, scores, resamples=200, seed=5)
    of_normal, of_abnormal = statistics._resampled_counts(25, 15, 200, 5)
    for auc, normal, abnormal in zip(found, of_normal, of_abnormal, strict=True):
        drawn = np.concatenate(
            [np.repeat(scores[:25], normal.astype(int)), np.repeat(scores[25:], abnormal.astype(int))]
        )
        assert auc == pytest.approx(roc_auc_score(is_abnormal, drawn), abs=1e-6)


def test_bootstrap_interval_agrees_with_a_plain_loop():
    rng = np.random.default_rng(4)
    is_abnormal = np.repeat([False, True], 60)
    scores = rng.normal(is_abnormal * 0.8, 1)
    aucs = [
        roc_auc_score(is_abnormal, np.concatenate([rng.choice(scores[:60], 60), rng.choice(scores[60:], 60)]))
        for _ in range(600)
    ]
    assert statistics.auc_interval(is_abnormal, scores) == pytest.approx(np.quantile(aucs, [0.025, 0.975]), abs=0.02)
    assert statistics.auc_interval(is_abnormal, scores) == statistics.auc_interval(is_abnormal, scores)


def test_an_interval_of_perfect_scores_is_a_point():
    is_abnormal = np.array([False, False, True, True])
    assert statistics.auc_interval(is_abnormal, np.array([0.0, 1, 2, 3])) == (1.0, 1.0)


def test_holm_by_hand():
    # 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which must not fall below the one before
    assert statistics.holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm(np.array([0.6, 0.7])) == pytest.approx([1, 1])


def test_critical_difference_is_that_of_demsar():
    # Demšar (2006), section 3.2.2: four classifiers on 14 data sets
    assert statistics.critical_difference(4, 14) == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=1e-3)


def scores_of(models, machines, seed=0, snrs=("6dB",)):
    rng = np.random.default_rng(seed)
    keys = [(snr, "fan", f"id_{n:02d}") for snr in snrs for n in range(machines)]
    columns = pd.MultiIndex.from_tuples(keys, names=MACHINE)
    values = rng.uniform(0.5, 1, (models, len(keys))) - 0.05 * np.arange(models)[:, None]
    return pd.DataFrame(values, index=[f"model {n}" for n in range(models)], columns=columns)


def test_models_are_compared_as_scipy_does():
    table = scores_of(4, 10)
    found = statistics.compare_models(table)
    assert found.friedman == pytest.approx(tuple(stats.friedmanchisquare(*table.to_numpy())))
    ranks = stats.rankdata(-table.to_numpy(), axis=0).mean(axis=1)
    assert found.ranks.reindex(table.index).to_numpy() == pytest.approx(ranks)
    expected = [stats.wilcoxon(table.iloc[a], table.iloc[b]).pvalue for a, b in combinations(range(4), 2)]
    assert found.pairs["p"].to_numpy() == pytest.approx(expected)
    assert found.pairs["p_holm"].to_numpy() == pytest.approx(statistics.holm(np.array(expected)))
    assert found.machines == 10
    assert not found.remarks


def test_several_snr_of_a_machine_count_once():
    found = statistics.compare_models(scores_of(3, 7, snrs=("6dB", "0dB")))
    assert found.machines == 7
    assert "SNR" in found.remarks[0]


@pytest.mark.parametrize(
    ("table", "remark"),
    [(scores_of(3, 5), "Too few machines"), (scores_of(1, 9), "one model")],
)
def test_no_p_value_where_there_can_be_none(table, remark):
    found = statistics.compare_models(table)
    assert found.pairs.empty
    assert found.friedman is None
    assert found.difference is None
    assert remark in " ".join(found.remarks)


def test_machines_that_a_model_lacks_are_left_out():
    table = scores_of(3, 8)
    table.iloc[0, 0] = np.nan
    found = statistics.compare_models(table)
    assert found.machines == 7
    assert "1 of 8 machines" in found.remarks[0]


def test_equal_models_do_not_differ():
    table = scores_of(3, 8)
    table.iloc[:] = 0.7
    found = statistics.compare_models(table)
    assert found.friedman == (0, 1)
    assert (found.pairs["p_holm"] == 1).all()


def test_a_correction_that_leaves_no_chance_is_said():
    assert "however large the differences" in " ".join(statistics.compare_models(scores_of(6, 6)).remarks)


def test_bars_join_the_largest_groups():
    assert figures._bars([1.0, 1.5, 2.4, 4.0], 1.0) == [(1.0, 1.5), (1.5, 2.4)]
    assert figures._bars([1.0, 3.0], 1.0) == []


def test_pareto_front():
    points = pd.DataFrame({"cost": [3, 1, 2, 2], "quality": [0.9, 0.7, 0.6, 0.8]}, index=list("abcd"))
    assert figures.pareto_front(points) == ["b", "d", "a"]


# --- tables


def test_means_and_deviations_over_the_ids(tmp_path):
    rows = write_results(tmp_path)
    table = tables.by_type(loading.load(tmp_path), "auc")[0]
    fan = rows[(rows["model"] == "conv_ae") & (rows["machine_type"] == "fan")]["auc"]
    every = rows[rows["model"] == "conv_ae"]["auc"]
    assert table.texts.loc["conv_ae", "fan"] == f"{fan.mean():.3f} ± {fan.std():.3f}"
    assert table.texts.loc["conv_ae", "mean"] == f"{every.mean():.3f} ± {every.std():.3f}"
    assert "standard deviation over the machine IDs" in table.caption
    assert table.data.set_index("Model").loc["conv_ae", "fan n"] == 2


def test_deviations_are_over_the_seeds_where_there_are_several(tmp_path):
    rows = write_results(tmp_path, seeds=(1, 2, 3))
    table = tables.by_type(loading.load(tmp_path), "auc")[0]
    fan = rows[(rows["model"] == "conv_ae") & (rows["machine_type"] == "fan")]
    means = fan.groupby("seed")["auc"].mean()
    assert table.texts.loc["conv_ae", "fan"] == f"{means.mean():.3f} ± {means.std():.3f}"
    assert "standard deviation over the seeds" in table.caption


def test_best_and_second_are_marked_as_they_are_shown():
    values = pd.DataFrame({"x": [0.9001, 0.9004, 0.8, 0.7], "y": [0.1, 0.3, 0.2, np.nan]})
    assert tables.marks(values)["x"].tolist() == ["best", "best", "second", ""]
    assert tables.marks(values)["y"].tolist() == ["", "best", "second", ""]


def test_a_model_without_all_machines_is_not_ranked(tmp_path):
    rows = write_results(tmp_path)
    gone = (rows["model"] == "simple_ae") & (rows["machine_type"] == "fan") & (rows["machine_id"] == "id_00")
    save(
        rows[~gone].assign(auc=rows["auc"].where(rows["model"] != "simple_ae", 0.99)), tmp_path / "research_results.csv"
    )
    table = tables.by_type(loading.load(tmp_path), "auc")[0]
    assert table.texts.loc["simple_ae", "fan"] == "0.990†"
    assert table.marks.loc["simple_ae", "fan"] == ""
    assert table.marks.loc["simple_ae", "pump"] == "best"
    assert "† not all" in table.caption


def test_latex_and_markdown(tmp_path):
    write_results(tmp_path)
    table = tables.by_type(loading.load(tmp_path), "auc")[0]
    best, second = (table.marks["mean"] == "best").idxmax(), (table.marks["mean"] == "second").idxmax()
    assert (best, second) == ("simple_ae", "conv_ae")
    latex, markdown = table.to_latex(), table.to_markdown()
    number = table.texts.loc[best, "mean"]
    assert r"\textbf{" + number.replace("±", r"$\pm$") + "}" in latex
    assert r"\underline{" + table.texts.loc[second, "mean"].replace("±", r"$\pm$") + "}" in latex
    assert "\\toprule" in latex
    assert "simple\\_ae" in latex
    assert latex.isascii()
    assert f"**{number}**" in markdown
    assert f"<u>{table.texts.loc[second, 'mean']}</u>" in markdown


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


@pytest.mark.parametrize(
    ("column", "values"), [("scoring", ("mse", "mahalanobis")), ("score_pooling", ("mean", "max")), ("epochs", (3, 50))]
)
def test_what_was_run_with_several_settings_is_told_apart(tmp_path, column, values):
    rows = write_results(tmp_path, models=("simple_ae", "conv_ae"))
    first = rows.assign(**{column: values[0]})
    other = first[first["model"] == "simple_ae"].assign(**{column: values[1]})
    other["run_id"] += "x"
    save(pd.concat([first, other]), tmp_path / "research_results.csv")
    labels = set(loading.load(tmp_path).detection["label"])
    conv = f"conv_ae ({values[0]})" if column == "scoring" else "conv_ae"
    about = "" if column == "scoring" else f"{column}="
    assert labels == {conv, *(f"simple_ae ({about}{value})" for value in values)}


def two_scorings(tmp_path):
    """Networks scored in both ways, and a forest and a nearest neighbour, which have one of their own."""
    rows = write_results(tmp_path, models=("simple_ae", "conv_ae", "isolation_forest", "knn"))
    is_network = rows["model"].str.endswith("_ae")
    rows = rows.assign(scoring="native", threshold=1.0, threshold_from="left_out", precision=0.5, recall=0.25, f1=1 / 3)
    rows.loc[is_network, "scoring"] = "mse"
    other = rows[is_network].assign(scoring="mahalanobis", auc=0.99, f1=0.75)
    other["run_id"] += "x"
    for folder in ("scores", "history"):
        for path in (tmp_path / folder).glob("*_ae_*.csv"):
            shutil.copy(path, path.with_stem(f"{path.stem}x"))
    save(pd.concat([other, rows]), tmp_path / "research_results.csv")
    return loading.load(tmp_path)


def test_a_way_of_scoring_names_only_those_that_have_several(tmp_path):
    results = two_scorings(tmp_path)
    labels = list(results.detection["label"].unique())
    networks = [f"{name} ({way})" for name in ("simple_ae", "conv_ae") for way in ("mse", "mahalanobis")]
    assert labels == [*networks, "isolation_forest", "knn"]
    assert list(results.detection["trained"].unique()) == ["simple_ae", "conv_ae", "isolation_forest", "knn"]


def test_tables_and_figures_hold_every_way_of_scoring(tmp_path):
    results = two_scorings(tmp_path)
    labels = list(results.detection["label"].unique())
    for table in (*tables.by_type(results, "auc"), *tables.efficiency(results, "auc"), *tables.decisions(results)):
        assert list(table.texts.index) == labels
    [decisions] = tables.decisions(results)
    assert decisions.texts.loc["simple_ae (mse)"].tolist() == ["0.500 ± 0.000", "0.250 ± 0.000", "0.333 ± 0.000"]
    assert decisions.marks.loc["simple_ae (mahalanobis)", "F1"] == "best"
    assert "of knn, which judge recordings as a whole, of one recording" in tables.efficiency(results, "auc")[0].caption
    [scatter] = figures.parameters(results, "auc")
    [legend] = scatter.canvas.legends
    assert [text.get_text() for text in legend.get_texts()] == ["Pareto front", *labels]
    assert [axis.get_title() for axis in figures.losses(results)[0].canvas.axes[:4]] == [
        *("simple_ae", "conv_ae", "isolation_forest", "knn")
    ]


@pytest.mark.parametrize("count", [2, 30])
def test_names_and_numbers_have_room_in_the_figures(tmp_path, count):
    """Of many models, too: a legend is within its figure, and no number at an axis runs into the next."""
    rows = write_results(tmp_path, types=("fan", "pump", "valve"))
    parts = [
        rows[rows["model"] == "conv_ae"].assign(
            model=f"denoising_ae (mahalanobis) {number}",
            num_parameters=100 * 1.3**number,
            auc=rows["auc"] - number / 99,
        )
        for number in range(count)
    ]
    for number, part in enumerate(parts):
        part["run_id"] += f"x{number}"
    save(pd.concat(parts), tmp_path / "research_results.csv")
    results = loading.load(tmp_path)
    comparison = statistics.compare_models(loading.by_machine(results.detection, "auc"))
    drawn = [*figures.parameters(results, "auc"), *figures.rank_diagram(results, comparison, "auc")]
    assert len(drawn) == (2 if count > 2 else 1)
    for figure in drawn:
        figure.canvas.draw_without_rendering()
        whole = figure.canvas.bbox
        for legend in figure.canvas.legends:
            box = legend.get_window_extent()
            assert box.y0 >= -1
            assert box.y1 <= whole.height + 1
        numbers = [text for text in figure.canvas.axes[0].texts if text.get_text().isdigit()]
        boxes = [text.get_window_extent() for text in numbers]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_a_setting_that_older_rows_do_not_have_makes_no_other_model(tmp_path):
    rows = write_results(tmp_path)
    save(rows.assign(scoring=["mean", *[""] * (len(rows) - 1)]), tmp_path / "research_results.csv")
    assert set(loading.load(tmp_path).detection["label"]) == set(MODELS)


def mimii_rows(tmp_path, **kwargs):
    rows = write_results(tmp_path, models=("simple_ae", "conv_ae"), types=("fan",), files=False, **kwargs)
    counts = published_baseline().set_index(MACHINE)["abnormal_clips"]
    rows["eval_files"] = [2 * counts[tuple(machine)] for machine in rows[MACHINE].to_numpy()]
    save(rows, tmp_path / "research_results.csv")
    return rows


def test_the_published_baseline_stands_beside_whole_machines_of_mimii(tmp_path):
    mimii_rows(tmp_path)
    table = tables.by_type(loading.load(tmp_path), "auc")[0]
    published = published_baseline().query(
        "snr == '6dB' and machine_type == 'fan' and machine_id in ['id_00', 'id_02']"
    )
    means = published[["auc_run1", "auc_run2"]].mean(axis=1)
    assert table.texts.loc[loading.PUBLISHED, "fan"] == f"{means.mean():.3f} ± {means.std():.3f}"
    assert table.marks.loc[loading.PUBLISHED, "fan"] == ""
    assert "not run here" in table.caption
    assert loading.PUBLISHED not in tables.by_type(loading.load(tmp_path), "pauc")[0].texts.index


def test_no_published_baseline_beside_a_part_of_a_machine(tmp_path):
    rows = mimii_rows(tmp_path)
    save(rows.assign(eval_files=24), tmp_path / "research_results.csv")
    assert loading.PUBLISHED not in tables.by_type(loading.load(tmp_path), "auc")[0].texts.index


def test_no_published_baseline_beside_synthetic_data(tmp_path):
    (tmp_path / "README.txt").write_text("SYNTHETIC demo data set\n")
    rows = write_results(tmp_path / "results", models=("simple_ae",), types=("fan",), data=tmp_path)
    counts = published_baseline().set_index(MACHINE)["abnormal_clips"]
    rows["eval_files"] = [2 * counts[tuple(machine)] for machine in rows[MACHINE].to_numpy()]
    save(rows, tmp_path / "results" / "research_results.csv")
    results = loading.load(tmp_path / "results")
    assert results.is_synthetic
    table = tables.by_type(results, "auc")[0]
    assert loading.PUBLISHED not in table.texts.index
    assert "Synthetic" in table.caption


def test_snr_are_ordered_by_level(tmp_path):
    write_results(tmp_path, snrs=("min6dB", "0dB", "6dB"), types=("fan",), files=False)
    found = tables.by_type(loading.load(tmp_path), "auc")
    assert [table.name for table in found] == ["auc_6dB", "auc_0dB", "auc_min6dB", "auc_overall"]
    assert list(found[-1].texts.columns) == ["6 dB", "0 dB", "\N{MINUS SIGN}6 dB", "mean"]


def test_pools_count_for_classification_and_not_for_detection(tmp_path):
    rows = write_results(tmp_path, files=False)
    pool = rows.iloc[:1].assign(machine_id="all", auc=0.01, run_id="pool")
    save(pd.concat([rows, pool]), tmp_path / "research_results.csv")
    write_classification(tmp_path)
    results = loading.load(tmp_path)
    assert tables.by_type(results, "auc")[0].values.loc["simple_ae", "fan"] > 0.5
    (table,) = tables.classification(results)
    assert list(table.texts.columns) == ["Accuracy", "Balanced accuracy", "Precision", "Recall", "F1"]
    expected = results.classification.query("model == 'svm'")["f1"]
    assert table.values.loc["svm", "F1"] == pytest.approx(expected.mean())


# --- the script


def test_all_of_it_is_there(made):
    page = Page(made / "index.html")
    assert not page.outside
    assert {path.stem for path in (made / "figures").glob("*.pdf")} == {
        *("heat_map_auc", "ranks_auc", "roc_6dB", "parameters_auc", "scores_6dB", "losses", "confusion_machine_type"),
    }
    assert len(page.images) == 7
    assert all(len(image["alt"]) > 40 for image in page.images)
    names = {path.stem for path in (made / "tables").glob("*.tex")}
    assert names >= {
        "auc_6dB",
        "pr_auc_6dB",
        "pauc_6dB",
        "machines_auc",
        "intervals",
        "efficiency_detection",
        "ranks",
        "pairs",
    }
    assert names == {path.stem for path in (made / "tables").glob("*.md")}
    assert names == {path.stem for path in (made / "tables").glob("*.csv")}


def test_the_page_says_what_was_run_and_what_is_missing(made):
    text = Page(made / "index.html").text
    for expected in (
        "6 (2 fan, 2 pump, 2 valve) at 6 dB",
        "3: simple_ae, conv_ae, isolation_forest",
        "epochs 3",
        "2026-01-02",
        "Synthetic demo data",
        "180 for training, 144 for evaluation",
        "No figure of a recording's score over time",
    ):
        assert expected in text


def test_intervals_hold_the_auc(made):
    table = pd.read_csv(made / "tables" / "intervals.csv")
    assert len(table) == 18
    assert ((table["low"] <= table["auc"]) & (table["auc"] <= table["high"])).all()
    assert (table["low"] < table["high"]).all()


def test_what_is_made_again_is_the_same_to_the_byte(made, tmp_path):
    results = loading.load(made.parent)
    figures.heat_map(results, "auc")[0].write(tmp_path)
    tables.intervals(results)[0].write(tmp_path)
    for name in ("figures/heat_map_auc.pdf", "figures/heat_map_auc.png", "tables/intervals.csv"):
        assert (tmp_path / Path(name).name).read_bytes() == (made / name).read_bytes()


def test_compare_shows_the_difference_of_each_cell(tmp_path, capsys):
    before = write_results(tmp_path / "before", files=False)
    after = before.assign(auc=before["auc"] - 0.05)
    save(after[after["model"] != "isolation_forest"], tmp_path / "after" / "research_results.csv")
    assert make("--compare", tmp_path / "before", tmp_path / "after") == 0
    out = capsys.readouterr().out
    assert "6 of 18 results of detection are not in all directories" in out
    directory = tmp_path / "after" / "comparison"
    table = pd.read_csv(directory / "tables" / "compare_auc_detection_6dB.csv")
    assert table.loc[table["directory"] == "after", "fan difference"].to_numpy() == pytest.approx([-0.05, -0.05])
    assert table.loc[table["directory"] == "before", "mean difference"].to_numpy() == pytest.approx([0, 0])
    page = Page(directory / "index.html")
    assert f"({signed(-0.05)})" in page.text
    assert not page.outside


def test_directories_of_one_name_are_told_apart():
    assert comparing.names([Path("/a/x/results"), Path("/a/y/results")]) == ["x/results", "y/results"]
    assert comparing.names([Path("/a/x"), Path("/a/y")]) == ["x", "y"]
    assert comparing.names([Path("/a"), Path("/a")]) == ["1: a", "2: a"]


def odd_single(rows):
    return rows.iloc[:1]


def odd_single_model(rows):
    return rows[rows["model"] == "conv_ae"]


def odd_columns(rows):
    rows = rows.drop(columns=["pauc", "seed", "snr", "peak_ram_mb", "num_parameters", "timestamp", "device_name"])
    return rows.assign(auc_source=0.5, new="text, with a comma")


def odd_only_metrics(rows):
    return rows[["model", "machine_type", "machine_id", "pr_auc"]]


def odd_nan(rows):
    return rows.assign(auc=rows["auc"].where(rows["model"] != "conv_ae"), pauc=np.nan)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (odd_single, "one model: nothing to compare"),
        (odd_single_model, "one model: nothing to compare"),
        (odd_columns, "research_results.csv has no column snr, seed."),
        (odd_only_metrics, "models are ranked by PR-AUC"),
        (odd_nan, "2 of 6 rows of anomaly detection have no value of auc."),
    ],
)
def test_odd_results_still_make_a_report(tmp_path, change, said):
    rows = write_results(tmp_path, types=("fan",))
    save(change(rows), tmp_path / "research_results.csv")
    assert make("--result_dir", tmp_path) == 0
    page = Page(tmp_path / "report" / "index.html")
    assert said in page.text
    assert "There are no results of classification." in page.text
    assert not re.search(r"\bnan\b", page.text)
    assert page.images


def test_an_empty_table_and_a_foreign_one_are_said(tmp_path, capsys):
    write_classification(tmp_path)
    (tmp_path / "research_results.csv").write_text("")
    (tmp_path / "shopping.csv").write_text("what,price\nbread,3\n")
    assert make("--result_dir", tmp_path) == 0
    out = capsys.readouterr().out
    assert "research_results.csv is empty." in out
    assert "shopping.csv is no table of results" in out
    assert "There are no results of anomaly detection." in out


def test_damaged_scores_are_left_out(tmp_path):
    write_results(tmp_path)
    files = sorted((tmp_path / "scores").glob("*.csv"))
    files[0].write_bytes(b"\x00\xff\xfe,\n\x80")
    files[1].write_text("path,label\n")
    files[2].unlink()
    results = loading.load(tmp_path)
    assert len(results.scores) == 15
    assert "3 of 18 runs kept no scores" in " ".join(results.notes)


def user_errors(tmp_path):
    write_results(tmp_path / "good", files=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "research_results.csv").write_bytes(b'model,auc\n"a,1\n\xff\xfe')
    (tmp_path / "file").write_text("")
    return {
        "missing": (["--result_dir", tmp_path / "missing"], "is not a directory"),
        "empty": (["--result_dir", tmp_path / "empty"], "no results in"),
        "broken": (["--result_dir", tmp_path / "broken"], "can't be read as a table"),
        "model": (["--result_dir", tmp_path / "good", "--models", "nope"], "--models nope is not in"),
        "snr": (["--result_dir", tmp_path / "good", "--snr", "1dB"], "--snr 1dB is not in"),
        "output": (["--result_dir", tmp_path / "good", "--output_dir", tmp_path / "file"], "cannot write"),
        "compare": (["--compare", tmp_path / "good", tmp_path / "missing"], "is not a directory"),
    }


@pytest.mark.parametrize("case", ["missing", "empty", "broken", "model", "snr", "output", "compare"])
def test_bad_input_ends_with_one_line(tmp_path, capsys, case):
    words, said = user_errors(tmp_path)[case]
    assert make(*words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [["--metric", "f1"], ["--compare", "one"], ["--nope"]])
def test_wrong_options_end_with_one_line(capsys, words):
    with pytest.raises(SystemExit) as ended:
        make_report.parse_args(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_models_snr_and_metric_choose(tmp_path):
    write_results(tmp_path, snrs=("6dB", "0dB"), types=("fan",), files=False)
    words = ["--result_dir", tmp_path, "--models", "conv_ae", "simple_ae", "--snr", "0dB", "--metric", "pauc"]
    assert make(*words) == 0
    names = {path.stem for path in (tmp_path / "report" / "tables").glob("*.csv")}
    assert "pauc_0dB" in names
    assert not any("6dB" in name for name in names)
    page = Page(tmp_path / "report" / "index.html")
    assert page.text.index("pAUC by machine type") < page.text.index("PR-AUC by machine type")
    assert "isolation_forest" not in page.text


def test_help_imports_nothing_heavy():
    code = "import sys, make_report\ntry: make_report.parse_args(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'numpy', 'pandas', 'torch', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    source = str(Path(make_report.__file__).parent)
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# --- with a browser and with LaTeX

SELF_TEST = """
<script>
const errors = [];
addEventListener("error", (event) => errors.push(event.message || "a file can't be loaded"), true);
</script>
"""
CLICKS = """
<script>
addEventListener("load", () => {
  const value = (cell) => cell.dataset.value ?? cell.textContent;
  const column = (table, index) => [...table.tBodies[0].rows].map((row) => value(row.cells[index]));
  const table = document.querySelector("#table-auc_6dB");
  const buttons = table.querySelectorAll("button");
  const found = {columns: buttons.length, orders: {}};
  for (const [name, index] of [["mean", buttons.length - 1], ["again", buttons.length - 1], ["model", 0]]) {
    buttons[index].click();
    found.orders[name] = column(table, index);
    found[name] = buttons[index].parentElement.getAttribute("aria-sort");
  }
  found.sorted = document.querySelectorAll("#table-auc_6dB [aria-sort]").length;
  found.images = [...document.images].map((image) => image.complete && image.naturalWidth);
  found.width = [document.documentElement.scrollWidth, innerWidth];
  found.errors = errors;
  const answer = document.createElement("pre");
  answer.id = "answer";
  answer.textContent = JSON.stringify(found);
  document.body.append(answer);
});
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
def test_the_page_in_a_browser(made, tmp_path):
    source = (made / "index.html").read_text(encoding="utf-8")
    source = source.replace("<head>", f"<head>{SELF_TEST}", 1).replace("</body>", f"{CLICKS}</body>", 1)
    (tmp_path / "page.html").write_text(source, encoding="utf-8")
    options = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr"),
        *(f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,900", "--virtual-time-budget=10000"),
    ]
    page = (tmp_path / "page.html").as_uri()
    done = subprocess.run(
        [BROWSER, *options, "--dump-dom", page], capture_output=True, encoding="utf-8", timeout=120, check=True
    )
    found = json.loads(html.unescape(re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.DOTALL)[1]))
    assert found["errors"] == []
    assert "CONSOLE" not in done.stderr
    assert len(found["images"]) == 7
    assert min(found["images"]) > 300
    values = [float(value) for value in found["orders"]["mean"]]
    assert len(values) == 3
    assert values == sorted(values, reverse=True)
    assert [float(value) for value in found["orders"]["again"]] == values[::-1]
    assert found["orders"]["model"] == sorted(MODELS)
    assert (found["mean"], found["again"], found["model"]) == ("descending", "ascending", "ascending")
    assert found["sorted"] == 1
    assert found["width"][0] <= found["width"][1]


@pytest.mark.skipif(LATEX is None, reason="no LaTeX is installed")
def test_the_tables_compile(made, tmp_path):
    inputs = "\n".join(f"\\input{{{path.as_posix()}}}\\clearpage" for path in sorted((made / "tables").glob("*.tex")))
    document = "\\documentclass{article}\\usepackage{booktabs,graphicx,longtable}\\begin{document}%s\\end{document}"
    (tmp_path / "all.tex").write_text(document % inputs)
    options = ["-interaction=nonstopmode", "-halt-on-error"] if "pdflatex" in LATEX else []
    for _ in range(2):  # longtable finds its widths in the first pass
        done = subprocess.run(
            [LATEX, *options, "all.tex"],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
        )
        assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert (tmp_path / "all.pdf").stat().st_size > 10_000
