"""The part of the page in which recordings are heard: what it says, and that it plays."""

import html
import re
from dataclasses import replace
from pathlib import Path

import browser
import numpy as np
import pytest
from jinja2 import Environment, FileSystemLoader
from support import write_machine
from test_picks import results_of

from mimii import monitoring
from mimii.report import hearing, hearing_figures, listening
from mimii.report.rescoring import Rescored

USE = """
<script>
addEventListener("load", async () => {
  const found = {errors, width: [document.documentElement.scrollWidth, innerWidth]};
  const [first, second] = [...document.querySelectorAll("audio")];
  const [bar] = [...document.querySelectorAll(".seek")];
  const cursor = document.querySelector(".cursor");
  const look = () => [first.currentTime, parseFloat(cursor.style.left), bar.getAttribute("aria-valuetext")];
  const press = (key) => bar.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const loaded = (audio) => audio.readyState ? null : new Promise((done) => audio.onloadedmetadata = done);
  await loaded(first); await loaded(second);
  found.durations = [first.duration, second.duration];
  found.hidden = [bar.hidden, cursor.hidden, document.querySelector(".controls").hidden];
  const [picture, curve, line] = [".spectrogram", ".curve", ".cursor"].map(
    (name) => document.querySelector(name).getBoundingClientRect());
  found.over = [line.top <= picture.top, line.bottom >= curve.bottom - 1];
  found.start = look();
  const place = bar.getBoundingClientRect();
  const middle = {clientX: place.left + place.width / 2, clientY: place.top + 5, pointerId: 1, bubbles: true};
  bar.dispatchEvent(new PointerEvent("pointerdown", middle));
  found.click = look();
  press("ArrowRight");
  found.right = look();
  press("Home");
  const heard = new Promise((done) => first.addEventListener("playing", done, {once: true}));
  press(" ");
  await heard;
  found.played = [first.paused, second.paused];
  Object.defineProperty(first, "currentTime", {get: () => 1.25});  // the time runs while it plays, without a wait
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  found.playing = look();
  parent.postMessage(found, "*");
});
</script>
"""


def write(directory, seconds):
    """Results of two machines with their recordings, of which one is judged wrongly here and there."""
    made = results_of(directory, {"id_00": ([1, 2], [7, 8]), "id_02": ([1, 9], [3, 10])}, threshold=5.0)
    for name in ("id_00", "id_02"):
        write_machine(directory / "sounds" / name, normal=2, abnormal=2, seconds=seconds)
    for scores in made.scores.values():
        machine = Path(scores["path"].iloc[0]).parts[0]
        numbers = scores.groupby("label").cumcount()
        scores["path"] = [
            str(directory / "sounds" / machine / label / f"{number:08d}.wav")
            for label, number in zip(scores["label"], numbers, strict=True)
        ]
    return made


@pytest.fixture
def results(tmp_path):
    return write(tmp_path, 0.5)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Recordings of two seconds with a made-up score over time."""
    directory = tmp_path_factory.mktemp("clips")
    heard = listening.hear(write(directory, 2), "auc", directory)
    rescored = Rescored(features=heard[0].rescored.features, level=5.0)
    times = np.linspace(0.1, 1.9, 40)
    return [
        replace(
            clip,
            rescored=rescored,
            sound=replace(clip.sound, times=times, values=clip.pick.score + np.sin(9 * times)),
        )
        for clip in heard
    ]


def words(text):
    plain = re.sub("<script.*?</script>|<[^>]+>", " ", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(plain))


def test_it_says_what_is_heard(clips):
    text = words(hearing.render(clips, "auc"))
    assert "What knn hears, the detector of the highest mean AUC." in text
    assert "Heard best: 6dB fan id_00 AUC 1.000. The recordings are those of the median score." in text
    assert "Heard worst: 6dB fan id_02 AUC 0.750." in text
    assert "Healthy Score 2, not above the threshold of 5: rightly no alarm." in text
    assert "Faulty Score 8, above the threshold of 5: rightly an alarm." in text
    # of the worst machine, the false alarm is already shown
    assert (
        "Missed fault: 6dB fan id_02 Score 3, not above the threshold of 5: a missed fault. It scores lower than 1 "
        in text
    )
    assert "of the machine's 2 healthy recordings." in text
    assert "channel 0" in text
    assert "score over time is that of each window" in text


def test_where_nothing_is_wrong_it_says_so(clips):
    of_best = [clip for clip in clips if clip.pick.group == "best"]
    assert "Most wrong Nothing: on every machine" in words(hearing.render(of_best, "auc"))
    wrong = [replace(clip, pick=replace(clip.pick, passed=1)) for clip in of_best]
    assert "Nothing but what is shown above." in words(hearing.render(wrong, "auc"))


def test_what_judges_a_recording_as_a_whole(clips):
    clips = [replace(clip, rescored=replace(clip.rescored, compared=10)) for clip in clips]
    text = hearing.render(clips, "auc")
    assert "no more than one of 10 other healthy recordings goes above the dashed line anywhere" in words(text)
    assert ">usual</span>" in text
    assert "threshold</span>" not in text


def test_one_line_says_that_there_is_no_score_over_time(results, tmp_path):
    text = hearing.render(listening.hear(results, "auc", tmp_path / "models"), "auc")
    assert words(text).count("There is no score over time: the cache models has no knn of these machines.") == 1
    assert "<svg" not in text
    assert text.count("<audio") == 5


def test_confidential_sounds_are_seen_and_not_heard(results, tmp_path):
    text = hearing.render(listening.hear(results, "auc", tmp_path, audio=False), "auc")
    assert "The sounds are not part of this page." in text
    assert not re.search("audio|<script|seek|click", text)
    assert text.count("data:image/png") == 5


def test_a_recording_that_is_gone_and_names_that_are_text(clips):
    pick = replace(clips[0].pick, path="/somewhere/<b>&.wav")
    gone = replace(clips[0], pick=pick, sound=None, problem="the file is no longer there", audio=b"")
    text = hearing.render([gone, *clips[1:]], "auc")
    assert "<b>&" not in text
    assert "<b>&.wav can't be shown: the file is no longer there." in words(text)


def test_an_excerpt_says_so(clips):
    text = words(hearing.render([replace(clips[0], whole=300.0, begin=140.0), *clips[1:]], "auc"))
    assert "2.0 s of 300.0 s are shown, from 140.0 s on, around its highest score." in text


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"is_synthetic": True}, "These sounds are calculated, not recorded."),
        (
            {"dataset": "dcase2024"},
            "see the data set's licence before you pass them on. https://zenodo.org/records/10902294",
        ),
        ({"dataset": "our_pumps"}, ""),
        ({}, ""),
    ],
)
def test_the_licence_of_the_recordings(clips, facts, expected):
    text = words(hearing.render(clips, "auc", **facts))
    assert expected in text
    assert bool(expected) == bool(re.search("licence|calculated", text))


def test_mimii_s_licence_is_that_of_recordings_of_mimii_s_machines_and_length(tmp_path):
    results, models = write(tmp_path, 10), tmp_path / "models"
    text = words(hearing.render(listening.hear(results, "auc", models, audio=False), "auc"))
    assert "MIMII's (Purohit et al., 2019), one channel of each, under the licence CC BY-SA 4.0" in text
    results.detection["machine_type"] = "compressor"
    assert "licence" not in words(hearing.render(listening.hear(results, "auc", models, audio=False), "auc"))


def test_it_needs_no_network(clips):
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', hearing.render(clips, "auc"))
    assert sources
    assert all(source.startswith(("data:image/png;base64,", "data:audio/flac;base64,")) for source in sources)


def test_the_figures_for_papers(clips):
    best, worst = hearing_figures.hearing(clips, False)
    assert (best.name, worst.name) == ("hearing", "hearing_worst")
    assert "6dB fan id_00, which it hears best" in best.caption
    assert "The dashed line is the threshold" in best.caption
    assert "Faulty: Score 8, above the threshold of 5: rightly an alarm." in best.alt
    assert len(best.canvas.axes) == 5  # with the bar of colours
    without = [replace(clip, sound=replace(clip.sound, times=np.empty(0), values=np.empty(0))) for clip in clips]
    assert len(hearing_figures.hearing(without, True)[0].canvas.axes) == 3
    assert hearing_figures.hearing([], False) == []


def test_the_cursor_runs_over_the_pictures_in_a_browser(clips, tmp_path):
    places = [Path(hearing.__file__).parent, *monitoring.__path__]
    style = Environment(loader=FileSystemLoader(places)).get_template("hearing.html").module.style()
    head = f"<meta charset=utf-8><style>body {{ margin: 14px }} {style}</style>"
    page = f"<!DOCTYPE html><html><head>{head}</head><body>{hearing.render(clips, 'auc')}</body></html>"
    for found in browser.seen(page, USE, tmp_path).values():
        assert found["errors"] == []
        assert found["width"][0] <= found["width"][1]
        assert found["durations"] == [2, 2]
        assert found["hidden"] == [False, False, False]
        assert found["over"] == [True, True]
        assert found["start"] == [0, pytest.approx(0.8, abs=0.2), "0.0 s"]
        assert found["click"] == [pytest.approx(1, abs=0.05), pytest.approx(50, abs=0.5), "1.0 s"]
        assert found["right"][:2] == [pytest.approx(1.5, abs=0.05), pytest.approx(75, abs=1.5)]
        assert found["playing"] == [1.25, pytest.approx(62.5, abs=1), "1.3 s"]
        assert found["played"] == [False, True]
