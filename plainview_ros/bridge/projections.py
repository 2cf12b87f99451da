"""Which GETs tell the present state and nothing else, and what of it: what `answers.py` may keep.

Not here: what reads the history, waits for ROS or never ends, and what a client may want fresher than a second
(``/ros2/telemetry?maxAge=``).
"""

from __future__ import annotations

from math import inf

from plainview_ros.bridge.answers import Projection
from plainview_ros.bridge.context import Bridge
from plainview_ros.bridge.health import EXECUTOR_SILENT_S
from plainview_ros.ros import topics
from plainview_ros.system import MODULES

STATES = tuple(module.state_topic for module in MODULES)

ACTIVE_MISSION_S = 0.1
"""A mission under way moves on all the time: its progress may be told this late."""


def _of_topics(paths: tuple[str, ...], *names: str) -> Projection:
    """Of what was said on topics; the state topics among them become stale."""
    states = tuple(name for name in names if name in STATES)
    return Projection(
        paths, lambda bridge: bridge.state.revisions(*names), lambda bridge, _: _fresh_until_s(bridge, *states)
    )


def _fresh_until_s(bridge: Bridge, *states: str) -> float:
    return min(map(bridge.state.fresh_until_s, states))


def _health(bridge: Bridge) -> object:
    keeping = bridge.keeping
    order_trouble = keeping.mirror.trouble if keeping.mirror else ""
    history = keeping.store.condition if keeping.store else None
    own = (len(bridge.ended), bridge.log.closed, keeping.trouble(), order_trouble, history)
    return bridge.state.revisions(*STATES, topics.DIAGNOSTICS), own


def _health_until_s(bridge: Bridge, now_s: float) -> float:
    silent_s = bridge.gateway.silent_s()
    down_at_s = now_s + EXECUTOR_SILENT_S - silent_s if silent_s <= EXECUTOR_SILENT_S else inf
    return min(down_at_s, _fresh_until_s(bridge, *STATES))


def _missions_until_s(bridge: Bridge, now_s: float) -> float:
    return inf if bridge.missions.executor.active is None else now_s + ACTIVE_MISSION_S


HISTORIES = ("/incidents/history", "/missions/history")
"""Paths that look like those of a projection and are none."""

PROJECTIONS = (
    Projection(("/health",), _health, _health_until_s),
    _of_topics(("/modules",), *STATES),
    _of_topics(
        ("/valves", "/valves/{valve_id}", "/valves/{valve_id}/health"), topics.VALVES_STATE, topics.VALVE_ACTUATIONS
    ),
    _of_topics(
        ("/pipeline/alerts", "/pipeline/health", "/pipeline/sections/{section}"),
        topics.PIPELINE_STATE,
        topics.PIPELINE_LEAKS,
    ),
    _of_topics(
        (
            "/flow/health",
            "/flow/metrics",
            "/flow/anomalies",
            "/flow/source",
            "/flow/prediction",
            "/flow/lines/{line_id}/baseline",
        ),
        topics.FLOW_STATE,
        topics.FLOW_ANOMALIES,
        topics.FLOW_FORECAST,
    ),
    _of_topics(
        (
            "/rig/cameras",
            "/rig/cameras/{camera_id}",
            "/rig/cameras/{camera_id}/stream",
            "/rig/detections",
            "/rig/health",
        ),
        topics.CAMERAS_STATE,
        topics.DETECTIONS,
    ),
    Projection(
        ("/incidents", "/incidents/health", "/incidents/{incident_id}", "/incidents/{incident_id}/timeline"),
        lambda bridge: bridge.incidents.book.revision,
        lambda _, __: inf,
    ),
    Projection(
        ("/missions", "/missions/status/active", "/missions/{mission_id}"),
        lambda bridge: bridge.missions.executor.revision,
        _missions_until_s,
    ),
    Projection(
        ("/ros2/nodes", "/ros2/nodes/{node_id:path}"),
        lambda bridge: bridge.graph.book.revision,
        lambda bridge, now_s: bridge.graph.book.known_until_s(now_s),
    ),
)
