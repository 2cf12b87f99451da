"""/incidents over HTTP, from messages as they come from ROS."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

import bridge_messages as make
from bridge_fakes import FakeBridge
from plainview_ros.msg import Alert


def alert(valve_id: str = "v-101", phase: str = "RAISED", **more: Any) -> Alert:
    return make.alert(phase, asset_id=valve_id, message=f"{valve_id} is too hot", **more)


def test_alert_becomes_an_incident(fake: FakeBridge) -> None:
    thing = uuid.uuid4()
    fake.say(alert(thing=thing, severity=Alert.SEVERITY_CRITICAL))
    event = fake.next_event("incident.created")
    assert set(event) >= {"type", "incidentId", "severity", "timestamp"}
    assert event["severity"] == "critical"
    listed = fake.get("/incidents")
    assert listed["activeCount"] == 1
    (incident,) = listed["activeIncidents"]
    assert listed["recentIncidents"] == [incident]
    assert incident["id"] == event["incidentId"]
    assert incident["alertIds"] == [str(thing)]
    assert incident["affectedModules"] == ["valve-ops"]
    assert (incident["title"], incident["status"], incident["resolvedAt"]) == ("v-101 is too hot", "active", None)
    assert incident["timeline"][0]["type"] == "alert"
    assert fake.get(f"/incidents/{incident['id']}") == incident


def test_clearing_is_an_update(fake: FakeBridge) -> None:
    thing = uuid.uuid4()
    fake.say(alert(thing=thing), alert(phase="CLEARED", thing=thing))
    created, updated = fake.next_event("incident.created"), fake.next_event("incident.updated")
    assert created["incidentId"] == updated["incidentId"]


def test_history_makes_incidents_without_events(fake: FakeBridge) -> None:
    fake.say(alert(stamp_s=make.NOW_S - 7200), alert("v-103"))
    created = fake.next_event("incident.created")
    titles = {incident["id"]: incident["title"] for incident in fake.get("/incidents")["recentIncidents"]}
    assert sorted(titles.values()) == ["v-101 is too hot", "v-103 is too hot"]
    assert titles[created["incidentId"]] == "v-103 is too hot"


def test_operator_tells_the_story_to_its_end(fake: FakeBridge) -> None:
    fake.say(alert())
    id_ = fake.next_event("incident.created")["incidentId"]
    assert fake.post(f"/incidents/{id_}/update", json={"status": "investigating"}).json()["status"] == "investigating"
    done = fake.post(f"/incidents/{id_}/update", json={"rootCause": "Worn packing", "resolution": "Replaced"}).json()
    assert (done["status"], done["rootCause"], done["resolution"]) == ("resolved", "Worn packing", "Replaced")
    assert done["resolvedAt"].endswith("Z")
    told = fake.get(f"/incidents/{id_}/timeline")
    assert (told["incidentId"], told["status"], told["resolvedAt"]) == (id_, "resolved", done["resolvedAt"])
    stamps = [entry["timestamp"] for entry in told["timeline"]]
    assert len(stamps) == 4
    assert stamps == sorted(stamps, reverse=True)
    assert fake.get("/incidents")["activeCount"] == 0


def test_health_is_no_incident(fake: FakeBridge) -> None:
    empty = fake.get("/incidents/health")
    assert (empty["totalIncidents"], empty["systemHealth"], empty["avgResolutionMinutes"]) == (0, 100, 0)
    fake.say(alert(severity=Alert.SEVERITY_CRITICAL))
    fake.say(alert("v-103"))
    health = fake.get("/incidents/health")
    assert (health["totalIncidents"], health["activeIncidents"], health["criticalIncidents"]) == (2, 2, 1)
    assert health["systemHealth"] == 80


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"status": "gone"}, "status"),
        ({}, "at least one of status, rootCause, resolution"),
        ({"resolution": "  "}, "resolution"),
        ({"rootCause": 5}, "rootCause"),
        ([], "object"),
        (None, "body"),
    ],
)
def test_bad_update_is_named(fake: FakeBridge, body: Any, named: str) -> None:
    fake.say(alert())
    id_ = fake.next_event("incident.created")["incidentId"]
    answer = fake.post(f"/incidents/{id_}/update", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.json()["detail"]


def test_resolved_incident_stays_resolved(fake: FakeBridge) -> None:
    fake.say(alert())
    id_ = fake.next_event("incident.created")["incidentId"]
    fake.post(f"/incidents/{id_}/update", json={"status": "resolved"})
    answer = fake.post(f"/incidents/{id_}/update", json={"status": "active"})
    assert (answer.status_code, answer.json()["error"]) == (409, "illegal_transition")
    assert "is resolved and cannot become active" in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/timeline"), ("POST", "/update")])
def test_unknown_incident_is_not_found(fake: FakeBridge, method: str, path: str) -> None:
    answer = fake.request(method, f"/incidents/i-1{path}", json={"status": "resolved"})
    assert (answer.status_code, answer.json()["error"], answer.json()["ok"]) == (404, "not_found", False)
