"""Recordings are found, whatever level a directory is, and selected."""

import os
import sys
from pathlib import Path

import pytest

from mimii.data.layouts import parse_machine
from mimii.data.machines import MACHINE
from mimii.data.recordings import find_recordings, fingerprint, select
from mimii.errors import UserError


def touch(base, *machines, normal=2, abnormal=1):
    for machine in machines:
        for label, count in (("normal", normal), ("abnormal", abnormal)):
            folder = base / machine / label
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number:08d}.wav").touch()
    return base


def machines_of(recordings):
    return sorted(set(recordings[MACHINE].itertuples(index=False, name=None)))


@pytest.mark.parametrize(
    ("path", "machine"),
    [
        ("6dB/fan/id_00", ("6dB", "fan", "id_00")),
        ("0dB/pump/id_02", ("0dB", "pump", "id_02")),
        ("min6dB/slider/id_04", ("min6dB", "slider", "id_04")),
        ("6_dB_fan/fan/id_00", ("6dB", "fan", "id_00")),
        ("0_dB_valve/valve/id_06", ("0dB", "valve", "id_06")),
        ("-6_dB_fan/fan/id_00", ("min6dB", "fan", "id_00")),
        ("6_dB_valve/id_00", ("6dB", "valve", "id_00")),
        ("-6dB/fan/id_00", ("min6dB", "fan", "id_00")),
        ("6dB/nested/fan/id_00", ("6dB", "fan", "id_00")),
        ("fan/id_00", ("", "fan", "id_00")),
    ],
)
def test_path_gives_snr_type_and_id(path, machine, tmp_path):
    assert parse_machine(Path("/data") / path) == machine
    assert machines_of(find_recordings(touch(tmp_path, path))) == [machine]


@pytest.mark.parametrize("layout", ["min6dB/fan/id_00", "-6_dB_fan/fan/id_00"])
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_base_dir_may_point_to_any_level(layout, depth, tmp_path):
    touch(tmp_path, layout)
    base = tmp_path.joinpath(*Path(layout).parts[:depth])
    assert machines_of(find_recordings(base)) == [("min6dB", "fan", "id_00")]


def test_relative_base_dir_reads_the_levels_above_it(tmp_path, monkeypatch):
    touch(tmp_path, "6dB/fan/id_00")
    monkeypatch.chdir(tmp_path / "6dB" / "fan")
    for base in (".", "id_00"):
        recordings = find_recordings(Path(base))
        assert machines_of(recordings) == [("6dB", "fan", "id_00")]
        assert all(Path(path).is_absolute() for path in recordings["path"])


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_snr_is_read_from_a_linked_directory_at_every_level(tmp_path):
    touch(tmp_path / "store", "fan/id_00")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "0dB").symlink_to(tmp_path / "store", target_is_directory=True)
    assert machines_of(find_recordings(tmp_path / "data")) == [("0dB", "fan", "id_00")]
    assert machines_of(find_recordings(tmp_path / "data" / "0dB")) == [("0dB", "fan", "id_00")]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_in_a_loop_end(tmp_path):
    touch(tmp_path, "6dB/fan/id_00")
    (tmp_path / "6dB" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert len(find_recordings(tmp_path)) == 3


def test_table_has_the_columns_and_order_that_the_rest_relies_on(tmp_path):
    touch(tmp_path, "6dB/fan/id_02", "0dB/pump/id_00", "6dB/fan/id_00")
    table = find_recordings(tmp_path)
    assert {"path", *MACHINE, "label", "name"} <= set(table.columns)
    keys = list(table[[*MACHINE, "label", "name"]].itertuples(index=False, name=None))
    assert keys == sorted(keys)
    assert set(table["label"]) == {"normal", "abnormal"}
    assert all(Path(row.path).is_file() and Path(row.path).name == row.name for row in table.itertuples(index=False))


def test_attributes_are_a_column_and_do_not_change_what_a_recording_is(tmp_path):
    names = ("section_00_source_train_normal_0000_cafe\u0301_1", "section_00_source_train_normal_0001_noAttribute")
    (tmp_path / "fan" / "train").mkdir(parents=True)
    for name in names:
        (tmp_path / "fan" / "train" / f"{name}.wav").touch()
    table = find_recordings(tmp_path)
    assert list(table["attributes"]) == ["caf\xe9_1", ""]
    assert fingerprint(table) == fingerprint(table.assign(attributes="x"))
    assert fingerprint(table)[0][:5] == ["", "fan", "section_00", "normal", table["name"].iloc[0]]


def test_mimii_has_no_attributes(tmp_path):
    assert set(find_recordings(touch(tmp_path, "6dB/fan/id_00"))["attributes"]) == {""}


def test_only_wavs_count_whatever_the_case_of_their_ending(tmp_path):
    touch(tmp_path, "6dB/fan/id_00")
    normal = tmp_path / "6dB" / "fan" / "id_00" / "normal"
    for name in ("upper.WAV", "notes.txt", "._00000000.wav"):
        (normal / name).touch()
    names = set(find_recordings(tmp_path)["name"])
    assert names == {"00000000.wav", "00000001.wav", "upper.WAV"}


def test_other_directories_are_no_machines(tmp_path):
    touch(tmp_path, "6dB/fan/id_00")
    (tmp_path / "6dB" / "fan" / "id_00" / "other").mkdir()
    (tmp_path / "6dB" / "fan" / "id_00" / "other" / "x.wav").touch()
    (tmp_path / "6dB" / "fan" / "id_02" / "normal").mkdir(parents=True)
    assert machines_of(find_recordings(tmp_path)) == [("6dB", "fan", "id_00")]


def test_missing_base_dir_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        find_recordings(tmp_path / "nowhere")


def test_base_dir_that_is_a_file_is_named(tmp_path):
    (tmp_path / "data.zip").touch()
    with pytest.raises(UserError, match=r"data\.zip"):
        find_recordings(tmp_path / "data.zip")


def test_base_dir_without_recordings_tells_the_layout_and_what_is_there(tmp_path):
    (tmp_path / "holiday_photos").mkdir()
    (tmp_path / "fan.zip").touch()
    with pytest.raises(UserError) as caught:
        find_recordings(tmp_path)
    message = str(caught.value)
    assert all(word in message for word in ("normal", "abnormal", "wav", "holiday_photos", "fan.zip"))
    assert "\n" not in message


def test_a_machine_that_is_there_twice_is_refused_with_both_places(tmp_path):
    touch(tmp_path, "6dB/fan/id_00", "6_dB_fan/fan/id_00")
    with pytest.raises(UserError) as caught:
        find_recordings(tmp_path)
    assert "6_dB_fan" in str(caught.value)
    assert str(Path("6dB") / "fan") in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such names there")
@pytest.mark.parametrize("name", [b"id_00\n", b"id\r_00", b"id_00\x1b[2J", b"id_\xe9"])
def test_a_machine_whose_name_is_no_plain_text_is_refused_in_one_line(name, tmp_path):
    touch(tmp_path, f"6dB/fan/{os.fsdecode(name)}")
    with pytest.raises(UserError, match="rename") as caught:
        find_recordings(tmp_path)
    assert str(caught.value).isprintable()


def test_selection_keeps_what_has_all_wanted_values(tmp_path):
    touch(tmp_path, "6dB/fan/id_00", "6dB/fan/id_02", "0dB/fan/id_00", "0dB/pump/id_00")
    recordings = find_recordings(tmp_path)
    assert machines_of(select(recordings, snr=None, machine_type=None, machine_id=None)) == machines_of(recordings)
    assert machines_of(select(recordings, snr=["0dB"])) == [("0dB", "fan", "id_00"), ("0dB", "pump", "id_00")]
    assert machines_of(select(recordings, machine_type=["fan"], machine_id=["id_02", "id_00"])) == [
        ("0dB", "fan", "id_00"),
        ("6dB", "fan", "id_00"),
        ("6dB", "fan", "id_02"),
    ]


def test_selected_value_that_is_nowhere_is_named_with_those_that_are(tmp_path):
    recordings = find_recordings(touch(tmp_path, "6dB/fan/id_00", "6dB/pump/id_02"))
    with pytest.raises(UserError, match=r"(?s)valve.*fan, pump"):
        select(recordings, machine_type=["fan", "valve"])


def test_selections_that_exclude_each_other_are_refused(tmp_path):
    recordings = find_recordings(touch(tmp_path, "6dB/fan/id_00", "6dB/pump/id_02"))
    with pytest.raises(UserError):
        select(recordings, machine_type=["fan"], machine_id=["id_02"])
