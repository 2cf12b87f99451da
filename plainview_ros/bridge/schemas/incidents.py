"""Incidents as the web sees them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from plainview_ros.alerts import Severity
from plainview_ros.bridge.schemas.base import Body, Instant, Schema, Score
from plainview_ros.incidents import incident as domain
from plainview_ros.incidents.incident import EntryType, Status

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]


class TimelineEntry(Schema):
    timestamp: Instant
    type: EntryType
    title: str = Field(examples=["Major leak in C-South"])
    description: str = Field(examples=["in minus out minus line pack 0.0031 m³/s over 120 s, threshold 0.0010"])
    metadata: dict[str, Any] | None = Field(default=None, examples=[{"module": "pipeline-guard"}])

    @classmethod
    def of(cls, entry: domain.Entry) -> TimelineEntry:
        return cls(
            timestamp=entry.stamp_s,
            type=entry.type,
            title=entry.title,
            description=entry.description,
            metadata=dict(entry.metadata) or None,
        )


class Incident(Schema):
    id: str = Field(examples=["4f0c7d2e-5a55-5c1f-9a0e-0b7f6f3f1a11"])
    title: str = Field(examples=["Major leak in C-South"])
    severity: Severity
    status: Status = Field(description="active → investigating → mitigated → resolved; resolved is final")
    started_at: Instant
    resolved_at: Instant | None = None
    affected_modules: list[str] = Field(examples=[["pipeline-guard", "flow-iq"]])
    detection_ids: list[str] = Field(
        description="ids of leaks, anomalies and camera detections", examples=[["0d3c1a52-9c7e-4f0e-8f38-3a4f5b6c7d8e"]]
    )
    alert_ids: list[str] = Field(examples=[["c916d541-f1d7-4e3d-b426-83881c5e8cb8"]])
    root_cause: str | None = Field(default=None, examples=["Worn packing"])
    resolution: str | None = Field(default=None, examples=[None])
    timeline: list[TimelineEntry] = Field(description="as it became known")

    @classmethod
    def of(cls, incident: domain.Incident) -> Incident:
        return cls(
            id=incident.id,
            title=incident.title,
            severity=incident.severity,
            status=incident.status,
            started_at=incident.started_s,
            resolved_at=incident.resolved_s,
            affected_modules=list(incident.affected_modules),
            detection_ids=list(incident.detection_ids),
            alert_ids=list(incident.alert_ids),
            root_cause=incident.root_cause,
            resolution=incident.resolution,
            timeline=[TimelineEntry.of(entry) for entry in incident.timeline],
        )


class Incidents(Schema):
    active_count: int = Field(examples=[1])
    active_incidents: list[Incident] = Field(description="all that are not resolved, newest first")
    recent_incidents: list[Incident] = Field(description="begun in the last 24 h, newest first, 20 at the most")


class IncidentTimeline(Schema):
    incident_id: str = Field(examples=["4f0c7d2e-5a55-5c1f-9a0e-0b7f6f3f1a11"])
    title: str = Field(examples=["Major leak in C-South"])
    status: Status
    started_at: Instant
    resolved_at: Instant | None = None
    timeline: list[TimelineEntry] = Field(description="newest first")


class IncidentsHealth(Schema):
    timestamp: Instant
    total_incidents: int = Field(examples=[3])
    active_incidents: int = Field(description="not resolved", examples=[1])
    critical_incidents: int = Field(description="not resolved and critical", examples=[0])
    avg_resolution_minutes: float = Field(
        description="from start to resolution; 0 while none was resolved", examples=[12.5]
    )
    system_health: Score = Field(description="100, less 10 for each incident that is not resolved", examples=[90])


class IncidentUpdate(Body):
    """At least one of them. A resolution resolves the incident, whatever status is given with it."""

    status: Status | None = Field(default=None, examples=["investigating"])
    root_cause: Words | None = Field(default=None, examples=["Worn packing"])
    resolution: Words | None = Field(default=None, examples=["Packing replaced, valve stroked twice"])

    @model_validator(mode="after")
    def _says_something(self) -> IncidentUpdate:
        if self.status is None and self.root_cause is None and self.resolution is None:
            raise ValueError("expected at least one of status, rootCause, resolution")
        return self
