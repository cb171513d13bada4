from dataclasses import replace
from pathlib import Path

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mimii.data.recordings import MACHINE, split_for_detection
from mimii.features.store import FeatureStore
from mimii.settings import FeatureSettings, TrainingSettings
from mimii.sweep.detection import DetectionTask
from mimii.sweep.task import derive_seed, make_pools

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


# --- the names of caches

FILES = pd.DataFrame(
    [
        ("6dB", "fan", "id_00", label, f"{number}.wav", 64044, 10**18)
        for label, count in (("abnormal", 1), ("normal", 3))
        for number in range(count)
    ],
    columns=[*MACHINE, "label", "name", "size", "mtime"],
).assign(path="a.wav", given_split="", domain="")
CHANGES = {
    FeatureSettings: {
        **{name: st.integers(1, 4096) for name in ("n_mels", "n_fft", "hop_length")},
        "power": st.floats(0.1, 10),
        "channel": st.integers(0, 7),
    },
    TrainingSettings: {
        **{name: st.integers(1, 4096) for name in ("frames", "epochs", "batch_size")},
        "learning_rate": st.floats(1e-9, 10),
        "val_split": st.floats(0, 0.999),
        "seed": st.integers(0, 2**32 - 1),
        "tf32": st.booleans(),
    },
}


def make_task(features=FeatureSettings(), training=TrainingSettings(), files=FILES, **changes):  # noqa: B008 (frozen)
    [pool] = make_pools(split_for_detection(files.drop(columns="split", errors="ignore")), "machine")
    facts = {"model": "vae", "scope": "machine", "device": "cpu", "jobs": 1, "retrain": False, "model_dir": Path("m")}
    return DetectionTask(pool=pool, store=FeatureStore(Path("f"), features), settings=training, **facts | changes)


def names_of(task):
    """The names of the features, of the model and of the row."""
    evaluation, *_ = task.evaluations()
    return task.store.path(task.pool.machines[0]), task.model_path(), evaluation.run_id


@given(st.data())
def test_any_change_of_any_setting_is_another_cache_and_another_row(data):
    kind = data.draw(st.sampled_from(list(CHANGES)))
    name = data.draw(st.sampled_from(list(CHANGES[kind])))
    values = data.draw(st.lists(CHANGES[kind][name], min_size=2, max_size=2, unique=True))
    key = "features" if kind is FeatureSettings else "training"
    one, other = (names_of(make_task(**{key: replace(kind(), **{name: value})})) for value in values)
    assert [a != b for a, b in zip(one, other, strict=True)] == [kind is FeatureSettings, True, True]


def test_every_setting_has_its_strategy():
    for kind, fields in CHANGES.items():
        assert list(fields) == list(kind.__dataclass_fields__)


@given(row=st.integers(0, 3), column=st.sampled_from(["name", "size", "mtime"]), value=st.integers(0, 2**60))
def test_any_change_of_any_recording_is_another_cache_and_another_row(row, column, value):
    files = FILES.copy()
    files.loc[row, column] = f"0{value}.wav" if column == "name" else value
    is_for_training = split_for_detection(FILES).loc[row, "split"] == "train"
    pairs = zip(names_of(make_task(files=files)), names_of(make_task()), strict=True)
    assert [one != other for one, other in pairs] == [True, is_for_training, True]


def test_another_model_scope_or_kind_of_device_is_another_model_and_row_and_the_jobs_are_not():
    plain = names_of(make_task())
    for change in ({"model": "simple_ae"}, {"scope": "all"}, {"device": "cuda:0"}):
        assert {*names_of(make_task(**change))[1:]}.isdisjoint(plain)
    assert names_of(make_task(device="cuda:0")) == names_of(make_task(device="cuda:1"))
    assert names_of(make_task(jobs=7, retrain=True)) == plain
