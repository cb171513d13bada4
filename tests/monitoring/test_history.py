"""The history of a machine, its drift, and its picture."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure
from scipy.stats import betabinom

from mimii.data.content import Content
from mimii.errors import UserError
from mimii.monitoring.drift import drift, many
from mimii.monitoring.history import latest_shares, open_history, read_history, recording_id, row_of
from mimii.monitoring.judging import Judgement
from mimii.monitoring.timeline import draw, summary

DAY = 86_400 * 10**9  # [ns]


def row(number, *, verdict="normal", relative=0.2, share=0.4, path="pump.wav", threshold=6.0, healthy=1000):
    judged = verdict != "can't be judged"
    numbers = {
        "score": 5 + relative,
        "threshold": threshold,
        "relative": relative,
        "share": share,
        "begin": 1.0,
        "end": 2.0,
    }
    judgement = Judgement(path=path, verdict=verdict, reason="" if judged else "too short", **numbers if judged else {})
    content = Content(100, number * DAY, f"digest{number}")
    return row_of(judgement, content, recording_id(path, content), Path("pump.model"), healthy)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pump.csv"


def test_rows_come_back_as_times_numbers_and_texts_in_the_order_of_the_recordings(path):
    history = open_history(path)
    history.append([row(2, verdict="abnormal", relative=1.5, share=0.004), row(3, verdict="can't be judged")])
    history.append([row(1, path='of "two"\nlines, ü.wav')])
    table = read_history(path)
    assert table["recorded"].dt.strftime("%Y-%m-%d").tolist() == ["1970-01-02", "1970-01-03", "1970-01-04"]
    assert table["verdict"].tolist() == ["normal", "abnormal", "can't be judged"]
    assert table["relative"].tolist()[:2] == [0.2, 1.5]
    assert table["relative"].isna().tolist() == [False, False, True]
    assert table["path"][0] == 'of "two"\nlines, ü.wav'
    assert (table["judged"] > table["recorded"]).all()


def test_a_recording_has_one_row_whoever_appends_it(path):
    first, second = open_history(path), open_history(path)
    first.append([row(1)])
    second.append([row(1), row(2)])
    assert len(read_history(path)) == 2
    assert len(open_history(path).run_ids()) == 2


def test_findings_and_warnings_are_texts(path):
    finding = SimpleNamespace(text="2.8-3.2 kHz: 9 dB louder than usual")
    judgement = Judgement(path="a", verdict="abnormal", findings=(finding, finding), warnings=("clipped", "quiet"))
    cells = row_of(judgement, Content(1, 0, "d"), "id", Path("m"), 20)
    assert cells["findings"] == f"{finding.text}; {finding.text}"
    assert cells["warnings"] == "clipped; quiet"


@pytest.mark.parametrize(
    ("content", "word"),
    [(None, "there is no history"), ("a,b\n1,2\n", "no history of a machine"), ("", "can't be read")],
)
def test_what_is_no_history_is_named(content, word, path):
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=word):
        read_history(path)


@pytest.mark.parametrize("path_in_row", ["a\rb.wav", "a\nb.wav", "'=\"1+1.wav", "\x1b[31m.wav", "ü 風.wav"])
def test_a_recording_of_any_name_comes_back(path_in_row, path):
    for number in range(2):
        open_history(path).append([row(number, path=path_in_row)])
    assert read_history(path)["path"].tolist() == [path_in_row] * 2
    assert len(open_history(path).run_ids()) == 2
    assert "\x1b" not in "".join(summary(read_history(path)))


def test_a_time_that_no_calendar_has_is_empty_and_the_rest_is_drawn(path, tmp_path):
    open_history(path).append([row(10**12)])
    history = read_history(path)
    assert history["recorded"].isna().all()
    assert summary(history) == ["1 recording: 1 normal, 0 abnormal, 0 not judged."]
    draw(history, tmp_path / "picture.png")
    open_history(path).append([row(1)])
    assert "from 1970-01-02" in summary(read_history(path))[0]


def test_recordings_of_one_moment_are_drawn_within_minutes_of_it(path, tmp_path, monkeypatch):
    open_history(path).append([row(1), row(1)])
    drawn = []
    savefig = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), savefig(self, *a, **k)))
    draw(read_history(path), tmp_path / "picture.png")
    first, last = drawn[0].axes[0].get_xlim()  # [days]
    assert last - first == pytest.approx(20 / (24 * 60))


# --- drift


@pytest.mark.parametrize(
    ("shares", "has_drifted"),
    [
        ([0.4] * 29, False),  # too few
        ([0.4] * 30, True),
        ([0.4] * 25 + [0.6] * 5, True),
        ([0.4] * 24 + [0.6] * 6, False),
        ([0.4] * 30 + [0.6] * 30, False),  # it is back
        ([0.6] * 300 + [0.4] * 30, True),
        ([], False),
    ],
)
def test_drift_is_that_most_of_the_latest_normal_recordings_score_above_the_healthy_median(shares, has_drifted):
    assert bool(drift(shares, 10**6)) == has_drifted


@pytest.mark.parametrize("healthy", [1, 2, 3, 5, 14, 21, 50, 201, 10_000])
def test_few_healthy_recordings_take_more_that_score_high_for_a_warning(healthy):
    above = -(-(healthy + 1) // 2) - 1  # of the healthy ones: the median is that high at least
    expected = [
        count for count in range(31) if above and betabinom(30, above, healthy + 1 - above).sf(count - 1) <= 1 / 6000
    ]
    assert many(healthy) == (expected[0] if expected else 31)


def test_the_latest_shares_are_those_of_normal_recordings_and_of_this_monitor(path):
    history = open_history(path)
    assert list(latest_shares(history, 6.0)) == []
    history.append([row(number + 100, threshold=5.5) for number in range(9)])  # before it was trained anew
    history.append([row(number, share=number / 100) for number in range(40)])
    history.append([row(41, verdict="abnormal", share=0.9), row(42, verdict="can't be judged")])
    assert list(latest_shares(history, 6.0)) == [number / 100 for number in range(10, 40)]


# --- the picture


def test_a_picture_and_sentences_are_made(path, tmp_path):
    rows = [row(number) for number in range(40)]
    rows += [
        row(50, verdict="abnormal", relative=90.0, share=1e-4, path="loud.wav"),
        row(51, verdict="can't be judged"),
    ]
    open_history(path).append(rows)
    history = read_history(path)
    for name in ("picture.png", "picture.svg"):
        draw(history, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5000
    text = "\n".join(summary(history))
    assert "42 recordings from 1970-01-01 00:00 to 1970-02-21 00:00 (UTC): 40 normal, 1 abnormal, 1 not judged." in text
    assert "90.00 of the threshold, in loud.wav of 1970-02-20" in text
    assert "drifts" in text
    with pytest.raises(UserError, match=r"\.png, \.svg, \.pdf"):
        draw(history, tmp_path / "picture.bmp")


def test_a_history_of_one_recording_that_can_not_be_judged_has_a_picture(path, tmp_path):
    open_history(path).append([row(1, verdict="can't be judged")])
    history = read_history(path)
    draw(history, tmp_path / "picture.png")
    assert "0 normal, 0 abnormal, 1 not judged" in summary(history)[0]
