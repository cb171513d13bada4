"""The page of an explanation: one file that needs no network, and plays the sounds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mimii.drawing import COLOUR_MAP
from mimii.monitoring import telling
from mimii.monitoring.explaining import Bands, Explanation
from mimii.monitoring.hearing import Sound
from mimii.monitoring.panels import curve_points, frequencies, percent, round_numbers, spectrogram
from mimii.monitoring.picture import lengthened
from mimii.monitoring.playing import base64_text, embedded, gains
from mimii.monitoring.templates import environment
from mimii.storage.files import whole_file


def write_page(explanation: Explanation, path: Path) -> None:
    """Write the page, whole or not at all."""
    text = render(explanation)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def render(explanation: Explanation) -> str:
    """The page as HTML."""
    template = environment().get_template("page.html")
    judgement, nearest = explanation.judgement, explanation.nearest
    audio = embedded(explanation.sounds)
    panels = [_panel(explanation, explanation.sound, judgement.path, audio[0])]
    if nearest.sound is not None:
        panels.append(_panel(explanation, nearest.sound, nearest.path, audio[1]))
    return template.render(
        name=telling.plain(Path(judgement.path).name),
        is_abnormal=telling.is_abnormal(explanation),
        sureness=telling.sureness(explanation),
        moment=telling.moment(explanation),
        differences=list(zip(judgement.findings, telling.differences(explanation), strict=True)),
        no_difference=telling.no_difference(explanation),
        cautions=telling.cautions(explanation),
        panels=panels,
        nearest=nearest,
        nearest_path=telling.plain(nearest.path),
        gains=gains(explanation.sounds),
        has_audio=any(audio),
        threshold=percent(explanation.monitor.healthy.curve_threshold, *explanation.score_range),
        frequencies=frequencies(explanation.bands.edges),
        scale=explanation.scale,
        colours=_colours(),
        chart=_chart(explanation),
        facts=telling.facts(explanation),
        false_alarms=f"{100 * explanation.monitor.false_alarms:.3g}",
    )


@dataclass(frozen=True, kw_only=True)
class _Panel:
    """What the page shows of a sound: its pictures, what lies on them, and the sound itself.

    Places are in percent of the width or the height, as texts for a style sheet.
    """

    name: str
    spectrogram: str  # PNG in base64
    curve: str  # SVG path of 100 x 100
    area: str  # the same, closed below
    begin: float
    length: float
    seconds: float
    times: list[tuple[str, str]]
    regions: list[dict[str, str]]
    audio: str  # WAV in base64; empty where it is too large
    link: str  # to the file, where there is no audio
    highest: str


def _panel(explanation: Explanation, sound: Sound, path: str, audio: str) -> _Panel:
    begin, end = sound.extent
    times, values = lengthened(sound)
    points = curve_points(times, values, sound.extent, explanation.score_range)
    return _Panel(
        name=telling.plain(Path(path).name),
        spectrogram=base64_text(spectrogram(sound.frames, explanation.scale)),
        curve=f"M{' L'.join(points)}",
        area=f"M0 100 L{' L'.join(points)} L100 100 Z",
        begin=round(begin, 6),
        length=round(end - begin, 6),
        seconds=sound.seconds,
        times=[(percent(time, begin, end), f"{time:g} s") for time in round_numbers(0, end, 6)],
        regions=_regions(explanation) if sound is explanation.sound else [],
        audio=audio,
        link="" if audio else Path(path).absolute().as_uri(),
        highest=telling.number(float(values.max())),
    )


def _regions(explanation: Explanation) -> list[dict[str, str]]:
    """The place of each finding in the spectrogram."""
    begin, end = explanation.sound.extent
    bands = explanation.bands
    count = len(bands.edges) - 1
    found = []
    for finding in explanation.judgement.findings:
        low, high = bands.position(finding.low_hz), bands.position(finding.high_hz)
        left, right = explanation.sound.place(finding)
        found.append(
            {
                "left": percent(left, begin, end),
                "width": percent(right - left, 0, end - begin),
                "bottom": percent(low, 0, count),
                "height": percent(high - low, 0, count),
                "kind": "louder" if finding.difference_db > 0 else "quieter",
                "tag": "inside" if high > 0.9 * count else "above",
            }
        )
    return found


def _colours() -> list[str]:
    """The colours of a spectrogram, from the lowest to the highest level."""
    import matplotlib as mpl
    from matplotlib.colors import to_hex

    return [to_hex(mpl.colormaps[COLOUR_MAP](place)) for place in np.linspace(0, 1, 11)]


def _chart(explanation: Explanation) -> dict[str, object]:
    """The mean level of each band against the healthy range, as SVG paths of 100 x 100 in steps."""
    bands = explanation.bands
    vector = explanation.nearest.vector
    together = np.concatenate([bands.levels, bands.low, bands.high, vector])
    low, high = float(together.min()), float(together.max())
    margin = 0.05 * (high - low) or 1.0
    low, high = low - margin, high + margin
    upper, lower = _steps(bands.high, low, high), _steps(bands.low, low, high)
    return {
        "range": f"M{' L'.join([*upper, *reversed(lower)])} Z",
        "mean": f"M{' L'.join(_steps(bands.mean, low, high))}",
        "nearest": f"M{' L'.join(_steps(vector, low, high))}",
        "levels": f"M{' L'.join(_steps(bands.levels, low, high))}",
        "ticks": [(percent(level, low, high), _decibels(level)) for level in round_numbers(low, high, 6)],
        "marked": [_marked(bands, finding.low_hz, finding.high_hz) for finding in explanation.judgement.findings],
        "outside": bands.outside,
        "count": len(bands.levels),
    }


def _marked(bands: Bands, low_hz: float, high_hz: float) -> tuple[str, str]:
    low, high = bands.position(low_hz), bands.position(high_hz)
    count = len(bands.levels)
    return percent(low, 0, count), percent(high - low, 0, count)


def _decibels(level: float) -> str:
    return f"{level:g} dB".replace("-", "\N{MINUS SIGN}")


def _steps(levels: np.ndarray, low: float, high: float) -> list[str]:
    """The corners of a line that is level within each band."""
    places = np.repeat(np.linspace(0, 100, len(levels) + 1), 2)[1:-1]
    heights = np.repeat(100 * (high - levels) / (high - low), 2)
    return [f"{place:.2f} {height:.2f}" for place, height in zip(places, heights, strict=True)]
