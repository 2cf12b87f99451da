"""One valve: what is measured of it, how healthy that is, and the stroke under way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from plainview_ros.assets import Valve
from plainview_ros.samples import Readings
from plainview_ros.valve_ops.health import Gauge, Health, Limits, judge
from plainview_ros.valve_ops.joints import JointReading
from plainview_ros.valve_ops.stroke import Demand, Motion, Outcome, RefusedError, Stroke, check_target

OVERTRAVEL = 0.1
"""A position further than this outside the stroke is not believed: an encoder fault, or degrees sent as radians."""


@dataclass(frozen=True, slots=True)
class Deadbands:
    """How far a value must fall below a limit before it counts as back."""

    temperature_c: float
    pressure_pa: float


@dataclass(frozen=True, slots=True)
class ValveReport:
    """What is known of one valve now; the fields are those of ``ValveState``, NaN and ``None`` for unknown."""

    valve: Valve
    health: Health
    position: float
    torque_nm: float
    temperature_c: float
    pressure_pa: float
    last_torque_nm: float
    last_actuation_s: float | None
    moving: bool
    stale: tuple[str, ...]


class ValveWatch:
    """What is known of one valve, kept up to date. Times as in :class:`plainview_ros.valve_ops.fleet.Fleet`."""

    def __init__(self, valve: Valve, deadbands: Deadbands) -> None:
        thresholds = valve.thresholds
        temperature = Limits(
            "Temperature", thresholds.temp_warning_c, thresholds.temp_critical_c, deadbands.temperature_c, "degC"
        )
        pressure = Limits(
            "Pressure",
            thresholds.pressure_warning_pa,
            thresholds.pressure_critical_pa,
            deadbands.pressure_pa,
            unit="kPa",
            per_unit=1000.0,
        )
        self.valve = valve
        self.gauges = {
            field: Gauge(limits, tag)
            for field, limits, tag in (
                ("temperature_c", temperature, valve.temperature),
                ("pressure_pa", pressure, valve.pressure),
            )
            if tag is not None
        }
        self.health = Health("ok", 100, ())
        self.stroke: Stroke | None = None
        self._last: Outcome | None = None
        self._motion: Motion | None = None
        self._measured_at_s = -math.inf

    def judge(self, today: date) -> bool:
        """Judge the valve by its newest values; whether its status changed."""
        before = self.health.status
        self.health = judge(list(self.gauges.values()), self.valve.estimated_maintenance, today)
        return self.health.status != before

    def move(self, motion: Motion, measured_at_s: float) -> None:
        """Take a report of the actuator, measured at this time of the monotonic clock."""
        self._motion = motion
        self._measured_at_s = measured_at_s
        if self.stroke is not None:
            self.stroke.observe(motion)

    def is_lost(self, monotonic_s: float) -> bool:
        """Whether the position is unknown or too old to act on."""
        return monotonic_s - self._measured_at_s > self.valve.position_deadline_s

    def begin(self, demand: Demand, now_s: float, monotonic_s: float) -> Stroke:
        """Start a stroke.

        Raises:
            RefusedError: no such position, a stroke is under way, position unknown or stale.
        """
        check_target(demand.target)
        if self.stroke is not None:
            other = self.stroke.demand
            raise RefusedError("BUSY", f"{self.valve.id} is under way to {other.target:g} by {other.actuation_id}")
        if self._motion is None:
            raise RefusedError("NO_POSITION", f"the position of {self.valve.id} was never measured")
        if self.is_lost(monotonic_s):
            age_s = monotonic_s - self._measured_at_s
            limit_s = self.valve.position_deadline_s
            raise RefusedError(
                "NO_POSITION", f"the position of {self.valve.id} is {age_s:.1f} s old, the limit is {limit_s:g} s"
            )
        self.stroke = Stroke(self.valve, demand, self._motion, now_s)
        return self.stroke

    def take_ended(self) -> tuple[Stroke, Outcome] | None:
        """The stroke, if it has ended: the valve is free again."""
        stroke = self.stroke
        if stroke is None or stroke.outcome is None:
            return None
        self.stroke, self._last = None, stroke.outcome
        return stroke, stroke.outcome

    def report(self, readings: Readings, monotonic_s: float) -> ValveReport:
        """What is known now; ``readings`` knows how old the values of the gauges are."""
        old = {field: gauge for field, gauge in self.gauges.items() if readings.is_stale(gauge.tag, monotonic_s)}
        unjudged = tuple(f"{gauge.limits.name} is not judged: {gauge.tag} has no fresh value" for gauge in old.values())
        motion, last = self._motion, self._last
        return ValveReport(
            valve=self.valve,
            health=Health(self.health.status, self.health.score, self.health.factors + unjudged),
            position=motion.position if motion else math.nan,
            torque_nm=motion.torque_nm if motion else math.nan,
            temperature_c=self._value("temperature_c"),
            pressure_pa=self._value("pressure_pa"),
            last_torque_nm=last.peak_torque_nm if last else math.nan,
            last_actuation_s=last.stamp_s if last else None,
            moving=self.stroke is not None,
            stale=(*old, *(("position", "torque_nm") if self.is_lost(monotonic_s) else ())),
        )

    def _value(self, field: str) -> float:
        return self.gauges[field].value if field in self.gauges else math.nan


def believable_position(valve: Valve, joint: JointReading) -> float:
    """Share of the stroke, 0..1, a joint reports; a little over-travel counts as the end position.

    Raises:
        ValueError: naming the joint, when it is no reading of this valve's actuator.
    """
    if not math.isfinite(joint.position_rad):
        raise ValueError(f"joint {joint.name}: position {joint.position_rad} is no reading")
    if math.isinf(joint.effort_nm):
        raise ValueError(f"joint {joint.name}: effort {joint.effort_nm} is no reading")
    opening = valve.joint.opening(joint.position_rad)
    if not -OVERTRAVEL <= opening <= 1.0 + OVERTRAVEL:
        raise ValueError(
            f"joint {joint.name}: position {joint.position_rad:g} rad is outside the stroke"
            f" {valve.joint.closed_rad:g}..{valve.joint.open_rad:g} rad"
        )
    return min(max(opening, 0.0), 1.0)
