"""Recordings below one directory are told apart by data set, and each data set knows its challenge."""

from pathlib import Path

import pytest

from mimii.data.datasets import challenge_year, data_sets, year_of
from mimii.data.recordings import find_recordings
from mimii.errors import UserError

TRAIN = "section_00_source_train_normal_0000_vel_1.wav"
TEST = "section_00_source_test_normal_0000_vel_1.wav"
HIDDEN = "section_00_0000.wav"


def touch(base, *places):
    for place in places:
        (base / place).parent.mkdir(parents=True, exist_ok=True)
        (base / place).touch()
    return base


def names_of(base, **options):
    """The data set of each recording, by its path below ``base``."""
    table = find_recordings(base, **options)
    return {
        Path(path).relative_to(base).as_posix(): name
        for path, name in zip(table["path"], table["dataset"], strict=True)
    }


@pytest.mark.parametrize(
    ("name", "year"),
    [
        ("dcase2023t2", "2023"),
        ("DCASE 2024", "2024"),
        ("dcase_challenge_2025", "2025"),
        ("dcase2022_task2_evaluator", "2022"),
        ("2026", "2026"),
        ("2023_dev", "2023"),
        ("rig_2024-05-03", ""),
        ("20240503", ""),
        ("dcase", ""),
        ("fan_2019", ""),
        ("thesis2021", ""),
        ("2021s", ""),
        ("task2_2022", "2022"),
        ("asd 2023 eval", "2023"),
    ],
)
def test_a_name_says_a_year(name, year):
    assert year_of(name) == year


@pytest.mark.parametrize(
    "folder", ["dcase2023", "dcase2023t2/dev_data/raw", "DCASE2023 development", "2023", "x/dcase2023/y/z"]
)
def test_the_year_in_a_folder_names_the_data_set(folder, tmp_path):
    assert set(names_of(touch(tmp_path, f"{folder}/fan/train/{TRAIN}")).values()) == {"dcase2023"}


@pytest.mark.parametrize("below", ["", "raw", "raw/fan", "raw/fan/train"])
def test_the_folder_may_lie_above_what_is_looked_at(below, tmp_path):
    touch(tmp_path, f"dcase2023/raw/fan/train/{TRAIN}")
    assert set(find_recordings(tmp_path / "dcase2023" / below)["dataset"]) == {"dcase2023"}


@pytest.mark.parametrize("below", [".", "thesis2021", "thesis2021/data", "thesis2021/data/fan"])
@pytest.mark.parametrize("above", ["", "2024/a/b/c/"])
def test_a_year_in_other_names_says_nothing_wherever_somebody_looks_from(above, below, tmp_path):
    touch(tmp_path, f"{above}thesis2021/data/fan/train/{TRAIN}")
    table = find_recordings(tmp_path / above / below)
    assert set(table["dataset"]) == {"thesis2021"}
    assert challenge_year(table) == 2022


def test_without_a_year_the_folder_above_the_machine_types_is_the_data_set(tmp_path):
    touch(tmp_path, f"mine/raw/fan/train/{TRAIN}")
    assert set(names_of(tmp_path / "mine").values()) == {"mine"}
    touch(tmp_path, f"parts/a_train/fan/train/{TRAIN}", f"parts/a_test/fan/test/{TEST}")
    assert set(names_of(tmp_path / "parts").values()) == {"parts"}


def test_several_years_below_one_directory_are_told_apart_also_with_two_layouts(tmp_path):
    places = {
        "dcase2020/fan/train/normal_id_00_00000000.wav": "dcase2020",
        f"dcase2023/fan/train/{TRAIN}": "dcase2023",
        f"dcase2024/fan/train/{TRAIN}": "dcase2024",
    }
    assert names_of(touch(tmp_path, *places)) == places
    table = find_recordings(tmp_path)
    assert {name: challenge_year(rows) for name, rows in data_sets(table)} == {
        "dcase2020": 2020,
        "dcase2023": 2023,
        "dcase2024": 2024,
    }
    assert dict(zip(table["dataset"], table["layout"], strict=True))["dcase2020"] == "dcase2020"


def test_parts_of_a_year_in_several_folders_are_one_data_set_and_copies_are_refused(tmp_path):
    touch(
        tmp_path,
        f"dcase2023_dev/fan/train/{TRAIN}",
        f"dcase2023_dev/fan/test/{TEST}",
        f"dcase2023_add/shaker/train/{TRAIN}",
        f"dcase2023_eval/shaker/test/{HIDDEN}",
    )
    table = find_recordings(tmp_path)
    assert set(table["dataset"]) == {"dcase2023"}
    assert dict(zip(table["machine_type"], table["part"], strict=True)) == {
        "fan": "development",
        "shaker": "evaluation",
    }
    touch(tmp_path, f"dcase2023_copy/fan/train/{TRAIN}")
    with pytest.raises(UserError, match="both hold machine 'fan section_00'"):
        find_recordings(tmp_path)


def test_a_name_is_given_to_one_data_set_and_chosen_among_several(tmp_path):
    touch(tmp_path, f"a/fan/train/{TRAIN}")
    assert set(names_of(tmp_path, dataset="dcase2022").values()) == {"dcase2022"}
    touch(tmp_path, f"dcase2023/fan/train/{TRAIN}")
    assert list(names_of(tmp_path, dataset="dcase2023")) == [f"dcase2023/fan/train/{TRAIN}"]
    with pytest.raises(UserError, match="none of the data sets there, which are a, dcase2023"):
        find_recordings(tmp_path, dataset="dcase2024")


def test_a_folder_that_says_the_year_is_not_called_by_another(tmp_path):
    touch(tmp_path, f"dcase2023/fan/train/{TRAIN}", "x.txt")
    assert set(names_of(tmp_path, dataset="2023").values()) == {"dcase2023"}
    for name in ("dcase2024", "mine"):
        with pytest.raises(UserError, match="a folder above the recordings says dcase2023"):
            find_recordings(tmp_path, dataset=name)
    with pytest.raises(UserError, match="has no name"):
        find_recordings(tmp_path, dataset=" ")


def test_a_chosen_data_set_needs_no_order_in_the_others(tmp_path):
    places = [f"dcase2024/{copy}/fan/train/{TRAIN}" for copy in ("a", "b")]
    touch(tmp_path, *places, f"dcase2023/fan/train/{TRAIN}", "6dB/fan/id_00/normal/0.wav")
    assert set(find_recordings(tmp_path, dataset="dcase2023")["dataset"]) == {"dcase2023"}
    assert set(find_recordings(tmp_path, dataset="mimii")["layout"]) == {"mimii"}
    with pytest.raises(UserError, match="--dataset dcase2023 or dcase2024 or mimii"):
        find_recordings(tmp_path)


def test_mimii_has_a_name_where_somebody_gives_it_one(tmp_path):
    touch(tmp_path, "dcase2023/6dB/fan/id_00/normal/0.wav")
    assert set(names_of(tmp_path).values()) == {""}
    assert set(names_of(tmp_path, dataset="mine").values()) == {"mine"}
    assert set(find_recordings(tmp_path)["part"]) == {""}


@pytest.mark.parametrize(
    ("place", "year"),
    [
        ("x/fan/train/normal_id_00_00000000.wav", 2020),
        ("x/fan/source_test/section_00_source_test_normal_0000.wav", 2021),
        (f"x/fan/test/{TEST}", 2022),
    ],
)
def test_without_a_year_the_names_say_whose_score_it_is(place, year, tmp_path):
    assert challenge_year(find_recordings(touch(tmp_path, place))) == year


@pytest.mark.parametrize(
    ("places", "part"),
    [
        ([f"dcase2023/fan/train/{TRAIN}", f"dcase2023/fan/test/{TEST}"], "development"),
        ([f"dcase2023/fan/train/{TRAIN}", f"dcase2023/fan/test/{HIDDEN}"], "evaluation"),
        ([f"dcase2023/fan/train/{TRAIN}", f"dcase2023/fan/test_rename/{TEST}"], "evaluation"),
        ([f"dcase2023/fan/train/{TRAIN}"], "evaluation"),
        ([f"dcase2023/dev_data/fan/train/{TRAIN}"], "development"),
        ([f"dcase2023/dev_fan/fan/train/{TRAIN}"], "development"),
        ([f"DCASE 2023 development/raw/fan/train/{TRAIN}"], "development"),
        ([f"dev/dcase2023/fan/train/{TRAIN}"], "evaluation"),
        ([f"device/dcase2023/fan/train/{TRAIN}"], "evaluation"),
    ],
)
def test_the_part_of_a_machine_is_that_of_its_clips_for_evaluation(places, part, tmp_path):
    assert set(find_recordings(touch(tmp_path, *places))["part"]) == {part}


def test_supplemental_recordings_say_what_they_hold(tmp_path):
    names = {
        "section_00_machine_0001_.wav": "clean",
        "section_00_machine_source_0002_noAttribute.wav": "clean",
        "section_00_source_supplemental_machine_0003.wav": "clean",
        "section_00_noise_supplemental_normal_0004.wav": "noise",
    }
    touch(tmp_path, f"dcase2025/fan/train/{TRAIN}", *(f"dcase2025/fan/supplemental/{name}" for name in names))
    table = find_recordings(tmp_path).set_index("given_split").loc["supplemental"]
    assert {Path(path).name: kind for path, kind in zip(table["path"], table["supplement"], strict=True)} == names
    assert set(table["label"]) == {"normal"}


def test_clips_that_the_baseline_copied_into_test_count_once(tmp_path):
    for folder in ("source_test", "test"):
        path = tmp_path / f"dcase2021/fan/{folder}/section_00_source_test_normal_0000.wav"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"RIFF the same")
    assert [Path(path).parent.name for path in find_recordings(tmp_path)["path"]] == ["source_test"]
