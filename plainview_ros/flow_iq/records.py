"""What a channel has never done before, in a history of at least half a day.

The level of a channel forgets (see :mod:`reference`); this does not. Every five minutes it is looked at the channel's
mean, at that of the last ten looks, and at how far it has moved in ten: the greatest and the least of each are kept,
and what lies beyond them by a share of the distance that they are from the mean is a record worth telling. A daily
cycle, or bursts, set their records in the first days and are nothing new after. (Records of an exchangeable series
come with probability 1/n; Arnold, Balakrishnan and Nagaraja, Records, 1998.)
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

LOOK_S = 300.0
"""Between two looks; a channel that is sampled more rarely is looked at with every sample."""
SPAN = 10
"""Looks of the mean and of the change."""
KNOWN_S = 12 * 3600.0
"""Before so much history everything is new."""
KNOWN_LOOKS = 2 * SPAN
NOISE = 1.0
"""Standard deviations of the whole history that a record must be beyond the last one: of white noise one channel tells
0.1 records in its first day, 0.3 in the rest of the week, and 0.07 in the rest of the month."""
BEYOND = (0.05, 0.1, 0.17)
"""A record is told when it is so far beyond, of the value, the mean and the change: a share of the distance between
the last record and the mean of all."""


class Record(NamedTuple):
    """A record that is worth telling."""

    excess: float
    """How far it is beyond the last one [of what is worth telling], at least 1."""
    value: float
    low: float
    """Between these it was until now: the value, or the value that a change or mean so far would have allowed."""
    high: float


class Records:
    """The records of one channel."""

    def __init__(self) -> None:
        self._views = [_View() for _ in BEYOND]
        self._looks: deque[float] = deque(maxlen=SPAN + 1)
        self._began_s = math.nan
        self._looked_s = math.nan
        self._total = 0.0
        self._count = 0

    def add(self, stamp_s: float, value: float, least: float = 0.0) -> Record | None:
        """Take a value; stamps must not go back. What is beyond by less than ``least`` is no record."""
        self._total += value
        self._count += 1
        if stamp_s - self._looked_s < LOOK_S:
            return None
        if math.isnan(self._looked_s):
            self._began_s = stamp_s
        self._looked_s = stamp_s
        value, self._total, self._count = self._total / self._count, 0.0, 0
        self._looks.append(value)
        recent = list(self._looks)[-SPAN:]
        change = value - self._looks[0] if len(self._looks) > SPAN else 0.0
        is_known = stamp_s - self._began_s >= KNOWN_S and self._views[0].count >= KNOWN_LOOKS
        worst: Record | None = None
        for view, beyond, seen in zip(self._views, BEYOND, (value, sum(recent) / len(recent), change), strict=True):
            excess = view.beyond(seen, least) / beyond
            if is_known and excess >= 1 and (worst is None or excess > worst.excess):
                worst = Record(excess, value, value - seen + view.low, value - seen + view.high)
            view.add(seen)
        if worst is not None:
            self._looks.clear()  # that it goes back afterwards is no other event
        return worst

    def state(self) -> list[list[float] | float]:
        """What :meth:`restore` takes, as JSON can hold it."""
        if math.isnan(self._looked_s):
            return []
        return [
            *(view.state() for view in self._views),
            list(self._looks),
            self._began_s,
            self._looked_s,
            self._total,
            self._count,
        ]

    def restore(self, state: Sequence[object]) -> None:
        """Take what :meth:`state` gave.

        Raises:
            ValueError: it is of another shape, or has a number that is not finite.
        """
        if not state:
            return
        *views, looks, began_s, looked_s, total, count = state
        if len(views) != len(BEYOND) or not isinstance(looks, list):
            raise ValueError(f"expected the records of a channel, found {state!r}")
        self._looks.extend(map(_finite, looks))
        self._views = [_View(*_numbers(view)) for view in views]
        self._began_s, self._looked_s, self._total = _finite(began_s), _finite(looked_s), _finite(total)
        self._count = int(_finite(count))


class _View:
    """The records of one quantity, and where they are seen from."""

    __slots__ = ("_mean", "_squares", "count", "high", "low")

    def __init__(
        self,
        count: float = 0,
        low: float = math.inf,
        high: float = -math.inf,
        mean: float = 0.0,
        squares: float = 0.0,
    ) -> None:
        self.count = count
        self.low = low
        self.high = high
        self._mean = mean
        self._squares = squares

    def beyond(self, value: float, least: float) -> float:
        """How far a value is beyond the last record, as a share of that one's distance from the mean.

        Below ``least``, and within what noise adds to its own extremes, it is not beyond.
        """
        past = max(value - self.high, self.low - value) if self.count else 0.0
        sigma = math.sqrt(self._squares / self.count) if self.count else 0.0
        if past <= max(least, NOISE * sigma):
            return 0.0
        reach = self.high - self._mean if value > self.high else self._mean - self.low
        return past / (reach + 0.5 * sigma + 1e-9 * abs(self._mean) + 1e-12)

    def add(self, value: float) -> None:
        self.count += 1
        before = value - self._mean
        self._mean += before / self.count
        self._squares += before * (value - self._mean)
        self.low = min(self.low, value)
        self.high = max(self.high, value)

    def state(self) -> list[float]:
        return [self.count, self.low, self.high, self._mean, self._squares]


def _numbers(state: object) -> list[float]:
    if not isinstance(state, list) or len(state) != 5:
        raise ValueError(f"expected 5 numbers, found {state!r}")
    return list(map(_finite, state))


def _finite(number: object) -> float:
    if not isinstance(number, (int, float)) or not math.isfinite(number):
        raise ValueError(f"expected a finite number, found {number!r}")
    return float(number)
