import os
import pickle
import time

import numpy as np
import pytest
import torch
from support import write_sealed

from mimii.errors import UserError
from mimii.storage import files


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_file_appears_whole_and_in_a_new_directory(tmp_path):
    path = tmp_path / "new" / "deep" / "a.txt"
    with files.whole_file(path) as temporary:
        temporary.write_text("content")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "content"
    assert names(path.parent) == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with files.whole_file(path) as temporary:
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
        files.save_pickle(path, {"a": 1})
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_arrays_in_plain_containers_come_back(tmp_path):
    path = tmp_path / "a.pickle"
    content = {
        "frames": np.arange(12, dtype=np.float32).reshape(4, 3),
        "empty": np.empty((0, 3), dtype=np.float32),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "skipped": {3: "is too short"},
        "rate": 16000,
    }
    files.save_pickle(path, content)
    loaded = files.load_pickle(path)
    assert loaded.keys() == content.keys()
    for key in ("frames", "empty", "columns"):
        assert np.array_equal(loaded[key], content[key])
        assert loaded[key].dtype == content[key].dtype
        assert loaded[key].flags.writeable  # torch takes no other arrays
    assert (loaded["skipped"], loaded["rate"]) == ({3: "is too short"}, 16000)


class Planted:
    def __init__(self, directory):
        self.directory = directory

    def __reduce__(self):
        return os.mkdir, (self.directory,)


def test_a_planted_pickle_runs_nothing(tmp_path):
    path = tmp_path / "a.pickle"
    attack = pickle.dumps({"frames": Planted(str(tmp_path / "owned"))})
    path.write_bytes(attack)
    with pytest.raises(files.CacheError, match=r"a\.pickle"):
        files.load_pickle(path)
    write_sealed(path, attack)
    with pytest.raises(files.CacheError, match=r"a\.pickle: .*mkdir"):
        files.load_pickle(path)
    assert names(tmp_path) == ["a.pickle"]
    pickle.loads(attack)  # the attack itself works
    assert names(tmp_path) == ["a.pickle", "owned"]


def test_a_pickle_that_names_anything_is_refused(tmp_path):
    path = tmp_path / "a.pickle"
    for content in (np.array([{"an": "object"}, tmp_path], dtype=object), np.arange(3), {"at": tmp_path}, [os.getcwd]):
        write_sealed(path, pickle.dumps(content))
        with pytest.raises(files.CacheError, match="a feature file names nothing"):
            files.load_pickle(path)


@pytest.mark.parametrize(
    "array",
    [
        {"dtype": "O", "shape": (1,), "data": bytes(8)},
        {"dtype": "<f4", "shape": (3,), "data": bytes(8)},
        {"dtype": "float", "shape": "x", "data": bytes(8)},
        {"dtype": 5, "shape": (2,), "data": bytes(8)},
        {"dtype": "<f4", "shape": (2,), "data": "text"},
    ],
)
def test_an_array_that_is_none_is_refused(array, tmp_path):
    path = tmp_path / "a.pickle"
    write_sealed(path, pickle.dumps({"frames": array}))
    with pytest.raises(files.CacheError, match=r"a\.pickle"):
        files.load_pickle(path)


@pytest.mark.parametrize("content", [[1], "text", None, 5])
def test_a_pickle_of_no_dict_is_refused(content, tmp_path):
    path = tmp_path / "a.pickle"
    write_sealed(path, pickle.dumps(content))
    with pytest.raises(files.CacheError):
        files.load_pickle(path)


def test_a_file_cut_short_anywhere_is_found_out(tmp_path):
    path = tmp_path / "a.pickle"
    files.save_pickle(path, {"frames": np.arange(5, dtype=np.float32), "note": "text"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(files.CacheError):
            files.load_pickle(path)


def test_a_flipped_bit_anywhere_is_found_out(tmp_path):
    """Most of a feature file is numbers: a pickle of other numbers would load."""
    path = tmp_path / "a.pickle"
    files.save_pickle(path, {"frames": np.arange(5, dtype=np.float32)})
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(files.CacheError, match=r"a\.pickle"):
            files.load_pickle(path)


def test_a_file_of_zeros_is_found_out(tmp_path):
    path = tmp_path / "a.pickle"
    for size in (0, 1, 31, 32, 33, 4096):
        path.write_bytes(bytes(size))
        with pytest.raises(files.CacheError, match=r"a\.pickle"):
            files.load_pickle(path)


def test_a_directory_in_the_place_of_a_cache_is_no_cache(tmp_path):
    with pytest.raises(files.CacheError, match=tmp_path.name):
        files.load_pickle(tmp_path)


def test_others_can_read_what_is_sealed(tmp_path):
    frames = np.arange(6, dtype=np.float32).reshape(2, 3)
    files.save_pickle(tmp_path / "a.pickle", {"frames": frames, "rate": 16000})
    content = pickle.loads((tmp_path / "a.pickle").read_bytes())
    assert content["rate"] == 16000
    array = content["frames"]
    assert np.array_equal(np.frombuffer(array["data"], array["dtype"]).reshape(array["shape"]), frames)
    torch.save({"weight": torch.ones(3)}, tmp_path / "plain.pt")
    write_sealed(tmp_path / "a.pt", (tmp_path / "plain.pt").read_bytes())
    assert torch.load(tmp_path / "a.pt", weights_only=True)["weight"].tolist() == [1, 1, 1]


def test_temporary_files_of_killed_processes_are_removed_but_none_that_may_be_in_use(tmp_path):
    abandoned, in_use = (tmp_path / f".{letter * 32}.csv" for letter in "ab")
    others = [tmp_path / name for name in ("old.csv", ".hidden", ".table.csv.lock", f"{'a' * 32}.csv")]
    for path in (abandoned, in_use, *others):
        path.touch()
        if path != in_use:
            os.utime(path, (time.time() - 2 * 24 * 3600,) * 2)
    with files.whole_file(tmp_path / "new.csv") as temporary:
        temporary.touch()
    assert names(tmp_path) == sorted(path.name for path in (in_use, *others, tmp_path / "new.csv"))


def test_an_absent_file_is_told_from_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.load_pickle(tmp_path / "a.pickle")
