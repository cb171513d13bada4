"""Recordings are split into those for training and those for evaluation."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mimii.data.machines import MACHINE
from mimii.data.recordings import find_recordings
from mimii.data.splits import choose_clips, split_for_detection


def make_table(*machines):
    """Rows for machines given as (snr, type, id, normal, abnormal)."""
    rows = [
        (snr, machine_type, machine_id, label, f"{number:08d}.wav")
        for snr, machine_type, machine_id, normal, abnormal in machines
        for label, count in (("abnormal", abnormal), ("normal", normal))
        for number in range(count)
    ]
    table = pd.DataFrame(rows, columns=[*MACHINE, "label", "name"]).assign(given_split="", domain="")
    return table.sort_values([*MACHINE, "label", "name"], ignore_index=True)


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
    assert len(table[MACHINE].drop_duplicates()) == 16
    assert set(table["snr"]) == {"0dB"}
    trainable = table[table["split"] == "train"]
    assert sorted(set(trainable[MACHINE].itertuples(index=False, name=None))) == [
        ("0dB", "fan", "id_00"),
        ("0dB", "fan", "id_02"),
    ]
    counts = table[table["machine_type"] == "fan"].groupby(["machine_id", "split", "label"]).size()
    assert counts["id_00"].to_dict() == {("train", "normal"): 14, ("eval", "normal"): 6, ("eval", "abnormal"): 6}
    assert counts["id_02"].to_dict() == {("train", "normal"): 6, ("eval", "normal"): 4, ("eval", "abnormal"): 4}
