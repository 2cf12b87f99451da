"""Findings as they come from the real messages."""

from __future__ import annotations

import uuid

from plainview_ros.incidents.finding import Asset, from_alert, from_anomaly, from_detection, from_leak
from plainview_ros.msg import Alert, Detection, FlowAnomaly, Leak
from plainview_ros.ros.conversions import to_plain, to_stamp, to_uuid_msg

THING, EVENT = uuid.uuid4(), uuid.uuid4()


def stamped(message_type: type, **fields: object) -> dict[str, object]:
    message = message_type(event_id=to_uuid_msg(EVENT), **fields)
    message.header.stamp = to_stamp(1700000000.5)
    plain: dict[str, object] = to_plain(message)
    return plain


def test_alert() -> None:
    finding = from_alert(
        stamped(
            Alert,
            alert_id=to_uuid_msg(THING),
            module="valve-ops",
            asset_kind="valve",
            asset_id="v-101",
            code="valve_status",
            severity=Alert.SEVERITY_CRITICAL,
            phase=Alert.PHASE_RAISED,
            message="Wellhead A1 is offline",
        )
    )
    assert (finding.kind, finding.id, finding.event_id) == ("alert", str(THING), str(EVENT))
    assert (finding.asset, finding.module, finding.severity) == (Asset("valve", "v-101"), "valve-ops", "critical")
    assert (finding.title, finding.stamp_s, finding.ended) == ("Wellhead A1 is offline", 1700000000.5, False)
    assert finding.is_grave


def test_leak_is_grave_while_active() -> None:
    fields = {"leak_id": to_uuid_msg(THING), "section": "C-South", "severity": Leak.SEVERITY_MAJOR}
    active = from_leak(stamped(Leak, status=Leak.STATUS_ACTIVE, position_m=float("nan"), **fields))
    contained = from_leak(stamped(Leak, status=Leak.STATUS_CONTAINED, **fields))
    repaired = from_leak(stamped(Leak, status=Leak.STATUS_REPAIRED, **fields))
    assert (active.asset, active.severity, active.ended) == (Asset("section", "C-South"), "warning", False)
    assert active.title == "Major leak in C-South"
    assert active.details["positionM"] is None
    assert active.is_grave
    assert not contained.is_grave
    assert not contained.ended
    assert repaired.ended


def test_anomaly_and_detection_are_evidence() -> None:
    anomaly = from_anomaly(
        stamped(
            FlowAnomaly,
            anomaly_id=to_uuid_msg(THING),
            line_id="fl-1",
            type="temperature_spike",
            severity=FlowAnomaly.SEVERITY_HIGH,
            phase=FlowAnomaly.PHASE_CLOSED,
        )
    )
    detection = from_detection(
        stamped(Detection, detection_id=to_uuid_msg(THING), camera_id="cam-103", type="hot_spot", confidence=0.9)
    )
    assert (anomaly.asset, anomaly.title, anomaly.ended) == (
        Asset("line", "fl-1"),
        "Temperature spike on fl-1",
        True,
    )
    assert (detection.asset, detection.title, detection.ended) == (
        Asset("camera", "cam-103"),
        "Hot spot seen by cam-103",
        False,
    )
    assert not anomaly.is_grave
    assert not detection.is_grave
    assert detection.is_evidence
    assert not from_detection(stamped(Detection, detection_id=to_uuid_msg(THING), type="motion")).is_evidence
