import os
import pickle

import numpy as np
import pytest

from mimii import cache
from mimii.errors import UserError


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_equal_facts_have_equal_names_whatever_their_order():
    assert cache.digest({"a": 1, "b": [2, None]}) == cache.digest({"b": [2, None], "a": 1})


@pytest.mark.parametrize("other", [{"a": 2}, {"a": "1"}, {"a": 1.5}, {"b": 1}, {"a": 1, "b": 1}, {"a": [1]}, [1], {}])
def test_any_change_of_the_facts_changes_the_name(other):
    assert cache.digest(other) != cache.digest({"a": 1})


def test_names_are_fit_for_files():
    name = cache.digest({"path": "ä/b"})
    assert len(name) == 16
    assert set(name) <= set("0123456789abcdef")


def test_facts_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        cache.digest({"a": float("nan")})


def test_a_file_appears_whole_and_in_a_new_directory(tmp_path):
    path = tmp_path / "new" / "deep" / "a.txt"
    with cache.whole_file(path) as temporary:
        temporary.write_text("content")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "content"
    assert names(path.parent) == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with cache.whole_file(path) as temporary:
            temporary.write_text("half of the ne")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("place", ["file/a.pickle", "file/deeper/a.pickle", "directory"])
def test_a_place_that_can_not_be_written_is_named(place, tmp_path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "directory" / "full").mkdir(parents=True)
    path = tmp_path / place
    with pytest.raises(UserError) as caught:
        cache.save_pickle(path, [1])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_arrays_in_plain_containers_come_back(tmp_path):
    path = tmp_path / "a.pickle"
    content = {
        "frames": np.arange(12, dtype=np.float32).reshape(4, 3),
        "empty": np.empty((0, 3), dtype=np.float32),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "left_out": {3: "is too short"},
        "rate": 16000,
        "scalar": np.float64(1.5),
    }
    cache.save_pickle(path, content)
    loaded = cache.load_pickle(path)
    assert loaded.keys() == content.keys()
    for key in ("frames", "empty", "columns"):
        assert np.array_equal(loaded[key], content[key])
        assert loaded[key].dtype == content[key].dtype
    assert (loaded["left_out"], loaded["rate"], loaded["scalar"]) == ({3: "is too short"}, 16000, 1.5)


class Planted:
    def __init__(self, directory):
        self.directory = directory

    def __reduce__(self):
        return os.mkdir, (self.directory,)


def test_a_planted_pickle_runs_nothing(tmp_path):
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps({"frames": Planted(str(tmp_path / "owned"))}))
    with pytest.raises(cache.CacheError, match=r"a\.pickle"):
        cache.load_pickle(path)
    assert names(tmp_path) == ["a.pickle"]


def test_objects_of_other_kinds_are_refused(tmp_path):
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps(np.array([{"an": "object"}, tmp_path], dtype=object)))
    with pytest.raises(cache.CacheError):
        cache.load_pickle(path)


def test_a_file_cut_short_anywhere_is_found_out(tmp_path):
    path = tmp_path / "a.pickle"
    cache.save_pickle(path, {"frames": np.arange(5, dtype=np.float32), "note": "text"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(cache.CacheError):
            cache.load_pickle(path)


def test_an_absent_file_is_told_from_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        cache.load_pickle(tmp_path / "a.pickle")
