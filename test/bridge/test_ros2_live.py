"""/ros2 against a bridge in its own process and nodes it knows nothing of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
import rclpy
from rclpy.exceptions import InvalidHandle
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from bridge_process import LiveBridge
from ros_graph import Graph
from web import EventStream, eventually

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
JOINTS = {"nodeId": "/fleet/crawler", "topic": "/crawler/joints"}


@pytest.fixture
def live(graph: Graph) -> Iterator[LiveBridge]:
    bridge = LiveBridge(graph, command_topics="['/crawler/goal']")
    yield bridge
    assert bridge.stop() == 0


@pytest.fixture
def events(live: LiveBridge) -> Iterator[EventStream]:
    client = live.events()
    yield client
    live.stop()
    client.wait_for_end()


def test_foreign_node_is_discovered_heard_and_missed(graph: Graph, live: LiveBridge, events: EventStream) -> None:
    crawler = rclpy.create_node("crawler", namespace="/fleet", context=graph.context)
    joints = crawler.create_publisher(JointState, "/crawler/joints", BEST_EFFORT)
    events.wait_for("ros2.node.discovered", nodeId="/fleet/crawler", nodeType="ros2")

    eventually(
        lambda: live.client.post("/ros2/subscribe", json=JOINTS), lambda answer: answer.is_success, "subscription"
    )
    message = JointState(name=["arm"], position=[float("nan"), 0.5], effort=[1.0] * 100)

    def publish() -> None:
        with suppress(InvalidHandle):  # it has left already
            joints.publish(message)

    timer = graph.node.create_timer(0.02, publish)
    heard = events.wait_for("ros2.telemetry", **JOINTS)
    assert heard["data"]["position"] == [None, 0.5]
    assert heard["data"]["effort"] == {"length": 100, "first": [1.0] * 64}
    kept = live.client.get("/ros2/telemetry", params=JOINTS).json()["telemetry"]
    assert kept[0]["data"] == heard["data"]

    def receipts_ms() -> list[int]:
        return [event["at"] for event in events.events if event.type == "ros2.telemetry"]

    at_ms = eventually(receipts_ms, lambda times: len(times) >= 5, "five messages")
    assert at_ms[4] - at_ms[0] > 500, "50 messages a second must not become 50 events a second"

    graph.node.destroy_timer(timer)
    crawler.destroy_node()
    events.wait_for("ros2.node.offline", nodeId="/fleet/crawler")
    assert live.client.get("/ros2/nodes/fleet/crawler").status_code == 404


def test_allowed_topic_is_published_on_and_no_other(graph: Graph, live: LiveBridge) -> None:
    goals = graph.collect(String, "/crawler/goal", 10)
    command = {"nodeId": "/test_driver", "topic": "/crawler/goal", "params": {"data": "dock"}}
    eventually(
        lambda: live.client.post("/ros2/command", json=command).json(),
        lambda sent: sent.get("status") == "sent",
        "goal",
    )
    assert goals.wait_for().data == "dock"
    wrong = live.client.post("/ros2/command", json=command | {"params": {"dta": "dock"}})
    assert (wrong.status_code, wrong.json()["detail"]) == (422, "params.dta: String has no such field, it has data")
    assert live.client.post("/ros2/command", json=command | {"topic": "/joint_states"}).status_code == 403
    assert len(goals.messages) == 1
    eventually(lambda: live.get("/ros2/nodes/bridge")["health"], lambda health: health == "ok", "health")
