"""Each layout reads the paths that it writes."""

import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SOURCE

from mimii.data.layouts import LAYOUTS, PathFacts, canonical_snr, parse_machine, snr_name

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


@pytest.mark.parametrize(
    ("path", "machine"),
    [
        ("fan/6dB/id_00", ("6dB", "fan", "id_00")),
        ("fan/id_00/-6dB", ("min6dB", "fan", "id_00")),
        ("6dB/fan", ("6dB", "fan", "")),
        ("6dB/id_00", ("6dB", "data", "id_00")),
        ("fan/6dB", ("6dB", "fan", "")),
        ("-6_dB_fan", ("min6dB", "fan", "")),
        ("-6_dB_fan/fan", ("min6dB", "fan", "")),
        ("-6_dB_fan/id_00", ("min6dB", "fan", "id_00")),
        ("press", ("", "data", "press")),
    ],
)
def test_the_snr_may_stand_anywhere_and_the_id_may_be_missing(path, machine):
    assert parse_machine(Path("/data") / path) == machine


@pytest.mark.parametrize("text", ["min6dB", "-6dB", "-6_dB", "-6 dB", "MIN6DB", "\u22126dB", "minus6dB"])
def test_an_snr_is_one_however_it_is_written(text):
    assert canonical_snr(text) == "min6dB"


@pytest.mark.parametrize("text", ["quiet", "6_dB_fan", "dB", ""])
def test_what_is_no_snr_stays(text):
    assert canonical_snr(text) == text


@given(st.lists(NAMES, max_size=5), st.text("/.dB-_6n\n", max_size=30))
def test_whatever_the_path_its_parts_can_be_part_of_no_other_directory(parts, tail):
    for part in parse_machine(Path("/", *parts, tail)):
        assert "/" not in part


@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    snr=st.integers(-30, 30).map(snr_name),
    machine_type=NAMES,
    machine_number=st.integers(0, 99),
    label=st.sampled_from(["normal", "abnormal", "unlabelled"]),
    split=st.sampled_from(["train", "eval"]),
    domain=st.sampled_from(["source", "target", ""]),
    index=st.integers(0, 9999),
    attributes=st.sampled_from(["", "synthetic", "vel_6_loc_A"]),
)
def test_what_a_layout_writes_it_reads_and_no_other_does(
    layout, snr, machine_type, machine_number, label, split, domain, index, attributes
):
    has_split = layout != "mimii"
    label = "normal" if label == "unlabelled" and not has_split else label
    written = LAYOUTS[layout]
    machine = (snr if written.has_snr else "", machine_type, f"{written.id_prefix}_{machine_number:02d}")
    path = Path("/data") / written.path(machine, label, index, split, domain, attributes)
    facts = PathFacts(
        machine,
        label,
        f"{path.parent.name}/{path.name}" if has_split else path.name,
        split if has_split else "",
        domain if layout == "dcase2021" else "",
        attributes if layout == "dcase2021" else "",
    )
    for name, other in LAYOUTS.items():
        assert other.read(path.parent, PurePosixPath(path.name)) == (facts if name == layout else None)


@pytest.mark.parametrize(
    ("layout", "arguments", "path"),
    [
        ("mimii", (("min6dB", "fan", "id_00"), "abnormal", 7), "min6dB/fan/id_00/abnormal/00000007.wav"),
        ("dcase2020", (("", "fan", "id_00"), "abnormal", 7, "eval"), "fan/test/anomaly_id_00_00000007.wav"),
        ("dcase2020", (("", "fan", "id_00"), "unlabelled", 7, "eval"), "fan/test/id_00_00000007.wav"),
        (
            "dcase2021",
            (("", "fan", "section_00"), "normal", 7, "train", "source", "synthetic"),
            "fan/train/section_00_source_train_normal_0007_synthetic.wav",
        ),
        ("dcase2021", (("", "fan", "section_00"), "unlabelled", 7, "eval"), "fan/test/section_00_0007.wav"),
    ],
)
def test_paths_are_those_of_the_published_data_sets(layout, arguments, path):
    assert LAYOUTS[layout].path(*arguments).as_posix() == path


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("section_00_source_train_normal_0000_strength_1_ambient.wav", "strength_1_ambient"),
        ("section_02_target_test_anomaly_0012_m-n_W.wav", "m-n_W"),
        ("section_00_source_train_normal_0003_car_A2_spd_28V_mic_1.wav", "car_A2_spd_28V_mic_1"),
        ("section_00_source_train_normal_0003_spd_1000_vel_2000.wav", "spd_1000_vel_2000"),
        ("section_00_source_train_normal_0003_vel_1.5.wav", "vel_1.5"),
        ("section_00_source_train_normal_0000_noAttribute.wav", ""),
        ("section_00_source_train_normal_0000.wav", ""),
        ("section_00_source_train_normal_0000_.wav", ""),
        ("section_00_0000.wav", ""),
        ("section_00_0000_A.wav", "A"),
        ("section_00_source_train_normal_quiet.wav", ""),
    ],
)
def test_attributes_are_what_follows_the_number_of_a_clip(name, attributes):
    assert LAYOUTS["dcase2021"].read(Path("/data/fan/train"), PurePosixPath(name)).attributes == attributes


@pytest.mark.parametrize(
    ("layout", "directory", "name"),
    [
        ("dcase2020", "fan/train", "normal_id_00_00000000_strong.wav"),
        ("mimii", "fan/id_00/normal", "section_00_source_train_normal_0000_strong.wav"),
    ],
)
def test_other_layouts_have_no_attributes(layout, directory, name):
    assert LAYOUTS[layout].read(Path("/data") / directory, PurePosixPath(name)).attributes == ""


def test_layouts_are_quick_to_import():
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n"
        "import mimii.data.layouts, mimii.data.machines, mimii.data.mimii\n"
        "assert not {'numpy', 'pandas', 'soundfile', 'tqdm'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
