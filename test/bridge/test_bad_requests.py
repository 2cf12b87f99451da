"""Each refusal names what was wrong."""

from __future__ import annotations

from typing import Any

import pytest

from bridge_fakes import FakeBridge

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
    assert (problem["error"], problem["detail"]) == ("method_not_allowed", "'/valves' has no PUT, it has GET")
