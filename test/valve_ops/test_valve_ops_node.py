"""The valve_ops node in its own process on a real graph; the test is the actuator and the transmitters."""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from sensor_msgs.msg import FluidPressure, JointState
from trajectory_msgs.msg import JointTrajectory

from plainview_ros.action import ActuateValve
from plainview_ros.msg import Alert, ScanFrame, ValveActuation, ValveState, ValveStates
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import from_uuid_msg
from ros_graph import DEADLINE_S, REPOSITORY, Graph, Inbox, NodeProcess

Result = ActuateValve.Result

STROKE_TIME_S = 1.0
STROKE_TIMEOUT_S = 2.0
POSITION_DEADLINE_S = 0.7
REPORT_PERIOD_S = 0.02
OPEN_RAD = 1.5708


def quick_rig(path: Path) -> Path:
    """The default rig with valves so quick that a test need not wait for them."""
    content = yaml.safe_load((REPOSITORY / "config" / "rig.yaml").read_text())
    for valve in content["valves"]:
        valve |= {
            "stroke_time_s": STROKE_TIME_S,
            "stroke_timeout_s": STROKE_TIMEOUT_S,
            "position_deadline_s": POSITION_DEADLINE_S,
        }
    path.write_text(yaml.safe_dump(content))
    return path


@dataclass
class Motor:
    """One actuator: runs to the commanded angle in the commanded time, with more torque near the seat."""

    angle_rad: float = 0.0
    goal_rad: float = 0.0
    speed_rad_s: float = 0.0
    is_stuck: bool = False
    is_silent: bool = False

    @property
    def effort_nm(self) -> float:
        if self.angle_rad == self.goal_rad:
            return 0.0
        return 250.0 if self.angle_rad < 0.1 * OPEN_RAD else 100.0

    def run(self, seconds: float) -> None:
        way_rad = self.goal_rad - self.angle_rad
        if not self.is_stuck:
            self.angle_rad += math.copysign(min(self.speed_rad_s * seconds, abs(way_rad)), way_rad)


class Actuators:
    """The valves' actuators as one driver: obeys the trajectory topic and reports joint_states."""

    def __init__(self, graph: Graph) -> None:
        self.motors = {f"v-10{i}": Motor() for i in (1, 2, 3)}
        self.commands = Inbox(topics.VALVE_TRAJECTORY)
        self._graph = graph
        self._lock = threading.Lock()
        self._publisher = graph.publisher(JointState, topics.JOINT_STATES, qos.SENSOR).ros
        graph.node.create_subscription(JointTrajectory, topics.VALVE_TRAJECTORY, self._obey, qos.COMMAND)
        graph.node.create_timer(REPORT_PERIOD_S, self._report)

    def set(self, valve_id: str, **changes: Any) -> None:
        with self._lock:
            for name, value in changes.items():
                setattr(self.motors[valve_id], name, value)

    def reset(self) -> None:
        """All closed, healthy and at rest."""
        with self._lock:
            for motor in self.motors.values():
                vars(motor).update(vars(Motor()))
            self.commands.messages.clear()

    def _obey(self, trajectory: JointTrajectory) -> None:
        with self._lock:
            [name], [point] = trajectory.joint_names, trajectory.points
            motor = self.motors[name]
            time_s = point.time_from_start.sec + point.time_from_start.nanosec / 1e9
            motor.goal_rad = point.positions[0]
            motor.speed_rad_s = abs(motor.goal_rad - motor.angle_rad) / time_s
        self.commands.put(trajectory)

    def _report(self) -> None:
        with self._lock:
            message = JointState()
            message.header.stamp = self._graph.stamp()
            message.name.append("crane_slew")
            message.position.append(9.0)
            message.effort.append(0.0)
            for name, motor in self.motors.items():
                motor.run(REPORT_PERIOD_S)
                if not motor.is_silent:
                    message.name.append(name)
                    message.position.append(motor.angle_rad)
                    message.effort.append(motor.effort_nm)
        self._publisher.publish(message)


@dataclass
class Goal:
    """One goal as its client sees it."""

    handle: Any
    feedback: Inbox
    _graph: Graph = field(repr=False)

    @property
    def id(self) -> uuid.UUID:
        return from_uuid_msg(self.handle.goal_id)

    def cancel(self) -> None:
        response = self._graph.result(self.handle.cancel_goal_async())
        assert len(response.goals_canceling) == 1

    def result(self) -> tuple[int, Result]:
        answer = self._graph.result(self.handle.get_result_async())
        return answer.status, answer.result


class Site:
    """A rig with valve_ops running on it."""

    def __init__(self, folder: Path) -> None:
        self.graph = Graph(folder)
        self.rig_file = quick_rig(folder / "rig.yaml")
        self.actuators = Actuators(self.graph)
        self.states = self.graph.collect(ValveStates, topics.VALVES_STATE, qos.STATE)
        self.actuations = self.graph.collect(ValveActuation, topics.VALVE_ACTUATIONS, qos.EVENT)
        self.alerts = self.graph.collect(Alert, topics.ALERTS, qos.EVENT)
        self.diagnostics = self.graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.COMMAND)
        self.client = self.graph.action_client(ActuateValve, topics.ACTUATE_VALVE)
        self.node = self.start()

    def start(self) -> NodeProcess:
        node = self.graph.start("valve_ops", {"rig": self.rig_file})
        assert self.client.wait_for_server(DEADLINE_S)
        return node

    def valve(self, condition: Callable[[ValveState], bool], what: str, valve_id: str = "v-101") -> ValveState:
        """State of a valve in the next snapshot in which it is so."""
        snapshot = self.states.wait_for_next(lambda s: condition(state_of(s, valve_id)), what)
        return state_of(snapshot, valve_id)

    def send(self, valve_id: str = "v-101", target: float = 1.0) -> Goal:
        request = ActuateValve.Goal(
            valve_id=valve_id, target_position=target, requested_by="test", reason="to see it move"
        )
        feedback = Inbox("feedback")
        future = self.client.send_goal_async(request, feedback_callback=lambda m: feedback.put(m.feedback))
        handle = self.graph.result(future)
        assert handle.accepted
        return Goal(handle, feedback, self.graph)

    def refusal(self, valve_id: str = "v-101", target: float = 1.0) -> tuple[int, str]:
        """Error of a goal that must be refused: at once, without feedback, command or event."""
        commands = len(self.actuators.commands.messages)
        goal = self.send(valve_id, target)
        status, result = goal.result()
        assert status == GoalStatus.STATUS_ABORTED
        assert not goal.feedback.messages
        assert len(self.actuators.commands.messages) == commands
        assert goal.id not in {from_uuid_msg(event.actuation_id) for event in self.actuations.messages}
        assert math.isnan(result.final_position)
        return result.error_code, result.error_msg

    def event(self, goal: Goal, phase: int) -> ValveActuation:
        return self.actuations.wait_for(
            lambda m: from_uuid_msg(m.actuation_id) == goal.id and m.phase == phase, f"event of phase {phase}"
        )

    def held_at(self, opening: float) -> None:
        """Wait for the second command: to stay there."""
        _, hold = self.actuators.commands.wait_for_count(2)
        assert hold.points[0].positions[0] == pytest.approx(opening * OPEN_RAD)

    def refusals(self, at_least: int = 0) -> int:
        """How many inputs the node has refused, according to its diagnostics."""
        message = self.diagnostics.wait_for_next(
            lambda m: refused_count(m) >= at_least, f"{at_least} refusals in /diagnostics"
        )
        return refused_count(message)


def refused_count(message: DiagnosticArray) -> int:
    status = next(status for status in message.status if status.name == "valve_ops: input")
    values = {pair.key: pair.value for pair in status.values}
    assert (status.level == b"\0") == (not status.message.startswith("refused")), status
    return int(values["refused"])


def state_of(snapshot: ValveStates, valve_id: str) -> ValveState:
    return next(valve for valve in snapshot.valves if valve.id == valve_id)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("valve_ops"))
    yield site
    assert site.node.is_running(), site.node.log()
    assert "defect" not in site.node.log()
    assert site.node.stop() == 0
    site.graph.close()


@pytest.fixture
def site(running: Site) -> Site:
    """The running site with all valves closed, measured and at rest."""
    running.actuators.reset()
    running.states.wait_for_next(
        lambda s: all(v.position == 0.0 and not v.moving and "position" not in v.stale for v in s.valves),
        "closed valves",
    )
    return running


def test_stroke_reaches_its_target_with_feedback_torque_and_events(site: Site) -> None:
    goal = site.send(target=1.0)
    status, result = goal.result()
    assert status == GoalStatus.STATUS_SUCCEEDED, result.error_msg
    assert (result.error_code, result.error_msg) == (Result.NONE, "")
    assert result.final_position == pytest.approx(1.0, abs=0.01)
    assert result.peak_torque_nm == 250.0
    assert result.duration_s == pytest.approx(STROKE_TIME_S, abs=0.3)
    assert len(result.signature_position) == len(result.signature_torque_nm) > 20
    assert max(result.signature_torque_nm) == 250.0
    assert list(result.signature_position) == sorted(result.signature_position)

    [command] = site.actuators.commands.messages
    assert list(command.joint_names) == ["v-101"]
    assert command.points[0].positions[0] == pytest.approx(OPEN_RAD)
    assert command.points[0].time_from_start.sec == STROKE_TIME_S

    requested = site.event(goal, ValveActuation.PHASE_REQUESTED)
    completed = site.event(goal, ValveActuation.PHASE_COMPLETED)
    assert requested.event_id != completed.event_id
    assert (requested.valve_id, requested.requested_by, requested.reason) == ("v-101", "test", "to see it move")
    assert math.isnan(requested.peak_torque_nm)
    assert completed.peak_torque_nm == 250.0
    state = site.valve(lambda v: not v.moving, "valve at rest")
    assert state.last_torque_nm == 250.0
    assert state.last_actuation == completed.header.stamp
    assert state.position == pytest.approx(1.0, abs=0.01)


def test_feedback_comes_at_least_five_times_a_second_while_it_moves(site: Site) -> None:
    goal = site.send()
    goal.feedback.wait_for(lambda f: f.elapsed_s > 0.8 * STROKE_TIME_S, "late feedback")
    elapsed_s = [f.elapsed_s for f in goal.feedback.messages]
    assert elapsed_s[0] == 0.0
    assert len(elapsed_s) >= 5 * elapsed_s[-1]
    assert 0.0 < goal.feedback.messages[-1].position < 1.0
    assert site.valve(lambda v: v.moving or v.position > 0.99, "moving valve").moving
    goal.result()


def test_goal_that_cannot_be_carried_out_is_refused_with_its_reason(site: Site) -> None:
    assert site.refusal("v-999") == (Result.UNKNOWN_VALVE, "unknown valve 'v-999': the rig has v-101, v-102, v-103")
    assert site.refusal(target=math.nan)[0] == Result.BAD_TARGET
    assert site.refusal(target=-0.1)[0] == Result.BAD_TARGET
    assert site.refusal(target=1.5) == (
        Result.BAD_TARGET,
        "target_position must be 0 (closed) to 1 (open), found 1.5",
    )


def test_second_goal_of_a_moving_valve_is_busy_while_another_valve_may_move(site: Site) -> None:
    first, other = site.send("v-101"), site.send("v-102")
    site.actuators.commands.wait_for_count(2)
    code, reason = site.refusal("v-101")
    assert code == Result.BUSY
    assert str(first.id) in reason
    assert first.result()[0] == other.result()[0] == GoalStatus.STATUS_SUCCEEDED


def test_stale_position_refuses_actuation(site: Site) -> None:
    site.actuators.set("v-103", is_silent=True)
    site.valve(lambda v: "position" in v.stale, "stale position", "v-103")
    code, reason = site.refusal("v-103")
    assert code == Result.NO_POSITION
    assert f"the limit is {POSITION_DEADLINE_S} s" in reason


def test_cancel_holds_the_valve_where_it_is(site: Site) -> None:
    goal = site.send()
    goal.feedback.wait_for(lambda f: f.position > 0.3, "valve under way")
    goal.cancel()
    status, result = goal.result()
    assert (status, result.error_code) == (GoalStatus.STATUS_CANCELED, Result.CANCELED)
    assert 0.3 < result.final_position < 0.9
    assert site.event(goal, ValveActuation.PHASE_CANCELED).final_position == result.final_position
    held = site.valve(lambda v: not v.moving and v.torque_nm == 0.0, "valve that holds")
    assert held.position == pytest.approx(result.final_position, abs=0.1)
    site.held_at(result.final_position)


def test_stuck_valve_fails_by_its_time_limit_and_holds(site: Site) -> None:
    site.actuators.set("v-101", is_stuck=True)
    goal = site.send()
    status, result = goal.result()
    assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, Result.TIMEOUT)
    assert result.duration_s == pytest.approx(STROKE_TIMEOUT_S, abs=0.2)
    failed = site.event(goal, ValveActuation.PHASE_FAILED)
    assert (failed.error_code, failed.error_msg) == (Result.TIMEOUT, result.error_msg)
    site.held_at(0.0)


def test_driver_that_stops_in_mid_stroke_fails_the_stroke(site: Site) -> None:
    goal = site.send()
    goal.feedback.wait_for(lambda f: f.position > 0.2, "valve under way")
    site.actuators.set("v-101", is_silent=True)
    status, result = goal.result()
    assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, Result.STALE_FEEDBACK)
    assert len(site.actuators.commands.messages) == 1
    assert "position" in site.valve(lambda v: not v.moving, "failed stroke").stale


def test_critical_pressure_takes_the_valve_offline_with_one_alert(site: Site) -> None:
    publisher = site.graph.publisher(FluidPressure, topics.PRESSURE, qos.SENSOR)

    def publish(pressure_pa: float) -> None:
        message = FluidPressure(fluid_pressure=pressure_pa)
        message.header.frame_id = "PT-202"
        message.header.stamp = site.graph.stamp()
        publisher.publish(message)

    publish(3.1e6)
    alert = site.alerts.wait_for(lambda a: a.asset_id == "v-102", "alert")
    assert (alert.module, alert.code, alert.severity) == ("valve-ops", "valve_status", Alert.SEVERITY_CRITICAL)
    assert alert.asset_kind == "valve"
    state = site.valve(lambda v: v.status == ValveState.STATUS_OFFLINE, "offline valve", "v-102")
    assert state.health_score == 80
    assert state.pressure_pa == 3.1e6
    publish(1.0e6)
    cleared = site.alerts.wait_for(lambda a: a.phase == Alert.PHASE_CLEARED, "clearing")
    assert cleared.alert_id == alert.alert_id
    assert sum(a.asset_id == "v-102" for a in site.alerts.messages) == 2


def test_garbage_on_every_topic_is_refused_with_a_reason_and_harms_nothing(site: Site) -> None:
    graph = site.graph
    pressure = graph.publisher(FluidPressure, topics.PRESSURE, qos.SENSOR)
    joints = graph.publisher(JointState, topics.JOINT_STATES, qos.SENSOR)
    scan = graph.publisher(ScanFrame, topics.SCAN, qos.SENSOR)

    def reading(tag: str, value: float, offset_s: float = 0.0) -> FluidPressure:
        message = FluidPressure(fluid_pressure=value)
        message.header.frame_id = tag
        message.header.stamp = graph.stamp(offset_s)
        return message

    def joint(position: list[float], effort: list[float], offset_s: float = 0.0) -> JointState:
        message = JointState(name=["v-103"], position=position, effort=effort)
        message.header.stamp = graph.stamp(offset_s)
        return message

    site.actuators.set("v-103", is_silent=True)
    garbage = [
        (pressure, reading("PT-302", math.nan), "PT-302: nan is no reading"),
        (pressure, reading("PT-302", 9e9), ""),
        (pressure, reading("PT-302", 1e6, 3600.0), ""),
        (pressure, reading("PT-302", 1e6, -3600.0), ""),
        (pressure, reading("XX-1", 1e6), "unknown tag 'XX-1'"),
        (pressure, reading("TT-301", 1e6), "TT-301: got a pressure message"),
        (scan, ScanFrame(tags=["PT-302"], values=[1.0, 2.0], quality=[0]), "1 tags, 2 values and 1 qualities"),
        (joints, joint([math.nan], [0.0]), "joint v-103: position nan"),
        (joints, joint([0.1, 0.2], []), "1 joint names, 2 positions and 0 efforts"),
        (joints, joint([180.0], []), ""),
        (joints, joint([0.1], [0.0], 3600.0), ""),
        (joints, joint([0.1], [0.0], -3600.0), ""),
    ]
    before = site.refusals()
    for publisher, message, reason in garbage:
        publisher.publish(message)
        if reason:  # the others are about a subject complained about just before
            site.node.wait_for_log(reason)
    assert site.refusals(before + len(garbage)) == before + len(garbage)
    state = site.valve(lambda v: "position" in v.stale, "stale position", "v-103")
    assert state.position == 0.0
    assert math.isnan(state.pressure_pa)
    assert site.send("v-101").result()[0] == GoalStatus.STATUS_SUCCEEDED


def test_deactivated_node_hands_back_its_strokes_and_refuses_goals_until_activated(site: Site) -> None:
    def change(transition: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        assert site.graph.call(ChangeState, "valve_ops/change_state", request).success

    goal = site.send()
    goal.feedback.wait_for(lambda f: f.position > 0.2, "valve under way")
    change(Transition.TRANSITION_DEACTIVATE)
    status, result = goal.result()
    assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, Result.INACTIVE)
    assert site.event(goal, ValveActuation.PHASE_FAILED).error_code == Result.INACTIVE
    site.held_at(result.final_position)
    code, reason = site.refusal()
    assert (code, "not active" in reason) == (Result.INACTIVE, True)

    change(Transition.TRANSITION_CLEANUP)
    change(Transition.TRANSITION_CONFIGURE)
    change(Transition.TRANSITION_ACTIVATE)
    site.valve(lambda v: "position" not in v.stale, "fresh position")
    assert site.send(target=0.0).result()[0] == GoalStatus.STATUS_SUCCEEDED


def test_shutdown_in_mid_stroke_holds_the_valve_and_the_process_lives(site: Site) -> None:
    goal = site.send()
    answer = goal.handle.get_result_async()
    goal.feedback.wait_for(lambda f: f.position > 0.2, "valve under way")
    shutdown = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVE_SHUTDOWN))
    assert site.graph.call(ChangeState, "valve_ops/change_state", shutdown).success
    failed = site.event(goal, ValveActuation.PHASE_FAILED)
    site.held_at(failed.final_position)
    state = site.graph.call(GetState, "valve_ops/get_state", GetState.Request())
    assert state.current_state.id == State.PRIMARY_STATE_FINALIZED
    answer.cancel()
    assert site.node.stop() == 0
    site.node = site.start()


def test_goal_before_any_position_is_refused(tmp_path: Path, graph: Graph) -> None:
    graph.start("valve_ops")
    client = graph.action_client(ActuateValve, topics.ACTUATE_VALVE)
    assert client.wait_for_server(DEADLINE_S)
    handle = graph.result(client.send_goal_async(ActuateValve.Goal(valve_id="v-101", target_position=1.0)))
    result = graph.result(handle.get_result_async()).result
    assert result.error_code == Result.NO_POSITION
    assert result.error_msg == "the position of v-101 was never measured"


def test_broken_rig_file_ends_the_node_with_the_line_of_each_mistake(tmp_path: Path, graph: Graph) -> None:
    text = quick_rig(tmp_path / "rig.yaml").read_text().replace("pressure: PT-202", "pressure: PT-999")
    rig_file = tmp_path / "broken.yaml"
    rig_file.write_text(text)
    line = next(i for i, content in enumerate(text.splitlines(), 1) if "PT-999" in content)
    node = graph.start("valve_ops", {"rig": rig_file}, wait=False)
    assert node.wait() == 1
    assert f"{rig_file}:{line}: " in node.log()
    assert "no instrument has the tag 'PT-999'" in node.log()
    assert "Traceback" not in node.log()
