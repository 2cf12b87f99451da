"""Answers from memory: never older than what a client may know, rendered once, bounded."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from time import monotonic
from typing import Any

import httpx
import pytest
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

import bridge_messages as make
from bridge_fakes import FakeBridge, fake_bridge
from plainview_ros.assets import Rig
from plainview_ros.bridge import answers, graph_watch, mission_player, routes
from plainview_ros.bridge.answers import Answers
from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.projections import PROJECTIONS
from plainview_ros.bridge.settings import Settings
from plainview_ros.msg import FlowLineState
from plainview_ros.ros import topics
from plainview_ros.ros.conversions import to_plain

THING = uuid.UUID(int=7)
LEAK_ID = str(THING)

PATHS = [
    "/modules",
    "/valves",
    "/valves/v-101",
    "/valves/v-101/health",
    "/pipeline/alerts",
    "/pipeline/health",
    "/pipeline/sections/C-South",
    "/flow/health",
    "/flow/metrics",
    "/flow/anomalies",
    "/flow/anomalies?severity=high",
    "/flow/source",
    "/flow/prediction",
    "/flow/lines/fl-1/baseline",
    "/rig/cameras",
    "/rig/cameras/cam-101",
    "/rig/cameras/cam-101/stream",
    "/rig/detections",
    "/rig/health",
    "/incidents",
    "/incidents/health",
    "/missions",
    "/missions/status/active",
    "/ros2/nodes",
    "/ros2/nodes/valve_ops",
]

NOT_KEPT = {
    "/": "answers browsers differently",
    "/events": "never ends",
    "/metrics": "not JSON of the state",
    "/alerts": "history",
    "/audit": "history",
    "/events/history": "history",
    "/valves/{valve_id}/actuations": "history",
    "/pipeline/leaks": "history",
    "/flow/anomalies/history": "history",
    "/flow/history": "history",
    "/flow/range": "history",
    "/flow/series": "history",
    "/flow/recentanomalies": "history",
    "/flow/export": "history",
    "/rig/detections/history": "history",
    "/incidents/history": "history",
    "/missions/history": "history",
    "/rig/cameras/{camera_id}/stream.mjpg": "never ends",
    "/rig/cameras/{camera_id}/snapshot.jpg": "waits for a picture",
    "/ros2/telemetry": "asked for by age",
    "/ros2/command/{command_id}": "moves while it is sent",
}


class Clock:
    """Monotonic time that only the test lets pass."""

    def __init__(self) -> None:
        self.now_s = self.began_s = monotonic()

    def __call__(self) -> float:
        return self.now_s


class Application:
    """Stands between the answers and the routes: counts what gets through, and can hold it up."""

    def __init__(self, fake: FakeBridge) -> None:
        self.kept: Answers = fake.app.state.answers
        fake.get("/modules")  # now the middleware stack is built
        self._routes = self.kept._inner
        self.kept._inner = self
        self.asked: list[str] = []
        self.arrivals: asyncio.Queue[str] = asyncio.Queue()
        self.held_up: asyncio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        self.arrivals.put_nowait(scope["path"])
        if self.held_up is not None:
            await self.held_up.wait()
        await self._routes(scope, receive, send)


@pytest.fixture
def clock(fake: FakeBridge, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    fake.bridge.state.monotonic_s = clock
    for module in (routes.missions, routes.ros2, mission_player, graph_watch):
        monkeypatch.setattr(module, "monotonic", clock)
    return clock


@pytest.fixture
def application(fake: FakeBridge, clock: Clock) -> Application:
    return Application(fake)


def without_answers(fake: FakeBridge, paths: list[str]) -> list[Any]:
    """What the routes say themselves."""
    kept: Answers = fake.app.state.answers
    bridge, kept._bridge = kept._bridge, None
    try:
        return [fake.get(path) for path in paths]
    finally:
        kept._bridge = bridge


# -- never older than what is known ------------------------------------------------------------------------------------


def a_mission(fake: FakeBridge) -> str:
    body = {"title": "Drill", "type": "scenario", "timeline": [{"at": 0, "title": "a"}, {"at": 3600, "title": "b"}]}
    made: str = fake.post("/missions", json=body).json()["id"]
    return made


def an_incident(fake: FakeBridge) -> str:
    fake.say(make.alert("RAISED"))
    opened: str = fake.get("/incidents")["activeIncidents"][0]["id"]
    return opened


def resolve_leak(fake: FakeBridge) -> None:
    fake.gateway.leak = to_plain(make.leak("REPAIRED", THING, make.NOW_S + 1))
    assert fake.post(f"/pipeline/alerts/{LEAK_ID}/resolve").status_code == 200


def set_baseline(fake: FakeBridge) -> None:
    (line,) = to_plain(make.flow_state(baseline=FlowLineState.BASELINE_FROZEN))["lines"]
    fake.gateway.line = line
    assert fake.post("/flow/lines/fl-1/baseline", json={"action": "freeze"}).status_code == 200


def start_mission(fake: FakeBridge) -> None:
    assert fake.post(f"/missions/{a_mission(fake)}/start").status_code == 200


def pause_mission(fake: FakeBridge) -> None:
    active = fake.get("/missions/status/active")["mission"]["id"]
    assert fake.post(f"/missions/{active}/pause").status_code == 200


def update_incident(fake: FakeBridge) -> None:
    assert fake.post(f"/incidents/{an_incident(fake)}/update", json={"status": "investigating"}).status_code == 200


def register_agent(fake: FakeBridge) -> None:
    assert fake.post("/ros2/nodes/register", json={"name": "rover", "type": "robot"}).status_code == 200


def say(message: Any) -> Callable[[FakeBridge], object]:
    return lambda fake: fake.say(message)


CHANGES: dict[str, Callable[[FakeBridge], object]] = {
    "valves": say(make.valve_states(v_101={"position": 0.25})),
    "pipeline": say(make.pipeline_state(integrity_score=42.0)),
    "flow": say(make.flow_state(make.NOW_S + 1)),
    "cameras": say(make.camera_states(cam_101="ONLINE")),
    "leak": say(make.leak("ACTIVE", THING)),
    "leak in a snapshot only": say(make.pipeline_state(make.NOW_S + 1, make.leak("CONTAINED", THING, make.NOW_S + 1))),
    "anomaly": say(make.anomaly("OPENED")),
    "anomaly in a snapshot only": say(make.flow_state(make.NOW_S + 2, open_anomalies=[make.anomaly("OPENED")])),
    "detection": say(make.detection("STARTED", camera_id="cam-101")),
    "alert": say(make.alert("RAISED")),
    "resolved leak": resolve_leak,
    "frozen baseline": set_baseline,
    "created mission": a_mission,
    "started mission": start_mission,
    "paused mission": pause_mission,
    "updated incident": update_incident,
    "registered agent": register_agent,
    "diagnosed node": lambda fake: fake.say(make.diagnostics("valve_ops: x", "error", "y"), topic=topics.DIAGNOSTICS),
}


def test_after_every_change_the_answers_are_what_the_routes_say(fake: FakeBridge, clock: Clock) -> None:
    fake.say(make.diagnostics("x", "ok", ""), topic=topics.DIAGNOSTICS)
    for what, change in CHANGES.items():
        before = [fake.get(path) for path in PATHS]
        assert before == [fake.get(path) for path in PATHS], "kept"
        change(fake)
        after = [fake.get(path) for path in PATHS]
        assert after == without_answers(fake, PATHS), what
        assert after != before, f"{what} changes something"
    assert clock.now_s == clock.began_s, "none of it by waiting"


def test_health_has_every_change_at_once(fake: FakeBridge, clock: Clock) -> None:
    def status_of(part: str) -> str:
        checks: dict[str, dict[str, str]] = fake.get("/health")["checks"]
        return checks[part]["status"] if part in checks else "none"

    assert status_of("valve-ops") == "down"
    fake.say(make.valve_states(v_101={}))
    assert status_of("valve-ops") == "ok"
    fake.say(make.diagnostics("flow_iq: input", "warn", "no data"), topic=topics.DIAGNOSTICS)
    assert status_of("flow_iq: input") == "degraded"
    fake.say(make.diagnostics("flow_iq: input", "ok", ""), topic=topics.DIAGNOSTICS)
    assert status_of("flow_iq: input") == "none"
    fake.in_loop(fake.bridge.ended.append, "tick")
    assert status_of("tick") == "degraded"


def test_value_becomes_stale_at_its_deadline_and_not_with_the_next_rendering(rig: Rig) -> None:
    with fake_bridge(rig, Settings(stale_after_s=0.25)) as fake:
        clock = fake.bridge.state.monotonic_s = Clock()
        application = Application(fake)
        fake.say(make.valve_states(v_101={}))
        for after_s, stale in ((0.0, False), (0.2, False), (0.249, False), (0.251, True), (0.9, True)):
            clock.now_s = clock.began_s + after_s
            assert fake.get("/valves/v-101")["stale"] is stale, f"after {after_s} s"
            freshness = {module["key"]: module["status"] for module in fake.get("/modules")}
            assert freshness["valve-ops"] == ("degraded" if stale else "ok")
            assert fake.get("/health")["checks"]["valve-ops"]["status"] == ("degraded" if stale else "ok")
        assert application.asked.count("/valves/v-101") == 2, "once before and once after the deadline"
        fake.say(make.valve_states(v_101={}))
        assert fake.get("/valves/v-101")["stale"] is False


def test_silent_ros_side_shows_when_it_becomes_silent(fake: FakeBridge, clock: Clock) -> None:
    fake.gateway.silence_s = 2.9
    assert fake.get("/health")["checks"]["ros"]["status"] == "ok"
    fake.gateway.silence_s = 3.001
    clock.now_s += 0.101
    assert fake.request("GET", "/health").status_code == 503


def test_answer_is_no_older_than_a_second(fake: FakeBridge, clock: Clock, application: Application) -> None:
    for _ in range(3):
        fake.get("/incidents/health")
        clock.now_s += 0.49
    assert application.asked == ["/incidents/health"]
    fake.get("/incidents/health")
    clock.now_s += 1.0
    fake.get("/incidents/health")
    assert len(application.asked) == 3


def test_progress_of_a_mission_under_way_goes_on(fake: FakeBridge, clock: Clock, application: Application) -> None:
    start_mission(fake)
    application.asked.clear()
    for _ in range(3):
        fake.get("/missions/status/active")
        clock.now_s += 0.09
    assert len(application.asked) == 2


def test_new_bridge_of_the_same_application_has_nothing_of_the_old(fake: FakeBridge) -> None:
    kept: Answers = fake.app.state.answers
    fake.say(make.valve_states(v_101={}))
    fake.get("/valves")
    fake.in_loop(kept.open, fake.bridge)
    assert kept.entries == 0


def test_every_get_is_kept_or_has_a_reason_not_to_be(fake: FakeBridge) -> None:
    kept = {compile_path(path)[1] for projection in PROJECTIONS for path in projection.paths}
    gets = {path for path, operations in fake.app.openapi()["paths"].items() if "get" in operations}
    assert kept <= gets
    assert not gets - kept - NOT_KEPT.keys()
    patterns = [compile_path(path)[0] for projection in PROJECTIONS for path in projection.paths]
    tested = [*PATHS, "/health", "/incidents/i", "/incidents/i/timeline", "/missions/m"]
    assert all(any(pattern.match(path.partition("?")[0]) for path in tested) for pattern in patterns)


# -- rendered once -----------------------------------------------------------------------------------------------------


def test_unchanged_state_is_rendered_once_and_not_for_the_change_of_another(
    fake: FakeBridge, application: Application
) -> None:
    for _ in range(3):
        fake.get("/valves")
        fake.say(make.flow_state(), make.leak(), make.detection("STARTED"))
    assert application.asked == ["/valves"]


def asking(fake: FakeBridge, count: int, path: str) -> list[asyncio.Task[httpx.Response]]:
    """Clients that ask at the same time; to be called in the loop."""
    client = httpx.AsyncClient(transport=httpx.ASGITransport(fake.app, raise_app_exceptions=False))
    return [asyncio.create_task(client.get(f"http://bridge{path}")) for _ in range(count)]


def test_32_clients_share_one_rendering_even_when_who_came_first_goes(
    fake: FakeBridge, application: Application
) -> None:
    async def ask() -> None:
        application.held_up = asyncio.Event()
        first, *others = asking(fake, 32, "/valves")
        await application.arrivals.get()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        application.held_up.set()
        bodies = {(answer.status_code, answer.content) for answer in await asyncio.gather(*others)}
        assert len(bodies) == 1
        assert application.asked == ["/valves"]

    fake.run(ask())


def test_who_asks_after_a_change_does_not_get_what_was_begun_before(fake: FakeBridge, application: Application) -> None:
    async def ask() -> None:
        application.held_up = asyncio.Event()
        (early,) = asking(fake, 1, "/valves/v-101")
        await application.arrivals.get()
        take(fake, make.valve_states(v_101={"position": 0.25}))
        (late,) = asking(fake, 1, "/valves/v-101")
        await application.arrivals.get()
        application.held_up.set()
        assert (await late).json()["position"] == 0.25
        assert (await early).status_code == 200

    fake.run(ask())


def take(fake: FakeBridge, message: Any) -> None:
    now_s = fake.bridge.state.monotonic_s()
    fake.gateway.on_message(make.received(make.TOPIC_OF[type(message)], message, monotonic_s=now_s))


def test_a_client_that_wants_the_bytes_gets_those_of_http(fake: FakeBridge, application: Application) -> None:
    shown = fake.request("GET", "/valves").content
    assert fake.run(application.kept.body("/valves")) == shown
    assert application.asked == ["/valves"]
    with pytest.raises(KeyError):
        fake.run(application.kept.body("/flow/export"))


# -- validators and HEAD -----------------------------------------------------------------------------------------------


def test_etag_is_that_of_the_body_and_saves_sending_it(fake: FakeBridge) -> None:
    fake.say(make.valve_states(v_101={}))
    answer = fake.request("GET", "/valves")
    etag = answer.headers["etag"]
    assert etag.startswith('"')
    assert answer.headers["cache-control"] == "no-cache"
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        unchanged = fake.request("GET", "/valves", headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", etag)
    assert fake.request("GET", "/valves", headers={"If-None-Match": '"other"'}).content == answer.content
    fake.say(make.valve_states(v_101={"position": 0.25}))
    changed = fake.request("GET", "/valves", headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()[0]["position"]) == (200, 0.25)
    fake.say(make.valve_states(v_101={}))
    assert fake.request("GET", "/valves").headers["etag"] == etag


def test_head_is_the_head_of_get(fake: FakeBridge, clock: Clock) -> None:
    for path in (*PATHS, "/health", "/", "/docs", "/openapi.json", "/flow/export?hours=1", "/nothing"):
        got, head = fake.request("GET", path), fake.request("HEAD", path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers == got.headers, path
        assert int(head.headers["content-length"]) > 0


def test_head_of_a_stream_ends_and_leaves_its_seat(fake: FakeBridge) -> None:
    head = fake.request("HEAD", "/events")
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    head = fake.request("HEAD", "/rig/cameras/cam-101/stream.mjpg")
    assert (head.status_code, head.content) == (200, b"")
    assert not fake.bridge.event_seats.occupants
    assert not fake.bridge.camera_seats.occupants
    assert not fake.gateway.watched


def test_head_where_there_is_no_get_is_a_problem(fake: FakeBridge) -> None:
    assert fake.request("HEAD", "/valves/v-101/actuate").status_code == 405
    assert fake.request("HEAD", "/valves/v-999").status_code == 404


# -- only what is worth keeping ----------------------------------------------------------------------------------------


def test_errors_are_not_kept(fake: FakeBridge, application: Application) -> None:
    for path, status in (("/valves/v-999", 404), ("/flow/anomalies?severity=loud", 422), ("/incidents/i", 404)):
        refusals = [fake.request("GET", path) for _ in range(2)]
        assert {answer.status_code for answer in refusals} == {status}
        assert "etag" not in refusals[0].headers
    assert len(application.asked) == 6
    assert application.kept.entries == 1, "/modules, asked for in the beginning"
    opened = an_incident(fake)
    assert fake.get(f"/incidents/{opened}")["id"] == opened


def test_defect_is_told_to_all_who_waited_and_forgotten(
    fake: FakeBridge, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise BridgeError(503, "away", "away") if application.asked.count("/valves") > 1 else RuntimeError("secret")

    async def ask() -> list[int]:
        return [answer.status_code for answer in await asyncio.gather(*asking(fake, 3, "/valves"))]

    with monkeypatch.context() as defect:
        defect.setattr(fake.bridge.state, "asset", broken)
        assert fake.run(ask()) == [500] * 3
        assert application.asked.count("/valves") == 1
        assert fake.run(ask()) == [503] * 3
    assert len(fake.get("/valves")) == 3


def test_whoever_varies_the_query_costs_no_memory_and_not_the_answers_of_others(
    fake: FakeBridge, application: Application
) -> None:
    for number in range(2 * answers.MAX_ANSWERS):
        fake.get(f"/valves?x={number}")
        fake.get("/modules")
    assert application.kept.entries == answers.MAX_ANSWERS
    assert "/modules" not in application.asked
    fake.get("/valves?x=" + "x" * 2000)
    fake.get("/valves?x=" + "x" * 2000)
    assert len(application.asked) == 2 * answers.MAX_ANSWERS + 2


def test_bodies_kept_are_bounded_in_bytes(
    fake: FakeBridge, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = len(fake.request("GET", "/valves").content)
    monkeypatch.setattr(answers, "MAX_BYTES", 10 * one)
    for number in range(30):
        fake.get(f"/valves?x={number}")
        assert application.kept.size_bytes <= 10 * one
    assert application.kept.entries >= 9


def test_answers_under_a_root_path_are_their_own(fake: FakeBridge) -> None:
    async def at(root_path: str) -> str:
        transport = httpx.ASGITransport(fake.app, root_path=root_path)
        async with httpx.AsyncClient(transport=transport) as client:
            answer = await client.get(f"http://bridge{root_path}/rig/cameras/cam-101/stream")
            return str(answer.json()["streamUrl"])

    for root_path in ("", "/rig7", ""):
        assert fake.run(at(root_path)) == f"{root_path}/rig/cameras/cam-101/stream.mjpg"
