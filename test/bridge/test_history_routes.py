"""History over HTTP, from rows in a real database: pages, ranges, series and files."""

from __future__ import annotations

import asyncio
import contextlib
import math
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bridge_messages as make
from bridge_fakes import FakeBridge, fake_bridge
from bridge_messages import NOW_S, said
from plainview_ros.assets import Rig
from plainview_ros.bridge import flow_archive
from plainview_ros.bridge.app import MAX_EXPORTS
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.event_log import EventId, make_entry
from plainview_ros.bridge.part import Key, Period, cursor_of
from plainview_ros.bridge.recorder import row_of_transition
from plainview_ros.bridge.routes import flow as flow_routes
from plainview_ros.bridge.schemas.base import iso
from plainview_ros.bridge.store import event_table, flow_table, roll_up, upkeep
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.errors import DatabaseError
from plainview_ros.bridge.store.rows import Row
from plainview_ros.msg import Alert, FlowAnomaly, Leak
from plainview_ros.ros.conversions import to_plain
from plainview_ros.utc import parse_s
from postgres import Postgres
from ros_graph import DEADLINE_S
from web import eventually

NOW_MS = round(NOW_S * 1000)
HOUR_MS, MINUTE_MS = 3_600_000, 60_000


@dataclass
class Past:
    """A bridge, and the database it reads."""

    fake: FakeBridge
    database: Database

    def write(self, *rows: Row) -> None:
        self.database.write(rows)

    def items(self, path: str, **query: object) -> list[Any]:
        items: list[Any] = self.fake.get(path, params=query or None)["items"]
        return items

    def refusal(self, path: str, **query: object) -> str:
        """What is said of a question that is refused."""
        response = self.fake.request("GET", path, params=query or None)
        assert response.status_code == 422, response.text
        assert response.json()["error"] == "invalid_request"
        return str(response.json()["detail"])


@pytest.fixture(autouse=True, scope="module")
def _no_upkeep() -> Iterator[None]:
    """These rows are older than the bridge would keep them, and are rolled up when a test says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upkeep, "BEGIN_AFTER_S", DEADLINE_S * 10)
        yield


@contextmanager
def past_of(rig: Rig, url: str) -> Iterator[Past]:
    with fake_bridge(rig, environment=Environment(None, url)) as fake, closing(Database(url)) as database:
        yield Past(fake, database)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'plainview.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    given_ = {"POSTGRES_URL": postgres.new_database(), "PLAINVIEW_STATE_DIR": str(tmp_path)}
    return str(Environment.of(given_).database_url)


@pytest.fixture
def past(rig: Rig, url: str) -> Iterator[Past]:
    with past_of(rig, url) as past:
        yield past


def row(message: Any) -> Row:
    return row_of_transition(make.TOPIC_OF[type(message)], to_plain(message))


def thing(n: int) -> uuid.UUID:
    return uuid.UUID(int=n)


def event_row(n: int, event_type: str = "alert.created", asset: str = "v-101") -> Row:
    event = said(event_type, n=n)
    return event_table.row_of(make_entry(EventId(NOW_MS + n, 0), event.type, event.json_bytes(), asset))


def sample(at_ms: int, line: str = "fl-1", **values: float | None) -> Row:
    known: dict[str, Any] = {"flow_rate_lpm": 3300.0, "pressure_pa": 1.2e6, "temperature_c": 38.5, "viscosity": None}
    return Row("flow_metrics", {"line_id": line, "timestamp_ms": at_ms, **known, **values})


# -- pages -------------------------------------------------------------------------------------------------------------


def audit_row(at_ms: int, n: int = 0) -> Row:
    values = {"id": str(thing(n)), "at_ms": at_ms, "who": "http 10.0.0.7", "action": "POST /x", "status": 200}
    return Row("audit_log", values)


LISTS: Mapping[str, Any] = {
    "/valves/v-101/actuations": lambda n: row(make.actuation("REQUESTED", thing(n), NOW_S + n // 3)),
    "/pipeline/leaks": lambda n: row(make.leak("ACTIVE", thing(n), NOW_S + n // 3)),
    "/flow/anomalies/history": lambda n: row(make.anomaly("OPENED", thing(n), NOW_S + n // 3)),
    "/rig/detections/history": lambda n: row(make.detection("STARTED", thing(n), NOW_S + n // 3)),
    "/alerts": lambda n: row(make.alert("RAISED", thing(n), NOW_S + n // 3)),
    "/audit": lambda n: audit_row(NOW_MS + n // 3 * 1000, n),
    "/events/history": event_row,
}
"""A row for each list; several begin at the same time, but for events, whose ids differ."""


def name_of(path: str, item: Mapping[str, Any]) -> int:
    """The number that a row was made with."""
    if path == "/events/history":
        return int(item["n"])
    return uuid.UUID(item.get("id") or item["actuationId"]).int


@pytest.mark.parametrize("path", LISTS)
def test_pages_have_everything_once_newest_first_while_rows_come_in(past: Past, path: str) -> None:
    past.write(*(LISTS[path](n) for n in range(10)))
    seen: list[int] = []
    cursor, newer = None, 10
    while True:
        page = past.fake.get(path, params={"limit": 3, **({"cursor": cursor} if cursor else {})})
        seen += [name_of(path, item) for item in page["items"]]
        past.write(LISTS[path](newer), LISTS[path](newer + 1))
        newer, cursor = newer + 2, page["nextCursor"]
        if cursor is None:
            break
        assert len(page["items"]) == 3
    assert seen == list(reversed(range(10)))


@pytest.fixture(scope="module")
def standing(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """One for all examples of a property."""
    with past_of(rig, f"sqlite:///{tmp_path_factory.mktemp('past') / 'plainview.db'}") as past:
        yield past


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    times=st.lists(st.integers(0, 5), max_size=12),
    added=st.lists(st.integers(6, 9), max_size=4),
    limit=st.integers(1, 5),
)
def test_paging_tells_all_that_was_there_once_and_in_order_whatever_the_limit(
    standing: Past, times: list[int], added: list[int], limit: int
) -> None:
    asset = str(uuid.uuid4())  # what other examples left is of others

    def write(seconds: int) -> str:
        alert_id = uuid.uuid4()
        standing.write(row(make.alert("RAISED", alert_id, NOW_S + seconds, asset_id=asset)))
        return str(alert_id)

    here = [(seconds, write(seconds)) for seconds in times]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"assetId": asset, "limit": limit, "cursor": cursor}
        page = standing.fake.get("/alerts", params=query)
        seen += [item["id"] for item in page["items"]]
        cursor = page["nextCursor"]
        if added:
            write(added.pop())
    assert seen == [alert_id for _, alert_id in sorted(here, reverse=True)]


@pytest.mark.parametrize("path", [*LISTS, "/incidents/history", "/missions/history"])
def test_list_of_nothing_is_an_empty_page(past: Past, path: str) -> None:
    assert past.fake.get(path) == {"items": [], "nextCursor": None}


def test_cursor_is_good_for_its_own_question_only(past: Past) -> None:
    past.write(*(LISTS[path](n) for path in LISTS for n in range(3)))
    cursor = past.fake.get("/alerts", params={"limit": 1, "status": "raised"})["nextCursor"]
    assert len(past.items("/alerts", limit=5, status="raised", cursor=cursor)) == 2
    for path, query in (
        ("/alerts", {}),
        ("/alerts", {"status": "cleared"}),
        ("/alerts", {"status": "raised", "start": 0}),
        ("/pipeline/leaks", {"status": "active"}),
        ("/events/history", {}),
        ("/flow/range", {}),
    ):
        assert past.refusal(path, cursor=cursor, **query).startswith("cursor: ")
    for damaged in (cursor[:-3], "A" + cursor[1:], "WyJhIiwxXQ", "{}", "ä", "x" * 5000):
        assert past.refusal("/alerts", status="raised", cursor=damaged).startswith("cursor: ")


@pytest.mark.parametrize(
    ("path", "question", "key"),
    [
        ("/alerts", ("alerts", Period(), []), (NOW_MS, "x")),
        ("/events/history", ("events None", Period(), []), (NOW_MS, 0, "x")),
        ("/flow/range", ("flow/range", Period(), [("line_id", "fl-1")]), (NOW_MS,)),
    ],
)
def test_forged_cursor_is_refused(past: Past, path: str, question: object, key: Key) -> None:
    assert past.fake.request("GET", path, params={"cursor": cursor_of(question, key)}).status_code == 200
    rest = key[1:]
    forged: list[Any] = [(), rest, (*key, 1), ("x", *rest), (1 << 63, *rest), (True, *rest), (None, *rest), ([], *rest)]
    if rest:
        forged += [(*key[:-1], name) for name in ("a\0b", "\ud800", 7)]
    for each in forged:
        assert past.refusal(path, cursor=cursor_of(question, each)).startswith("cursor: ")


# -- ranges ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-09-21T14:13:20Z", "2026-09-21T14:13:22Z"),
        ("2026-09-21T14:13:20", "2026-09-21T14:13:22"),
        ("2026-09-21T16:13:20+02:00", "2026-09-21T11:43:22-02:30"),
        ("2026-09-21 14:13:20", "2026-09-21 16:13:22+02:00"),
        (str(NOW_S), str(NOW_S + 2)),
        (str(NOW_MS), str(NOW_MS + 2000)),
    ],
)
def test_range_has_its_start_and_not_its_end_however_it_is_written(standing: Past, start: str, end: str) -> None:
    asset = str(uuid.uuid4())
    standing.write(*(row(make.alert("RAISED", stamp_s=NOW_S + n, asset_id=asset)) for n in range(-1, 4)))
    items = standing.items("/alerts", assetId=asset, start=start, end=end)
    assert [item["createdAt"][17:19] for item in items] == ["21", "20"]


def test_offset_whose_plus_was_not_encoded_is_understood(standing: Past) -> None:
    asset = str(uuid.uuid4())
    standing.write(row(make.alert("RAISED", asset_id=asset)))
    path = f"/alerts?assetId={asset}&start=2026-09-21T16:13:20+02:00&end=2026-09-21T16:13:20.001+0200"
    assert len(standing.fake.get(path)["items"]) == 1


@pytest.mark.parametrize(
    "path", ["/alerts", "/events/history", "/audit", "/pipeline/leaks", "/flow/range", "/flow/series", "/flow/export"]
)
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("start=yesterday", "start"),
        ("end=nan", "end"),
        ("end=inf", "end"),
        ("start=9999999-01-01T00:00:00Z", "start"),
        ("end=1e99", "end"),
        ("start=2026-09-22&end=2026-09-21", "start"),
    ],
)
def test_bad_range_is_refused_naming_the_parameter(standing: Past, path: str, query: str, field: str) -> None:
    assert standing.refusal(f"{path}?{query}").startswith(f"{field}: ")


def test_start_in_the_future_is_not_compared_with_an_end_that_nobody_gave(standing: Past) -> None:
    for path in ("/flow/range", "/flow/series", "/flow/export"):
        assert standing.refusal(f"{path}?start=2100-01-01").startswith(
            "start: expected a time that is not in the future"
        )


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/alerts?limit=0", "limit"),
        ("/alerts?limit=1001", "limit"),
        ("/alerts?limit=all", "limit"),
        ("/alerts?severity=loud", "severity"),
        ("/alerts?assetId=a%00b", "assetId"),
        ("/pipeline/leaks?status=big", "status"),
        ("/events/history?types=no.such", "types"),
        ("/events/history?assets=v-101&assets=a%00b", "assets.1"),
        ("/flow/range?limit=10001", "limit"),
        ("/flow/history?hoursBack=-1", "hoursBack"),
        ("/flow/history?hoursBack=nan", "hoursBack"),
        ("/flow/recentanomalies?limit=0", "limit"),
        ("/flow/export?hours=1e9", "hours"),
        ("/flow/series?points=1", "points"),
        ("/flow/series?points=5001", "points"),
        ("/flow/export?hours=1&start=0", "hours"),
    ],
)
def test_absurd_question_is_refused_naming_the_parameter(standing: Past, path: str, field: str) -> None:
    assert standing.refusal(path).startswith(f"{field}: ")


@pytest.mark.parametrize(
    "query",
    [
        "/alerts?status=&assetId=&start=&end=&limit=&cursor=",
        "/flow/history?hoursBack=",
        "/flow/range?start=&end=",
        "/flow/recentanomalies?hours=&limit=",
    ],
)
def test_parameter_without_a_value_is_one_not_given(standing: Past, query: str) -> None:
    standing.write(sample(NOW_MS), row(make.anomaly("OPENED")), row(make.alert("RAISED")))
    assert standing.fake.get(query) == standing.fake.get(query.partition("?")[0])


# -- what happened -----------------------------------------------------------------------------------------------------


def test_stroke_is_told_from_its_request_to_its_end(past: Past) -> None:
    known = {"requested_by": "http 10.0.0.7", "reason": "weekly test"}
    ended = {"peak_torque_nm": 181.4, "duration_s": 8.0, "final_position": 0.4, "error_code": 7, "error_msg": "stuck"}
    past.write(
        row(make.actuation("REQUESTED", thing(1), **known)),
        row(make.actuation("FAILED", thing(1), NOW_S + 8, **known, **ended)),
        row(make.actuation("REQUESTED", thing(2), valve_id="v-102")),
    )
    assert past.items("/valves/v-101/actuations") == [
        {
            "actuationId": str(thing(1)),
            "valveId": "v-101",
            "status": "failed",
            "requestedAt": "2026-09-21T14:13:20.000Z",
            "completedAt": "2026-09-21T14:13:28.000Z",
            "targetPosition": 0.0,
            "finalPosition": 0.4,
            "torqueNm": 181.4,
            "durationSec": 8.0,
            "errorCode": 7,
            "message": "stuck",
            "requestedBy": "http 10.0.0.7",
            "reason": "weekly test",
        }
    ]
    assert past.fake.request("GET", "/valves/v-999/actuations").status_code == 404


def test_alert_is_told_with_what_became_of_it(past: Past) -> None:
    past.write(
        row(make.alert("RAISED", thing(1))),
        row(make.alert("CLEARED", thing(1), NOW_S + 60)),
        row(make.alert("RAISED", thing(2), NOW_S + 1, severity=Alert.SEVERITY_CRITICAL, module="flow-iq")),
    )
    standing, cleared = past.items("/alerts")
    assert (standing["status"], standing["clearedAt"], standing["severity"]) == ("raised", None, "critical")
    assert (cleared["createdAt"], cleared["clearedAt"]) == ("2026-09-21T14:13:20.000Z", "2026-09-21T14:14:20.000Z")
    assert (cleared["moduleKey"], cleared["assetKind"], cleared["assetId"]) == ("valve-ops", "valve", "v-101")
    assert past.items("/alerts", status="raised") == past.items("/alerts", moduleKey="flow-iq") == [standing]
    assert past.items("/alerts", severity="warning") == [cleared]
    assert past.items("/alerts", assetId="v-102") == []


@pytest.mark.parametrize(
    ("live", "history", "list_", "message"),
    [
        ("/pipeline/alerts", "/pipeline/leaks", "recentHistory", make.leak("CONTAINED")),
        ("/flow/anomalies", "/flow/anomalies/history", "", make.anomaly("OPENED", severity=FlowAnomaly.SEVERITY_HIGH)),
        ("/rig/detections", "/rig/detections/history", "detections", make.detection("STARTED")),
    ],
)
def test_history_tells_what_the_present_told(past: Past, live: str, history: str, list_: str, message: Any) -> None:
    past.write(row(message))
    past.fake.say(message)
    told = past.fake.get(live)
    assert past.items(history) == (told[list_] if list_ else told)


def test_history_is_picked_by_what_it_is_of(past: Past) -> None:
    past.write(
        row(make.leak("ACTIVE", thing(1))),
        row(make.leak("REPAIRED", thing(2), section="A-North", severity=Leak.SEVERITY_MINOR)),
        row(make.anomaly("OPENED", thing(3), type="noise", severity=FlowAnomaly.SEVERITY_HIGH)),
        row(make.anomaly("CLOSED", thing(4), line_id="fl-2")),
        row(make.detection("STARTED", thing(5), type="smoke")),
        row(make.detection("ENDED", thing(6), camera_id="cam-101")),
    )
    for path, query, n in (
        ("/pipeline/leaks", {"section": "A-North"}, 2),
        ("/pipeline/leaks", {"status": "active"}, 1),
        ("/pipeline/leaks", {"severity": "minor", "section": "A-North"}, 2),
        ("/flow/anomalies/history", {"lineId": "fl-2"}, 4),
        ("/flow/anomalies/history", {"severity": "high"}, 3),
        ("/flow/anomalies/history", {"type": "noise"}, 3),
        ("/rig/detections/history", {"cameraId": "cam-101"}, 6),
        ("/rig/detections/history", {"type": "smoke"}, 5),
    ):
        assert [item["id"] for item in past.items(path, **query)] == [str(thing(n))], (path, query)


def test_events_are_told_as_they_were_with_their_ids(past: Past) -> None:
    past.write(
        event_row(0, "leak.alert", "C-South"),
        event_table.began(EventId(NOW_MS + 1, 0)),
        event_row(2),
        event_row(3, asset="v-102"),
    )
    assert past.items("/events/history") == [
        {"id": f"{NOW_MS + n}-0", "type": event_type, "n": n}
        for n, event_type in ((3, "alert.created"), (2, "alert.created"), (0, "leak.alert"))
    ]
    assert [item["n"] for item in past.items("/events/history", types="leak.*")] == [0]
    assert [item["n"] for item in past.items("/events/history", assets="v-101,C-South")] == [2, 0]
    assert [item["n"] for item in past.items("/events/history", start=NOW_MS + 2)] == [3, 2]


def test_audit_tells_who_did_what(past: Past) -> None:
    past.write(audit_row(NOW_MS))
    told = {"at": "2026-09-21T14:13:20.000Z", "who": "http 10.0.0.7", "action": "POST /x", "status": 200}
    assert past.items("/audit") == [{"id": str(thing(0)), **told}]


def test_incidents_and_missions_are_told_as_they_are(past: Past) -> None:
    past.fake.say(make.alert("RAISED"))
    mission = past.fake.post("/missions", json={"title": "Drill", "timeline": [{"at": 30, "title": "Close v-102"}]})
    (incident,) = past.fake.get("/incidents")["activeIncidents"]
    for path, told in (("/incidents/history", incident), ("/missions/history", mission.json())):
        eventually(lambda path=path: past.items(path), bool, f"in {path}")
        assert past.items(path) == [told]
    assert past.items("/incidents/history", status="resolved") == past.items("/missions/history", type="scenario") == []
    assert past.items("/incidents/history", severity="warning") == [incident]


def test_thing_that_nobody_can_read_does_not_hide_the_others(past: Past, caplog: pytest.LogCaptureFixture) -> None:
    whole = row(make.leak("ACTIVE", thing(1)))
    broken = row(make.leak("ACTIVE", thing(2)))
    past.write(whole, Row(broken.table, {**broken.values, "data": "{}"}))
    assert [item["id"] for item in past.items("/pipeline/leaks")] == [str(thing(1))]
    assert f"left out {thing(2)} of leak_detections" in caplog.text


def test_history_is_asked_anew_each_time(past: Past) -> None:
    for path in ("/incidents/history", "/missions/history", "/alerts"):
        response = past.fake.request("GET", path)
        assert "etag" not in response.headers
        assert past.fake.request("HEAD", path).status_code == 200
    past.write(row(make.alert("RAISED")))
    assert len(past.items("/alerts")) == 1


# -- flow metrics ------------------------------------------------------------------------------------------------------


def test_statistics_and_range_are_of_what_is_in_the_database(past: Past) -> None:
    past.write(*(sample(NOW_MS - age_s * 1000, flow_rate_lpm=3000.0 + age_s) for age_s in (7200, 120, 60, 0)))
    past.write(row(make.anomaly("CLOSED", stamp_s=NOW_S - 60)), row(make.anomaly("CLOSED", stamp_s=NOW_S - 7200)))
    history = past.fake.get("/flow/history")
    assert history["stats"]["flow"] == {"min": 3000, "max": 3120, "avg": 3060}
    assert (history["sampleCount"], history["anomaliesCount"]) == (3, 1)
    assert history["since"] == "2026-09-21T12:13:20.000Z"
    assert past.fake.get("/flow/history?hoursBack=3")["sampleCount"] == 4
    window = past.fake.get("/flow/range", params={"start": "2026-09-21T14:12:00Z", "end": NOW_S})
    assert [metrics["timestamp"] for metrics in window["metrics"]] == ["2026-09-21T14:12:20.000Z"]
    assert window["metrics"][0] == {
        "flowRateLpm": 3060,
        "pressurePa": 1.2e6,
        "temperatureC": 38.5,
        "viscosity": None,
        "timestamp": "2026-09-21T14:12:20.000Z",
    }
    assert past.fake.get("/flow/range")["metrics"][-1]["timestamp"] == "2026-09-21T14:13:20.000Z"


def test_range_goes_on_at_its_cursor_and_its_aggregation_is_of_all(past: Past) -> None:
    past.write(*(sample(NOW_MS - n * 1000, flow_rate_lpm=float(n)) for n in range(10)))
    query: dict[str, Any] = {"limit": 4, "start": NOW_S - 8}
    flows = []
    while True:
        answer = past.fake.get("/flow/range", params=query)
        flows += [metrics["flowRateLpm"] for metrics in answer["metrics"]]
        assert answer["aggregation"]["flow"] == {"min": 0, "max": 8, "avg": 4}
        if answer["nextCursor"] is None:
            break
        query["cursor"] = answer["nextCursor"]
    assert flows == list(reversed(range(9)))


def test_nothing_kept_is_told_as_nothing(past: Past) -> None:
    nothing = {"min": None, "max": None, "avg": None}
    assert past.fake.get("/flow/history")["stats"] == {"flow": nothing, "pressure": nothing, "temperature": nothing}
    assert past.fake.get("/flow/range")["since"] is None
    assert past.fake.get("/flow/series")["points"] == []
    assert past.fake.get("/flow/export")["rowCount"] == 0


def test_recent_anomalies_are_limited_in_time_and_number(past: Past) -> None:
    past.write(*(row(make.anomaly("OPENED", stamp_s=NOW_S - 600 * n)) for n in range(10)))
    assert len(past.fake.get("/flow/recentanomalies?hours=1")) == 7
    newest, second = past.fake.get("/flow/recentanomalies?hours=1&limit=2")
    assert newest["detectedAt"] > second["detectedAt"]


def csv_of(path: str, past: Past) -> tuple[str, Mapping[str, str]]:
    response = past.fake.request("GET", path, headers={"Accept": "text/csv"})
    assert response.status_code == 200
    return response.text, response.headers


def test_export_has_every_row_in_order_as_json_and_as_a_file(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_archive, "PAGE_ROWS", 3)
    past.write(*(sample(NOW_MS - n * 60_000, flow_rate_lpm=3000 + n / 7) for n in range(10)))
    past.write(sample(NOW_MS - 10 * 60_000, pressure_pa=None), sample(NOW_MS, line="fl-2"))
    expected = ["timestamp,flow_lpm,pressure_pa,temperature_c", "2026-09-21T14:03:20.000Z,3300,,38.5"]
    expected += [f"2026-09-21T14:{13 - n:02d}:20.000Z,{3000 + n / 7:.10g},1200000,38.5" for n in reversed(range(10))]
    export = past.fake.get("/flow/export?hours=1")
    assert (export["format"], export["rowCount"]) == ("csv", 11)
    assert export["data"].splitlines() == expected
    text, headers = csv_of("/flow/export?hours=1", past)
    assert text == export["data"]
    assert headers["content-type"].startswith("text/csv")
    assert headers["content-disposition"] == 'attachment; filename="fl-1.csv"'
    text, _ = csv_of(f"/flow/export?start={NOW_MS - 120_000}&end={NOW_MS}", past)
    assert text.splitlines() == expected[:1] + expected[-3:-1]


def test_export_too_long_for_json_is_refused_pointing_to_the_file(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_routes, "MAX_JSON_ROWS", 5)
    past.write(*(sample(NOW_MS - n) for n in range(6)))
    assert "Accept: text/csv" in past.refusal("/flow/export", hours=1)
    assert past.refusal("/flow/export", start=0).startswith("start: expected at most 5 samples")
    assert len(csv_of("/flow/export", past)[0].splitlines()) == 7
    assert past.fake.get("/flow/export", params={"start": NOW_MS - 4})["rowCount"] == 5


def test_history_that_cannot_be_read_is_told_saying_why(rig: Rig, tmp_path: Path) -> None:
    with past_of(rig, f"sqlite:///{tmp_path / 'plainview.db'}") as past:
        for table in ("alerts", "flow_metrics", "events"):
            with past.database.transaction() as connection:
                connection.exec_driver_sql(f"DROP TABLE {table}")
        for path, table in (("/alerts", "alerts"), ("/flow/range", "flow_metrics"), ("/events/history", "events")):
            response = past.fake.request("GET", path)
            assert (response.status_code, response.json()["error"]) == (503, "history_unavailable")
            assert response.json()["detail"] == f"history: no such table: {table}"
            assert response.headers["retry-after"] == "5"


def test_bridge_without_a_database_says_so(fake: FakeBridge) -> None:
    for path in (*LISTS, "/flow/history", "/flow/series", "/flow/recentanomalies", "/flow/export"):
        response = fake.request("GET", path, headers={"Accept": "text/csv"})
        assert (response.status_code, response.json()["error"]) == (503, "history_unavailable")
        assert "without a database" in response.json()["detail"]


# -- series ------------------------------------------------------------------------------------------------------------

FIELDS = {"flowRateLpm": "flow_rate_lpm", "pressurePa": "pressure_pa", "temperatureC": "temperature_c"}


def expected_series(rows: Sequence[Row], bucket_ms: int, start_ms: int, end_ms: int) -> dict[int, Any]:
    """Computed from the rows one by one."""
    values: dict[int, dict[str, list[float]]] = {}
    for each in rows:
        at_ms: Any = each.values["timestamp_ms"]
        if start_ms <= at_ms < end_ms:
            for name, column in FIELDS.items():
                value: Any = each.values[column]
                if value is not None:
                    begin_ms = at_ms // bucket_ms * bucket_ms
                    values.setdefault(begin_ms, {}).setdefault(name, []).append(value)
    return {
        begin_ms: {
            name: {"min": min(some), "avg": math.fsum(some) / len(some), "max": max(some), "count": len(some)}
            for name, some in metrics.items()
        }
        for begin_ms, metrics in values.items()
    }


def told_series(past: Past, **query: object) -> tuple[int, dict[int, Any]]:

    series = past.fake.get("/flow/series", params=query)
    points = {}
    for point in series["points"]:
        begin_ms = round(parse_s(point.pop("timestamp")) * 1000)
        points[begin_ms] = {name: value for name, value in point.items() if value is not None}
    assert list(points) == sorted(points)
    return round(series["bucketSec"] * 1000), points


def assert_series(past: Past, rows: Sequence[Row], start_ms: int, end_ms: int, points: int) -> int:
    bucket_ms, told = told_series(past, start=start_ms, end=end_ms, points=points)
    expected = expected_series(rows, bucket_ms, start_ms, end_ms)
    assert told.keys() == expected.keys()
    assert len(told) <= points
    for begin_ms, metrics in expected.items():
        assert told[begin_ms].keys() == metrics.keys()
        for name, figures in metrics.items():
            assert told[begin_ms][name] == pytest.approx(figures), (begin_ms, name)
    return bucket_ms


def samples_of(hours: int, every_ms: int) -> list[Row]:
    """Waves, with gaps and missing values."""
    rows = []
    for n in range(hours * HOUR_MS // every_ms):
        at_ms = NOW_MS + n * every_ms + n % 7
        if n % 500 > 30:
            temperature = None if n % 11 == 0 else 38 + math.sin(n / 90)
            rows.append(sample(at_ms, flow_rate_lpm=3300 + 200 * math.sin(n / 50), temperature_c=temperature))
    return rows


STRETCHES = [
    (0, 6 * HOUR_MS, 1000),
    (0, 6 * HOUR_MS, 30),
    (0, 6 * HOUR_MS, 4),
    (12_345, 5 * HOUR_MS + 54_321, 100),
    (12_345, 5 * HOUR_MS + 54_321, 5),
    (20 * MINUTE_MS + 1, 21 * MINUTE_MS, 2),
    (HOUR_MS, HOUR_MS + 900, 5000),
]


def test_series_is_what_the_rows_say(past: Past) -> None:
    rows = samples_of(hours=6, every_ms=2000)
    past.write(*rows, sample(NOW_MS, line="fl-2"))
    for start_ms, end_ms, points in STRETCHES:
        assert_series(past, rows, NOW_MS + start_ms, NOW_MS + end_ms, points)


def roll_up_all(past: Past, now_ms: int) -> None:
    more = True
    while more:
        with past.database.transaction() as connection:
            more = roll_up.step(connection, now_ms)


def mark(past: Past, count: int) -> None:
    """Have roll-ups show where they are read: none of the rows has a viscosity."""
    with past.database.transaction() as connection:
        for table in ("flow_metrics_minute", "flow_metrics_hour"):
            values = ", ".join(f"viscosity_{part} = 1" for part in ("sum", "min", "max"))
            connection.exec_driver_sql(f"UPDATE {table} SET viscosity_n = {count}, {values}")


def delete(past: Past, table: str, before_ms: int) -> None:
    """As retention does."""
    with past.database.transaction() as connection:
        connection.exec_driver_sql(f"DELETE FROM {table} WHERE timestamp_ms < {before_ms}")


def test_series_of_roll_ups_is_what_the_rows_say_also_of_late_ones(past: Past) -> None:
    rows = samples_of(hours=6, every_ms=2000)
    past.write(*rows)
    roll_up_all(past, NOW_MS + 5 * HOUR_MS)  # the last hour is not rolled up
    mark(past, 1)
    for start_ms, end_ms, points in STRETCHES[:5]:
        bucket_ms, told = told_series(past, start=NOW_MS + start_ms, end=NOW_MS + end_ms, points=points)
        assert any("viscosity" in metrics for metrics in told.values()) == (bucket_ms % MINUTE_MS == 0)
    mark(past, 0)
    late = [sample(NOW_MS + n * 20 * MINUTE_MS + 999, flow_rate_lpm=9000.0 + n) for n in range(9)]
    past.write(*late)
    roll_up_all(past, NOW_MS + 5 * HOUR_MS)
    for start_ms, end_ms, points in STRETCHES:
        assert_series(past, [*rows, *late], NOW_MS + start_ms, NOW_MS + end_ms, points)
    everything = past.fake.get("/flow/range", params={"start": NOW_MS, "end": NOW_MS + 6 * HOUR_MS, "limit": 1})
    assert everything["aggregation"]["flow"]["max"] == 9008.0


def test_series_of_a_time_whose_rows_are_gone_is_made_of_what_is_left(past: Past) -> None:
    rows = samples_of(hours=6, every_ms=2000)
    past.write(*rows)
    roll_up_all(past, NOW_MS + 7 * HOUR_MS)
    first_ms = NOW_MS // HOUR_MS * HOUR_MS
    delete(past, "flow_metrics", first_ms + 4 * HOUR_MS)
    assert assert_series(past, rows, first_ms, first_ms + 2 * HOUR_MS, 1000) == MINUTE_MS
    assert assert_series(past, rows, first_ms + 5 * HOUR_MS, first_ms + 6 * HOUR_MS, 1000) == 4000
    delete(past, "flow_metrics_minute", first_ms + 2 * HOUR_MS)
    assert assert_series(past, rows, first_ms, first_ms + 6 * HOUR_MS, 1000) == HOUR_MS
    assert past.fake.get("/flow/history?hoursBack=1")["since"] == iso(first_ms / 1000)


@given(
    start_ms=st.integers(0, 4_000_000_000_000),
    length_ms=st.integers(0, 4_000_000_000_000),
    points=st.integers(2, 5000),
    kept_ms=st.sampled_from([1, MINUTE_MS, HOUR_MS]),
)
def test_no_stretch_touches_more_buckets_than_points_were_asked_for(
    start_ms: int, length_ms: int, points: int, kept_ms: int
) -> None:
    stretch = flow_table.Stretch(start_ms, start_ms + length_ms)
    bucket_ms = flow_table.bucket_length_ms(stretch, points, kept_ms)
    assert bucket_ms % kept_ms == 0
    assert (stretch.end_ms - 1) // bucket_ms - start_ms // bucket_ms < points
    assert bucket_ms < MINUTE_MS or bucket_ms % MINUTE_MS == 0


# -- a file of any length ----------------------------------------------------------------------------------------------


class Download:
    """A client of the application that takes a response piece by piece."""

    def __init__(self, past: Past, path: str) -> None:
        self._past = past
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"accept", b"text/csv")],
            "client": ("testclient", 1),
            "server": ("bridge", 80),
        }
        self.lines = 0
        self.is_complete = False

    async def take(self, when: Callable[[int], object], leave_after: int | None = None) -> None:
        """Until the response has ended, however.

        Args:
            when: called after each piece with the number of lines so far.
            leave_after: the client goes away with so many lines.
        """
        left = asyncio.Event()

        async def receive() -> Mapping[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            self.lines += message.get("body", b"").count(b"\n")
            self.is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            when(self.lines)
            if leave_after is not None and self.lines > leave_after:
                left.set()
                await asyncio.sleep(0)

        await self._past.fake.app(self._scope, receive, send)


def test_file_whose_database_goes_away_is_cut_off_and_does_not_look_complete(
    past: Past, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(flow_archive, "PAGE_ROWS", 10)
    past.write(*(sample(NOW_MS - n) for n in range(100)))

    def break_after(lines: int) -> None:
        if lines > 30:
            monkeypatch.setattr(flow_table, "samples", refuse)

    def refuse(*_: object) -> None:
        raise DatabaseError("the disk is gone")

    download = Download(past, "/flow/export")
    past.fake.run(download.take(break_after))
    assert (download.is_complete, download.lines) == (False, 31)
    assert "an export was cut off: history: the disk is gone" in caplog.text
    assert not past.fake.bridge.export_seats.occupants


def test_file_stops_being_read_when_its_client_has_left(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_archive, "PAGE_ROWS", 10)
    past.write(*(sample(NOW_MS - n) for n in range(1000)))
    download = Download(past, "/flow/export")
    past.fake.run(download.take(lambda _: None, leave_after=30))
    assert not download.is_complete
    assert download.lines < 100
    assert not past.fake.bridge.export_seats.occupants


@pytest.mark.parametrize("accept", ["text/csv", "application/json"])
def test_no_more_than_so_many_exports_are_read_at_once(
    past: Past, accept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_table, "samples", None)  # who has no seat reads nothing
    with contextlib.ExitStack() as seats:
        for n in range(MAX_EXPORTS):
            seats.enter_context(past.fake.bridge.export_seats.take(n))
        response = past.fake.request("GET", "/flow/export", headers={"Accept": accept})
    assert (response.status_code, response.json()["error"]) == (503, "too_many_streams")
