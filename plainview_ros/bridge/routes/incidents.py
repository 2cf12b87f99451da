"""What happened, told as incidents."""

from __future__ import annotations

from fastapi import APIRouter, Response

from plainview_ros.alerts import Severity
from plainview_ros.bridge import archive
from plainview_ros.bridge.context import Bridge, BridgeDep
from plainview_ros.bridge.errors import BridgeError, not_found
from plainview_ros.bridge.paging import PagingDep
from plainview_ros.bridge.problems import answers
from plainview_ros.bridge.restore import incident_of
from plainview_ros.bridge.schemas.history import Page
from plainview_ros.bridge.schemas.incidents import (
    Incident,
    Incidents,
    IncidentsHealth,
    IncidentTimeline,
    IncidentUpdate,
    TimelineEntry,
)
from plainview_ros.incidents import incident as domain

router = APIRouter(prefix="/incidents", tags=["Incidents"])

RECENT_S = 86_400.0
RECENT_COUNT = 20


def find(bridge: Bridge, incident_id: str) -> domain.Incident:
    try:
        return bridge.incidents.book.get(incident_id)
    except KeyError:
        raise not_found("incident", incident_id) from None


@router.get("")
async def incidents(bridge: BridgeDep) -> Incidents:
    everything = bridge.incidents.book.all()
    since_s = bridge.gateway.now_s() - RECENT_S
    open_ones = [Incident.of(incident) for incident in everything if incident.is_open]
    recent = [Incident.of(incident) for incident in everything if incident.started_s >= since_s]
    return Incidents(active_count=len(open_ones), active_incidents=open_ones, recent_incidents=recent[:RECENT_COUNT])


@router.get("/health")  # before /{incident_id}, which would take it for an id
async def health(bridge: BridgeDep) -> IncidentsHealth:
    everything = bridge.incidents.book.all()
    open_ones = [incident for incident in everything if incident.is_open]
    took_s = [one.resolved_s - one.started_s for one in everything if one.resolved_s is not None]
    return IncidentsHealth(
        timestamp=bridge.gateway.now_s(),
        total_incidents=len(everything),
        active_incidents=len(open_ones),
        critical_incidents=sum(incident.severity == "critical" for incident in open_ones),
        avg_resolution_minutes=round(sum(took_s) / len(took_s) / 60, 1) if took_s else 0.0,
        system_health=max(0, 100 - 10 * len(open_ones)),
    )


@router.get("/history", response_model=Page[Incident], responses=answers(503))  # before /{incident_id}, too
async def incident_history(
    bridge: BridgeDep, paging: PagingDep, status: domain.Status | None = None, severity: Severity | None = None
) -> Response:
    """All incidents ever."""
    part = paging.part("incidents", status=status, severity=severity)
    return await archive.things(bridge, "incidents", part, lambda found: Incident.of(incident_of(found.data)[0]))


@router.get("/{incident_id}", responses=answers(404))
async def incident(bridge: BridgeDep, incident_id: str) -> Incident:
    return Incident.of(find(bridge, incident_id))


@router.get("/{incident_id}/timeline", responses=answers(404))
async def timeline(bridge: BridgeDep, incident_id: str) -> IncidentTimeline:
    incident = find(bridge, incident_id)
    entries = sorted(incident.timeline, key=lambda entry: entry.stamp_s, reverse=True)
    return IncidentTimeline(
        incident_id=incident.id,
        title=incident.title,
        status=incident.status,
        started_at=incident.started_s,
        resolved_at=incident.resolved_s,
        timeline=[TimelineEntry.of(entry) for entry in entries],
    )


@router.post("/{incident_id}/update", responses=answers(404, 409))
async def update_incident(bridge: BridgeDep, incident_id: str, change: IncidentUpdate) -> Incident:
    find(bridge, incident_id)
    try:
        update = domain.Update(change.status, change.root_cause, change.resolution)
        return Incident.of(bridge.incidents.update(incident_id, update, bridge.gateway.now_s()))
    except domain.TransitionError as error:
        raise BridgeError(409, "illegal_transition", str(error)) from None
