"""FlowIQ."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse

from plainview_ros.bridge.context import Bridge, BridgeDep
from plainview_ros.bridge.errors import BridgeError, not_found
from plainview_ros.bridge.flow_history import FlowSample, spreads
from plainview_ros.bridge.problems import answers
from plainview_ros.bridge.schemas.base import iso, lpm
from plainview_ros.bridge.schemas.flow import (
    Anomaly,
    CurrentMetrics,
    FlowExport,
    FlowHealth,
    FlowMetrics,
    FlowRange,
    FlowSource,
    FlowStatistics,
    Metrics,
    Prediction,
    Severity,
    Stats,
)
from plainview_ros.ros.topics import FLOW_STATE
from plainview_ros.utc import moment_s

router = APIRouter(prefix="/flow", tags=["FlowIQ"])

HOUR_S = 3600.0
CSV_HEADER = "timestamp,flow_lpm,pressure_pa,temperature_c\n"
CSV_ROWS_PER_CHUNK = 500

Hours = Annotated[float, Query(gt=0, le=24 * 366)]


async def known_line(
    bridge: BridgeDep,
    line_id: Annotated[str | None, Query(alias="lineId", description="default: the rig's first flow line")] = None,
) -> str:
    line = line_id or next(iter(bridge.rig.flow_line), "")
    if line not in bridge.rig.flow_line:
        raise not_found("flow line", line)
    return line


LineDep = Annotated[str, Depends(known_line)]


@router.get("/health", responses=answers(404))
async def health(bridge: BridgeDep, line: LineDep) -> FlowHealth:
    """Over the last hour: 100, less 20 for more than 3 anomalies, less 30 for any of high severity."""
    now_s = bridge.gateway.now_s()
    recent = bridge.state.recent_anomalies(line, now_s - HOUR_S)
    high = any(record.latest["severity"] == "high" for record in recent)
    current = _current(bridge, line)
    return FlowHealth(
        timestamp=now_s,
        current_metrics=current,
        anomaly_count=len(recent),
        recent_anomalies=[Anomaly.of(record) for record in recent[:5]],
        health_score=100 - 20 * (len(recent) > 3) - 30 * high if bridge.state.snapshot(FLOW_STATE) else 0,
        stale=current.stale,
    )


@router.get("/metrics", responses=answers(404))
async def metrics(bridge: BridgeDep, line: LineDep) -> FlowMetrics:
    now_s = bridge.gateway.now_s()
    return FlowMetrics(
        current=_current(bridge, line),
        history=[Metrics.of(sample) for sample in bridge.state.flow.newest(line, 20)],
        stats=Stats.of(spreads(bridge.state.flow.between(line, now_s - HOUR_S, now_s))),
    )


@router.get("/anomalies")
async def anomalies(
    bridge: BridgeDep,
    severity: Severity | None = None,
    type_: Annotated[str | None, Query(alias="type")] = None,
) -> list[Anomaly]:
    """The last 50, newest first."""
    return [Anomaly.of(record) for record in bridge.state.anomalies.newest(50, severity=severity, type=type_)]


@router.get("/source")
async def source(bridge: BridgeDep) -> FlowSource:
    """Where the instruments' values come from; `ros2` with `live: false`: from nobody at present."""
    state, stale = bridge.state.snapshot(FLOW_STATE), bridge.state.is_stale(FLOW_STATE)
    return FlowSource(
        source="mock" if state and state["source"] == "simulated" else "ros2",
        publishers=state["publishers"] if state else [],
        live=state is not None and state["source"] != "none" and not stale,
        stale=stale,
    )


@router.get("/history", responses=answers(404))
async def history(
    bridge: BridgeDep, line: LineDep, hours_back: Annotated[Hours, Query(alias="hoursBack")] = 1.0
) -> FlowStatistics:
    now_s = bridge.gateway.now_s()
    samples = bridge.state.flow.between(line, now_s - hours_back * HOUR_S, now_s)
    return FlowStatistics(
        stats=Stats.of(spreads(samples)),
        anomalies_count=len(bridge.state.recent_anomalies(line, now_s - hours_back * HOUR_S)),
        sample_count=len(samples),
        since=bridge.state.flow.since_s(line),
    )


@router.get("/range", responses=answers(404))
async def range_(
    bridge: BridgeDep, line: LineDep, start: datetime | None = None, end: datetime | None = None
) -> FlowRange:
    """All samples from start to end: ISO 8601 (UTC if it does not say) or epoch time; default: the last hour."""
    end_s = moment_s(end) if end else bridge.gateway.now_s()
    start_s = moment_s(start) if start else end_s - HOUR_S
    if start_s > end_s:
        raise BridgeError(422, "invalid_request", "start: expected a time before end")
    samples = bridge.state.flow.between(line, start_s, end_s)
    return FlowRange(
        metrics=[Metrics.of(sample) for sample in samples],
        aggregation=Stats.of(spreads(samples)),
        since=bridge.state.flow.since_s(line),
    )


@router.get("/recentanomalies")
async def recent_anomalies(
    bridge: BridgeDep, hours: Hours = 24.0, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> list[Anomaly]:
    """Newest first."""
    oldest_s = bridge.gateway.now_s() - hours * HOUR_S
    records = [record for record in bridge.state.anomalies.newest() if record.since_s >= oldest_s]
    return [Anomaly.of(record) for record in records[:limit]]


@router.get(
    "/export",
    response_model=FlowExport,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}, "example": CSV_HEADER}}}, **answers(404)},
)
async def export(
    bridge: BridgeDep, line: LineDep, hours: Hours = 24.0, accept: Annotated[str, Header()] = ""
) -> FlowExport | Response:
    """Oldest first, as JSON with the text in `data`, or as a file for `Accept: text/csv`."""
    now_s = bridge.gateway.now_s()
    samples = bridge.state.flow.between(line, now_s - hours * HOUR_S, now_s)
    if "text/csv" in accept:
        headers = {"Content-Disposition": f'attachment; filename="{line}.csv"'}
        return StreamingResponse(_csv_chunks(samples), media_type="text/csv", headers=headers)
    return FlowExport(data=CSV_HEADER + "".join(map(_csv_row, samples)), row_count=len(samples))


@router.get("/prediction", responses=answers(404))
async def prediction(bridge: BridgeDep, line: LineDep) -> Prediction:
    recent = bridge.state.recent_anomalies(line, bridge.gateway.now_s() - HOUR_S)
    return Prediction(has_prediction=False, reason="no forecast is computed yet", anomaly_count=len(recent))


def _current(bridge: Bridge, line: str) -> CurrentMetrics:
    return CurrentMetrics.now(line, *bridge.state.asset(FLOW_STATE, line))


async def _csv_chunks(samples: list[FlowSample]) -> AsyncIterator[str]:
    yield CSV_HEADER
    for first in range(0, len(samples), CSV_ROWS_PER_CHUNK):
        yield "".join(map(_csv_row, samples[first : first + CSV_ROWS_PER_CHUNK]))


def _csv_row(sample: FlowSample) -> str:
    values: Iterable[float | None] = (lpm(sample.flow_rate), sample.pressure, sample.temperature)
    return ",".join((iso(sample.stamp_s), *("" if value is None else f"{value:.10g}" for value in values))) + "\n"
