"""The part of the page in which recordings are heard and seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from markupsafe import Markup

from mimii.data.dcase import DEVELOPMENT, RECORDS
from mimii.features.logmel import band_edges
from mimii.monitoring.hearing import Sound
from mimii.monitoring.panels import curve_points, frequencies, percent, round_numbers, spectrogram
from mimii.monitoring.picture import lengthened
from mimii.monitoring.playing import base64_text, gains
from mimii.monitoring.telling import number, plain
from mimii.monitoring.templates import environment
from mimii.report.listening import Clip
from mimii.report.picks import BEST, ONLY, WORST, WRONG, Pick
from mimii.storage.schema import MINUS, heading, show

NAMES = {"normal": "healthy", "abnormal": "faulty"}

_COLOUR_RANGE = 80.0  # dB at most; digital silence is far below, and all else would have one colour
_ZENODO = "https://zenodo.org/records/{}"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What the page shows of a recording; places are in percent, as texts for a style sheet."""

    title: str
    sentence: str
    name: str
    problem: str
    alt: str = ""
    curve_alt: str = ""
    picture: str = ""  # PNG in base64
    curve: str = ""  # SVG path of 100 x 100; empty where there is no score over time
    area: str = ""  # the same, closed below
    level: str = ""
    level_name: str = ""
    begin: float = 0.0
    length: float = 1.0
    seconds: float = 0.0
    times: Sequence[tuple[str, str]] = ()
    frequencies: Sequence[tuple[str, str, bool]] = ()
    audio: str = ""  # FLAC in base64
    remarks: Sequence[str] = ()


def render(clips: Sequence[Clip], metric: str, *, dataset: str = "", is_synthetic: bool = False) -> Markup:
    """The part as HTML, for the page, whose style sheet takes in the macro ``style`` of ``hearing.html``.

    Parameters
    ----------
    clips : sequence of Clip
        One at least; see `mimii.report.listening.hear`.
    metric : str
        That ranks the machines.
    dataset : str
        Its name.
    is_synthetic : bool
    """
    template = environment(Path(__file__).parent).get_template("hearing.html")
    heard = [clip.sound for clip in clips if clip.sound is not None and clip.audio]
    row = clips[0].pick.row
    text = template.module.show(  # type: ignore[attr-defined]
        label=row["label"],
        metric=heading(metric),
        groups=_groups(clips, metric),
        gains=gains(heard) if heard else [],
        missing=list(dict.fromkeys(clip.rescored.missing for clip in clips if clip.rescored and clip.rescored.missing)),
        is_of_windows=any(np.isfinite(clip.level) and not clip.compared for clip in clips),
        compared=max(clip.compared for clip in clips),
        has_curve=any(clip.has_curve for clip in clips),
        channel=str(row["channel"]).removesuffix(".0") or "0",
        licence=_licence(clips, dataset, is_synthetic),
    )
    return Markup(text)  # noqa: S704 (the template escapes what is put into it)


def _licence(clips: Sequence[Clip], dataset: str, is_synthetic: bool) -> tuple[str, str]:
    """Under which licence the sounds are, and where they are from; empty where nobody but the user knows."""
    if is_synthetic:
        return "These sounds are calculated, not recorded.", ""
    if dataset in RECORDS:
        return (
            f"The recordings are of {dataset}: see the data set's licence before you pass them on.",
            _ZENODO.format(RECORDS[dataset][DEVELOPMENT]),
        )
    if any(clip.is_of_mimii for clip in clips):
        return (
            "The recordings are MIMII's (Purohit et al., 2019), one channel of each, under the licence CC BY-SA 4.0: "
            "who passes them on names the authors and keeps the licence.",
            _ZENODO.format(3384388),
        )
    return "", ""


def _groups(clips: Sequence[Clip], metric: str) -> list[dict[str, object]]:
    """The parts of the section: a name for links, a heading, sentences and panels."""
    found: list[dict[str, object]] = []
    for group, title in ((ONLY, ""), (BEST, "Heard best: "), (WORST, "Heard worst: ")):
        of_group = [clip for clip in clips if clip.pick.group == group]
        if of_group:
            first = of_group[0].pick
            others = _alike(first.equals - 1) if group != ONLY else ""
            sentence = (
                f"{heading(metric)} {show(metric, first.value)}{others}. The recordings are those of the median score."
            )
            panels = [_panel(clip, clips, NAMES[clip.pick.label].capitalize()) for clip in of_group]
            found.append({"name": group, "title": f"{title}{first.machine}", "text": sentence, "panels": panels})
    wrong = [clip for clip in clips if clip.pick.group == WRONG]
    if wrong:
        sentence = (
            "Healthy recordings that score higher than faulty ones of the same machine, and faulty ones that score "
            "lower than healthy ones, by how many they pass; no more than two of each, of different machines."
        )
    else:
        is_right = not any(clip.pick.passed or clip.pick.is_misjudged for clip in clips)
        sentence = (
            "Nothing: on every machine all faulty recordings score higher than all healthy ones, and none is on the "
            "wrong side of the threshold."
            if is_right
            else "Nothing but what is shown above."
        )
    panels = [_panel(clip, clips, _mistake(clip.pick)) for clip in wrong]
    return [*found, {"name": WRONG, "title": "Most wrong", "text": sentence, "panels": panels}]


def _alike(others: int) -> str:
    """How many other machines have the same value."""
    if not others:
        return ""
    return ", as has one other" if others == 1 else f", as have {others} others"


def _mistake(pick: Pick) -> str:
    """What a wrongly judged recording is, as a heading."""
    if pick.is_misjudged:
        return f"{'False alarm' if pick.label == 'normal' else 'Missed fault'}: {pick.machine}"
    return f"{'Healthy, but scored high' if pick.label == 'normal' else 'Faulty, but scored low'}: {pick.machine}"


def sentence(pick: Pick) -> str:
    """What the detector says of a recording."""
    text = f"Score {_number(pick.score)}"
    if (is_called := pick.is_called_abnormal) is not None:
        verdict = {
            ("normal", True): "a false alarm",
            ("normal", False): "rightly no alarm",
            ("abnormal", True): "rightly an alarm",
            ("abnormal", False): "a missed fault",
        }[pick.label, is_called]
        text += f", {'above' if is_called else 'not above'} the threshold of {_number(pick.threshold)}: {verdict}"
    if pick.group == WRONG:
        direction, other = ("higher", "faulty") if pick.label == "normal" else ("lower", "healthy")
        ones = f"{other} recordings" if pick.others > 1 else f"{other} recording"
        text += f". It scores {direction} than {pick.passed} of the machine's {pick.others} {ones}"
    return f"{text}."


def _number(value: float) -> str:
    return number(value).replace("-", MINUS)


def _panel(clip: Clip, clips: Sequence[Clip], title: str) -> Panel:
    pick = clip.pick
    name, what = plain(Path(pick.path).name), NAMES[pick.label]
    about, problem = sentence(pick), clip.problem
    if clip.sound is None:
        return Panel(title=title, sentence=about, name=name, problem=problem)
    sound = clip.sound
    begin, end = sound.extent
    same = [one for one in clips if one.sound is not None and one.pick.machine == pick.machine]
    scale = colour_scale([one.sound for one in same if one.sound is not None])
    colours = f"Colours from {_number(round(scale[0]))} dB, dark, to {_number(round(scale[1]))} dB, bright."
    remarks = [colours]
    if sound.seconds < clip.whole - 0.05:
        place = "around its highest score" if clip.has_curve else "at its beginning"
        remarks.insert(
            0, f"{sound.seconds:.1f} s of {clip.whole:.1f} s are shown, from {clip.begin:.1f} s on, {place}."
        )
    shown = Panel(
        title=title,
        sentence=about,
        name=name,
        problem="",
        alt=f"Spectrogram of a {what} recording of {pick.machine}, {name}: frequency upwards, time to the right.",
        picture=base64_text(spectrogram(sound.frames, scale)),
        begin=round(begin, 6),
        length=round(end - begin, 6),
        seconds=sound.seconds,
        times=[(percent(time, begin, end), f"{time:g} s") for time in round_numbers(0, end, 6)],
        frequencies=frequencies(band_edges(sound.frames.shape[1], sound.sample_rate)),
        audio=base64_text(clip.audio),
        remarks=remarks,
    )
    return _with_curve(shown, clip, sound, same) if clip.has_curve else shown


def _with_curve(panel: Panel, clip: Clip, sound: Sound, same: Sequence[Clip]) -> Panel:
    """A panel with the score over time, on the axis of all recordings of its machine."""
    times, values = lengthened(sound)
    low, high = score_range(same)
    points = curve_points(times, values, sound.extent, (low, high))
    name = "usual" if clip.compared else "threshold"
    level = (
        f"; {'the usual level' if clip.compared else 'the threshold'} is {_number(clip.level)}"
        if np.isfinite(clip.level)
        else ""
    )
    top = int(np.argmax(sound.values))
    highest = f"{_number(float(sound.values[top]))} at {sound.times[top]:.1f} s"
    return replace(
        panel,
        curve=f"M{' L'.join(points)}",
        area=f"M0 100 L{' L'.join(points)} L100 100 Z",
        level=percent(clip.level, low, high) if np.isfinite(clip.level) else "",
        level_name=name,
        curve_alt=f"Score over time, {highest} at the highest{level}.",
    )


def colour_scale(sounds: Sequence[Sound]) -> tuple[float, float]:
    """The levels that the lowest and the highest colour stand for [dB]."""
    low, high = np.percentile(np.concatenate([sound.frames for sound in sounds]), [1, 99.8]).tolist()
    return max(min(low, high - 1), high - _COLOUR_RANGE), high


def score_range(clips: Sequence[Clip]) -> tuple[float, float]:
    """The values that a chart of scores over time must show: those of all clips, and what they are compared with."""
    values = np.concatenate([[clip.level, *clip.sound.values] for clip in clips if clip.sound is not None])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.08 * (high - low) or abs(high) or 1.0
    return low - margin, high + margin
