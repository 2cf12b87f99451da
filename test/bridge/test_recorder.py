"""What becomes known is a row with exactly its table's columns, from which it can be had again."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

import bridge_messages as make
from bridge_fakes import FakeBridge
from plainview_ros.bridge import journal
from plainview_ros.bridge.ledger import Ledger
from plainview_ros.bridge.node import EVENTS
from plainview_ros.bridge.recorder import MAX_DATA, MAX_TEXT, TRANSITIONS, UNREAD, Recorder, row_of_transition
from plainview_ros.bridge.restore import FIELDS, SINCE, check, incident_of, mission_of
from plainview_ros.bridge.store import models
from plainview_ros.bridge.store.models import THINGS, metadata
from plainview_ros.bridge.store.rows import Row
from plainview_ros.incidents.correlation import Span
from plainview_ros.incidents.finding import Asset
from plainview_ros.incidents.incident import Entry, Incident
from plainview_ros.missions.mission import Mission, Step
from plainview_ros.msg import FlowAnomaly
from plainview_ros.ros import topics
from plainview_ros.ros.conversions import to_plain, to_stamp

NOW_MS = round(make.NOW_S * 1000)

EACH = {
    topics.VALVE_ACTUATIONS: make.actuation("COMPLETED"),
    topics.PIPELINE_LEAKS: make.leak(),
    topics.FLOW_ANOMALIES: make.anomaly("OPENED"),
    topics.DETECTIONS: make.detection("STARTED"),
    topics.ALERTS: make.alert("RAISED"),
}

INCIDENT = Incident(
    id="i-1",
    title="v-101 is too hot",
    severity="critical",
    started_s=make.NOW_S,
    asset=Asset("valve", "v-101"),
    status="resolved",
    resolved_s=make.NOW_S + 60.5,
    affected_modules=("valve-ops",),
    detection_ids=("d-1",),
    alert_ids=("a-1", "a-2"),
    root_cause="Worn packing",
    resolution="Replaced",
    timeline=(
        Entry(make.NOW_S, "alert", "v-101 is too hot", "Critical", {"eventId": "e-1", "rateM3s": None}),
        Entry(make.NOW_S + 60.5, "action", "Status: resolved", "Replaced"),
    ),
)

MISSION = Mission(
    id="m-1",
    title="Drill",
    type="scenario",
    steps=(Step(0.0, "Alarm", {"at": 0, "title": "Alarm"}), Step(30.0, "Close", {"at": 30, "who": ["me"]})),
    created_s=make.NOW_S,
    status="active",
    started_s=make.NOW_S + 1,
    speed=2.0,
    reached=1,
    position_s=4.0,
    since=100.0,
)


@pytest.fixture
def fake(fake: FakeBridge) -> FakeBridge:
    return fake.record()


def columns(table: str) -> set[str]:
    return {column.name for column in metadata.tables[table].columns}


def kept(*calls: Any, ledger: Ledger | None = None) -> list[Row]:
    """Rows of what a recorder is told."""
    ledger = ledger or Ledger()
    recorder = Recorder(ledger, lambda: make.NOW_S)
    for name, *arguments in calls:
        getattr(recorder, name)(*arguments)
    return ledger.waiting()


def rows(fake: FakeBridge, table: str) -> list[Mapping[str, Any]]:
    return [row.values for row in fake.bridge.keeping.ledger.waiting() if row.table == table]


@pytest.mark.parametrize("topic", EVENTS)
def test_row_of_a_transition_has_the_columns_of_its_table_and_all_of_the_message(topic: str) -> None:
    data = to_plain(EACH[topic])
    row = row_of_transition(topic, data)
    assert row.values.keys() == columns(row.table)
    assert json.loads(str(row.values["data"])) == data
    assert row.values["stamp_ms"] == row.values[SINCE[row.table]] == NOW_MS


def test_every_event_topic_has_its_table_of_things() -> None:
    assert TRANSITIONS.keys() == EVENTS.keys() == FIELDS.keys()
    assert {table for table, _, _ in TRANSITIONS.values()} | {"incidents", "missions"} == THINGS.keys()
    assert dict(SINCE) == {name: thing.since for name, thing in THINGS.items()}


def test_phases_after_which_there_is_no_other_are_those_of_the_tables() -> None:
    assert {status for table, _, _ in TRANSITIONS.values() for status in models.ENDED[table]} == journal.ENDED


@pytest.mark.parametrize("topic", EVENTS)
def test_message_without_one_of_its_fields_is_not_taken_back(topic: str) -> None:
    data = to_plain(EACH[topic])
    check(topic, data)
    for field in data:
        without = {key: value for key, value in data.items() if key != field}
        with pytest.raises((KeyError, ValueError)):
            check(topic, without)


def test_units_of_the_columns_are_those_of_the_web() -> None:
    leak = row_of_transition(topics.PIPELINE_LEAKS, to_plain(make.leak(volume_m3=0.5, detected_at=to_stamp(7.25))))
    assert (leak.values["volume_estimate"], leak.values["position_m"]) == (500.0, None)
    assert leak.values["detected_at_ms"] == 7250
    flow = row_of_transition(topics.FLOW_ANOMALIES, to_plain(make.anomaly("OPENED", value=0.05)))
    assert flow.values["actual_value"] == pytest.approx(3000.0)
    pressure = make.anomaly("UPDATED", channel="pressure", value=2e6, severity=FlowAnomaly.SEVERITY_HIGH)
    row = row_of_transition(topics.FLOW_ANOMALIES, to_plain(pressure))
    assert (row.values["actual_value"], row.values["severity"], row.values["status"]) == (2e6, "high", "updated")


def test_stroke_is_completed_when_it_has_ended() -> None:
    requested = row_of_transition(topics.VALVE_ACTUATIONS, to_plain(make.actuation("REQUESTED")))
    assert (requested.values["status"], requested.values["completed_at_ms"]) == ("requested", None)
    assert requested.values["torque_nm"] is None
    failed = row_of_transition(topics.VALVE_ACTUATIONS, to_plain(make.actuation("FAILED", error_code=3)))
    assert (failed.values["completed_at_ms"], failed.values["error_code"]) == (NOW_MS, 3)


def test_long_texts_are_cut_and_the_message_stays_whole_json() -> None:
    row = row_of_transition(topics.ALERTS, to_plain(make.alert("RAISED", message="x" * (MAX_TEXT + 1))))
    assert len(str(row.values["message"])) == MAX_TEXT
    assert len(json.loads(str(row.values["data"]))["message"]) == MAX_TEXT + 1
    row = row_of_transition(topics.ALERTS, to_plain(make.alert("RAISED", message="x" * MAX_DATA)))
    assert json.loads(str(row.values["data"]))["message"] == "x" * MAX_TEXT


def test_each_transition_is_recorded_once_also_one_that_is_history(fake: FakeBridge) -> None:
    thing = uuid.uuid4()
    raised = make.alert("RAISED", thing, stamp_s=make.NOW_S - 7200)
    fake.say(raised, make.alert("CLEARED", thing), raised)
    assert [row["status"] for row in rows(fake, "alerts")] == ["raised", "cleared"]
    assert {row["id"] for row in rows(fake, "alerts")} == {str(thing)}


def test_flow_sample_is_recorded_once_with_its_units(fake: FakeBridge) -> None:
    fake.say(make.flow_state(), make.flow_state())
    (numbered,) = fake.bridge.keeping.ledger.take(10)
    assert numbered.row.table == "flow_metrics"
    assert numbered.row.is_telemetry
    values = dict(numbered.row.values)
    assert values.keys() == columns("flow_metrics")
    assert math.isclose(float(str(values.pop("flow_rate_lpm"))), 3300.0)
    assert values == {
        "line_id": "fl-1",
        "timestamp_ms": NOW_MS,
        "pressure_pa": 1.2e6,
        "temperature_c": None,
        "viscosity": None,
    }


def test_incident_comes_back_exactly() -> None:
    grave = Span(make.NOW_S, make.NOW_S + 5)
    (row,) = kept(("incident", INCIDENT, grave))
    assert row.values.keys() == columns("incidents")
    assert (row.values["resolved_at_ms"], row.values["stamp_ms"]) == (NOW_MS + 60_500, NOW_MS)
    assert incident_of(json.loads(str(row.values["data"]))) == (INCIDENT, grave)


def test_mission_comes_back_at_the_position_it_had() -> None:
    (row,) = kept(("mission", MISSION, 103.0))
    assert row.values.keys() == columns("missions")
    back = mission_of(json.loads(str(row.values["data"])))
    assert (back.position_s, back.reached, back.speed, back.steps) == (10.0, 1, 2.0, MISSION.steps)
    assert back.interrupted().status == "paused"
    assert back.interrupted().resumed(5.0).position_at(6.0) == 12.0


def test_changes_of_incidents_and_missions_are_recorded(fake: FakeBridge) -> None:
    fake.say(make.alert("RAISED"))
    id_ = fake.next_event("incident.created")["incidentId"]
    fake.post(f"/incidents/{id_}/update", json={"rootCause": "Worn packing"})
    recorded = rows(fake, "incidents")
    assert [json.loads(row["data"])["root_cause"] for row in recorded] == [None, "Worn packing"]
    assert recorded[0]["stamp_ms"] <= recorded[1]["stamp_ms"]
    mission = fake.post("/missions", json={"title": "Drill", "timeline": [{"at": 60, "title": "End"}]}).json()["id"]
    fake.post(f"/missions/{mission}/start")
    fake.post(f"/missions/{mission}/pause")
    assert [row["status"] for row in rows(fake, "missions")] == ["draft", "active", "paused"]


def test_incident_is_recorded_before_the_transition_that_made_it(fake: FakeBridge) -> None:
    fake.say(make.leak())
    tables = [row.table for row in fake.bridge.keeping.ledger.waiting()]
    assert tables == ["incidents", "leak_detections"]  # a kill in between: the transition is new again


def test_stored_incident_is_not_overwritten_before_it_was_read() -> None:
    ledger = Ledger()
    recorder = Recorder(ledger)
    recorder.knows_stored = False
    recorder.incident(INCIDENT, Span(0.0, 0.0))
    (row,) = ledger.waiting()
    assert row.values["stamp_ms"] == UNREAD < 1
