"""/ros2 over HTTP, on a drawn graph."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

import bridge_messages as make
from bridge_fakes import CRAWLER, VALVE_OPS, FakeBridge
from plainview_ros.bridge import telemetry
from plainview_ros.ros import topics
from plainview_ros.ros.graph import GraphNode


@pytest.fixture
def drawn(fake: FakeBridge) -> FakeBridge:
    """Once the bridge has seen the graph."""
    assert {fake.next_event("ros2.node.discovered")["nodeId"] for _ in range(2)} == {"/fleet/crawler", "/valve_ops"}
    return fake


def test_nodes_are_listed_and_filtered(drawn: FakeBridge) -> None:
    listed = drawn.get("/ros2/nodes")
    assert listed["count"] == 2
    crawler = listed["nodes"][0]
    assert (crawler["name"], crawler["namespace"], crawler["type"]) == ("crawler", "/fleet", "ros2")
    assert crawler["topics"] == {"subscribe": ["/crawler/goal", "/crawler/stop"], "publish": ["/crawler/pose"]}
    assert (crawler["health"], crawler["registered"]) == ("unknown", False)
    assert crawler["lastSeen"].endswith("Z")
    assert [node["name"] for node in drawn.get("/ros2/nodes?type=valve_ops")["nodes"]] == ["valve_ops"]
    assert [node["name"] for node in drawn.get("/ros2/nodes?namespace=/fleet")["nodes"]] == ["crawler"]
    assert drawn.get("/ros2/nodes?type=valve_ops&namespace=/fleet") == {"nodes": [], "count": 0}


@pytest.mark.parametrize("path", [quote("/fleet/crawler", safe=""), "fleet/crawler", "/fleet/crawler"])
def test_node_is_found_by_its_full_name(drawn: FakeBridge, path: str) -> None:
    assert drawn.get(f"/ros2/nodes/{path}")["id"] == "/fleet/crawler"


def test_node_that_left_is_told_and_not_found(drawn: FakeBridge) -> None:
    drawn.gateway.node.nodes = [VALVE_OPS]
    event = drawn.next_event("ros2.node.offline")
    assert (event["nodeId"], event["nodeType"]) == ("/fleet/crawler", "ros2")
    assert isinstance(event["at"], int)
    answer = drawn.request("GET", "/ros2/nodes/fleet/crawler")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


def test_health_comes_from_diagnostics(drawn: FakeBridge) -> None:
    drawn.say(make.diagnostics("valve_ops: input", "warn", "hm"), topic=topics.DIAGNOSTICS)
    assert drawn.get("/ros2/nodes/valve_ops")["health"] == "warning"


def test_agent_registers_and_is_told_once(drawn: FakeBridge) -> None:
    body = {"name": "robot_01", "namespace": "/fleet/robots", "type": "robot", "location": {"lat": 58.4, "lon": 1.7}}
    first = drawn.post("/ros2/nodes/register", json=body)
    assert first.json() == {"ok": True, "nodeId": "/fleet/robots/robot_01", "deadlineSec": 60}
    event = drawn.next_event("ros2.node.discovered")
    assert (event["nodeId"], event["nodeType"], event["location"]) == (
        "/fleet/robots/robot_01",
        "robot",
        {"lat": 58.4, "lon": 1.7},
    )
    drawn.post("/ros2/nodes/register", json=body | {"health": "ok"})
    shown = drawn.get("/ros2/nodes/fleet/robots/robot_01")
    assert (shown["registered"], shown["health"]) == (True, "ok")
    drawn.gateway.node.nodes = [CRAWLER, VALVE_OPS, GraphNode("late", "/", (), ())]
    assert drawn.next_event("ros2.node.discovered")["nodeId"] == "/late"


def test_silent_agent_goes_offline(fake: FakeBridge) -> None:
    fake.post("/ros2/nodes/register", json={"name": "robot", "type": "robot", "deadlineSec": 1})
    assert fake.next_event("ros2.node.offline")["nodeId"] == "/robot"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": "robot 01"}, "name"),
        ({"name": ""}, "name"),
        ({"namespace": "fleet"}, "namespace"),
        ({"type": ""}, "type"),
        ({"location": {"lat": 91, "lon": 0}}, "location.lat"),
        ({"topics": {"publish": ["no slash"]}}, "topics.publish"),
        ({"deadlineSec": 0}, "deadlineSec"),
        ({"health": "splendid"}, "health"),
    ],
)
def test_bad_agent_is_named(fake: FakeBridge, change: dict[str, Any], named: str) -> None:
    answer = fake.post("/ros2/nodes/register", json={"name": "robot", "type": "robot"} | change)
    assert answer.status_code == 422
    assert named in answer.json()["detail"]


def subscribe(fake: FakeBridge, topic: str = "/crawler/pose", node_id: str = "/fleet/crawler") -> Any:
    return fake.post("/ros2/subscribe", json={"nodeId": node_id, "topic": topic})


def test_subscription_gives_events_and_newest_values(drawn: FakeBridge) -> None:
    assert subscribe(drawn).json() == {"ok": True, "message": "subscribed to /crawler/pose of /fleet/crawler"}
    deliver = drawn.gateway.node.listening["/crawler/pose"]
    drawn.in_loop(deliver, "/fleet/crawler", {"x": 1.5})
    drawn.in_loop(deliver, "/somebody/else", {"x": 9.0})
    drawn.in_loop(deliver, "/fleet/crawler", {"x": 2.5})
    events = [drawn.next_event("ros2.telemetry") for _ in range(2)]
    assert [(event["nodeId"], event["topic"], event["data"]) for event in events] == [
        ("/fleet/crawler", "/crawler/pose", {"x": 1.5}),
        ("/fleet/crawler", "/crawler/pose", {"x": 2.5}),
    ]
    kept = drawn.get("/ros2/telemetry?nodeId=/fleet/crawler&topic=/crawler/pose&maxAge=60000")["telemetry"]
    assert [item["data"]["x"] for item in kept] == [1.5, 2.5]
    assert kept[0]["timestamp"].endswith("Z")
    assert drawn.get("/ros2/telemetry?nodeId=/somebody/else") == {"telemetry": []}
    assert drawn.get("/ros2/telemetry?maxAge=0") == {"telemetry": []}
    assert drawn.request("GET", "/ros2/telemetry?maxAge=soon").status_code == 422


def test_message_of_unknown_sender_counts_for_every_node_asked_for(drawn: FakeBridge) -> None:
    drawn.gateway.node.nodes = [CRAWLER, VALVE_OPS, GraphNode("twin", "/", ("/crawler/pose",), ())]
    drawn.next_event("ros2.node.discovered")
    subscribe(drawn)
    subscribe(drawn, node_id="/twin")
    drawn.in_loop(drawn.gateway.node.listening["/crawler/pose"], "", {"x": 1.5})
    assert {drawn.next_event("ros2.telemetry")["nodeId"] for _ in range(2)} == {"/fleet/crawler", "/twin"}


def test_huge_message_is_only_measured(drawn: FakeBridge) -> None:
    subscribe(drawn)
    drawn.in_loop(drawn.gateway.node.listening["/crawler/pose"], "/fleet/crawler", {"text": "x" * 20_000})
    assert drawn.next_event("ros2.telemetry")["data"] == {"omitted": "20012 bytes of JSON, more than 16000"}


def test_unsubscribing_ends_it(drawn: FakeBridge) -> None:
    subscribe(drawn)
    body = {"nodeId": "/fleet/crawler", "topic": "/crawler/pose"}
    assert drawn.post("/ros2/unsubscribe", json=body).json()["ok"] is True
    assert drawn.gateway.node.listening == {}
    assert drawn.post("/ros2/unsubscribe", json=body).status_code == 404


def test_subscriptions_are_limited_and_a_failed_one_takes_no_room(
    drawn: FakeBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "MAX_SUBSCRIPTIONS", 1)
    drawn.gateway.node.refusal = "/crawler/pose: the message type 'x/msg/Y' is not installed here"
    answer = subscribe(drawn)
    assert (answer.status_code, answer.json()["detail"]) == (422, drawn.gateway.node.refusal)
    drawn.gateway.node.refusal = ""
    assert subscribe(drawn).status_code == 200
    assert subscribe(drawn).status_code == 200
    answer = subscribe(drawn, "/valves/state", "/valve_ops")
    assert (answer.status_code, answer.json()["error"]) == (409, "too_many_subscriptions")


@pytest.mark.parametrize(
    ("node_id", "topic", "status"),
    [
        ("/nobody", "/crawler/pose", 404),
        ("/fleet/crawler", "/valves/state", 422),
        ("/fleet/crawler", "pose", 422),
        ("crawler ", "/crawler/pose", 422),
    ],
)
def test_impossible_subscription_is_refused(drawn: FakeBridge, node_id: str, topic: str, status: int) -> None:
    assert subscribe(drawn, topic, node_id).status_code == status


def command(fake: FakeBridge, topic: str = "/crawler/goal", **more: Any) -> Any:
    body = {
        "nodeId": "/fleet/crawler",
        "topic": topic,
        "action": "publish",
        "params": {"data": "dock"},
        "priority": "high",
    }
    return fake.post("/ros2/command", json=body | more)


def test_allowed_command_is_sent_and_kept(drawn: FakeBridge) -> None:
    sent = command(drawn).json()
    assert (sent["status"], sent["nodeId"], sent["priority"], sent["error"]) == ("sent", "/fleet/crawler", "high", None)
    assert drawn.gateway.node.published == [("/crawler/goal", {"data": "dock"})]
    assert drawn.get(f"/ros2/command/{sent['commandId']}") == sent


def test_topic_that_is_not_allowed_is_refused(drawn: FakeBridge) -> None:
    answer = command(drawn, "/crawler/stop")
    assert (answer.status_code, answer.json()["error"]) == (403, "topic_not_allowed")
    assert "command_topics" in answer.json()["detail"]
    assert drawn.gateway.node.published == []


def test_command_without_a_listener_fails(drawn: FakeBridge) -> None:
    drawn.gateway.node.subscribers = 0
    failed = command(drawn, timeout=100).json()
    assert failed["status"] == "failed"
    assert "no subscriber of /crawler/goal was connected within 0.1 s" in failed["error"]
    failed = command(drawn, nodeId="/valve_ops").json()
    assert (failed["status"], failed["error"]) == ("failed", "/valve_ops does not subscribe to /crawler/goal")


def test_params_that_make_no_message_are_refused(drawn: FakeBridge) -> None:
    drawn.gateway.node.refusal = "params.dta: String has no such field, it has data"
    answer = command(drawn)
    assert (answer.status_code, answer.json()["detail"]) == (422, drawn.gateway.node.refusal)


@pytest.mark.parametrize(
    "change",
    [{"action": "call"}, {"priority": "now"}, {"timeout": 0}, {"timeout": 1e9}, {"params": []}, {"topic": "x y"}],
)
def test_malformed_command_is_refused(drawn: FakeBridge, change: dict[str, Any]) -> None:
    answer = command(drawn, **change)
    assert answer.status_code == 422
    assert next(iter(change)) in answer.json()["detail"]


def test_unknown_command_and_node_are_not_found(drawn: FakeBridge) -> None:
    assert drawn.request("GET", "/ros2/command/nothing").status_code == 404
    assert command(drawn, nodeId="/nobody").status_code == 404
