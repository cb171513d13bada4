"""What a judgement says, in sentences."""

from mimii.models import REGISTRY
from mimii.monitoring.explaining import Explanation
from mimii.monitoring.finding import MOMENT
from mimii.monitoring.judging import ABNORMAL
from mimii.runtime.spelling import plain
from mimii.settings import DIFFERENCE

_MOST = 10_000  # healthy recordings of which one scores as high: no tail of a few hundred scores says more
_LITTLE = 0.01  # effect of a region that is not worth a number


def short(name: str, most: int) -> str:
    """A name of no more letters than that, without its middle where it is too long."""
    name = plain(name)
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[: most - 1 - half]}\N{HORIZONTAL ELLIPSIS}{name[-half:]}"


def is_abnormal(explanation: Explanation) -> bool:
    """The verdict is abnormal."""
    return explanation.judgement.verdict == ABNORMAL


def share_text(share: float) -> str:
    """How many healthy recordings score as high: ``1 of 400 healthy recordings scores as high``."""
    if share >= 0.1:
        return f"{share * 100:.0f} of 100 healthy recordings score as high"
    if share * _MOST > 1:
        return f"1 of {float(f'{1 / share:.2g}'):,.0f} healthy recordings scores as high"
    return f"fewer than 1 of {_MOST:,} healthy recordings score as high"


def sureness(explanation: Explanation) -> str:
    """How sure the verdict is, and what that rests on."""
    count, share = len(explanation.monitor.calibration.scores), explanation.judgement.share
    text = f"About {share_text(share)}" if share * _MOST > 1 else share_text(share).capitalize()
    if share < 1 / (count + 1):
        return f"{text}: an estimate, for none of the {count:,} recordings that the alarm rests on does."
    return f"{text}, to judge by the {count:,} recordings that the alarm rests on."


def moment(explanation: Explanation) -> str:
    """When the recording is most abnormal."""
    begin, end = explanation.judgement.begin, explanation.judgement.end
    is_moment = end - begin < MOMENT
    when = f"at {(begin + end) / 2:.1f} s" if is_moment else f"from {begin:.1f} to {end:.1f} s"
    return f"It is most unusual {when}."


def differences(explanation: Explanation) -> list[tuple[str, str]]:
    """What sets the recording apart, and how much of the score that makes; empty where that is not known."""
    return [
        (finding.text, f"makes {finding.effect:.0%} of what the score is above usual".replace("%", " %"))
        if finding.effect >= _LITTLE
        else (finding.text, "hardly matters to the score")
        for finding in explanation.judgement.findings
    ]


def no_difference(explanation: Explanation) -> str:
    """What to say where there is no region to point at."""
    if is_abnormal(explanation):
        return "No frequency stands out: many differ a little from healthy recordings."
    return "Nothing stands out against the healthy recordings."


def cautions(explanation: Explanation) -> list[str]:
    """What makes the recording, or its score, doubtful."""
    found = (
        ["the model has learnt from this very recording, so its score says little"] if explanation.was_learnt else []
    )
    return [*found, *map(plain, explanation.judgement.warnings)]


def number(value: float) -> str:
    """A score in as many digits as say something."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def facts(explanation: Explanation) -> dict[str, str]:
    """What the model is, and what it has learnt from."""
    monitor, judgement = explanation.monitor, explanation.judgement
    detector, healthy, features = monitor.detector, monitor.healthy, monitor.detector.features
    name = detector.model.name
    scoring, pooling = monitor.way
    way = ", ".join(filter(None, (scoring if scoring != "native" else "", pooling)))
    total, count = float(healthy.seconds.sum()), len(healthy.paths)
    others = detector.facts.get("other_files", 0)
    asked = f"{100 * monitor.false_alarms:.3g} of 100 healthy recordings may be called abnormal"
    return {
        "Recording": plain(judgement.path),
        "Score": f"{number(judgement.score)}; the alarm's threshold is {number(judgement.threshold)}",
        "In units of the threshold": f"{judgement.relative:.2f}, where 0 is the median of healthy recordings, and 1 "
        "the alarm",
        "Alarm": f"{asked}; set by the scores of {len(monitor.calibration.scores):,} recordings that were held out",
        "Detector": f"{monitor.name} ({REGISTRY[name].summary}{f'; {way}' if way else ''})",
        "Learnt from": f"{count:,} healthy recordings of {_length(total)} in all, "
        f"{short(_name(str(healthy.paths[0])), 40)} to {short(_name(str(healthy.paths[-1])), 40)}"
        f"{f', and {others} of other machines' if others else ''}",
        "Hears": f"{_channel(features.channel)} at {detector.sample_rate:,} Hz, {features.n_mels} mel bands",
    }


def _name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _channel(channel: int | str) -> str:
    return "channel 0 without the noise that channel 1 hears" if channel == DIFFERENCE else f"channel {channel}"


def _length(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
