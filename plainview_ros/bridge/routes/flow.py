"""FlowIQ."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response

from plainview_ros.bridge import archive, flow_archive
from plainview_ros.bridge.archive import ask, json_response
from plainview_ros.bridge.audit import tell_more
from plainview_ros.bridge.context import Bridge, BridgeDep, ClientDep
from plainview_ros.bridge.errors import BridgeError, not_found
from plainview_ros.bridge.flow_history import HOUR_S, spreads
from plainview_ros.bridge.paging import Cursor, End, Name, Paging, PagingDep, Start
from plainview_ros.bridge.part import Period
from plainview_ros.bridge.problems import answers
from plainview_ros.bridge.schemas.base import epoch_ms
from plainview_ros.bridge.schemas.flow import (
    Anomaly,
    Baseline,
    BaselineRequest,
    BaselineSet,
    CurrentMetrics,
    FlowExport,
    FlowHealth,
    FlowMetrics,
    FlowRange,
    FlowSeries,
    FlowSource,
    FlowStatistics,
    MetricForecast,
    Metrics,
    Prediction,
    Severity,
    Stats,
    metric_name,
)
from plainview_ros.bridge.schemas.history import Page
from plainview_ros.ros.topics import FLOW_FORECAST, FLOW_STATE

router = APIRouter(prefix="/flow", tags=["FlowIQ"])

DAY_HOURS = 24.0
MAX_RANGE_ROWS = 10_000
MAX_JSON_ROWS = 100_000

Hours = Annotated[float, Query(gt=0, le=24 * 366)]


async def known_line(
    bridge: BridgeDep,
    line_id: Annotated[str | None, Query(alias="lineId", description="default: the rig's first flow line")] = None,
) -> str:
    line = line_id or next(iter(bridge.rig.flow_line), "")
    if line not in bridge.rig.flow_line:
        raise not_found("flow line", line)
    return line


async def named_line(bridge: BridgeDep, line_id: Annotated[str, Path(examples=["fl-1"])]) -> str:
    return await known_line(bridge, line_id)


LineDep = Annotated[str, Depends(known_line)]
NamedLineDep = Annotated[str, Depends(named_line)]


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


@router.get("/anomalies/history", response_model=Page[Anomaly], responses=answers(503))
async def anomaly_history(
    bridge: BridgeDep,
    paging: PagingDep,
    line_id: Annotated[Name | None, Query(alias="lineId")] = None,
    severity: Severity | None = None,
    type_: Annotated[Name | None, Query(alias="type")] = None,
) -> Response:
    part = paging.part("anomalies", line_id=line_id, severity=severity, type=type_)
    return await archive.things(bridge, "flow_anomalies", part, flow_archive.anomaly)


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


@router.get("/history", responses=answers(404, 503))
async def history(
    bridge: BridgeDep, line: LineDep, hours_back: Annotated[Hours, Query(alias="hoursBack")] = 1.0
) -> FlowStatistics:
    return await ask(bridge, partial(flow_archive.statistics, line, *_last(bridge, hours_back)))


@router.get("/range", response_model=FlowRange, responses=answers(404, 503))
async def range_(
    bridge: BridgeDep,
    line: LineDep,
    start: Start = None,
    end: End = None,
    limit: Annotated[int, Query(ge=1, le=MAX_RANGE_ROWS)] = MAX_RANGE_ROWS,
    cursor: Cursor = None,
) -> Response:
    """Samples from start to before end, oldest first; default: the last hour."""
    part = Paging(start, end, limit, cursor).part("flow/range", (int,), line_id=line)
    stretch = _stretch(bridge, start, end, HOUR_S)
    return json_response(await ask(bridge, partial(flow_archive.range_, line, *stretch, part)))


@router.get("/series", response_model=FlowSeries, responses=answers(404, 503))
async def series(
    bridge: BridgeDep,
    line: LineDep,
    start: Start = None,
    end: End = None,
    points: Annotated[int, Query(ge=2, le=5000, description="at the most")] = 1000,
) -> Response:
    """Least, mean and greatest values of equal stretches of time, to plot any range; default: the last hour.

    Made of roll-ups where the stretches are whole minutes or hours. Of a time of which only roll-ups are kept, what is
    before the first and after the last whole minute (or hour) of the range is left out.
    """
    stretch = _stretch(bridge, start, end, HOUR_S)
    return json_response(await ask(bridge, partial(flow_archive.series, line, *stretch, points)))


@router.get("/recentanomalies", responses=answers(503))
async def recent_anomalies(
    bridge: BridgeDep, hours: Hours = 24.0, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> list[Anomaly]:
    """Newest first."""
    start_ms, _ = _last(bridge, hours)
    return await ask(bridge, partial(flow_archive.anomalies, Paging(start_ms, None, limit, None).part("")))


@router.get(
    "/export",
    response_model=FlowExport,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}, "example": flow_archive.CSV_HEADER}}},
        **answers(404, 503),
    },
)
async def export(
    bridge: BridgeDep,
    line: LineDep,
    hours: Hours | None = None,
    start: Start = None,
    end: End = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Samples of the last 24 or so many hours, or from start to before end, oldest first.

    JSON with the text in `data` has at most 100,000 of them; for `Accept: text/csv` it is a file of any length.
    """
    if hours is not None and (start is not None or end is not None):
        raise BridgeError(422, "invalid_request", "hours: expected either hours, or start and end")
    stretch = _stretch(bridge, start, end, (hours or DAY_HOURS) * HOUR_S)
    if "text/csv" in accept:
        return flow_archive.CsvFile(flow_archive.csv(bridge, line, stretch), f"{line}.csv", bridge.export_seats)
    with bridge.export_seats.take(object()):
        rows = await flow_archive.count(bridge, line, stretch, MAX_JSON_ROWS + 1)
        if rows > MAX_JSON_ROWS:
            name = "hours" if start is None else "start"
            detail = f"{name}: expected at most {MAX_JSON_ROWS:,} samples, there are more: ask with Accept: text/csv"
            raise BridgeError(422, "invalid_request", detail)
        return json_response(await flow_archive.csv_in_json(bridge, line, stretch))


@router.get("/prediction", responses=answers(404))
async def prediction(bridge: BridgeDep, line: LineDep) -> Prediction:
    """What the line's metrics will read in the next hour, with a band that nine in ten readings are in."""
    recent = bridge.state.recent_anomalies(line, bridge.gateway.now_s() - HOUR_S)
    known, _ = bridge.state.asset(FLOW_FORECAST, line)
    channels = known["channels"] if known else []
    if bridge.state.is_stale(FLOW_STATE):
        reason = "FlowIQ is silent"
    elif not channels:
        reason = "FlowIQ has not seen the line for long enough, or its instruments are silent"
    else:
        return Prediction(
            has_prediction=True,
            prediction={metric_name(channel["channel"]): MetricForecast.of(channel) for channel in channels},
            cached=True,
            anomaly_count=len(recent),
        )
    return Prediction(has_prediction=False, reason=reason, anomaly_count=len(recent))


@router.get("/lines/{line_id}/baseline", responses=answers(404))
async def baseline(bridge: BridgeDep, line: NamedLineDep) -> Baseline:
    """What the line is compared with, and since whose word."""
    return Baseline.of(line, *bridge.state.asset(FLOW_STATE, line))


@router.post("/lines/{line_id}/baseline", responses=answers(404, 409, 502, 503, 504))
async def set_baseline(
    bridge: BridgeDep,
    line: NamedLineDep,
    client: ClientDep,
    request: Request,
    wish: Annotated[BaselineRequest, Body()],
) -> BaselineSet:
    """An operator says what is normal.

    `learn`: what flows now is; an open anomaly is closed with that reason, and the reference is learnt anew from now
    on. `freeze`: the reference no longer moves until the next action. `resume`: it follows again. `reset`: all that
    was learnt of the line, and its statistics, is forgotten, and learning starts.

    409 `still_learning`: there is nothing yet that could be frozen; 503: FlowIQ is not there, or not active.
    """
    tell_more(request.scope, f"{wish.action} {wish.note}")
    state = await bridge.gateway.set_baseline(line, wish.action, wish.requested_by or client, wish.note)
    bridge.state.note_line(state)
    return BaselineSet(baseline=Baseline.of(line, state, stale=False))


def _current(bridge: Bridge, line: str) -> CurrentMetrics:
    return CurrentMetrics.now(line, *bridge.state.asset(FLOW_STATE, line))


def _last(bridge: Bridge, hours: float) -> tuple[int, int]:
    """The last hours up to now, which is in it."""
    return _stretch(bridge, None, None, hours * HOUR_S)


def _stretch(bridge: Bridge, start_ms: int | None, end_ms: int | None, default_s: float) -> tuple[int, int]:
    """From start to end [ms]; default: up to now, which is in it, and so long.

    Raises:
        BridgeError: it ends before it begins.
    """
    now_ms = epoch_ms(bridge.gateway.now_s())
    if end_ms is None and start_ms is not None and start_ms > now_ms:
        raise BridgeError(422, "invalid_request", "start: expected a time that is not in the future, or an end, too")
    if start_ms is None:
        start_ms = (now_ms if end_ms is None else end_ms) - round(default_s * 1000)
    if end_ms is None:
        end_ms = now_ms + 1
    Period.of(start_ms, end_ms)
    return max(0, start_ms), max(0, end_ms)
