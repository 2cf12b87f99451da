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
    title: str
    description: str
    stamp_s: float
    severity: Severity = "info"
    """Anomalies and detections are evidence and carry ``info``: where one matters, its module raises an alert."""
    ended: bool = False
    """The condition is gone."""
    is_evidence: bool = True
    """Whether it says anything about an incident nearby: people and vehicles that move are a site's ordinary course."""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_grave(self) -> bool:
        """Whether it is reason enough to open an incident."""
        return self.severity != "info"


# Each function below reads one message of an event topic as plain values (named constants, seconds, UUIDs as strings).


def from_alert(message: Mapping[str, Any]) -> Finding:
    """A message of ``alerts``."""
    severity, asset_id = message["severity"], message["asset_id"]
    return _finding(
        "alert",
        message,
        asset=Asset(message["asset_kind"], asset_id),
        module=message["module"],
        severity=severity,
        title=message["message"] or message["code"],
        description=f"{severity.capitalize()} alert {message['code']} of {asset_id}",
        ended=message["phase"] == "cleared",
        details={"code": message["code"], "assetId": asset_id, "severity": severity},
    )


def from_leak(message: Mapping[str, Any]) -> Finding:
    """A message of ``pipeline/leaks``."""
    severity, section, status = message["severity"], message["section"], message["status"]
    grave: Severity = "critical" if severity == "critical" else "warning"
    return _finding(
        "leak",
        message,
        asset=Asset("section", section),
        module="pipeline-guard",
        # As PipelineGuard's own alert has it: a contained leak is told of, but it is no reason to begin an incident.
        severity="info" if status == "contained" else grave,
        title=f"{severity.capitalize()} leak in {section}",
        description=message["evidence"] or f"The leak is {status}",
        ended=status == "repaired",
        details={
            "section": section,
            "status": status,
            "severity": severity,
            "rateM3s": message["rate_m3s"],
            "positionM": message["position_m"],
        },
    )


def from_anomaly(message: Mapping[str, Any]) -> Finding:
    """A message of ``flow/anomalies``."""
    return _finding(
        "anomaly",
        message,
        asset=Asset("line", message["line_id"]),
        module="flow-iq",
        title=f"{_words(message['type'])} on {message['line_id']}",
        description=message["evidence"],
        ended=message["phase"] == "closed",
        details={key: message[key] for key in ("channel", "severity", "value", "confidence")},
    )


def from_detection(message: Mapping[str, Any]) -> Finding:
    """A message of ``detections``."""
    return _finding(
        "detection",
        message,
        asset=Asset("camera", message["camera_id"]),
        module="rig-sight",
        title=f"{_words(message['type'])} seen by {message['camera_id']}",
        description=message["evidence"],
        ended=message["phase"] == "ended",
        is_evidence=message["type"] != "motion",
        details={key: message[key] for key in ("type", "confidence")},
    )


def _finding(kind: FindingKind, message: Mapping[str, Any], **fields: Any) -> Finding:
    ids = {"id": message[f"{kind}_id"], "event_id": message["event_id"]}
    return Finding(kind=kind, stamp_s=message["header"]["stamp"], **ids, **fields)


def _words(code: str) -> str:
    """``temperature_spike`` → ``Temperature spike``."""
    return code.replace("_", " ").capitalize()
