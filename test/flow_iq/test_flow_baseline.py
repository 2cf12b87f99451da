"""Learning under an operator, and limits that change while the node runs: the real node on a real graph."""

from __future__ import annotations

from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter

from plainview_ros.msg import FlowAnomaly, FlowLineState, FlowState, ScanFrame
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import from_stamp
from plainview_ros.srv import FlowBaseline
from ros_graph import Graph, Inbox

QUICK: dict[str, object] = {"row_s": 0.1, "learn_s": 7.0, "learn_rows": 70}

NORMAL_PA, OTHER_PA = 1.2e6, 1.0e6

Request, Response = FlowBaseline.Request, FlowBaseline.Response


def is_of_line(message: FlowAnomaly) -> bool:
    """And not of an instrument: to the clock of the node the gateway's goes in leaps."""
    return not message.type.startswith("sensor_")


def of_line(line: FlowLineState) -> list[FlowAnomaly]:
    return list(filter(is_of_line, line.open_anomalies))


class Gateway:
    """Scans of the line's pressure at 10 Hz that moves a little up and down. They are dated back: nobody waits."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._publisher = graph.publisher(ScanFrame, topics.SCAN, qos.SENSOR)
        self._left = 590

    def scan(self, count: int, pressure_pa: float = NORMAL_PA) -> None:
        for _ in range(count):
            moved_pa = 400.0 * (self._left % 5 - 2)
            frame = ScanFrame(tags=["PT-601"], values=[pressure_pa + moved_pa], quality=[ScanFrame.QUALITY_GOOD])
            frame.header.stamp = self.stamp = self._graph.stamp(-self._left / 10)
            self._publisher.publish(frame)
            self._left -= 1
        assert self._left > 0


class Bench:
    """The node, what feeds it and what it says."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.states: Inbox = graph.collect(FlowState, topics.FLOW_STATE, qos.STATE)
        self.anomalies: Inbox = graph.collect(FlowAnomaly, topics.FLOW_ANOMALIES, qos.EVENT)
        self.gateway = Gateway(graph)
        self.node = graph.start("flow_iq", QUICK)
        self.states.wait_for(lambda state: state.publishers, "the gateway among the publishers")

    def learn(self) -> FlowLineState:
        """Let it learn what is normal."""
        self.gateway.scan(80)
        learnt = self.after_all_scans()
        assert learnt.baseline == FlowLineState.BASELINE_FOLLOWING
        return learnt

    def after_all_scans(self) -> FlowLineState:
        newest_s = pytest.approx(from_stamp(self.gateway.stamp), abs=0.01)
        return self.line(
            lambda line: any(from_stamp(channel.stamp) == newest_s for channel in line.channels), "the last value"
        )

    def line(self, predicate: Any, what: str) -> FlowLineState:
        return self.states.wait_for_next(lambda state: predicate(state.lines[0]), what).lines[0]

    def set(self, action: int, line_id: str = "fl-1", by: str = "K. Berg", note: str = "") -> Any:
        request = Request(line_id=line_id, action=action, requested_by=by, note=note)
        return self.graph.call(FlowBaseline, topics.SET_BASELINE, request)


@pytest.fixture
def bench(graph: Graph) -> Bench:
    return Bench(graph)


def band(line: FlowLineState) -> tuple[float, float]:
    (pressure,) = (channel for channel in line.channels if channel.channel == "pressure")
    return pressure.expected_min, pressure.expected_max


def test_acknowledged_operation_ends_the_anomaly_and_becomes_the_reference(bench: Bench) -> None:
    bench.learn()
    bench.gateway.scan(40, OTHER_PA)
    opened = bench.anomalies.wait_for(
        lambda anomaly: is_of_line(anomaly) and anomaly.phase == FlowAnomaly.PHASE_OPENED, "an anomaly"
    )
    bench.line(of_line, "an open anomaly")

    answer = bench.set(Request.ACTION_LEARN, note="second pump is on")
    closed = bench.anomalies.wait_for(
        lambda anomaly: is_of_line(anomaly) and anomaly.phase == FlowAnomaly.PHASE_CLOSED, "its end"
    )
    assert closed.anomaly_id == opened.anomaly_id
    assert "Acknowledged as normal by K. Berg (second pump is on)" in closed.evidence
    assert (answer.error_code, answer.line.baseline) == (Response.NONE, FlowLineState.BASELINE_LEARNING)
    assert (answer.line.baseline_by, len(of_line(answer.line))) == ("K. Berg", 0)
    assert answer.line.baseline_since.sec > 0

    bench.gateway.scan(80, OTHER_PA)
    low, high = band(bench.line(lambda line: line.baseline == FlowLineState.BASELINE_FOLLOWING, "a learnt line"))
    assert low < OTHER_PA < high < NORMAL_PA
    assert list(filter(is_of_line, bench.anomalies.messages))[-1] == closed


def test_frozen_reference_stands_still_and_still_judges_until_it_is_resumed(bench: Bench) -> None:
    bench.learn()
    held = bench.set(Request.ACTION_FREEZE).line
    assert held.baseline == FlowLineState.BASELINE_FROZEN
    before = band(held)
    drifted_pa = NORMAL_PA + 0.5 * (before[1] - NORMAL_PA)
    bench.gateway.scan(60, drifted_pa)
    assert band(bench.after_all_scans()) == pytest.approx(before, rel=1e-6)
    bench.gateway.scan(40, OTHER_PA)
    bench.line(of_line, "an open anomaly")
    assert of_line(bench.set(Request.ACTION_RESET).line) == []
    bench.learn()

    assert bench.set(Request.ACTION_FREEZE).line.baseline == FlowLineState.BASELINE_FROZEN
    resumed = bench.set(Request.ACTION_RESUME).line
    assert resumed.baseline == FlowLineState.BASELINE_FOLLOWING
    bench.gateway.scan(60, drifted_pa)
    bench.line(lambda line: band(line)[1] > 1.001 * before[1], "a band that follows")


def set_limits(bench: Bench, **values: float) -> Any:
    parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
    request = SetParametersAtomically.Request(parameters=parameters)
    return bench.graph.call(SetParametersAtomically, "flow_iq/set_parameters_atomically", request).result


def test_limits_take_effect_while_the_node_runs(bench: Bench) -> None:
    low, high = band(bench.learn())
    assert set_limits(bench, open_sigmas=6.2).successful
    wide = band(bench.line(lambda line: band(line)[1] > high, "a wider band"))
    assert wide[1] - wide[0] == pytest.approx(2 * (high - low), rel=0.01)
    bench.node.wait_for_log("open_sigmas: 6.2, was 3.1")
    assert set_limits(bench, open_sigmas=3.1, pressure_tolerance=0.001).successful
    bench.gateway.scan(1)
    narrow = band(bench.line(lambda line: band(line)[1] < high, "a narrower band"))
    assert narrow[1] - narrow[0] < 0.5 * (high - low)
    refused = set_limits(bench, open_sigmas=5.0, row_s=2.0)
    assert (refused.successful, refused.reason) == (
        False,
        "row_s: can be changed only after the lifecycle transition cleanup",
    )
    assert not set_limits(bench, open_sigmas=0.5).successful


def test_what_cannot_be_is_refused_by_name(bench: Bench) -> None:
    unknown = bench.set(Request.ACTION_LEARN, "fl-9")
    assert (unknown.error_code, unknown.error_msg) == (Response.UNKNOWN_LINE, "no flow line 'fl-9', there is fl-1")
    assert unknown.line.id == ""
    nothing = bench.set(Request.ACTION_FREEZE)
    assert nothing.error_code == Response.STILL_LEARNING
    assert nothing.line.baseline == FlowLineState.BASELINE_LEARNING
    assert nothing.line.baseline_by == ""
    assert (action := bench.set(9)).error_code == Response.UNKNOWN_ACTION
    assert action.error_msg == "no action 9"
    change = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert bench.graph.call(ChangeState, "flow_iq/change_state", change).success
    assert bench.set(Request.ACTION_LEARN).error_code == Response.INACTIVE
