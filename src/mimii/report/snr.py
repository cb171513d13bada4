"""Signal-to-noise ratios: their order in tables, and how people write them."""

import re

import pandas as pd

from mimii.data.machines import ALL
from mimii.storage.schema import MINUS

_SNR = re.compile(r"(min|-)?(\d+)dB")


def snr_order(snr: str) -> float:
    """A number to sort by: the highest SNR comes first, a name that is no SNR comes last."""
    match = _SNR.fullmatch(snr)
    return -float(("-" if match[1] else "") + match[2]) if match else float("inf")


def snr_title(snr: str) -> str:
    """An SNR as people write it."""
    match = _SNR.fullmatch(snr)
    return f"{MINUS if match[1] else ''}{match[2]} dB" if match else snr


def at_snr(snr: str) -> str:
    """The end of a title, such as `` at 6 dB``; empty where the recordings have no SNR, or several."""
    return "" if snr in ("", ALL) else f" at {snr_title(snr)}"


def snrs(rows: pd.DataFrame) -> list[str]:
    """The SNR of some rows, the highest first; the empty name is one too."""
    return sorted(rows["snr"].unique(), key=lambda snr: (snr_order(snr), snr))


def by_snr(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each SNR, the highest first."""
    return [(snr, rows[rows["snr"] == snr]) for snr in snrs(rows)]
