"""Statistics over a sliding window of time, for any sampling rate and for stamps that are not equally spaced.

Samples may come in any order; one that is older than the window is of a clock that was set back, and starts it afresh.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple


class Summary(NamedTuple):
    """Of the samples in a window."""

    low: float
    high: float
    mean: float


class _Bucket:
    """Summary of the samples that fell into one slice of time."""

    __slots__ = ("count", "high", "low", "start_s", "total")

    def __init__(self, start_s: float, value: float) -> None:
        self.start_s = start_s
        self.count = 1
        self.total = self.low = self.high = value

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.low = min(self.low, value)
        self.high = max(self.high, value)


class RollingSummary:
    """Minimum, maximum and mean over the last ``window_s`` seconds.

    Kept in slices of a 360th of the window, so memory and time do not depend on the sampling rate; the window's far end
    is exact to one slice.
    """

    SLICES = 360

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._slice_s = window_s / self.SLICES
        self._buckets: deque[_Bucket] = deque()

    def add(self, stamp_s: float, value: float) -> None:
        start_s = stamp_s - stamp_s % self._slice_s
        if self._buckets and stamp_s < self._buckets[-1].start_s - self._window_s:
            self._buckets.clear()
        place = len(self._buckets)
        while place and start_s < self._buckets[place - 1].start_s:
            place -= 1
        if place and start_s == self._buckets[place - 1].start_s:
            self._buckets[place - 1].add(value)
        else:
            self._buckets.insert(place, _Bucket(start_s, value))
        self._forget_before(stamp_s - self._window_s)

    def at(self, now_s: float) -> Summary | None:
        """Summary of the window that ends now; ``None`` when it is empty."""
        self._forget_before(now_s - self._window_s)
        if not self._buckets:
            return None
        count = sum(bucket.count for bucket in self._buckets)
        return Summary(
            min(bucket.low for bucket in self._buckets),
            max(bucket.high for bucket in self._buckets),
            math.fsum(bucket.total for bucket in self._buckets) / count,
        )

    def _forget_before(self, stamp_s: float) -> None:
        while self._buckets and self._buckets[0].start_s + self._slice_s <= stamp_s:
            self._buckets.popleft()
