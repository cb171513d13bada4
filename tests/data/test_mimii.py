"""The facts about MIMII."""

import pytest

from mimii.data.mimii import MACHINE_TYPES, SNRS, archives, published_baseline


def test_the_published_figures_are_mimiis():
    table = published_baseline()
    assert len(table) == 48
    assert table["normal_clips"].sum() + table["abnormal_clips"].sum() == 54057
    assert not table.duplicated(["snr", "machine_type", "machine_id"]).any()
    clips = table.groupby(["machine_type", "machine_id"])[["normal_clips", "abnormal_clips"]].nunique()
    assert (clips == 1).all(axis=None)  # a machine has the same clips at each SNR
    assert table["auc_run1"].mean() == pytest.approx(0.735, abs=5e-4)
    assert table["auc_run2"].mean() == pytest.approx(0.717, abs=5e-4)
    assert set(table["snr"]) == set(SNRS)
    assert set(table["machine_type"]) == set(MACHINE_TYPES)


def test_the_twelve_archives_have_their_names_at_zenodo():
    all_names = [archive.name for archive in archives()]
    assert len(set(all_names)) == 12
    assert {"-6_dB_fan.zip", "0_dB_pump.zip", "6_dB_valve.zip"} <= set(all_names)
    [slider] = archives(["min6dB"], ["slider"])
    assert (slider.name, slider.folder) == ("-6_dB_slider.zip", "min6dB")
