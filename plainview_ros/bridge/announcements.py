"""What a message means to those who listen to /events: the event table of the HTTP contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from plainview_ros.bridge.flow_history import FlowSample
from plainview_ros.bridge.gateway import Plain
from plainview_ros.bridge.schemas.events import (
    AlertAcknowledged,
    AlertCleared,
    AlertCreated,
    AnomalyDetected,
    DetectionMade,
    DeviceStatus,
    Event,
    FlowMetricsUpdated,
    LeakAlert,
    ValveActuationCompleted,
    ValveActuationFailed,
    ValveActuationRequested,
)
from plainview_ros.bridge.schemas.flow import Metrics
from plainview_ros.ros import topics

LEAK_SEVERITY: Mapping[str, Literal["low", "med", "high"]] = {"minor": "low", "major": "med", "critical": "high"}
ASSET_FIELD = {"valve": "valve_id", "section": "section", "line": "line_id", "camera": "camera_id", "instrument": "tag"}


def of_transition(topic: str, data: Plain) -> Sequence[Event]:
    """The events a transition means; some mean none."""
    event = TRANSITIONS[topic](data)
    return () if event is None else (event,)


def of_flow_sample(sample: FlowSample) -> Event:
    return FlowMetricsUpdated(line_id=sample.line_id, metrics=Metrics.of(sample))


def of_cameras(before: Mapping[str, Plain], now: Mapping[str, Plain], stamp_s: float) -> Sequence[Event]:
    """Cameras that went offline or came back; a degraded one is online."""
    changed = [
        camera
        for camera_id, camera in now.items()
        if camera_id in before and (camera["status"] == "offline") != (before[camera_id]["status"] == "offline")
    ]
    return [
        DeviceStatus(
            device_id=camera["id"], status="offline" if camera["status"] == "offline" else "online", at=stamp_s
        )
        for camera in changed
    ]


def _of_actuation(data: Plain) -> Event:
    stamp_s = data["header"]["stamp"]
    stroke: dict[str, Any] = {"valve_id": data["valve_id"], "actuation_id": data["actuation_id"]}
    if data["phase"] == "requested":
        return ValveActuationRequested(
            **stroke,
            target_position=data["target_position"],
            requested_by=data["requested_by"],
            requested_at=stamp_s,
        )
    stroke |= {"torque_nm": data["peak_torque_nm"], "final_position": data["final_position"]}
    if data["phase"] == "completed":
        return ValveActuationCompleted(**stroke, completed_at=stamp_s)
    return ValveActuationFailed(
        **stroke,
        status=data["phase"],
        error_code=data["error_code"],
        message=data["error_msg"],
        failed_at=stamp_s,
    )


def _of_leak(data: Plain) -> Event | None:
    stamp_s, section, leak_id = data["header"]["stamp"], data["section"], data["leak_id"]
    if data["status"] == "active":
        return LeakAlert(asset_id=section, severity=LEAK_SEVERITY[data["severity"]], at=stamp_s, leak_id=leak_id)
    if data["status"] == "repaired":
        return AlertAcknowledged(timestamp=stamp_s, leak_id=leak_id, section=section)
    return None


def _of_anomaly(data: Plain) -> Event | None:
    if data["phase"] != "opened":
        return None
    return AnomalyDetected(
        asset_id=data["line_id"],
        anomaly_type=data["type"],
        confidence=data["confidence"],
        at=data["header"]["stamp"],
        anomaly_id=data["anomaly_id"],
        severity=data["severity"],
    )


def _of_detection(data: Plain) -> Event | None:
    if data["phase"] != "started":
        return None
    return DetectionMade(
        source_id=data["camera_id"],
        detection_type=data["type"],
        confidence=data["confidence"],
        timestamp=data["header"]["stamp"],
        detection_id=data["detection_id"],
    )


def _of_alert(data: Plain) -> Event:
    alert: dict[str, Any] = {
        "severity": data["severity"],
        "message": data["message"],
        "timestamp": data["header"]["stamp"],
        "module_key": data["module"],
        "alert_id": data["alert_id"],
        "code": data["code"],
        ASSET_FIELD.get(data["asset_kind"], "asset_id"): data["asset_id"],
    }
    return AlertCreated(**alert) if data["phase"] == "raised" else AlertCleared(**alert)


TRANSITIONS: Mapping[str, Callable[[Plain], Event | None]] = {
    topics.VALVE_ACTUATIONS: _of_actuation,
    topics.PIPELINE_LEAKS: _of_leak,
    topics.FLOW_ANOMALIES: _of_anomaly,
    topics.DETECTIONS: _of_detection,
    topics.ALERTS: _of_alert,
}
