"""DCASE task 2 from 2020 to 2026 in one run: official scores, the ground truth given apart, submissions, the report."""

import csv
from collections import Counter
from types import SimpleNamespace

import dcase_tree
import official
import pandas as pd
import pytest
from dcase_tree import DATASETS, YEARS, write_tree, write_truth
from support import ROOT, assert_refused, read_rows, run_here

PARTS = {"development": ["development"], "evaluation": ["evaluation"], "both": ["development", "evaluation"]}
REPORTED = [DATASETS[2021], DATASETS[2025]]


def detect(directory, base, *options, models=("mahalanobis",)):
    return run_here(directory, "--base_dir", base, "--model", *models, "--jobs", 1, *options)


def table_of(run, name):
    return read_rows(run.directory / "results" / f"{name}.csv")


def system_of(row):
    """What was trained: a model and, where it draws random numbers, its seed."""
    return f"{row.model} {row.seed}".strip()


def kept_scores(run, tree, clips):
    """Of each system and machine the test clips and their scores, as pairs, from the files that the run has kept."""
    places = dcase_tree.by_path(clips)
    found = {}
    for row in run.rows.itertuples():
        [path] = (run.directory / "results" / "scores").glob(f"*{row.run_id}.csv")
        table = pd.read_csv(path, keep_default_na=False)
        of_tree = [places[place] for place in table["path"].str.removeprefix(f"{tree}/")]
        key = (system_of(row), row.dataset, row.machine_type, row.machine_id)
        assert key not in found
        found[key] = list(zip(of_tree, table["score"], strict=True))
    return found


def scored(pairs):
    """What the independent computation needs of clips whose label somebody tells."""
    return [
        official.Scored(clip.machine_type, clip.machine_id, clip.label == "abnormal", clip.domain, score)
        for clip, score in pairs
        if clip.is_open
    ]


def expected_score(kept, row):
    """The official score that a row of ``challenge_scores.csv`` is to have."""
    pairs = [
        pair
        for key, of_machine in kept.items()
        if key[:2] == (system_of(row), row.dataset)
        for pair in of_machine
        if pair[0].part in PARTS[row.part]
    ]
    return official.score(int(row.dataset.removeprefix("dcase")), scored(pairs))


def assert_scores_are_official(run, kept, parts):
    """Every system has a score for each part of each data set, equal to the independent computation."""
    table = table_of(run, "challenge_scores")
    systems = {key[:2] for key in kept}
    found = sorted((system_of(row), row.dataset, row.part) for row in table.itertuples())
    assert found == sorted((*system, part) for system in systems for part in parts)
    for row in table.itertuples():
        expected = expected_score(kept, row)
        assert float(row.score) == pytest.approx(expected, rel=0, abs=1e-12), row
        assert 0 < expected < 1
        assert float(row.low) < expected < float(row.high)


@pytest.fixture(scope="module")
def years(tmp_path_factory):
    """All years in one run, the ground truth apart, with submissions."""
    base = tmp_path_factory.mktemp("years")
    clips = dcase_tree.all_clips()
    tree, truth = write_tree(base / "tree", clips), write_truth(base / "truth", clips)
    submission = base / "submission"
    run = detect(base / "work", tree, "--ground_truth", truth, "--submission", submission)
    assert run.status == 0, run.output
    kept = kept_scores(run, tree, clips)
    return SimpleNamespace(run=run, tree=tree, clips=clips, kept=kept, submission=submission)


def test_the_tree_is_as_large_as_it_has_to_be(years):
    assert len(list(years.tree.rglob("*.wav"))) >= 796
    assert Counter(clip.dataset for clip in years.clips).keys() == set(DATASETS.values())


# --- the official scores


def test_official_scores_of_all_years_equal_the_independent_computation(years):
    assert_scores_are_official(years.run, years.kept, PARTS)
    table = table_of(years.run, "challenge_scores")
    assert set(table["dataset"]) == set(DATASETS.values())
    assert table["score"].nunique() == len(table)  # so that none can be taken for another


def test_machines_are_counted_where_their_labels_are_known(years):
    table = table_of(years.run, "challenge_scores")
    for row in table.itertuples():
        machines = {
            clip.machine
            for clip in years.clips
            if clip.dataset == row.dataset and clip.part in PARTS[row.part] and clip.is_open and clip.split == "eval"
        }
        everything = {
            clip.machine for clip in years.clips if clip.dataset == row.dataset and clip.part in PARTS[row.part]
        }
        assert (int(row.scored_machines), int(row.machines)) == (len(machines), len(everything)), row
    of_withheld = table.query("dataset == 'dcase2025' and part == 'evaluation'")
    assert set(zip(of_withheld["scored_machines"], of_withheld["machines"], strict=True)) == {(2, 3)}


def thresholds_of(run):
    return {
        (system_of(row), row.dataset, row.machine_type, row.machine_id): float(row.threshold)
        for row in run.rows.itertuples()
    }


def test_figures_of_each_machine_are_as_the_organisers_define_them(years):
    table = table_of(years.run, "challenge_machines")
    thresholds = thresholds_of(years.run)
    seen = set()
    for row in table.itertuples():
        key = (system_of(row), row.dataset, row.machine_type, row.machine_id)
        seen.add(key)
        clips = scored(years.kept[key])
        expected = official.figures(int(row.dataset[5:]), clips)
        for name in ("auc", "pauc", "auc_source", "auc_target", "pauc_source", "pauc_target"):
            if name in expected:
                assert float(getattr(row, name)) == pytest.approx(expected[name], rel=0, abs=1e-12), (key, name)
        for domain in ("source", "target"):
            of_domain = [clip for clip in clips if clip.domain == domain]
            found = {name: getattr(row, f"{name}_{domain}") for name in official.Decided._fields}
            if of_domain:
                decided = official.decided(of_domain, thresholds[key])
                assert {name: float(value) for name, value in found.items()} == pytest.approx(decided._asdict())
            else:  # in 2020
                assert set(found.values()) == {""}, key
    assert seen == {key for key, pairs in years.kept.items() if scored(pairs)}


def test_a_machine_without_clips_of_one_domain_has_no_official_score(tmp_path):
    """It is told why; the score would be another one than everybody else's."""
    everything = [clip for clip in dcase_tree.clips(2022) if clip.part == "development"]
    missing = ("dcase2022", "bearing", "section_01")
    clips = [clip for clip in everything if (clip.machine, clip.split, clip.domain) != (missing, "eval", "target")]
    run = detect(tmp_path / "work", write_tree(tmp_path / "tree", clips))
    assert run.status == 0, run.output
    [row] = table_of(run, "challenge_scores").itertuples()
    assert (row.part, row.score) == ("development", "")
    assert "section_01" in row.gap
    assert "target" in row.gap
    figures = table_of(run, "challenge_machines").set_index(["machine_type", "machine_id"])
    assert figures.loc[missing[1:], "auc_target"] == ""
    assert "" not in {figures.loc[missing[1:], "auc_source"], *figures.drop(missing[1:])["auc_target"]}


def test_ties_count_half(years):
    """The first machine of each year has an abnormal clip with the sound of a normal one."""
    for pairs in years.kept.values():
        scores = {clip.path: score for clip, score in pairs}
        for clip, score in pairs:
            assert (score == scores[clip.twin]) or clip.renamed, clip
    ties = [clip for pairs in years.kept.values() for clip, _ in pairs if clip.twin != clip.path]
    assert len(ties) == len(YEARS)


# --- rows and files of results


def test_rows_say_data_set_and_part(years):
    machines = {(*clip.machine, clip.part) for clip in years.clips}
    rows = years.run.rows[["dataset", "machine_type", "machine_id", "part"]].itertuples(index=False, name=None)
    assert sorted(rows) == sorted(machines)


def test_no_recording_is_lost_and_none_is_learnt_from_by_accident(years):
    counts = Counter((*clip.machine, clip.split) for clip in years.clips)
    for row in years.run.rows.itertuples():
        machine = (row.dataset, row.machine_type, row.machine_id)
        assert (row.train_files, row.eval_files) == (counts[*machine, "train"], counts[*machine, "eval"])
        scored_clips = [clip for clip, _ in years.kept[system_of(row), *machine]]
        assert Counter(scored_clips) == Counter(
            clip for clip in years.clips if clip.machine == machine and clip.split == "eval"
        )


def test_a_machine_whose_labels_are_withheld_is_scored_and_not_judged(years):
    [row] = years.run.rows.query("machine_type == @dcase_tree.WITHHELD").itertuples()
    assert row.auc == ""
    others = years.run.rows.query("machine_type != @dcase_tree.WITHHELD")
    assert pd.to_numeric(others["auc"]).notna().all()


def attributes_of(clip):
    """From the name where it has them, else from the ground truth."""
    return clip.attributes if clip.renamed or clip.name == clip.full_name else clip.told


def test_kept_scores_have_label_domain_and_attributes(years):
    places = dcase_tree.by_path(years.clips)
    for path in (years.run.directory / "results" / "scores").glob("*.csv"):
        table = pd.read_csv(path, keep_default_na=False)
        for row in table.itertuples():
            clip = places[row.path.removeprefix(f"{years.tree}/")]
            assert row.label == (clip.label if clip.is_open else "unlabelled")
            assert row.domain == (clip.domain if clip.is_open else "")
            knows_attributes = clip.is_open or clip.name == clip.full_name
            assert row.attributes == (attributes_of(clip) if knows_attributes else "")


def test_supplemental_recordings_are_named(years):
    [line] = years.run.lines("Supplemental recordings")
    kinds = Counter("noise" if "_noise_" in clip.path else "machine" for clip in years.clips if clip.is_supplemental)
    assert f"{kinds['machine']} of a machine" in line
    assert f"{kinds['noise']} of noise" in line


# --- what is shown


def test_the_summary_shows_each_data_set_and_its_scores(years):
    table = table_of(years.run, "challenge_scores")
    for row in table.itertuples():
        assert row.dataset in years.run.out
        assert f"{float(row.score):.3f}" in years.run.out


@pytest.fixture(scope="module")
def report(years, tmp_path_factory):
    """A report of two of the years; that of all takes its time."""
    directory = tmp_path_factory.mktemp("report")
    (directory / "results").mkdir()
    for name in ("research_results", "challenge_scores", "challenge_machines"):
        table = table_of(years.run, name)
        chosen = table[table["dataset"].isin(REPORTED)]
        chosen.to_csv(directory / "results" / f"{name}.csv", index=False)
    run = run_here(directory, script=ROOT / "src" / "make_report.py")
    assert run.status == 0, run.output
    return directory / "results" / "report"


def test_the_report_shows_each_data_set_and_its_scores(years, report):
    text = (report / "index.html").read_text(encoding="utf-8")
    table = table_of(years.run, "challenge_scores")
    chosen = table[table["dataset"].isin(REPORTED)]
    assert len(chosen) == len(REPORTED) * len(PARTS)
    for row in chosen.itertuples():
        assert row.dataset in text
        assert f"{100 * float(row.score):.2f}" in text, row
    for machine in {clip.machine_type for clip in years.clips if clip.dataset in REPORTED}:
        assert any(machine in page.read_text(encoding="utf-8") for page in report.rglob("index.html")), machine


# --- submissions


def submitted_name(clip):
    """The end of the file's name in which a clip belongs."""
    domain = f"_{clip.domain}_test" if clip.dataset == DATASETS[2021] else "_test"
    return f"{clip.machine_type}_{clip.machine_id}{'' if clip.dataset == DATASETS[2020] else domain}.csv"


def read_plain(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_submissions_are_complete_and_in_the_format(years):
    thresholds = thresholds_of(years.run)
    expected = {}
    for key, pairs in years.kept.items():
        for clip, score in pairs:
            if clip.part == "evaluation":
                name, files = submitted_name(clip), expected.setdefault(clip.dataset, {})
                files.setdefault(f"anomaly_score_{name}", {})[clip.name] = score
                if clip.dataset != DATASETS[2020]:  # in which no decisions were asked for
                    is_alarm = score > thresholds[key]
                    files.setdefault(f"decision_result_{name}", {})[clip.name] = int(is_alarm)
    assert expected.keys() == set(DATASETS.values())
    for dataset, files in expected.items():
        found = {path.name: read_plain(path) for path in (years.submission / dataset).iterdir()}
        assert found.keys() == files.keys()
        for name, rows in files.items():
            assert [row[0] for row in found[name]] == sorted(rows), (dataset, name)  # as evaluators line them up
            assert {clip: float(value) for clip, value in found[name]} == rows
            if name.startswith("decision_result_"):
                assert {value for _, value in found[name]} <= {"0", "1"}


# --- without the ground truth, and before the test clips are there


def test_without_the_truth_evaluation_sets_are_scored_and_one_sentence_says_so(tmp_path):
    clips = dcase_tree.clips(2026)
    tree = write_tree(tmp_path / "tree", clips)
    run = detect(tmp_path / "work", tree, "--seeds", 1, 2, models=["knn", "gmm"])
    assert run.status == 0, run.output
    assert len(run.lines("--ground_truth")) == 1
    kept = kept_scores(run, tree, clips)
    assert {key[0] for key in kept} == {"knn", "gmm 1", "gmm 2"}
    assert sum(map(len, kept.values())) == 3 * sum(clip.split == "eval" for clip in clips)
    assert_scores_are_official(run, kept, ["development"])


def models_of(run):
    """The files of trained models, with their times of change."""
    return {path: path.stat().st_mtime_ns for path in (run.directory / "cache" / "research_models").rglob("*.*")}


def test_models_of_the_training_data_are_kept_until_the_test_clips_arrive(tmp_path):
    clips = [clip for clip in dcase_tree.clips(2024) if clip.part == "evaluation"]
    of_training = [clip for clip in clips if clip.split == "train"]
    tree = write_tree(tmp_path / "tree", of_training)
    models = ["knn", "mahalanobis"]
    first = detect(tmp_path / "work", tree, models=models)
    assert first.status == 0, first.output
    trained = models_of(first)
    assert len(trained) == len(models) * 3

    write_tree(tree, [clip for clip in clips if clip.split == "eval"])
    truth = write_truth(tmp_path / "truth", clips)
    submission = tmp_path / "submission"
    second = detect(tmp_path / "work", tree, "--ground_truth", truth, "--submission", submission, models=models)
    assert second.status == 0, second.output
    assert models_of(second) == trained
    judged = SimpleNamespace(rows=second.rows[second.rows["auc"].astype(str) != ""], directory=second.directory)
    kept = kept_scores(judged, tree, clips)
    assert len(kept) == len(trained)
    assert_scores_are_official(second, kept, ["evaluation"])
    # a folder for each model, with two files for each machine
    assert {path.name: len(list(path.iterdir())) for path in submission.iterdir()} == dict.fromkeys(models, 6)


# --- one data set of several, and its channels


def test_two_copies_of_a_data_set_are_one_clear_line(tmp_path):
    for copy in ("first", "second"):
        dcase_tree.touch_tree(tmp_path / "data" / copy, dcase_tree.clips(2025))
    assert_refused(detect(tmp_path / "work", tmp_path / "data"), "both hold machine", "--base_dir")


def test_a_data_set_that_is_not_there_is_answered_with_those_that_are(tmp_path):
    tree = dcase_tree.touch_tree(tmp_path / "tree", dcase_tree.all_clips((2020, 2026)))
    assert_refused(detect(tmp_path / "work", tree, "--dataset", "dcase2024"), "dcase2020", "dcase2026")


@pytest.fixture(scope="module")
def far(years):
    """The scores of 2026 from the microphone that is far from the machine; the data set is chosen by its name."""
    run = detect(years.run.directory.parent / "far", years.tree, "--dataset", DATASETS[2026], "--channel", 1)
    assert set(run.rows["dataset"]) == {DATASETS[2026]}
    return kept_scores(run, years.tree, years.clips)


def test_the_two_channels_of_2026_give_different_scores(years, far):
    for key, pairs in far.items():
        near = dict(years.kept[key])
        assert len(near) == len(pairs)
        assert all(near[clip] != score for clip, score in pairs)


@pytest.mark.parametrize("channel", [0, 1])
def test_the_channel_that_is_chosen_is_the_one_that_is_read(channel, years, far, tmp_path):
    """The scores are those of recordings that have no other channel."""
    clips = [clip for clip in dcase_tree.clips(2026) if clip.machine_type in ("fan", "Sander")]
    alone = kept_scores(detect(tmp_path / "work", write_tree(tmp_path, clips, channels=[channel])), tmp_path, clips)
    chosen = (years.kept, far)[channel]
    assert len(alone) == 2
    for key, pairs in alone.items():
        assert dict(pairs) == dict(chosen[key])
