"""Labels that the organisers publish after a challenge reach the clips that they are of."""

from pathlib import Path

import pytest

from mimii.data.recordings import find_recordings
from mimii.errors import UserError


@pytest.fixture
def data(tmp_path):
    """The evaluation sets of two years with the same machine type and the same names."""
    base = tmp_path / "data"
    for year in (2023, 2024):
        for folder, names in {
            "train": ["section_00_source_train_normal_0000_vel_1"],
            "test": [f"section_00_{number:04d}" for number in range(4)],
        }.items():
            for name in names:
                path = base / f"dcase{year}" / "ToyDrone" / folder / f"{name}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    return base


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def evaluated(base, *truth, dataset="dcase2023"):
    """Label, domain and attributes of each clip for evaluation of a data set, by its number."""
    table = find_recordings(base, truth=truth)
    table = table[(table["dataset"] == dataset) & (table["given_split"] == "eval")]
    numbers = [int(Path(path).stem[-4:]) for path in table["path"]]
    rows = table[["label", "domain", "attributes"]].itertuples(index=False, name=None)
    return dict(zip(numbers, rows, strict=True))


NAMES = [
    "section_00_source_test_normal_0000_car_C1_spd_1",
    "section_00_target_test_anomaly_0012_car_C2_spd_7.5V",
    "section_00_target_test_normal_0001_noAttribute",
    "section_00_source_test_anomaly_0003_noAttribute",
]
KNOWN = {
    0: ("normal", "source", "car_C1_spd_1"),
    1: ("abnormal", "target", "car_C2_spd_7.5V"),
    2: ("normal", "target", ""),
    3: ("abnormal", "source", ""),
}


def evaluator(base, year=2023, folders=("data", "domain", "attributes")):
    """The three folders of an evaluator's repository."""
    lines = {
        "data": [f"section_00_{number:04d}.wav,{number % 2}" for number in range(4)],
        "domain": [f"section_00_{number:04d}.wav,{int(number in (1, 2))}" for number in range(4)],
        "attributes": [f"section_00_{number:04d}.wav,{name}" for number, name in enumerate(NAMES)],
    }
    home = base / f"dcase{year}_task2_evaluator"
    for folder in folders:
        write(home / f"ground_truth_{folder}" / "ground_truth_ToyDrone_section_00_test.csv", *lines[folder])
    write(home / "teams" / "anomaly_score_ToyDrone_section_00_test.csv", "section_00_0000.wav,0.5")  # is none
    return home


def test_the_three_folders_of_an_evaluator_say_label_domain_and_attributes(data, tmp_path):
    assert evaluated(data, evaluator(tmp_path)) == KNOWN
    assert {facts[0] for facts in evaluated(data, evaluator(tmp_path), dataset="dcase2024").values()} == {"unlabelled"}


def test_labels_alone_leave_the_rest_empty(data, tmp_path):
    found = evaluated(data, evaluator(tmp_path, folders=["data"]))
    assert found == {number: (label, "", "") for number, (label, _, _) in KNOWN.items()}


def test_the_list_of_the_baseline_names_clips_by_their_machine_type(data, tmp_path):
    lines = [f"section_00_{number:04d}.wav,{name}.wav" for number, name in enumerate(NAMES)]
    others = ["bandsaw", f"section_00_0000.wav,{NAMES[1]}.wav"]
    assert evaluated(data, write(tmp_path / "eval_data_list_2023.csv", "ToyDrone", *lines, *others)) == KNOWN


def test_2020s_list_has_a_third_column(tmp_path):
    for name in ("id_01_00000000.wav", "id_01_00000001.wav"):
        path = tmp_path / "dcase2020" / "fan" / "test" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    lines = ["id_01_00000000.wav,normal_id_01_00000000.wav,0", "id_01_00000001.wav,anomaly_id_01_00000000.wav,1"]
    found = evaluated(tmp_path, write(tmp_path / "eval_data_list.csv", "fan", *lines), dataset="dcase2020")
    assert [facts[0] for facts in found.values()] == ["abnormal", "normal"]


def test_a_number_counts_where_a_name_says_something_else(data, tmp_path, caplog):
    """As in 2022, whose names of ToyCar and ToyTrain have other labels than its evaluator."""
    home = evaluator(tmp_path)
    swapped = [f"section_00_{number:04d}.wav,{NAMES[number ^ 1]}" for number in range(4)]
    write(home / "ground_truth_attributes" / "ground_truth_ToyDrone_section_00_test.csv", *swapped)
    assert [facts[0] for _, facts in sorted(evaluated(data, home).items())] == ["normal", "abnormal"] * 2
    assert "4 clip(s), such as section_00_0000 of dcase2023" in caplog.text
    assert "the numbers count" in caplog.text


def test_the_numbers_count_for_renamed_copies_too(tmp_path, caplog):
    """The baseline names its copies by a list, some of whose labels are not those of the evaluator."""
    for number in range(4):
        for folder, name in (("test", f"section_00_{number:04d}"), ("test_rename", NAMES[number ^ 1])):
            path = tmp_path / "data" / "dcase2023" / "ToyDrone" / folder / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"RIFF" + bytes([number]))
    table = find_recordings(tmp_path / "data", truth=[evaluator(tmp_path, folders=["data", "domain"])])
    assert set(table["name"].str.partition("/")[0]) == {"test_rename"}
    found = {int(name[11:15]): tuple(facts) for name, *facts in table[["published_as", "label", "domain"]].to_numpy()}
    assert found == {number: facts[:2] for number, facts in KNOWN.items()}
    assert "4 recording(s) of test_rename/ have another label" in caplog.text


def test_a_year_that_is_not_known_is_said(data, tmp_path, caplog):
    evaluator(tmp_path).rename(tmp_path / "truth")
    assert evaluated(data / "dcase2023", tmp_path / "truth") == KNOWN
    assert "has no year in its path and is taken for that of dcase2023" in caplog.text


def test_2022s_lists_of_attributes_have_a_heading_and_a_folder_a_machine_type(data, tmp_path):
    heading = "file_name,d1p,d1v,file_name_with_full_attributes"
    lines = [f"ToyDrone/test/section_00_{n:04d}.wav,car,C1,ToyDrone/test/{name}.wav" for n, name in enumerate(NAMES)]
    home = tmp_path / "dcase2023" / "ground_truth_attributes"
    write(home / "ToyDrone" / "attributes_00.csv", heading, *lines)
    assert evaluated(data, home) == KNOWN


def test_a_file_without_a_year_that_fits_two_data_sets_is_refused(data, tmp_path):
    path = write(tmp_path / "ground_truth_ToyDrone_section_00_test.csv", "section_00_0000.wav,1")
    with pytest.raises(UserError, match=r"fits the data sets dcase2023 and dcase2024; put it into a folder"):
        evaluated(data, path)
    found = find_recordings(data / "dcase2023", truth=[path])
    assert (found["label"] == "abnormal").sum() == 1


def test_a_data_set_without_a_year_takes_the_only_file_there_is(data, tmp_path):
    (data / "dcase2023").rename(data / "mine")
    assert evaluated(data / "mine", evaluator(tmp_path), dataset="mine") == KNOWN


def test_clips_that_are_not_there_are_named(data, tmp_path, caplog):
    home = evaluator(tmp_path, folders=["data"])
    path = home / "ground_truth_data" / "ground_truth_ToyDrone_section_00_test.csv"
    path.write_text(path.read_text() + "section_00_0007.wav,1\n")
    evaluated(data, home)
    assert "1 more clip(s)" in caplog.text
    assert "section_00_0007" in caplog.text


def test_two_numbers_that_contradict_each_other_are_refused(data, tmp_path):
    home = evaluator(tmp_path, folders=["data"])
    path = home / "ground_truth_data" / "ground_truth_ToyDrone_section_00_test.csv"
    path.write_text(path.read_text() + "section_00_0001.wav,0\n")
    with pytest.raises(UserError, match="says normal of section_00_0001, and before it was abnormal"):
        evaluated(data, home)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda base: base / "nowhere", "does not exist"),
        (lambda base: write(base / "empty" / "x.csv", "a,b").parent, "holds no ground_truth_<machine type>"),
        (lambda base: write(base / "labels.csv", "section_00_0000.wav,1"), "is no ground truth by its name"),
        (
            lambda base: write(base / "dcase2023" / "ground_truth_fan_section_00_test.csv", "section_00_0000.wav,1"),
            "is of dcase2023 and names no clip of dcase2023, dcase2024",
        ),
        (
            lambda base: write(base / "ground_truth_ToyDrone_section_00_test.csv", "section_00_0000.wav,2"),
            "line 1: '2' is neither 0 nor 1 nor the name of a clip",
        ),
        (
            lambda base: write(base / "ground_truth_ToyDrone_section_00_test.csv", "section_00_0000.wav,1", "x,1"),
            "line 2: 'x,1' does not say what a clip is",
        ),
    ],
)
def test_what_is_no_ground_truth_is_one_clear_line(make, message, data, tmp_path):
    with pytest.raises(UserError, match="--ground_truth") as caught:
        find_recordings(data, truth=[make(tmp_path)])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
