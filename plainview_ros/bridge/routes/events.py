"""What happens, as one stream for each client."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Header, Query, Response, WebSocket
from fastapi.requests import HTTPConnection
from pydantic import AfterValidator

from plainview_ros.bridge import archive
from plainview_ros.bridge.context import BridgeDep
from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.event_log import EventId, Selection, make_entry
from plainview_ros.bridge.follower import Follower, Wish, place_of, selection_of
from plainview_ros.bridge.openapi import add_schema
from plainview_ros.bridge.paging import PagingDep
from plainview_ros.bridge.part import storable
from plainview_ros.bridge.problems import answers
from plainview_ros.bridge.schemas.events import AnyEvent
from plainview_ros.bridge.schemas.history import EventPage
from plainview_ros.bridge.snapshot import render
from plainview_ros.bridge.sse import EventStream
from plainview_ros.bridge.web_socket import converse

router = APIRouter(tags=["Core"])


Storable = Annotated[str, AfterValidator(storable)]
Types = Annotated[list[str] | None, Query(description="types of events wanted, e.g. `alert.*,leak.alert`")]
Assets = Annotated[list[Storable] | None, Query(description="ids of what events are about, e.g. `v-101,C-South`")]


def _selection(types: list[str] | None, assets: list[str] | None) -> Selection | None:
    try:
        return selection_of(types or (), assets or ())
    except ValueError as error:
        raise BridgeError(422, "invalid_request", str(error)) from None


async def wish_of(
    types: Types = None,
    assets: Assets = None,
    since: Annotated[
        str, Query(description="id of the last event the client has, or a time (ISO 8601, or ms since the epoch)")
    ] = "",
    snapshot: Annotated[bool, Query(description="send `state.snapshot` first")] = False,
    last_event_id: Annotated[str, Header(description="goes before `since`: an EventSource sends it anew")] = "",
) -> Wish:
    """What a client of /events or /ws asks for."""
    selection = _selection(types, assets)
    try:
        after = EventId.parse(last_event_id) if last_event_id else None
    except ValueError:
        # It is of something else: a browser that were refused for it would never connect again.
        return Wish(None, lost_place=True, selection=selection, snapshot=snapshot)
    by_time = False
    if after is None and since:
        try:
            after, by_time = place_of(since)
        except ValueError as error:
            raise BridgeError(422, "invalid_request", f"since: {error}") from None
    return Wish(after, by_time=by_time, selection=selection, snapshot=snapshot)


WishDep = Annotated[Wish, Depends(wish_of)]


async def follower_of(connection: HTTPConnection, bridge: BridgeDep, wish: WishDep) -> Follower:
    return Follower(bridge.log, wish, bridge.keeping.history, partial(render, connection.app.state.answers.body))


FollowerDep = Annotated[Follower, Depends(follower_of)]


@router.get(
    "/events",
    status_code=200,
    response_class=EventStream,
    responses=answers(503),
)
async def events(bridge: BridgeDep, follower: FollowerDep) -> EventStream:
    """Server-Sent Events: everything that happens, from now on or from after `Last-Event-ID`.

    Telemetry may be left out for a client that is behind, its newest values are not. Everything else reaches the client
    once, also over breaks and restarts, or it gets `stream.gap` and should read the present state again.
    """
    return EventStream(follower, bridge.event_seats)


@router.get("/events/history", response_model=EventPage, responses=answers(503))
async def event_history(bridge: BridgeDep, paging: PagingDep, types: Types = None, assets: Assets = None) -> Response:
    """What was told on /events but for telemetry, newest first, each event as `/ws` sends it."""
    selection = _selection(types, assets)
    wanted = selection and (sorted(selection.types or ()), sorted(selection.assets or ()))
    return await archive.told(bridge, paging.part(f"events {wanted}", (int, int, str)), selection)


@router.websocket("/ws")
async def events_by_web_socket(socket: WebSocket, bridge: BridgeDep, follower: FollowerDep) -> None:
    """The same as /events; each event is one text message, the JSON of `data:` with the `id` in it."""
    origin = socket.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != socket.headers.get("host"):
        # A browser lets any page open a web socket anywhere, and only says which page it is.
        raise BridgeError(403, "foreign_origin", f"pages of {origin[:100]!r} may not follow the events of this bridge")
    await converse(socket, follower, bridge.event_seats)


def declare(openapi: dict[str, Any]) -> None:
    """Show every event that can come, each with a frame as it is sent."""
    from plainview_ros.bridge.schemas.event_examples import EXAMPLES  # not at the start of every bridge

    table = (
        "Frames of these types; `data:` is the JSON of the schema, `id:` is what to resume after.",
        "\n| type | when |\n|---|---|",
        *(f"| `{event.type}` | {' '.join((event.__doc__ or '').split())} |" for event in EXAMPLES),
    )
    frames = {
        event.type: {"value": make_entry(EventId(1763906703127, number), event.type, event.json_bytes()).frame.decode()}
        for number, event in enumerate(EXAMPLES)
    }
    schema = add_schema(openapi, AnyEvent)
    openapi["paths"]["/events"]["get"]["responses"]["200"] = {
        "description": "\n".join(table),
        "content": {EventStream.media_type: {"schema": schema, "examples": frames}},
    }


@router.get("/ws", include_in_schema=False)
async def no_web_socket() -> None:
    raise BridgeError(426, "upgrade_required", "/ws is for web sockets; /events tells the same by HTTP")
