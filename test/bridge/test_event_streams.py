"""What clients of a real bridge are streamed: chosen, with the present state first, by web socket, over its death."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import bridge_messages as make
from bridge_process import LiveBridge
from plainview_ros.msg import Alert, ValveActuation, ValveStates
from plainview_ros.ros import qos, topics
from ros_graph import DEADLINE_S, Graph, Publisher
from web import EventStream, WebSocketStream, eventually


@pytest.fixture(scope="module")
def live(shared_graph: Graph) -> Iterator[LiveBridge]:
    bridge = LiveBridge(shared_graph, max_event_streams=10, tick_s=0.5)
    yield bridge
    assert bridge.stop() == 0


@pytest.fixture(scope="module")
def strokes(shared_graph: Graph) -> Publisher:
    return shared_graph.publisher(ValveActuation, topics.VALVE_ACTUATIONS, qos.EVENT)


def stroke(phase: str = "REQUESTED", **fields: object) -> ValveActuation:
    return make.actuation(phase, stamp_s=time.time(), **fields)


def open_stream(live: LiveBridge, kind: str, **query: str) -> EventStream | WebSocketStream:
    return live.events(**query) if kind == "sse" else live.web_socket(**query)


@pytest.mark.parametrize("kind", ["sse", "web socket"])
def test_client_gets_what_it_chose_and_resumes_after_it(
    live: LiveBridge, alerts: Publisher, strokes: Publisher, kind: str
) -> None:
    client = open_stream(live, kind, types="valve.*", assets="v-102")
    assert client.wait_for("telemetry.tick").id
    alerts.publish(make.alert("RAISED", stamp_s=time.time(), message="not chosen"))
    for number in range(10):
        strokes.publish(stroke(valve_id=f"v-10{1 + number % 2}", requested_by=f"{kind} {number}"))
    client.wait_for("valve.actuation.requested", requestedBy=f"{kind} 9")
    told = [event for event in client.events if event.type != "telemetry.tick"]
    assert [event["requestedBy"] for event in told] == [f"{kind} {number}" for number in range(1, 10, 2)]
    client.close()
    resumed = open_stream(live, kind, types="valve.*", assets="v-102", since=told[1].id)
    resumed.wait_for("valve.actuation.requested", requestedBy=f"{kind} 9")
    again = [event for event in resumed.events if event.type != "telemetry.tick"]
    assert [(event.id, event["requestedBy"]) for event in again] == [(e.id, e["requestedBy"]) for e in told[2:]]
    resumed.close()


def test_web_socket_is_told_the_same_as_an_event_source(live: LiveBridge, strokes: Publisher) -> None:
    source, socket = live.events(), live.web_socket()
    for client in (source, socket):
        client.wait_for("telemetry.tick")
    for number in range(5):
        strokes.publish(stroke(requested_by=f"same {number}"))
    seen = []
    for client in (source, socket):
        client.wait_for("valve.actuation.requested", requestedBy="same 4")
        seen.append([(event.id, dict(event)) for event in client.events if "requestedBy" in event])
        client.close()
    assert seen[0] == seen[1]


@pytest.mark.parametrize("kind", ["sse", "web socket"])
def test_present_state_comes_first_as_get_answers_it(live: LiveBridge, shared_graph: Graph, kind: str) -> None:
    valves = shared_graph.publisher(ValveStates, topics.VALVES_STATE, qos.STATE)
    valves.publish(make.valve_states(time.time(), v_101={"position": 0.125}))
    eventually(lambda: live.get("/valves/v-101")["position"], lambda position: position == 0.125, "position")
    client = open_stream(live, kind, snapshot="true")
    snapshot = client.wait_for("state.snapshot")
    assert [event.type for event in client.events[:2]] == ["telemetry.tick", "state.snapshot"]
    assert snapshot["valves"][0]["position"] == 0.125
    for part, path in (("pipeline", "/pipeline/health"), ("incidents", "/incidents"), ("missions", "/missions")):
        assert set(snapshot[part]) == set(live.get(path))
    client.close()


def test_wrong_wishes_are_refused_by_name(live: LiveBridge) -> None:
    for query, wrong in (
        ("types=alarm.*", "alarm.*"),
        ("since=yesterday", "since: "),
        ("snapshot=perhaps", "snapshot"),
    ):
        response = live.client.get(f"/events?{query}")
        assert (response.status_code, response.json()["error"]) == (422, "invalid_request")
        assert wrong in response.json()["detail"]


def test_refusals_say_why_and_leave_no_traceback(live: LiveBridge) -> None:
    assert live.client.head("/events").headers["content-type"].startswith("text/event-stream")
    assert live.client.get("/ws").status_code == 426
    for query, wrong in (("types=alarm.*", b"alarm.*"), ("snapshot=perhaps", b"snapshot"), ("since=x", b"since")):
        with pytest.raises(InvalidStatus) as refused:
            live.web_socket(**dict([query.split("=")]))
        assert refused.value.response.status_code == 422
        assert wrong in (refused.value.response.body or b"")
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{live.port}/ws", origin="http://evil.test"):
        pass
    assert refused.value.response.status_code == 403
    with connect(f"ws://127.0.0.1:{live.port}/ws", origin=f"http://127.0.0.1:{live.port}") as own_page:
        assert "telemetry.tick" in own_page.recv(DEADLINE_S)
        assert own_page.response is not None
        assert "Sec-WebSocket-Extensions" not in own_page.response.headers
    assert "Traceback" not in live.process.log()


def test_event_sources_and_web_sockets_share_the_seats_and_free_them_at_once(live: LiveBridge) -> None:
    clients = [open_stream(live, kind) for kind in ("sse", "web socket") * 5]
    for client in clients:
        client.wait_for("telemetry.tick")
    assert live.client.get("/events").status_code == 503
    with pytest.raises(InvalidStatus) as refused:
        live.web_socket()
    assert refused.value.response.status_code == 503
    for client in clients:
        client.close()
    for kind in ("sse", "web socket"):
        eventually(lambda kind=kind: _opens(live, kind), bool, "free seat")  # type: ignore[misc]


def _opens(live: LiveBridge, kind: str) -> bool:
    try:
        open_stream(live, kind).close()
    except (InvalidStatus, AssertionError):
        return False
    return True


def test_web_socket_is_closed_properly_when_the_bridge_ends(graph: Graph) -> None:
    bridge = LiveBridge(graph, tick_s=0.5)
    clients = [bridge.web_socket() for _ in range(5)]
    for client in clients:
        client.wait_for("telemetry.tick")
    assert bridge.stop() == 0
    assert {client.wait_for_end() for client in clients} == {"1012"}
    assert "Traceback" not in bridge.process.log()


def test_killed_in_a_storm_of_strokes_it_tells_each_client_every_stroke_once(graph: Graph) -> None:
    """``kill -9`` again and again: clients resume by id, and each has the whole sequence, nothing twice."""
    strokes = graph.publisher(ValveActuation, topics.VALVE_ACTUATIONS, qos.EVENT)
    bridge = LiveBridge(graph, tick_s=0.5)
    names = [f"stroke {n}" for n in range(300)]
    clients: list[EventStream] = [bridge.events() for _ in range(5)]
    told: list[list[str]] = [[] for _ in clients]
    for client in clients:
        client.wait_for("telemetry.tick")
    for number, name in enumerate(names):
        strokes.ros.publish(stroke(requested_by=name))
        if number % 100 == 50:
            clients[0].wait_for("valve.actuation.requested", requestedBy=names[number - 10])
            bridge.process.kill()
            ids = []
            for client, sequence in zip(clients, told, strict=True):
                client.wait_for_end()
                sequence += [event["requestedBy"] for event in client.events if "requestedBy" in event]
                ids.append([event.id for event in client.events if event.id][-1])
            bridge.start()
            clients = [bridge.events(last_id) for last_id in ids]
    for client, sequence in zip(clients, told, strict=True):
        client.wait_for("valve.actuation.requested", requestedBy=names[-1])
        sequence += [event["requestedBy"] for event in client.events if "requestedBy" in event]
        assert "stream.gap" not in client.types()
        client.close()
        assert sequence == names
    assert bridge.stop() == 0


def test_events_that_cannot_be_kept_are_told_nevertheless(graph: Graph) -> None:
    first = LiveBridge(graph)
    second = LiveBridge(graph)  # in the same state directory
    check = eventually(lambda: second.get("/health")["checks"]["events"], lambda it: it["status"] != "ok", "degraded")
    assert "another bridge keeps its events there" in check["detail"]
    assert first.get("/health")["checks"]["events"]["status"] == "ok"
    clients = [first.events(), second.events()]
    for client in clients:
        client.wait_for("telemetry.tick")
    graph.publisher(Alert, topics.ALERTS, qos.EVENT).publish(make.alert("RAISED", stamp_s=time.time(), message="both"))
    for client in clients:
        client.wait_for("alert.created", message="both")
        client.close()
    assert {first.stop(), second.stop()} == {0}
