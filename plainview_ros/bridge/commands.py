"""Commands to ROS: what can become of one, and how the refusal of a node reads over HTTP."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.gateway import Plain

T = TypeVar("T")


REFUSALS: dict[str, tuple[int, str]] = {
    "absent": (503, "ros_unavailable"),
    "rejected": (409, "rejected"),
    "unknown_valve": (404, "not_found"),
    "bad_target": (422, "bad_target"),
    "busy": (409, "busy"),
    "no_position": (409, "no_position"),
    "unknown_leak": (404, "not_found"),
    "already_repaired": (409, "already_repaired"),
    "unknown_line": (404, "not_found"),
    "still_learning": (409, "still_learning"),
    "inactive": (503, "inactive"),
}
"""HTTP status and code of what a command can be refused for; any other name is a failure of the command (502)."""


def refusal(error_name: str, detail: str) -> BridgeError:
    """The error for what became of a command, named as ``ros.clients.Tell`` says."""
    status, code = REFUSALS.get(error_name, (502, error_name))
    return BridgeError(status, code, detail or error_name.replace("_", " "))


def other_end(valve_id: str, state: Plain | None, stale: bool) -> float:
    """Target of a stroke nobody gave one for: the end position the valve is farther from.

    Raises:
        BridgeError: 409 when the position is not known now; a valve is not sent anywhere on an old one.
    """
    position = None if state is None or stale or "position" in state["stale"] else state["position"]
    if position is None:
        detail = f"the present position of {valve_id} is not known, so there is no other end: give a targetPosition"
        raise BridgeError(409, "no_position", detail)
    return 0.0 if position >= 0.5 else 1.0


async def answered(answer: asyncio.Future[T], timeout_s: float, who: str) -> T:
    """Wait for an answer from ROS. An rclpy future may never complete, so the limit is ours."""
    try:
        return await asyncio.wait_for(answer, timeout_s)
    except asyncio.TimeoutError:
        raise BridgeError(504, "ros_timeout", f"{who} did not answer within {timeout_s:g} s") from None
