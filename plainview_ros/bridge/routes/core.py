"""What the API is, how it is, and what happens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import RedirectResponse

from plainview_ros import __version__
from plainview_ros.bridge import health
from plainview_ros.bridge.context import BridgeDep
from plainview_ros.bridge.schemas.core import About, Health, Module

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


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
async def get_metrics(bridge: BridgeDep) -> Response:
    """For Prometheus: events, clients, lags, losses, callbacks, the process."""
    from plainview_ros.bridge import metrics  # not worth the time at every start

    return Response(metrics.render(bridge), headers={"Content-Type": metrics.CONTENT_TYPE})
