"""The small plot in the rows of a table: a dot for the mean, a line for its interval, rings for other means."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 150, 18  # of the plot in a row [CSS pixel]
_EDGE = 6  # so that a dot at the end of the axis is whole


@dataclass(frozen=True)
class Dot:
    """What is drawn in a row.

    Attributes
    ----------
    mean : float
    low, high : float
        Ends of the interval; NaN where there is none.
    others : tuple of float
        Means that are shown beside it, fainter.
    """

    mean: float
    low: float
    high: float
    others: tuple[float, ...] = ()


@dataclass(frozen=True)
class Dots:
    """The plots of all rows, on one axis.

    Attributes
    ----------
    rows : sequence of Dot
        One for each row of the table.
    after : int
        They stand behind this column; the first one, that of the names, is 0.
    chance : float or None
        Where guessing is, a line in each row.
    """

    rows: Sequence[Dot]
    after: int
    chance: float | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the axis, which hold all that is drawn, in tenths."""
        drawn = [value for row in self.rows for value in (row.mean, row.low, row.high, *row.others)]
        drawn = [value for value in (*drawn, np.nan if self.chance is None else self.chance) if np.isfinite(value)]
        low, high = (math.floor(min(drawn) * 10) / 10, math.ceil(max(drawn) * 10) / 10) if drawn else (0.0, 1.0)
        return low, high if high > low else low + 0.1

    def place(self, value: float) -> float:
        """Where a value is on the axis [CSS pixel]."""
        low, high = self.ends
        return round(_EDGE + (value - low) / (high - low) * (WIDTH - 2 * _EDGE), 1)

    def places(self) -> list[dict[str, object]]:
        """For each row where ``mean``, ``low``, ``high`` and ``others`` are; None where they are nowhere."""
        return [
            {
                **{name: self._known(getattr(row, name)) for name in ("mean", "low", "high")},
                "others": [self.place(other) for other in row.others if np.isfinite(other)],
            }
            for row in self.rows
        ]

    def _known(self, value: float) -> float | None:
        return self.place(value) if np.isfinite(value) else None
