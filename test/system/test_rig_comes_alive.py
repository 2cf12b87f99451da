"""What the crew would see: the running rig, from its instruments to the web."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sensor_msgs.msg import CompressedImage, FluidPressure, Image, JointState, Temperature
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from plainview_ros.msg import FlowRate, ScanFrame
from plainview_ros.ros import qos, topics
from plainview_ros.srv import ClearFault, InjectFault
from ros_graph import Graph
from running_system import System

StartSystem = Callable[..., System]


def inject(graph: Graph, kind: str, target: str, magnitude: float, **fields: float) -> None:
    request = InjectFault.Request(kind=kind, target=target, magnitude=magnitude, position_m=math.nan, **fields)
    answer = graph.call(InjectFault, topics.INJECT_FAULT, request)
    assert answer.error_code == InjectFault.Response.NONE, answer.error_msg


def test_stroke_over_http_moves_the_valve_and_the_oil(start_system: StartSystem, graph: Graph) -> None:
    system = start_system(cameras=False)
    joints = graph.collect(JointState, topics.JOINT_STATES, qos.SENSOR)
    events = system.web.events()
    valve = system.web.get_until("/valves/v-103", lambda now: now["pressurePa"] is not None, "a pressure")
    before_pa = valve["pressurePa"]
    metrics = system.web.get_until("/flow/metrics", lambda now: now["current"]["flowRateLpm"] is not None, "a flow")
    before_lpm = metrics["current"]["flowRateLpm"]

    answer = system.web.post("/valves/v-103/actuate", {"targetPosition": 0.2})
    assert answer.status_code == 200
    assert answer.json()["ok"] is True
    actuation_id = str(uuid.UUID(answer.json()["actuationId"]))

    requested = events.wait_for("valve.actuation.requested", lambda event: event["valveId"] == "v-103")
    completed = events.wait_for("valve.actuation.completed", lambda event: event["valveId"] == "v-103")
    assert requested["actuationId"] == completed["actuationId"] == actuation_id
    assert completed["completedAt"] > requested["requestedAt"]
    index = joints.messages[0].name.index("v-103")
    needed_nm = max(abs(message.effort[index]) for message in joints.messages)
    assert completed["torqueNm"] == pytest.approx(needed_nm, rel=0.02), "the torque that the actuator really needed"

    after = system.web.get_until(
        "/valves/v-103", lambda valve: valve["pressurePa"] < before_pa - 20_000, "a lower pressure behind the valve"
    )
    assert after["lastTorqueNm"] == pytest.approx(completed["torqueNm"])
    events.wait_for(
        "flow.metrics.updated", lambda event: event["metrics"]["flowRateLpm"] < before_lpm - 50
    )  # FlowIQ sees it six kilometres on


def test_leak_is_found_sized_and_resolved(start_system: StartSystem, graph: Graph) -> None:
    system = start_system(cameras=False, speed=10.0, transport="scan")
    events = system.web.events()
    system.web.get_until("/pipeline/sections/C-South", lambda section: section["guard"] == "watching", "watching")
    assert system.web.get("/pipeline/alerts")["activeLeakCount"] == 0

    inject(graph, "leak", "C-South", 0.05)
    assert events.wait_for("leak.alert")["assetId"] == "C-South"
    assert events.wait_for("alert.created", lambda event: event["moduleKey"] == "pipeline-guard")
    assert events.wait_for("incident.created")

    def sized(alerts: Any) -> bool:
        """The leak is told by an event, the integrity by the snapshot after it."""
        large = any(leak["severity"] in ("major", "critical") for leak in alerts["activeLeaks"])
        return bool(large and alerts["integrity"] < 100)

    alerts = system.web.get_until("/pipeline/alerts", sized, "a leak of the right size that costs integrity")
    (leak,) = alerts["activeLeaks"]
    assert leak["location"]["section"] == "C-South"
    assert leak["rateLpm"] == pytest.approx(0.05 * 2545, rel=0.25)

    graph.call(ClearFault, topics.CLEAR_FAULT, ClearFault.Request())
    answer = system.web.post(f"/pipeline/alerts/{leak['id']}/resolve")
    assert answer.status_code == 200
    assert answer.json()["leak"]["status"] == "repaired"
    assert events.wait_for("alert.acknowledged", lambda event: event.get("leakId") == leak["id"])


def test_cameras_see_the_hot_spot_and_the_smoke_and_nothing_before(start_system: StartSystem, graph: Graph) -> None:
    system = start_system()
    events = system.web.events()
    system.web.get_until("/rig/health", lambda health: health["onlineCameras"] == 3, "three cameras online")

    inject(graph, "hot_spot", "cam-103", 140.0)
    hot = events.wait_for("detection.made", lambda event: event["detectionType"] == "hot_spot")
    assert hot["sourceId"] == "cam-103"
    inject(graph, "smoke", "cam-101", 1.0, onset_s=15.0, ramp_s=3.0)  # a background is learned first
    smoke = events.wait_for("detection.made", lambda event: event["detectionType"] == "smoke")
    assert smoke["sourceId"] == "cam-101"
    before = events.events[: events.events.index(hot)]
    assert not [e for e in before if e["type"] == "detection.made" and e["detectionType"] in ("hot_spot", "smoke")]

    for camera in ("cam-101", "cam-103"):  # a plain one and a thermal one
        stream = system.web.get(f"/rig/cameras/{camera}/stream")
        with system.web.client.stream("GET", stream["streamUrl"]) as video:
            assert video.headers["content-type"].startswith("multipart/x-mixed-replace")
            received = b""
            for chunk in video.iter_bytes():
                received += chunk
                if received.count(b"\xff\xd8\xff") >= 3:
                    break
        assert received.count(b"\xff\xd8\xff") >= 3


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("valve_ops", "valve-ops"),
        ("pipeline_guard", "pipeline-guard"),
        ("flow_iq", "flow-iq"),
        ("rig_sight", "rig-sight"),
    ],
)
def test_killed_node_degrades_health_and_returns(start_system: StartSystem, name: str, key: str) -> None:
    system = start_system()
    system.nodes[name].kill()
    health = system.web.get_until("/health", lambda health: health["checks"][key]["status"] != "ok", "degraded")
    assert health["status"] == "degraded"
    assert [module["key"] for module in system.web.get("/modules") if module["status"] != "ok"] == [key], "others go on"
    system.start(name)
    system.web.get_until("/modules", lambda modules: all(m["status"] == "ok" for m in modules), "all up again")


def test_killed_simulator_makes_values_stale_and_killed_bridge_returns(start_system: StartSystem) -> None:
    system = start_system(cameras=False)
    system.nodes["simulator"].kill()
    stale = {"position", "torqueNm", "pressurePa", "temperature"}
    system.web.get_until("/valves/v-101", lambda valve: set(valve["staleValues"]) == stale, "stale")
    system.start("simulator")
    system.web.get_until("/valves/v-101", lambda valve: not valve["staleValues"], "fresh again")

    system.nodes["bridge"].kill()
    system.start("bridge", wait=False)
    system.nodes["bridge"].wait_for_log("running on")
    system.web.get_until("/modules", lambda modules: all(m["status"] == "ok" for m in modules), "all up again")
    assert len(system.web.get("/valves")) == 3


def test_foreign_driver_turns_the_source_to_ros2_and_back(start_system: StartSystem, graph: Graph) -> None:
    system = start_system(cameras=False)
    assert system.web.get("/flow/source")["source"] == "mock"
    driver = graph.publisher(FluidPressure, topics.PRESSURE, qos.SENSOR)
    message = FluidPressure(fluid_pressure=1.6e6)
    message.header.frame_id, message.header.stamp = "PT-601", graph.stamp()
    driver.publish(message)
    source = system.web.get_until("/flow/source", lambda source: source["source"] == "ros2", "a real source")
    assert "/test_driver" in source["publishers"]
    graph.node.destroy_publisher(driver.ros)
    system.web.get_until("/flow/source", lambda source: source["source"] == "mock", "simulated again")


def test_nothing_dies_of_bad_input(start_system: StartSystem, graph: Graph) -> None:
    """NaN, unknown tags, wrong types and sizes, truncated images and absurd stamps, at every node at once."""
    system = start_system()
    # An instrument's message counts when every module that judges instruments can hear it.
    pressure = graph.publisher(FluidPressure, topics.PRESSURE, qos.SENSOR, subscribers=3)
    temperature = graph.publisher(Temperature, topics.TEMPERATURE, qos.SENSOR, subscribers=2)
    flow = graph.publisher(FlowRate, topics.FLOW_RATE, qos.SENSOR, subscribers=2)
    scan = graph.publisher(ScanFrame, topics.SCAN, qos.SENSOR, subscribers=3)
    joints = graph.publisher(JointState, topics.JOINT_STATES, qos.SENSOR)
    trajectory = graph.publisher(JointTrajectory, topics.VALVE_TRAJECTORY, qos.COMMAND)
    jpeg = graph.publisher(CompressedImage, topics.compressed_image("cam_101"), qos.IMAGE)
    thermal = graph.publisher(Image, topics.image("cam_103"), qos.IMAGE)

    def stamped(message: Any, frame_id: str, offset_s: float = 0.0) -> Any:
        message.header.frame_id, message.header.stamp = frame_id, graph.stamp(offset_s)
        return message

    for value in (math.nan, math.inf, -1e300):
        pressure.publish(stamped(FluidPressure(fluid_pressure=value), "PT-102"))
        temperature.publish(stamped(Temperature(temperature=value), "TT-101"))
        flow.publish(stamped(FlowRate(flow_rate=value), "FT-601"))
    pressure.publish(stamped(FluidPressure(fluid_pressure=1e6), "no such tag"))
    pressure.publish(stamped(FluidPressure(fluid_pressure=1e6), "TT-101"))
    flow.publish(stamped(FlowRate(flow_rate=0.04), "FT-601", offset_s=1e6))
    flow.publish(stamped(FlowRate(flow_rate=0.04), "FT-601", offset_s=-1e6))
    scan.publish(stamped(ScanFrame(tags=["PT-101", "PT-102"], values=[1.0], quality=[]), "plc"))
    joints.publish(stamped(JointState(name=["v-101"], position=[], effort=[math.nan]), ""))
    joints.publish(stamped(JointState(name=["v-101"], position=[math.nan]), ""))
    trajectory.publish(JointTrajectory(joint_names=["nobody"], points=[JointTrajectoryPoint(positions=[1.0, 2.0])]))
    trajectory.publish(JointTrajectory(joint_names=["v-101"], points=[JointTrajectoryPoint(positions=[math.nan])]))

    def publish_pictures() -> None:
        """More than once: only the newest waits to be looked at, which may be the simulator's."""
        jpeg.ros.publish(stamped(CompressedImage(format="jpeg", data=b"\xff\xd8\xff\xe0 cut off"), "cam-101"))
        thermal.ros.publish(stamped(Image(encoding="16UC1", width=9, height=9, step=18, data=b"\0" * 5), "cam-103"))
        thermal.ros.publish(stamped(Image(encoding="nonsense", width=2**31, height=2**31, step=1, data=b""), "cam-103"))

    with graph.repeating(publish_pictures):
        for name, words in {
            "valve_ops": ["PT-102"],
            "pipeline_guard": ["no such tag"],
            "flow_iq": ["FT-601"],
            "rig_sight": ["cut off", "cam_103"],
            "simulator": ["nobody"],
        }.items():
            for word in words:
                system.nodes[name].wait_for_log(word)
    system.web.get_until("/modules", lambda modules: all(m["status"] == "ok" for m in modules), "all up")
    assert all(process.is_running() for process in system.nodes.values())
    assert not [name for name, process in system.nodes.items() if "Traceback" in process.log()]
