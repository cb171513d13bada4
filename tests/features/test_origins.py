import numpy as np
import pandas as pd
import pytest

from mimii.features.origins import Origins

ROWS = pd.DataFrame(
    [
        ("6dB", "fan", "id_02", "source", ""),
        ("0dB", "fan", "id_00", "", ""),
        ("6dB", "fan", "id_00", "target", "vel_6"),
        ("6dB", "fan", "id_00", "source", "vel_9"),
        ("6dB", "pump", "id_00", "source", "vel_6"),
        ("0dB", "fan", "id_00", "", "vel_6"),
    ],
    columns=["snr", "machine_type", "machine_id", "domain", "attributes"],
    index=[7, 3, 9, 1, 0, 2],
)


def test_machines_are_individuals_at_an_snr_and_classes_are_individuals():
    origins = Origins.of(ROWS)
    assert origins.machines == (
        ("0dB", "fan", "id_00"),
        ("6dB", "fan", "id_00"),
        ("6dB", "fan", "id_02"),
        ("6dB", "pump", "id_00"),
    )
    assert origins.machine.tolist() == [2, 0, 1, 1, 3, 0]
    assert origins.classes == ("fan id_00", "fan id_02", "pump id_00")
    assert origins.target.tolist() == [1, 0, 0, 0, 2, 0]
    assert origins.target.dtype == origins.machine.dtype == np.int64
    assert origins.is_target_domain.tolist() == [False, False, True, False, False, False]


def test_attributes_divide_the_classes_but_not_the_machines():
    origins = Origins.of(ROWS, "attributes")
    assert origins.classes == ("fan id_00", "fan id_00 vel_6", "fan id_00 vel_9", "fan id_02", "pump id_00 vel_6")
    assert origins.target.tolist() == [3, 0, 1, 2, 4, 1]
    assert np.array_equal(origins.machine, Origins.of(ROWS).machine)


def test_other_classes_do_not_exist():
    with pytest.raises(KeyError):
        Origins.of(ROWS, "snr")


def test_the_numbers_do_not_depend_on_the_order_of_the_recordings():
    order = np.random.default_rng(0).permutation(6)
    origins, shuffled = Origins.of(ROWS), Origins.of(ROWS.iloc[order])
    assert (shuffled.machines, shuffled.classes) == (origins.machines, origins.classes)
    assert np.array_equal(shuffled.target, origins.target[order])
    assert np.array_equal(shuffled.machine, origins.machine[order])


def test_recordings_of_one_machine():
    origins = Origins.of_machine(("6dB", "fan", "id_00"), 3)
    assert (origins.machines, origins.classes) == ((("6dB", "fan", "id_00"),), ("fan id_00",))
    assert origins.machine.tolist() == origins.target.tolist() == [0, 0, 0]
    assert not origins.is_target_domain.any()
