"""ONNX files: they score as the model does, whatever the detector and the sound, or are not written."""

import copy
import json
import re
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from model_support import AUTOENCODERS, CLIP_LEVEL, SAMPLE_RATE, data_for, features_of, fit, trained, training
from monitor_support import healthy_sound, write
from support import ROOT, sound

from mimii.errors import StorageError, UserError
from mimii.features.logmel import FULL_SCALE, log_mel
from mimii.models import DETECTORS, create_model
from mimii.models.recording import frames_of_samples
from mimii.models.trained import TrainedDetector
from mimii.monitoring import export as exporting
from mimii.monitoring.export import export, fewest_samples
from mimii.monitoring.healthy import Healthy
from mimii.monitoring.monitor import Monitor
from mimii.monitoring.training import train_monitor
from mimii.networks import spectral
from mimii.settings import ClipSettings, FeatureSettings, MonitorSettings

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

# the score of a median healthy recording may be near 0: then the distance to the threshold is what matters
LIMIT = 1e-4


def monitor_of(detector, way=None):
    """A monitor of a detector, which knows of no recording that is still there."""
    way = way if way in detector.calibrations else next(iter(detector.calibrations))
    facts = {"scoring": way[0], "score_pooling": way[1], "false_alarms": 0.1, "train_loss": [0.5], "seed": 42}
    n_mels, model = detector.features.n_mels, copy.deepcopy(detector.model)
    if model.machines:
        model.keep_only(model.machines[0])
    bands = {name: np.zeros(n_mels, np.float32) for name in ("part_mean", "part_std", "part_low", "part_high")}
    healthy = Healthy(
        paths=np.array(["/nowhere/1.wav"]),
        digests=np.array([""]),
        vectors=np.zeros((1, n_mels), np.float32),
        levels=np.array([-25.0]),
        seconds=np.array([1.0]),
        curve_threshold=1.0,
        **bands,
    )
    return Monitor(replace(detector, model=model, facts=facts), healthy)


def clip_level(name, clip, settings):
    """A clip-level detector that has learnt with other settings than the defaults."""
    rng = np.random.default_rng(0)
    features = features_of([log_mel(sound(rng, seconds=0.5), SAMPLE_RATE, settings) for _ in range(9)])
    model = create_model(name, n_mels=settings.n_mels, frames=1, clip=clip)
    windows = features.windows(1, np.ones(9, bool))
    model.fit(windows, None, training())
    return monitor_of(TrainedDetector.calibrated(model, settings, features, windows, None, training()))


def signals(shortest):
    """Sounds of several lengths, levels and types."""
    rng = np.random.default_rng(5)
    normal, abnormal = sound(rng, seconds=1.3), sound(rng, seconds=2.0, abnormal=True)
    tone = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(20_000) / SAMPLE_RATE)).astype(np.float32)
    click = np.zeros(9000, np.float32)
    click[3000:3003] = 1, -1, 1
    return {
        "normal": normal,
        "of the shortest length": normal[:shortest],
        "one sample more": normal[: shortest + 1],
        "abnormal": abnormal,
        "of 16 bits": np.round(abnormal * 2**15).astype(np.int16),
        "quiet, of 16 bits": np.round(normal * 30).astype(np.int16),
        "very quiet": normal * np.float32(1e-6),
        "pure tone": tone,
        "click in silence": click,
        "clipped": (normal * 50).clip(-1, 1),
    }


def score_of(monitor, signal):
    """What the monitor itself says."""
    detector = monitor.detector
    frames = frames_of_samples(signal, detector.model, detector.features, detector.sample_rate)
    return monitor.scores([frames], [signal])[0]


def run(session, signal):
    """What the file says: score and score in units of the threshold."""
    samples = signal.astype(np.float32) / np.float32(FULL_SCALE[signal.dtype.name])
    score, relative = session.run(["score", "relative"], {"samples": samples})
    assert score.shape == relative.shape == ()
    return float(score), float(relative)


@pytest.fixture(scope="module")
def idnn(tmp_path_factory):
    """A monitor that is a network, and its file."""
    monitor, path = monitor_of(trained("idnn"), ("mse", "max")), tmp_path_factory.mktemp("idnn") / "a.onnx"
    export(monitor, path)
    return monitor, path


def assert_same_scores(monitor, path):
    if not path.exists():
        exported = export(monitor, path)
        assert exported.difference <= LIMIT
        assert exported.size == path.stat().st_size
        assert (exported.recordings, exported.sounds) == (0, 7)
    session = onnxruntime.InferenceSession(path)
    spread = monitor.threshold - np.median(monitor.calibration.scores)
    for name, signal in signals(fewest_samples(monitor)).items():
        expected = score_of(monitor, signal)
        score, relative = run(session, signal)
        assert abs(score - expected) <= LIMIT * max(abs(expected), spread), name
        assert relative == pytest.approx(monitor.relative(score)), name


# torch takes long to write down a network: one of each kind of layers is enough for every day
QUICK = ["idnn", "conv_ae", *(name for name in CLIP_LEVEL if not DETECTORS[name].needs_samples)]
SLOW = [name for name in [*AUTOENCODERS, *CLIP_LEVEL] if name not in QUICK]


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.faults) for name in SLOW)])
def test_every_detector_scores_as_its_model_does(name, tmp_path):
    assert_same_scores(monitor_of(trained(name), ("mahalanobis", "")), tmp_path / "a.onnx")


@pytest.mark.parametrize("backend", ["ldn", "knn", "kmeans"])
def test_every_back_end_of_an_embedding(backend, tmp_path):
    assert_same_scores(monitor_of(trained("id_embedding"), (backend, "")), tmp_path / "a.onnx")


@pytest.mark.parametrize("n_mels", [5, 24])
def test_an_embedding_of_few_bands(n_mels, tmp_path):
    model = fit("id_embedding", n_mels=n_mels)[0]
    features, data = FeatureSettings(n_fft=2048, n_mels=n_mels), data_for("id_embedding", n_mels=n_mels)
    detector = TrainedDetector.calibrated(model, features, data.features, data.train, data.validation, training())
    assert_same_scores(monitor_of(detector), tmp_path / "a.onnx")


@pytest.mark.faults
def test_a_detector_of_samples_with_a_smaller_network(tmp_path, monkeypatch):
    monkeypatch.setattr(spectral, "_STAGES", (16,))  # torch takes long to write down all of them
    assert_same_scores(of_sounds("two_branch"), tmp_path / "a.onnx")


@pytest.mark.faults
def test_networks_as_parts_of_a_fusion(tmp_path):
    fuse = ("idnn", "simple_ae", "knn", "id_embedding")
    assert_same_scores(of_sounds("fusion", clip=ClipSettings(fuse=fuse, ensemble=1)), tmp_path / "a.onnx")


def of_sounds(name, clip=None):
    """A monitor that has learnt from the sounds of two machines, in no time."""
    data = data_for("id_embedding")
    model = create_model(name, clip=clip)
    quick = training(epochs=1)
    model.fit(data.train, data.validation, quick)
    detector = TrainedDetector.calibrated(
        model, FeatureSettings(n_fft=2048), data.features, data.train, data.validation, quick
    )
    return monitor_of(detector)


@pytest.mark.parametrize("pooling", [pytest.param("mean", marks=pytest.mark.faults), "top10"])
def test_errors_of_windows_are_pooled_as_the_model_does(pooling, tmp_path):
    assert_same_scores(monitor_of(trained("idnn"), ("mse", pooling)), tmp_path / "a.onnx")


def test_the_highest_error_of_a_window(idnn):
    assert_same_scores(*idnn)


@pytest.mark.parametrize("name", ["knn", "ldn", "fusion"])
def test_cosine_distances(name, tmp_path):
    clip = ClipSettings(distance="cosine", fuse=("ldn", "knn"))
    assert_same_scores(clip_level(name, clip, FeatureSettings()), tmp_path / "a.onnx")


@pytest.mark.parametrize(("pooling", "twfr_r"), [("median", 1), ("max", 1), ("twfr", 0.9), ("twfr", 0), ("twfr", 1)])
def test_poolings_over_time(pooling, twfr_r, tmp_path):
    clip = ClipSettings(pooling=pooling, twfr_r=twfr_r)
    assert_same_scores(clip_level("mahalanobis", clip, FeatureSettings()), tmp_path / "a.onnx")


@pytest.mark.parametrize(
    "settings",
    [
        FeatureSettings(n_fft=1025, hop_length=300, n_mels=40),
        FeatureSettings(n_fft=1000, hop_length=1100, power=1.0),
        FeatureSettings(n_fft=256, hop_length=64, n_mels=80),  # some bands are between two bins, and have no weight
    ],
    ids=lambda settings: f"{settings.n_fft}",
)
def test_features_of_other_settings(settings, tmp_path):
    assert_same_scores(clip_level("pca", ClipSettings(), settings), tmp_path / "a.onnx")


def test_what_cannot_be_judged_has_no_score(idnn, tmp_path):
    mahalanobis = monitor_of(trained("mahalanobis")), tmp_path / "a.onnx"
    export(*mahalanobis)
    for monitor, path in (idnn, mahalanobis):
        session = onnxruntime.InferenceSession(path)
        noise = sound(np.random.default_rng(0), seconds=1)
        spoilt, huge = noise.copy(), noise * np.float32(1e30)
        spoilt[5000] = np.nan
        silence, offset = np.zeros_like(noise), np.full_like(noise, 0.25)
        for signal in (noise[:0], noise[:1], noise[: fewest_samples(monitor) - 1], spoilt, huge, silence, offset):
            assert np.isnan(run(session, signal)).all()
        assert np.isfinite(run(session, noise)).all()


def test_what_has_an_infinite_score_cannot_be_judged(tmp_path):
    monitor = monitor_of(trained("mahalanobis"))
    model = copy.copy(monitor.detector.model)
    monitor.detector = replace(monitor.detector, model=model)
    model.learnt = model.learnt | {"precision": np.eye(64)}
    # the file is tried on sounds of which the highest score is still a number
    highest = max(score_of(monitor, signal) for signal in exporting._sounds(monitor))
    model.learnt = model.learnt | {"precision": np.eye(64) * (1e308 / highest)}
    export(monitor, tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    noise = sound(np.random.default_rng(0), seconds=1)
    assert np.isfinite(run(session, noise)).all()
    loud = noise * np.float32(1e15)
    with np.errstate(over="ignore"):
        assert np.isinf(score_of(monitor, loud))
    assert np.isnan(run(session, loud)).all()


def test_it_is_tried_on_healthy_recordings_that_are_still_the_same(tmp_path):
    rng = np.random.default_rng(0)
    paths = [write(tmp_path / "healthy" / f"{number}.wav", healthy_sound(rng)) for number in range(6)]
    monitor = train_monitor(paths, MonitorSettings(model="knn", false_alarms=0.2, jobs=1)).monitor
    paths[0].unlink()
    paths[1].write_bytes(paths[2].read_bytes())
    names = monitor.healthy.paths.copy()
    names[3] = "a\0b"
    monitor.healthy = replace(monitor.healthy, paths=names)
    assert export(monitor, tmp_path / "a.onnx").recordings == 3


def test_the_file_says_how_it_is_to_be_used_and_nothing_of_this_computer(idnn):
    monitor, path = idnn
    session = onnxruntime.InferenceSession(path)
    (samples,) = session.get_inputs()
    assert (samples.name, samples.type, samples.shape) == ("samples", "tensor(float)", ["n_samples"])
    assert [output.name for output in session.get_outputs()] == ["score", "relative"]
    text = session.get_modelmeta().custom_metadata_map
    assert (text["model"], text["scoring"], text["score_pooling"]) == ("idnn", "mse", "max")
    facts = {
        name: json.loads(value) for name, value in text.items() if name not in ("model", "scoring", "score_pooling")
    }
    scores = monitor.calibration.scores
    assert facts == {
        "sample_rate": SAMPLE_RATE,
        "channel": 0,
        "fewest_samples": 2048,
        "threshold": monitor.threshold,
        "median_score": np.median(scores),
        "false_alarms": 0.1,
        "held_out_scores": sorted(scores),
        "features": {"n_mels": 64, "n_fft": 2048, "hop_length": 512, "power": 2.0, "channel": 0},
        "frames": 5,
        "clip_options": {},
        "training": {"scoring": "mse", "score_pooling": "max", "false_alarms": 0.1, "seed": 42},
    }
    content = path.read_bytes()
    for word in (b"nowhere", b"site-packages", str(ROOT).encode()):
        assert word not in content


@pytest.mark.parametrize("name", ["isolation_forest", "one_class_svm"])
def test_a_detector_that_cannot_be_exported_says_so(name, tmp_path):
    with pytest.raises(UserError, match=f"^{name} .* can't be exported"):
        export(monitor_of(trained(name)), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_that_would_score_otherwise_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("mimii.monitoring.onnx_logmel.EPSILON", 1e-3)
    path = tmp_path / "a.onnx"
    path.write_bytes(b"what was there")
    with pytest.raises(UserError, match="would score other than the model"):
        export(monitor_of(trained("mahalanobis")), path)
    assert path.read_bytes() == b"what was there"
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_package_that_is_missing_is_named_with_the_remedy(package, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None if name == package else find_spec(name))
    with pytest.raises(UserError, match=rf"the package {package}: .*requirements-onnx\.txt"):
        export(monitor_of(trained("mahalanobis")), tmp_path / "a.onnx")


def test_what_onnxruntime_cannot_run_is_a_line(tmp_path):
    detector = trained("ldn")
    model = copy.copy(detector.model)
    model.learnt = {name: array.astype(np.float32) for name, array in model.learnt.items()}  # as no training makes them
    with pytest.raises(UserError, match=r"^ldn can't be exported: .*float"):
        export(monitor_of(replace(detector, model=model)), tmp_path / "a.onnx")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=re.escape(str(tmp_path / "file" / "a.onnx"))):
        export(monitor_of(trained("mahalanobis")), tmp_path / "file" / "a.onnx")


def test_real_recordings(real_clips, tmp_path):
    monitor = train_monitor(
        [real_clips / "0dB" / "fan" / "id_00" / "normal"], MonitorSettings(model="fusion", jobs=1)
    ).monitor
    exported = export(monitor, tmp_path / "a.onnx")
    assert exported.recordings == 8
    assert exported.difference <= LIMIT
