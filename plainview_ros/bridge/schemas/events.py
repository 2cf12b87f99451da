"""What is told on /events: one model for each type of event. Nothing else goes into the log."""

from __future__ import annotations

from time import time
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import Field, PlainSerializer, WithJsonSchema

from plainview_ros import alerts
from plainview_ros.bridge.schemas.base import Instant, Schema, epoch_ms
from plainview_ros.bridge.schemas.flow import Metrics
from plainview_ros.bridge.schemas.flow import Severity as AnomalySeverity
from plainview_ros.incidents.incident import Status as IncidentStatus
from plainview_ros.missions.mission import MissionType
from plainview_ros.missions.mission import Status as MissionStatus

Moment = Annotated[
    float,
    PlainSerializer(epoch_ms, return_type=int),
    WithJsonSchema({"type": "integer", "description": "[ms] since the epoch", "examples": [1763906703101]}),
]
"""Seconds since the epoch inside, epoch milliseconds outside."""


TYPE = {"type"}


class Event(Schema):
    """Base of all events. A field that has a default is sent only where it was given."""

    ABOUT: ClassVar[tuple[str, ...]] = ()
    """Fields that may say what the event is about."""

    TELEMETRY: ClassVar[bool] = False
    """Worth its newest value: a client that is behind may be spared older ones of the same subject. All other events
    reach every client, or it is told that it missed some."""

    IDENTITY: ClassVar[tuple[str, ...]] = ()
    """Fields that, with the type, name the happening: the same in every bridge and after every restart."""

    type: str

    @property
    def source(self) -> str:
        """Names the happening; empty when nothing does."""
        return " ".join((self.type, *(str(getattr(self, field)) for field in self.IDENTITY))) if self.IDENTITY else ""

    @property
    def subject(self) -> str:
        """What telemetry is the newest value of."""
        return self.asset

    @property
    def asset(self) -> str:
        """Id of the valve, section, line, camera, incident ... it is about; empty when about none."""
        given = (getattr(self, field) for field in self.ABOUT)
        return next((asset for asset in given if asset is not None), "")

    def json_bytes(self) -> bytes:
        """What the frame's ``data:`` holds, the type first. NaN and infinity are null."""
        fields = self.model_dump_json(by_alias=True, exclude_unset=True, exclude=TYPE)
        return f'{{"type":"{self.type}"{"" if fields == "{}" else ","}{fields[1:]}'.encode()


class TelemetryTick(Event):
    """The connection and the bridge are alive: at once, and then every 5 s."""

    TELEMETRY = True

    type: Literal["telemetry.tick"] = "telemetry.tick"
    at: Moment

    @classmethod
    def now(cls) -> TelemetryTick:
        return cls(at=time())


class StreamGap(Event):
    """Events were lost on the way to this client: read the present state again, then go on after this frame's id."""

    type: Literal["stream.gap"] = "stream.gap"
    lost: int | None = Field(description="null: nobody can know how many")
    missing_after: str | None = Field(description="id of the last event before those; null: not known")
    missing_until: str | None = Field(description="id of the last of those; null: they never had one")
    at: Moment


class StateSnapshot(Event):
    """The present state, first of all, for who asks for it with `snapshot=true`; each part as its GET answers."""

    type: Literal["state.snapshot"] = "state.snapshot"
    at: Moment
    health: Any = Field(description="as `GET /health`")
    modules: Any = Field(description="as `GET /modules`")
    valves: Any = Field(description="as `GET /valves`")
    pipeline: Any = Field(description="as `GET /pipeline/health`")
    leaks: Any = Field(description="as `GET /pipeline/alerts`")
    flow: Any = Field(description="as `GET /flow/metrics`")
    anomalies: Any = Field(description="as `GET /flow/anomalies`")
    cameras: Any = Field(description="as `GET /rig/cameras`")
    incidents: Any = Field(description="as `GET /incidents`")
    missions: Any = Field(description="as `GET /missions`")


class _Stroke(Event):
    ABOUT = ("valve_id",)
    IDENTITY = ("actuation_id",)

    valve_id: str
    actuation_id: str


class ValveActuationRequested(_Stroke):
    """A valve was told to move."""

    type: Literal["valve.actuation.requested"] = "valve.actuation.requested"
    target_position: float | None = Field(description="0 closed, 1 open")
    requested_by: str
    requested_at: Moment


class _StrokeEnd(_Stroke):
    torque_nm: float | None = Field(description="[N m] peak of the stroke")
    final_position: float | None = Field(description="0 closed, 1 open")


class ValveActuationCompleted(_StrokeEnd):
    """A valve has reached its target."""

    type: Literal["valve.actuation.completed"] = "valve.actuation.completed"
    completed_at: Moment


class ValveActuationFailed(_StrokeEnd):
    """A valve has not reached its target, or was told to stop on the way."""

    type: Literal["valve.actuation.failed"] = "valve.actuation.failed"
    status: Literal["failed", "canceled"]
    error_code: int = Field(description="as the ActuateValve action has it")
    message: str
    failed_at: Moment


class _Alert(Event):
    ABOUT = ("valve_id", "section", "line_id", "camera_id", "tag", "asset_id")
    IDENTITY = ("alert_id",)

    severity: alerts.Severity
    message: str
    timestamp: Instant
    module_key: str
    alert_id: str
    code: str = Field(description="what is wrong, the same for the same cause")
    valve_id: str | None = None
    section: str | None = None
    line_id: str | None = None
    camera_id: str | None = None
    tag: str | None = Field(default=None, description="of an instrument")
    asset_id: str | None = Field(default=None, description="of any other asset")


class AlertCreated(_Alert):
    """A module found something wrong with an asset, named by one of the id fields."""

    type: Literal["alert.created"] = "alert.created"


class AlertCleared(_Alert):
    """What an alert was raised for is over."""

    type: Literal["alert.cleared"] = "alert.cleared"


class AlertAcknowledged(Event):
    """An operator said that a leak is repaired."""

    ABOUT = ("section",)
    IDENTITY = ("leak_id",)

    type: Literal["alert.acknowledged"] = "alert.acknowledged"
    timestamp: Instant
    leak_id: str
    section: str


class LeakAlert(Event):
    """A leak was found, or is now known to be larger or smaller; `assetId` is the section."""

    ABOUT = ("asset_id",)
    IDENTITY = ("leak_id", "severity", "at")

    type: Literal["leak.alert"] = "leak.alert"
    asset_id: str
    severity: Literal["low", "med", "high"]
    at: Moment
    leak_id: str


class AnomalyDetected(Event):
    """A flow line left its expected range; `assetId` is the line."""

    ABOUT = ("asset_id",)
    IDENTITY = ("anomaly_id",)

    type: Literal["anomaly.detected"] = "anomaly.detected"
    asset_id: str
    anomaly_type: str
    confidence: float | None
    at: Moment
    anomaly_id: str
    severity: AnomalySeverity


class FlowMetricsUpdated(Event):
    """A flow line has new values."""

    TELEMETRY = True
    ABOUT = ("line_id",)

    type: Literal["flow.metrics.updated"] = "flow.metrics.updated"
    line_id: str
    metrics: Metrics


class DetectionMade(Event):
    """A camera began to see something; `sourceId` is the camera."""

    ABOUT = ("source_id",)
    IDENTITY = ("detection_id",)

    type: Literal["detection.made"] = "detection.made"
    source_id: str
    detection_type: str
    confidence: float | None
    timestamp: Instant
    detection_id: str


class _Incident(Event):
    ABOUT = ("incident_id",)
    IDENTITY = ("incident_id", "timestamp", "severity", "status")

    incident_id: str
    severity: alerts.Severity
    timestamp: Instant
    status: IncidentStatus
    title: str


class IncidentCreated(_Incident):
    """What several modules found became one incident."""

    type: Literal["incident.created"] = "incident.created"


class IncidentUpdated(_Incident):
    """More became known about an incident, or an operator said something."""

    type: Literal["incident.updated"] = "incident.updated"


class _Mission(Event):
    ABOUT = ("mission_id",)
    IDENTITY = ("mission_id", "at", "status")

    mission_id: str
    at: Moment
    mission_name: str
    mission_type: MissionType
    status: MissionStatus
    duration: float | None = Field(default=None, description="[s] since it was started, once it was")
    step: dict[str, Any] | None = Field(
        default=None, description="the step that was reached, with `at` [s] and `title`"
    )


class MissionStarted(_Mission):
    """A mission plays."""

    type: Literal["mission.started"] = "mission.started"


class MissionUpdated(_Mission):
    """A mission reached a step, was paused, resumed or given another speed."""

    type: Literal["mission.updated"] = "mission.updated"


class MissionCompleted(_Mission):
    """A mission has ended, or was stopped."""

    type: Literal["mission.completed"] = "mission.completed"


class DeviceStatus(Event):
    """A camera went offline or came back."""

    ABOUT = ("device_id",)
    IDENTITY = ("device_id", "status", "at")

    type: Literal["device.status"] = "device.status"
    device_id: str
    status: Literal["online", "offline"]
    at: Moment


class _Ros2(Event):
    TELEMETRY = True  # what this bridge sees of the graph and listens to; another bridge sees and tells its own
    ABOUT = ("node_id",)

    node_id: str


class Ros2Telemetry(_Ros2):
    """A node published on a topic that somebody subscribed to with `/ros2/subscribe`."""

    type: Literal["ros2.telemetry"] = "ros2.telemetry"
    topic: str
    data: Any = Field(description="the message; long arrays as their length and first items")
    at: Moment

    @property
    def subject(self) -> str:
        return f"{self.node_id} {self.topic}"


class Ros2NodeDiscovered(_Ros2):
    """A node came onto the ROS graph, or an agent registered."""

    type: Literal["ros2.node.discovered"] = "ros2.node.discovered"
    node_type: str
    location: dict[str, Any] | None = Field(default=None, description="of an agent that said it: `lat`, `lon`, `z`")
    at: Moment


class Ros2NodeOffline(_Ros2):
    """A node left the ROS graph, or an agent did not register again in time."""

    type: Literal["ros2.node.offline"] = "ros2.node.offline"
    node_type: str
    at: Moment


AnyEvent: TypeAlias = Annotated[
    TelemetryTick
    | StreamGap
    | StateSnapshot
    | ValveActuationRequested
    | ValveActuationCompleted
    | ValveActuationFailed
    | AlertCreated
    | AlertCleared
    | AlertAcknowledged
    | LeakAlert
    | AnomalyDetected
    | FlowMetricsUpdated
    | DetectionMade
    | IncidentCreated
    | IncidentUpdated
    | MissionStarted
    | MissionUpdated
    | MissionCompleted
    | DeviceStatus
    | Ros2Telemetry
    | Ros2NodeDiscovered
    | Ros2NodeOffline,
    Field(discriminator="type"),
]
"""Every event there is; OpenAPI shows it with the ``EXAMPLES`` of `event_examples.py`."""

EVENT_TYPES = frozenset(model.model_fields["type"].default for model in get_args(get_args(AnyEvent)[0]))
