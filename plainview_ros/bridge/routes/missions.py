"""Replays and scenarios."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Response

from plainview_ros.bridge import archive
from plainview_ros.bridge.context import Bridge, BridgeDep
from plainview_ros.bridge.errors import BridgeError, not_found
from plainview_ros.bridge.paging import PagingDep
from plainview_ros.bridge.problems import answers
from plainview_ros.bridge.restore import mission_of
from plainview_ros.bridge.schemas.history import Page
from plainview_ros.bridge.schemas.missions import (
    ActiveMission,
    Branch,
    Done,
    Mission,
    Missions,
    NewMission,
    Speed,
    SpeedSet,
)
from plainview_ros.missions.executor import Executor
from plainview_ros.missions.mission import MissionType, StateError, Status

T = TypeVar("T")

router = APIRouter(prefix="/missions", tags=["Missions"])


def command(bridge: Bridge, mission_id: str, act: Callable[[Executor, float, float], T]) -> T:
    """Do something with a mission; what does not go becomes a problem."""
    try:
        return bridge.missions.command(act)
    except KeyError:
        raise not_found("mission", mission_id) from None
    except StateError as error:
        raise BridgeError(409, "illegal_state", str(error)) from None
    except ValueError as error:
        raise BridgeError(422, "invalid_request", str(error)) from None


@router.get("")
async def missions(bridge: BridgeDep) -> Missions:
    now_s, executor = monotonic(), bridge.missions.executor
    everything = [Mission.of(mission, now_s) for mission in executor.all()]
    active = None if executor.active is None else Mission.of(executor.active, now_s)
    return Missions(count=len(everything), missions=everything, active=active)


@router.post("", responses=answers(409))
async def create(bridge: BridgeDep, new: NewMission) -> Mission:
    mission = command(bridge, "", lambda executor, _, now_s: executor.create(new.title, new.type, new.timeline, now_s))
    return Mission.of(mission, monotonic())


@router.get("/status/active")
async def active(bridge: BridgeDep) -> ActiveMission:
    now_s, mission = monotonic(), bridge.missions.executor.active
    if mission is None:
        return ActiveMission(active=False, progress=0.0)
    return ActiveMission(active=True, mission=Mission.of(mission, now_s), progress=mission.progress_at(now_s))


@router.get("/history", response_model=Page[Mission], responses=answers(503))  # before /{mission_id}, too
async def mission_history(
    bridge: BridgeDep,
    paging: PagingDep,
    status: Status | None = None,
    type_: Annotated[MissionType | None, Query(alias="type")] = None,
) -> Response:
    """All missions ever, as they were when they last changed."""
    part = paging.part("missions", status=status, type=type_)
    return await archive.things(bridge, "missions", part, lambda found: Mission.of(mission_of(found.data), 0.0))


@router.get("/{mission_id}", responses=answers(404))
async def mission(bridge: BridgeDep, mission_id: str) -> Mission:
    try:
        return Mission.of(bridge.missions.executor.get(mission_id), monotonic())
    except KeyError:
        raise not_found("mission", mission_id) from None


@router.post("/{mission_id}/start", responses=answers(404, 409))
async def start(bridge: BridgeDep, mission_id: str) -> Done:
    command(bridge, mission_id, lambda executor, *now: executor.start(mission_id, *now))
    return Done()


@router.post("/{mission_id}/pause", responses=answers(404, 409))
async def pause(bridge: BridgeDep, mission_id: str) -> Done:
    command(bridge, mission_id, lambda executor, *now: executor.pause(mission_id, *now))
    return Done()


@router.post("/{mission_id}/resume", responses=answers(404, 409))
async def resume(bridge: BridgeDep, mission_id: str) -> Done:
    command(bridge, mission_id, lambda executor, *now: executor.resume(mission_id, *now))
    return Done()


@router.post("/{mission_id}/stop", responses=answers(404, 409))
async def stop(bridge: BridgeDep, mission_id: str) -> Done:
    command(bridge, mission_id, lambda executor, *now: executor.stop(mission_id, *now))
    return Done()


@router.post("/{mission_id}/setspeed", responses=answers(404, 409))
async def set_speed(bridge: BridgeDep, mission_id: str, wanted: Speed) -> SpeedSet:
    command(bridge, mission_id, lambda executor, *now: executor.set_speed(mission_id, wanted.speed, *now))
    return SpeedSet(speed=wanted.speed)


@router.post("/{mission_id}/branch", responses=answers(404, 409))
async def branch(bridge: BridgeDep, mission_id: str, wanted: Branch | None = None) -> Mission:
    title = wanted.title if wanted else None
    made = command(bridge, mission_id, lambda executor, _, now_s: executor.branch(mission_id, now_s, title))
    return Mission.of(made, monotonic())
