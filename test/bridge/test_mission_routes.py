"""/missions over HTTP, played in real time."""

from __future__ import annotations

from typing import Any

import pytest

from bridge_fakes import FakeBridge

JSON = {"content-type": "application/json"}


def create(fake: FakeBridge, *times_s: float, **more: Any) -> str:
    timeline = [{"at": at_s, "title": f"at {at_s:g}"} for at_s in times_s]
    answer = fake.post("/missions", json={"title": "Drill", "type": "scenario", "timeline": timeline, **more})
    assert answer.status_code == 200, answer.text
    id_: str = answer.json()["id"]
    return id_


def test_mission_plays_to_its_end_by_itself(fake: FakeBridge) -> None:
    id_ = create(fake, 0, 0.05)
    assert fake.post(f"/missions/{id_}/start").json() == {"ok": True}
    started = fake.next_event("mission.started")
    assert (started["missionId"], started["missionName"], started["status"]) == (id_, "Drill", "active")
    assert isinstance(started["at"], int)
    assert fake.next_event("mission.updated")["step"] == {"at": 0.0, "title": "at 0"}
    assert fake.next_event("mission.updated")["step"]["title"] == "at 0.05"
    completed = fake.next_event("mission.completed")
    assert completed["duration"] == 0, "by the node's clock, which stands still here"
    mission = fake.get(f"/missions/{id_}")
    assert (mission["status"], mission["progress"], mission["stepsReached"]) == ("completed", 100, 2)
    assert mission["completedAt"] >= mission["startedAt"] >= mission["createdAt"]


def test_change_of_speed_reaches_a_sleeping_player(fake: FakeBridge) -> None:
    id_ = create(fake, 2.0)
    fake.post(f"/missions/{id_}/start")
    assert fake.post(f"/missions/{id_}/setspeed", json={"speed": 10}).json() == {"ok": True, "speed": 10}
    assert fake.next_event("mission.completed")["duration"] < 1.5


def test_active_mission_is_shown_with_its_progress(fake: FakeBridge) -> None:
    nothing = {"active": False, "mission": None, "progress": 0}
    assert fake.get("/missions/status/active") == nothing
    id_ = create(fake, 3600)
    fake.post(f"/missions/{id_}/start")
    shown = fake.get("/missions/status/active")
    assert (shown["active"], shown["mission"]["id"]) == (True, id_)
    assert 0 <= shown["progress"] < 1
    listed = fake.get("/missions")
    assert (listed["count"], listed["active"]["id"]) == (1, id_)
    assert fake.post(f"/missions/{id_}/pause").json() == {"ok": True}
    assert fake.get("/missions/status/active") == nothing
    assert fake.post(f"/missions/{id_}/resume").json() == {"ok": True}
    assert fake.post(f"/missions/{id_}/stop").json() == {"ok": True}
    assert fake.get(f"/missions/{id_}")["status"] == "completed"


def test_first_plainviews_body_is_understood(fake: FakeBridge) -> None:
    entry = {"timestamp": "2026-01-01T00:00:00.000Z", "type": "alert", "title": "Hot", "severity": "high", "data": {}}
    mission = fake.post("/missions", json={"title": "Yesterday", "timeline": [entry]}).json()
    assert (mission["type"], mission["status"], mission["playbackSpeed"]) == ("replay", "draft", 1)
    assert mission["timeline"] == [{**entry, "at": 0}]
    branch = fake.post(f"/missions/{mission['id']}/branch", json={"title": "What if"}).json()
    assert (branch["type"], branch["title"], branch["timeline"]) == ("scenario", "What if", mission["timeline"])
    assert fake.post(f"/missions/{mission['id']}/branch").json()["title"] == "Yesterday (scenario)"


@pytest.mark.parametrize("speed", ["0.09", "10.5", "-1", '"fast"', "null", "[]", "NaN", "Infinity"])
def test_bad_speed_is_refused(fake: FakeBridge, speed: str) -> None:
    answer = fake.post(f"/missions/{create(fake, 10)}/setspeed", headers=JSON, content=f'{{"speed": {speed}}}')
    assert answer.status_code == 422, answer.text
    assert "speed" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ('{"type": "film"}', "type"),
        ('{"title": ""}', "title"),
        ('{"timeline": [{"title": "a"}]}', "timeline[0]"),
        ('{"timeline": [{"at": 0, "title": "a", "data": NaN}]}', "timeline.0"),
        ('{"timeline": [{"at": 0, "title": "\\ud800"}]}', "timeline.0"),
        ('{"timeline": [5]}', "timeline.0"),
        ('{"timeline": "soon"}', "timeline"),
        ("{", "JSON"),
    ],
)
def test_bad_mission_is_named(fake: FakeBridge, body: str, named: str) -> None:
    answer = fake.post("/missions", headers=JSON, content=body)
    assert answer.status_code == 422, answer.text
    assert named in answer.json()["detail"]


def test_wrong_command_is_a_conflict_that_names_the_status(fake: FakeBridge) -> None:
    id_ = create(fake, 10)
    answer = fake.post(f"/missions/{id_}/pause")
    assert (answer.status_code, answer.json()["error"]) == (409, "illegal_state")
    assert "it is draft, not active" in answer.json()["detail"]
    other = create(fake, 10)
    fake.post(f"/missions/{id_}/start")
    assert fake.post(f"/missions/{other}/start").status_code == 409


@pytest.mark.parametrize("command", ["start", "pause", "resume", "stop", "branch"])
def test_unknown_mission_is_not_found(fake: FakeBridge, command: str) -> None:
    answer = fake.post(f"/missions/nobody/{command}")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert fake.request("GET", "/missions/nobody").status_code == 404
