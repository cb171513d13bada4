"""The command ``monitor.py train``."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from monitor_support import write_healthy, write_others
from support import SAMPLE_RATE, SOURCE, assert_refused, run_here, sound

import mimii
from mimii.models import DETECTORS
from mimii.monitoring import training
from mimii.monitoring.monitor import Monitor

SCRIPT = SOURCE / "monitor.py"
QUICK = ("--model", "mahalanobis", "--n_mels", 16, "--jobs", 1)


def train(directory, *options):
    return run_here(directory, "train", *options, script=SCRIPT)


@pytest.fixture(scope="module")
def healthy(once):
    return once("monitor_train_healthy", write_healthy)


def test_help_is_quick():
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(SOURCE)!r}); sys.argv = [{str(SCRIPT)!r}, 'train', '--help']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit: assert not {'numpy', 'pandas', 'scipy', 'torch'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert all(name in result.stdout for name in DETECTORS)


def test_it_says_what_it_learnt_and_what_can_be_relied_on(healthy, tmp_path):
    run = train(tmp_path, healthy, "--model_file", "models/pump.model", "--false_alarms", 0.1, *QUICK)
    assert run.status == 0, run.output
    text = " ".join(run.out.split())
    assert "mahalanobis has learnt from 24 recordings: 4.0 s each, 96 s together, 16000 Hz." in text
    assert "Threshold: " in text
    assert "False alarms: 10 % of healthy recordings. This rests on 24 held-out recordings; between" in text
    assert run.out.endswith("Written: models/pump.model\n")
    assert max(map(len, run.out.splitlines())) <= 80
    monitor = Monitor.load(tmp_path / "models" / "pump.model")
    assert f"Threshold: {monitor.threshold:.5g}" in run.out
    recording = sorted(healthy.rglob("*.wav"))[0]
    assert mimii.load_model(tmp_path / "models" / "pump.model").score(recording).threshold == monitor.threshold


def test_a_fusion_names_its_members_and_what_others_would_add(healthy, tmp_path):
    paths = sorted(healthy.rglob("*.wav"))[:8]
    quick = ("--model", "fusion", "--ensemble", 1, "--epochs", 2, "--n_mels", 16, "--jobs", 1, "--model_file", "m")
    run = train(tmp_path, *paths, *quick)
    assert run.status == 0, run.output
    text = " ".join(run.out.split())
    assert "fusion of ldn and mahalanobis has learnt from 8 recordings: 4.0 s each, 32 s together, 16000 Hz;" in text
    assert "16000 Hz; --others would add id_embedding." in text
    assert "warning" not in run.err
    others = write_others(tmp_path / "others")
    run = train(tmp_path, *paths, *quick, "--others", *others)
    assert run.status == 0, run.output
    text = " ".join(run.out.split())
    assert "fusion of ldn, mahalanobis and id_embedding has learnt from 8 recordings" in text
    assert "16000 Hz, and from 10 of 2 other machine(s)." in text
    explained = run_here(tmp_path, "explain", others[0] / "0.wav", "--model_file", "m", "--output", "a.html",
                         script=SCRIPT)  # fmt: skip
    assert explained.status == 1, explained.output
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "fusion of ldn, mahalanobis and id_embedding" in page
    assert "and 10 of other machines" in page


def test_it_names_what_it_left_out_and_warns_of_few(healthy, tmp_path):
    paths = sorted(healthy.rglob("*.wav"))[:8]
    (tmp_path / "a\nb.wav").write_bytes(b"RIFF")
    soundfile.write(tmp_path / "other.wav", np.zeros(8000), 8000)
    more = tmp_path / "a\nb.wav", tmp_path / "other.wav"
    run = train(tmp_path, *paths, *more, "--model_file", "m", "--false_alarms", 0.01, *QUICK)
    assert run.status == 0, run.output
    text = " ".join(run.out.split())
    assert r"a\nb.wav" in text
    assert "Left out 1, digital silence: all samples are the same: " in text
    assert "Warning: 8 recordings are few" in text
    assert "too few to promise it by themselves" in text
    assert "99 recordings could promise it" in text


def test_what_stands_far_out_is_named(healthy, tmp_path):
    strange = tmp_path / "strange.wav"
    soundfile.write(strange, sound(np.random.default_rng(5), seconds=4, abnormal=True), SAMPLE_RATE, subtype="PCM_16")
    run = train(tmp_path, healthy, strange, "--model_file", "m", *QUICK)
    text = " ".join(run.out.split())
    assert "Warning: 1 recording(s) stand far out and may not be healthy" in text
    assert str(strange) in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nowhere", "--model_file", "m"], ["nowhere does not exist"]),
        (["."], ["required: --model_file"]),
        ([".", "--model_file", "m"], ["there is no audio file to learn from: wav,"]),
        ([".", "--model_file", "."], ["no file for a model"]),
        ([".", "--model_file", "today.wav"], ["no file for a model"]),
        ([".", "--model_file", "m", "--false_alarms", "0.5"], ["0.5 is not a share from 0.000001 to below 0.5"]),
        ([".", "--model_file", "m", "--model", "fusoin"], ["fusion"]),
        ([".", "--model_file", "m", "--modle", "fusion"], ["--model"]),
        ([".", "--model_file", "m", "--n_mels", "600"], ["--n_mels 600"]),
        ([".", "--model_file", "m", "--model", "idnn", "--frames", "4"], ["idnn needs frames 3"]),
        ([".", "--model_file", "m", "--model", "id_embedding"], ["id_embedding learns to tell machines", "--others"]),
        ([".", "--model_file", "m", "--model", "ldn", "--others", "."], ["ldn can't learn from --others"]),
        ([".", "--model_file", "m", "--others", "nowhere"], ["nowhere does not exist"]),
        ([".", "--model_file", "m", "--model", "fusion", "--fuse", "ldn"], ["--fuse: a fusion needs two"]),
    ],
)
def test_wrong_input_gets_one_line(tmp_path, options, words):
    assert_refused(train(tmp_path, *options), *words)


def test_an_older_model_stays_until_the_new_one_is_complete(healthy, tmp_path, monkeypatch):
    (tmp_path / "m").write_text("older")

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "fit_and_hold_out", interrupted)
    run = train(tmp_path, healthy, "--model_file", "m", *QUICK)
    assert run.status == 130
    assert (tmp_path / "m").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
