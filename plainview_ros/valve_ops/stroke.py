"""The life of one stroke: from the command to its end, fed with what the actuator reports.

    under way ──▶ NONE            within tolerance of the target, and stayed there for the settling time
        ├───────▶ TIMEOUT         longer than the valve's time limit
        ├───────▶ STALE_FEEDBACK  no position for longer than the valve's deadline
        ├───────▶ CANCELED        by whoever asked for it
        └───────▶ INACTIVE        the node stops watching

The time of a stroke is that of its samples' stamps: the plant's own time, also when a simulation runs faster or slower
than the clock on the wall, or stops. That samples stop coming is found on the monotonic clock.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from typing import Literal

from plainview_ros.assets import Valve
from plainview_ros.valve_ops.signature import Point, Signature

Refusal = Literal["UNKNOWN_VALVE", "BAD_TARGET", "BUSY", "NO_POSITION", "INACTIVE"]
End = Literal["NONE", "TIMEOUT", "STALE_FEEDBACK", "CANCELED", "INACTIVE"]

SETTLING_S = 0.5
"""A valve has reached its target when it stayed within tolerance for this long: it may not be passing through."""

MIN_MOVE_S = 0.1
"""No trajectory is shorter: a controller need not divide by a time of zero."""


class RefusedError(ValueError):
    """A demand that cannot be carried out; nothing moved."""

    def __init__(self, code: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.code: Refusal = code


@dataclass(frozen=True, slots=True)
class Demand:
    """Somebody wants a valve at a position."""

    actuation_id: uuid.UUID
    valve_id: str
    target: float
    """Share of the stroke, 0 closed to 1 open."""
    requested_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Motion:
    """One report of a valve's actuator."""

    position: float
    """Share of the stroke, 0 closed to 1 open."""
    torque_nm: float
    """At the stem, as signed by the actuator; NaN: not measured."""
    stamp_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a stroke ended."""

    code: End
    message: str
    """One sentence; empty when it succeeded."""
    stamp_s: float
    """ROS time of the end."""
    position: float
    peak_torque_nm: float
    """Largest magnitude; NaN: no torque was measured."""
    duration_s: float
    """Until the target was reached for good, or until the end."""
    signature: tuple[Point, ...]

    @property
    def must_hold(self) -> bool:
        """Whether the actuator must be told to stay where it is.

        Not when the position is unknown: holding an old one would move the valve blindly.
        """
        return self.code in ("TIMEOUT", "CANCELED", "INACTIVE")


class Stroke:
    """One stroke under way.

    Args:
        valve: the valve.
        demand: what was asked for, already checked.
        start: the last report before the command.
        now_s: ROS time of the command.
    """

    def __init__(self, valve: Valve, demand: Demand, start: Motion, now_s: float) -> None:
        self.valve = valve
        self.demand = demand
        self.started_s = now_s
        self.motion = start
        self.elapsed_s = 0.0
        self.outcome: Outcome | None = None
        self._newest_s = now_s
        self._arrived_s: float | None = None
        self._signature = Signature()

    @property
    def expected_s(self) -> float:
        """Time the command allows the actuator: its share of a healthy full stroke."""
        travel = abs(self.demand.target - self.motion.position)
        return max(travel * self.valve.stroke_time_s, MIN_MOVE_S)

    def observe(self, motion: Motion) -> None:
        """Take a report of the actuator, newer than the one before. May end the stroke."""
        if self.outcome is not None:
            return
        # A clock that steps back (a simulation started again) stops this stroke's time instead of turning it back.
        self.elapsed_s += max(0.0, motion.stamp_s - self._newest_s)
        self._newest_s = motion.stamp_s
        self.motion = motion
        self._signature.add(motion.position, motion.torque_nm)
        if abs(motion.position - self.demand.target) <= self.valve.position_tolerance:
            if self._arrived_s is None:
                self._arrived_s = self.elapsed_s
            if self.elapsed_s - self._arrived_s >= SETTLING_S:
                self._end("NONE", "", motion.stamp_s, self._arrived_s)
            return
        self._arrived_s = None
        if self.elapsed_s > self.valve.timeout_s:
            self._end(
                "TIMEOUT",
                f"{self._where()} after {self.elapsed_s:.1f} s, the limit is {self.valve.timeout_s:g} s",
                motion.stamp_s,
            )

    def lose_feedback(self, now_s: float) -> None:
        """End it: no position for longer than the valve's deadline."""
        self._end(
            "STALE_FEEDBACK",
            f"no position of {self.valve.id} for {self.valve.position_deadline_s:g} s; {self._where()} when last seen",
            now_s,
        )

    def cancel(self, now_s: float) -> None:
        """End it: whoever asked for it no longer wants it."""
        self._end("CANCELED", f"canceled, {self._where()}", now_s)

    def abandon(self, now_s: float) -> None:
        """End it: the node stops watching."""
        self._end("INACTIVE", f"the node was deactivated, {self._where()}", now_s)

    def _where(self) -> str:
        return f"{self.valve.id} at {self.motion.position:.3f}, target {self.demand.target:.3f}"

    def _end(self, code: End, message: str, stamp_s: float, duration_s: float | None = None) -> None:
        if self.outcome is None:
            self.outcome = Outcome(
                code=code,
                message=message,
                stamp_s=stamp_s,
                position=self.motion.position,
                peak_torque_nm=self._signature.peak_torque_nm,
                duration_s=self.elapsed_s if duration_s is None else duration_s,
                signature=self._signature.points,
            )


def check_target(target: float) -> None:
    """Refuse a target that is no position.

    Raises:
        RefusedError: ``BAD_TARGET``.
    """
    if not math.isfinite(target) or not 0.0 <= target <= 1.0:
        raise RefusedError("BAD_TARGET", f"target_position must be 0 (closed) to 1 (open), found {target}")
