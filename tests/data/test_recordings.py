import os
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mimii.data.recordings import choose_clips, find_recordings, parse_machine, select, split_for_detection
from mimii.errors import UserError

MACHINE = ["snr", "machine_type", "machine_id"]


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


def make_table(*machines):
    """Rows for machines given as (snr, type, id, normal, abnormal)."""
    rows = [
        (snr, kind, machine_id, label, f"{number:08d}.wav")
        for snr, kind, machine_id, normal, abnormal in machines
        for label, count in (("abnormal", abnormal), ("normal", normal))
        for number in range(count)
    ]
    table = pd.DataFrame(rows, columns=[*MACHINE, "label", "name"]).assign(given_split="", domain="")
    return table.sort_values([*MACHINE, "label", "name"], ignore_index=True)


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


NAMES = st.text(st.characters(categories=["L", "N"], include_characters="_- .,"), min_size=1, max_size=8).filter(
    lambda name: name not in {".", ".."} and "dB" not in name
)


@given(
    minus=st.booleans(),
    decibels=st.integers(0, 99),
    written=st.sampled_from(["{sign}{decibels}dB", "{sign}{decibels}_dB", "{sign}{decibels}_dB_{machine_type}"]),
    between=st.lists(NAMES, max_size=2),
    machine_type=NAMES,
    machine_id=NAMES,
)
def test_any_path_gives_back_what_it_was_made_from(minus, decibels, written, between, machine_type, machine_id):
    for sign in ("-", "min") if minus else ("",):
        snr = written.format(sign=sign, decibels=decibels, machine_type=machine_type)
        path = Path("/data", snr, *between, machine_type, machine_id)
        assert parse_machine(path) == (f"{'min' * minus}{decibels}dB", machine_type, machine_id)


@given(st.lists(NAMES, max_size=5), st.text("/.dB-_6n\n", max_size=30))
def test_whatever_the_path_its_parts_can_be_part_of_no_other_directory(parts, tail):
    for part in parse_machine(Path("/", *parts, tail)):
        assert "/" not in part


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


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4))
def test_split_is_that_of_the_mimii_authors(counts):
    """Baseline's dataset_generator: train = normal[len(abnormal):], eval = normal[:len(abnormal)] + abnormal."""
    table = make_table(*(("6dB", "fan", f"id_{number:02d}", *count) for number, count in enumerate(counts)))
    split = split_for_detection(table)
    assert list(split.index) == list(table.index)
    for _, machine in split.groupby("machine_id"):
        normal = sorted(machine.loc[machine["label"] == "normal", "name"])
        abnormal = sorted(machine.loc[machine["label"] == "abnormal", "name"])
        train, evaluation = machine[machine["split"] == "train"], machine[machine["split"] == "eval"]
        assert sorted(train["name"]) == normal[len(abnormal) :]
        assert set(train["label"]) <= {"normal"}
        assert sorted(evaluation["name"]) == sorted(normal[: len(abnormal)] + abnormal)


def test_split_of_a_machine_does_not_depend_on_the_others():
    alone = split_for_detection(make_table(("6dB", "fan", "id_00", 5, 2)))
    beside = split_for_detection(make_table(("0dB", "fan", "id_00", 9, 1), ("6dB", "fan", "id_00", 5, 2)))
    assert list(beside.loc[beside["snr"] == "6dB", "split"]) == list(alone["split"])


@given(count=st.integers(2, 40), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**32 - 1))
def test_validation_takes_whole_recordings_and_leaves_some(count, fraction, seed):
    table = make_table(("6dB", "fan", "id_00", count, 0))
    chosen = choose_clips(table, fraction, seed, purpose="validation")
    assert chosen.dtype == bool
    assert chosen.shape == (count,)
    assert 1 <= chosen.sum() <= count - 1
    assert abs(chosen.sum() - fraction * count) <= 1
    assert (chosen == choose_clips(table, fraction, seed, purpose="validation")).all()


def test_validation_takes_its_share_of_every_machine():
    table = make_table(("6dB", "fan", "id_00", 20, 0), ("6dB", "pump", "id_02", 10, 0))
    chosen = choose_clips(table, 0.2, 42, purpose="validation")
    assert table[chosen].groupby("machine_type").size().to_dict() == {"fan": 4, "pump": 2}


def test_validation_is_empty_for_a_fraction_of_0_and_for_a_single_recording():
    assert not choose_clips(make_table(("6dB", "fan", "id_00", 9, 0)), 0.0, 42, purpose="validation").any()
    assert not choose_clips(make_table(("6dB", "fan", "id_00", 1, 0)), 0.5, 42, purpose="validation").any()


def test_validation_depends_on_the_seed():
    table = make_table(("6dB", "fan", "id_00", 40, 0))
    choices = {choose_clips(table, 0.5, seed, purpose="validation").tobytes() for seed in range(5)}
    assert len(choices) == 5


def test_validation_of_a_machine_does_not_depend_on_the_others():
    alone = make_table(("6dB", "fan", "id_00", 20, 0))
    beside = make_table(("6dB", "fan", "id_00", 20, 0), ("6dB", "pump", "id_00", 7, 0))
    expected = choose_clips(alone, 0.3, 42, purpose="validation")
    assert (choose_clips(beside, 0.3, 42, purpose="validation")[:20] == expected).all()


def test_real_clips_are_16_machines_of_which_2_can_be_trained(real_clips):
    table = split_for_detection(find_recordings(real_clips))
    assert len(machines_of(table)) == 16
    assert set(table["snr"]) == {"0dB"}
    trainable = table[table["split"] == "train"]
    assert machines_of(trainable) == [("0dB", "fan", "id_00"), ("0dB", "fan", "id_02")]
    counts = table[table["machine_type"] == "fan"].groupby(["machine_id", "split", "label"]).size()
    assert counts["id_00"].to_dict() == {("train", "normal"): 14, ("eval", "normal"): 6, ("eval", "abnormal"): 6}
    assert counts["id_02"].to_dict() == {("train", "normal"): 6, ("eval", "normal"): 4, ("eval", "abnormal"): 4}
