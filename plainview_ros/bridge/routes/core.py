"""What the API is, how it is, and what happens."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import RedirectResponse

from plainview_ros import __version__
from plainview_ros.alerts import Severity
from plainview_ros.bridge import archive, health
from plainview_ros.bridge.context import BridgeDep
from plainview_ros.bridge.paging import Name, PagingDep
from plainview_ros.bridge.problems import answers
from plainview_ros.bridge.schemas.core import About, Health, Module
from plainview_ros.bridge.schemas.history import Alert, AuditEntry, Page

router = APIRouter(tags=["Core"])


@router.get("/", response_model=About, responses={307: {"description": "to the documentation"}})
async def about(accept: Annotated[str, Header()] = "") -> About | Response:
    """Name and version; a browser is sent to the documentation."""
    if "text/html" in accept:
        return RedirectResponse("/docs")
    return About(version=__version__)


@router.get("/health", responses={503: {"model": Health, "description": "the ROS side does not run"}})
async def get_health(bridge: BridgeDep, response: Response) -> Health:
    """The bridge and all it watches: 200 when ok or degraded, 503 when down."""
    report = health.health(bridge)
    response.status_code = 503 if report.status == "down" else 200
    return report


@router.get("/modules")
async def get_modules(bridge: BridgeDep) -> list[Module]:
    return health.modules(bridge.state)


@router.get("/alerts", response_model=Page[Alert], responses=answers(503))
async def alerts(
    bridge: BridgeDep,
    paging: PagingDep,
    status: Literal["raised", "cleared"] | None = None,
    severity: Severity | None = None,
    module_key: Annotated[Name | None, Query(alias="moduleKey")] = None,
    asset_id: Annotated[Name | None, Query(alias="assetId")] = None,
) -> Response:
    """All alerts ever; with `status=raised` those that stand."""
    part = paging.part("alerts", status=status, severity=severity, module_key=module_key, asset_id=asset_id)
    return await archive.things(bridge, "alerts", part, Alert.of)


@router.get("/audit", response_model=Page[AuditEntry], responses=answers(503))
async def audit(bridge: BridgeDep, paging: PagingDep) -> Response:
    """What clients commanded, and what was answered."""
    return await archive.audit(bridge, paging.part("audit"))


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
async def get_metrics(bridge: BridgeDep) -> Response:
    """For Prometheus: events, clients, lags, losses, callbacks, the process."""
    from plainview_ros.bridge import metrics  # not worth the time at every start

    return Response(metrics.render(bridge), headers={"Content-Type": metrics.CONTENT_TYPE})
