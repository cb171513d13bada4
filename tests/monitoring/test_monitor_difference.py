"""A monitor that hears the near microphone without the noise of the far one."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import soundfile
from support import SAMPLE_RATE, sound, write_sealed

from mimii.data.audio import RecordingError
from mimii.models.files import load_model
from mimii.monitoring.explaining import explain
from mimii.monitoring.judging import judge
from mimii.monitoring.monitor import Monitor
from mimii.monitoring.telling import facts
from mimii.monitoring.training import train_monitor
from mimii.settings import FeatureSettings, MonitorSettings
from mimii.storage.files import CacheError, open_sealed

COUNT = 16


def write_recording(path, rng, *, abnormal=False, level=0.1):
    """A machine, and as much noise as each recording has of its own."""
    machine, noise = sound(rng, seconds=1, abnormal=abnormal), level * rng.standard_normal(SAMPLE_RATE)
    far = 0.1 * machine + 1.5 * noise
    soundfile.write(path, np.stack([machine + noise, far], axis=1), SAMPLE_RATE, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        write_recording(folder / f"{number:02d}.wav", rng, level=rng.uniform(0.03, 0.3))
    soundfile.write(folder / "one.wav", sound(rng, seconds=1), SAMPLE_RATE)
    return folder


@pytest.fixture(scope="module")
def learnt(folder):
    settings = MonitorSettings(
        model="mahalanobis", features=FeatureSettings(channel="difference"), device="cpu", jobs=1
    )
    return train_monitor([folder], settings)


@pytest.fixture(scope="module")
def file(learnt, tmp_path_factory):
    path = tmp_path_factory.mktemp("monitor") / "a.monitor"
    learnt.monitor.save(path)
    return path


def test_it_learns_from_recordings_of_two_channels_and_says_why_not_from_others(learnt):
    assert len(learnt.monitor.healthy.paths) == COUNT
    [(path, reason)] = learnt.left_out.items()
    assert path.endswith("one.wav")
    assert reason == "one channel, and difference needs two: of a near and of a far microphone"


def test_its_file_keeps_the_setting_and_judges_by_it(folder, learnt, file, tmp_path):
    monitor = Monitor.load(file)
    assert monitor.detector.features.channel == "difference"
    path = write_recording(tmp_path / "odd.wav", np.random.default_rng(1), abnormal=True)
    judgement = judge(monitor, path)
    assert judgement.score == judge(learnt.monitor, path).score == load_model(file).score(path).score
    assert judgement.score > judgement.threshold
    with pytest.raises(RecordingError, match="difference needs two"):
        load_model(file).score(folder / "one.wav")


def test_an_explanation_says_what_is_heard(learnt, folder):
    hears = facts(explain(learnt.monitor, str(folder / "00.wav")))["Hears"]
    assert hears.startswith("channel 0 without the noise that channel 1 hears at 16,000 Hz")


@pytest.mark.parametrize("channel", ["far", "", "0", -1, 1.0, True, None, ["difference"], {}])
def test_a_damaged_setting_is_refused(channel, file, tmp_path):
    path = tmp_path / "a.monitor"
    shutil.copy(file, path)
    with open_sealed(path) as content:
        archive = zipfile.ZipFile(io.BytesIO(content.read()))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as changed:
        for name in archive.namelist():
            part = archive.read(name)
            if name == "model.json":
                description = json.loads(part)
                description["features"]["channel"] = channel
                part = json.dumps(description).encode()
            changed.writestr(name, part)
    write_sealed(path, buffer.getvalue())
    with pytest.raises(CacheError) as caught:
        Monitor.load(path)
    assert "\n" not in str(caught.value)
