"""Valve actuators: a motor turns the stem against its torque, at a limited rate.

The motor pulls the stem through an elastic drive. A stem at rest stays until the drive's torque exceeds static friction
(breakaway), then follows the motor at kinetic friction. The torque over the stroke is that of a quarter-turn valve:
packing and bearings all along, the seat near the closed end, and the load of the differential pressure. A sticking
valve multiplies the friction and comes to rest again after each slip, which gives stick-slip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from plainview_ros.assets import Valve

SUBSTEP_S = 0.005

# Shares of the rated torque.
PACKING = 0.15
SEATING = 0.2
UNSEATING = 0.25
PER_MEGAPASCAL = 0.1

SEAT_ZONE = 0.03
"""Share of the stroke over which the seat is felt."""
BREAKAWAY_RATIO = 1.15
STICKING_RATIO = 1.4
"""Static over kinetic friction, of a healthy and of a sticking valve."""
TWIST = 0.03
"""Of the drive at rated torque, as a share of the stroke."""
SLOWING = 0.6
"""Share of its speed that the motor loses at rated torque."""
TRIP_S = 3.0
"""The torque switch stops a motor that has stood at rated torque for this long."""
STOP_TOLERANCE = 1e-3
"""How far beyond its stops a valve may be sent, as a share of the stroke: rounding of angles."""
ENCODER_STEPS = 4096
"""Per stroke."""
TORQUE_NOISE = 0.0025
"""Standard deviation of the torque reading, share of the rated torque."""


class Waypoint(NamedTuple):
    """Where the valve should be, and when."""

    opening: float
    """0 closed, 1 open."""
    after_s: float
    """From the command; 0: as fast as it can."""


def check_path(path: Sequence[Waypoint]) -> None:
    """Raise ``ValueError`` for a path that no valve can follow."""
    if not path:
        raise ValueError("a path needs at least one point")
    before_s = 0.0
    for point in path:
        if not (math.isfinite(point.opening) and -STOP_TOLERANCE <= point.opening <= 1 + STOP_TOLERANCE):
            raise ValueError(f"opening {point.opening:g} is beyond the stops of the stroke, 0 to 1")
        if not (math.isfinite(point.after_s) and point.after_s >= before_s):
            raise ValueError(f"{point.after_s:g} s is no time for a point that follows one at {before_s:g} s")
        before_s = point.after_s


class Actuator:
    """The actuator of one valve, at rest and open at first."""

    def __init__(self, valve: Valve, rng: np.random.Generator) -> None:
        self.valve = valve
        self.opening = 1.0
        self.velocity = 0.0
        """[share of the stroke per second]"""
        self.friction = 1.0
        """Multiple of the healthy friction; above 1 it sticks."""
        self._rng = rng
        # Each valve has its own packing: tightness, and roughness that is always at the same places of the stroke.
        self._packing = PACKING * float(rng.uniform(0.9, 1.1))
        self._roughness_phases = rng.uniform(0, math.tau, 3)
        self._drive = 1.0
        """Where the motor has turned the drive to; ahead of the stem by the drive's twist."""
        self._slipping = False
        self._peak = 0.0
        self._path: list[Waypoint] = []
        self._path_s = 0.0
        self._stalled_s = 0.0
        running = self._packing * (1 + PER_MEGAPASCAL)
        self._fastest = 1 / valve.stroke_time_s / (1 - SLOWING * running**2)

    @property
    def is_moving(self) -> bool:
        return bool(self._path)

    def follow(self, path: Sequence[Waypoint]) -> None:
        """Drive along a path, starting now, as well as the motor can; replaces what it was doing.

        Raises:
            ValueError: for a path that no valve can follow.
        """
        check_path(path)
        start = Waypoint(self.opening, 0.0)
        self._path = [start, *(Waypoint(min(max(point.opening, 0.0), 1.0), point.after_s) for point in path)]
        self._path_s = self._stalled_s = 0.0

    def step(self, dt_s: float, differential_pressure_pa: float) -> None:
        """Advance by ``dt_s`` under the pressure difference over the valve."""
        before, self._peak = self.opening, 0.0
        for _ in range(round(dt_s / SUBSTEP_S)):
            if not self._path:
                break
            self._turn(SUBSTEP_S, differential_pressure_pa)
        self.velocity = (self.opening - before) / dt_s

    def measured_opening(self) -> float:
        """Reading of the position encoder."""
        return round(self.opening * ENCODER_STEPS) / ENCODER_STEPS

    def measured_torque_nm(self) -> float:
        """Reading of the torque sensor: the largest since the last step began, positive when it opens."""
        noise = TORQUE_NOISE * float(self._rng.standard_normal())
        return (self._peak + noise) * self.valve.rated_torque_nm

    # -- inside: torques are shares of the rated torque ----------------------------------------------------------------

    def _turn(self, dt_s: float, pressure_pa: float) -> None:
        self._path_s += dt_s
        wanted, final = self._reference(), self._path[-1].opening
        direction = math.copysign(1.0, wanted - self.opening) if wanted != self.opening else 0.0
        kinetic, static = self._resistance(direction, pressure_pa)
        lead = (kinetic if self._slipping else 1.01 * static) * TWIST
        speed = self._fastest * max(1 - SLOWING * self._torque**2, 0.1)
        step = wanted + direction * lead - self._drive
        self._drive += min(max(step, -speed * dt_s), speed * dt_s)
        self._drive = min(max(self._drive, self.opening - TWIST), self.opening + TWIST)
        if abs(self._torque) > abs(self._peak):
            self._peak = self._torque

        if not self._slipping:
            self._slipping = direction * self._torque >= static
        if self._slipping:
            travel = direction * (self._drive - self.opening) - kinetic * TWIST
            self.opening = min(max(self.opening + direction * max(travel, 0.0), 0.0), 1.0)
            self._slipping = self.friction <= 1.0 and direction != 0.0

        arrived = (wanted - self.opening) * direction <= 1e-6 and wanted == final
        self._stalled_s = self._stalled_s + dt_s if abs(self._torque) >= 0.999 else 0.0
        if arrived or self._stalled_s >= TRIP_S:
            self._rest()

    @property
    def _torque(self) -> float:
        return (self._drive - self.opening) / TWIST

    def _rest(self) -> None:
        """The motor stops and the drive relaxes."""
        self._path = []
        self._drive = self.opening
        self._slipping = False

    def _reference(self) -> float:
        """Opening on the path now."""
        for a, b in zip(self._path, self._path[1:], strict=False):
            if self._path_s < b.after_s:
                return a.opening + (b.opening - a.opening) * (self._path_s - a.after_s) / (b.after_s - a.after_s)
        return self._path[-1].opening

    def _resistance(self, direction: float, pressure_pa: float) -> tuple[float, float]:
        """Kinetic and static torque against motion in a direction."""
        x = self.opening
        phases = self._roughness_phases
        roughness = sum(math.sin(math.tau * (i + 2) * x + phases[i]) for i in range(3))
        friction = self._packing * (1 + 0.02 * roughness) * self.friction
        load = PER_MEGAPASCAL * abs(pressure_pa) / 1e6
        seat = max(1 - x / SEAT_ZONE, 0.0)
        ratio = BREAKAWAY_RATIO if self.friction <= 1.0 else STICKING_RATIO
        kinetic = friction + load + (SEATING * seat if direction < 0 else 0.0)
        static = ratio * friction + load + (UNSEATING if direction > 0 else SEATING) * seat
        return kinetic, static
