"""Which GETs tell the present state and nothing else, and what of it: what `answers.py` may keep.

Not here: what reads the history, waits for ROS or never ends, and what a client may want fresher than a second
(``/ros2/telemetry?maxAge=``).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from plainview_ros.bridge.answers import Projection
from plainview_ros.bridge.context import Bridge
from plainview_ros.bridge.health import EXECUTOR_SILENT_S
from plainview_ros.ros import topics

STATES = (topics.VALVES_STATE, topics.PIPELINE_STATE, topics.FLOW_STATE, topics.CAMERAS_STATE)

ACTIVE_MISSION_S = 0.1
"""A mission under way moves on all the time: its progress may be told this late."""


def projections(bridge: Bridge) -> tuple[Projection, ...]:
    """Of the running bridge."""
    return (
        Projection(
            ("/health",),
            lambda: (bridge.state.revisions(*STATES, topics.DIAGNOSTICS), _own_trouble(bridge)),
            lambda now_s: min(_fresh_until(bridge, *STATES)(now_s), _silent_at(bridge, now_s)),
        ),
        _of_topics(bridge, ("/modules",), *STATES),
        _of_topics(bridge, ("/valves", "/valves/{valve_id}", "/valves/{valve_id}/health"), topics.VALVES_STATE),
        _of_topics(
            bridge,
            ("/pipeline/alerts", "/pipeline/health", "/pipeline/sections/{section}"),
            topics.PIPELINE_STATE,
            topics.PIPELINE_LEAKS,
        ),
        _of_topics(
            bridge,
            ("/flow/health", "/flow/metrics", "/flow/anomalies", "/flow/source", "/flow/prediction"),
            topics.FLOW_STATE,
            topics.FLOW_ANOMALIES,
        ),
        _of_topics(
            bridge,
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
            lambda: bridge.incidents.book.revision,
            lambda _: inf,
        ),
        Projection(
            ("/missions", "/missions/status/active", "/missions/{mission_id}"),
            lambda: bridge.missions.executor.revision,
            lambda now_s: inf if bridge.missions.executor.active is None else now_s + ACTIVE_MISSION_S,
        ),
        Projection(
            ("/ros2/nodes", "/ros2/nodes/{node_id:path}"),
            lambda: bridge.graph.book.revision,
            bridge.graph.book.known_until_s,
        ),
    )


def _of_topics(bridge: Bridge, paths: tuple[str, ...], *names: str) -> Projection:
    """Of what was said on topics; the state topics among them become stale."""
    fresh_until = _fresh_until(bridge, *(name for name in names if name in STATES))
    return Projection(paths, lambda: bridge.state.revisions(*names), fresh_until)


def _fresh_until(bridge: Bridge, *names: str) -> Callable[[float], float]:
    return lambda _: min(map(bridge.state.fresh_until_s, names))


def _own_trouble(bridge: Bridge) -> tuple[object, ...]:
    return len(bridge.ended), bridge.log.closed, bridge.keeping.trouble()


def _silent_at(bridge: Bridge, now_s: float) -> float:
    silent_s = bridge.gateway.silent_s()
    return inf if silent_s > EXECUTOR_SILENT_S else now_s + EXECUTOR_SILENT_S - silent_s
