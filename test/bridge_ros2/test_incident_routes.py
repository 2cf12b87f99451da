"""/incidents over HTTP, from messages as they come from ROS."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from drawn_web import Web

from plainview_ros.ros import topics


def alert(asset_id: str = "v-101", severity: str = "warning", phase: str = "raised", **changes: Any) -> dict[str, Any]:
    return {
        "header": {"stamp": time.time(), "frame_id": ""},
        "event_id": str(uuid.uuid4()),
        "alert_id": str(uuid.uuid4()),
        "module": "valve-ops",
        "asset_kind": "valve",
        "asset_id": asset_id,
        "code": "valve_status",
        "phase": phase,
        "severity": severity,
        "message": f"{asset_id} is too hot",
    } | changes


def test_alert_becomes_an_incident(web: Web) -> None:
    raised = alert(severity="critical")
    web.receive(topics.ALERTS, raised)
    event = web.event("incident.created")
    assert set(event) >= {"type", "incidentId", "severity", "timestamp"}
    assert event["severity"] == "critical"
    listed = web.get("/incidents").json()
    assert listed["activeCount"] == 1
    (incident,) = listed["activeIncidents"]
    assert listed["recentIncidents"] == [incident]
    assert incident["id"] == event["incidentId"]
    assert incident["alertIds"] == [raised["alert_id"]]
    assert incident["affectedModules"] == ["valve-ops"]
    assert (incident["title"], incident["status"], incident["resolvedAt"]) == ("v-101 is too hot", "active", None)
    assert incident["timeline"][0]["type"] == "alert"
    assert web.get(f"/incidents/{incident['id']}").json() == incident


def test_clearing_is_an_update(web: Web) -> None:
    raised = alert()
    web.receive(topics.ALERTS, raised)
    web.receive(topics.ALERTS, raised | {"phase": "cleared", "event_id": str(uuid.uuid4())})
    assert web.event("incident.created")["incidentId"] == web.event("incident.updated")["incidentId"]


def test_history_makes_incidents_without_events(web: Web) -> None:
    old = alert(header={"stamp": time.time() - 7200, "frame_id": ""})
    web.receive(topics.ALERTS, old)
    web.receive(topics.ALERTS, alert("v-103"))
    created = web.event("incident.created")
    titles = {incident["id"]: incident["title"] for incident in web.get("/incidents").json()["recentIncidents"]}
    assert sorted(titles.values()) == ["v-101 is too hot", "v-103 is too hot"]
    assert titles[created["incidentId"]] == "v-103 is too hot"


def test_operator_tells_the_story_to_its_end(web: Web) -> None:
    web.receive(topics.ALERTS, alert())
    id_ = web.event("incident.created")["incidentId"]
    assert web.post(f"/incidents/{id_}/update", json={"status": "investigating"}).json()["status"] == "investigating"
    done = web.post(f"/incidents/{id_}/update", json={"rootCause": "Worn packing", "resolution": "Replaced"}).json()
    assert (done["status"], done["rootCause"], done["resolution"]) == ("resolved", "Worn packing", "Replaced")
    assert done["resolvedAt"].endswith("Z")
    told = web.get(f"/incidents/{id_}/timeline").json()
    assert (told["incidentId"], told["status"], told["resolvedAt"]) == (id_, "resolved", done["resolvedAt"])
    stamps = [entry["timestamp"] for entry in told["timeline"]]
    assert len(stamps) == 4
    assert stamps == sorted(stamps, reverse=True)
    assert web.get("/incidents").json()["activeCount"] == 0


def test_health_is_no_incident(web: Web) -> None:
    empty = web.get("/incidents/health").json()
    assert (empty["totalIncidents"], empty["systemHealth"], empty["avgResolutionMinutes"]) == (0, 100, 0)
    web.receive(topics.ALERTS, alert(severity="critical"))
    web.receive(topics.ALERTS, alert("v-103"))
    health = web.get("/incidents/health").json()
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
def test_bad_update_is_named(web: Web, body: Any, named: str) -> None:
    web.receive(topics.ALERTS, alert())
    id_ = web.event("incident.created")["incidentId"]
    answer = web.post(f"/incidents/{id_}/update", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.json()["detail"]


def test_resolved_incident_stays_resolved(web: Web) -> None:
    web.receive(topics.ALERTS, alert())
    id_ = web.event("incident.created")["incidentId"]
    web.post(f"/incidents/{id_}/update", json={"status": "resolved"})
    answer = web.post(f"/incidents/{id_}/update", json={"status": "active"})
    assert (answer.status_code, answer.json()["error"]) == (409, "illegal_transition")
    assert "is resolved and cannot become active" in answer.json()["detail"]


def test_unknown_incident_is_not_found(web: Web) -> None:
    for answer in (
        web.get("/incidents/i-1"),
        web.get("/incidents/i-1/timeline"),
        web.post("/incidents/i-1/update", json={"status": "resolved"}),
    ):
        assert (answer.status_code, answer.json()["error"], answer.json()["ok"]) == (404, "not_found", False)
