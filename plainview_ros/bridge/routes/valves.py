"""ValveOps."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Response

from plainview_ros import assets
from plainview_ros.bridge import archive
from plainview_ros.bridge.commands import other_end
from plainview_ros.bridge.context import Bridge, BridgeDep, ClientDep
from plainview_ros.bridge.errors import not_found
from plainview_ros.bridge.gateway import Plain
from plainview_ros.bridge.paging import PagingDep
from plainview_ros.bridge.problems import answers
from plainview_ros.bridge.schemas.history import Page, Stroke
from plainview_ros.bridge.schemas.valves import ActuateRequest, Actuation, Valve, ValveHealth
from plainview_ros.ros.topics import VALVES_STATE

router = APIRouter(prefix="/valves", tags=["ValveOps"])


async def known_valve(bridge: BridgeDep, valve_id: Annotated[str, Path(examples=["v-101"])]) -> assets.Valve:
    valve = bridge.rig.valve.get(valve_id)
    if valve is None:
        raise not_found("valve", valve_id)
    return valve


ValveDep = Annotated[assets.Valve, Depends(known_valve)]


@router.get("")
async def valves(bridge: BridgeDep) -> list[Valve]:
    return [Valve.of(valve, *_known(bridge, valve)) for valve in bridge.rig.valves]


@router.get("/{valve_id}", responses=answers(404))
async def valve(bridge: BridgeDep, valve: ValveDep) -> Valve:
    return Valve.of(valve, *_known(bridge, valve))


@router.get("/{valve_id}/health", responses=answers(404))
async def valve_health(bridge: BridgeDep, valve: ValveDep) -> ValveHealth:
    return ValveHealth.of(valve, *_known(bridge, valve))


@router.get("/{valve_id}/actuations", response_model=Page[Stroke], responses=answers(404, 503))
async def actuations(bridge: BridgeDep, valve: ValveDep, paging: PagingDep) -> Response:
    """All strokes of a valve."""
    return await archive.things(bridge, "valve_actuations", paging.part("strokes", valve_id=valve.id), Stroke.of)


@router.post("/{valve_id}/actuate", responses=answers(404, 409, 502, 503, 504))
async def actuate(
    bridge: BridgeDep, valve: ValveDep, client: ClientDep, wish: Annotated[ActuateRequest | None, Body()] = None
) -> Actuation:
    """Stroke a valve; answers as soon as it moves. How it ends is told on `/events`.

    409: it moves already, or its position is not known; 503: nobody serves the action; 504: no answer in time.
    """
    wish = wish or ActuateRequest()
    target = wish.target_position
    if target is None:
        target = other_end(valve.id, *bridge.state.asset(VALVES_STATE, valve.id))
    return Actuation(actuation_id=str(await bridge.gateway.actuate(valve.id, target, client, wish.reason)))


def _known(bridge: Bridge, valve: assets.Valve) -> tuple[Plain | None, bool, Plain | None]:
    """A valve's state, whether that is stale, and its last stroke where ValveOps does not know of any."""
    state, stale = bridge.state.asset(VALVES_STATE, valve.id)
    knows = state is not None and state["last_actuation"] is not None
    return state, stale, None if knows else bridge.state.last_stroke(valve.id)
