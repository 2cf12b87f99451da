"""What a channel will read in the next hour, and when that will be beyond a limit.

The course is exponential smoothing with a damped trend (Gardner and McKenzie, Forecasting trends in time series,
Management Science 31, 1985) of the means over a minute. The band is not calculated from a model: it is the quantiles of
the errors that the channel's own forecasts for the same time ahead have had lately (split conformal prediction, Vovk,
Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; over a sliding window, Xu and Xie, Conformal
prediction interval for dynamic time-series, ICML 2021). So it is as wide as the channel makes it, skewed where it
drifts, and widens when forecasting gets harder. docs/forecast.md has the coverage that was measured.
"""

from __future__ import annotations

import math
from array import array
from base64 import b64decode, b64encode
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

CELL_S = 60.0
HORIZONS = tuple(range(5, 61, 5))
"""Cells ahead."""
COVERAGE = 0.9
"""Share of the readings that are to be in the band."""

SMOOTHING, TREND_SMOOTHING, DAMPING = 0.5, 0.1, 0.8

WINDOW = 240
"""Errors of each horizon that its band is made of ..."""
SPACING = 0.1
"""... so far apart, as a share of the horizon: errors of forecasts that overlap are nearly the same."""
LEAST = 10
"""No band of fewer errors."""
INDEPENDENT = 10.0
"""Until a horizon has so many errors of forecasts that do not overlap, it is held not to do better than a random walk
would from the horizon before (growing with the square root of the time)."""
FEW = 0.75
"""A band is widened by so much of its half width, or of its middle if that is farther off, divided by the number of
errors of forecasts that do not overlap: for Student's t the first term of that is 0.93 (Abramowitz and Stegun, Handbook
of Mathematical Functions, 26.7.5)."""


class Point(NamedTuple):
    """One time ahead."""

    ahead_s: float
    """From when the forecast was made [s]."""
    expected: float
    low: float
    high: float
    """Nine in ten readings are from ``low`` to ``high``."""


class Forecast(NamedTuple):
    """Of one channel, in its unit."""

    made_at_s: float
    points: tuple[Point, ...]
    """By their time ahead; fewer than there are horizons while the errors of the longer ones are not known."""


class Reach(NamedTuple):
    """When a limit will be reached, from when the forecast was made [s]; ``None``: not within the forecast."""

    expected_s: float | None
    earliest_s: float | None
    """By the edge of the band: with a chance of one in twenty it is earlier."""


class Forecaster:
    """Forecasts one channel from its samples, whatever their rate.

    A forecast is made whenever a minute is over. Samples older than the present minute are not used; after a silence
    the course starts anew at the first sample, and the band stays.
    """

    def __init__(self) -> None:
        self._errors = [_Errors() for _ in HORIZONS]
        self._start_over()

    def _start_over(self) -> None:
        self._cell: int | None = None
        self._total = self._count = 0.0
        self._newest = math.nan
        self._course: _Course | None = None
        self._made: deque[tuple[int, _Course]] = deque()
        """The courses of the longest horizon's time, by the cell that they start from."""
        self.forecast: Forecast | None = None

    def add(self, stamp_s: float, value: float) -> None:
        """Take a finite sample."""
        cell = math.floor(stamp_s / CELL_S)
        if self._cell is None:
            self._cell = cell
        elif cell < self._cell - HORIZONS[-1] or cell > self._cell + HORIZONS[-1]:
            self._start_over()
            self._cell = cell
        if cell > self._cell:
            self._end_cell(self._cell, cell)
            self._cell, self._total, self._count = cell, 0.0, 0.0
        if cell == self._cell:
            self._total += value
            self._count += 1
            self._newest = value

    def _end_cell(self, cell: int, following: int) -> None:
        """Learn from the newest reading how far off earlier forecasts of it were, then make one."""
        while self._made and self._made[0][0] < cell - HORIZONS[-1]:
            self._made.popleft()
        made = dict(self._made)
        for horizon, errors in zip(HORIZONS, self._errors, strict=True):
            course = made.get(cell - horizon)
            if course is not None and cell - errors.newest_cell >= SPACING * horizon:
                errors.add(cell, self._newest - course.at(horizon))
        mean = self._total / self._count
        self._course = self._course.then(mean) if self._course else _Course(mean, 0.0, float(following - cell))
        self._course = self._course._replace(step=float(following - cell))
        self._made.append((cell, self._course))
        self.forecast = Forecast((cell + 1) * CELL_S, tuple(self._points(self._course)))

    def _points(self, course: _Course) -> list[Point]:
        points: list[Point] = []
        before = (0.0, 0.0)
        for index, horizon in enumerate(HORIZONS):
            errors = self._errors[index]
            independent = errors.count * max(SPACING, 1.0 / horizon)
            band = errors.band()
            if band is None and index == 0:
                break
            low, high = band or (0.0, 0.0)
            if band is not None:
                wider = FEW / independent * max((high - low) / 2.0, abs(high + low) / 2.0)
                low, high = low - wider, high + wider
            if index > 0 and independent < INDEPENDENT:
                growth = math.sqrt(horizon / HORIZONS[index - 1])
                low, high = min(low, growth * before[0]), max(high, growth * before[1])
            before = low, high
            expected = course.at(horizon)
            low, high = expected + low, expected + high
            points.append(Point(horizon * CELL_S, min(max(expected, low), high), low, high))
        return points

    def memory(self) -> dict[str, Any]:
        """What :meth:`restore` takes, as JSON can hold it."""
        return {"errors": [errors.memory() for errors in self._errors]}

    def restore(self, memory: Mapping[str, Any]) -> None:
        """Go on with the bands of when :meth:`memory` was taken.

        Raises:
            ValueError: it is no memory; the forecaster is then as it was.
        """
        try:
            recalled = [_Errors.recalled(text) for text in memory["errors"]]
        except (TypeError, KeyError) as error:
            raise ValueError(f"no memory of a forecast: {error!r}") from error
        if len(recalled) != len(HORIZONS):
            raise ValueError(f"no memory of a forecast: {len(recalled)} horizons, expected {len(HORIZONS)}")
        self._errors = recalled


def reach(forecast: Forecast, value: float, limit: float, *, above: bool) -> Reach:
    """When a channel that reads ``value`` now will be at a limit.

    Args:
        above: whether the limit is one that is not to be exceeded, or else not to be fallen below.
    """
    sign = 1.0 if above else -1.0
    times = [0.0, *(point.ahead_s for point in forecast.points)]
    edges = (point.high if above else point.low for point in forecast.points)
    expected = [value, *(point.expected for point in forecast.points)]
    return Reach(
        _first_at(times, [sign * (item - limit) for item in expected]),
        _first_at(times, [sign * (item - limit) for item in (value, *edges)]),
    )


def _first_at(times_s: Sequence[float], beyond: Sequence[float]) -> float | None:
    """When a course in straight pieces first is zero or more."""
    if beyond[0] >= 0:
        return 0.0
    for index in range(1, len(times_s)):
        before, after = beyond[index - 1], beyond[index]
        if after >= 0:
            return times_s[index - 1] + (times_s[index] - times_s[index - 1]) * before / (before - after)
    return None


class _Course(NamedTuple):
    """Where a channel is and where it is going."""

    level: float
    trend: float
    """Per step."""
    step: float
    """Cells from one value to the next."""

    def then(self, mean: float) -> _Course:
        before = self.level + DAMPING * self.trend
        level = before + SMOOTHING * (mean - before)
        trend = DAMPING * self.trend
        return _Course(level, trend + TREND_SMOOTHING * (level - self.level - trend), self.step)

    def at(self, horizon: int) -> float:
        """The value so many cells ahead."""
        steps = horizon / self.step
        ahead = float(DAMPING * (1.0 - DAMPING**steps) / (1.0 - DAMPING))
        return self.level + self.trend * ahead


class _Errors:
    """The newest errors of one horizon."""

    __slots__ = ("_in_time", "_sorted", "newest_cell")

    def __init__(self) -> None:
        self.newest_cell = -math.inf
        self._in_time: deque[float] = deque()
        self._sorted: list[float] = []

    @property
    def count(self) -> int:
        return len(self._sorted)

    def add(self, cell: int, error: float) -> None:
        self.newest_cell = cell
        self._in_time.append(error)
        insort(self._sorted, error)
        if len(self._in_time) > WINDOW:
            del self._sorted[bisect_left(self._sorted, self._in_time.popleft())]

    def band(self) -> tuple[float, float] | None:
        """What ``COVERAGE`` of them are between; ``None`` while there are too few."""
        count = self.count
        if count < LEAST:
            return None
        rank = max((1.0 - COVERAGE) / 2.0 * (count + 1) - 1.0, 0.0)
        return self._at(rank), self._at(count - 1 - rank)

    def _at(self, rank: float) -> float:
        below = int(rank)
        above = min(below + 1, self.count - 1)
        return self._sorted[below] + (rank - below) * (self._sorted[above] - self._sorted[below])

    def memory(self) -> str:
        return b64encode(array("f", self._in_time).tobytes()).decode()

    @classmethod
    def recalled(cls, text: str) -> _Errors:
        values = array("f")
        values.frombytes(b64decode(text, validate=True))
        if len(values) > WINDOW or not all(map(math.isfinite, values)):
            raise ValueError("no memory of a forecast: errors that are too many, or not finite")
        errors = cls()
        errors._in_time.extend(values)
        errors._sorted.extend(sorted(values))
        return errors
