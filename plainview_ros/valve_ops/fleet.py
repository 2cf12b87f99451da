"""All valves of a rig: what is known of each now, and the strokes under way."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timezone

from plainview_ros.alerts import Alert, AlertBook
from plainview_ros.assets import Rig
from plainview_ros.samples import Readings, Sample, StampGate
from plainview_ros.valve_ops.health import ALERT_SEVERITY
from plainview_ros.valve_ops.joints import JointReading
from plainview_ros.valve_ops.stroke import Demand, Motion, Outcome, RefusedError, Stroke
from plainview_ros.valve_ops.watch import Deadbands, ValveReport, ValveWatch, believable_position

ALERT_CODE = "valve_status"


class Fleet:
    """The valves of a rig.

    Times: ``now_s`` is ROS time, which stamps are compared with; ``monotonic_s`` is the machine's monotonic clock, on
    which the age of a value is counted.
    """

    def __init__(self, rig: Rig, deadbands: Deadbands) -> None:
        self._watches = {valve.id: ValveWatch(valve, deadbands) for valve in rig.valves}
        self._by_joint = {watch.valve.joint.name: watch for watch in self._watches.values()}
        self._readings = Readings(rig)
        self._stamps = StampGate()
        self._alerts = AlertBook("valve-ops")

    @property
    def tags(self) -> frozenset[str]:
        """Instruments the health of the valves is judged by."""
        return frozenset(gauge.tag for watch in self._watches.values() for gauge in watch.gauges.values())

    @property
    def joints(self) -> frozenset[str]:
        """Joints that are actuators of the valves."""
        return frozenset(self._by_joint)

    # -- what is measured ----------------------------------------------------------------------------------------------

    def read(self, sample: Sample, now_s: float, monotonic_s: float) -> list[Alert]:
        """Take a reading of an instrument; alerts of the valves whose status it changed."""
        self._readings.update(sample, now_s, monotonic_s)
        touched = []
        for watch in self._watches.values():
            for gauge in watch.gauges.values():
                if gauge.tag == sample.tag:
                    gauge.read(sample.value)
                    touched.append(watch)
        return self._judge(touched, sample.stamp_s, now_s)

    def judge(self, now_s: float) -> list[Alert]:
        """Judge all valves again: a maintenance date passes without any reading."""
        return self._judge(self._watches.values(), now_s, now_s)

    def move(
        self, joints: Iterable[JointReading], stamp_s: float, now_s: float, monotonic_s: float
    ) -> list[tuple[str, str]]:
        """Take a report of actuators, of :attr:`joints` only.

        Returns:
            The joints whose report was refused, each with the reason; those of the other joints are used.
        """
        refused = []
        for joint in joints:
            watch = self._by_joint[joint.name]
            try:
                position = believable_position(watch.valve, joint)
                self._stamps.admit(f"joint {joint.name}", stamp_s, now_s)
            except ValueError as error:
                refused.append((joint.name, str(error)))
            else:
                watch.move(Motion(position, joint.effort_nm, stamp_s), monotonic_s - max(0.0, now_s - stamp_s))
        return refused

    # -- strokes -------------------------------------------------------------------------------------------------------

    def begin(self, demand: Demand, now_s: float, monotonic_s: float) -> Stroke:
        """Start a stroke.

        Raises:
            RefusedError: unknown valve, no such position, a stroke of it is under way, position unknown or stale.
        """
        if demand.valve_id not in self._watches:
            known = ", ".join(self._watches) or "none"
            raise RefusedError("UNKNOWN_VALVE", f"unknown valve {demand.valve_id!r}: the rig has {known}")
        return self._watches[demand.valve_id].begin(demand, now_s, monotonic_s)

    def strokes(self) -> list[Stroke]:
        """Those under way."""
        return [watch.stroke for watch in self._watches.values() if watch.stroke is not None]

    def cancel(self, actuation_id: uuid.UUID, now_s: float) -> None:
        """End the stroke with this id; nothing when it has ended already."""
        for stroke in self.strokes():
            if stroke.demand.actuation_id == actuation_id:
                stroke.cancel(now_s)

    def end_lost(self, now_s: float, monotonic_s: float) -> None:
        """End the strokes whose position has become too old."""
        for watch in self._watches.values():
            if watch.stroke is not None and watch.is_lost(monotonic_s):
                watch.stroke.lose_feedback(now_s)

    def abandon(self, now_s: float) -> None:
        """End all strokes: nobody will watch them."""
        for stroke in self.strokes():
            stroke.abandon(now_s)

    def take_ended(self) -> list[tuple[Stroke, Outcome]]:
        """The strokes that ended since last asked; their valves are free again."""
        return [ended for watch in self._watches.values() if (ended := watch.take_ended())]

    # -- what is known -------------------------------------------------------------------------------------------------

    def reports(self, monotonic_s: float) -> list[ValveReport]:
        """What is known of each valve, in the order of the rig file."""
        return [watch.report(self._readings, monotonic_s) for watch in self._watches.values()]

    def _judge(self, watches: Iterable[ValveWatch], stamp_s: float, now_s: float) -> list[Alert]:
        today = datetime.fromtimestamp(now_s, timezone.utc).date()
        return [alert for watch in watches if watch.judge(today) for alert in self._alert(watch, stamp_s)]

    def _alert(self, watch: ValveWatch, stamp_s: float) -> list[Alert]:
        valve, health = watch.valve, watch.health
        if health.status == "ok":
            return self._alerts.clear(valve.id, ALERT_CODE, stamp_s)
        message = f"{valve.name} ({valve.id}) is {health.status}: {'; '.join(health.factors)}"
        return self._alerts.raise_("valve", valve.id, ALERT_CODE, ALERT_SEVERITY[health.status], message, stamp_s)
