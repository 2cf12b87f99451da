"""Every request that commands is in the audit log, whatever became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

import bridge_messages as make
from bridge_fakes import FakeBridge
from plainview_ros.bridge.audit import MAX_ACTION, REFUSED_PER_S, Audit
from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.store.models import audit_log
from plainview_ros.bridge.store.rows import Row
from plainview_ros.ros.conversions import to_plain
from web import eventually


@pytest.fixture
def fake(fake: FakeBridge) -> FakeBridge:
    return fake.record()


def told(fake: FakeBridge) -> list[tuple[Any, ...]]:
    """Who, action and status of what the audit log has."""
    rows = [row.values for row in fake.bridge.keeping.ledger.waiting() if row.table == "audit_log"]
    return [(row["who"], row["action"], row["status"]) for row in rows]


def test_command_is_told_with_who_and_what_was_answered(fake: FakeBridge) -> None:
    fake.say(make.valve_states(v_101={}))
    assert fake.post("/valves/v-101/actuate").status_code == 200
    assert told(fake) == [("http testclient", "POST /valves/v-101/actuate", 200)]
    (_, _, requested_by, _) = fake.gateway.commands[0][1:]
    assert requested_by == "http testclient"


def test_command_on_a_baseline_is_told_with_what_it_was(fake: FakeBridge) -> None:
    (fake.gateway.line,) = to_plain(make.flow_state())["lines"]
    fake.post("/flow/lines/fl-1/baseline", json={"action": "learn", "note": "second pump"})
    fake.post("/flow/lines/fl-1/baseline", json={"action": "forget"})
    assert told(fake) == [
        ("http testclient", "POST /flow/lines/fl-1/baseline: learn second pump", 200),
        ("http testclient", "POST /flow/lines/fl-1/baseline", 422),
    ]


def test_refused_commands_are_told_too(fake: FakeBridge) -> None:
    fake.gateway.refusal = BridgeError(409, "busy", "it moves")
    refused = [
        fake.post("/valves/v-999/actuate"),
        fake.post("/valves/v-101/actuate", json={"targetPosition": 0.5}),
        fake.post("/valves/v-101/actuate", json={"targetPosition": 7}),
        fake.post("/missions", content=b"{"),
        fake.request("DELETE", "/valves"),
        fake.request("PUT", "/nowhere"),
    ]
    statuses = [404, 409, 422, 422, 405, 404]
    assert [answer.status_code for answer in refused] == statuses
    assert [status for _, _, status in told(fake)] == statuses


def test_flood_of_refused_commands_is_a_few_rows_and_their_number(fake: FakeBridge) -> None:
    for _ in range(REFUSED_PER_S + 25):
        fake.post("/nowhere")
    fake.post("/missions", json={"title": "Drill"})
    rows = eventually(lambda: told(fake), lambda rows: "more refused" in str(rows), "the number of the others")
    refused = [row for row in rows if row[2] == 404]
    (summed,) = [action for _, action, _ in refused if "more refused" in action]
    assert len(refused) < REFUSED_PER_S + 25
    assert summed.endswith(" more refused, the last POST /nowhere")
    assert ("http testclient", "POST /missions", 200) in rows or ("http testclient", "POST /missions", 201) in rows


def test_every_command_that_was_refused_for_how_things_were_is_told(fake: FakeBridge) -> None:
    fake.gateway.refusal = BridgeError(409, "busy", "it moves")
    for _ in range(REFUSED_PER_S + 5):
        fake.post("/valves/v-101/actuate", json={"targetPosition": 0.5})
    assert [status for _, _, status in told(fake)] == [409] * (REFUSED_PER_S + 5)


def test_questions_are_not_told(fake: FakeBridge) -> None:
    fake.get("/valves")
    fake.request("HEAD", "/valves")
    fake.request("OPTIONS", "/valves")
    assert told(fake) == []


def test_query_is_left_out_and_the_path_bounded(fake: FakeBridge) -> None:
    fake.post("/missions?token=secret", json={"title": "Drill"})
    fake.post(f"/{'x' * 2000}")
    (_, first, _), (_, second, _) = told(fake)
    assert first == "POST /missions"
    assert len(second) == MAX_ACTION


def test_row_has_the_columns_of_the_table(fake: FakeBridge) -> None:
    fake.post("/missions", json={"title": "Drill"})
    (row,) = [row for row in fake.bridge.keeping.ledger.waiting() if row.table == "audit_log"]
    assert row.values.keys() == {column.name for column in audit_log.columns}


App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise ValueError("defect")


async def read_to_the_end(_scope: Scope, receive: Receive, _send: Send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def be_cancelled(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("app", "status", "raised"),
    [
        (answer, 200, None),
        (fail, 500, ValueError),
        (read_to_the_end, 0, None),
        (be_cancelled, 0, asyncio.CancelledError),
    ],
)
def test_client_that_leaves_is_told_apart_from_a_defect(
    app: App, status: int, raised: type[BaseException] | None
) -> None:
    rows: list[Row] = []
    scope = {"type": "http", "method": "POST", "path": "/missions", "client": None}

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        assert not rows, "told before the answer"

    async def ask() -> None:
        await Audit(app, lambda _scope, row: rows.append(row))(scope, receive, send)

    if raised is None:
        asyncio.run(ask())
    else:
        with pytest.raises(raised):
            asyncio.run(ask())
    (row,) = rows
    assert (row.values["who"], row.values["action"], row.values["status"]) == ("http", "POST /missions", status)
