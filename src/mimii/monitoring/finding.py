"""What sets a recording apart from healthy ones, in the words of somebody who listens."""

from dataclasses import dataclass

MOMENT = 0.6  # s; what is shorter happens at one time


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A region of a recording's spectrogram in which it differs from healthy recordings.

    Attributes
    ----------
    low_hz, high_hz : float
        Edges of its frequency bands.
    begin, end : float
        In the recording [s].
    difference_db : float
        How much louder it is there than healthy recordings are; less than 0 where it is quieter.
    effect : float in [0, 1]
        The share of what the score is above that of the median healthy recording which is gone when the region sounds
        as in healthy recordings.
    is_beside_others : bool
        The difference is not from the level of the band in healthy recordings, but from that which it should have
        beside the other bands of this recording.
    from_start, to_end : bool
        It lasts from the beginning of the recording, and to its end.
    is_all_frequencies : bool
        It has nearly all frequency bands.
    """

    low_hz: float
    high_hz: float
    begin: float
    end: float
    difference_db: float
    effect: float
    is_beside_others: bool
    from_start: bool
    to_end: bool
    is_all_frequencies: bool

    @property
    def text(self) -> str:
        """``2.8-3.2 kHz: 9 dB louder than usual, from 1.9 s on``."""
        how = "louder" if self.difference_db > 0 else "quieter"
        beside = " beside the others" if self.is_beside_others else ""
        return f"{self.bands}: {_decibels(abs(self.difference_db))} dB {how} than usual{beside}, {self.when}"

    @property
    def bands(self) -> str:
        """``2.8-3.2 kHz``, ``300-450 Hz`` or ``all frequencies``."""
        if self.is_all_frequencies:
            return "all frequencies"
        if self.high_hz < 1000:
            return f"{round(self.low_hz, -1):.0f}-{round(self.high_hz, -1):.0f} Hz"
        decimals = 1 if self.high_hz - self.low_hz >= 100 else 2  # else both edges might be the same number
        return f"{self.low_hz / 1000:.{decimals}f}-{self.high_hz / 1000:.{decimals}f} kHz"

    @property
    def when(self) -> str:
        """``throughout``, ``from 1.9 s on``, ``until 3.0 s``, ``at 4.2 s`` or ``from 3.0 to 4.5 s``."""
        if self.from_start and self.to_end:
            return "throughout"
        if self.is_moment:
            return f"at {(self.begin + self.end) / 2:.1f} s"
        if self.to_end:
            return f"from {self.begin:.1f} s on"
        if self.from_start:
            return f"until {self.end:.1f} s"
        return f"from {self.begin:.1f} to {self.end:.1f} s"

    @property
    def is_throughout(self) -> bool:
        """It lasts as long as the recording."""
        return self.from_start and self.to_end

    @property
    def is_moment(self) -> bool:
        """It is too short to have a beginning and an end."""
        return self.end - self.begin < MOMENT and not self.is_throughout


def _decibels(difference: float) -> str:
    return f"{difference:.0f}" if difference >= 2.95 else f"{difference:.1f}"
