"""The real names of DCASE task 2, year by year: what is read from the development and from the evaluation data."""

import shutil

import dcase_tree
import pytest
from dcase_tree import DATASETS, YEARS, touch_tree, write_tree, write_truth

from mimii.data import attributes
from mimii.data.recordings import find_recordings
from mimii.errors import UserError


def facts_of(base, **kwargs):
    """What the table of recordings says of each file, by its path below ``base``."""
    table = find_recordings(base, **kwargs)
    columns = ["dataset", "part", "snr", "machine_type", "machine_id", "given_split", "label", "domain", "attributes"]
    places = table["path"].str.removeprefix(f"{base}/")
    return dict(zip(places, table[columns].itertuples(index=False, name=None), strict=True))


def read_from(clip, place, *, truth=False):
    """What is to be read from a path, with or without the ground truth beside it."""
    label, domain, attributes = clip.label, clip.domain, clip.attributes
    tells_all = clip.split != "eval" or place.endswith(f"/{clip.full_name}")
    if not tells_all and truth and clip.is_open:
        attributes = clip.told
    elif not tells_all:
        label, attributes = "unlabelled", ""
        domain = domain if clip.dataset == "dcase2021" else ""
    return clip.dataset, clip.part, "", *clip.machine[1:], clip.split, label, domain, attributes


def places_of(clips):
    """Where each clip is read from: of two copies from the one whose name tells the label."""
    return {clip.renamed or clip.path: clip for clip in clips}


@pytest.mark.parametrize("year", YEARS)
def test_names_of_each_year(year, tmp_path):
    clips = dcase_tree.clips(year)
    expected = {place: read_from(clip, place) for place, clip in places_of(clips).items()}
    assert {facts[1] for facts in expected.values()} == {"development", "evaluation"}
    assert facts_of(touch_tree(tmp_path, clips)) == expected


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """All years, without sounds."""
    return touch_tree(tmp_path_factory.mktemp("years"), dcase_tree.all_clips())


def test_years_below_one_directory_are_told_apart(tree):
    clips = dcase_tree.all_clips()
    assert facts_of(tree) == {place: read_from(clip, place) for place, clip in places_of(clips).items()}
    assert list(find_recordings(tree)["dataset"].unique()) == list(DATASETS.values())


@pytest.mark.parametrize("below", ["dcase2020", "dcase2021/dev_data", "dcase2022", "dcase2023t2/eval_data/raw"])
def test_a_part_of_the_tree_has_the_same_name_and_facts(below, tree):
    clips = {place: clip for place, clip in places_of(dcase_tree.all_clips()).items() if place.startswith(f"{below}/")}
    expected = {place.removeprefix(f"{below}/"): read_from(clip, place) for place, clip in clips.items()}
    assert facts_of(tree / below) == expected


def test_one_year_of_several_is_chosen_by_its_name(tree):
    assert set(find_recordings(tree, dataset="dcase2024")["dataset"]) == {"dcase2024"}
    with pytest.raises(UserError, match=r"dcase1999.*dcase2020"):
        find_recordings(tree, dataset="dcase1999")


def test_a_data_set_in_a_folder_without_a_year_is_named_by_an_option(tmp_path):
    base = tmp_path / "machines"
    base.mkdir()
    (touch_tree(tmp_path, dcase_tree.clips(2024)) / "dcase2024").rename(base / "task2")
    assert set(find_recordings(base)["dataset"]) <= {"machines", "task2"}
    assert set(find_recordings(base, dataset="dcase2024")["dataset"]) == {"dcase2024"}


@pytest.mark.parametrize(
    ("year", "places"),
    [
        # as archives unpack side by side
        (
            2023,
            [
                "dcase2023/dev_fan/fan/train/section_00_source_train_normal_0000_m-n_W.wav",
                "dcase2023/dev_fan/fan/test/section_00_target_test_anomaly_0000_m-n_X.wav",
                "dcase2023/eval_data_Vacuum_train/Vacuum/train/section_00_source_train_normal_0000_loc_A.wav",
                "dcase2023/eval_data_Vacuum_test/Vacuum/test/section_00_0000.wav",
            ],
        ),
        # a corrected archive
        (
            2024,
            [
                "dcase2024/eval_data_3DPrinter_train_r2/3DPrinter/train/section_00_source_train_normal_0001_mdl_A.wav",
                "dcase2024/eval_data_3DPrinter_test/3DPrinter/test/section_00_0001.wav",
            ],
        ),
        # as the baseline arranges them
        (
            2025,
            [
                "data/dcase2025t2/dev_data/raw/fan/train/section_00_source_train_normal_0000_noAttribute.wav",
                "data/dcase2025t2/dev_data/raw/fan/test/section_00_source_test_normal_0000_noAttribute.wav",
                "data/dcase2025t2/eval_data/raw/ToyPet/train/section_00_source_train_normal_0000_noAttribute.wav",
                "data/dcase2025t2/eval_data/raw/ToyPet/test/section_00_0000.wav",
            ],
        ),
        # the parts of 2021, as they unpack
        (
            2021,
            [
                "DCASE2021/dev_data_fan/fan/train/section_00_source_train_normal_0000_strength_1_ambient.wav",
                "DCASE2021/dev_data_fan/fan/source_test/section_00_source_test_anomaly_0000.wav",
                "DCASE2021/eval_data_fan_train/fan/train/section_03_source_train_normal_0000_strength_1_ambient.wav",
                "DCASE2021/eval_data_fan_test/fan/target_test/section_03_target_test_0000.wav",
            ],
        ),
        # those of 2020
        (
            2020,
            [
                "dcase2020/dev_data_fan/fan/train/normal_id_00_00000000.wav",
                "dcase2020/dev_data_fan/fan/test/anomaly_id_00_00000000.wav",
                "dcase2020/eval_data_train_fan/fan/train/normal_id_01_00000000.wav",
                "dcase2020/eval_data_test_fan/fan/test/id_01_00000000.wav",
            ],
        ),
    ],
)
def test_parts_in_several_folders_are_one_data_set(year, places, tmp_path):
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    facts = facts_of(tmp_path)
    assert set(facts) == set(places)
    assert {fact[0] for fact in facts.values()} == {f"dcase{year}"}
    for place, fact in facts.items():
        assert fact[1] == ("evaluation" if "/eval_data" in place else "development"), place


def test_two_copies_of_a_year_are_refused(tmp_path):
    clips = dcase_tree.clips(2021)
    for copy in ("first", "second"):
        touch_tree(tmp_path / copy, clips)
    with pytest.raises(UserError, match=r"both hold machine .*: point --base_dir at one"):
        find_recordings(tmp_path)


@pytest.mark.parametrize(
    ("name", "supplement"),
    [
        ("section_00_machine_0001_.wav", "clean"),
        ("section_00_noise_0001_.wav", "noise"),
        ("section_00_machine_source_0000_noAttribute.wav", "clean"),
        ("section_00_source_supplemental_machine_0000_car_A1.wav", "clean"),
        ("section_00_noise_supplemental_normal_0000.wav", "noise"),
    ],
)
def test_supplemental_recordings_are_named_and_not_learnt_from_by_accident(name, supplement, tmp_path):
    for place in (f"supplemental/{name}", "train/section_00_source_train_normal_0000_noAttribute.wav"):
        (tmp_path / "dcase2025" / "fan" / place).parent.mkdir(parents=True)
        (tmp_path / "dcase2025" / "fan" / place).touch()
    rows = find_recordings(tmp_path).set_index("given_split")
    assert rows["supplement"].to_dict() == {"supplemental": supplement, "train": ""}
    assert set(rows["machine_id"]) == {"section_00"}


def test_of_2025_each_machine_has_one_kind_of_supplement(tree):
    table = find_recordings(tree)
    found = table[table["supplement"] != ""].groupby("machine_type")["supplement"].unique().map(list).to_dict()
    clean, noise = ["clean"], ["noise"]
    assert found == {
        **dict.fromkeys(["CoffeeGrinder", "ToyCar", "ToyRCCar"], clean),
        **dict.fromkeys(["ScrewFeeder", "bearing"], noise),
    }


def test_attributes_come_from_the_table_where_names_have_none(tmp_path):
    fan = tmp_path / "dcase2024" / "fan"
    (fan / "train").mkdir(parents=True)
    for number in range(2):
        (fan / "train" / f"section_00_source_train_normal_{number:04d}_noAttribute.wav").touch()
    (fan / "attributes_00.csv").write_text(
        "file_name,d1p,d1v,d2p,d2v\n"
        "fan/train/section_00_source_train_normal_0000_noAttribute.wav,vel,6,loc,A\n"
        "section_00_source_train_normal_0001_noAttribute,vel,8,,\n"  # without folder and ending, as those of toys
    )
    assert list(find_recordings(tmp_path)["attributes"]) == ["vel_6_loc_A", "vel_8"]


# --- with the ground truth


@pytest.mark.parametrize(
    ("year", "kind"),
    [(year, "evaluator") for year in (2021, 2022, 2024, 2026)] + [(year, "list") for year in (2020, 2021, 2024, 2025)],
)
def test_the_truth_of_evaluators_and_of_the_baseline_is_read(year, kind, tmp_path):
    clips = dcase_tree.clips(year)
    truth = write_truth(tmp_path / "truth", clips, kinds=[kind])
    expected = {place: read_from(clip, place, truth=True) for place, clip in places_of(clips).items()}
    assert facts_of(touch_tree(tmp_path / "data", clips), truth=[truth]) == expected


def test_the_labels_of_an_evaluator_count_more_than_those_in_names(tmp_path):
    """Those in the names are wrong for two machine types of 2022."""
    clips = [clip for clip in dcase_tree.clips(2022) if clip.machine_type == dcase_tree.MISTAKEN]
    base = touch_tree(tmp_path / "data", clips)
    truth = write_truth(tmp_path / "truth", clips)
    assert any(map(dcase_tree.is_mistaken, clips))
    assert facts_of(base, truth=[truth]) == {clip.path: read_from(clip, clip.path, truth=True) for clip in clips}


def test_years_whose_machines_have_equal_names_are_not_confused(tmp_path):
    """ToothBrush section_00 was in the evaluation sets of 2024 and of 2026, with other labels."""
    clips = [*dcase_tree.clips(2024), *dcase_tree.clips(2026)]
    brushes = {clip.path: clip for clip in clips if clip.machine_type == "ToothBrush" and clip.split == "eval"}
    labels = {
        year: [clip.label for clip in brushes.values() if clip.dataset == DATASETS[year]][:10] for year in (2024, 2026)
    }
    assert labels[2024] != labels[2026]
    base = touch_tree(tmp_path / "data", clips)
    table = find_recordings(base, truth=[write_truth(tmp_path / "truth", clips)])
    found = dict(zip(table["path"].str.removeprefix(f"{base}/"), table["label"], strict=True))
    assert {place: found[place] for place in brushes} == {place: clip.label for place, clip in brushes.items()}


def test_the_list_of_2020_has_no_year_in_its_own_name(tmp_path):
    """On Zenodo it is called eval_data_list.csv."""
    clips = dcase_tree.clips(2020)
    [table] = write_truth(tmp_path / "truth", clips).rglob("eval_data_list_2020.csv")
    table = table.rename(tmp_path / "eval_data_list.csv")
    base = touch_tree(tmp_path / "data", clips)
    assert "unlabelled" not in set(find_recordings(base, truth=[table])["label"])


def test_single_files_of_an_evaluator_are_enough(tmp_path):
    clips = dcase_tree.clips(2022)
    truth = write_truth(tmp_path / "truth", clips)
    files = sorted(truth.rglob("ground_truth_bearing_section_03_test.csv"))
    assert len(files) == 2  # labels and domains
    table = find_recordings(touch_tree(tmp_path / "data", clips), truth=files)
    assert set(table[table["label"] == "unlabelled"]["machine_type"]) == {"ToyCar"}
    bearing = table[(table["machine_type"] == "bearing") & (table["given_split"] == "eval")]
    assert set(bearing["domain"]) == {"source", "target"}


def copy_as_the_baseline(base, clips, truth):
    """What the baseline adds to a tree of 2021: both domains in test/, and in test_rename/ with labels."""
    for clip in clips:
        if clip.split == "eval":
            home = (base / clip.path).parents[1]
            names = {"test": clip.name} | (
                {"test_rename": clip.full_name} if truth and clip.name != clip.full_name else {}
            )
            for folder, name in names.items():
                (home / folder).mkdir(exist_ok=True)
                shutil.copy2(base / clip.path, home / folder / name)
    return base


@pytest.mark.parametrize("truth", [False, True])
def test_the_copies_that_the_baseline_makes_of_2021_are_read_once(truth, tmp_path):
    clips = dcase_tree.clips(2021)
    base = copy_as_the_baseline(write_tree(tmp_path, clips), clips, truth)
    table = find_recordings(base)
    columns = ["machine_type", "machine_id", "given_split", "label", "domain"]
    expected = [
        (
            *clip.machine[1:],
            clip.split,
            clip.label if truth or clip.name == clip.full_name else "unlabelled",
            clip.domain,
        )
        for clip in clips
    ]
    assert sorted(table[columns].itertuples(index=False, name=None)) == sorted(expected)


# --- attributes as columns


def test_attributes_become_columns(tree):
    table = find_recordings(tree, dataset="dcase2023")
    columns = attributes.columns(table)
    found = table[["machine_type", "given_split", "domain"]].join(columns).query("given_split == 'train'")
    toy_car = found.query("machine_type == 'ToyCar' and domain == 'source'").filter(like="attribute_").drop_duplicates()
    assert [{name: value for name, value in row.items() if value} for row in toy_car.to_dict("records")] == [
        {"attribute_car": "A2", "attribute_spd": "28V", "attribute_mic": "1", "attribute_noise": "1"}
    ]
    fans = found[found["machine_type"] == "fan"]
    assert fans.groupby("domain")["attribute_m-n"].unique().map(list).to_dict() == {"source": ["W"], "target": ["X"]}


def test_hidden_attributes_are_empty(tree):
    table = find_recordings(tree, dataset="dcase2024").query("machine_type == 'gearbox'")
    assert set(table["attributes"]) == {""}
    assert attributes.columns(table).empty
