"""Every audio file below a directory is used or counted, and the parts of a data set come together."""

import os
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mimii.data.machines import MACHINE
from mimii.data.recordings import find_recordings, fingerprint, select
from mimii.errors import UserError


def touch(base, *places):
    for place in places:
        (base / place).parent.mkdir(parents=True, exist_ok=True)
        (base / place).touch()
    return base


def found(base, **kwargs):
    """Machine, label, name and split of each recording, by its path below ``base``."""
    table = find_recordings(base, **kwargs)
    columns = [*MACHINE, "label", "name", "given_split"]
    places = [Path(path).relative_to(base).as_posix() for path in table["path"]]
    return dict(zip(places, table[columns].itertuples(index=False, name=None), strict=True))


def write_sound(path, seed, length=400):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).integers(-3000, 3000, length, dtype=np.int16)
    soundfile.write(path, samples, 16000, subtype="PCM_16")


# --- nothing is passed over


def test_what_is_not_used_is_counted_in_one_warning_with_the_first_path_and_the_reason(tmp_path, caplog):
    used = ["6dB/fan/id_00/normal/0.wav", "6dB/fan/id_00/abnormal/0.wav"]
    touch(tmp_path, *used, "6dB/fan/id_00/other/a.wav", "6dB/fan/id_00/other/b.flac", "6dB/fan/id_00/normal/1.mp3")
    assert sorted(found(tmp_path)) == sorted(used)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    message = record.getMessage()
    assert "3 audio files" in message
    assert f"2 in no folder normal/ or abnormal/ (the first is {Path('6dB/fan/id_00/other/a.wav')})" in message
    assert (
        f"1 of the format mp3, which is not read: convert to wav (the first is {Path('6dB/fan/id_00/normal/1.mp3')})"
        in message
    )


def test_a_data_set_that_is_used_as_a_whole_gives_no_warning(tmp_path, caplog):
    found(touch(tmp_path, "6dB/fan/id_00/normal/0.wav", "6dB/fan/id_00/normal/notes.txt", "6dB/fan/README.md"))
    assert not caplog.records


def test_recordings_may_lie_deeper_than_their_label(tmp_path, caplog):
    touch(tmp_path, "6dB/fan/id_00/normal/0.wav", "6dB/fan/id_00/normal/day2/am/0.wav", "x/train/day2/id_00_0.wav")
    machine = ("6dB", "fan", "id_00", "normal")
    assert found(tmp_path, layout="mimii") == {
        "6dB/fan/id_00/normal/0.wav": (*machine, "0.wav", ""),
        "6dB/fan/id_00/normal/day2/am/0.wav": (*machine, "day2/am/0.wav", ""),
    }
    name = ("", "x", "id_00", "unlabelled", "train/day2/id_00_0.wav", "train")
    assert found(tmp_path, layout="dcase2020") == {"x/train/day2/id_00_0.wav": name}
    assert len(caplog.records) == 2


def test_a_label_folder_inside_the_same_one_is_a_part_of_it_and_inside_the_other_is_not_used(tmp_path, caplog):
    touch(tmp_path, "fan/id_00/normal/normal/0.wav", "fan/id_00/normal/abnormal/0.wav")
    assert found(tmp_path) == {"fan/id_00/normal/normal/0.wav": ("", "fan", "id_00", "normal", "normal/0.wav", "")}
    assert "inside that of the other" in caplog.text


def test_a_data_set_called_normal_makes_no_recordings_of_what_lies_beside_its_machines(tmp_path, caplog):
    base = touch(tmp_path / "normal", "6dB/fan/id_00/abnormal/day1/0.wav", "6dB/fan/notes/0.wav")
    assert list(found(base)) == ["6dB/fan/id_00/abnormal/day1/0.wav"]
    assert "beside machines" in caplog.text


@pytest.mark.parametrize(
    ("folder", "label"),
    [("Normal", "normal"), ("NORMAL", "normal"), ("Abnormal", "abnormal"), ("anomaly", "abnormal")],
)
def test_folders_of_labels_are_known_by_other_spellings(folder, label, tmp_path, caplog):
    assert found(touch(tmp_path, f"fan/id_00/{folder}/0.wav")) == {
        f"fan/id_00/{folder}/0.wav": ("", "fan", "id_00", label, "0.wav", "")
    }
    assert not caplog.records


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aif", "aiff", "FLAC", "Wav"])
def test_formats_that_are_read(suffix, tmp_path, caplog):
    assert (
        len(found(touch(tmp_path, f"fan/id_00/normal/0.{suffix}", f"x/test/normal_id_00_0.{suffix}"), layout="mimii"))
        == 1
    )
    assert len(found(tmp_path, layout="dcase2020")) == 1


def test_the_same_recording_in_two_formats_is_used_once(tmp_path, caplog):
    touch(tmp_path, "fan/id_00/normal/0.flac", "fan/id_00/normal/0.wav", "fan/id_00/normal/1.flac")
    assert list(found(tmp_path)) == ["fan/id_00/normal/0.wav", "fan/id_00/normal/1.flac"]
    assert "1 in another format beside the same name" in caplog.text


def test_names_of_no_layout_in_test_and_supplemental_recordings_are_counted(tmp_path, caplog):
    touch(
        tmp_path,
        "fan/train/section_00_source_train_normal_0000_a.wav",
        "fan/test/sec_00_0000.wav",
        "fan/supplemental/section_00_0000.wav",
    )
    assert len(found(tmp_path)) == 1
    [record] = caplog.records
    assert "neither with a name of the layout" in record.getMessage()
    assert "in supplemental/" in record.getMessage()


def test_recordings_without_any_structure_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(UserError) as caught:
        find_recordings(touch(tmp_path, "a.wav", "b.wav", "c.mp3"))
    message = str(caught.value)
    assert all(word in message for word in ("3 audio files", "a.wav", "mp3", "<machine>/normal", "<machine>/abnormal"))
    assert "\n" not in message


# --- rubbish


RUBBISH = "$RECYCLE.BIN/S-1-5 #recycle @Recycle .Trash-1000/files lost+found Trash @eaDir __MACOSX RECYCLER FOUND.000"


@pytest.mark.parametrize("folder", [*RUBBISH.split(), "Recycle Bin", "System Volume Information"])
@pytest.mark.parametrize("above", ["", "6dB/fan/"])
def test_rubbish_is_no_data(above, folder, tmp_path, caplog):
    touch(tmp_path, "6dB/fan/id_00/normal/0.wav", f"{above}{folder}/6dB/pump/id_02/normal/0.wav")
    assert list(found(tmp_path)) == ["6dB/fan/id_00/normal/0.wav"]
    assert not caplog.records


def test_names_that_only_look_like_rubbish_are_data(tmp_path):
    machines = ["AutoTrash", "#1", "recycler_pump", "@home"]
    table = find_recordings(touch(tmp_path, *(f"6dB/{machine}/id_00/normal/0.wav" for machine in machines)))
    assert set(table["machine_type"]) == set(machines)


# --- splits and parts


def test_train_and_test_above_the_labels_are_the_split(tmp_path):
    touch(tmp_path, "press/train/normal/0.wav", "press/Test/normal/0.wav", "press/Test/abnormal/0.wav")
    machine = ("", tmp_path.name, "press")
    assert found(tmp_path) == {
        "press/Test/abnormal/0.wav": (*machine, "abnormal", "Test/0.wav", "eval"),
        "press/Test/normal/0.wav": (*machine, "normal", "Test/0.wav", "eval"),
        "press/train/normal/0.wav": (*machine, "normal", "train/0.wav", "train"),
    }


@pytest.mark.parametrize(
    "pattern",
    [
        "{split}/fan/id_00/{label}",
        "fan/{split}/id_00/{label}",
        "fan/id_00/{split}/{label}",
        "fan/id_00/{label}/{split}",
    ],
)
def test_the_split_may_stand_at_any_level_below_the_data_set(pattern, tmp_path):
    parts = [("train", "normal"), ("test", "normal"), ("test", "abnormal")]
    touch(tmp_path, *(f"{pattern.format(split=split, label=label)}/0.wav" for split, label in parts))
    table = find_recordings(tmp_path)
    assert set(table[MACHINE].itertuples(index=False, name=None)) == {("", "fan", "id_00")}
    splits = sorted(table[["label", "given_split"]].itertuples(index=False, name=None))
    assert splits == [("abnormal", "eval"), ("normal", "eval"), ("normal", "train")]
    assert table["name"].nunique() >= 2


def test_a_validation_part_is_not_used(tmp_path, caplog):
    touch(tmp_path, "fan/train/normal/0.wav", "fan/test/abnormal/0.wav", "fan/val/normal/0.wav")
    assert len(found(tmp_path)) == 2
    assert "1 for validation" in caplog.text


def test_clips_for_training_without_a_label_do_not_make_a_machine_of_the_others(tmp_path, caplog):
    touch(tmp_path, "fan/train/0.wav", "fan/test/normal/0.wav", "fan/test/abnormal/0.wav")
    assert {facts[-1] for facts in found(tmp_path).values()} == {"eval"}
    assert str(Path("fan/train/0.wav")) in caplog.text


def test_a_machine_called_test_alone_is_one_and_is_said_to_be(tmp_path, caplog):
    touch(tmp_path, "rig/test/normal/0.wav", "rig/test/abnormal/0.wav")
    assert {facts[:3] for facts in found(tmp_path).values()} == {("", "rig", "test")}
    assert "rig test" in caplog.text


@pytest.mark.parametrize(
    "places",
    [
        ["a/6dB/fan/id_00/normal/0.wav", "b/6dB/fan/id_00/abnormal/0.wav"],
        ["a/6dB/fan/id_00/normal/0.wav", "b/6dB/fan/id_00/normal/1.wav"],
        ["a_train/fan/train/normal_id_00_0.wav", "a_test/fan/test/normal_id_00_0.wav"],
    ],
)
def test_parts_that_do_not_overlap_are_joined(places, tmp_path, caplog):
    caplog.set_level("INFO")
    assert sorted(found(touch(tmp_path, *places))) == sorted(places)
    assert "joined" in caplog.text


@pytest.mark.parametrize(
    "places",
    [
        ["a/6dB/fan/id_00/normal/0.wav", "b/6dB/fan/id_00/normal/0.wav"],
        ["a/6dB/fan/id_00/normal/0.wav", "b/6dB/fan/id_00/normal/0.flac"],
        ["a/6dB/fan/id_00/normal/0.wav", "a/6dB/fan/id_00/Normal/0.wav"],
        [
            "2023/fan/train/section_00_source_train_normal_0000_m-n_W.wav",
            "2023_copy/fan/train/section_00_source_train_normal_0000_noAttribute.wav",
        ],
    ],
)
def test_two_data_sets_with_the_same_recordings_are_refused(places, tmp_path):
    touch(tmp_path, *places)
    if len(list(tmp_path.rglob("0*.*"))) + len(list(tmp_path.rglob("section*"))) < 2:
        pytest.skip("the disk does not tell capital letters from small ones")
    with pytest.raises(UserError, match="both hold machine"):
        find_recordings(tmp_path)


def test_labelled_copies_in_test_rename_are_used_in_place_of_the_clips_without_labels(tmp_path, caplog):
    caplog.set_level("INFO")
    write_sound(tmp_path / "fan/train/section_00_source_train_normal_0000_a.wav", 0)
    labels = ["normal", "anomaly", "normal"]
    for number, label in enumerate(labels):
        write_sound(tmp_path / f"fan/test/section_00_{number:04d}.wav", 1 + number)
        write_sound(tmp_path / f"fan/test_rename/section_00_source_test_{label}_{number:04d}_a.wav", 1 + number)
    write_sound(tmp_path / "fan/test/section_00_0009.wav", 9)
    table = find_recordings(tmp_path)
    folders = [Path(path).parent.name for path in table["path"]]
    assert sorted(zip(folders, table["label"], table["given_split"], strict=True)) == [
        ("test", "unlabelled", "eval"),
        ("test_rename", "abnormal", "eval"),
        ("test_rename", "normal", "eval"),
        ("test_rename", "normal", "eval"),
        ("train", "normal", "train"),
    ]
    assert "3 recordings of test/" in caplog.text


# --- what tells recordings apart


@pytest.mark.parametrize("length", [400, 100_000])
def test_a_copied_or_touched_data_set_is_the_same_and_one_with_other_sounds_is_another(length, tmp_path):
    for number, name in enumerate(["one", "copy", "other"]):
        path = tmp_path / name / "6dB/fan/id_00/normal/0.wav"
        write_sound(path, seed=name == "other", length=length)
        os.utime(path, (0, number if name == "copy" else 0))
    one, copy, other = (fingerprint(find_recordings(tmp_path / name)) for name in ("one", "copy", "other"))
    assert one == copy != other


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes on the disk")
def test_a_pipe_blocks_nobody(tmp_path):
    touch(tmp_path, "fan/id_00/normal/0.wav")
    os.mkfifo(tmp_path / "fan/id_00/normal/1.wav")
    assert list(find_recordings(tmp_path)["digest"])[1] == ""


# --- names


def test_names_that_look_like_no_value_are_names(tmp_path):
    names = ["001", "1", "NA", "None", "nan", "null"]
    table = find_recordings(touch(tmp_path, *(f"6dB/{name}/{name}/normal/0.wav" for name in names)))
    assert list(table["machine_id"]) == list(table["machine_type"]) == names
    for name in names:
        assert len(select(table, machine_type=[name], machine_id=[name])) == 1


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_composed_and_decomposed_letters_are_the_same(form, typed, tmp_path):
    machine, wanted = (unicodedata.normalize(each, "Lüfter") for each in (form, typed))
    touch(tmp_path, f"{machine}/6dB/fan/id_00/normal/0.wav", f"{machine}/6dB/{machine}/id_00/normal/0.wav")
    table = find_recordings(tmp_path / wanted)
    assert set(table["machine_type"]) == {"fan", unicodedata.normalize("NFC", "Lüfter")}
    assert len(select(table, machine_type=[wanted])) == 1
    assert all(Path(path).exists() for path in table["path"])


@pytest.mark.parametrize("text", ["-6dB", "-6_dB", "min6dB"])
def test_an_snr_is_selected_however_it_is_written(text, tmp_path):
    table = find_recordings(touch(tmp_path, "-6_dB_fan/fan/id_00/normal/0.wav", "6dB/fan/id_00/normal/0.wav"))
    assert list(select(table, snr=[text])["snr"]) == ["min6dB"]


def test_a_misspelt_value_is_answered_with_the_nearest_one(tmp_path):
    table = find_recordings(touch(tmp_path, "6dB/fan/id_00/normal/0.wav", "6dB/valve/id_00/normal/0.wav"))
    with pytest.raises(UserError, match="did you mean valve"):
        select(table, machine_type=["vavle"])
