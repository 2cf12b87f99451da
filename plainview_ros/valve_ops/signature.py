"""Torque over position during one stroke, in bounded memory."""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import NamedTuple


class Point(NamedTuple):
    """Torque at the stem at one position of the stroke."""

    position: float
    """Share of the stroke, 0 closed to 1 open."""
    torque_nm: float


class Signature:
    """The torque signature of a stroke that is under way.

    However long the stroke and fast the feedback, it holds at most ``most`` points: when it is full, each two
    neighbours become the one with the larger torque, and from then on as many samples share a point. So the peaks,
    which a signature is read for, survive.
    """

    def __init__(self, most: int = 1000) -> None:
        if most < 2:
            raise ValueError(f"most must be at least 2, found {most}")
        self._most = most
        self._points: list[Point] = []
        self._samples_per_point = 1
        self._samples_in_last = 0

    @property
    def points(self) -> tuple[Point, ...]:
        """In order of time."""
        return tuple(self._points)

    @property
    def peak_torque_nm(self) -> float:
        """Largest magnitude of torque so far; NaN when none was measured."""
        return max((abs(point.torque_nm) for point in self._points), default=math.nan)

    def add(self, position: float, torque_nm: float) -> None:
        """Take one sample; one without a torque (NaN) tells nothing and is passed over."""
        if math.isnan(torque_nm):
            return
        point = Point(position, torque_nm)
        if 0 < self._samples_in_last < self._samples_per_point:
            self._points[-1] = _larger(self._points[-1], point)
            self._samples_in_last += 1
            return
        if len(self._points) == self._most:
            pairs = zip_longest(self._points[::2], self._points[1::2])
            self._points = [_larger(a, b) for a, b in pairs]
            self._samples_per_point *= 2
        self._points.append(point)
        self._samples_in_last = 1


def _larger(a: Point, b: Point | None) -> Point:
    return a if b is None or abs(a.torque_nm) >= abs(b.torque_nm) else b
