"""Messages as the nodes publish them, with what a test does not care about filled in."""

from __future__ import annotations

import math
import uuid
from typing import Any

from plainview_ros.bridge.gateway import Plain, Received
from plainview_ros.bridge.schemas.events import Event, TelemetryTick
from plainview_ros.msg import (
    Alert,
    CameraState,
    CameraStates,
    ChannelForecast,
    ChannelState,
    Detection,
    FlowAnomaly,
    FlowForecast,
    FlowLineState,
    FlowState,
    Leak,
    LineForecast,
    PipelineState,
    PressurePoint,
    SectionState,
    ValveActuation,
    ValveState,
    ValveStates,
)
from plainview_ros.ros import topics
from plainview_ros.ros.conversions import to_plain, to_stamp, to_uuid_msg

NOW_S = 1_790_000_000.0


def received(topic: str, message: Any, now_s: float = NOW_S, monotonic_s: float = 0.0) -> Received:
    return Received(topic, message if isinstance(message, dict) else to_plain(message), now_s, monotonic_s)


class AnySaid(Event, extra="allow"):
    """An event with whatever fields."""


def said(event_type: str, **data: Any) -> Event:
    return AnySaid(type=event_type, **data)


class AnyTelemetry(TelemetryTick, extra="allow"):
    """Telemetry of something."""

    of: str

    @property
    def subject(self) -> str:
        return self.of


def said_in_passing(of: str, **data: Any) -> Event:
    """A telemetry event about something."""
    return AnyTelemetry(at=NOW_S, of=of, **data)


def event(message: Any, thing_field: str, thing: uuid.UUID | None, stamp_s: float) -> Any:
    message.header.stamp = to_stamp(stamp_s)
    message.event_id = to_uuid_msg(uuid.uuid4())
    setattr(message, thing_field, to_uuid_msg(thing or uuid.uuid4()))
    return message


def valve_states(stamp_s: float = NOW_S, **valves: dict[str, Any]) -> ValveStates:
    """``valve_states(v_101={"position": 1.0})``."""
    message = ValveStates()
    message.header.stamp = to_stamp(stamp_s)
    unknown = {"torque_nm": math.nan, "last_torque_nm": math.nan}
    for name, fields in valves.items():
        known = {"position": 1.0, "temperature_c": 41.5, "pressure_pa": 2.1e6, "health_score": 100}
        message.valves.append(ValveState(id=name.replace("_", "-"), **(unknown | known | fields)))
    return message


def actuation(phase: str, thing: uuid.UUID | None = None, stamp_s: float = NOW_S, **fields: Any) -> ValveActuation:
    known = {"valve_id": "v-101", "target_position": 0.0, "phase": getattr(ValveActuation, f"PHASE_{phase}")}
    nan = dict.fromkeys(("final_position", "peak_torque_nm", "duration_s"), math.nan)
    return event(ValveActuation(**(nan | known | fields)), "actuation_id", thing, stamp_s)


def leak(status: str = "ACTIVE", thing: uuid.UUID | None = None, stamp_s: float = NOW_S, **fields: Any) -> Leak:
    known = {"section": "C-South", "severity": Leak.SEVERITY_MAJOR, "volume_m3": 0.4125, "rate_m3s": 0.00275}
    place = {"latitude": 58.4, "longitude": 1.72, "position_m": math.nan, "detected_at": to_stamp(stamp_s)}
    return event(Leak(status=getattr(Leak, f"STATUS_{status}"), **(known | place | fields)), "leak_id", thing, stamp_s)


def pipeline_state(stamp_s: float = NOW_S, *open_leaks: Leak, **fields: Any) -> PipelineState:
    section = SectionState(id="C-South", guard=SectionState.GUARD_WATCHING, flow_in_m3s=0.055, flow_out_m3s=math.nan)
    point = PressurePoint(tag="PT-302", location="C-South inlet", position_m=4000.0, pressure_pa=1.8e6)
    known = {"integrity_score": 100.0, "sections": [section], "profile": [point], "open_leaks": list(open_leaks)}
    message = PipelineState(**(known | fields))
    message.header.stamp = to_stamp(stamp_s)
    return message


def channel(name: str, value: float, stamp_s: float, *, stale: bool = False) -> ChannelState:
    return ChannelState(channel=name, tag="T", value=value, stamp=to_stamp(stamp_s), stale=stale)


def flow_state(stamp_s: float = NOW_S, *channels: ChannelState, **fields: Any) -> FlowState:
    measured = channels or (channel("flow_rate", 0.055, stamp_s), channel("pressure", 1.2e6, stamp_s))
    line = FlowLineState(id="fl-1", name="Export line", channels=list(measured))
    line.open_anomalies = fields.pop("open_anomalies", [])
    line.baseline = fields.pop("baseline", FlowLineState.BASELINE_FOLLOWING)
    message = FlowState(**({"source": FlowState.SOURCE_SIMULATED, "lines": [line]} | fields))
    message.header.stamp = to_stamp(stamp_s)
    return message


def flow_forecast(stamp_s: float = NOW_S, **fields: Any) -> FlowForecast:
    """Of the pressure of fl-1, for five and for ten minutes; by default without limits."""
    never = dict.fromkeys(("low_limit_expected_s", "low_limit_earliest_s"), math.nan)
    never |= dict.fromkeys(("high_limit_expected_s", "high_limit_earliest_s"), math.nan)
    known = {"channel": "pressure", "tag": "PT-601", "unit": "Pa", "low_limit": math.nan, "high_limit": math.nan}
    course = {"ahead_s": [300.0, 600.0], "expected": [1.2e6] * 2, "low": [1.19e6, 1.18e6], "high": [1.21e6, 1.22e6]}
    told = ChannelForecast(made_at=to_stamp(stamp_s), **(never | known | course | fields))
    message = FlowForecast(lines=[LineForecast(id="fl-1", channels=[told])])
    message.header.stamp = to_stamp(stamp_s)
    return message


def anomaly(phase: str, thing: uuid.UUID | None = None, stamp_s: float = NOW_S, **fields: Any) -> FlowAnomaly:
    known = {"line_id": "fl-1", "channel": "flow_rate", "type": "flow_rate_deviation", "confidence": 0.97}
    judged = {"value": 0.06, "expected_min": 0.05, "expected_max": 0.056, "score": 9.0}
    basis = {"statistic": "level_distance", "statistic_value": 2.5, "threshold": 1.0, "window_s": 30.0}
    shares = {"channels": ["flow_rate", "pressure"], "contributions": [0.9, 0.1]}
    message = FlowAnomaly(phase=getattr(FlowAnomaly, f"PHASE_{phase}"), **(known | judged | basis | shares | fields))
    message.detected_at = to_stamp(stamp_s)
    return event(message, "anomaly_id", thing, stamp_s)


def camera_states(stamp_s: float = NOW_S, **status: str) -> CameraStates:
    """``camera_states(cam_101="ONLINE")``."""
    message = CameraStates()
    message.header.stamp = to_stamp(stamp_s)
    for name, value in status.items():
        state = CameraState(id=name.replace("_", "-"), status=getattr(CameraState, f"STATUS_{value}"))
        state.width, state.height, state.rate_hz = 1280, 720, 14.8
        state.last_frame = to_stamp(stamp_s)
        message.cameras.append(state)
    return message


def detection(phase: str, thing: uuid.UUID | None = None, stamp_s: float = NOW_S, **fields: Any) -> Detection:
    known = {"camera_id": "cam-103", "type": "hot_spot", "confidence": 0.93, "temperature_c": 96.5, "width": 60}
    message = Detection(phase=getattr(Detection, f"PHASE_{phase}"), **(known | fields))
    return event(message, "detection_id", thing, stamp_s)


def alert(phase: str, thing: uuid.UUID | None = None, stamp_s: float = NOW_S, **fields: Any) -> Alert:
    known = {"module": "valve-ops", "asset_kind": "valve", "asset_id": "v-101", "code": "valve_status"}
    said = {"severity": Alert.SEVERITY_WARNING, "message": "v-101 is warm"}
    return event(Alert(phase=getattr(Alert, f"PHASE_{phase}"), **(known | said | fields)), "alert_id", thing, stamp_s)


def diagnostics(name: str, level: str, message: str) -> Plain:
    return {"status": [{"name": name, "level": level, "message": message}]}


TOPIC_OF = {
    ValveStates: topics.VALVES_STATE,
    PipelineState: topics.PIPELINE_STATE,
    FlowState: topics.FLOW_STATE,
    FlowForecast: topics.FLOW_FORECAST,
    CameraStates: topics.CAMERAS_STATE,
    ValveActuation: topics.VALVE_ACTUATIONS,
    Leak: topics.PIPELINE_LEAKS,
    FlowAnomaly: topics.FLOW_ANOMALIES,
    Detection: topics.DETECTIONS,
    Alert: topics.ALERTS,
}
