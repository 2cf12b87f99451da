"""What becomes known, as rows of history: the columns of ``store/models.py``, in their units.

What a row says of a thing is in its columns; all of it is in ``data``, from which :mod:`restore` has it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from time import time
from typing import Any

from plainview_ros.bridge.gateway import Plain, Received
from plainview_ros.bridge.ledger import Ledger
from plainview_ros.bridge.schemas.base import epoch_ms, litres, lpm
from plainview_ros.bridge.schemas.events import FlowMetricsUpdated
from plainview_ros.bridge.schemas.flow import is_flow
from plainview_ros.bridge.state import Applied
from plainview_ros.bridge.store.rows import Row, Value
from plainview_ros.incidents.correlation import Span
from plainview_ros.incidents.incident import Incident
from plainview_ros.missions.mission import Mission
from plainview_ros.ros import topics

MAX_TEXT = 1000
"""Characters of a text in a column; ``data`` has it all."""
MAX_DATA = 100_000
"""Characters of a message as JSON; of the texts of a longer one only the beginnings are kept."""

_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

UNREAD = 0
"""Stamp of an incident that was put together before it was known what is stored of it: any stored one is better."""


class Recorder:
    """Makes rows of what the bridge learns, and has them kept. All methods belong to the asyncio side."""

    def __init__(self, ledger: Ledger, now_s: Callable[[], float] = time) -> None:
        self._ledger = ledger
        self._now_s = now_s
        self._newest_ms = 0
        self.knows_stored = True
        """False while it is not known what the database, or the spool, has of incidents."""
        self.knows_spooled = True
        """False while it is not known what the spool has."""

    def record(self, received: Received, applied: Applied) -> None:
        """A message came from ROS, and everybody else has had it: what is recorded is not handed to them again."""
        if received.topic in TRANSITIONS:
            if applied.new:
                self._ledger.add(row_of_transition(received.topic, received.data))
            return
        for event in applied.announcements:
            if type(event) is FlowMetricsUpdated:
                row = row_of_metrics(event)
                if row is not None:
                    self._ledger.add(row)

    def incident(self, incident: Incident, grave: Span) -> None:
        """An incident has changed; ``grave`` is its span of grave findings."""
        self._ledger.add(row_of_incident(incident, grave, self._stamp_ms() if self.knows_stored else UNREAD))

    def mission(self, mission: Mission, monotonic_s: float) -> None:
        """A mission has changed."""
        self._ledger.add(row_of_mission(mission, monotonic_s, self._stamp_ms()))

    def go_on_from(self, stamp_ms: int) -> None:
        """What is stored has stamps up to this one; the clock may have been set back since."""
        self._newest_ms = max(self._newest_ms, stamp_ms)

    def _stamp_ms(self) -> int:
        """Never less than the one before: the newest row of a thing stays."""
        self._newest_ms = max(self._newest_ms, epoch_ms(self._now_s()))
        return self._newest_ms


# -- transitions -------------------------------------------------------------------------------------------------------


def row_of_transition(topic: str, data: Plain) -> Row:
    """One transition of a stroke, a leak, an anomaly, a detection or an alert."""
    table, id_field, columns = TRANSITIONS[topic]
    stamp_ms = epoch_ms(data["header"]["stamp"])
    text = _json(data)
    if len(text) > MAX_DATA:
        text = _json({key: _short(value) if isinstance(value, str) else value for key, value in data.items()})
    values = columns(data, stamp_ms)
    values["id"], values["stamp_ms"], values["data"] = data[id_field], stamp_ms, text
    return Row(table, values)


def _of_actuation(data: Plain, stamp_ms: int) -> dict[str, Value]:
    return {
        "valve_id": _short(data["valve_id"]),
        "status": data["phase"],
        "requested_at_ms": stamp_ms,  # a newer row does not move it; an older one that comes late changes nothing
        "completed_at_ms": None if data["phase"] == "requested" else stamp_ms,
        "target_position": data["target_position"],
        "final_position": data["final_position"],
        "torque_nm": data["peak_torque_nm"],
        "duration_s": data["duration_s"],
        "error_code": data["error_code"],
        "requested_by": _short(data["requested_by"]),
        "reason": _short(data["reason"]),
    }


def _of_leak(data: Plain, stamp_ms: int) -> dict[str, Value]:
    return {
        "section": _short(data["section"]),
        "severity": data["severity"],
        "status": data["status"],
        "detected_at_ms": _ms(data["detected_at"], stamp_ms),
        "latitude": data["latitude"],
        "longitude": data["longitude"],
        "position_m": data["position_m"],
        "volume_estimate": litres(data["volume_m3"]),
    }


def _of_anomaly(data: Plain, stamp_ms: int) -> dict[str, Value]:
    in_lpm = is_flow(data["channel"], data.get("unit", ""))
    low, high, value = data["expected_min"], data["expected_max"], data["value"]
    return {
        "line_id": _short(data["line_id"]),
        "type": _short(data["type"]),
        "severity": data["severity"],
        "status": data["phase"],
        "detected_at_ms": _ms(data["detected_at"], stamp_ms),
        "expected_min": lpm(low) if in_lpm else low,
        "expected_max": lpm(high) if in_lpm else high,
        "actual_value": lpm(value) if in_lpm else value,
    }


def _of_detection(data: Plain, stamp_ms: int) -> dict[str, Value]:
    return {
        "camera_id": _short(data["camera_id"]),
        "type": _short(data["type"]),
        "status": data["phase"],
        "confidence": data["confidence"],
        "timestamp_ms": stamp_ms,
    }


def _of_alert(data: Plain, stamp_ms: int) -> dict[str, Value]:
    return {
        "module_key": _short(data["module"]),
        "asset_id": _short(data["asset_id"]),
        "code": _short(data["code"]),
        "severity": data["severity"],
        "status": data["phase"],
        "message": _short(data["message"]),
        "created_at_ms": stamp_ms,
    }


TRANSITIONS: Mapping[str, tuple[str, str, Callable[[Plain, int], dict[str, Value]]]] = {
    topics.VALVE_ACTUATIONS: ("valve_actuations", "actuation_id", _of_actuation),
    topics.PIPELINE_LEAKS: ("leak_detections", "leak_id", _of_leak),
    topics.FLOW_ANOMALIES: ("flow_anomalies", "anomaly_id", _of_anomaly),
    topics.DETECTIONS: ("detections", "detection_id", _of_detection),
    topics.ALERTS: ("alerts", "alert_id", _of_alert),
}
"""Of each topic the table, the field with the thing's id, and the columns that only this table has."""


# -- flow metrics ------------------------------------------------------------------------------------------------------


def row_of_metrics(event: FlowMetricsUpdated) -> Row | None:
    """A sample of a line; ``None`` when nobody knows of when it is."""
    metrics = event.metrics
    if metrics.timestamp is None:
        return None
    return Row(
        "flow_metrics",
        {
            "line_id": event.line_id,
            "timestamp_ms": epoch_ms(metrics.timestamp),
            "flow_rate_lpm": metrics.flow_rate_lpm,
            "pressure_pa": metrics.pressure_pa,
            "temperature_c": metrics.temperature_c,
            "viscosity": metrics.viscosity,
        },
    )


# -- incidents and missions --------------------------------------------------------------------------------------------


def row_of_incident(incident: Incident, grave: Span, stamp_ms: int) -> Row:
    data: dict[str, Any] = {name: getattr(incident, name) for name in incident.__slots__}
    data["timeline"] = [{name: getattr(entry, name) for name in entry.__slots__} for entry in incident.timeline]
    data["grave"] = grave
    return Row(
        "incidents",
        {
            "id": incident.id,
            "title": _short(incident.title),
            "severity": incident.severity,
            "status": incident.status,
            "started_at_ms": epoch_ms(incident.started_s),
            "resolved_at_ms": _ms(incident.resolved_s),
            "stamp_ms": stamp_ms,
            "data": _json(data),
        },
    )


def row_of_mission(mission: Mission, monotonic_s: float, stamp_ms: int) -> Row:
    """``since`` is on a clock that ends with the process: the position is the one it has now."""
    data: dict[str, Any] = {name: getattr(mission, name) for name in mission.__slots__}
    data["steps"] = [{name: getattr(step, name) for name in step.__slots__} for step in mission.steps]
    data["position_s"], data["since"] = mission.position_at(monotonic_s), 0.0
    return Row(
        "missions",
        {
            "id": mission.id,
            "title": _short(mission.title),
            "type": mission.type,
            "status": mission.status,
            "created_at_ms": epoch_ms(mission.created_s),
            "started_at_ms": _ms(mission.started_s),
            "completed_at_ms": _ms(mission.ended_s),
            "stamp_ms": stamp_ms,
            "data": _json(data),
        },
    )


def _ms(stamp_s: float | None, otherwise: int | None = None) -> int | None:
    return otherwise if stamp_s is None else epoch_ms(stamp_s)


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT]
