"""From samples to rows: what the channels of a line measured at one time, whatever rates they are sampled at.

Rows begin at whole multiples of ``row_s``. A channel that is sampled more often is averaged within a row, one that is
sampled less often is missing in some; a row in which nothing was measured does not exist, so a slow line has few rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

MISSING = math.nan

LATE_S = 5.0
"""Samples may come so much later than others."""

FORGET = 0.999
"""Per row: what samples overtook each other by is a tenth after 2300 rows without."""


class Row(NamedTuple):
    """What was measured in ``row_s`` seconds."""

    stamp_s: float
    """Of the newest sample in it."""
    values: tuple[float, ...]
    """Mean of each channel's samples; NaN where there was none."""


class RowAssembler:
    """Puts the samples of a line's channels together to rows, in the order of time.

    A row is complete when every channel that is alive has been sampled after its end, at the latest when the newest
    sample of any is ``late_s`` past it. Where a channel's samples overtake each other, rows are held open for as long
    as that has been seen to take. What comes for a row that is over is counted and not used. Only stamps decide, so a
    recording gives the same rows at any speed as long as its channels do not drift apart by more than ``late_s``.

    Args:
        channels: how many there are.
        row_s: length of a row [s].
        late_s: how much later than others a channel's samples may come [s].
    """

    def __init__(self, channels: int, row_s: float = 1.0, late_s: float = LATE_S) -> None:
        self._row_s = row_s
        self._late_s = late_s
        self._newest_s = [-math.inf] * channels
        self._open: dict[int, _Sums] = {}
        self._first = -math.inf
        """Number of the first row that is not over."""
        self._overtaking_s = 0.0
        """How old a sample may be when newer ones of its channel are there already."""
        self.late = 0
        """Samples that came too late."""

    def add(self, channel: int, stamp_s: float, value: float) -> Sequence[Row]:
        """Take a finite sample; returns the rows that are complete by it, oldest first."""
        number = math.floor(stamp_s / self._row_s)
        overtaken_s = self._newest_s[channel] - stamp_s
        if overtaken_s > 0:
            self._overtaking_s = max(self._overtaking_s, min(overtaken_s, self._late_s))
        if number < self._first:
            self.late += 1
            return ()
        sums = self._open.get(number)
        if sums is None:
            sums = self._open[number] = _Sums(len(self._newest_s))
        sums.add(channel, stamp_s, value)
        if overtaken_s >= 0:
            return ()
        self._newest_s[channel] = stamp_s
        if len(self._open) == 1:
            return ()
        rows = self._take(math.floor(self._complete_s() / self._row_s))
        self._overtaking_s *= FORGET ** len(rows)
        return rows

    def start_over(self) -> Sequence[Row]:
        """The clock was set back: end all rows; what comes next may be of any time."""
        rows = self._take(math.inf)
        self._newest_s = [-math.inf] * len(self._newest_s)
        self._first = -math.inf
        return rows

    def _complete_s(self) -> float:
        """No channel that is alive will bring anything from before."""
        newest_s = max(self._newest_s)
        return min(stamp_s for stamp_s in self._newest_s if stamp_s >= newest_s - self._late_s) - self._overtaking_s

    def _take(self, end: float) -> Sequence[Row]:
        over = sorted(number for number in self._open if number < end)
        if over:
            self._first = over[-1] + 1
        return [self._open.pop(number).row() for number in over]


class _Sums:
    __slots__ = ("_counts", "_stamp_s", "_totals")

    def __init__(self, channels: int) -> None:
        self._stamp_s = -math.inf
        self._totals = [0.0] * channels
        self._counts = [0] * channels

    def add(self, channel: int, stamp_s: float, value: float) -> None:
        self._stamp_s = max(self._stamp_s, stamp_s)
        self._totals[channel] += value
        self._counts[channel] += 1

    def row(self) -> Row:
        values = [total / count if count else MISSING for total, count in zip(self._totals, self._counts, strict=True)]
        return Row(self._stamp_s, tuple(values))
