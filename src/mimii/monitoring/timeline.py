"""A picture of a machine's history: the score over days, with the threshold."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mimii import drawing
from mimii.errors import UserError
from mimii.monitoring.drift import COUNT, drift
from mimii.monitoring.judging import ABNORMAL, NORMAL, NOT_JUDGED
from mimii.runtime.spelling import plain
from mimii.storage.files import whole_file

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".png", ".svg", ".pdf")
_COLOURS = {NORMAL: drawing.NORMAL, ABNORMAL: drawing.ABNORMAL}
_FAR = 4  # thresholds; scores beyond are drawn on a logarithmic axis
_SHORTEST = timedelta(minutes=10)  # that is drawn as wide as the picture


def summary(history: "pd.DataFrame") -> list[str]:
    """What a history says, in sentences.

    Parameters
    ----------
    history : pd.DataFrame
        As `mimii.monitoring.history.read_history` gives it; one row at least.
    """
    counts = history["verdict"].value_counts()
    recorded = history["recorded"].dropna()
    period = f" from {_time(recorded.min())} to {_time(recorded.max())} (UTC)" if len(recorded) else ""
    sentences = [
        f"{len(history):,} recording{'s' * (len(history) > 1)}{period}: {counts.get(NORMAL, 0):,} normal, "
        f"{counts.get(ABNORMAL, 0):,} abnormal, {counts.get(NOT_JUDGED, 0):,} not judged."
    ]
    abnormal = history[history["verdict"] == ABNORMAL]
    if len(abnormal):
        path, relative, when = abnormal.nlargest(1, "relative")[["path", "relative", "recorded"]].iloc[0]
        of = f" of {_time(when)}" if when == when else ""  # NaT is not equal to itself
        sentences.append(f"The highest score is {relative:.2f} of the threshold, in {plain(Path(path).name)}{of}.")
    normal = history[history["verdict"] == NORMAL]
    if len(normal):
        # shares of different monitors say different things: those of the one that judged last count
        _, last = max(zip(normal["judged"], normal["threshold"], strict=True))
        shares = normal.loc[normal["threshold"] == last, "share"]
        healthy = normal.loc[normal["threshold"] == last, "healthy"].iloc[-1]
        if healthy == healthy and (warning := drift(shares, int(healthy))):
            sentences.append(f"{warning}.")
    return sentences


def _time(when: "pd.Timestamp") -> str:
    return f"{when:%Y-%m-%d %H:%M}"


def draw(history: "pd.DataFrame", path: Path) -> None:
    """Draw the score over time, in units of the threshold, and write the picture whole or not at all.

    Parameters
    ----------
    history : pd.DataFrame
        As `mimii.monitoring.history.read_history` gives it; one row at least.
    path : Path
        Its suffix is one of ``SUFFIXES``.

    Raises
    ------
    UserError
        Its suffix is another one, or it can't be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"a history is drawn to a file {', '.join(SUFFIXES)}, not to {path.name}")
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    with drawing.drawing():
        figure = Figure(figsize=(9, 4), layout="constrained")
        axes = figure.add_subplot()
        history = history[history["recorded"].notna()]
        judged = history[history["relative"].notna()]
        for verdict, colour in _COLOURS.items():
            part = judged[judged["verdict"] == verdict]
            axes.plot(
                part["recorded"], part["relative"], ".", color=colour, label=f"{verdict} ({len(part):,})", alpha=0.7
            )
        normal = judged[judged["verdict"] == NORMAL]
        if len(normal) >= COUNT:
            level = normal["relative"].rolling(COUNT).median()
            axes.plot(normal["recorded"], level, color="black", linewidth=1.5, label=f"median of {COUNT} normal ones")
        axes.axhline(1, color=_COLOURS[ABNORMAL], linestyle="--", linewidth=1, label="threshold")
        axes.axhline(0, color="0.5", linestyle=":", linewidth=1, label="median of the healthy recordings")
        if len(missing := history.loc[history["verdict"] == NOT_JUDGED, "recorded"]):
            axes.plot(
                missing,
                [0.02] * len(missing),
                "|",
                color="0.3",
                transform=axes.get_xaxis_transform(),
                label="not judged",
            )
        if len(judged) and judged["relative"].abs().max() > _FAR:
            axes.set_yscale("symlog", linthresh=1)
        first, last = history["recorded"].min(), history["recorded"].max()
        if last - first < _SHORTEST:  # matplotlib would show years around a moment
            axes.set_xlim(first - _SHORTEST, last + _SHORTEST)
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.set(xlabel="Recorded (UTC)", ylabel="Score [thresholds]")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
        with whole_file(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=150)
