"""A real bridge process between a real ROS graph and real HTTP clients."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage

import bridge_messages as make
from bridge_process import LiveBridge
from plainview_ros.action import ActuateValve
from plainview_ros.bridge.server import GRACE_S
from plainview_ros.msg import Alert, Leak, ValveStates
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import from_uuid_msg
from plainview_ros.srv import ResolveLeak
from ros_graph import DEADLINE_S, REPOSITORY, Graph, Publisher
from web import EventStream, eventually, free_port

QUICK_EXIT_S = DEADLINE_S / 10


@pytest.fixture(scope="module")
def live(shared_graph: Graph) -> Iterator[LiveBridge]:
    """One bridge for all tests that leave it as it was."""
    bridge = LiveBridge(shared_graph, command_timeout_s=DEADLINE_S / 15, stale_after_s=1.0, tick_s=0.5)
    yield bridge
    assert bridge.stop() == 0


@pytest.fixture(scope="module")
def valves(shared_graph: Graph) -> Publisher:
    return shared_graph.publisher(ValveStates, topics.VALVES_STATE, qos.STATE)


def now_alert(message: str) -> Alert:
    return make.alert("RAISED", stamp_s=time.time(), message=message)


def close(*clients: EventStream) -> None:
    for client in clients:
        client.close()


# -- topics to the web -------------------------------------------------------------------------------------------------


def test_snapshot_is_served_goes_stale_and_recovers(live: LiveBridge, valves: Publisher) -> None:
    def valve_ops() -> str:
        return str(live.get("/health")["checks"]["valve-ops"]["status"])

    for _ in range(2):
        valves.publish(make.valve_states(time.time(), v_101={"position": 0.25}))
        eventually(valve_ops, lambda status: status == "ok", "fresh valve-ops")
        valve = live.get("/valves/v-101")
        assert (valve["position"], valve["status"], valve["stale"]) == (0.25, "ok", False)
        eventually(valve_ops, lambda status: status == "degraded", "stale valve-ops")
        valve = live.get("/valves/v-101")
        assert (valve["position"], valve["status"], valve["stale"]) == (0.25, "warning", True)


def test_first_frame_is_a_tick_and_more_follow(live: LiveBridge) -> None:
    began_s = time.time()
    client = live.events()
    assert client.headers["content-type"].startswith("text/event-stream")
    assert client.headers["cache-control"] == "no-cache"
    tick = client.wait_for("telemetry.tick")
    assert client.events[0] == tick
    assert abs(tick["at"] / 1000 - began_s) < DEADLINE_S
    client._wait(lambda: client.types().count("telemetry.tick") >= 3, "ticks", lambda: str(client.types()))
    close(client)


def test_every_client_gets_each_event_once_in_order_and_resumes_after_the_last(
    live: LiveBridge, alerts: Publisher
) -> None:
    clients = [live.events() for _ in range(3)]
    texts = [f"order {n}" for n in range(50)]
    for text in texts:
        alerts.publish(now_alert(text))
    for client in clients:
        client.wait_for("alert.created", message=texts[-1])
        told = [event for event in client.events if event.type == "alert.created"]
        assert [event["message"] for event in told] == texts
        assert len({event.id for event in told}) == len(texts)
    middle = clients[0].wait_for("alert.created", message="order 24").id
    resumed = live.events(middle)
    resumed.wait_for("alert.created", message=texts[-1])
    assert [e["message"] for e in resumed.events if e.type == "alert.created"] == texts[25:]
    assert "stream.gap" not in resumed.types()
    close(*clients, resumed)


def test_id_of_long_ago_is_answered_with_a_gap(live: LiveBridge) -> None:
    client = live.events("1600000000000-0")
    gap = client.wait_for("stream.gap")
    assert gap["lost"] is None
    close(client)


def test_id_that_is_none_of_ours_is_answered_with_a_gap(live: LiveBridge) -> None:
    """Were it refused, an EventSource would never connect again."""
    client = live.events("abc")
    gap = client.wait_for("stream.gap")
    assert (gap["missingAfter"], gap["missingUntil"]) == (None, gap.id)
    close(client)


def test_refused_message_is_named_in_health_and_nothing_dies(live: LiveBridge, alerts: Publisher) -> None:
    client = live.events()
    alerts.publish(Alert(message="no ids at all"))
    bad = now_alert("no such severity")
    bad.severity = 99
    alerts.publish(bad)
    alerts.publish(now_alert("sound"))
    client.wait_for("alert.created", message="sound")
    assert client.types().count("alert.created") == 1
    complaint = eventually(
        lambda: live.get("/health")["checks"].get("bridge: input"), lambda check: check is not None, "complaint"
    )
    assert "alerts: " in complaint["detail"]
    close(client)


# -- commands ----------------------------------------------------------------------------------------------------------


def actuate(live: LiveBridge, valve_id: str, target: float = 0.5) -> httpx.Response:
    return live.client.post(f"/valves/{valve_id}/actuate", json={"targetPosition": target, "reason": "test"})


def test_commands_to_nobody_are_answered_503(live: LiveBridge) -> None:
    response = actuate(live, "v-101")
    assert (response.status_code, response.json()["error"]) == (503, "ros_unavailable")
    response = live.client.post(f"/pipeline/alerts/{uuid.uuid4()}/resolve")
    assert (response.status_code, response.json()["error"]) == (503, "ros_unavailable")


def test_stroke_is_answered_as_soon_as_it_moves_or_is_refused_or_is_late(live: LiveBridge, shared_graph: Graph) -> None:
    """v-101 moves and never ends, v-102 is busy, v-103 is accepted and nothing follows, or (to 0.25) accepted late."""
    goals: dict[str, Any] = {}
    never: Any = Future()
    told_504, canceled, withdrawn = threading.Event(), threading.Event(), threading.Event()

    def accept(goal: ActuateValve.Goal) -> GoalResponse:
        if goal.target_position == 0.25:
            told_504.wait(DEADLINE_S)
        return GoalResponse.ACCEPT

    def cancel(handle: Any) -> CancelResponse:
        if handle.request.target_position == 0.25:
            canceled.set()
        elif handle.request.valve_id == "v-103":
            withdrawn.set()
        return CancelResponse.ACCEPT

    async def execute(handle: Any) -> ActuateValve.Result:
        goals[handle.request.valve_id] = handle
        if handle.request.valve_id == "v-101":
            handle.publish_feedback(ActuateValve.Feedback(position=0.9))
            await never
        if handle.request.valve_id == "v-103":
            await never
        handle.abort()
        return ActuateValve.Result(error_code=ActuateValve.Result.BUSY, error_msg="v-102 is under way")

    ActionServer(
        shared_graph.node,
        ActuateValve,
        topics.ACTUATE_VALVE,
        execute,
        goal_callback=accept,
        cancel_callback=cancel,
    )
    response = eventually(lambda: actuate(live, "v-101"), lambda answer: answer.status_code != 503, "server")
    assert response.status_code == 200
    goal = goals["v-101"]
    assert response.json() == {"ok": True, "actuationId": str(from_uuid_msg(goal.goal_id))}
    assert (goal.request.target_position, goal.request.reason) == (0.5, "test")
    assert goal.request.requested_by == "http 127.0.0.1"
    response = actuate(live, "v-102")
    assert (response.status_code, response.json()["error"]) == (409, "busy")
    assert response.json()["detail"] == "v-102 is under way"
    response = actuate(live, "v-103")
    assert (response.status_code, response.json()["error"]) == (504, "ros_timeout")
    assert withdrawn.wait(DEADLINE_S), "a stroke that has not begun when its client is told 504 must not begin"
    response = actuate(live, "v-103", 0.25)
    assert response.status_code == 504
    told_504.set()
    assert canceled.wait(DEADLINE_S), "a stroke accepted after its client was told 504 must not go on"


def test_resolve_is_answered_by_the_guard_or_says_that_it_is_late(live: LiveBridge, shared_graph: Graph) -> None:
    leak = make.leak("ACTIVE", stamp_s=time.time())
    known, late = from_uuid_msg(leak.leak_id), uuid.uuid4()
    released = threading.Event()

    def resolve(request: ResolveLeak.Request, response: ResolveLeak.Response) -> ResolveLeak.Response:
        wanted = from_uuid_msg(request.leak_id)
        if wanted == late:
            released.wait(DEADLINE_S)
        elif wanted != known:
            response.error_code, response.error_msg = ResolveLeak.Response.UNKNOWN_LEAK, f"no leak {wanted}"
        else:
            response.leak = make.leak("REPAIRED", known, time.time())
        return response

    shared_graph.node.create_service(ResolveLeak, topics.RESOLVE_LEAK, resolve)
    response = eventually(
        lambda: live.client.post(f"/pipeline/alerts/{known}/resolve"),
        lambda answer: answer.status_code != 503,
        "service",
    )
    assert response.status_code == 200
    assert (response.json()["leak"]["id"], response.json()["leak"]["status"]) == (str(known), "repaired")
    response = live.client.post(f"/pipeline/alerts/{uuid.uuid4()}/resolve")
    assert (response.status_code, response.json()["error"]) == (404, "not_found")
    response = live.client.post(f"/pipeline/alerts/{late}/resolve")
    released.set()
    assert (response.status_code, response.json()["error"]) == (504, "ros_timeout")


def test_baseline_is_answered_by_flow_iq_as_it_says(live: LiveBridge, shared_graph: Graph) -> None:
    def learn() -> httpx.Response:
        return live.client.post("/flow/lines/fl-1/baseline", json={"action": "learn", "note": "second pump"})

    assert learn().json()["error"] == "ros_unavailable"
    flow_iq = shared_graph.start("flow_iq")
    response = eventually(learn, lambda answer: answer.status_code != 503, "service")
    assert response.status_code == 200
    baseline = response.json()["baseline"]
    assert (baseline["lineId"], baseline["state"], baseline["by"]) == ("fl-1", "learning", "http 127.0.0.1")
    eventually(lambda: live.get("/flow/lines/fl-1/baseline"), lambda shown: shown == baseline, "the same to everybody")
    response = live.client.post("/flow/lines/fl-1/baseline", json={"action": "freeze"})
    assert (response.status_code, response.json()["error"]) == (409, "still_learning")
    change = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert shared_graph.call(ChangeState, "flow_iq/change_state", change).success
    response = learn()
    assert (response.status_code, response.json()["error"]) == (503, "inactive")
    assert flow_iq.stop() == 0


# -- pictures ----------------------------------------------------------------------------------------------------------


class Camera:
    """Publishes pictures until it is told to stop; the blue value of each says which it is."""

    def __init__(self, graph: Graph, topic: str) -> None:
        self.publisher = graph.node.create_publisher(CompressedImage, topic, qos.IMAGE)
        self.timer = graph.node.create_timer(0.05, self._publish)
        self.count = 0

    def _publish(self) -> None:
        self.count += 1
        picture = np.full((48, 64, 3), self.count % 250, np.uint8)
        data = cv2.imencode(".jpg", picture)[1].tobytes()
        self.publisher.publish(CompressedImage(format="jpeg", data=data))


@pytest.mark.parametrize(
    ("camera_id", "topic"),
    [("cam-101", topics.compressed_image("cam_101")), ("cam-103", topics.annotated_image("cam_103"))],
)
def test_stream_plays_and_the_subscription_ends_with_its_last_viewer(
    live: LiveBridge, shared_graph: Graph, camera_id: str, topic: str
) -> None:
    camera = Camera(shared_graph, topic)
    url = live.get(f"/rig/cameras/{camera_id}/stream")["streamUrl"]
    with live.client.stream("GET", url) as first, live.client.stream("GET", url) as second:
        assert first.headers["content-type"] == "multipart/x-mixed-replace; boundary=plainview-frame"
        for response in (first, second):
            pictures = jpeg_parts(response)
            shades = [decode(next(pictures)) for _ in range(2)]
            assert shades[0] < shades[1]
        assert camera.publisher.get_subscription_count() == 1
    eventually(camera.publisher.get_subscription_count, lambda count: count == 0, "end of the subscription")
    snapshot = live.client.get(live.get(f"/rig/cameras/{camera_id}")["lastFrame"]["url"])
    assert (snapshot.status_code, snapshot.headers["content-type"]) == (200, "image/jpeg")
    assert decode(snapshot.content) > 0
    shared_graph.node.destroy_timer(camera.timer)
    eventually(camera.publisher.get_subscription_count, lambda count: count == 0, "end of the subscription")
    shared_graph.node.destroy_publisher(camera.publisher)


def jpeg_parts(response: httpx.Response) -> Iterator[bytes]:
    """The pictures of a motion JPEG stream, by their Content-Length."""
    buffer = b""
    chunks = response.iter_raw()
    while True:
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            buffer += next(chunks)
        head = buffer[:end].decode().lower()
        assert "content-type: image/jpeg" in head
        length = int(head.partition("content-length: ")[2].split()[0])
        while len(buffer) < end + 4 + length:
            buffer += next(chunks)
        yield buffer[end + 4 : end + 4 + length]
        buffer = buffer[end + 4 + length :]


def decode(picture: bytes) -> int:
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (48, 64, 3)
    return int(image[24, 32, 0])


def test_snapshot_of_a_silent_camera_says_so(live: LiveBridge) -> None:
    response = live.client.get("/rig/cameras/cam-102/snapshot.jpg")
    assert (response.status_code, response.json()["error"]) == (504, "no_frame")
    assert "cam_102/image_raw/compressed" in response.json()["detail"]


# -- start and end -----------------------------------------------------------------------------------------------------


def test_backlog_is_history_after_a_start_and_is_not_announced(graph: Graph) -> None:
    leaks = graph.publisher(Leak, topics.PIPELINE_LEAKS, qos.EVENT)
    old = make.leak("ACTIVE", stamp_s=time.time() - 3600)
    leaks.ros.publish(old)
    bridge = LiveBridge(graph)
    client = bridge.events()
    history = eventually(lambda: bridge.get("/pipeline/alerts")["recentHistory"], bool, "leak in the history")
    assert history[0]["id"] == str(from_uuid_msg(old.leak_id))
    new = make.leak("ACTIVE", stamp_s=time.time())
    leaks.publish(new)
    client.wait_for("leak.alert", leakId=str(from_uuid_msg(new.leak_id)))
    assert client.types().count("leak.alert") == 1
    assert bridge.stop() == 0
    assert client.wait_for_end() == "complete"


def test_ctrl_c_ends_it_at_once_with_streams_open(graph: Graph) -> None:
    bridge = LiveBridge(graph)
    clients = [bridge.events() for _ in range(20)]
    for client in clients:
        client.wait_for("telemetry.tick")
    with bridge.client.stream("GET", "/rig/cameras/cam-101/stream.mjpg"):
        began_s = time.monotonic()
        code = bridge.process.stop()
        took_s = time.monotonic() - began_s
    bridge.client.close()
    assert code == 0
    assert took_s < QUICK_EXIT_S
    assert {client.wait_for_end() for client in clients} == {"complete"}
    assert "Traceback" not in bridge.process.log()


def test_ctrl_c_does_not_wait_for_a_client_that_reads_nothing(graph: Graph) -> None:
    bridge = LiveBridge(graph)
    camera = Camera(graph, topics.compressed_image("cam_101"))
    with socket.create_connection(("127.0.0.1", bridge.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /rig/cameras/cam-101/stream.mjpg HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: camera.count, lambda count: count > 40, "pictures in the way")
        began_s = time.monotonic()
        assert bridge.stop() == 0
        assert time.monotonic() - began_s < QUICK_EXIT_S + GRACE_S


def test_plain_uvicorn_serves_it_and_ends_at_once_with_streams_open(graph: Graph) -> None:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "plainview_ros.bridge.app:app", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=graph.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "Uvicorn running" in line:
                break
        clients = [EventStream(f"http://127.0.0.1:{port}/events") for _ in range(3)]
        for client in clients:
            client.wait_for("telemetry.tick")
        began_s = time.monotonic()
        process.terminate()
        log = process.stdout.read()
        process.wait(DEADLINE_S)
        assert time.monotonic() - began_s < QUICK_EXIT_S
        assert {client.wait_for_end() for client in clients} == {"complete"}
        assert "Application shutdown complete" in log
        assert "Traceback" not in log
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_broken_rig_file_and_taken_port_end_it_with_a_message(graph: Graph, tmp_path: Path) -> None:
    broken = tmp_path / "rig.yaml"
    broken.write_text("name: 7\n")
    process = graph.start("bridge", settings={"rig": str(broken), "port": free_port()}, wait=False)
    assert process.wait() == 1
    assert f"{broken}:1: name" in process.log()
    assert "Traceback" not in process.log()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = graph.start("bridge", settings={"port": taken.getsockname()[1]}, wait=False)
        assert process.wait() != 0
        assert "address already in use" in process.log()
