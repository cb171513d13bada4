"""Random damage to a recording, to each kind of cache and to a results table: no crash, no hang, nothing wrong let in.

The damage is done in processes of their own, so that a crash is seen; ``--corruptions`` says how many of each kind.
"""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import soundfile
import torch
from support import REAL_DATA, SAMPLE_RATE, sound

import mimii
from mimii.data.machines import MACHINE
from mimii.data.recordings import find_recordings
from mimii.features.origins import Origins
from mimii.features.store import FeatureStore
from mimii.features.windows import Features, Samples
from mimii.models import create_model
from mimii.models.files import load_model
from mimii.models.trained import TrainedDetector
from mimii.settings import ClipSettings, FeatureSettings, TrainingSettings
from mimii.storage import files
from mimii.storage.results import ResultsTable
from mimii.training.hooks import Training

resource = pytest.importorskip("resource", reason="limits are other on Windows")

HEADER = 64  # [bytes]; half of the damage is done there, where it means most
BATCH = 100  # recordings that are extracted together


def damaged(content, rng):
    """The content with bits flipped, bytes overwritten, zeroed, cut out or put in, or with its end cut off."""
    content = bytearray(content)
    place = int(rng.integers(min(HEADER, len(content)) if rng.random() < 0.5 else len(content)))
    length = int(rng.integers(1, 1 + int(rng.choice([1, 4, 64, 4096]))))
    match int(rng.integers(6)):
        case 0:
            for _ in range(length % 8 + 1):
                content[int(rng.integers(place, len(content)))] ^= 1 << int(rng.integers(8))
        case 1:
            content[place : place + length] = rng.bytes(length)
        case 2:
            content[place : place + length] = bytes(length)
        case 3:
            del content[place : place + length]
        case 4:
            content[place:place] = rng.bytes(length)
        case 5:
            del content[place:]
    return bytes(content)


def fuzz_wav(directory, rng, count):
    """Recordings: each is used, with finite features, or skipped with a reason."""
    clips = sorted((REAL_DATA / "mimii_clips" / "0dB" / "fan" / "id_00" / "abnormal").glob("*.wav"))
    if clips:
        content = clips[0].read_bytes()
    else:
        soundfile.write(directory / "sound.wav", sound(np.random.default_rng(0)), SAMPLE_RATE)
        content = (directory / "sound.wav").read_bytes()
    folder = directory / "data" / "6dB" / "fan" / "id_00" / "normal"
    folder.mkdir(parents=True)
    store = FeatureStore(directory / "cache", FeatureSettings())
    for _ in range(0, count, BATCH):
        for number in range(BATCH):
            (folder / f"{number:08d}.wav").write_bytes(damaged(content, rng))
        machine = find_recordings(directory / "data")
        store.extract([machine], jobs=1)
        features = store.load(machine)
        assert len(features.recordings) + len(features.skipped) == BATCH
        assert np.isfinite(features.frames).all()
        store.path(machine).unlink()
        yield "used", len(features.recordings)
        for reason in features.skipped.values():
            yield " ".join(word for word in reason.split() if not any(map(str.isdigit, word))), 1


def fuzz_cache(path, load, rng, count, sealed):
    """Cache files: each is refused or gives what was saved; with a new seal, at least it ends nothing."""
    content = path.read_bytes()
    if not sealed:
        with files.open_sealed(path) as file:
            content = file.read()[: -hashlib.sha256().digest_size]
    expected = load(path)
    for _ in range(count):
        if sealed:
            path.write_bytes(damaged(content, rng))
        else:
            spoilt = damaged(content, rng)
            path.write_bytes(spoilt + hashlib.sha256(spoilt).digest())
        try:
            loaded = load(path)
        except files.CacheError:
            yield "refused", 1
        else:
            is_same = loaded == expected
            assert is_same or not sealed
            yield "loaded as it was" if is_same else "loaded otherwise", 1


def fuzz_pickle(directory, rng, count, sealed=True):
    """The features of a machine."""
    path = directory / "a.pickle"
    frames = np.random.default_rng(0).normal(size=(60, 64)).astype(np.float32)
    files.save_pickle(path, {"frames": frames, "offsets": np.arange(3), "sample_rate": 16000, "skipped": {1: "a"}})
    return fuzz_cache(path, lambda path: pickle.dumps(files.load_pickle(path)), rng, count, sealed)


def fuzz_model(name, directory, rng, count, sealed=True):
    """A trained model."""
    path = directory / "a.model"
    frames = np.random.default_rng(0).normal(size=(60, 64)).astype(np.float32)
    samples = np.random.default_rng(0).integers(-9000, 9000, size=4 * 20_000).astype(np.int16)
    machines = pd.DataFrame([("6dB", "fan", f"id_0{number}") for number in (0, 0, 2, 2)], columns=MACHINE)
    recordings = machines.assign(domain="", attributes="")
    features = Features(frames, 15 * np.arange(5), recordings, {}, 16000, Samples(samples, 20_000 * np.arange(5)))
    windows = features.windows(5, np.full(4, True), origins=Origins.of(recordings))
    model = create_model(name, clip=ClipSettings(ensemble=1))
    training = Training(TrainingSettings(epochs=1, batch_size=8), seed=0)
    model.fit(windows, None, training)
    trained = TrainedDetector.calibrated(model, FeatureSettings(), features, windows, None, training)
    trained.facts = {"train_loss": [1.0]}
    trained.save(path)

    def load(path):
        trained = load_model(path)
        scores = list(trained.model.score_every_way(windows).values()) if sealed else None
        return pickle.dumps((trained.facts, trained.features, list(trained.calibrations), scores))

    return fuzz_cache(path, load, rng, count, sealed)


def fuzz_table(directory, rng, count):
    """Results tables: what is there stays, and the new row can be read in the file that took it."""
    columns = ["model", "machine_id", "auc", "num_parameters", "run_id", "timestamp"]
    path = directory / "table.csv"
    facts = [("vae", f"id_0{number}", rng.random(), number, rng.bytes(8).hex(), "2026-01-01") for number in range(20)]
    rows = [dict(zip(columns, values, strict=True)) for values in facts]
    ResultsTable(path, columns).append(rows[:-1])
    content = path.read_bytes()
    for _ in range(count):
        for other in directory.glob("*.csv"):
            other.unlink()
        spoilt = damaged(content, rng)
        path.write_bytes(spoilt)
        table = ResultsTable(path, columns)
        table.append(rows[-1:])
        assert path.read_bytes().startswith(spoilt) or not spoilt.decode("utf-8-sig").strip()
        found = table.read()
        last = found.iloc[-1].to_dict()
        assert last == rows[-1], last
        known = [row for row in found.to_dict("records")[:-1] if row in rows]
        yield "appended" if table.path == path else "went to a new file", 1
        yield "rows that say something else", len(found) - 1 - len(known)


KINDS = {
    "wav": fuzz_wav,
    "pickle": fuzz_pickle,
    "network": partial(fuzz_model, "simple_ae"),
    "classical": partial(fuzz_model, "one_class_svm"),
    "embedding": partial(fuzz_model, "id_embedding"),
    "samples": partial(fuzz_model, "two_branch"),
    "fusion": partial(fuzz_model, "fusion"),
    "table": fuzz_table,
}
RESEALED = [
    "pickle",
    "network",
    "classical",
    "embedding",
    "samples",
    "fusion",
]  # with a seal that fits, as somebody could make it


def in_a_process_of_its_own(kind, sealed, count, directory):
    source = str(Path(mimii.__file__).parents[1])
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, __file__, kind, str(int(sealed)), str(count), directory],
        env=os.environ | {"PYTHONPATH": source, "PYTHONFAULTHANDLER": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    print(kind, "" if sealed else "with a new seal", f"{time.monotonic() - begin:.0f} s", done.stdout)


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
def test_damage_does_no_harm(kind, tmp_path, request):
    in_a_process_of_its_own(kind, True, request.config.getoption("corruptions"), tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("kind", RESEALED)
def test_damage_below_the_seal_ends_no_process(kind, tmp_path, request):
    in_a_process_of_its_own(kind, False, request.config.getoption("corruptions") // 10, tmp_path)


def main(kind, sealed, count, directory):
    """Do the damage, and print how often what came of it."""
    # a pickle of some bytes can ask for all the memory there is
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 2**30,) * 2)
    torch.set_num_threads(1)
    rng = np.random.default_rng(2026)
    options = {} if int(sealed) else {"sealed": False}
    found = Counter()
    for result, number in KINDS[kind](Path(directory), rng, int(count), **options):
        found[result] += number
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
