"""An event of each type, for the API's description; nothing else needs them."""

from __future__ import annotations

from typing import Any

from plainview_ros.bridge.schemas.events import (
    AlertAcknowledged,
    AlertCleared,
    AlertCreated,
    AnomalyDetected,
    DetectionMade,
    DeviceStatus,
    Event,
    FlowMetricsUpdated,
    IncidentCreated,
    IncidentUpdated,
    LeakAlert,
    MissionCompleted,
    MissionStarted,
    MissionUpdated,
    Ros2NodeDiscovered,
    Ros2NodeOffline,
    Ros2Telemetry,
    StateSnapshot,
    StreamGap,
    TelemetryTick,
    ValveActuationCompleted,
    ValveActuationFailed,
    ValveActuationRequested,
)
from plainview_ros.bridge.schemas.flow import Metrics

_NOW_S = 1763906703.101
_ID = "5b0c9a52-9c7e-4f0e-8f38-3a4f5b6c7d8e"
_STROKE: dict[str, Any] = {"valve_id": "v-101", "actuation_id": _ID}
_ALERT: dict[str, Any] = {
    "severity": "warning",
    "message": "v-101: 62.1 degC is above 60",
    "timestamp": _NOW_S,
    "module_key": "valve-ops",
    "alert_id": _ID,
    "code": "valve_status",
    "valve_id": "v-101",
}
_INCIDENT: dict[str, Any] = {"incident_id": _ID, "severity": "critical", "timestamp": _NOW_S, "title": "Major leak"}
_MISSION: dict[str, Any] = {
    "mission_id": _ID,
    "at": _NOW_S,
    "mission_name": "Isolation drill",
    "mission_type": "scenario",
}

EXAMPLES: tuple[Event, ...] = (
    TelemetryTick(at=_NOW_S),
    StreamGap(lost=2, missing_after="1763906700101-0", missing_until="1763906701000-1", at=_NOW_S),
    StateSnapshot(
        at=_NOW_S,
        health={"status": "ok"},
        modules=[],
        valves=[{"id": "v-101", "status": "ok"}],
        pipeline={"integrityScore": 100},
        leaks={"activeLeakCount": 0},
        flow={"current": {"flowRateLpm": 3300.0}},
        anomalies=[],
        cameras={"onlineCameras": 3},
        incidents={"activeCount": 0},
        missions={"count": 0},
    ),
    ValveActuationRequested(**_STROKE, target_position=0.0, requested_by="http 10.0.0.7", requested_at=_NOW_S),
    ValveActuationCompleted(**_STROKE, torque_nm=181.4, final_position=0.0, completed_at=_NOW_S),
    ValveActuationFailed(
        **_STROKE,
        torque_nm=301.0,
        final_position=0.42,
        status="failed",
        error_code=105,
        message="v-101 stopped at 0.42",
        failed_at=_NOW_S,
    ),
    AlertCreated(**_ALERT),
    AlertCleared(**_ALERT),
    AlertAcknowledged(timestamp=_NOW_S, leak_id=_ID, section="C-South"),
    LeakAlert(asset_id="C-South", severity="med", at=_NOW_S, leak_id=_ID),
    AnomalyDetected(
        asset_id="fl-1",
        anomaly_type="pressure_deviation",
        confidence=0.97,
        at=_NOW_S,
        anomaly_id=_ID,
        severity="medium",
    ),
    FlowMetricsUpdated(
        line_id="fl-1",
        metrics=Metrics(
            flow_rate_lpm=3300.0, pressure_pa=1_210_000.0, temperature_c=38.4, viscosity=None, timestamp=_NOW_S
        ),
    ),
    DetectionMade(source_id="cam-103", detection_type="hot_spot", confidence=0.93, timestamp=_NOW_S, detection_id=_ID),
    IncidentCreated(**_INCIDENT, status="active"),
    IncidentUpdated(**_INCIDENT, status="resolved"),
    MissionStarted(**_MISSION, status="active", duration=0.0),
    MissionUpdated(**_MISSION, status="active", duration=30.0, step={"at": 30.0, "title": "Close v-102"}),
    MissionCompleted(**_MISSION, status="completed", duration=60.0),
    DeviceStatus(device_id="cam-102", status="offline", at=_NOW_S),
    Ros2Telemetry(node_id="/crawler", topic="/crawler/goal", data={"data": "dock"}, at=_NOW_S),
    Ros2NodeDiscovered(node_id="/fleet/robot_01", node_type="robot", location={"lat": 58.4, "lon": 1.7}, at=_NOW_S),
    Ros2NodeOffline(node_id="/fleet/robot_01", node_type="robot", at=_NOW_S),
)
"""One of each type."""
