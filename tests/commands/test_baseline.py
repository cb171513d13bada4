"""The baseline of the MIMII authors: its network, its configuration, and what it leaves."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import yaml
from support import ROOT, SAMPLE_RATE, SOURCE, assert_refused, read_rows, run_here, run_process, sound, write_machine

from mimii.features.logmel import log_mel
from mimii.features.store import FeatureStore
from mimii.features.windows import Features
from mimii.models import DETECTORS, create_model
from mimii.report import baseline as report
from mimii.settings import ClipSettings, FeatureSettings, TrainingSettings
from mimii.sweep.baseline import BaselineTask
from mimii.sweep.groups import MachineGroup
from mimii.training.hooks import Training

SCRIPT = SOURCE / "baseline.py"
KEYS = ["base_directory", "pickle_directory", "model_directory", "result_directory", "result_file"]
KEYS += ["n_mels", "frames", "n_fft", "hop_length", "power", "epochs", "batch_size", "validation_split"]
MACHINES = ["fan_id_00_6dB", "fan_id_02_6dB"]
# as the authors wrote it, spaces and all
AUTHORS_FILE = """
base_directory : ./dataset
pickle_directory: ./pickle
model_directory: ./model
result_directory: ./result
result_file: result.yaml

feature:
  n_mels: 64
  frames : 5
  n_fft: 1024
  hop_length: 512
  power: 2.0

fit:
  compile:
    optimizer : adam
    loss : mean_squared_error
  epochs : 50
  batch_size : 512
  shuffle : True
  validation_split : 0.1
  verbose : 1
"""


def run_baseline(directory, *options):
    """Run the script within this process, with one job."""
    run = run_here(directory, "--jobs", "1", *options, script=SCRIPT)
    assert len(re.findall(r"--base_dir\b", run.output)) == 0  # here it is --base_directory
    return run


def write_config(directory, **changes):
    """A configuration of few epochs; a change of None leaves the key out."""
    content = yaml.safe_load(AUTHORS_FILE)
    content["fit"]["epochs"] = 2
    for key, value in changes.items():
        section = next((content[name] for name in ("feature", "fit") if key in content[name]), content)
        section[key] = value
    directory.mkdir(exist_ok=True)
    (directory / "baseline.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return directory


def result_of(directory, place="result/result.yaml"):
    return yaml.safe_load((directory / place).read_text(encoding="utf-8"))


def rows_of(directory, place="result"):
    return read_rows(directory / place / "baseline_results.csv")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two machines of 6 normal and 2 abnormal recordings, and one without a recording left to train on."""
    base = tmp_path_factory.mktemp("data")
    write_machine(base / "6dB" / "fan" / "id_00", seed=0)
    write_machine(base / "6dB" / "fan" / "id_02", seed=1, pitch=180)
    write_machine(base / "0dB" / "valve" / "id_06", seed=3, normal=1, abnormal=1)
    return base


@pytest.fixture
def work(data, tmp_path):
    """A directory with a configuration and the data where it says."""
    directory = write_config(tmp_path / "work")
    shutil.copytree(data, directory / "dataset")
    return directory


# --- the network and its training


def test_the_network_is_dense_64_64_8_64_64_of_50760_parameters():
    model = create_model("mimii_baseline", n_mels=64, frames=5)
    assert model.num_parameters == 50_760
    layers = [layer for layer in model.network.modules() if isinstance(layer, torch.nn.Linear)]
    assert [layer.in_features for layer in layers] == [320, 64, 64, 8, 64, 64]
    assert layers[-1].out_features == 320
    assert "mimii_baseline" not in DETECTORS  # --model all is the eleven of the framework


def test_the_score_is_the_mean_squared_error_of_decibels_as_they_are():
    """Computed here from the weights alone, without standardisation."""
    frames = log_mel(sound(np.random.default_rng(0)), SAMPLE_RATE, FeatureSettings())
    features = Features(frames, np.array([0, len(frames)]), pd.DataFrame({"path": ["a"]}), {}, SAMPLE_RATE)
    windows = features.windows(5, np.array([True]))
    model = create_model("mimii_baseline", n_mels=64, frames=5)
    model.fit(windows, None, Training(TrainingSettings(epochs=3, batch_size=16), seed=1))
    layers = [layer for layer in model.network.modules() if isinstance(layer, torch.nn.Linear)]
    inputs = x = windows.gather().reshape(len(windows), -1).astype(np.float64)
    for layer in layers:
        x = x @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
        if layer is not layers[-1]:
            x = np.maximum(x, 0)
    assert np.allclose(model.score_windows(windows), ((x - inputs) ** 2).mean(axis=1), rtol=1e-4)
    assert inputs.mean() < -10  # dB that are far from 0


def baseline_task(tmp_path, **options):
    return BaselineTask(
        model="mimii_baseline",
        scope="machine",
        group=MachineGroup(("6dB", "fan", "id_00"), []),
        evaluations=(),
        store=FeatureStore(tmp_path, FeatureSettings(n_mels=2)),
        settings=TrainingSettings(**{"frames": 2} | options),
        model_path=tmp_path / "baseline.model",
        device="cpu",
        jobs=1,
        retrain=False,
        options={},
        clip=ClipSettings(),
    )


@pytest.mark.parametrize(("val_split", "kept"), [(0.1, 90), (0.25, 75), (0.0, 100)])
def test_the_last_windows_are_for_validation(val_split, kept, tmp_path):
    """Of 10 recordings with 10 windows each, and one for evaluation in their midst."""
    split = ["train"] * 5 + ["eval"] + ["train"] * 5
    features = Features(
        frames=np.arange(11 * 11 * 2, dtype=np.float32).reshape(-1, 2),
        offsets=np.arange(12) * 11,
        recordings=pd.DataFrame({"path": list("abcdefghijk"), "split": split, "label": "normal"}),
        skipped={},
        sample_rate=SAMPLE_RATE,
    )
    windows, validation = baseline_task(tmp_path, val_split=val_split).training_windows(features)
    everything = [11 * recording + place for recording in range(11) if recording != 5 for place in range(10)]
    assert list(windows.starts) == everything[:kept]
    assert list(validation.starts) == everything[kept:]


# --- a run


@pytest.fixture(scope="module")
def plain(data, tmp_path_factory):
    """``python src/baseline.py`` beside the project's own baseline.yaml and ./dataset, and nothing else."""
    directory = tmp_path_factory.mktemp("plain")
    shutil.copy(ROOT / "baseline.yaml", directory)
    shutil.copytree(data, directory / "dataset")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")  # as on a machine of one core: the tests have the others
        return run_process(directory, script=SCRIPT)


def test_a_plain_run_has_the_settings_of_the_authors(plain):
    assert plain.status == 0, plain.output
    rows = rows_of(plain.directory, "results")
    assert list(rows["machine_id"]) in (["id_00", "id_02"], ["id_02", "id_00"])
    expected = {
        **{"n_mels": 64, "frames": 5, "n_fft": 1024, "hop_length": 512, "power": 2.0, "channel": 0},
        **{"epochs": 50, "batch_size": 512, "val_split": 0.1, "learning_rate": 0.001, "num_parameters": 50_760},
        **{"train_files": 4, "eval_files": 4, "dataset_scope": "machine"},
    }
    for name, value in expected.items():
        assert (rows[name] == value).all(), name
    windows = 4 * (63 - 5 + 1)
    assert (rows["train_samples"] - 0.9 * windows).abs().max() <= 1


def test_a_plain_run_leaves_its_files_where_the_issue_says(plain):
    result = result_of(plain.directory, "results/result.yaml")
    rows = rows_of(plain.directory, "results").set_index("machine_id")
    assert result == {
        "fan_id_00_6dB": {"AUC": pytest.approx(rows.loc["id_00", "auc"])},
        "fan_id_02_6dB": {"AUC": pytest.approx(rows.loc["id_02", "auc"])},
    }
    top = {path.name for path in plain.directory.iterdir()} - {"tmp"}
    assert top == {"baseline.yaml", "dataset", "cache", "results"}
    assert all(path.name.startswith("legacy_") for path in (plain.directory / "cache").iterdir())
    assert len(list((plain.directory / "cache").rglob("*.pickle"))) == 2


def test_each_machine_has_a_figure_of_its_loss(plain):
    figures = {path.stem: path for path in (plain.directory / "results").rglob("*.png")}
    assert sorted(figures) == MACHINES
    for path in figures.values():
        assert path.read_bytes().startswith(b"\x89PNG")
    assert figures[MACHINES[0]].read_bytes() != figures[MACHINES[1]].read_bytes()


def test_the_scores_give_the_auc(plain):
    for row in rows_of(plain.directory, "results").itertuples():
        [path] = (plain.directory / "results" / "scores").glob(f"*{row.run_id}*")
        scores = pd.read_csv(path)
        high, low = (scores.loc[scores["label"] == label, "score"].to_numpy() for label in ("abnormal", "normal"))
        assert row.auc == pytest.approx(np.mean([(a > b) + 0.5 * (a == b) for a in high for b in low]))


def test_the_comparison_has_the_published_figure_of_each_machine(plain):
    """Two reference runs gave 0.7665 and 0.6752 for the fan id_00 at 6 dB, 0.9841 and 0.9697 for id_02."""
    result = result_of(plain.directory, "results/result.yaml")
    for machine, (low, high) in {"id_00": (0.6752, 0.7665), "id_02": (0.9697, 0.9841)}.items():
        [line] = [line for line in plain.out.splitlines() if f"6dB fan {machine}" in line]
        auc, published = result[f"fan_{machine}_6dB"]["AUC"], (low + high) / 2
        for value in (auc, published, auc - published):
            assert f"{value:.3f}" in line
        assert ("yes" in line) == (low <= auc <= high)
    assert "0.849" in plain.out  # the mean of the published ones, of these two machines


def test_the_machine_that_can_not_be_trained_is_named(plain):
    assert len(plain.lines("0dB valve id_06", "train")) == 1


def table_line(auc, machine=("6dB", "fan", "id_00")):
    row = dict(zip(("snr", "machine_type", "machine_id"), machine, strict=True))
    rows = pd.DataFrame([{**row, "auc": auc, "train_files": 604, "eval_files": 814}])
    [line] = [line for line in report.comparison(rows).splitlines() if " ".join(machine).strip() in line]
    return line.split()


@pytest.mark.parametrize(("auc", "within"), [(0.70, "yes"), (0.76, "yes"), (0.60, "no"), (0.77, "no")])
def test_an_auc_is_within_where_it_lies_between_the_two_reference_runs(auc, within):
    line = table_line(auc)
    assert line[-1] == within
    assert line[-2] == f"{auc - (0.7665 + 0.6752) / 2:.3f}"


def test_a_machine_that_nobody_published_is_compared_with_nothing():
    line = table_line(0.7, ("", "ToyCar", "id_01"))
    assert "0.700" in line
    assert "yes" not in line
    assert "no" not in line


def test_the_result_is_written_after_every_machine_and_not_only_at_the_end(work, monkeypatch):
    seen = []
    genuine = report.write_result_file

    def write(path, rows):
        genuine(path, rows)
        figures = list((work / "result").rglob("*.png"))
        seen.append((sorted(yaml.safe_load(path.read_text(encoding="utf-8"))), len(figures)))

    monkeypatch.setattr(report, "write_result_file", write)
    assert run_baseline(work).status == 0
    assert seen == [(MACHINES[:1], 1), (MACHINES, 2), (MACHINES, 2)]


def test_what_was_done_when_a_run_is_cut_short_is_there(work, monkeypatch):
    genuine, written = report.write_result_file, []

    def write(path, rows):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        genuine(path, rows)

    with monkeypatch.context() as patch:
        patch.setattr(report, "write_result_file", write)
        assert run_baseline(work).status == 130
    before = result_of(work)
    assert list(before) == MACHINES[:1]
    again = run_baseline(work)
    assert again.status == 0
    assert list(result_of(work)) == MACHINES
    assert result_of(work)[MACHINES[0]] == before[MACHINES[0]]
    assert len(rows_of(work)) == 2


def kept_files(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.suffix != ".log"}


def test_a_second_run_adds_nothing_and_says_so(work):
    run_baseline(work)
    before = kept_files(work / "result")
    again = run_baseline(work)
    assert again.status == 0
    assert again.lines("2 of 2", "--retrain")
    assert kept_files(work / "result") == before
    assert len([line for line in again.out.splitlines() if "6dB fan id_0" in line]) == 2


def test_a_result_that_was_lost_is_written_again(work):
    run_baseline(work)
    before = result_of(work)
    (work / "result" / "result.yaml").unlink()
    assert run_baseline(work).status == 0
    assert result_of(work) == before
    assert run_baseline(work, "--result_file", "other.yaml").status == 0
    assert result_of(work, "result/other.yaml") == before


def test_the_result_is_that_of_the_command(tmp_path):
    """Also where another one with other settings came between. All recordings are noise: any AUC may come."""
    work, rng = write_config(tmp_path / "work"), np.random.default_rng(0)
    for label, count in (("normal", 9), ("abnormal", 6)):
        folder = work / "dataset" / "6dB" / "fan" / "id_00" / label
        folder.mkdir(parents=True)
        for number in range(count):
            soundfile.write(folder / f"{number}.wav", 0.1 * rng.standard_normal(8000), SAMPLE_RATE)
    for options in ([], ["--n_mels", "32", "--frames", "1"], []):
        assert run_baseline(work, *options).status == 0
        rows = rows_of(work)
        [row] = rows[rows["n_mels"] == (32 if options else 64)].itertuples()
        assert result_of(work) == {"fan_id_00_6dB": {"AUC": pytest.approx(row.auc)}}
    assert rows["auc"].nunique() == len(rows) == 2  # else this test says nothing


# --- the configuration


def test_the_file_of_the_authors_is_accepted_as_it_is(data, tmp_path):
    (tmp_path / "baseline.yaml").write_text(AUTHORS_FILE, encoding="utf-8")
    shutil.copytree(data, tmp_path / "dataset")
    run = run_baseline(tmp_path, "--epochs", "1")
    assert run.status == 0
    assert sorted(result_of(tmp_path)) == MACHINES
    assert len(list((tmp_path / "pickle").iterdir())) == len(list((tmp_path / "model").iterdir())) == 2


def test_the_file_of_the_project_has_the_keys_of_the_authors():
    def keys(content):
        return {key: keys(value) if isinstance(value, dict) else None for key, value in content.items()}

    content = yaml.safe_load((ROOT / "baseline.yaml").read_text(encoding="utf-8"))
    assert keys(content) == keys(yaml.safe_load(AUTHORS_FILE))
    places = content["pickle_directory"], content["model_directory"]
    assert all(Path(place).name.startswith("legacy_") and Path(place).parent.name == "cache" for place in places)
    assert Path(content["result_directory"]).name == "results"
    assert content["fit"] == yaml.safe_load(AUTHORS_FILE)["fit"]
    assert content["feature"] == yaml.safe_load(AUTHORS_FILE)["feature"]


def test_every_key_has_an_option_that_goes_before_the_file(data, tmp_path):
    options = {
        **{"base_directory": data / "6dB" / "fan", "pickle_directory": "p", "model_directory": "m"},
        **{"result_directory": "r", "result_file": "r.yaml", "n_mels": 16, "frames": 3, "n_fft": 512},
        **{"hop_length": 256, "power": 1.0, "epochs": 1, "batch_size": 64, "validation_split": 0.5},
    }
    assert list(options) == KEYS
    work = write_config(tmp_path / "work", base_directory="./nowhere")
    run = run_baseline(work, *(word for key, value in options.items() for word in (f"--{key}", value)))
    assert run.status == 0
    assert sorted(path.name for path in work.iterdir() if path.name in ("p", "m", "r", "cache", "results")) == [*"mpr"]
    assert sorted(result_of(work, "r/r.yaml")) == MACHINES
    rows = rows_of(work, "r")
    assert len(list((work / "p").iterdir())) == len(list((work / "m").iterdir())) == 2
    for key in ("n_mels", "frames", "n_fft", "hop_length", "power", "epochs", "batch_size"):
        assert (rows[key] == options[key]).all()
    assert (rows["val_split"] == 0.5).all()
    assert (rows["train_samples"] == 4 * (126 - 3 + 1) / 2).all()


def test_a_configuration_may_have_another_name(work):
    (work / "baseline.yaml").rename(work / "mine.yaml")
    assert_refused(run_baseline(work), "baseline.yaml", "--config")
    assert run_baseline(work, "--config", "mine.yaml").status == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["baseline.yaml"]),
        ("- a\n- b\n", ["baseline.yaml"]),
        ("just words", ["baseline.yaml"]),
        ("feature: [1,\n b: }", ["baseline.yaml", "YAML"]),
        ("base_directory: \0", ["baseline.yaml", "YAML"]),
        ("!!python/object/apply:os.mkdir [planted]", ["baseline.yaml", "YAML"]),
    ],
    ids=["empty", "a list", "a word", "broken", "no text", "code"],
)
def test_a_file_that_is_no_configuration_is_one_line_and_status_2(text, words, tmp_path):
    (tmp_path / "baseline.yaml").write_text(text, encoding="utf-8")
    assert_refused(run_baseline(tmp_path), *words)
    assert not (tmp_path / "planted").exists()


def test_a_configuration_that_is_no_utf8_or_a_directory_is_one_line_and_status_2(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("base_directory: caf\u00e9".encode("latin-1"))
    assert_refused(run_baseline(tmp_path, "--config", "latin.yaml"), "latin.yaml")
    assert_refused(run_baseline(tmp_path, "--config", "."), "--config")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epoch": 3}, ["unknown", "epoch"]),
        ({"epochs": "many"}, ["epochs", "many"]),
        ({"epochs": 0}, ["epochs", "0"]),
        ({"epochs": 2.5}, ["epochs", "2.5"]),
        ({"epochs": True}, ["epochs", "True"]),
        ({"epochs": [1, 2]}, ["epochs"]),
        ({"n_mels": -64}, ["n_mels", "-64"]),
        ({"power": "loud"}, ["power", "loud"]),
        ({"validation_split": 1.0}, ["validation_split", "1.0"]),
        ({"validation_split": -0.1}, ["validation_split", "-0.1"]),
        ({"batch_size": None}, ["batch_size"]),
        ({"feature": None}, ["feature"]),
        ({"fit": 7}, ["fit"]),
        ({"compile": {"optimizer": "sgd", "loss": "mean_squared_error"}}, ["compile", "sgd"]),
        ({"shuffle": False}, ["shuffle"]),
        ({"base_directory": None}, ["base_directory"]),
        ({"base_directory": "nowhere"}, ["nowhere", "base_directory"]),
        ({"pickle_directory": ["a", "b"]}, ["pickle_directory"]),
        ({"model_directory": {"a": 1}}, ["model_directory"]),
        ({"result_directory": 5}, ["result_directory"]),
        ({"result_file": None}, ["result_file"]),
    ],
    ids=str,
)
def test_a_wrong_key_or_value_is_one_line_and_status_2_and_nothing_is_made(change, words, data, tmp_path):
    work = write_config(tmp_path / "work", **{"base_directory": str(data)} | change)
    assert_refused(run_baseline(work), *words)
    made = {path.name for path in work.iterdir()} - {"pickle", "model", "result"}
    assert made == {"baseline.yaml"}
    assert list(work.rglob("*.csv")) == []


@pytest.mark.parametrize("key", ["base_directory", "n_mels", "validation_split", "result_file"])
def test_a_key_that_is_missing_is_named(key, tmp_path):
    content = yaml.safe_load(AUTHORS_FILE)
    for section in (content, content["feature"], content["fit"]):
        section.pop(key, None)
    (tmp_path / "baseline.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert_refused(run_baseline(tmp_path), key, "missing")


@pytest.mark.parametrize("options", [["--epochs", "0"], ["--validation_split", "1"], ["--n_mels", "x"], ["--nothing"]])
def test_a_wrong_option_is_one_line_and_status_2(options, tmp_path):
    assert_refused(run_baseline(write_config(tmp_path / "work"), *options), *options)


def test_a_place_that_can_not_be_written_is_named(data, tmp_path):
    work = write_config(tmp_path / "work", base_directory=str(data), result_directory="./baseline.yaml/below")
    assert_refused(run_baseline(work), "baseline.yaml")


# --- genuine recordings


def test_real_clips_give_the_two_fans_and_name_the_other_14(real_clips, tmp_path):
    work = write_config(tmp_path / "work", base_directory=str(real_clips), epochs=1)
    run = run_baseline(work)
    assert run.status == 0
    result = result_of(work)
    assert list(result) == ["fan_id_00_0dB", "fan_id_02_0dB"]
    assert all(0 <= entry["AUC"] <= 1 for entry in result.values())
    [line] = run.lines("fan id_04")
    assert len(re.findall(r"0dB \w+ id_0\d", line)) == 14
    assert dict(rows_of(work).set_index("machine_id")["train_files"]) == {"id_00": 14, "id_02": 6}
    for machine_id, clips in (("id_00", "26/"), ("id_02", "14/")):
        [line] = [line for line in run.out.splitlines() if f"0dB fan {machine_id}" in line]
        assert clips in line
