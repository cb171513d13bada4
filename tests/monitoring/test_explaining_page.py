"""The page of an explanation: what is in it, and that it works in a browser."""

import base64
import html
import io
import re
from dataclasses import replace

import browser
import numpy as np
import pytest
import soundfile
from monitor_support import healthy_sound, trained, with_tone, write, write_healthy
from support import SAMPLE_RATE

from mimii.monitoring import page, playing
from mimii.monitoring.explaining import explain

USE = """
<script>
addEventListener("load", async () => {
  const found = {errors, width: [document.documentElement.scrollWidth, innerWidth]};
  const [first, second] = [...document.querySelectorAll("audio")];
  const [bar, other] = [...document.querySelectorAll(".seek")];
  const cursor = document.querySelector(".cursor");
  const look = () => [first.currentTime, parseFloat(cursor.style.left), bar.getAttribute("aria-valuetext")];
  const press = (key) => bar.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  found.durations = [first.duration, second.duration];
  found.images = [...document.images].map((image) => image.complete && image.naturalWidth);
  found.hidden = [bar.hidden, cursor.hidden, document.querySelector(".controls").hidden];
  found.start = look();
  const place = bar.getBoundingClientRect();
  const middle = {clientX: place.left + place.width / 2, clientY: place.top + 5, pointerId: 1, bubbles: true};
  bar.dispatchEvent(new PointerEvent("pointerdown", middle));
  found.click = look();
  press("ArrowRight");
  found.right = look();
  press("End");
  found.end = look();
  press("Home");
  found.home = look();
  const heard = new Promise((done) => first.addEventListener("playing", done, {once: true}));
  document.querySelector(".number").click();
  found.region = look();
  await heard;
  found.playing = [first.paused, second.paused];
  const switched = new Promise((done) => second.addEventListener("playing", done, {once: true}));
  document.querySelector("#switch").click();
  await switched;
  found.switched = [first.paused, second.paused];
  parent.postMessage(found, "*");
});
</script>
"""


@pytest.fixture(scope="module")
def monitor(tmp_path_factory):
    return trained([write_healthy(tmp_path_factory.mktemp("healthy"), count=8)], "knn")


@pytest.fixture
def signal():
    return with_tone(healthy_sound(np.random.default_rng(11)))


def sounds(text):
    """The WAV files in a page, read."""
    found = re.findall(r"data:audio/wav;base64,([A-Za-z0-9+/=]+)", text)
    return [soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="float32") for content in found]


def test_the_page_says_what_is_the_matter(monitor, signal, tmp_path):
    text = page.render(explain(monitor, write(tmp_path / "today.wav", signal)))
    assert "<h1><strong>Abnormal</strong>: today.wav</h1>" in text
    words = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", text))
    assert "healthy recordings score" in words
    assert "kHz: " in words
    assert "louder than usual, from 1." in words
    assert "knn (nearest training recording)" in words
    assert "8 healthy recordings of 32 s in all, 000.wav to 007.wav" in words


def test_the_recordings_are_embedded_as_they_are(monitor, signal, tmp_path):
    path = write(tmp_path / "today.wav", signal)
    explanation = explain(monitor, path)
    (this, rate), (nearest, _) = sounds(page.render(explanation))
    assert rate == SAMPLE_RATE
    np.testing.assert_array_equal(this, soundfile.read(path, dtype="float32")[0])
    np.testing.assert_array_equal(nearest, soundfile.read(explanation.nearest.path, dtype="float32")[0])


def test_quiet_floats_keep_what_16_bits_would_lose(monitor, signal, tmp_path):
    path = tmp_path / "today.wav"
    soundfile.write(path, 1e-4 * signal, SAMPLE_RATE, subtype="FLOAT")
    (this, _), _ = sounds(page.render(explain(monitor, path)))
    assert np.abs(this - 1e-4 * signal).max() < 2**-23


@pytest.mark.parametrize(("fit", "embedded"), [(1.5, 1), (0.5, 0)])
def test_what_is_too_large_is_a_link(monitor, signal, fit, embedded, tmp_path, monkeypatch):
    path = write(tmp_path / "to day.wav", signal)
    monkeypatch.setattr(playing, "EMBEDDED", int(fit * path.stat().st_size))
    explanation = explain(monitor, path)
    text = page.render(explanation)
    assert len(sounds(text)) == embedded
    links = re.findall(r'href="(file:[^"]+)"', text)
    assert [path.as_uri(), f"file://{explanation.nearest.path}"][embedded:] == links
    assert text.count("too large to be part of the page") == 2 - embedded
    assert ('id="switch"' in text) == (embedded > 0)


@pytest.mark.parametrize(("factor", "first"), [(3, "0"), (1, "10"), (0.1, "30"), (0.001, "40"), (0, "40")])
def test_it_says_how_much_louder_quiet_recordings_are_played(monitor, signal, factor, first, tmp_path):
    explanation = explain(monitor, write(tmp_path / "today.wav", signal))
    quiet = [replace(sound, signal=(factor * sound.signal).astype(np.int16)) for sound in explanation.sounds]
    nearest = replace(explanation.nearest, sound=quiet[1])
    text = page.render(replace(explanation, sound=quiet[0], nearest=nearest))
    assert re.findall(r'<option value="(\d+)" selected>', text) == [first]
    assert ("40 dB louder, peaks cut off" in text) == (first != "40")


def test_names_are_text(monitor, signal, tmp_path):
    name = "<img src=x onerror='alert(1)'> \"quoted\" & größer.wav"
    text = page.render(explain(monitor, write(tmp_path / name, signal)))
    assert "<img src=x" not in text
    assert html.escape(name, quote=False).replace('"', "&#34;").replace("'", "&#39;") in text


def test_it_needs_no_network(monitor, signal, tmp_path):
    text = page.render(explain(monitor, write(tmp_path / "today.wav", signal)))
    assert not re.search(r"https?:|@import|<link(?! rel=\"icon\" href=\"data:,\")|<script src", text)
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]+)"', text))


def test_a_long_recording_has_a_picture_that_a_browser_shows(monitor, tmp_path):
    path = write(tmp_path / "long.wav", np.tile(healthy_sound(np.random.default_rng(1)), 50))
    text = page.render(explain(monitor, path))
    images = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", text)
    assert int.from_bytes(base64.b64decode(images[0])[16:20]) == 2000  # the width of a PNG


def test_the_page_in_a_browser_on_a_desk_and_on_a_phone(monitor, signal, tmp_path):
    page.write_page(explain(monitor, write(tmp_path / "today.wav", signal)), tmp_path / "page.html")
    source = (tmp_path / "page.html").read_text(encoding="utf-8")
    for found in browser.seen(source, USE, tmp_path).values():
        assert found["errors"] == []
        assert found["width"][0] <= found["width"][1]
        assert found["durations"] == [4, 4]
        assert min(found["images"]) > 100
        assert found["hidden"] == [False, False, False]
        assert found["start"] == [0, pytest.approx(0.4, abs=0.1), "0.0 s"]
        assert found["click"] == [pytest.approx(2, abs=0.05), pytest.approx(50, abs=0.5), "2.0 s"]
        assert found["right"] == [pytest.approx(2.5, abs=0.05), pytest.approx(62.4, abs=0.7), "2.5 s"]
        assert found["end"][0] == pytest.approx(4, abs=0.01)
        assert found["home"] == found["start"]
        assert found["region"][0] == pytest.approx(1.9, abs=0.15)
        assert found["playing"] == [False, True]
        assert found["switched"] == [True, False]
