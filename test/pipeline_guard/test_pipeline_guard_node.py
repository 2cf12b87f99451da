"""The pipeline_guard node in its own process on a real graph; the test is the transmitters."""

from __future__ import annotations

import math
import threading
import uuid
from typing import Any

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import FluidPressure

from plainview_ros.assets import Rig
from plainview_ros.msg import Alert, FlowRate, Leak, PipelineState, ScanFrame, SectionState
from plainview_ros.pipeline_guard.node import PipelineGuardNode
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import from_uuid_msg, to_uuid_msg
from plainview_ros.srv import ResolveLeak
from ros_graph import REPOSITORY, Graph, NodeProcess, Publisher

FLOW = 0.04
METERS = ["FT-101", "FT-201", "FT-301", "FT-401", "FT-501", "FT-601"]
QUICK: dict[str, object] = {"learning_s": 5.0, "window_s": 60.0}
HISTORY_S = 50
"""The node takes values up to a minute old, so the test need not wait for what happened before it began."""
SCAN_PERIOD_S = 0.2


class Line:
    """A pipeline in steady flow, read by one gateway: history at 1 Hz first, then on in real time."""

    def __init__(self, graph: Graph, rig: Rig) -> None:
        self._graph = graph
        self._lock = threading.Lock()
        self._values = dict.fromkeys(METERS, FLOW) | {
            item.tag: 1.7e6 for item in rig.instruments if item.quantity == "pressure"
        }
        self._publisher = graph.publisher(ScanFrame, topics.SCAN, qos.SENSOR)

    def leak(self, meter: str, rate_m3s: float) -> None:
        """From now on this much is lost just before a meter; all at once, as no compressible line does."""
        with self._lock:
            for tag in METERS[METERS.index(meter) :]:
                self._values[tag] = FLOW - rate_m3s

    def silence(self, tag: str) -> None:
        with self._lock:
            del self._values[tag]

    def scan(self, age_s: float = 0.0) -> ScanFrame:
        with self._lock:
            frame = ScanFrame(
                tags=list(self._values),
                values=list(self._values.values()),
                quality=[ScanFrame.QUALITY_GOOD] * len(self._values),
            )
        frame.header.stamp = self._graph.stamp(-age_s)
        return frame

    def publish_history(self, from_s: int = HISTORY_S, to_s: int = 0) -> None:
        for age_s in range(from_s, to_s, -1):
            self._publisher.publish(self.scan(age_s))

    def go_on(self) -> None:
        self._graph.node.create_timer(SCAN_PERIOD_S, lambda: self._publisher.ros.publish(self.scan()))


@pytest.fixture
def node(graph: Graph) -> NodeProcess:
    return graph.start("pipeline_guard", QUICK)


@pytest.fixture
def line(graph: Graph, rig: Rig, node: NodeProcess) -> Line:  # the node listens
    return Line(graph, rig)


def section(state: PipelineState, section_id: str) -> SectionState:
    return next(item for item in state.sections if item.id == section_id)


def all_watching(state: PipelineState) -> bool:
    return all(item.guard == SectionState.GUARD_WATCHING for item in state.sections)


def test_a_balanced_line_is_watched_and_a_leak_of_five_percent_is_told(
    graph: Graph, node: NodeProcess, line: Line, rig: Rig
) -> None:
    states = graph.collect(PipelineState, topics.PIPELINE_STATE, qos.STATE)
    leaks = graph.collect(Leak, topics.PIPELINE_LEAKS, qos.EVENT)
    alerts = graph.collect(Alert, topics.ALERTS, qos.EVENT)
    line.publish_history()
    line.go_on()

    state = states.wait_for(all_watching, "state with all sections watched")
    assert [item.id for item in state.sections] == [item.id for item in rig.pipeline.sections]
    assert state.integrity_score == 100
    assert not state.open_leaks
    assert [point.tag for point in state.profile][:2] == ["PT-102", "PT-201"]
    assert all(point.pressure_pa == 1.7e6 and not point.stale for point in state.profile)
    assert state.last_inspection.sec == 1_777_852_800  # 2026-05-04
    watched = section(state, "C-South")
    assert (watched.flow_in_m3s, watched.flow_out_m3s) == (FLOW, FLOW)
    assert watched.imbalance_m3s == pytest.approx(0, abs=1e-6)
    assert 0 < watched.threshold_m3s < 0.1 * FLOW
    assert watched.window_s == 30
    assert leaks.messages == alerts.messages == []

    line.leak("FT-401", 0.05 * FLOW)
    leak = leaks.wait_for(lambda _: True, "leak")
    assert (leak.section, leak.status) == ("C-South", Leak.STATUS_ACTIVE)
    assert leak.severity in (Leak.SEVERITY_MAJOR, Leak.SEVERITY_CRITICAL)
    assert leak.rate_m3s == pytest.approx(0.05 * FLOW, rel=0.25)
    assert leak.statistic > leak.threshold > 0
    assert leak.window_s > 0
    assert leak.evidence
    assert math.isnan(leak.position_m)
    assert 58.38 < leak.latitude < 58.41

    alert = alerts.wait_for(lambda _: True, "alert")
    assert (alert.module, alert.asset_kind, alert.asset_id) == ("pipeline-guard", "section", "C-South")
    assert (alert.code, alert.phase) == ("leak", Alert.PHASE_RAISED)

    state = states.wait_for(lambda state: state.open_leaks, "state with the leak")
    assert [item.leak_id for item in state.open_leaks] == [leak.leak_id]
    assert state.integrity_score in (100 - 15, 100 - 40)
    assert state.volume_lost_m3 > 0
    assert section(state, "C-South").active_leaks == 1
    assert {message.section for message in leaks.messages} == {"C-South"}


def test_a_leak_is_resolved_over_the_service(graph: Graph, node: NodeProcess, line: Line) -> None:
    line.publish_history(HISTORY_S, 20)
    line.leak("FT-201", 0.2 * FLOW)
    line.publish_history(20, 5)
    line.leak("FT-201", 0.0)
    line.publish_history(5)
    line.go_on()
    states = graph.collect(PipelineState, topics.PIPELINE_STATE, qos.STATE)
    states.wait_for(lambda state: section(state, "A-North").flow_out_m3s == FLOW, "state of the line whole again")
    leaks = graph.collect(Leak, topics.PIPELINE_LEAKS, qos.EVENT)  # after it was published: events are latched
    leak = leaks.wait_for(lambda leak: leak.section == "A-North" and leak.status == Leak.STATUS_ACTIVE, "leak")
    alerts = graph.collect(Alert, topics.ALERTS, qos.EVENT)
    raised = alerts.wait_for(lambda alert: alert.asset_id == "A-North", "alert")
    assert raised.severity == Alert.SEVERITY_CRITICAL

    request = ResolveLeak.Request(leak_id=leak.leak_id, resolved_by="Kari", note="clamp fitted")
    answer = graph.call(ResolveLeak, topics.RESOLVE_LEAK, request)
    assert (answer.error_code, answer.leak.status) == (ResolveLeak.Response.NONE, Leak.STATUS_REPAIRED)
    repaired = leaks.wait_for(lambda event: event.status == Leak.STATUS_REPAIRED, "repaired leak")
    assert repaired.leak_id == leak.leak_id
    assert "Kari" in repaired.evidence
    cleared = alerts.wait_for(lambda alert: alert.phase == Alert.PHASE_CLEARED, "cleared alert")
    assert cleared.alert_id == raised.alert_id
    state = states.wait_for(lambda state: state.recent_leaks, "state with the repaired leak")
    assert leak.leak_id in [item.leak_id for item in state.recent_leaks]
    assert leak.leak_id not in [item.leak_id for item in state.open_leaks]

    again = graph.call(ResolveLeak, topics.RESOLVE_LEAK, request)
    assert again.error_code == ResolveLeak.Response.ALREADY_REPAIRED
    assert again.leak.leak_id == leak.leak_id
    assert str(from_uuid_msg(leak.leak_id)) in again.error_msg
    stranger = uuid.uuid4()
    unknown = graph.call(ResolveLeak, topics.RESOLVE_LEAK, ResolveLeak.Request(leak_id=to_uuid_msg(stranger)))
    assert unknown.error_code == ResolveLeak.Response.UNKNOWN_LEAK
    assert str(stranger) in unknown.error_msg


def test_a_silent_meter_is_named_and_its_sections_are_watched_without_it(
    graph: Graph, node: NodeProcess, line: Line
) -> None:
    states = graph.collect(PipelineState, topics.PIPELINE_STATE, qos.STATE)
    alerts = graph.collect(Alert, topics.ALERTS, qos.EVENT)
    diagnostics = graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.COMMAND)
    line.publish_history()
    line.go_on()
    states.wait_for(all_watching, "state with all sections watched")
    line.silence("FT-301")

    def degraded(state: PipelineState) -> bool:
        return section(state, "B-Central").guard == SectionState.GUARD_DEGRADED

    state = states.wait_for_next(degraded, "state with a degraded section")
    for section_id in ("B-Central", "C-South"):
        affected = section(state, section_id)
        assert affected.guard == SectionState.GUARD_DEGRADED
        assert "FT-301" in affected.guard_reason
        assert affected.threshold_m3s > 0
    assert math.isnan(section(state, "C-South").flow_in_m3s)
    assert section(state, "E-West").guard == SectionState.GUARD_WATCHING
    alert = alerts.wait_for(lambda alert: alert.code == "transmitter", "alert")
    assert (alert.asset_kind, alert.asset_id) == ("instrument", "FT-301")
    diagnostics.wait_for(
        lambda array: any("B-Central degraded" in status.message for status in array.status),
        "diagnostics of a degraded section",
    )


def test_what_nobody_should_judge_by_is_refused_without_harm(graph: Graph, node: NodeProcess, line: Line) -> None:
    pressure = graph.publisher(FluidPressure, topics.PRESSURE, qos.SENSOR)
    flow = graph.publisher(FlowRate, topics.FLOW_RATE, qos.SENSOR)
    scan = graph.publisher(ScanFrame, topics.SCAN, qos.SENSOR)

    def refused(publisher: Publisher, message: Any, text: str, tag: str = "", offset_s: float = 0.0) -> None:
        message.header.frame_id = tag
        message.header.stamp = graph.stamp(offset_s)
        publisher.publish(message)
        node.wait_for_log(text)

    refused(pressure, FluidPressure(fluid_pressure=math.nan), "PT-201: nan is no reading", "PT-201")
    refused(pressure, FluidPressure(fluid_pressure=1e6), "unknown tag 'PT-999'", "PT-999")
    refused(pressure, FluidPressure(fluid_pressure=1e6), "FT-101: got a pressure message", "FT-101")
    refused(flow, FlowRate(flow_rate=0.04), "FT-201: stamp", "FT-201", offset_s=86_400)
    refused(flow, FlowRate(flow_rate=math.inf), "FT-301: inf is no reading", "FT-301")
    refused(scan, ScanFrame(tags=["FT-401", "FT-501"], values=[0.04], quality=[0]), "there must be as many of each")

    states = graph.collect(PipelineState, topics.PIPELINE_STATE, qos.STATE)
    line.publish_history()
    line.go_on()
    states.wait_for(all_watching, "state with all sections watched")
    assert "defect" not in node.log()
    assert node.stop() == 0


def test_settings_that_contradict_each_other_are_refused_at_start(graph: Graph) -> None:
    process = graph.start("pipeline_guard", {"major": 0.2, "critical": 0.1}, wait=False)
    assert process.wait() == 1
    assert "major (0.2) must be below critical (0.1)" in process.log()


def test_the_parameter_file_says_the_defaults() -> None:
    content = yaml.safe_load((REPOSITORY / "config" / "plainview.yaml").read_text())
    block = content["/**/pipeline_guard"]["ros__parameters"]
    assert block == {setting.name: setting.default for setting in PipelineGuardNode.SETTINGS}
