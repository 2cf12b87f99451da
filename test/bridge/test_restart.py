"""What was known before the bridge ended is known when it answers again, and nothing is told twice."""

from __future__ import annotations

import json
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

import bridge_messages as make
from bridge_fakes import FakeBridge, fake_bridge
from bridge_process import LiveBridge
from plainview_ros.assets import Rig
from plainview_ros.bridge import mission_player, restore
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.history_alert import HistoryAlert
from plainview_ros.bridge.incident_desk import LONG
from plainview_ros.bridge.mission_player import MANY_STEPS
from plainview_ros.bridge.recorder import UNREAD
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.errors import SpoolError
from plainview_ros.bridge.store.event_store import Condition
from plainview_ros.bridge.store.latest import latest, open_ones
from plainview_ros.bridge.store.models import THINGS, events, metadata
from plainview_ros.bridge.store.rows import Row
from plainview_ros.bridge.store.spool import Spool
from plainview_ros.msg import Alert, Leak, ValveActuation
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import to_stamp
from postgres import Postgres
from ros_graph import Graph
from web import eventually

KINDS = ("/pipeline/alerts", "/flow/anomalies", "/rig/detections", "/incidents", "/missions", "/valves")


@pytest.fixture
def fake(fake: FakeBridge) -> FakeBridge:
    return fake.record()


@pytest.fixture
def again(rig: Rig) -> Iterator[FakeBridge]:
    """The bridge that is started next."""
    with fake_bridge(rig) as bridge:
        yield bridge.record()


def things(fake: FakeBridge) -> list[Row]:
    """What the bridge has recorded, without the audit log."""
    return [row for row in fake.bridge.keeping.ledger.waiting() if row.table in restore.SINCE]


def start_with(fake: FakeBridge, rows: list[Row]) -> None:
    fake.in_loop(restore.take, fake.bridge, rows)


def everything() -> list[Any]:
    """A transition or two of each kind of thing."""
    stroke, leak, alert = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    return [
        make.actuation("REQUESTED", stroke, make.NOW_S - 9),
        make.actuation("COMPLETED", stroke, make.NOW_S - 5, peak_torque_nm=181.5, final_position=0.0),
        make.leak(thing=leak, stamp_s=make.NOW_S - 8),
        make.leak("CONTAINED", leak, make.NOW_S - 4),
        make.anomaly("OPENED", stamp_s=make.NOW_S - 7),
        make.detection("STARTED", stamp_s=make.NOW_S - 6),
        make.alert("RAISED", alert, make.NOW_S - 3),
    ]


def test_everything_is_answered_as_before(fake: FakeBridge, again: FakeBridge) -> None:
    fake.say(*everything())
    incident = fake.get("/incidents")["activeIncidents"][0]["id"]
    fake.post(f"/incidents/{incident}/update", json={"status": "investigating", "rootCause": "Worn packing"})
    fake.post("/missions", json={"title": "Drill", "timeline": [{"at": 5, "title": "Alarm"}]})
    start_with(again, things(fake))
    for path in KINDS:
        assert again.get(path) == fake.get(path), path
    valve = again.get("/valves/v-101")
    assert valve["lastTorqueNm"] == 181.5
    assert valve["lastActuationTime"] is not None


def test_what_ros_hands_over_again_is_neither_recorded_nor_told_to_an_incident_again(
    fake: FakeBridge, again: FakeBridge
) -> None:
    messages = everything()
    fake.say(*messages)
    start_with(again, things(fake))
    before = again.get("/incidents")
    again.say(*messages)
    assert things(again) == []
    assert again.get("/incidents") == before
    again.say(make.leak("REPAIRED", uuid.UUID(bytes=bytes(messages[2].leak_id.uuid)), make.NOW_S))
    assert [row.table for row in things(again)] == ["incidents", "leak_detections"]
    assert again.next_event("alert.acknowledged")


def test_transition_of_the_same_moment_is_told_apart(fake: FakeBridge, again: FakeBridge) -> None:
    thing = uuid.uuid4()
    requested, failed = make.actuation("REQUESTED", thing), make.actuation("FAILED", thing)
    fake.say(requested)
    start_with(again, things(fake))
    again.say(requested, failed)
    assert [row.values["status"] for row in things(again)] == ["failed"]
    start_with(fake, things(again))
    fake.say(failed, requested)
    latest_known = fake.bridge.state.last_stroke("v-101")
    assert latest_known is not None
    assert latest_known["phase"] == "failed"


def test_newest_of_several_rows_counts_in_any_order(fake: FakeBridge, again: FakeBridge, rig: Rig) -> None:
    thing = uuid.uuid4()
    fake.say(make.leak(thing=thing), make.leak("REPAIRED", thing, make.NOW_S + 60))
    rows = things(fake)
    for order in (rows, rows[::-1]):
        with fake_bridge(rig) as another:
            for row in order:
                start_with(another, [row])
            (leak,) = another.get("/pipeline/alerts")["recentHistory"]
            assert leak["status"] == "repaired"
            assert leak["detectedAt"] == fake.get("/pipeline/alerts")["recentHistory"][0]["detectedAt"]


def test_leak_that_pipeline_guard_no_longer_has_is_history(fake: FakeBridge, again: FakeBridge) -> None:
    fake.say(make.leak())
    start_with(again, things(fake))
    assert again.get("/pipeline/alerts")["activeLeakCount"] == 1
    again.say(make.pipeline_state(make.NOW_S + 1))
    told = again.get("/pipeline/alerts")
    assert (told["activeLeakCount"], len(told["recentHistory"])) == (0, 1)


def test_mission_under_way_is_paused_where_it_was_last_known_to_be_and_that_is_told(
    fake: FakeBridge, again: FakeBridge
) -> None:
    steps = [{"at": 0, "title": "Alarm"}, {"at": 3600, "title": "End"}]
    id_ = fake.post("/missions", json={"title": "Drill", "timeline": steps}).json()["id"]
    fake.post(f"/missions/{id_}/start")
    start_with(again, things(fake))
    told = again.next_event("mission.updated")
    assert (told["missionId"], told["status"]) == (id_, "paused")
    mission = again.get(f"/missions/{id_}")
    assert (mission["status"], mission["stepsReached"]) == ("paused", 1)
    assert mission["progress"] < 50
    assert again.get("/missions/status/active")["active"] is False
    assert again.post(f"/missions/{id_}/resume").status_code == 200
    assert again.get(f"/missions/{id_}")["stepsReached"] == 1


def test_row_that_cannot_be_read_is_named_and_passed_over(
    fake: FakeBridge, again: FakeBridge, caplog: pytest.LogCaptureFixture
) -> None:
    fake.say(*everything())
    fake.post("/missions", json={"title": "Drill"})
    whole = things(fake)
    damaged = [
        Row(row.table, {**row.values, "id": f"{row.table}-{number}", "data": data})
        for row in whole
        for number, data in enumerate(("", "[]", "{}", "null", '{"header": 3}', '{"grave": [1]}'))
    ]
    for row in whole:
        for column in ("stamp_ms", restore.SINCE[row.table]):
            values = {**row.values, "id": f"{row.table}-{column}"}
            damaged += [Row(row.table, {**values, column: odd}) for odd in (None, "now", 1.5)]
            damaged.append(Row(row.table, {key: value for key, value in values.items() if key != column}))
        damaged.append(Row(row.table, {**row.values, "id": 7}))
    with caplog.at_level(logging.ERROR):
        start_with(again, [*damaged, *whole])
    for row in damaged:
        assert f"passed over {row.values['id']} of {row.table}" in caplog.text
    assert again.get("/pipeline/alerts") == fake.get("/pipeline/alerts")
    assert len(again.get("/missions")["missions"]) == 1


def test_evidence_of_an_earlier_run_is_taken_along_by_an_incident_that_opens_now(
    fake: FakeBridge, again: FakeBridge
) -> None:
    fake.say(make.anomaly("OPENED", stamp_s=make.NOW_S - 60))
    start_with(again, things(fake))
    again.say(make.alert("RAISED", module="flow-iq", asset_kind="line", asset_id="fl-1"))
    (incident,) = again.get("/incidents")["activeIncidents"]
    assert len(incident["detectionIds"]) == 1


def test_operators_words_survive_a_database_that_was_away_at_the_start(fake: FakeBridge, again: FakeBridge) -> None:
    message = make.alert("RAISED")
    fake.say(message)
    id_ = fake.next_event("incident.created")["incidentId"]
    fake.post(f"/incidents/{id_}/update", json={"rootCause": "Worn packing", "status": "mitigated"})
    again.bridge.recorder.knows_stored = False
    again.say(message, make.alert("CLEARED", uuid.UUID(bytes=bytes(message.alert_id.uuid)), make.NOW_S + 1))
    stored = things(fake)[-1].values["stamp_ms"]
    assert all(row.values["stamp_ms"] < stored for row in things(again) if row.table == "incidents")
    start_with(again, things(fake))
    incident = again.get(f"/incidents/{id_}")
    assert (incident["rootCause"], incident["status"]) == ("Worn packing", "mitigated")
    titles = [entry["title"] for entry in incident["timeline"]]
    assert sorted(titles) == sorted({*titles})
    assert "Ended: v-101 is warm" in titles


def test_update_after_the_clock_was_set_back_is_newer_than_what_is_stored(fake: FakeBridge, again: FakeBridge) -> None:
    fake.say(make.alert("RAISED"))
    id_ = fake.next_event("incident.created")["incidentId"]
    tomorrow_ms = round((time.time() + 86_400) * 1000)
    (row,) = [row for row in things(fake) if row.table == "incidents"]
    start_with(again, [Row(row.table, {**row.values, "stamp_ms": tomorrow_ms})])
    again.post(f"/incidents/{id_}/update", json={"rootCause": "Worn packing"})
    assert things(again)[-1].values["stamp_ms"] == tomorrow_ms


def test_part_of_an_incident_that_a_later_row_has_is_not_taken(fake: FakeBridge) -> None:
    fake.say(make.alert("RAISED"))
    (read,) = [row for row in things(fake) if row.table == "incidents"]
    unread = Row(read.table, {**read.values, "stamp_ms": UNREAD})
    assert restore.newest([read, unread]) == [unread, read]
    assert restore.newest([unread, read]) == [read]


def test_steps_of_a_long_mission_are_recorded_soon_and_at_the_end(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [{"at": 0, "title": str(n)} for n in range(MANY_STEPS)] + [{"at": 3600, "title": "End"}]

    def reached(fake: FakeBridge) -> list[int]:
        rows = [row for row in fake.bridge.keeping.ledger.waiting() if row.table == "missions"]
        return [json.loads(str(row.values["data"]))["reached"] for row in rows]

    with fake_bridge(rig) as fake:
        id_ = fake.record().post("/missions", json={"title": "Drill", "timeline": steps}).json()["id"]
        fake.post(f"/missions/{id_}/start")
        eventually(lambda: reached(fake), lambda known: known[-1] == MANY_STEPS, "the steps")
    monkeypatch.setattr(mission_player, "RECORD_EVERY_S", 3600.0)
    with fake_bridge(rig) as fake:
        id_ = fake.record().post("/missions", json={"title": "Drill", "timeline": steps}).json()["id"]
        fake.post(f"/missions/{id_}/start")
        assert reached(fake)[-1] == 0
    assert reached(fake)[-1] == MANY_STEPS


def test_long_incident_is_not_recorded_with_each_finding_and_yet_to_its_end(rig: Rig) -> None:
    with fake_bridge(rig) as fake:
        fake.record().say(*(make.alert("RAISED", stamp_s=make.NOW_S + n / 10) for n in range(LONG + 20)))
        ledger = fake.bridge.keeping.ledger
        recorded = [row for row in ledger.waiting() if row.table == "incidents"]
        assert len(recorded) == LONG
        id_ = recorded[0].values["id"]
        fake.post(f"/incidents/{id_}/update", json={"rootCause": "Worn packing"})
        assert "Worn packing" in str([row for row in ledger.waiting() if row.table == "incidents"][-1].values["data"])
        fake.say(make.alert("RAISED", stamp_s=make.NOW_S + 10))
    last = [row for row in ledger.waiting() if row.table == "incidents"][-1]
    assert len(json.loads(str(last.values["data"]))["timeline"]) == LONG + 22


# -- the alert of history ----


AWAY, WELL = Condition(away="the database is away"), Condition()


def alerts(fake: FakeBridge) -> list[tuple[object, object]]:
    return [(row.values["id"], row.values["status"]) for row in things(fake) if row.table == "alerts"]


def history_alert(fake: FakeBridge) -> HistoryAlert:
    return HistoryAlert(fake.bridge.log, fake.bridge.keeping.ledger, fake.bridge.state.alerts)


def test_alert_of_history_that_an_earlier_run_raised_is_gone_on_with_and_cleared(
    fake: FakeBridge, again: FakeBridge
) -> None:
    fake.in_loop(history_alert(fake).tell, AWAY)
    ((id_, _),) = alerts(fake)
    start_with(again, things(fake))
    alert = history_alert(again)
    again.in_loop(alert.tell, AWAY)
    assert alerts(again) == []
    again.in_loop(alert.tell, WELL)
    again.in_loop(alert.tell, WELL)
    assert alerts(again) == [(id_, "cleared")]


def test_alert_of_history_that_is_found_late_is_cleared_too(fake: FakeBridge, again: FakeBridge) -> None:
    fake.in_loop(history_alert(fake).tell, AWAY)
    ((id_, _),) = alerts(fake)
    alert = history_alert(again)
    again.in_loop(alert.tell, AWAY)
    start_with(again, things(fake))
    again.in_loop(alert.tell, WELL)
    ((own, _), *cleared) = alerts(again)
    assert sorted(map(str, cleared)) == sorted(map(str, [(own, "cleared"), (id_, "cleared")]))


# -- with a database ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def variables(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Environment of a bridge with an empty database."""
    given = {"PLAINVIEW_STATE_DIR": str(tmp_path)}
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        given["POSTGRES_URL"] = postgres.new_database()
    return given


@pytest.fixture
def database(variables: dict[str, str]) -> Iterator[Database]:
    with closing(Database(str(Environment.of(variables).database_url))) as database:
        yield database


def stroke_row(number: int, valve_id: str, status: str) -> Row:
    values = dict.fromkeys(column.name for column in metadata.tables["valve_actuations"].columns)
    known = {"id": f"s-{number:04}", "valve_id": valve_id, "status": status, "error_code": 0, "data": "{}"}
    stamps = {"requested_at_ms": number, "stamp_ms": number}
    return Row("valve_actuations", {**values, "requested_by": "me", "reason": "", **known, **stamps})


def test_newest_and_open_things_and_the_last_stroke_of_each_valve_are_read(database: Database) -> None:
    rows = [stroke_row(n, "v-101", "completed") for n in range(10, 100)]
    rows += [stroke_row(3, "v-102", "requested"), stroke_row(2, "v-102", "failed"), stroke_row(1, "v-102", "failed")]
    database.write(rows)
    found = {row.values["id"] for row in latest(database, 5, ["v-101", "v-102", "v-103"])}
    assert found == {"s-0095", "s-0096", "s-0097", "s-0098", "s-0099", "s-0003", "s-0002"}


def test_open_things_are_found_by_their_index(variables: dict[str, str], database: Database) -> None:
    if "POSTGRES_URL" in variables:
        pytest.skip("its planner takes the index when the table is large enough")
    with database.transaction() as connection:
        for name, thing in THINGS.items():
            plan = connection.execute(text(f"EXPLAIN QUERY PLAN {open_ones(thing)}")).fetchall()
            assert f"ix_{name}_open" in str(plan)


class Kept:
    """What was in the database before the bridge was killed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, table: str) -> list[Any]:
        with self._database.transaction() as connection:
            return list(connection.execute(select(metadata.tables[table])))

    def events(self) -> list[Any]:
        with self._database.transaction() as connection:
            return list(connection.execute(select(events.c.type, events.c.source).order_by(events.c.ms)))

    def until(self, table: str, wanted: Callable[[list[Any]], bool], what: str) -> None:
        eventually(lambda: self.rows(table), wanted, what)


def test_killed_bridge_knows_at_its_first_answer_what_it_knew(
    tmp_path: Path, variables: dict[str, str], database: Database
) -> None:
    graph = Graph(tmp_path)
    graph.environment |= variables
    strokes = graph.publisher(ValveActuation, topics.VALVE_ACTUATIONS, qos.EVENT)
    leaks = graph.publisher(Leak, topics.PIPELINE_LEAKS, qos.EVENT)
    alerts = graph.publisher(Alert, topics.ALERTS, qos.EVENT)
    bridge = LiveBridge(graph)
    kept = Kept(database)
    try:
        now_s = graph.node.get_clock().now().nanoseconds / 1e9
        thing = uuid.uuid4()
        strokes.publish(make.actuation("REQUESTED", thing, now_s))
        strokes.publish(make.actuation("COMPLETED", thing, now_s + 1, peak_torque_nm=181.5, final_position=0.0))
        leaks.publish(make.leak(stamp_s=now_s, detected_at=to_stamp(now_s)))
        alerts.publish(make.alert("RAISED", stamp_s=now_s))
        incidents = bridge.get_until("/incidents", lambda told: told["activeCount"] == 2, "both incidents")
        incident = next(one["id"] for one in incidents["activeIncidents"] if one["alertIds"])
        bridge.post(f"/incidents/{incident}/update", {"rootCause": "Worn packing"}).raise_for_status()
        steps = {"title": "Drill", "timeline": [{"at": 0, "title": "Alarm"}, {"at": 3600, "title": "End"}]}
        draft = bridge.post("/missions", steps).json()["id"]
        active = bridge.post("/missions", steps).json()["id"]
        bridge.post(f"/missions/{active}/start").raise_for_status()
        kept.until("missions", lambda rows: "active" in [row.status for row in rows], "the mission in the database")
        kept.until("audit_log", lambda rows: len(rows) == 4, "the commands in the database")
        bridge.post(f"/incidents/{incident}/update", {"status": "investigating"})  # may not be in the database yet
        known = {path: bridge.get(path) for path in ("/pipeline/alerts", "/incidents", "/valves")}
        told = kept.events()
        bridge.process.kill()

        bridge.start()
        for path, before in known.items():
            assert bridge.get(path) == before, path
        assert bridge.get("/valves")[0]["lastTorqueNm"] == 181.5
        statuses = {mission["id"]: mission["status"] for mission in bridge.get("/missions")["missions"]}
        assert statuses == {draft: "draft", active: "paused"}

        after = make.alert("RAISED", stamp_s=now_s + 2, asset_id="v-103", message="v-103 is warm")
        alerts.publish(after)  # after what is handed over again
        bridge.get_until("/incidents", lambda said: "v-103 is warm" in str(said), "the alert that is new")
        kept.until("alerts", lambda rows: len(rows) == 2, "the alert that is new")
        new = f"alert.created {uuid.UUID(bytes=bytes(after.alert_id.uuid))}"
        now_told = eventually(kept.events, lambda rows: new in [row.source for row in rows], "the event that is new")
        assert now_told[: len(told)] == told
        assert [row.type for row in now_told].count("leak.alert") == 1
        assert [row.type for row in now_told].count("valve.actuation.completed") == 1
        assert len({row.source for row in now_told}) == len(now_told)
        assert len(bridge.get(f"/incidents/{incident}")["timeline"]) == 3
    finally:
        bridge.stop()
        graph.close()


def test_database_that_is_away_at_the_start_is_heard_when_it_is_back(
    tmp_path: Path, postgres: Postgres, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "ASK_AGAIN_S", 0.1)
    environment = Environment.of({"PLAINVIEW_STATE_DIR": str(tmp_path), "POSTGRES_URL": postgres.new_database()})
    other_place = Environment.of({"PLAINVIEW_STATE_DIR": str(tmp_path / "other")}).state_dir
    with fake_bridge(rig, environment=environment) as one:
        one.say(make.leak())
        incident = one.next_event("incident.created")["incidentId"]
        one.post(f"/incidents/{incident}/update", json={"rootCause": "Worn packing"})
    with postgres.away(), fake_bridge(rig, environment=environment) as one:
        one.post("/missions", json={"title": "Drill"})  # goes to the spool, or stays in the file
    with postgres.away():
        with fake_bridge(rig, environment=environment) as one:
            assert [mission["title"] for mission in one.get("/missions")["missions"]] == ["Drill"]
        another = fake_bridge(rig, environment=Environment(other_place, environment.database_url))
        two = another.__enter__()
        assert two.get("/incidents")["activeCount"] == 0
    try:
        told = eventually(lambda: two.get("/incidents"), lambda said: said["activeCount"] == 1, "the incident is back")
        assert told["activeIncidents"][0]["rootCause"] == "Worn packing"
        assert two.get("/pipeline/alerts")["activeLeakCount"] == 1
        two.post("/missions", json={"title": "Of the other"})
    finally:
        another.__exit__(None, None, None)
    with fake_bridge(rig, environment=environment) as one:
        eventually(lambda: one.bridge.keeping.store and one.bridge.keeping.store.behind, lambda n: n == 0, "all in it")
    with fake_bridge(rig, environment=Environment(other_place, environment.database_url)) as both:
        assert {mission["title"] for mission in both.get("/missions")["missions"]} == {"Drill", "Of the other"}


@pytest.mark.parametrize("spool_is_read", [True, False])
def test_operators_words_survive_two_restarts_in_one_outage(
    tmp_path: Path, postgres: Postgres, rig: Rig, monkeypatch: pytest.MonkeyPatch, spool_is_read: bool
) -> None:
    monkeypatch.setattr(restore, "ASK_AGAIN_S", 0.1)
    environment = Environment.of({"PLAINVIEW_STATE_DIR": str(tmp_path), "POSTGRES_URL": postgres.new_database()})
    message = make.alert("RAISED")
    with fake_bridge(rig, environment=environment) as one:
        one.say(message)
        update = f"/incidents/{one.next_event('incident.created')['incidentId']}/update"
        one.post(update, json={"rootCause": "Worn packing"})
    with postgres.away():
        for words in ({"status": "investigating"}, {"status": "mitigated"}):
            with fake_bridge(rig, environment=environment) as one:
                one.say(message)  # ROS hands it over again
                one.post(update, json=words).raise_for_status()

    async def fail(*_: object) -> list[Row]:
        monkeypatch.undo()
        monkeypatch.setattr(restore, "ASK_AGAIN_S", 0.1)
        raise SpoolError("it is locked")

    if not spool_is_read:
        monkeypatch.setattr(Spool, "things", fail)
    for _ in range(2):
        with fake_bridge(rig, environment=environment) as one:
            (told,) = eventually(
                lambda: one.get("/incidents")["activeIncidents"],
                lambda told: [incident["status"] for incident in told] == ["mitigated"],
                "what was said in the outage",
            )
            assert told["rootCause"] == "Worn packing"
            eventually(lambda: one.bridge.recorder.knows_stored, bool, "what is stored is known")
            eventually(
                lambda: one.bridge.keeping.store and one.bridge.keeping.store.behind, lambda n: n == 0, "all in it"
            )
    shutil.rmtree(tmp_path)
    with fake_bridge(rig, environment=environment) as one:
        (told,) = one.get("/incidents")["activeIncidents"]
        assert (told["rootCause"], told["status"]) == ("Worn packing", "mitigated")
