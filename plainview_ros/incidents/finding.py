"""What a module found out about one asset, in the one form that correlation works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from plainview_ros.alerts import AssetKind, Severity

FindingKind = Literal["alert", "leak", "anomaly", "detection"]


class Asset(NamedTuple):
    """Something of the rig. Ids are unique within a kind only."""

    kind: AssetKind
    id: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One transition of one alert, leak, anomaly or detection."""

    kind: FindingKind
    id: str
    """Of the alert, leak, ...: the same for all its transitions."""
    event_id: str
    """Of this transition."""
    asset: Asset
    module: str
    """Key of the module, e.g. ``valve-ops``."""
    severity: Severity
    """Anomalies and detections are evidence and carry ``info``: where one matters, its module raises an alert."""
    title: str
    description: str
    stamp_s: float
    ended: bool = False
    """The condition is gone."""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_grave(self) -> bool:
        """Whether it is reason enough to open an incident."""
        return self.severity != "info"


# Each function below reads one message of an event topic as plain values (named constants, seconds, UUIDs as strings).


def from_alert(message: Mapping[str, Any]) -> Finding:
    """A message of ``alerts``."""
    return Finding(
        kind="alert",
        id=message["alert_id"],
        event_id=message["event_id"],
        asset=Asset(message["asset_kind"], message["asset_id"]),
        module=message["module"],
        severity=message["severity"],
        title=message["message"] or message["code"],
        description=f"{message['severity'].capitalize()} alert {message['code']} of {message['asset_id']}",
        stamp_s=message["header"]["stamp"],
        ended=message["phase"] == "cleared",
        details={"code": message["code"], "assetId": message["asset_id"], "severity": message["severity"]},
    )


def from_leak(message: Mapping[str, Any]) -> Finding:
    """A message of ``pipeline/leaks``."""
    return Finding(
        kind="leak",
        id=message["leak_id"],
        event_id=message["event_id"],
        asset=Asset("section", message["section"]),
        module="pipeline-guard",
        severity="critical" if message["severity"] == "critical" else "warning",
        title=f"{message['severity'].capitalize()} leak in {message['section']}",
        description=message["evidence"] or f"The leak is {message['status']}",
        stamp_s=message["header"]["stamp"],
        ended=message["status"] == "repaired",
        details={
            "section": message["section"],
            "status": message["status"],
            "severity": message["severity"],
            "rateM3s": message["rate_m3s"],
            "positionM": message["position_m"],
        },
    )


def from_anomaly(message: Mapping[str, Any]) -> Finding:
    """A message of ``flow/anomalies``."""
    return Finding(
        kind="anomaly",
        id=message["anomaly_id"],
        event_id=message["event_id"],
        asset=Asset("line", message["line_id"]),
        module="flow-iq",
        severity="info",
        title=f"{_words(message['type'])} on {message['line_id']}",
        description=message["evidence"],
        stamp_s=message["header"]["stamp"],
        ended=message["phase"] == "closed",
        details={
            "channel": message["channel"],
            "severity": message["severity"],
            "value": message["value"],
            "confidence": message["confidence"],
        },
    )


def from_detection(message: Mapping[str, Any]) -> Finding:
    """A message of ``detections``."""
    return Finding(
        kind="detection",
        id=message["detection_id"],
        event_id=message["event_id"],
        asset=Asset("camera", message["camera_id"]),
        module="rig-sight",
        severity="info",
        title=f"{_words(message['type'])} seen by {message['camera_id']}",
        description=message["evidence"],
        stamp_s=message["header"]["stamp"],
        ended=message["phase"] == "ended",
        details={"type": message["type"], "confidence": message["confidence"]},
    )


def _words(code: str) -> str:
    """``temperature_spike`` → ``Temperature spike``."""
    return code.replace("_", " ").capitalize()
