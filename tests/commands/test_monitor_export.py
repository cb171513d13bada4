"""The command line of export, and the example that uses what it writes."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from monitor_support import healthy_sound, trained, with_tone, write, write_healthy
from support import ROOT, SAMPLE_RATE, SOURCE, assert_refused, run_here

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

SCRIPT = SOURCE / "monitor.py"
EXAMPLE = ROOT / "examples" / "score_with_onnx.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model file, what it was exported to, and recordings."""
    base = tmp_path_factory.mktemp("made")
    trained([write_healthy(base / "healthy", count=8)], "mahalanobis").save(base / "pump.model")
    signal = healthy_sound(np.random.default_rng(11))
    write(base / "normal.wav", signal)
    write(base / "tone.wav", with_tone(signal))
    write(base / "silent.wav", np.zeros_like(signal))
    return base


def export(made, directory, onnx, model="pump.model"):
    return run_here(directory, "export", "--model_file", made / model, "--onnx", onnx, script=SCRIPT)


def example(directory, *words):
    """Run the example."""
    command = [sys.executable, EXAMPLE, *words]
    return subprocess.run(command, cwd=directory, capture_output=True, encoding="utf-8", timeout=60)


def test_it_says_what_it_wrote_and_how_well_it_agrees(made, tmp_path):
    done = export(made, tmp_path, "new/pump3.onnx")
    assert (done.status, done.err) == (0, "")
    *agreement, written = done.out.splitlines()
    assert " ".join(agreement).startswith(
        "Tried on 8 of the healthy recordings and 7 made sounds: its scores differ from the model's"
    )
    size = (tmp_path / "new" / "pump3.onnx").stat().st_size
    assert written == f"Written: new/pump3.onnx ({size / 1000:,.0f} kB)"


def test_the_example_judges_as_the_monitor_does(made, tmp_path):
    export(made, tmp_path, "pump3.onnx")
    names = ["normal.wav", "tone.wav", "silent.wav"]
    run = example(made, tmp_path / "pump3.onnx", *names)
    assert (run.returncode, run.stderr) == (2, "")
    assert example(made, tmp_path / "pump3.onnx", "normal.wav").returncode == 0
    assert example(made, tmp_path / "pump3.onnx", "tone.wav", "normal.wav").returncode == 1
    scored = run_here(tmp_path, "score", *(made / name for name in names), "--model_file", made / "pump.model", "--csv",
                      script=SCRIPT)  # fmt: skip
    verdicts = [line.split(",")[1] for line in scored.out.splitlines()[1:]]
    assert verdicts == ["normal", "abnormal", "can't be judged"]
    assert [line.rpartition(": ")[2] for line in run.stdout.splitlines()] == verdicts
    score = float(scored.out.splitlines()[2].split(",")[3])
    assert run.stdout.splitlines()[1].startswith(f"tone.wav: score {score:.5g}, threshold ")


def test_the_example_refuses_another_sample_rate(made, tmp_path):
    export(made, tmp_path, "pump3.onnx")
    soundfile.write(tmp_path / "8k.wav", np.zeros(8000), SAMPLE_RATE // 2)
    run = example(tmp_path, "pump3.onnx", "8k.wav")
    assert run.returncode == 2
    assert run.stderr == "8k.wav: 8000 Hz, but the model knows recordings of 16000 Hz\n"


@pytest.mark.parametrize(
    ("words", "unreadable"),
    [
        (["pump3.onnx", "nowhere.wav"], "nowhere.wav"),
        (["pump3.onnx", "pump3.onnx"], "pump3.onnx"),
        (["nowhere.onnx", "a.wav"], "nowhere.onnx"),
    ],
)
def test_the_example_says_what_it_can_t_read(made, words, unreadable, tmp_path):
    export(made, tmp_path, "pump3.onnx")
    run = example(tmp_path, *words)
    assert (run.returncode, run.stdout) == (2, "")
    assert unreadable in run.stderr
    assert "Traceback" not in run.stderr


def test_another_name_than_that_of_an_onnx_file_is_refused(made, tmp_path):
    done = export(made, tmp_path, made / "pump.model")
    assert done.status == 2
    assert "pump.model is no name for an ONNX file: end it in .onnx" in done.err


def test_the_model_file_is_not_replaced(made, tmp_path):
    model = made / "model.onnx"
    model.write_bytes((made / "pump.model").read_bytes())
    assert_refused(export(made, tmp_path, model, "model.onnx"), "is the model file")
    assert model.read_bytes() == (made / "pump.model").read_bytes()


def test_a_file_that_is_no_model_is_refused(made, tmp_path):
    assert_refused(export(made, tmp_path, "a.onnx", "normal.wav"), "normal.wav")
    assert_refused(export(made, tmp_path, "a.onnx", "nowhere.model"), "nowhere.model")
    assert not (tmp_path / "a.onnx").exists()
