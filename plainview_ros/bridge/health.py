"""How the bridge and what it watches are doing."""

from __future__ import annotations

from time import monotonic

from plainview_ros import __version__
from plainview_ros.bridge.context import Bridge
from plainview_ros.bridge.schemas.core import Check, Condition, Health, Module
from plainview_ros.bridge.state import State
from plainview_ros.bridge.store.event_store import Condition as HistoryCondition
from plainview_ros.system import MODULES

EXECUTOR_SILENT_S = 3.0
"""The node's executor and the thread that takes events turn twice a second; after this long one hangs or has ended."""


def modules(state: State) -> list[Module]:
    return [
        Module(
            key=module.key,
            title=module.title,
            description=module.description,
            status=_freshness(state, module.state_topic).status,
        )
        for module in MODULES
    ]


def health(bridge: Bridge) -> Health:
    """Down is only the bridge itself, when its ROS side does not run; what it watches can at most be degraded."""
    silent_s = bridge.gateway.silent_s()
    ros = Check(status="ok")
    if silent_s > EXECUTOR_SILENT_S:
        ros = Check(status="down", detail=f"a thread of the ROS side has done nothing for {silent_s:.1f} s")
    checks = {"ros": ros, "events": _events(bridge)}
    if bridge.keeping.store is not None:
        checks["history"] = _history(bridge.keeping.store.condition)
    if bridge.keeping.mirror is not None:
        trouble = bridge.keeping.mirror.trouble
        checks["redis"] = Check(status="degraded", detail=trouble) if trouble else Check(status="ok")
    checks |= {module.key: _freshness(bridge.state, module.state_topic) for module in MODULES}
    for work in bridge.ended:
        checks[work] = Check(
            status="degraded", detail="ended by a defect, see the bridge's log; start the bridge again"
        )
    for complaint in bridge.state.complaints():
        checks[complaint["name"]] = Check(status="degraded", detail=f"{complaint['level']}: {complaint['message']}")
    status: Condition = "ok" if all(check.status == "ok" for check in checks.values()) else "degraded"
    return Health(
        status="down" if ros.status == "down" else status,
        uptime_sec=int(monotonic() - bridge.started_s),
        checks=checks,
        version=__version__,
    )


def _freshness(state: State, topic: str) -> Check:
    age_s = state.age_s(topic)
    if age_s is None:
        return Check(status="down", detail=f"nothing was received on {topic} yet")
    if state.is_stale(topic):
        return Check(status="degraded", detail=f"stale: the last {topic} is {age_s:.1f} s old")
    return Check(status="ok")


def _history(condition: HistoryCondition) -> Check:
    detail = "; ".join(filter(None, (condition.trouble, condition.told))) or None
    return Check(status="degraded" if condition.trouble or condition.told else "ok", detail=detail)


def _events(bridge: Bridge) -> Check:
    log = bridge.log
    held = f"{log.entries} events, {log.size_bytes} bytes in memory, {len(bridge.event_seats.occupants)} clients"
    if log.closed:
        return Check(status="down", detail=held)
    trouble = bridge.keeping.trouble()
    return Check(status="degraded", detail=trouble) if trouble else Check(status="ok", detail=held)
