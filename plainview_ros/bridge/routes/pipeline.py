"""PipelineGuard."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Body, Path, Response

from plainview_ros.bridge import archive
from plainview_ros.bridge.context import BridgeDep, ClientDep
from plainview_ros.bridge.errors import not_found
from plainview_ros.bridge.journal import Record
from plainview_ros.bridge.paging import Name, PagingDep
from plainview_ros.bridge.problems import answers
from plainview_ros.bridge.schemas.base import litres
from plainview_ros.bridge.schemas.history import Page
from plainview_ros.bridge.schemas.pipeline import (
    Leak,
    LeakSeverity,
    LeakStatus,
    PipelineAlerts,
    PipelineHealth,
    PressureReading,
    Resolution,
    ResolveRequest,
    Section,
)
from plainview_ros.ros.topics import PIPELINE_STATE
from plainview_ros.utc import midnight_s

router = APIRouter(prefix="/pipeline", tags=["PipelineGuard"])


@router.get("/alerts")
async def alerts(bridge: BridgeDep) -> PipelineAlerts:
    active = bridge.state.active_leaks()
    state = bridge.state.snapshot(PIPELINE_STATE)
    state["suspected_leaks"] if state else []
    return PipelineAlerts(
        active_leak_count=len(active),
        critical_count=sum(record.latest["severity"] == "critical" for record in active),
        active_leaks=[Leak.of(record) for record in active[:20]],
        suspected_leaks=[Leak.of(Record(leak["header"]["stamp"], leak)) for leak in state["suspected_leaks"]]
        if state
        else [],
        recent_history=[Leak.of(record) for record in bridge.state.leaks.newest(10)],
        integrity=round(state["integrity_score"] or 0) if state else 0,
        stale=bridge.state.is_stale(PIPELINE_STATE),
    )


@router.get("/health")
async def health(bridge: BridgeDep) -> PipelineHealth:
    state = bridge.state.snapshot(PIPELINE_STATE)
    pipeline = bridge.rig.pipeline
    return PipelineHealth(
        timestamp=(state["header"]["stamp"] if state else None) or bridge.gateway.now_s(),
        integrity_score=round(state["integrity_score"] or 0) if state else 0,
        active_leaks=len(bridge.state.active_leaks()),
        last_inspection=state["last_inspection"] if state else midnight_s(pipeline.last_inspection),
        maintenance_due=state["maintenance_due"] if state else midnight_s(pipeline.maintenance_due),
        estimated_volume_lost=litres(state["volume_lost_m3"] if state else None) or 0.0,
        pressure_profile=[PressureReading.model_validate(point) for point in state["profile"]] if state else [],
        stale=bridge.state.is_stale(PIPELINE_STATE),
    )


@router.get("/leaks", response_model=Page[Leak], responses=answers(503))
async def leaks(
    bridge: BridgeDep,
    paging: PagingDep,
    section: Name | None = None,
    severity: LeakSeverity | None = None,
    status: LeakStatus | None = None,
) -> Response:
    """All leaks ever, as they are now or were at last."""
    part = paging.part("leaks", section=section, severity=severity, status=status)
    return await archive.things(bridge, "leak_detections", part, lambda found: Leak.of(found.record))


@router.get("/sections/{section}", responses=answers(404))
async def section(bridge: BridgeDep, section: Annotated[str, Path(examples=["C-South"])]) -> Section:
    if section not in bridge.rig.section:
        raise not_found("section", section)
    active = [Leak.of(record) for record in bridge.state.active_leaks() if record.latest["section"] == section]
    last = next(map(Leak.of, bridge.state.leaks.newest(1, section=section)), None)
    return Section.of(section, *bridge.state.asset(PIPELINE_STATE, section), active, last)


@router.post("/alerts/{leak_id}/resolve", responses=answers(404, 409, 502, 503, 504))
async def resolve(
    bridge: BridgeDep, leak_id: str, client: ClientDep, wish: Annotated[ResolveRequest | None, Body()] = None
) -> Resolution:
    """An operator says that a leak is repaired."""
    try:
        wanted = uuid.UUID(leak_id)
    except ValueError:
        raise not_found("leak", leak_id) from None
    wish = wish or ResolveRequest()
    leak = await bridge.gateway.resolve_leak(wanted, wish.resolved_by or client, wish.note)
    bridge.state.leaks.note(leak)
    return Resolution(leak=Leak.of(Record(leak["header"]["stamp"] or bridge.gateway.now_s(), leak)))
