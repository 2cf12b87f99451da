"""What is normal for one channel: its level, how far it usually strays, and how far it is away now.

The level is forgotten exponentially, with a memory that grows with experience: after n rows it reaches back about n/2,
so a channel of which little is known is followed quickly and a well that has run for hours slowly. A deviation is the
smoothed distance from the level, counted in standard deviations of its own history; as that history holds the slow
wander of the process as well as its noise, a process that drifts all day must drift further to be noticed than one that
stands still. The more a deviation is out of the ordinary, the less is learnt from it (weights of a redescending
M-estimator; Huber and Ronchetti, Robust Statistics, 2009, 4.8).

Rows stand for samples: at 1 Hz or faster a row is a second, slower channels have a row a sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

MEAN_TO_SIGMA = 1.2533
"""Standard deviation of a normal distribution as a multiple of its mean absolute deviation."""

MEMORY_SHARE = 0.5
"""Memory of the level as a share of the rows that have been learnt ..."""
SHORTEST_MEMORY, LONGEST_MEMORY = 60.0, 3600.0
"""... within these [rows]."""

SMOOTHING = 10.0
"""Time constant of the deviation [rows]: one row says little, a valve that closes takes longer."""
SPIKE = 5.0
"""One row counts at most as so many standard deviations: it alone opens nothing."""
STRAY = 3.0
"""What is learnt is moved to at most so many standard deviations from the level."""
DOUBT = 3.0
"""A deviation of so many standard deviations teaches half as much as none."""

PEAK_ROWS = 300
"""Peaks of the past are kept in stretches of so many rows; the newest two do not count, or what grows slowly would
raise its own threshold."""
PEAK_MEMORY = 120.0
"""Stretches after which a peak is forgotten to a third."""

LEAST = 1e-150
"""Of a channel that rests at zero; its square is still a number."""


class Reference:
    """The normal of one channel and its deviation from it.

    Every row is given to :meth:`look`, and then to one of :meth:`learn` (it is normal), :meth:`follow` (the process
    settles on a new level) or to none (an anomaly is open: the reference stands still).

    Args:
        floor: least standard deviation, in the unit of the channel.
        tolerance: least standard deviation, as a share of the level.
    """

    __slots__ = (
        *("_floor", "_tolerance", "deviation", "level", "recent", "rows", "sigma"),
        *("_noise", "_peak", "_peak_before", "_peak_now", "_rows_of_peak", "_smoothed", "_wander"),
    )

    def __init__(self, floor: float, tolerance: float) -> None:
        self._floor = floor
        self._tolerance = tolerance
        self.start_over()

    def bound(self, floor: float, tolerance: float) -> None:
        """From now on with another least standard deviation."""
        self._floor, self._tolerance = floor, tolerance

    def start_over(self) -> None:
        """Forget everything."""
        self.rows = 0
        """That have been learnt."""
        self.level = self.recent = self.sigma = self.deviation = 0.0
        self._smoothed = self._noise = self._wander = 0.0
        self._peak = self._peak_before = self._peak_now = 0.0
        self._rows_of_peak = 0

    @property
    def is_known(self) -> bool:
        """Whether enough has been learnt to judge by it."""
        return self.rows > SHORTEST_MEMORY

    @property
    def peak(self) -> float:
        """The largest deviation of the past that was normal [sigma]."""
        return self._peak

    @property
    def floor(self) -> float:
        """Least standard deviation, in the unit of the channel."""
        return max(self._floor, self._tolerance * abs(self.level), LEAST)

    @property
    def distance(self) -> float:
        """Of the smoothed value from the level; other than the deviation it knows no bound [standard deviations]."""
        return max(abs(self.recent), abs(self._smoothed)) / self.sigma

    def look(self, value: float) -> float:
        """Take a value; its smoothed deviation [standard deviations], signed.

        ``recent`` is then the smoothed difference from the level without any bound, in the unit of the channel.
        """
        if not self.rows or (self.is_known and self._noise == 0.0 == self._floor and value != self.level):
            # Known, and without noise: it has rested at one value, so how far it strays is to be learnt first.
            self.start_over()
            self.level = value
        level, noise = self.level, self._noise
        difference = value - level
        floor = self.floor
        most = SPIKE * (noise + floor)
        bounded = max(-most, min(most, difference))
        self._smoothed += (bounded - self._smoothed) / SMOOTHING
        self.recent += (difference - self.recent) / SMOOTHING
        self.sigma = math.sqrt(self._wander * self._wander + floor * floor + noise * noise / (2 * SMOOTHING - 1))
        self.deviation = self._smoothed / self.sigma
        return self.deviation

    def learn(self, value: float) -> None:
        """The value that was looked at is normal."""
        rows = self.rows + 1
        self.rows = rows
        gain = 1 / min(max(MEMORY_SHARE * rows, SHORTEST_MEMORY), LONGEST_MEMORY, rows)
        difference = value - self.level
        weight = 1.0
        size = abs(self.deviation)
        if self.is_known:
            most = STRAY * self._noise + self.floor
            difference = max(-most, min(most, difference))
            weight = 1 / (1 + (size / DOUBT) ** 4)
        self.level += gain * weight * difference
        self._noise += gain * (MEAN_TO_SIGMA * abs(difference) - self._noise)
        self._wander += gain * weight * (MEAN_TO_SIGMA * abs(self._smoothed) - self._wander)
        if rows > 2 * SHORTEST_MEMORY and size > self._peak_now:
            self._peak_now = size
        self._rows_of_peak += 1
        if self._rows_of_peak >= PEAK_ROWS:
            self._rows_of_peak = 0
            self._peak = max(self._peak * (1 - 1 / PEAK_MEMORY), self._peak_before)
            self._peak_before, self._peak_now = self._peak_now, 0.0

    def follow(self, value: float) -> bool:
        """Move the level quickly to where the process is; whether it still moves."""
        self.level += (value - self.level) / SMOOTHING
        self._smoothed = self.deviation = 0.0
        return abs(self.recent) > self.sigma

    def state(self) -> list[float]:
        """What :meth:`restore` takes, as numbers that JSON can hold."""
        return [getattr(self, name) for name in self.__slots__[2:]]

    def restore(self, state: Sequence[float]) -> None:
        """Take what :meth:`state` gave.

        Raises:
            ValueError: it is of another shape, or has a number that is not finite.
        """
        names = self.__slots__[2:]
        if len(state) != len(names) or not all(isinstance(x, (int, float)) and math.isfinite(x) for x in state):
            raise ValueError(f"expected {len(names)} finite numbers, found {state!r}")
        for name, number in zip(names, state, strict=True):
            setattr(self, name, number)
        self.rows, self._rows_of_peak = int(self.rows), int(self._rows_of_peak)
