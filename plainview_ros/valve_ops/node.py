"""The valve_ops node: judges the valves' health and strokes them.

A stroke is commanded as a trajectory of one joint with one point. A ros2_control joint_trajectory_controller that has
more joints than that needs ``allow_partial_joints_goal: true``.
"""

from __future__ import annotations

import math
import sys
import uuid
from collections.abc import Iterable
from time import monotonic
from typing import Any

from rclpy.task import Future
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from plainview_ros.action import ActuateValve
from plainview_ros.alerts import Alert
from plainview_ros.assets import Valve
from plainview_ros.msg import Alert as AlertMsg
from plainview_ros.msg import ValveActuation, ValveState, ValveStates
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import (
    alert_message,
    constant,
    date_stamp,
    from_stamp,
    from_uuid_msg,
    to_duration,
    to_stamp,
    to_uuid_msg,
)
from plainview_ros.ros.instruments import InstrumentFeed
from plainview_ros.ros.node import Health, ModuleNode
from plainview_ros.ros.process import run
from plainview_ros.ros.settings import Setting
from plainview_ros.samples import Sample
from plainview_ros.valve_ops.fleet import Fleet
from plainview_ros.valve_ops.joints import read_joints
from plainview_ros.valve_ops.stroke import MIN_MOVE_S, Demand, Outcome, RefusedError, Stroke
from plainview_ros.valve_ops.watch import Deadbands, ValveReport

STATE_PERIOD_S = 0.5
FEEDBACK_PERIOD_S = 0.1


class ValveOpsNode(ModuleNode):
    SETTINGS = (
        Setting(
            "temperature_deadband_c",
            1.0,
            "How far a temperature must fall below a limit to count as back [K]",
            low=0.0,
            high=50.0,
        ),
        Setting(
            "pressure_deadband_pa",
            20_000.0,
            "How far a pressure must fall below a limit to count as back [Pa]",
            low=0.0,
            high=1e6,
        ),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__("valve_ops", **options)

    def build(self) -> None:
        self._fleet = Fleet(
            self.rig, Deadbands(self.setting("temperature_deadband_c"), self.setting("pressure_deadband_pa"))
        )
        self._goals: dict[uuid.UUID, tuple[Any, Future]] = {}
        self._publish_states = self.publisher(ValveStates, topics.VALVES_STATE, qos.STATE)
        self._publish_actuation = self.publisher(ValveActuation, topics.VALVE_ACTUATIONS, qos.EVENT)
        self._publish_alert = self.publisher(AlertMsg, topics.ALERTS, qos.EVENT)
        self._publish_trajectory = self.publisher(JointTrajectory, topics.VALVE_TRAJECTORY, qos.COMMAND)
        InstrumentFeed(self, self._fleet.tags, self._on_sample)
        self.subscribe(JointState, topics.JOINT_STATES, self._on_joint_states, qos.SENSOR)
        self.serve_action(
            ActuateValve,
            topics.ACTUATE_VALVE,
            self._actuate,
            self._on_cancel,
            lambda: refused_result(ActuateValve.Result.DEFECT, "the node failed, see its log"),
        )
        self.every(FEEDBACK_PERIOD_S, self._watch_strokes, wall=True)
        self.every(STATE_PERIOD_S, self._judge, wall=True)

    def health(self) -> list[Health]:
        reports = self._fleet.reports(monotonic())
        stale = {report.valve.id: ", ".join(report.stale) for report in reports if report.stale}
        values: dict[str, object] = {report.valve.id: report.health.status for report in reports}
        if stale:
            complaint = "; ".join(f"{valve_id}: {fields}" for valve_id, fields in stale.items())
            return [Health("valves", "warn", f"no fresh value of {complaint}", values)]
        return [Health("valves", "ok", "all measured", values)]

    def stand_down(self) -> None:
        self._fleet.abandon(self.now_s())
        self._finish_ended()

    # -- what is measured ----------------------------------------------------------------------------------------------

    def _on_sample(self, sample: Sample) -> None:
        alerts = self._fleet.read(sample, self.now_s(), monotonic())
        self._announce(alerts)
        if alerts:
            self._publish_state()

    def _on_joint_states(self, message: JointState) -> None:
        joints = read_joints(message.name, message.position, message.effort, self._fleet.joints)
        for joint, reason in self._fleet.move(joints, from_stamp(message.header.stamp), self.now_s(), monotonic()):
            self.refuse(joint, reason)
        self._finish_ended()

    def _judge(self) -> None:
        self._announce(self._fleet.judge(self.now_s()))
        self._publish_state()

    def _announce(self, alerts: Iterable[Alert]) -> None:
        for message in map(alert_message, alerts):
            self._publish_alert(message)

    def _publish_state(self) -> None:
        states = ValveStates(valves=[state_message(report) for report in self._fleet.reports(monotonic())])
        states.header.stamp = self.get_clock().now().to_msg()
        self._publish_states(states)

    # -- strokes -------------------------------------------------------------------------------------------------------

    async def _actuate(self, goal: Any) -> ActuateValve.Result:
        if goal.is_cancel_requested:
            goal.canceled()
            return refused_result(ActuateValve.Result.CANCELED, "canceled before it began")
        try:
            stroke = self._begin(goal)
        except RefusedError as refusal:
            goal.abort()
            return refused_result(getattr(ActuateValve.Result, refusal.code), str(refusal))
        ended: Future = Future()
        self._goals[stroke.demand.actuation_id] = goal, ended
        self._command(stroke.valve, stroke.demand.target, stroke.expected_s)
        self._publish_actuation(requested_message(stroke))
        self._publish_state()
        goal.publish_feedback(feedback_message(stroke))

        outcome: Outcome = await ended
        if outcome.code == "NONE":
            goal.succeed()
        elif outcome.code == "CANCELED":
            goal.canceled()
        else:
            goal.abort()
        return ended_result(outcome)

    def _begin(self, goal: Any) -> Stroke:
        if not self.is_active:
            raise RefusedError("INACTIVE", "valve_ops is not active: activate it by its lifecycle services")
        request = goal.request
        demand = Demand(
            from_uuid_msg(goal.goal_id),
            request.valve_id,
            request.target_position,
            request.requested_by,
            request.reason,
        )
        return self._fleet.begin(demand, self.now_s(), monotonic())

    def _on_cancel(self, goal: Any) -> None:
        self._fleet.cancel(from_uuid_msg(goal.goal_id), self.now_s())
        self._finish_ended()

    def _watch_strokes(self) -> None:
        self._fleet.end_lost(self.now_s(), monotonic())
        self._finish_ended()
        for stroke in self._fleet.strokes():
            goal, _ = self._goals[stroke.demand.actuation_id]
            goal.publish_feedback(feedback_message(stroke))

    def _finish_ended(self) -> None:
        for stroke, outcome in self._fleet.take_ended():
            if outcome.must_hold:
                self._command(stroke.valve, outcome.position, MIN_MOVE_S)
            self._publish_actuation(ended_message(stroke, outcome))
            self._publish_state()
            _, ended = self._goals.pop(stroke.demand.actuation_id)
            ended.set_result(outcome)

    def _command(self, valve: Valve, opening: float, time_s: float) -> None:
        point = JointTrajectoryPoint(positions=[valve.joint.angle_rad(opening)], time_from_start=to_duration(time_s))
        self._publish_trajectory(JointTrajectory(joint_names=[valve.joint.name], points=[point]))


def state_message(report: ValveReport) -> ValveState:
    return ValveState(
        id=report.valve.id,
        name=report.valve.name,
        status=constant(ValveState, "status", report.health.status),
        health_score=report.health.score,
        health_factors=report.health.factors,
        position=report.position,
        torque_nm=report.torque_nm,
        temperature_c=report.temperature_c,
        pressure_pa=report.pressure_pa,
        last_torque_nm=report.last_torque_nm,
        last_actuation=to_stamp(report.last_actuation_s),
        estimated_maintenance=date_stamp(report.valve.estimated_maintenance),
        moving=report.moving,
        stale=report.stale,
    )


def feedback_message(stroke: Stroke) -> ActuateValve.Feedback:
    motion = stroke.motion
    return ActuateValve.Feedback(position=motion.position, torque_nm=motion.torque_nm, elapsed_s=stroke.elapsed_s)


def refused_result(error_code: int, reason: str) -> ActuateValve.Result:
    """Result of a goal of which nothing was measured."""
    return ActuateValve.Result(
        error_code=error_code,
        error_msg=reason,
        final_position=math.nan,
        peak_torque_nm=math.nan,
        duration_s=math.nan,
    )


def ended_result(outcome: Outcome) -> ActuateValve.Result:
    return ActuateValve.Result(
        error_code=getattr(ActuateValve.Result, outcome.code),
        error_msg=outcome.message,
        final_position=outcome.position,
        peak_torque_nm=outcome.peak_torque_nm,
        duration_s=outcome.duration_s,
        signature_position=[point.position for point in outcome.signature],
        signature_torque_nm=[point.torque_nm for point in outcome.signature],
    )


def requested_message(stroke: Stroke) -> ValveActuation:
    """The event of a stroke that begins."""
    demand = stroke.demand
    message = ValveActuation(
        event_id=to_uuid_msg(uuid.uuid4()),
        actuation_id=to_uuid_msg(demand.actuation_id),
        valve_id=demand.valve_id,
        phase=ValveActuation.PHASE_REQUESTED,
        target_position=demand.target,
        final_position=math.nan,
        peak_torque_nm=math.nan,
        duration_s=math.nan,
        requested_by=demand.requested_by,
        reason=demand.reason,
    )
    message.header.stamp = to_stamp(stroke.started_s)
    return message


PHASES = {"NONE": ValveActuation.PHASE_COMPLETED, "CANCELED": ValveActuation.PHASE_CANCELED}


def ended_message(stroke: Stroke, outcome: Outcome) -> ValveActuation:
    """The event of a stroke that ended."""
    message = requested_message(stroke)
    message.phase = PHASES.get(outcome.code, ValveActuation.PHASE_FAILED)
    message.final_position = outcome.position
    message.peak_torque_nm = outcome.peak_torque_nm
    message.duration_s = outcome.duration_s
    message.error_code = getattr(ActuateValve.Result, outcome.code)
    message.error_msg = outcome.message
    message.header.stamp = to_stamp(outcome.stamp_s)
    return message


def main() -> int:
    return run(ValveOpsNode)


if __name__ == "__main__":
    sys.exit(main())
