"""What a message means to those who listen to /events: the event table of the HTTP contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from plainview_ros.bridge.flow_history import FlowSample
from plainview_ros.bridge.gateway import Plain
from plainview_ros.bridge.schemas.base import epoch_ms, iso
from plainview_ros.bridge.schemas.flow import Metrics
from plainview_ros.ros import topics

LEAK_SEVERITY = {"minor": "low", "major": "med", "critical": "high"}
ASSET_FIELD = {"valve": "valveId", "section": "section", "line": "lineId", "camera": "cameraId", "instrument": "tag"}


class Announcement(NamedTuple):
    """One event for ``EventLog.publish``."""

    type: str
    asset: str
    data: dict[str, Any]


def of_transition(topic: str, data: Plain) -> Sequence[Announcement]:
    """The events a transition means; some mean none."""
    announcement = TRANSITIONS[topic](data)
    return () if announcement is None else (announcement,)


def of_flow_sample(sample: FlowSample) -> Announcement:
    metrics = Metrics.of(sample).model_dump(mode="json", by_alias=True)
    return Announcement("flow.metrics.updated", sample.line_id, {"lineId": sample.line_id, "metrics": metrics})


def of_cameras(before: Mapping[str, Plain], now: Mapping[str, Plain], stamp_s: float) -> Sequence[Announcement]:
    """Cameras that went offline or came back; a degraded one is online."""
    changed = [
        camera
        for camera_id, camera in now.items()
        if camera_id in before and (camera["status"] == "offline") != (before[camera_id]["status"] == "offline")
    ]
    return [
        Announcement(
            "device.status",
            camera["id"],
            {
                "deviceId": camera["id"],
                "status": "offline" if camera["status"] == "offline" else "online",
                "at": epoch_ms(stamp_s),
            },
        )
        for camera in changed
    ]


def _of_actuation(data: Plain) -> Announcement:
    at = epoch_ms(data["header"]["stamp"])
    stroke = {"valveId": data["valve_id"], "actuationId": data["actuation_id"]}
    if data["phase"] == "requested":
        wish = {"targetPosition": data["target_position"], "requestedBy": data["requested_by"], "requestedAt": at}
        return Announcement("valve.actuation.requested", data["valve_id"], stroke | wish)
    reached = {"torqueNm": data["peak_torque_nm"], "finalPosition": data["final_position"]}
    if data["phase"] == "completed":
        return Announcement("valve.actuation.completed", data["valve_id"], stroke | reached | {"completedAt": at})
    why = {"status": data["phase"], "errorCode": data["error_code"], "message": data["error_msg"], "failedAt": at}
    return Announcement("valve.actuation.failed", data["valve_id"], stroke | reached | why)


def _of_leak(data: Plain) -> Announcement | None:
    stamp_s, section = data["header"]["stamp"], data["section"]
    if data["status"] == "active":
        severity = LEAK_SEVERITY[data["severity"]]
        alert = {"assetId": section, "severity": severity, "at": epoch_ms(stamp_s), "leakId": data["leak_id"]}
        return Announcement("leak.alert", section, alert)
    if data["status"] == "repaired":
        done = {"timestamp": iso(stamp_s), "leakId": data["leak_id"], "section": section}
        return Announcement("alert.acknowledged", section, done)
    return None


def _of_anomaly(data: Plain) -> Announcement | None:
    if data["phase"] != "opened":
        return None
    found = {
        "assetId": data["line_id"],
        "anomalyType": data["type"],
        "confidence": data["confidence"],
        "at": epoch_ms(data["header"]["stamp"]),
        "anomalyId": data["anomaly_id"],
        "severity": data["severity"],
    }
    return Announcement("anomaly.detected", data["line_id"], found)


def _of_detection(data: Plain) -> Announcement | None:
    if data["phase"] != "started":
        return None
    seen = {
        "sourceId": data["camera_id"],
        "detectionType": data["type"],
        "confidence": data["confidence"],
        "timestamp": iso(data["header"]["stamp"]),
        "detectionId": data["detection_id"],
    }
    return Announcement("detection.made", data["camera_id"], seen)


def _of_alert(data: Plain) -> Announcement:
    alert = {
        "severity": data["severity"],
        "message": data["message"],
        "timestamp": iso(data["header"]["stamp"]),
        "moduleKey": data["module"],
        "alertId": data["alert_id"],
        "code": data["code"],
        ASSET_FIELD.get(data["asset_kind"], "assetId"): data["asset_id"],
    }
    return Announcement("alert.created" if data["phase"] == "raised" else "alert.cleared", data["asset_id"], alert)


TRANSITIONS: Mapping[str, Callable[[Plain], Announcement | None]] = {
    topics.VALVE_ACTUATIONS: _of_actuation,
    topics.PIPELINE_LEAKS: _of_leak,
    topics.FLOW_ANOMALIES: _of_anomaly,
    topics.DETECTIONS: _of_detection,
    topics.ALERTS: _of_alert,
}
