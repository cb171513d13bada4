"""What explains a verdict, for every detector, and its picture."""

import dataclasses
import html
import shutil

import matplotlib as mpl
import numpy as np
import pytest
import soundfile
import torch
from matplotlib.image import imread
from matplotlib.patches import Rectangle
from monitor_support import TONE_BEGIN, TONE_HZ, healthy_sound, trained, with_tone, write, write_healthy, write_others
from support import SAMPLE_RATE

from mimii.data.audio import RecordingError
from mimii.features.logmel import band_edges
from mimii.models.registry import DETECTORS
from mimii.monitoring import recipe, telling
from mimii.monitoring.explaining import explain
from mimii.monitoring.page import render
from mimii.monitoring.picture import draw, write_picture
from mimii.monitoring.training import train_monitor
from mimii.settings import FeatureSettings, MonitorSettings, TrainingSettings

torch.set_num_threads(1)  # the tests themselves run side by side


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_healthy(tmp_path_factory.mktemp("healthy"))


@pytest.fixture(scope="module")
def monitor(folder):
    return trained([folder], "mahalanobis")


@pytest.fixture
def healthy_path(tmp_path):
    return write(tmp_path / "today.wav", healthy_sound(np.random.default_rng(11)))


@pytest.fixture
def tone_path(tmp_path):
    return write(tmp_path / "tone.wav", with_tone(healthy_sound(np.random.default_rng(11))))


@pytest.fixture(scope="module")
def short_recordings(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("short"), np.random.default_rng(0)
    for number in range(6):
        write(folder / f"{number}.wav", healthy_sound(rng)[: SAMPLE_RATE // 2])
    return folder


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    return write_others(tmp_path_factory.mktemp("others"), count=2)


# multi_resolution is two_branch with two branches more, and takes long
SLOW = [pytest.param(name, marks=pytest.mark.faults) if name == "multi_resolution" else name for name in DETECTORS]


@pytest.mark.parametrize("model", SLOW)
def test_every_detector_explains_its_verdict(model, short_recordings, others, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "BLOCKS", 2)
    settings = MonitorSettings(
        model=model,
        features=FeatureSettings(n_mels=8),
        training=TrainingSettings(epochs=1, frames=3),
        false_alarms=0.2,
        device="cpu",
        jobs=1,
    )
    rng = np.random.default_rng(5)
    path = write(tmp_path / "whistle.wav", with_tone(healthy_sound(rng))[-SAMPLE_RATE // 2 :])
    learnt = train_monitor([short_recordings], settings, others if DETECTORS[model].knows_machines else ())
    explanation = explain(learnt.monitor, path)
    assert explanation.judgement.path == str(path)
    assert len(explanation.sound.times) == len(explanation.sound.values) > 0
    assert explanation.nearest.sound is not None
    assert telling.sureness(explanation) in render(explanation)
    assert len(draw(explanation).axes) == 6  # two spectrograms, two scores, the bands and the bar of colours


def test_the_nearest_healthy_recording_is_the_one_of_the_least_distance(monitor, folder, tmp_path):
    signal, _ = soundfile.read(folder / "007.wav", dtype="float32")
    path = write(tmp_path / "today.wav", signal + 1e-4 * np.random.default_rng(3).standard_normal(len(signal)))
    explanation = explain(monitor, path)
    assert explanation.nearest.path == str(folder / "007.wav")
    assert explanation.nearest.problem == ""
    np.testing.assert_array_equal(
        explanation.nearest.sound.signal, soundfile.read(folder / "007.wav", dtype="int16")[0]
    )
    assert not explanation.was_learnt


def test_a_recording_that_was_learnt_from_is_not_its_own_neighbour(monitor, folder, tmp_path):
    copy = shutil.copy(folder / "007.wav", tmp_path / "copy.wav")
    explanation = explain(monitor, copy)
    assert explanation.was_learnt
    assert explanation.nearest.path != str(folder / "007.wav")
    assert "has learnt from this very recording" in render(explanation)


@pytest.mark.parametrize("happens", ["gone", "changed", "impossible"])
def test_a_healthy_recording_that_is_no_longer_there_is_told(happens, healthy_path, tmp_path):
    folder = write_healthy(tmp_path / "healthy", count=6)
    monitor = trained([folder], "knn")
    before = explain(monitor, healthy_path)
    for path in folder.iterdir():
        if happens == "gone":
            path.unlink()
        elif happens == "changed":
            shutil.copy(healthy_path, path)
    if happens == "impossible":
        paths = np.array([f"a\0{path}" for path in monitor.healthy.paths])
        monitor.healthy = dataclasses.replace(monitor.healthy, paths=paths)
    explanation = explain(monitor, healthy_path)
    nearest = explanation.nearest
    assert nearest.sound is None
    assert nearest.problem == "its file is no longer there, or no longer the one that was learnt from"
    np.testing.assert_array_equal(nearest.vector, before.nearest.vector)
    assert nearest.problem in html.unescape(render(explanation))
    assert len(draw(explanation).axes) == 6


def test_bands_show_the_tone_beyond_the_healthy_range(monitor, tone_path):
    bands = explain(monitor, tone_path).bands
    band = int(bands.position(TONE_HZ))
    assert bands.edges[band] <= TONE_HZ <= bands.edges[band + 1]
    assert bands.levels[band] > bands.high[band] + 3
    assert (bands.low <= bands.mean).all()
    assert (bands.mean <= bands.high).all()


def test_of_a_healthy_recording_a_tenth_of_the_bands_is_outside_the_range_of_nine_in_ten(monitor, tmp_path):
    paths = [write(tmp_path / f"{seed}.wav", healthy_sound(np.random.default_rng(seed))) for seed in range(100, 110)]
    assert 0.05 < np.mean([explain(monitor, path).bands.outside for path in paths]) / 64 < 0.2


def test_edges_of_bands_are_those_that_findings_have(monitor, tone_path):
    edges = band_edges(64, SAMPLE_RATE)
    for finding in explain(monitor, tone_path).judgement.findings:
        assert np.abs(edges - finding.low_hz).min() < 1e-6
        assert np.abs(edges - finding.high_hz).min() < 1e-6


@pytest.mark.parametrize("content", [b"", b"no wav"])
def test_what_cannot_be_judged_is_told_in_one_line(monitor, content, tmp_path):
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"broken\.wav: can't be judged: can't be read") as error:
        explain(monitor, path)
    assert "\n" not in str(error.value)


def test_the_picture_outlines_the_tone(monitor, tone_path):
    explanation = explain(monitor, tone_path)
    top = draw(explanation).axes[0]
    outlines = [patch for patch in top.patches if isinstance(patch, Rectangle)]
    assert len(outlines) == len(explanation.judgement.findings)
    place = explanation.bands.position(TONE_HZ)
    first = outlines[0]
    assert first.get_y() <= place <= first.get_y() + first.get_height()
    assert first.get_x() == pytest.approx(TONE_BEGIN, abs=0.15)


def test_the_picture_shows_both_recordings_in_the_same_colours(monitor, healthy_path):
    axes = draw(explain(monitor, healthy_path)).axes
    assert axes[0].images[0].get_clim() == axes[1].images[0].get_clim()
    assert axes[2].get_ylim() == axes[3].get_ylim()


def test_a_picture_is_written_and_leaves_no_state(monitor, healthy_path, tmp_path):
    before = dict(mpl.rcParams)
    write_picture(explain(monitor, healthy_path), tmp_path / "new" / "today.png")
    assert dict(mpl.rcParams) == before
    assert imread(tmp_path / "new" / "today.png").shape[1] > 1500


@pytest.mark.parametrize("name", ["$x$ \\frac a\nb\tc \udc80 日本語", "x" * 200])
def test_any_name_can_be_drawn_and_written(monitor, healthy_path, name, tmp_path):
    path = tmp_path / f"{name}.wav"
    shutil.copy(healthy_path, path)
    explanation = explain(monitor, path)
    write_picture(explanation, tmp_path / "today.png")
    assert telling.plain(path.name)[:20] in render(explanation)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.334, "33 of 100 healthy recordings score as high"),
        (0.0025, "1 of 400 healthy recordings scores as high"),
        (1e-9, "fewer than 1 of 10,000 healthy recordings score as high"),
        (0, "fewer than 1 of 10,000 healthy recordings score as high"),
    ],
)
def test_how_sure_it_is_in_words(share, text):
    assert telling.share_text(share) == text
