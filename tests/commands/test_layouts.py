"""The layouts of MIMII and of the DCASE challenges: what is read from them, and what is computed besides."""

import shutil
from itertools import product
from pathlib import Path

import numpy as np
import official
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support import SAMPLE_RATE, assert_refused, read_rows, run_here, sound, write_machine
from test_exp_classification import classify

import make_demo_dataset
from mimii.data.recordings import find_recordings
from mimii.data.splits import split_for_detection
from mimii.errors import UserError
from mimii.evaluation.metrics import detection_metrics

MACHINE = ["snr", "machine_type", "machine_id"]
LAYOUTS = ["mimii", "dcase2020", "dcase2021"]
FAST = ["--model", "isolation_forest", "--jobs", "1"]


def touch(base, *places):
    for place in places:
        (base / place).parent.mkdir(parents=True, exist_ok=True)
        (base / place).touch()
    return base


def facts_of(base, layout="auto"):
    """What is read from each file, by its path below ``base``."""
    table = split_for_detection(find_recordings(base, layout))
    columns = ["snr", "machine_type", "machine_id", "label", "split", "domain"]
    places = [Path(path).relative_to(base).as_posix() for path in table["path"]]
    return dict(zip(places, table[columns].itertuples(index=False, name=None), strict=True))


def detect(directory, *options):
    run = run_here(directory, *options)
    run.table = read_rows(directory / "results" / "research_results.csv") if run.status == 0 else None
    return run


def scores_of(run, row):
    [path] = (run.directory / "results" / "scores").glob(f"*{row.run_id}.csv")
    return pd.read_csv(path, keep_default_na=False)


def share_of_pairs(abnormal, normal):
    """The AUC as it is defined: the share of pairs in the right order."""
    return np.mean([(high > low) + 0.5 * (high == low) for high, low in product(abnormal, normal)])


def shown_score(run, model):
    """The challenge's score of the development set in the summary."""
    lines = run.out.replace("DCASE dev", "DCASE_dev").splitlines()
    assert all(len(line) <= 80 for line in lines)
    [heading] = [line.split() for line in lines if "DCASE_dev" in line]
    [row] = [line.split() for line in lines if line.split()[:1] == [model]]
    return float(row[heading.index("DCASE_dev")])


# --- what is read


@pytest.mark.parametrize(
    ("place", "facts"),
    [
        ("fan/train/normal_id_00_00000000.wav", ("", "fan", "id_00", "normal", "train", "")),
        ("fan/test/normal_id_00_00000000.wav", ("", "fan", "id_00", "normal", "eval", "")),
        ("ToyCar/test/anomaly_id_01_00000012.wav", ("", "ToyCar", "id_01", "abnormal", "eval", "")),
        ("ToyConveyor/test/id_05_00000003.wav", ("", "ToyConveyor", "id_05", "unlabelled", "eval", "")),
    ],
)
@pytest.mark.parametrize("above", ["", "dev_data/"])
def test_names_of_dcase_2020(above, place, facts, tmp_path):
    touch(tmp_path, above + place)
    for layout in ("auto", "dcase2020"):
        assert facts_of(tmp_path, layout) == {above + place: facts}


@pytest.mark.parametrize(
    ("place", "facts"),
    [
        (
            "fan/train/section_00_source_train_normal_0000_strength_1_ambient.wav",
            ("", "fan", "section_00", "normal", "train", "source"),
        ),
        (
            "gearbox/train/section_02_target_train_normal_0001.wav",
            ("", "gearbox", "section_02", "normal", "train", "target"),
        ),
        (
            "fan/source_test/section_00_source_test_anomaly_0003.wav",
            ("", "fan", "section_00", "abnormal", "eval", "source"),
        ),
        (
            "fan/target_test/section_01_target_test_normal_0002.wav",
            ("", "fan", "section_01", "normal", "eval", "target"),
        ),
        (
            "bearing/test/section_00_target_test_anomaly_0007_vel_6_loc_A.wav",
            ("", "bearing", "section_00", "abnormal", "eval", "target"),
        ),
        ("vacuum/test/section_00_0000.wav", ("", "vacuum", "section_00", "unlabelled", "eval", "")),
        ("fan/test/section_03_0000.wav", ("", "fan", "section_03", "unlabelled", "eval", "")),
        (
            "fan/source_test/section_03_source_test_0000.wav",
            ("", "fan", "section_03", "unlabelled", "eval", "source"),
        ),
    ],
)
@pytest.mark.parametrize("above", ["", "raw/", "dev_data/raw/"])
def test_names_of_dcase_2021_and_later(above, place, facts, tmp_path):
    touch(tmp_path, above + place)
    for layout in ("auto", "dcase2021"):
        assert facts_of(tmp_path, layout) == {above + place: facts}


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_base_dir_may_point_to_any_level_of_a_challenge(depth, tmp_path):
    place = "raw/fan/train/section_00_source_train_normal_0000.wav"
    touch(tmp_path, place)
    base = tmp_path.joinpath(*Path(place).parts[:depth])
    [facts] = facts_of(base).values()
    assert facts[1:3] == ("fan", "section_00")


def test_the_same_number_in_train_and_test_is_two_recordings(tmp_path):
    places = ["fan/train/normal_id_00_00000000.wav", "fan/test/normal_id_00_00000000.wav"]
    table = find_recordings(touch(tmp_path, *places))
    assert table["name"].nunique() == table["path"].nunique() == 2


def test_folders_give_the_split_and_not_the_rule_of_mimii(tmp_path):
    """One normal recording for evaluation though there are three abnormal ones."""
    normal = [f"fan/train/normal_id_00_{number:08d}.wav" for number in range(5)]
    test = ["fan/test/normal_id_00_00000000.wav"]
    abnormal = [f"fan/test/anomaly_id_00_{number:08d}.wav" for number in range(3)]
    facts = facts_of(touch(tmp_path, *normal, *test, *abnormal))
    assert {place: fact[4] for place, fact in facts.items()} == {
        **dict.fromkeys(normal, "train"),
        **dict.fromkeys([*test, *abnormal], "eval"),
    }


def test_mimii_has_no_domain_and_no_split_of_its_own(tmp_path):
    touch(tmp_path, "6dB/fan/id_00/normal/00000000.wav", "6dB/fan/id_00/abnormal/00000000.wav")
    table = find_recordings(tmp_path)
    assert set(table["given_split"]) == set(table["domain"]) == {""}


MIMII, DCASE2020, DCASE2021 = (
    "a/6dB/fan/id_00/normal/00000000.wav",
    "b/fan/train/normal_id_00_00000000.wav",
    "c/fan/train/section_00_source_train_normal_0000.wav",
)


@pytest.mark.parametrize("places", [(MIMII, DCASE2020), (MIMII, DCASE2021)])
def test_layouts_side_by_side_are_one_clear_line(places, tmp_path):
    touch(tmp_path / "data", *places)
    run = detect(tmp_path / "work", "--base_dir", tmp_path / "data", *FAST)
    names = [layout for layout, place in zip(LAYOUTS, (MIMII, DCASE2020, DCASE2021), strict=True) if place in places]
    assert_refused(run, "--layout", *names)
    for layout, place in zip(LAYOUTS, (MIMII, DCASE2020, DCASE2021), strict=True):
        if place in places:
            assert list(facts_of(tmp_path / "data", layout)) == [place]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_named_layout_that_is_not_there_is_refused_with_what_is(layout, tmp_path):
    others = {"mimii": DCASE2020, "dcase2020": DCASE2021, "dcase2021": MIMII}
    touch(tmp_path / "data", others[layout])
    with pytest.raises(UserError, match=r"1 audio file .*the first is [abc]."):
        find_recordings(tmp_path / "data", layout)
    assert_refused(detect(tmp_path / "work", "--base_dir", tmp_path / "data", *FAST, "--layout", layout), "layout")


def test_a_layout_that_nobody_knows_is_refused(tmp_path):
    touch(tmp_path / "data", MIMII)
    run = detect(tmp_path / "work", "--base_dir", tmp_path / "data", *FAST, "--layout", "dcase1999")
    assert_refused(run, "--layout", *LAYOUTS)


def test_the_split_of_folders_is_used_in_a_run(tmp_path):
    rng = np.random.default_rng(0)
    for folder, count in (("train/normal", 5), ("test/normal", 3), ("test/abnormal", 2)):
        for number in range(count):
            write(tmp_path / "data" / "press" / folder / f"{number:04d}.wav", rng, abnormal="abnormal" in folder)
    run = detect(tmp_path / "work", "--base_dir", tmp_path / "data", *FAST)
    [row] = run.table.itertuples()
    assert (row.machine_type, row.machine_id, row.train_files, row.eval_files) == ("data", "press", 5, 5)


def test_machines_without_an_id_have_rows(tmp_path):
    for number, machine in enumerate(("6dB/fan", "0dB/fan")):
        write_machine(tmp_path / "data" / machine, seed=number)
    run = detect(tmp_path / "work", "--base_dir", tmp_path / "data", "--machine_type", "fan", *FAST)
    assert list(run.table["machine_type"]) == ["fan", "fan"]
    assert list(run.table["machine_id"]) == ["", ""]


@pytest.mark.parametrize("place", ["6dB/fan/all", "6dB/all/id_00"])
def test_a_machine_with_the_name_of_a_whole_group_is_one_clear_line(place, tmp_path):
    touch(tmp_path / "data", f"{place}/normal/00000000.wav")
    run = detect(tmp_path / "work", "--base_dir", tmp_path / "data", *FAST)
    assert_refused(run, "'all'", "rename", place)


def test_parts_of_a_synthetic_and_a_real_data_set_are_not_joined(tmp_path):
    touch(tmp_path / "data", "a/6dB/fan/id_00/normal/00000000.wav", "b/6dB/fan/id_00/normal/00000001.wav")
    (tmp_path / "data" / "b" / "README.txt").write_text("SYNTHETIC demo data set")
    run = detect(tmp_path / "work", "--base_dir", tmp_path / "data", *FAST)
    assert run.status == 2
    assert run.lines("error", "synthetic", "real")


# --- the same recordings in each layout


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    """Runs on the demo data in each layout."""
    base = tmp_path_factory.mktemp("demos")
    runs = {}
    for layout in LAYOUTS:
        small = ["--normal", "6", "--abnormal", "3", "--machine_type", "fan", "--jobs", "1", "--layout", layout]
        assert make_demo_dataset.main(["--output_dir", str(base / layout), *small]) == 0
        runs[layout] = detect(
            base / f"{layout}_work",
            *("--base_dir", base / layout, "--model", "simple_ae", "isolation_forest", "--epochs", 2, "--jobs", 1),
        )
    return runs


def numbered(table):
    """A table by model and the number of the machine, whatever it is called."""
    machine = table["machine_id"].str[-2:]
    return table.assign(machine=machine).sort_values(["model", "machine"]).set_index(["model", "machine"])


def test_the_layout_changes_no_metric(demos):
    tables = {layout: numbered(demos[layout].table) for layout in LAYOUTS}
    for layout in LAYOUTS:
        assert demos[layout].status == 0
        assert len(tables[layout]) == 4
        for name in ("auc", "pr_auc", "pauc", "train_files", "eval_files", "train_samples"):
            assert list(tables[layout][name]) == list(tables["mimii"][name]), name
    assert set(tables["mimii"]["train_files"]) == {3}
    assert set(tables["mimii"]["eval_files"]) == {6}
    assert [name[:3] for name in sorted(set(demos["dcase2021"].table["machine_id"]))] == ["sec", "sec"]


def test_the_layout_changes_no_score(demos):
    def by_recording(run, row):
        scores = scores_of(run, row)
        digits = scores["path"].str.extract(r"_?(\d{4})(?:_synthetic)?\.wav$")[0]
        return scores.assign(number=digits).sort_values(["label", "number"])["score"].to_numpy()

    for row in demos["mimii"].table.itertuples():
        expected = by_recording(demos["mimii"], row)
        assert len(expected) == 6
        for layout in ("dcase2020", "dcase2021"):
            table = demos[layout].table
            same = (table["model"] == row.model) & (table["machine_id"].str[-2:] == row.machine_id[-2:])
            [other] = table[same].itertuples()
            assert np.allclose(by_recording(demos[layout], other), expected, rtol=1e-5)


def assert_domains_follow_from_scores(run, row, counts):
    """The AUC of each domain from its normal recordings, of which there are ``counts``, and all abnormal ones."""
    scores = scores_of(run, row)
    abnormal = scores.loc[scores["label"] == "abnormal", "score"]
    for domain, value in (("source", row.auc_source), ("target", row.auc_target)):
        normal = scores[(scores["label"] == "normal") & scores["path"].str.contains(f"_{domain}_test_")]["score"]
        assert len(normal) == counts[domain]
        assert value == pytest.approx(share_of_pairs(abnormal, normal))


def test_domains_have_an_auc_each_where_there_are_domains(demos):
    for layout in ("mimii", "dcase2020"):
        for name in ("auc_source", "auc_target"):
            assert (demos[layout].table[name].astype(str) == "").all()
    for row in demos["dcase2021"].table.itertuples():
        assert_domains_follow_from_scores(demos["dcase2021"], row, {"source": 2, "target": 1})


def test_the_summary_has_the_score_of_the_challenge(demos):
    assert "DCASE" not in demos["mimii"].out
    for model in ("simple_ae", "isolation_forest"):
        for year in (2020, 2021):
            run = demos[f"dcase{year}"]
            rows = run.table.query("model == @model")
            clips = pd.concat([scores_of(run, row) for row in rows.itertuples()])
            scored = [
                official.Scored(clip.machine_type, clip.machine_id, clip.label == "abnormal", clip.domain, clip.score)
                for clip in clips.itertuples()
            ]
            assert shown_score(run, model) == pytest.approx(official.score(year, scored), abs=6e-4)
            assert f"the official score of {year}" in run.out


# --- metrics of domains


@settings(deadline=None, derandomize=True)
@given(
    source=st.lists(st.integers(0, 9), max_size=6),
    target=st.lists(st.integers(0, 9), max_size=6),
    abnormal=st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["source", "target"])), min_size=1, max_size=6),
)
def test_the_auc_of_a_domain_is_that_of_its_normal_recordings_and_all_abnormal_ones(source, target, abnormal):
    if not source and not target:
        return
    scores = np.array([*source, *target, *(score for score, _ in abnormal)], dtype=float)
    domains = np.array(["source"] * len(source) + ["target"] * len(target) + [domain for _, domain in abnormal])
    is_abnormal = np.arange(len(scores)) >= len(source) + len(target)
    result = detection_metrics(is_abnormal, scores, domains)
    high = [score for score, _ in abnormal]
    for domain, low in (("source", source), ("target", target)):
        assert (f"auc_{domain}" in result) == bool(low)
        if low:
            assert result[f"auc_{domain}"] == pytest.approx(share_of_pairs(high, low))
    assert result["auc"] == pytest.approx(share_of_pairs(high, [*source, *target]))


# --- evaluation sets without labels, several channels


def write(path, rng, channels=1, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = sound(rng, seconds=1.0, **kwargs)
    samples = np.stack([samples, *[0.3 * rng.standard_normal(len(samples))] * (channels - 1)], axis=1)
    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")


def write_challenge(base, channels=1):
    """A section with labels: 4 recordings to train on, 2 + 2 of each domain."""
    rng = np.random.default_rng(0)
    for number in range(4):
        write(base / "raw" / "fan" / "train" / f"section_00_source_train_normal_{number:04d}_a_1.wav", rng, channels)
    for domain, number, (label, abnormal) in product(
        ("source", "target"), range(2), (("normal", False), ("anomaly", True))
    ):
        name = f"section_00_{domain}_test_{label}_{number:04d}_a_1.wav"
        write(base / "raw" / "fan" / "test" / name, rng, channels, abnormal=abnormal)
    return base


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    base = write_challenge(tmp_path_factory.mktemp("labelled"))
    return base, detect(tmp_path_factory.mktemp("work"), "--base_dir", base, *FAST)


def test_a_challenge_below_raw_gives_a_row_for_its_section(labelled):
    _, run = labelled
    [row] = run.table.itertuples()
    assert (row.snr, row.machine_type, row.machine_id) == ("", "fan", "section_00")
    assert (row.train_files, row.eval_files) == (4, 8)
    assert_domains_follow_from_scores(run, row, {"source": 2, "target": 2})


def test_of_two_channels_the_chosen_one_is_read(labelled, tmp_path):
    base = tmp_path / "data"
    shutil.copytree(labelled[0], base)
    for path in base.rglob("*.wav"):
        samples, rate = soundfile.read(path, dtype="int16")
        soundfile.write(path, np.stack([samples, samples[::-1] // 2], axis=1), rate, subtype="PCM_16")
    scores = {}
    for channel in (0, 1):
        run = detect(tmp_path / str(channel), "--base_dir", base, *FAST, "--channel", channel)
        [row] = run.table.itertuples()
        scores[channel] = scores_of(run, row)["score"].to_numpy()
    [row] = labelled[1].table.itertuples()
    assert np.allclose(scores[0], scores_of(labelled[1], row)["score"])
    assert not np.allclose(scores[1], scores[0])


@pytest.fixture(scope="module")
def partly_labelled(labelled, tmp_path_factory):
    """The same with unlabelled files in the section and a section of nothing else."""
    base = tmp_path_factory.mktemp("partly") / "data"
    shutil.copytree(labelled[0], base)
    rng = np.random.default_rng(1)
    test, train = base / "raw" / "fan" / "test", base / "raw" / "fan" / "train"
    for number in range(3):
        write(test / f"section_00_{number:04d}.wav", rng, abnormal=True)
        write(test / f"section_03_{number:04d}.wav", rng, abnormal=number == 0)
        write(train / f"section_03_source_train_normal_{number:04d}.wav", rng)
    return base, detect(tmp_path_factory.mktemp("work"), "--base_dir", base, *FAST)


def test_files_without_a_label_are_scored_and_left_out_of_the_metrics(labelled, partly_labelled):
    _, run = partly_labelled
    assert run.status == 0
    rows = run.table.set_index("machine_id")
    known = labelled[1].table.set_index("machine_id").loc["section_00"]
    metrics = ["auc", "pr_auc", "pauc", "auc_source", "auc_target"]
    expected = [float(known[name]) for name in metrics]
    assert [float(rows.loc["section_00", name]) for name in metrics] == pytest.approx(expected, rel=1e-12)
    scores = scores_of(run, rows.loc["section_00"])
    hidden = scores[scores["label"] == "unlabelled"]
    assert sorted(Path(path).name for path in hidden["path"]) == [f"section_00_{n:04d}.wav" for n in range(3)]
    assert np.isfinite(hidden["score"]).all()
    assert len(scores) == 8 + 3
    before = scores_of(labelled[1], known)
    assert list(scores.loc[scores["label"] != "unlabelled", "score"]) == list(before["score"])


def test_a_section_of_nothing_else_has_scores_and_no_metrics(partly_labelled):
    _, run = partly_labelled
    row = run.table.set_index("machine_id").loc["section_03"]
    assert all(str(row[name]) == "" for name in ("auc", "pr_auc", "pauc", "auc_source", "auc_target"))
    scores = scores_of(run, row)
    assert set(scores["label"]) == {"unlabelled"}
    assert scores["score"].astype(float).idxmax() == 0  # the one that whistles


def test_the_score_of_the_challenge_is_that_of_the_labelled_sections(labelled, partly_labelled):
    [row] = labelled[1].table.itertuples()
    expected = 3 / (1 / row.auc_source + 1 / row.auc_target + 1 / row.pauc)
    assert shown_score(labelled[1], "isolation_forest") == pytest.approx(expected, abs=6e-4)
    assert shown_score(partly_labelled[1], "isolation_forest") == pytest.approx(expected, abs=6e-4)


def test_such_a_run_is_not_done_again(partly_labelled):
    base, run = partly_labelled
    again = detect(run.directory, "--base_dir", base, *FAST)
    assert again.status == 0
    assert len(again.table) == 2
    assert again.lines("--retrain")


def test_a_challenge_can_be_classified_by_its_labelled_files(partly_labelled, tmp_path):
    base, _ = partly_labelled
    run = classify(tmp_path / "work", "--base_dir", base, "--model", "simple_classifier", "--epochs", 1, "--jobs", 1)
    assert run.status == 0
    pool = run.rows.set_index("machine_id").loc["all"]
    # of 8 + 4 clips of section_00 2 + 1, of the 3 normal ones of section_03 1
    assert (pool["train_files"], pool["eval_files"]) == (15 - 4, 4)
    scores = [path for path in (run.directory / "results" / "scores").iterdir() if "confusion" not in path.name]
    assert all("unlabelled" not in path.read_text(encoding="utf-8") for path in scores)


def test_a_split_of_folders_is_no_challenge(tmp_path):
    """Only the data sets of the challenges have the challenge's score."""
    for split, labels in {"train": {"normal": 4}, "test": {"normal": 3, "abnormal": 3}}.items():
        for label, count in labels.items():
            folder = tmp_path / "data" / "fan" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                rng = np.random.default_rng([number, len(label), len(split)])
                samples = sound(rng, seconds=0.5, abnormal=label == "abnormal")
                soundfile.write(folder / f"{number}.wav", samples, SAMPLE_RATE)
    run = detect(tmp_path / "work", "--base_dir", tmp_path / "data", "--model", "knn")
    assert run.status == 0, run.output
    assert run.table["train_files"].tolist() == [4]
    assert "DCASE" not in run.out
