"""The flow_iq node in its own process on a real graph; the test is the transmitters."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import rclpy
import yaml
from sensor_msgs.msg import FluidPressure, Temperature

from plainview_ros.msg import Alert, FlowAnomaly, FlowRate, FlowState, ScanFrame
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import from_stamp, from_uuid_msg
from ros_graph import REPOSITORY, Graph, Inbox

QUICK: dict[str, object] = {"row_s": 0.1, "learn_s": 8.0, "learn_rows": 80, "lasting_s": 5.0}

NORMAL_PA, NORMAL_C = 1.2e6, 38.0


def is_of_line(message: FlowAnomaly) -> bool:
    """And not of an instrument: to the clock of the node the gateway's goes in leaps."""
    return not message.type.startswith("sensor_")


class Gateway:
    """Scans of the line's pressure and temperature at 10 Hz, dated back so that the test need not wait for them."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._publisher = graph.publisher(ScanFrame, topics.SCAN, qos.SENSOR)
        self._chance = random.Random(1)
        self._age_s = 50.0

    def scan(self, count: int, pressure_pa: float = NORMAL_PA) -> None:
        for _ in range(count):
            frame = ScanFrame(
                tags=["PT-601", "TT-601"],
                values=[self._chance.gauss(pressure_pa, 800.0), self._chance.gauss(NORMAL_C, 0.1)],
                quality=[ScanFrame.QUALITY_GOOD] * 2,
            )
            frame.header.stamp = self._graph.stamp(-self._age_s)
            self._publisher.publish(frame)
            self._age_s -= 0.1
        assert self._age_s > 0


@pytest.fixture
def states(graph: Graph) -> Inbox:
    return graph.collect(FlowState, topics.FLOW_STATE, qos.STATE)


def test_step_is_learnt_against_opened_worsened_and_closed(graph: Graph, states: Inbox) -> None:
    anomalies = graph.collect(FlowAnomaly, topics.FLOW_ANOMALIES, qos.EVENT)
    alerts = graph.collect(Alert, topics.ALERTS, qos.EVENT)
    gateway = Gateway(graph)
    graph.start("flow_iq", QUICK)
    states.wait_for(lambda state: state.publishers, "the gateway among the publishers")

    gateway.scan(100)
    learnt = states.wait_for(lambda state: math.isfinite(state.lines[0].channels[1].expected_min), "an expected band")
    pressure = learnt.lines[0].channels[1]
    assert (pressure.channel, pressure.tag, pressure.unit) == ("pressure", "PT-601", "Pa")
    assert pressure.expected_min < NORMAL_PA < pressure.expected_max
    assert pressure.min <= pressure.mean <= pressure.max
    flow = learnt.lines[0].channels[0]
    assert flow.channel == "flow_rate"
    assert math.isnan(flow.value)
    assert flow.stale

    gateway.scan(70, pressure_pa=NORMAL_PA - 1e5)
    anomalies.wait_for_count(3, is_of_line)
    during = states.wait_for(
        lambda state: any(map(is_of_line, state.lines[0].open_anomalies)), "an open anomaly in the snapshot"
    )
    gateway.scan(80)
    opened, larger, updated, closed = anomalies.wait_for_count(4, is_of_line)

    assert [m.phase for m in (opened, larger, updated, closed)] == [
        FlowAnomaly.PHASE_OPENED,
        FlowAnomaly.PHASE_UPDATED,
        FlowAnomaly.PHASE_UPDATED,
        FlowAnomaly.PHASE_CLOSED,
    ]
    assert [m.severity for m in (opened, larger, updated)] == [
        FlowAnomaly.SEVERITY_LOW,
        FlowAnomaly.SEVERITY_MEDIUM,
        FlowAnomaly.SEVERITY_HIGH,
    ]
    assert opened.type == "pressure_deviation"
    assert (opened.line_id, opened.channel) == ("fl-1", "pressure")
    assert opened.value < opened.expected_min, "smoothed, and on its way"
    assert updated.value == pytest.approx(NORMAL_PA - 1e5, abs=4000)
    assert opened.expected_min <= NORMAL_PA <= opened.expected_max
    assert 0.5 < opened.confidence <= 1.0
    assert "PT-601" in opened.evidence
    assert len({from_uuid_msg(m.anomaly_id) for m in (opened, updated, closed)}) == 1
    assert len({from_uuid_msg(m.event_id) for m in (opened, updated, closed)}) == 3
    assert from_stamp(updated.header.stamp) - from_stamp(opened.header.stamp) == pytest.approx(5.0, abs=1.0)

    band = during.lines[0].channels[1]
    assert (band.expected_min, band.expected_max) == (opened.expected_min, opened.expected_max)
    assert (closed.expected_min, closed.expected_max) == (opened.expected_min, opened.expected_max)
    states.wait_for_next(lambda state: not any(map(is_of_line, state.lines[0].open_anomalies)), "none in the snapshot")

    raised, cleared, worse, over = alerts.wait_for_count(4)
    assert [a.phase for a in (raised, cleared, worse, over)] == [0, 1, 0, 1]
    assert (raised.severity, worse.severity) == (Alert.SEVERITY_WARNING, Alert.SEVERITY_CRITICAL)
    assert (raised.module, raised.asset_kind, raised.asset_id, raised.code) == (
        "flow-iq",
        "line",
        "fl-1",
        "flow_anomaly",
    )
    assert from_uuid_msg(over.alert_id) == from_uuid_msg(worse.alert_id)


def test_a_frame_that_was_overtaken_counts_and_is_not_the_newest(graph: Graph, states: Inbox) -> None:
    scan = graph.publisher(ScanFrame, topics.SCAN, qos.SENSOR)
    graph.start("flow_iq")
    states.wait_for(lambda state: state.publishers, "the test among the publishers")
    for age_s, pressure_pa in ((3.0, 1.1e6), (1.0, 1.2e6), (2.0, 1.0e6)):
        frame = ScanFrame(tags=["PT-601"], values=[pressure_pa], quality=[ScanFrame.QUALITY_GOOD])
        frame.header.stamp = graph.stamp(-age_s)
        scan.publish(frame)
    told = states.wait_for(lambda state: state.lines[0].channels[1].min == 1.0e6, "the late frame in the statistics")
    pressure = told.lines[0].channels[1]
    assert (pressure.value, pressure.max, pressure.mean) == (1.2e6, 1.2e6, pytest.approx(1.1e6))


def test_source_follows_who_publishes(graph: Graph, states: Inbox) -> None:
    graph.start("flow_iq")
    states.wait_for(lambda state: state.source == FlowState.SOURCE_NONE and not state.publishers, "no source")
    simulator = rclpy.create_node("simulator", context=graph.context)
    simulator.create_publisher(FluidPressure, topics.PRESSURE, qos.SENSOR)
    simulated = states.wait_for(lambda state: state.source == FlowState.SOURCE_SIMULATED, "a simulated source")
    assert simulated.publishers == ["/simulator"]
    driver = graph.node.create_publisher(FlowRate, topics.FLOW_RATE, qos.SENSOR)
    real = states.wait_for(lambda state: state.source == FlowState.SOURCE_REAL, "a real source")
    assert real.publishers == ["/simulator", "/test_driver"]
    graph.node.destroy_publisher(driver)
    states.wait_for_next(lambda state: state.source == FlowState.SOURCE_SIMULATED, "simulated source")
    simulator.destroy_node()
    states.wait_for_next(lambda state: state.source == FlowState.SOURCE_NONE, "lost source")


def test_bad_input_is_refused_by_name_and_the_node_goes_on(graph: Graph, states: Inbox) -> None:
    pressure = graph.publisher(FluidPressure, topics.PRESSURE, qos.SENSOR)
    temperature = graph.publisher(Temperature, topics.TEMPERATURE, qos.SENSOR)
    scan = graph.publisher(ScanFrame, topics.SCAN, qos.SENSOR)
    node = graph.start("flow_iq")
    states.wait_for(lambda state: state.publishers, "the test among the publishers")

    def send(tag: str, value: float, offset_s: float = 0.0) -> None:
        message = FluidPressure(fluid_pressure=value)
        message.header.frame_id = tag
        message.header.stamp = graph.stamp(offset_s)
        pressure.publish(message)

    send("PT-999", 1e6)
    node.wait_for_log("unknown tag 'PT-999'")
    send("PT-601", math.nan)
    node.wait_for_log("PT-601: nan is no reading")
    wrong = Temperature(temperature=5.0)
    wrong.header.frame_id = "FT-601"
    wrong.header.stamp = graph.stamp()
    temperature.publish(wrong)
    node.wait_for_log("FT-601: got a temperature message, the instrument measures flow_rate")
    warm = Temperature(temperature=1e4)
    warm.header.frame_id = "TT-601"
    warm.header.stamp = graph.stamp()
    temperature.publish(warm)
    node.wait_for_log("TT-601: 10000 is outside the instrument's range")
    scan.publish(ScanFrame(tags=["PT-601"], values=[1e6, 2e6], quality=[0]))
    node.wait_for_log("1 tags, 2 values and 1 qualities")

    for offset_s in (1e6, -1e6):
        send("PT-601", 1e6, offset_s)
    send("PT-601", 1.5e6)
    state = states.wait_for(lambda state: math.isfinite(state.lines[0].channels[1].value), "the good value")
    assert state.lines[0].channels[1].value == 1.5e6
    assert state.lines[0].channels[1].max == 1.5e6
    assert node.is_running()


def test_driver_with_a_topic_and_frame_of_its_own_is_adapted_in_the_rig_file(
    graph: Graph, states: Inbox, tmp_path: Path
) -> None:
    own = {"PT-601": "/drivers/pt601/pressure", "TT-601": "drivers/tt601"}
    content = yaml.safe_load((REPOSITORY / "config" / "rig.yaml").read_text())
    for instrument in content["instruments"]:
        if instrument["tag"] in own:
            instrument["topic"] = own[instrument["tag"]]
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(content))
    pressure = graph.publisher(FluidPressure, own["PT-601"], qos.SENSOR)
    temperature = graph.publisher(Temperature, own["TT-601"], qos.SENSOR)
    node = graph.start("flow_iq", {"rig": tmp_path / "rig.yaml"})

    foreign = FluidPressure(fluid_pressure=NORMAL_PA)
    foreign.header.frame_id = "pt601_link"
    nameless = Temperature(temperature=NORMAL_C)
    foreign.header.stamp = nameless.header.stamp = graph.stamp()
    pressure.publish(foreign)
    temperature.publish(nameless)
    wanted = [NORMAL_PA, NORMAL_C]
    states.wait_for(lambda state: [channel.value for channel in state.lines[0].channels[1:3]] == wanted, "both values")
    assert "refused" not in node.log()


def test_node_that_is_killed_in_mid_anomaly_goes_on_with_it(graph: Graph, states: Inbox) -> None:
    anomalies = graph.collect(FlowAnomaly, topics.FLOW_ANOMALIES, qos.EVENT)
    gateway = Gateway(graph)
    node = graph.start("flow_iq", QUICK)
    states.wait_for(lambda state: state.publishers, "the gateway among the publishers")
    gateway.scan(100)
    gateway.scan(70, pressure_pa=NORMAL_PA - 1e5)
    opened = anomalies.wait_for_count(3, is_of_line)[0]
    node.kill()

    again = graph.start("flow_iq", QUICK)
    again.wait_for_log("goes on with what it had learnt")
    state = states.wait_for_next(lambda state: state.publishers and state.lines[0].open_anomalies, "the open anomaly")
    (still,) = filter(is_of_line, state.lines[0].open_anomalies)
    assert from_uuid_msg(still.anomaly_id) == from_uuid_msg(opened.anomaly_id)
    assert not state.lines[0].learning
    gateway.scan(60, pressure_pa=NORMAL_PA - 1e5)
    gateway.scan(80)
    closed = anomalies.wait_for(
        lambda message: is_of_line(message) and message.phase == FlowAnomaly.PHASE_CLOSED, "the end"
    )
    assert from_uuid_msg(closed.anomaly_id) == from_uuid_msg(opened.anomaly_id)
    assert len({from_uuid_msg(m.anomaly_id) for m in anomalies.wait_for_count(4, is_of_line)}) == 1, (
        "it was learnt by nobody"
    )
