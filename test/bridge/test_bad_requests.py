"""Each refusal names what was wrong."""

from __future__ import annotations

from typing import Any

import pytest

import bridge_messages as make
from bridge_fakes import FakeBridge
from plainview_ros.bridge.queries import given

JSON = {"Content-Type": "application/json"}


def refused(fake: FakeBridge, status: int, method: str, path: str, **options: Any) -> dict[str, Any]:
    response = fake.request(method, path, **options)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["ok"] is False
    return problem


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"speed" 1}', "not valid JSON at character 9: Expecting ':' delimiter"),
        (b"[1]", "expected a JSON object"),
    ],
)
def test_body_that_is_no_json_object_is_refused_naming_the_body(fake: FakeBridge, body: bytes, detail: str) -> None:
    problem = refused(fake, 422, "POST", "/missions/m/setspeed", content=body, headers=JSON)
    assert problem["errors"] == [{"field": "body", "message": detail}]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"a": "\xff"}', "body: not in UTF-8, see byte 7"),
        (b"[" * 100_000, "body: nested too deeply"),
        (b"9" * 5000, "5000 digits"),
    ],
)
def test_unreadable_body_is_refused_saying_why(fake: FakeBridge, body: bytes, detail: str) -> None:
    assert detail in refused(fake, 400, "POST", "/missions", content=body, headers=JSON)["detail"]


@pytest.mark.parametrize(
    ("headers", "found"),
    [({}, "none"), ({"Content-Type": "application/x-www-form-urlencoded"}, "application/x-www-form-urlencoded")],
)
def test_body_that_is_not_said_to_be_json_is_refused_naming_the_header(
    fake: FakeBridge, headers: dict[str, str], found: str
) -> None:
    detail = refused(fake, 422, "POST", "/missions/m/setspeed", content=b'{"speed": 2}', headers=headers)["detail"]
    assert detail == f"body: expected JSON with Content-Type: application/json, found {found}"


def test_rule_between_fields_is_told_as_it_is(fake: FakeBridge) -> None:
    problem = refused(fake, 422, "POST", "/incidents/i/update", json={})
    assert problem["detail"] == "body: expected at least one of status, rootCause, resolution"


def test_path_and_method_that_nothing_has_are_named(fake: FakeBridge) -> None:
    problem = refused(fake, 404, "GET", "/valve")
    assert (problem["error"], problem["detail"]) == ("not_found", "there is nothing at '/valve'")
    problem = refused(fake, 405, "PUT", "/valves")
    assert (problem["error"], problem["detail"]) == ("method_not_allowed", "'/valves' has no PUT, it has GET, HEAD")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/missions/m/setspeed", {"speed": "2"}, "speed"),
        ("/missions/m/setspeed", {"speed": True}, "speed"),
        ("/ros2/nodes/register", {"name": "a", "type": "b", "deadlineSec": True}, "deadlineSec"),
        ("/ros2/nodes/register", {"name": "a", "type": "b", "location": {"lat": "58", "lon": 1}}, "location.lat"),
        ("/ros2/command", {"nodeId": "/a", "topic": "/b", "timeout": "1"}, "timeout"),
    ],
)
def test_text_or_truth_value_is_not_taken_for_a_number(
    fake: FakeBridge, path: str, body: dict[str, Any], field: str
) -> None:
    (error,) = refused(fake, 422, "POST", path, json=body)["errors"]
    assert error["field"] == field


def test_agent_has_a_bounded_number_of_topics(fake: FakeBridge) -> None:
    body = {"name": "a", "type": "b", "topics": {"publish": [f"/t{n}" for n in range(501)]}}
    assert refused(fake, 422, "POST", "/ros2/nodes/register", json=body)["errors"][0]["field"] == "topics.publish"


@pytest.mark.parametrize(
    "query",
    [
        "/flow/anomalies?severity=&type=",
        "/rig/detections?cameraId=&type=&confidence_min=",
        "/ros2/nodes?type=&namespace=",
        "/ros2/telemetry?nodeId=&topic=&maxAge=",
    ],
)
def test_parameter_without_a_value_is_one_not_given(fake: FakeBridge, query: str) -> None:
    fake.say(make.flow_state(), make.anomaly("OPENED"), make.detection("STARTED"))
    fake.next_event("ros2.node.discovered")
    path = query.partition("?")[0]
    assert fake.get(query) == fake.get(path)


def test_parameter_with_a_value_is_kept_beside_one_without() -> None:
    assert given(b"severity=&type=noise&x&a=1=&=") == b"type=noise&a=1="
