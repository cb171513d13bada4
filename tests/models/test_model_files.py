"""What a file of a trained model holds, and what comes of files that hold something else."""

import copy
import functools
import io
import json
import operator
import pickle
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import skops.io
import torch
from model_support import (
    KNOWS_MACHINES,
    MACHINE_NAME,
    NETWORKS,
    clip_for,
    data_for,
    features_of,
    output_of,
    trained,
    training,
)
from support import SOURCE, write_sealed

from mimii.models import CLASSIFIERS, DETECTORS, create_model
from mimii.models.container import parse
from mimii.models.files import TrainedDetector, load_model
from mimii.settings import ClipSettings, FeatureSettings
from mimii.storage import arrays
from mimii.storage.files import CacheError

MODELS = [*DETECTORS, *CLASSIFIERS]
ONE_OF_EACH = ["simple_ae", "isolation_forest", "mahalanobis", "simple_classifier", "random_forest"]


def read(path):
    """Description and learnt part of a model file."""
    with zipfile.ZipFile(path) as archive:
        description = json.loads(archive.read("model.json"))
        (name,) = set(archive.namelist()) - {"model.json"}
        return description, name, archive.read(name)


def write(path, description, name, learnt, compression=zipfile.ZIP_STORED):
    """Write a model file as somebody could who knows how it is sealed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("model.json", description if isinstance(description, str) else json.dumps(description))
        archive.writestr(name, learnt)
    write_sealed(path, buffer.getvalue())


def refused(path, *words):
    with pytest.raises(CacheError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(path.name)
    assert all(word in message for word in words)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.model"


@functools.cache
def kept(name, num_classes, directory):
    trained(name, num_classes).save(directory / "a.model")
    return read(directory / "a.model")


@pytest.fixture(scope="module")
def content_of(tmp_path_factory):
    """What the file of a model holds: its description, which may be changed, and its learnt part."""
    directory = tmp_path_factory.mktemp("models")
    return lambda name, num_classes=2: copy.deepcopy(kept(name, num_classes, directory))


# --- what a file holds


def test_a_description_can_be_read_by_anybody(content_of):
    description, name, _ = content_of("simple_ae")
    assert name == "weights.pt"
    assert description["name"] == "simple_ae"
    assert FeatureSettings(**description["features"]) == FeatureSettings(n_fft=2048)
    assert description["facts"] == trained("simple_ae").facts
    first = description["calibrations"][0]
    calibration = trained("simple_ae").calibrations["mse", "mean"]
    assert (first["scoring"], first["score_pooling"], first["source"]) == ("mse", "mean", "training")
    assert first["scores"] == calibration.scores.tolist()
    assert first["threshold"] == calibration.threshold()
    assert first["machines"] == [["6dB", "fan", "id_00"]]
    assert content_of("isolation_forest")[1] == "estimator.skops"
    name, content = content_of("knn")[1:]
    assert name == "learnt.npz"
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        assert np.array_equal(archive["learnt/vectors"], trained("knn").model.learnt["vectors"])


@pytest.mark.parametrize("name", [name for name in DETECTORS if DETECTORS[name].is_clip_level])
def test_the_options_of_a_clip_level_detector_are_in_its_file(name, path):
    chosen = {"classes": "attributes", "ensemble": 2, "fuse": ("knn", "id_embedding")}
    clip = ClipSettings(pooling="twfr", twfr_r=0.9, distance="cosine", **chosen)
    model = create_model(name, frames=1, clip=clip)
    data, how = data_for(name, frames=1), training(epochs=1, batch_size=32)
    model.fit(data.train, data.validation, how)
    made = TrainedDetector.calibrated(model, FeatureSettings(), data.features, data.train, data.validation, how)
    made.save(path)
    loaded = load_model(path)
    assert loaded.model.options == model.options
    assert np.array_equal(output_of(loaded.model, data), output_of(model, data))


@pytest.mark.parametrize("name", ["one_class_svm", "svm"])
def test_the_variant_is_in_the_file(name, path):
    trained(name).save(path)
    assert load_model(path).model.variant == "exact"


@pytest.mark.faults
def test_a_model_that_is_no_network_is_loaded_without_torch(path):
    code = f"""
import sys

class NoTorch:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoTorch())
import numpy as np
from mimii.features.windows import Windows
from mimii.models.files import load_model

model = load_model({str(path)!r}).model
numbers, scores = model.score_recordings(Windows(np.ones((9, 64), np.float32), np.arange(5), np.zeros(5, int), 5))
print(*scores, "torch" in sys.modules)
"""
    for name in ("mahalanobis", "isolation_forest", "id_embedding", "fusion"):
        made = trained(name)
        if name in KNOWS_MACHINES:
            alone = create_model(name, clip=clip_for(name))
            alone.from_bytes(made.model.to_bytes())
            alone.keep_only(MACHINE_NAME)
            made = replace(made, model=alone)
        made.save(path)
        done = subprocess.run([sys.executable, "-c", code], cwd=SOURCE, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        score, has_torch = done.stdout.split()
        ones = features_of([np.ones((9, 64))]).windows(5, np.array([True]))
        assert float(score) == made.model.score_recordings(ones)[1][0]
        assert has_torch == "False"


# --- what a file must not hold


def test_a_file_of_another_format_is_said_to_be_of_another_version(path, content_of):
    description, *learnt = content_of("simple_ae")
    write(path, description | {"format": description["format"] + 1}, *learnt)
    refused(path, "another version")


def test_a_file_that_is_no_model_file_is_refused(path):
    buffer = io.BytesIO()
    torch.save({"state": {}, "facts": {}}, buffer)  # as older versions of this program wrote it
    write_sealed(path, buffer.getvalue())
    refused(path, "older version")
    write_sealed(path, b"anything")
    refused(path)


@pytest.mark.parametrize(("name", "other"), list(zip(MODELS, [*MODELS[1:], MODELS[0]], strict=True)))
def test_what_another_model_has_learnt_is_refused(name, other, path, content_of):
    description, *learnt = content_of(other)
    write(path, description | {"name": name, "clip_options": content_of(name)[0]["clip_options"]}, *learnt)
    refused(path)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_what_a_model_of_other_classes_has_learnt_is_refused(name, path, content_of):
    description, *learnt = content_of(name, 2)
    write(path, description | {"classes": ["a", "b", "c"]}, *learnt)
    refused(path)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_what_a_model_of_other_windows_has_learnt_is_refused(name, path, content_of):
    description, *learnt = content_of(name)
    write(path, description | {"features": description["features"] | {"n_mels": 32}}, *learnt)
    refused(path)
    if name != "mahalanobis":  # a clip-level detector knows no windows
        write(path, description | {"frames": 7}, *learnt)
        refused(path)


class Planted:
    """What an attacker would put into a pickle: it makes a directory as soon as it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (operator.methodcaller("mkdir"), (self.path,))


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_planted_pickle_runs_nothing(name, path, tmp_path, content_of):
    marker = tmp_path / "attacked"
    description, learnt_file, _ = content_of(name)
    content = {"state": Planted(marker), "mean": Planted(marker)}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    for attack in (buffer.getvalue(), pickle.dumps(content, protocol=2)):
        write(path, description, learnt_file, attack)
        refused(path)
        write_sealed(path, attack)
        refused(path)
    assert not marker.exists()
    pickle.loads(pickle.dumps(Planted(marker)))  # the attack itself works
    assert marker.exists()


CLIP_LEVEL = [name for name in DETECTORS if DETECTORS[name].is_clip_level and name not in KNOWS_MACHINES]


@pytest.mark.parametrize("name", [name for name in MODELS if name not in [*NETWORKS, *CLIP_LEVEL, *KNOWS_MACHINES]])
def test_a_planted_function_in_a_skops_file_is_refused(name, path, content_of):
    description, learnt_file, learnt = content_of(name)
    content = skops.io.loads(learnt, trusted=skops.io.get_untrusted_types(data=learnt))
    attack = skops.io.dumps(content | {"estimator": functools.partial(exec, "raise SystemExit")})
    write(path, description, learnt_file, attack)
    refused(path)


@pytest.mark.parametrize("name", CLIP_LEVEL)
def test_arrays_that_are_not_what_they_say_are_refused(name, path, content_of):
    description, learnt_file, learnt = content_of(name)
    read = arrays.from_bytes(learnt)
    planted = np.array([Planted(path)], dtype=object)
    buffer = io.BytesIO()
    np.savez(buffer, **{"mean": planted, "std": read["std"], "learnt/vectors": planted})
    attacks = [buffer.getvalue()]
    attacks += [arrays.to_bytes(read | {"mean": mean}) for mean in (read["mean"][1:], read["mean"].astype(int))]
    attacks += [
        arrays.to_bytes(read | {"learnt": wrong}) for wrong in ({}, {"vectors": np.ones(3)}, {"mean": np.ones(1)})
    ]
    header = b"'shape': (64,)"
    assert header in learnt
    attacks.append(resealed(learnt, header, b"'shape': (2**60,)".ljust(len(header))))
    attacks.append(resealed(learnt, header, b"'shape': (63,)"))
    for attack in attacks:
        write(path, description, learnt_file, attack)
        refused(path)


@pytest.mark.parametrize("name", ["id_embedding", pytest.param("two_branch", marks=pytest.mark.faults)])
def test_an_embedding_that_is_not_what_it_says_is_refused(name, path, content_of):
    description, learnt_file, learnt = content_of(name)

    def attacked(*place, **changes):
        """What was learnt, with other values somewhere in it; None takes one away."""
        read = arrays.from_bytes(learnt)
        part = functools.reduce(operator.getitem, place, read)
        part.update(changes)
        for key in [key for key, value in part.items() if value is None]:
            del part[key]
        return arrays.to_bytes(read)

    first = arrays.from_bytes(learnt)["members"]["0"]
    weights, reference = first["weights"], first["references"]["1"]["source"]
    a_weight = max(weights, key=lambda key: weights[key].size)
    of_weights, of_reference = ("members", "0", "weights"), ("members", "0", "references", "1", "source")
    attacks = [attacked(*of_weights, **{a_weight: wrong}) for wrong in (None, weights[a_weight][1:], np.ones(3))]
    attacks += [
        attacked(*of_reference, **{key: wrong})
        for key in reference
        for wrong in (None, reference[key][..., 1:], np.ones((2, 2, 2)))
        if not (key == "spread" and wrong is not None and wrong.ndim == 1 and len(wrong) == 1)
    ]
    attacks += [attacked("members", "0", "references", **{"1": None}), attacked("members", "0", references=None)]
    attacks += [attacked("members", **{"0": None}), attacked("members", **{"9": first}), attacked(members=None)]
    attacks += [attacked(machines=np.array(wrong)) for wrong in ([MACHINE_NAME] * 3, [["a", "b"]] * 2, np.ones((0, 3)))]
    if "samples_of_a_clip" in weights:
        lengths = (0, 16383, 2**28 - 1, 2**28, 2**62)
        attacks += [attacked(*of_weights, samples_of_a_clip=np.array(wrong)) for wrong in lengths]
    for number, attack in enumerate(attacks):
        write(path, description, learnt_file, attack)
        try:
            refused(path)
        except BaseException as error:
            raise AssertionError(f"attack {number}") from error
    buffer = io.BytesIO()
    np.savez(buffer, machines=np.array([Planted(path)], dtype=object))
    write(path, description, learnt_file, buffer.getvalue())
    refused(path)


def resealed(archive, old, new):
    """A zip archive in which each member's first bytes are replaced; its checksums fit."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as given, zipfile.ZipFile(buffer, "w") as made:
        for name in given.namelist():
            made.writestr(name, given.read(name).replace(old, new))
    return buffer.getvalue()


def test_what_is_compressed_is_refused(path, content_of):
    """A few kilobytes of it can be as many gigabytes in memory."""
    description, learnt_file, learnt = content_of("mahalanobis")
    write(path, description, learnt_file, learnt, zipfile.ZIP_DEFLATED)
    refused(path, "compressed")
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(learnt)) as given, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in given.namelist():
            archive.writestr(name, given.read(name))
    write(path, description, learnt_file, buffer.getvalue())
    refused(path, "compressed")


def test_a_network_that_a_file_lies_about_takes_no_memory(path, content_of):
    """A window of 16 million values would need weights of 8 GB."""
    description, *learnt = content_of("simple_ae")
    write(path, description | {"frames": 2**24 // 64}, *learnt)
    refused(path, "weights")
    write(path, description | {"frames": 2**40}, *learnt)
    refused(path, "frames")


def test_weights_that_share_memory_are_refused(path, content_of):
    description, learnt_file, learnt = content_of("simple_ae")
    content = torch.load(io.BytesIO(learnt), weights_only=True)
    for key, value in content["state"].items():
        content["state"][key] = torch.zeros(1).expand(value.shape)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write(path, description, learnt_file, buffer.getvalue())
    refused(path, "weights")


WRONG = {
    "name": ["super_ae", "", 3, None, "knn"],
    "frames": [0, -1, 5.0, True, "5", 2**63],
    "variant": [0, None],
    "balanced": [0, "yes"],
    "clip_options": [{"pooling": "mean"}, [], {"other": 1}, {"pooling": 2.0}],
    "features": [{}, None, {"n_mels": 64}],
    "sample_rate": [0, 16000.5, "16000", 2**30],
    "classes": [["a"], ["a", "a"], ["a", "b"], "ab", [1, 2]],
    "calibrations": [[], {}, [{}], None],
    "facts": [[], {"a": {}}, {"a": [None]}, {"a": [[1.0]]}],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_a_value_that_makes_no_sense_is_refused(key, value, path, content_of):
    description, *learnt = content_of("simple_ae")
    write(path, description | {key: value}, *learnt)
    refused(path)


WRONG_FEATURES = {"n_mels": [0, 64.0], "n_fft": [0, 2**40], "hop_length": [0, -512], "power": [0, -1.0, "2"]}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG_FEATURES.items() for value in values] + [("channel", -1)]
)
def test_feature_settings_that_make_no_sense_are_refused(key, value, path, content_of):
    description, *learnt = content_of("simple_ae")
    description["features"][key] = value
    write(path, description, *learnt)
    refused(path)


WRONG_CALIBRATION = {
    "scoring": ["native", "mahalanobis", 1],
    "score_pooling": ["", "median"],
    "source": ["left_out", ""],
    "scores": [[], [1.0], ["a"] * 12, "a"],
    "machines": [[], [["6dB", "fan"]], [["6dB", "fan", "id_00", "x"]], [[1, 2, 3]], 1],
    "machine_of": [[-1] * 12, [5] * 12, [0.0] * 12, [0]],
    "threshold": ["1", None, [1.0]],
    "machine_thresholds": [[], [1.0, 2.0], ["a"]],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG_CALIBRATION.items() for value in values]
)
def test_a_calibration_that_makes_no_sense_is_refused(key, value, path, content_of):
    description, *learnt = content_of("simple_ae")
    description["calibrations"][0][key] = value
    write(path, description, *learnt)
    refused(path)


@pytest.mark.parametrize("key", WRONG)
def test_what_is_missing_or_too_much_is_refused(key, path, content_of):
    description, *learnt = content_of("simple_ae")
    write(path, {name: value for name, value in description.items() if name != key}, *learnt)
    refused(path)
    write(path, description | {f"another_{key}": 1}, *learnt)
    refused(path)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"format": NaN}', '{"format": 1e999}', "\0"])
def test_a_description_that_is_no_description_is_refused(text, path, content_of):
    _, *learnt = content_of("simple_ae")
    write(path, text, *learnt)
    refused(path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(number, path, content_of):
    description, *learnt = content_of("simple_ae")
    description["calibrations"][0]["threshold"] = 123.25
    write(path, json.dumps(description).replace("123.25", number), *learnt)
    refused(path)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_learnt_part_that_is_no_such_part_is_refused(name, path, content_of):
    description, learnt_file, learnt = content_of(name)
    for wrong in (b"", b"anything", learnt[: len(learnt) // 2]):
        write(path, description, learnt_file, wrong)
        refused(path)
    write(path, description, "other.bin", learnt)
    refused(path)


def test_a_value_is_parsed_by_its_type():
    assert parse(float, 2) == 2
    assert parse(dict[str, str | float], {"a": "b", "c": 0.5}) == {"a": "b", "c": 0.5}
    assert parse(list[list[str]], [["a"], []]) == [["a"], []]
    for expected, value in ((int, True), (int, 1.0), (float, "1"), (str, None), (list[int], {}), (dict[str, int], [])):
        with pytest.raises(ValueError, match="not what belongs there"):
            parse(expected, value)
