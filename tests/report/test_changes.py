"""What changed between two results directories of which the truth is known."""

import numpy as np
import pandas as pd
import pytest
from report_support import load, save, write_results

from mimii.report import changes, comparing, comparing_figures
from mimii.storage.schema import MINUS

IDS = tuple(f"id_{n:02d}" for n in range(8))
NAMES = ("before", "after")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Before and after: conv_ae gains on each machine, simple_ae does not change in the mean, the forest loses."""
    base = tmp_path_factory.mktemp("changes")
    rows = write_results(base / "before", types=("fan",), ids=IDS, snrs=("6dB", "0dB"), seeds=(1, 2), files=False)
    rows["auc"] = 0.7 + 0.01 * rows["machine_id"].str[-1].astype(int)
    save(rows, base / "before" / "research_results.csv")
    step = rows["model"].map({"conv_ae": 0.1, "simple_ae": 0.0, "isolation_forest": -0.05})
    sway = 0.01 * np.where(rows["machine_id"].str[-1].astype(int) % 2, 1, -1)
    own = 0.0001 * rows["machine_id"].str[-1].astype(int).to_numpy() * (rows["model"] != "simple_ae")
    save(rows.assign(auc=rows["auc"] + step + sway + own, n_mels=128), base / "after" / "research_results.csv")
    return [load(base / name) for name in NAMES]


def test_only_settings_that_differ_are_shown(loaded):
    [table] = comparing.settings_table(loaded, NAMES)
    assert table.texts.to_dict(orient="index") == {"Mel bands": {"before": "64", "after": "128"}}
    assert not comparing.settings_table([loaded[0], loaded[0]], NAMES)


def test_changes_are_paired_by_machine_over_snr_and_seeds(loaded):
    [table] = changes.paired_tables(loaded, NAMES, "auc")
    data = table.data.set_index("Model")
    assert list(data.index) == ["conv_ae", "simple_ae", "isolation_forest"]
    assert set(data["machines"]) == {8}  # not 8 x 2 SNR x 2 seeds
    assert data["mean"].to_numpy() == pytest.approx([0.10035, 0, -0.04965])
    assert data["mean after"].to_numpy() == pytest.approx(data["mean before"] + data["mean"])
    assert (data["p_holm"] < 0.05).tolist() == [True, False, True]
    assert (data["mean_low"] < data["mean"]).all()
    assert table.texts["Machines"].tolist() == ["8"] * 3
    assert table.texts.loc["isolation_forest", "Difference"] == f"{MINUS}0.050"


@pytest.mark.parametrize("names", [("low", "high"), ("label", "snr"), ("mean", "machines"), ("Difference", "p")])
def test_directories_may_be_called_like_columns(names, loaded):
    [table], [known] = (changes.paired_tables(loaded, one, "auc") for one in (names, NAMES))
    assert (table.texts.to_numpy() == known.texts.to_numpy()).all()
    assert list(table.texts.columns[1:3]) == list(names)
    assert comparing.difference_tables(loaded, names, "auc", [])
    assert comparing_figures.scatters(loaded, names, "auc")


def test_a_sentence_says_what_changed(loaded):
    assert changes.sentences(loaded, NAMES, "auc") == [
        "Detection: from before to after AUC of 3 models on 8 machines changes by +0.017 in the mean, from "
        f"{MINUS}0.050 (isolation_forest) to +0.100 (conv_ae). By Wilcoxon signed-rank tests with Holm's correction 1 "
        "is better, 1 is worse, 1 can't be told apart."
    ]


def test_on_few_machines_no_change_is_called_one(loaded, tmp_path):
    for results, name in zip(loaded, NAMES, strict=True):
        rows = pd.read_csv(results.directory / "research_results.csv")
        few = rows[rows["machine_id"].isin(IDS[:3]) & (rows["model"] == "conv_ae")]
        save(few, tmp_path / name / "research_results.csv")
    found = changes.sentences([load(tmp_path / name) for name in NAMES], NAMES, "auc")
    assert found == [
        "Detection: from before to after AUC of one model on 3 machines changes by +0.097 in the mean. To call any "
        "change more than chance takes 6 machines or more."
    ]


def test_the_scatter_says_what_it_shows(loaded):
    [figure] = comparing_figures.scatters(loaded, NAMES, "auc")
    assert figure.name == "compare_auc_detection_scatter_after"
    assert "of 48 values of 3 models 24 are higher in after and 24 lower" in figure.alt
    assert "+0.100 of conv_ae" in figure.alt
    assert "8 machines" in figure.caption
    for canvas in (figure.canvas, figure.narrow):
        [axes] = canvas.axes
        assert {text.get_text().split()[0] for text in axes.texts} == {"conv_ae", "isolation_forest"}
        assert axes.get_xlim() == axes.get_ylim()


def test_nothing_in_common_is_nothing_to_show(loaded, tmp_path):
    write_results(tmp_path, models=("knn",), files=False)
    other = load(tmp_path)
    assert not changes.paired_tables([loaded[0], other], NAMES, "auc")
    assert not changes.sentences([loaded[0], other], NAMES, "auc")
    assert not comparing_figures.scatters([loaded[0], other], NAMES, "auc")
    assert not comparing.settings_table([loaded[0], other], NAMES)
