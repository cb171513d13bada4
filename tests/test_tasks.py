import pandas as pd

from mimii.recordings import MACHINE
from mimii.tasks import derive_seed, make_pools

KEYS = [("0dB", "fan", "id_00"), ("6dB", "fan", "id_00"), ("6dB", "fan", "id_02"), ("6dB", "pump", "id_00")]


def recordings():
    rows = [(*key, name) for key in KEYS for name in ("0.wav", "1.wav")]
    return pd.DataFrame(rows, columns=[*MACHINE, "name"])


def keys_of(pool):
    return [tuple(machine[MACHINE].iloc[0]) for machine in pool.machines]


def test_in_scope_machine_each_machine_is_a_pool():
    pools = make_pools(recordings(), "machine")
    assert [pool.key for pool in pools] == KEYS
    assert [keys_of(pool) for pool in pools] == [[key] for key in KEYS]


def test_in_scope_type_machines_of_one_snr_and_type_are_a_pool():
    pools = make_pools(recordings(), "type")
    assert [pool.key for pool in pools] == [("0dB", "fan", "all"), ("6dB", "fan", "all"), ("6dB", "pump", "all")]
    assert [keys_of(pool) for pool in pools] == [KEYS[:1], KEYS[1:3], KEYS[3:]]


def test_in_scope_all_there_is_one_pool():
    [pool] = make_pools(recordings(), "all")
    assert pool.key == ("all", "all", "all")
    assert keys_of(pool) == KEYS


def test_a_pool_holds_every_recording_once():
    for scope in ("machine", "type", "all"):
        machines = [machine for pool in make_pools(recordings(), scope) for machine in pool.machines]
        whole = pd.concat(machines, ignore_index=True)
        pd.testing.assert_frame_equal(whole, recordings())
        assert all(list(machine.index) == [0, 1] for machine in machines)


def test_machines_without_snr_have_pools_too():
    table = recordings().assign(snr="").drop_duplicates()
    assert [pool.key for pool in make_pools(table, "type")] == [("", "fan", "all"), ("", "pump", "all")]


def test_seeds_follow_from_their_parts_alone():
    assert derive_seed(42, "vae", "6dB fan id_00") == derive_seed(42, "vae", "6dB fan id_00")
    parts = [(42, "vae", "fan"), (43, "vae", "fan"), (42, "ae", "fan"), (42, "vae", "pump"), (42, "vae")]
    seeds = [derive_seed(*part) for part in parts]
    assert len(set(seeds)) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeds_are_the_same_on_every_machine_and_in_every_process():
    assert derive_seed(42, "simple_ae", "6dB fan id_00") == 50462316897611683
