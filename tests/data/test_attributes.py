"""How machines ran is read from names and lists."""

import pandas as pd
import pytest

from mimii.data.attributes import columns, parse
from mimii.data.recordings import find_recordings


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("vel_6", {"vel": "6"}),
        ("car_A2_spd_28V_mic_1_noise_1", {"car": "A2", "spd": "28V", "mic": "1", "noise": "1"}),
        ("m-n_X", {"m-n": "X"}),
        ("v1pat_A_v2pat_none", {"v1pat": "A", "v2pat": "none"}),
        ("pro_A_wt_200_damage1", {"pro": "A", "wt": "200", "note": "damage1"}),
        ("synthetic", {"note": "synthetic"}),
        ("0_g_25_mm_2000_mV_none", {"note": "0_g_25_mm_2000_mV_none"}),
    ],
)
def test_a_description_is_names_and_values_in_turn(text, values):
    assert parse(text) == values


def test_attributes_become_columns_and_what_a_clip_does_not_have_is_empty():
    table = columns(pd.DataFrame({"attributes": ["vel_6_loc_A", "", "vel_2"]}, index=[3, 5, 9]))
    assert table.to_dict("list") == {"attribute_vel": ["6", "", "2"], "attribute_loc": ["A", "", ""]}
    assert list(table.index) == [3, 5, 9]


def make(base, listed, names):
    for name in names:
        path = base / "dcase2023" / "fan" / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (base / "dcase2023" / "fan" / "attributes_00.csv").write_text(listed)
    table = find_recordings(base)
    return table.sort_values("name")["attributes"].tolist()


def test_a_list_beside_the_recordings_says_them(tmp_path):
    """With or without a folder and an ending, and with values that are written with an underscore."""
    listed = (
        "file_name,d1p,d1v,d2p,d2v\n"
        "fan/train/section_00_source_train_normal_0000_noAttribute.wav,m-n,W,spd,7_5V\n"
        "section_00_source_train_normal_0001_m-n_X,m-n,X,,\n"
    )
    names = [f"section_00_source_train_normal_{name}.wav" for name in ("0000_noAttribute", "0001_m-n_X", "0002_m-n_Y")]
    assert make(tmp_path, listed, names) == ["m-n_W_spd_7-5V", "m-n_X", "m-n_Y"]


def test_a_list_of_hidden_attributes_leaves_them_hidden(tmp_path):
    name = "section_00_source_train_normal_0000_noAttribute.wav"
    assert make(tmp_path, f"file_name\nfan/train/{name}\n", [name]) == [""]


def test_a_list_of_another_kind_is_named_and_not_used(tmp_path, caplog):
    assert make(tmp_path, "something,else\n1,2\n", ["section_00_source_train_normal_0000_m-n_W.wav"]) == ["m-n_W"]
    assert "attributes_00.csv" in caplog.text
