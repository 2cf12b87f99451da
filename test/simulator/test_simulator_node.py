"""The simulator node in its own process on a real graph."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from time import time
from typing import Any

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, FluidPressure, Image, JointState, Temperature
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from plainview_ros.assets import Rig
from plainview_ros.msg import FlowRate, ScanFrame
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import from_stamp
from plainview_ros.srv import ClearFault, InjectFault
from ros_graph import Graph, Inbox

NOMINAL_FLOW_M3S = 0.0424


def trajectory(joint: str, *positions_rad: float) -> JointTrajectory:
    point = JointTrajectoryPoint(positions=list(positions_rad), time_from_start=Duration(sec=1))
    return JointTrajectory(joint_names=[joint], points=[point])


def fault(kind: str, target: str, magnitude: float = 0.0, **timing: float) -> InjectFault.Request:
    return InjectFault.Request(kind=kind, target=target, magnitude=magnitude, **{"position_m": math.nan} | timing)


def joint(message: JointState, name: str) -> tuple[float, float]:
    """Position [rad] and effort [N m]."""
    index = list(message.name).index(name)
    return message.position[index], message.effort[index]


def newest(inbox: Inbox, tag: str) -> Any:
    return inbox.wait_for_next(lambda message: message.header.frame_id == tag, tag)


def test_instruments_report_as_drivers_do(graph: Graph, rig: Rig) -> None:
    inboxes = {
        "pressure": graph.collect(FluidPressure, topics.PRESSURE, qos.SENSOR),
        "temperature": graph.collect(Temperature, topics.TEMPERATURE, qos.SENSOR),
        "flow_rate": graph.collect(FlowRate, topics.FLOW_RATE, qos.SENSOR),
    }
    joints = graph.collect(JointState, topics.JOINT_STATES, qos.SENSOR)
    graph.start("simulator", {"cameras": False, "seed": 4})
    fields = {"pressure": "fluid_pressure", "temperature": "temperature", "flow_rate": "flow_rate"}
    plausible = {"pressure": (1.5e6, 1.9e6), "temperature": (25, 50), "flow_rate": (0.040, 0.045)}
    for instrument in rig.instruments:
        message = newest(inboxes[instrument.quantity], instrument.tag)
        low, high = plausible[instrument.quantity]
        assert low < getattr(message, fields[instrument.quantity]) < high
        assert message.variance == pytest.approx(instrument.accuracy**2)
        assert from_stamp(message.header.stamp) == pytest.approx(time(), abs=2.0)
    report = joints.wait_for()
    assert list(report.name) == [valve.joint.name for valve in rig.valves]
    assert joint(report, "v-102")[0] == pytest.approx(rig.valve["v-102"].joint.open_rad, abs=0.001)
    inboxes["pressure"].wait_for_count(len(inboxes["pressure"].messages) + 100)
    stamps = [from_stamp(m.header.stamp) for m in inboxes["pressure"].messages if m.header.frame_id == "PT-601"]
    assert np.diff(stamps) == pytest.approx(0.1, abs=0.001)


def test_a_trajectory_strokes_the_valve_and_the_line_feels_it(graph: Graph) -> None:
    joints = graph.collect(JointState, topics.JOINT_STATES, qos.SENSOR)
    pressures = graph.collect(FluidPressure, topics.PRESSURE, qos.SENSOR)
    flows = graph.collect(FlowRate, topics.FLOW_RATE, qos.SENSOR)
    command = graph.publisher(JointTrajectory, topics.VALVE_TRAJECTORY, qos.COMMAND)
    graph.start("simulator", {"cameras": False, "speed": 20.0})
    before_pa = newest(pressures, "PT-301").fluid_pressure
    command.publish(trajectory("v-103", 0.0))
    joints.wait_for(lambda m: joint(m, "v-103")[0] < 0.5, "half of the stroke")
    joints.wait_for(lambda m: joint(m, "v-103")[0] < 0.002, "a closed valve")
    assert max(abs(joint(m, "v-103")[1]) for m in joints.messages) > 100
    assert joint(joints.messages[-1], "v-101")[0] > 1.5
    pressures.wait_for_next(lambda m: m.header.frame_id == "PT-301" and m.fluid_pressure > before_pa + 3e5, "surge")
    flows.wait_for_next(lambda m: m.header.frame_id == "FT-301" and abs(m.flow_rate) < 0.001, "no flow")


def test_senseless_trajectories_move_nothing_and_say_why(graph: Graph) -> None:
    joints = graph.collect(JointState, topics.JOINT_STATES, qos.SENSOR)
    diagnostics = graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.DIAGNOSTICS)
    command = graph.publisher(JointTrajectory, topics.VALVE_TRAJECTORY, qos.COMMAND)
    node = graph.start("simulator", {"cameras": False})
    mixed = trajectory("v-101", 0.0, 0.0)
    mixed.joint_names = ["v-101", "v-999"]
    senseless = [JointTrajectory(), mixed, trajectory("v-101"), trajectory("v-101", math.nan), trajectory("v-101", 9.0)]
    for message in senseless:
        command.publish(message)

    def refused(message: DiagnosticArray) -> bool:
        values = {pair.key: pair.value for status in message.status for pair in status.values}
        return values.get("refused") == str(len(senseless)) and values["defects"] == "0"

    diagnostics.wait_for(refused, "five refusals in the diagnostics")
    node.wait_for_log("needs joint names and points")
    assert joint(joints.wait_for_next(), "v-101")[0] > 1.5


def test_faults_are_injected_refused_and_cleared(graph: Graph) -> None:
    flows = graph.collect(FlowRate, topics.FLOW_RATE, qos.SENSOR)
    graph.start("simulator", {"cameras": False, "speed": 20.0})

    def inject(request: InjectFault.Request) -> Any:
        return graph.call(InjectFault, topics.INJECT_FAULT, request)

    code = InjectFault.Response
    leak = inject(fault("leak", "C-South", 0.2))
    assert (leak.error_code, leak.error_msg) == (code.NONE, "")
    flows.wait_for_next(
        lambda m: (
            m.header.frame_id == "FT-401" and m.flow_rate < newest_rate(flows, "FT-301") - 0.15 * NOMINAL_FLOW_M3S
        ),
        "less flow behind the leak",
    )
    for request, error_code, words in (
        (fault("flood", "C-South", 0.2), code.UNKNOWN_KIND, "unknown kind 'flood'"),
        (fault("leak", "v-101", 0.2), code.UNKNOWN_TARGET, "one of A-North"),
        (fault("leak", "C-South", math.inf), code.BAD_VALUE, "found inf"),
        (fault("leak", "C-South", 0.2, onset_s=-1.0), code.BAD_VALUE, "onset_s"),
        (fault("smoke", "cam-101", 0.2, position_m=1.0), code.BAD_VALUE, "only a leak"),
    ):
        response = inject(request)
        assert response.error_code == error_code
        assert words in response.error_msg
        assert response.fault_id == ""

    unknown = graph.call(ClearFault, topics.CLEAR_FAULT, ClearFault.Request(fault_id="leak-99"))
    assert unknown.error_code == ClearFault.Response.UNKNOWN_FAULT
    assert leak.fault_id in unknown.error_msg
    cleared = graph.call(ClearFault, topics.CLEAR_FAULT, ClearFault.Request(fault_id=leak.fault_id))
    assert (cleared.error_code, cleared.cleared) == (ClearFault.Response.NONE, 1)
    flows.wait_for_next(
        lambda m: m.header.frame_id == "FT-401" and abs(m.flow_rate - newest_rate(flows, "FT-301")) < 0.002,
        "equal flows",
    )


def newest_rate(flows: Inbox, tag: str) -> float:
    """Newest flow of a meter that was received [m3/s]."""
    return next((m.flow_rate for m in reversed(flows.messages) if m.header.frame_id == tag), math.nan)


def test_scan_transport_and_clock_at_twenty_times_real_time(graph: Graph, rig: Rig) -> None:
    scans = graph.collect(ScanFrame, topics.SCAN, qos.SENSOR)
    clocks = graph.collect(Clock, topics.CLOCK, qos.CLOCK)
    pressures = graph.collect(FluidPressure, topics.PRESSURE, qos.SENSOR)
    began = time()
    graph.start("simulator", {"cameras": False, "speed": 20.0, "transport": "scan"})
    first = clocks.wait_for()
    heard = time()
    frame = scans.wait_for(lambda m: len(m.tags) == len(rig.instruments), "a scan with all tags")
    assert set(frame.tags) == set(rig.instrument)
    assert len(frame.values) == len(frame.quality) == len(frame.tags)
    assert set(frame.quality) == {ScanFrame.QUALITY_GOOD}
    assert began < from_stamp(first.clock) < heard + 20 * (heard - began)
    clocks.wait_for(lambda m: from_stamp(m.clock) > from_stamp(first.clock) + 60, "sixty simulated seconds")
    elapsed_s = time() - heard
    assert 2 < elapsed_s < 15
    stamps = [from_stamp(m.header.stamp) for m in scans.messages]
    assert all(b > a for a, b in pairwise(stamps))
    assert stamps[-1] <= from_stamp(clocks.messages[-1].clock) + 1
    assert not pressures.messages


def test_cameras_send_what_is_drawn(graph: Graph, rig: Rig) -> None:
    visible = graph.collect(CompressedImage, topics.compressed_image("cam_101"), qos.IMAGE)
    thermal = graph.collect(Image, topics.image("cam_103"), qos.IMAGE)
    graph.start("simulator", {"camera_rate_hz": 4.0})
    frame = visible.wait_for()
    assert (frame.header.frame_id, frame.format) == ("cam-101", "jpeg")
    assert from_stamp(frame.header.stamp) == pytest.approx(time(), abs=5.0)
    picture = cv2.imdecode(np.frombuffer(frame.data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (rig.camera["cam-101"].height, rig.camera["cam-101"].width, 3)
    assert picture.std() > 20

    def hottest_c(message: Image) -> float:
        return float(np.frombuffer(message.data, "<u2").max()) / 100 - 273.15

    before = thermal.wait_for()
    assert (before.header.frame_id, before.encoding, before.is_bigendian) == ("cam-103", "16UC1", 0)
    assert len(before.data) == before.step * before.height == 2 * before.width * before.height
    assert hottest_c(before) < rig.camera["cam-103"].hot_spot_c
    graph.call(InjectFault, topics.INJECT_FAULT, fault("hot_spot", "cam-103", 140.0))
    thermal.wait_for_next(lambda m: hottest_c(m) == pytest.approx(140, abs=3), "the hot spot")
    graph.call(InjectFault, topics.INJECT_FAULT, fault("frame_drop", "cam-101", 1.0))
    thermal.wait_for_next()
    seen = len(visible.messages)
    thermal.wait_for_count(len(thermal.messages) + 4)
    assert len(visible.messages) <= seen + 1


def test_stamps_follow_the_wall_clock_over_a_pause(graph: Graph) -> None:
    joints = graph.collect(JointState, topics.JOINT_STATES, qos.SENSOR)
    diagnostics = graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.DIAGNOSTICS)
    graph.start("simulator", {"cameras": False})
    joints.wait_for()

    def change(transition: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        assert graph.call(ChangeState, "simulator/change_state", request).success

    change(Transition.TRANSITION_DEACTIVATE)
    diagnostics.wait_for_count(len(diagnostics.messages) + 4)  # one a second, also while inactive
    before = from_stamp(joints.messages[-1].header.stamp)
    change(Transition.TRANSITION_ACTIVATE)
    after = from_stamp(joints.wait_for_next().header.stamp)
    assert after > before + 2.5
    assert after == pytest.approx(time(), abs=1.0)


def test_settings_that_cannot_be_used_end_the_process_in_words(graph: Graph, tmp_path: Path) -> None:
    scenario = tmp_path / "bad.yaml"
    scenario.write_text("name: bad\nfaults:\n  - {kind: leak, target: Z-Nowhere, magnitude: 0.1}\n")
    node = graph.start("simulator", {"cameras": False, "scenario": str(scenario)}, wait=False)
    assert node.wait() == 1
    assert "bad.yaml:3: faults[0]: leak: expected a section as target" in node.log()
    node = graph.start("simulator", {"cameras": False, "transport": "pigeon"}, wait=False)
    assert node.wait() == 1
    assert "transport: expected topics or scan, found 'pigeon'" in node.log()
