import pandas as pd
import pytest

from mimii.data.machines import MACHINE
from mimii.errors import UserError
from mimii.sweep.groups import make_groups, usable

KEYS = [("0dB", "fan", "id_00"), ("6dB", "fan", "id_00"), ("6dB", "fan", "id_02"), ("6dB", "pump", "id_00")]


def recordings():
    rows = [(*key, name) for key in KEYS for name in ("0.wav", "1.wav")]
    return pd.DataFrame(rows, columns=[*MACHINE, "name"])


def keys_of(group):
    return [tuple(machine[MACHINE].iloc[0]) for machine in group.machines]


def test_in_scope_machine_each_machine_is_a_group():
    groups = make_groups(recordings(), "machine")
    assert [group.key for group in groups] == KEYS
    assert [keys_of(group) for group in groups] == [[key] for key in KEYS]


def test_in_scope_type_machines_of_one_snr_and_type_are_a_group():
    groups = make_groups(recordings(), "type")
    assert [group.key for group in groups] == [("0dB", "fan", "all"), ("6dB", "fan", "all"), ("6dB", "pump", "all")]
    assert [keys_of(group) for group in groups] == [KEYS[:1], KEYS[1:3], KEYS[3:]]


def test_in_scope_all_there_is_one_group():
    [group] = make_groups(recordings(), "all")
    assert group.key == ("all", "all", "all")
    assert keys_of(group) == KEYS


def test_a_group_holds_every_recording_once():
    for scope in ("machine", "type", "all"):
        machines = [machine for group in make_groups(recordings(), scope) for machine in group.machines]
        whole = pd.concat(machines, ignore_index=True)
        pd.testing.assert_frame_equal(whole, recordings())
        assert all(list(machine.index) == [0, 1] for machine in machines)


def test_machines_without_snr_have_groups_too():
    table = recordings().assign(snr="").drop_duplicates()
    assert [group.key for group in make_groups(table, "type")] == [("", "fan", "all"), ("", "pump", "all")]


def test_groups_that_can_not_be_used_are_named_in_a_line_for_each_reason(log_lines):
    groups = make_groups(recordings(), "machine")
    reasons = dict(zip(groups, ["too few", "", "broken", "too few"], strict=True))
    said = set()
    for _ in range(2):  # as for two seeds
        assert usable(groups, reasons.get, said) == [groups[1]]
    assert log_lines == [
        "WARNING Not used, 2 of 4, too few: 0dB fan id_00, 6dB pump id_00.",
        "WARNING Not used, 1 of 4, broken: 6dB fan id_02.",
    ]


def test_where_no_group_can_be_used_the_reasons_are_said():
    with pytest.raises(UserError, match="nothing can be run: too few"):
        usable(make_groups(recordings(), "machine"), lambda group: "too few", set())
