"""Statistics over a sliding window of time, for any sampling rate and for stamps that are not equally spaced.

Stamps must not go back; when they do (a clock that was set back), the window starts afresh.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from typing import NamedTuple

MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution as a multiple of its median absolute deviation."""

SPREAD_TO_SIGMA = 1 / 3.2897
"""The same for the distance between its 5 % and 95 % quantiles."""


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
        if self._buckets and start_s < self._buckets[-1].start_s:
            self._buckets.clear()
        if self._buckets and start_s == self._buckets[-1].start_s:
            self._buckets[-1].add(value)
        else:
            self._buckets.append(_Bucket(start_s, value))
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


class RobustWindow:
    """Median and robust standard deviation of the last ``window_s`` seconds.

    The newest ``min_samples`` stay however old they are, so a slow channel has statistics too; a fast one is thinned to
    ``MAX_SAMPLES`` evenly spaced in time. Adding costs O(log n) comparisons and one shift of the sorted list.
    """

    MAX_SAMPLES = 3600

    def __init__(self, window_s: float, min_samples: int) -> None:
        self._window_s = window_s
        self._min_samples = min_samples
        self._spacing_s = window_s / self.MAX_SAMPLES
        self._in_order: deque[tuple[float, float]] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._sorted)

    @property
    def span_s(self) -> float:
        """Time from the oldest to the newest sample."""
        return self._in_order[-1][0] - self._in_order[0][0] if self._in_order else 0.0

    def add(self, stamp_s: float, value: float) -> None:
        if self._in_order:
            elapsed_s = stamp_s - self._in_order[-1][0]
            if elapsed_s < 0:
                self.clear()
            elif elapsed_s < self._spacing_s:
                return
        self._in_order.append((stamp_s, value))
        insort(self._sorted, value)
        while len(self._sorted) > self._min_samples and self._in_order[0][0] < stamp_s - self._window_s:
            _, oldest = self._in_order.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]

    def clear(self) -> None:
        self._in_order.clear()
        self._sorted.clear()

    def median(self) -> float:
        """Raises ``IndexError`` when the window is empty, as the methods below do."""
        return _median(self._sorted)

    def sigma(self) -> float:
        """Robust standard deviation: the larger of what the MAD and what the 5..95 % spread say.

        The MAD alone (Hampel 1974) is zero for a coarsely quantised signal that rests on one step more than half of
        the time; the spread then still counts the neighbouring steps. Up to one sample in twenty on each side may be
        an outlier.
        """
        values = self._sorted
        tail = len(values) // 20
        spread = values[len(values) - 1 - tail] - values[tail]
        return max(MAD_TO_SIGMA * self.mad(), SPREAD_TO_SIGMA * spread)

    def mad(self) -> float:
        """Median absolute deviation from the median (of an even number of deviations the upper one)."""
        values, median = self._sorted, self.median()
        half = len(values) // 2 + 1
        # The `half` samples nearest to the median are neighbours in the sorted list: find where their run begins.
        starts = range(len(values) - half + 1)
        first = bisect_left(starts, True, key=lambda i: values[i + half - 1] - median >= median - values[i])
        return min(max(values[i + half - 1] - median, median - values[i]) for i in (first - 1, first) if i in starts)

    def has_settled(self, tolerance: float) -> bool:
        """Whether the level stands still: the medians of the older and the newer half differ by at most the MAD.

        A difference within ``tolerance`` does not count; fewer than ``min_samples`` cannot say. Costs O(n log n).
        """
        if len(self) < self._min_samples:
            return False
        values = [value for _, value in self._in_order]
        middle = len(values) // 2
        moved = _median(sorted(values[middle:])) - _median(sorted(values[:middle]))
        return abs(moved) <= max(self.mad(), tolerance)


def _median(values: list[float]) -> float:
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
