"""Names of files: equal facts have equal names, and a name stays in its directory."""

import os
from pathlib import Path

import pytest

from mimii.storage import names


def test_equal_facts_have_equal_names_whatever_their_order():
    assert names.digest({"a": 1, "b": [2, None]}) == names.digest({"b": [2, None], "a": 1})


@pytest.mark.parametrize("other", [{"a": 2}, {"a": "1"}, {"a": 1.5}, {"b": 1}, {"a": 1, "b": 1}, {"a": [1]}, [1], {}])
def test_any_change_of_the_facts_changes_the_name(other):
    assert names.digest(other) != names.digest({"a": 1})


def test_names_are_fit_for_files():
    name = names.digest({"path": "ä/b"})
    assert len(name) == 16
    assert set(name) <= set("0123456789abcdef")


def test_facts_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        names.digest({"a": float("nan")})


@pytest.mark.parametrize("text", ["..", "../../etc", "/etc/passwd", "a\nb\0", "C:\\x", "=1+1", "-rf", "\udce9", "~"])
def test_a_file_name_of_whatever_text_stays_in_its_directory(text, tmp_path):
    path = tmp_path / f"{names.file_name(text)}_0.pickle"
    assert path.resolve().parent == tmp_path.resolve()
    assert path.name.isprintable()
    path.write_text("a")
    assert os.listdir(tmp_path) == [path.name]


def test_file_names_keep_letters_of_all_kinds_and_have_an_end(tmp_path):
    assert names.file_name("6dB Gebläse id_00") == "6dB_Gebläse_id_00"
    for text in ("x" * 300, "Ж" * 300, "x" + "Ж" * 300):
        path = names.confusion_file("attention_classifier", text, "0" * 16)
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()


def test_kept_files_are_found_by_their_run(tmp_path):
    paths = {
        ("scores", "0" * 16): names.scores_file("vae", "6dB fan id_00", "0" * 16),
        ("confusion", "0" * 16): names.confusion_file("vae", "6dB fan id_00", "0" * 16),
        ("history", "1" * 16): names.history_file("vae", "fan a_b", "1" * 16),
    }
    for path in paths.values():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    assert names.kept_files(tmp_path) == {key: tmp_path / path for key, path in paths.items()}
    assert names.kept_files(tmp_path / "nowhere") == {}


def test_model_files_are_those_of_the_model_and_the_group_alone_the_latest_first(tmp_path):
    wanted = [tmp_path / names.model_file("vae", "6dB fan id_00", digit * 16) for digit in "ab"]
    others = [
        names.model_file("vae", "6dB fan id_002", "a" * 16),
        names.model_file("vae", "6dB fan id_00 x", "a" * 16),
        names.model_file("vae_2", "6dB fan id_00", "a" * 16),
        "vae_6dB_fan_id_00_mine.v3.model",
        f"vae_6dB_fan_id_00_{'a' * 16}.v2.model",
    ]
    for number, path in enumerate([*wanted, *(tmp_path / name for name in others)]):
        path.touch()
        os.utime(path, (number, number))
    assert names.model_files(tmp_path, "vae", "6dB fan id_00") == wanted[::-1]
    assert names.model_files(tmp_path / "nowhere", "vae", "6dB fan id_00") == []


def test_files_of_other_versions_are_told_from_those_of_this_one_and_of_others(tmp_path):
    old = [f"fan_{'a' * 16}.pickle", f"vae_fan_{'a' * 16}.pt", f"knn_fan_{'a' * 16}.skops", f"fan_{'a' * 16}.v2.pickle"]
    old += [names.feature_file("fan", {}, "samples").replace(f".v{names.CACHE_VERSION}.", ".v2.")]
    current = [
        names.feature_file("fan", {}),
        names.feature_file("fan", {}, "samples"),
        names.model_file("vae", "fan", "a" * 16),
    ]
    others = ["my.pickle", "pump3.model", "notes.txt", f"fan_{'a' * 16}.csv"]
    for name in (*old, *current, *others):
        (tmp_path / name).touch()
    assert [path.name for path in names.outdated_files(tmp_path)] == sorted(old)


def test_a_log_says_which_command_wrote_it():
    assert names.log_file("exp_autoencoding", "20261125_120000", 7) == Path(
        "logs/exp_autoencoding_20261125_120000_7.log"
    )
