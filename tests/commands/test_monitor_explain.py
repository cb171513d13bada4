"""The command line of explain: what it writes, what it prints, and its exit status."""

import numpy as np
import pytest
from monitor_support import healthy_sound, trained, with_tone, write, write_healthy
from support import SOURCE, assert_refused, run_here

SCRIPT = SOURCE / "monitor.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model file, a healthy recording and one with a tone."""
    base = tmp_path_factory.mktemp("made")
    trained([write_healthy(base / "healthy", count=8)], "mahalanobis").save(base / "pump.model")
    signal = healthy_sound(np.random.default_rng(11))
    write(base / "normal.wav", signal)
    write(base / "tone.wav", with_tone(signal))
    (base / "broken.wav").write_bytes(b"no wav")
    return base


def run(made, tmp_path, name, output):
    words = ("explain", made / name, "--model_file", made / "pump.model", "--output", output)
    return run_here(tmp_path, *words, script=SCRIPT)


@pytest.mark.parametrize(("name", "status"), [("normal.wav", 0), ("tone.wav", 1)])
def test_the_status_is_the_verdict_and_the_text_is_that_of_score(made, tmp_path, name, status):
    done = run(made, tmp_path, name, "new/today.html")
    assert (done.status, done.err) == (status, "")
    lines = done.out.splitlines()
    assert lines[-1] == "    see new/today.html"
    scored = run_here(tmp_path, "score", made / name, "--model_file", made / "pump.model", script=SCRIPT)
    assert scored.out.splitlines()[:-1] == lines[:-1]
    assert "</html>" in (tmp_path / "new" / "today.html").read_text(encoding="utf-8")


def test_a_picture_is_written_by_its_suffix(made, tmp_path):
    assert run(made, tmp_path, "tone.wav", "today.PNG").status == 1
    assert (tmp_path / "today.PNG").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("output", ["today.pdf", "today", "html"])
def test_another_suffix_is_refused(made, tmp_path, output):
    assert_refused(run(made, tmp_path, "tone.wav", output), output, ".html or .png")
    assert not (tmp_path / output).exists()


def test_what_cannot_be_judged_is_an_error_and_leaves_what_was_there(made, tmp_path):
    (tmp_path / "today.html").write_text("yesterday's")
    assert_refused(run(made, tmp_path, "broken.wav", "today.html"), "broken.wav: can't be judged")
    assert_refused(run(made, tmp_path, "none.wav", "today.html"), "none.wav: can't be judged", "No such file")
    assert (tmp_path / "today.html").read_text() == "yesterday's"
    assert [path.name for path in tmp_path.iterdir()] == ["today.html"]


def test_a_page_that_cannot_be_written_is_an_error(made, tmp_path):
    (tmp_path / "file").write_text("")
    assert_refused(run(made, tmp_path, "tone.wav", "file/today.html"), "cannot write", "today.html")
