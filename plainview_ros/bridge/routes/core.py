"""What the API is, how it is, and what happens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import RedirectResponse

from plainview_ros import __version__
from plainview_ros.bridge import health
from plainview_ros.bridge.context import BridgeDep
from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.event_log import EventId, encode_frame
from plainview_ros.bridge.problems import answers
from plainview_ros.bridge.schemas.core import About, Health, Module
from plainview_ros.bridge.schemas.events import EXAMPLES, AnyEvent
from plainview_ros.bridge.sse import EventStream

router = APIRouter(tags=["Core"])

TABLE = "\n".join(
    (
        "Frames of these types; `data:` is the JSON of the schema, `id:` is what to resume after.",
        "\n| type | when |\n|---|---|",
        *(f"| `{event.type}` | {' '.join((event.__doc__ or '').split())} |" for event in EXAMPLES),
    )
)
FRAMES = {
    event.type: {"value": encode_frame(event, EventId(1763906703127, number)).decode()}
    for number, event in enumerate(EXAMPLES)
}


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
    "/events",
    status_code=200,
    response_class=EventStream,
    responses={
        200: {"model": AnyEvent, "description": TABLE, "content": {"text/event-stream": {"examples": FRAMES}}},
        **answers(400, 503),
    },
)
async def events(bridge: BridgeDep, last_event_id: Annotated[str | None, Header()] = None) -> EventStream:
    """Server-Sent Events: everything that happens, from now on or from after `Last-Event-ID`.

    A client that was away for too long gets `stream.gap` and should read the present state again.
    """
    try:
        after = EventId.parse(last_event_id) if last_event_id else None
    except ValueError as error:
        raise BridgeError(400, "bad_event_id", f"Last-Event-ID: {error}") from None
    return EventStream(bridge.log, after, bridge.event_seats, bridge.settings.send_timeout_s)
