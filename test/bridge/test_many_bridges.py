"""Two real bridges on one ROS graph, one Redis and one database: a client of theirs does not notice which it is at."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import bridge_messages as make
from bridge_process import LiveBridge
from plainview_ros.msg import Alert
from plainview_ros.ros import qos, topics
from postgres import postgres_server
from redis_server import RedisServer, redis_server
from ros_graph import DEADLINE_S, Graph, Publisher
from web import Event, eventually


def is_telemetry(event: Event) -> bool:
    return event.type == "telemetry.tick" or "." in event.id


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def bridges(graph: Graph, redis: RedisServer, tmp_path: Path) -> Iterator[list[LiveBridge]]:
    """Two of them, whose memory reaches back only 50 events."""
    with postgres_server() as postgres:
        graph.environment |= {"REDIS_URL": redis.url, "POSTGRES_URL": postgres.new_database()}
        started = []
        for name in ("one", "other"):
            graph.environment["PLAINVIEW_STATE_DIR"] = str(tmp_path / name)
            started.append(LiveBridge(graph, ring_entries=50, tick_s=0.5))
        yield started
        assert [bridge.stop() for bridge in started] == [0, 0]


@pytest.fixture
def alerts(graph: Graph, bridges: list[LiveBridge]) -> Publisher:
    """Heard by both bridges."""
    publisher = graph.publisher(Alert, topics.ALERTS, qos.EVENT)
    eventually(publisher.ros.get_subscription_count, lambda count: count == 2, "both bridges")
    return publisher


class Client:
    """Goes from bridge to bridge with the id of the last event it was told."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self._after = ""

    def visit(self, bridge: LiveBridge, wanted: str = "") -> None:
        """Listen until an event with this message was told, or for a moment."""
        stream = bridge.events(self._after)
        if wanted:
            stream.wait_for("alert.created", message=wanted)
        else:
            stream.wait_for("telemetry.tick", lambda event: event.id != self._after)
        stream.close()
        self.told += [event for event in stream.events if not is_telemetry(event)]
        self._after = stream.events[-1].id

    def until(self, message: str) -> list[tuple[str, Event]]:
        """All that was told, up to an event with this message."""
        end = next(number for number, event in enumerate(self.told, 1) if event.get("message") == message)
        return [(event.id, event) for event in self.told[:end]]

    def messages(self) -> list[str]:
        return [str(event["message"]) for event in self.told if event.type == "alert.created"]


def announce(alerts: Publisher, *messages: str) -> None:
    for message in messages:
        alerts.publish(make.alert("RAISED", stamp_s=time.time(), message=message))


def redis_is(bridge: LiveBridge, status: str) -> str:
    health = bridge.get_until(
        "/health", lambda health: health["checks"]["redis"]["status"] == status, f"redis {status}"
    )
    return str(health["checks"]["redis"].get("detail"))


def test_client_that_changes_the_bridge_loses_and_repeats_nothing(bridges: list[LiveBridge], alerts: Publisher) -> None:
    one, other = bridges
    for bridge in bridges:
        redis_is(bridge, "ok")
    staying, wandering, away = Client(), Client(), Client()
    for client in (staying, wandering, away):
        client.visit(one)
    numbers = iter(range(1000))
    for _ in range(8):
        announce(alerts, *(f"alert {next(numbers)}" for _ in range(10)))
        wandering.visit(random.choice(bridges))
    announce(alerts, "the last")
    staying.visit(one, "the last")
    wandering.visit(other, "the last")
    away.visit(other, "the last")  # most of it from the database
    assert staying.messages() == [f"alert {number}" for number in range(80)] + ["the last"]
    for client in (wandering, away):
        assert client.until("the last") == staying.until("the last")


def test_redis_dies_and_comes_back_empty(bridges: list[LiveBridge], alerts: Publisher, redis: RedisServer) -> None:
    """Who stays loses and repeats nothing; who wanders loses nothing; then both bridges tell the same again."""
    one, other = bridges
    staying = one.events(), other.events()
    for stream in staying:
        stream.wait_for("telemetry.tick")
    wandering = Client()
    wandering.visit(one)
    announce(alerts, "before 1", "before 2")
    wandering.visit(other, "before 2")
    redis.kill()
    announce(alerts, "alone 1", "alone 2")
    wandering.visit(one, "alone 2")
    for bridge in bridges:
        assert f"127.0.0.1:{redis.port}" in redis_is(bridge, "degraded")
    announce(alerts, "alone 3")
    wandering.visit(other, "alone 3")
    assert "plainview_redis_away 1.0" in one.client.get("/metrics").text
    redis.start()
    for bridge in bridges:
        redis_is(bridge, "ok")
    announce(alerts, "after 1", "after 2")
    wandering.visit(one, "after 2")
    said = ["before 1", "before 2", "alone 1", "alone 2", "alone 3", "after 1", "after 2"]
    for stream in staying:
        stream.wait_for("alert.created", message="after 2")
        assert [event["message"] for event in stream.events if event.type == "alert.created"] == said
        assert "stream.gap" not in stream.types()
        stream.close()
    ids = [[e.id for e in stream.events if str(e.get("message")).startswith("after")] for stream in staying]
    assert ids[0] == ids[1]
    assert list(dict.fromkeys(wandering.messages())) == said
    assert "stream.gap" not in [event.type for event in wandering.told]


def test_ends_soon_while_redis_hangs(graph: Graph, redis: RedisServer) -> None:
    graph.environment |= {"REDIS_URL": redis.url}
    bridge = LiveBridge(graph)
    redis_is(bridge, "ok")
    with redis.frozen():
        began_s = time.monotonic()
        assert bridge.stop() == 0
        assert time.monotonic() - began_s < DEADLINE_S / 6
