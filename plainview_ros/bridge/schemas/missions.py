"""Missions as the web sees them."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from plainview_ros.bridge.schemas.base import Body, Instant, Number, Schema
from plainview_ros.missions import mission as domain
from plainview_ros.missions.mission import MAX_SPEED, MIN_SPEED, MissionType, Status


def _is_json(value: dict[str, Any]) -> dict[str, Any]:
    """Python reads NaN and half surrogate pairs that it cannot write again."""
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_is_json)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class NewMission(Body):
    title: Title = Field(default="Untitled", examples=["Isolation drill"])
    type: MissionType = "replay"
    timeline: list[JsonObject] = Field(
        default_factory=list,
        description=(
            "Steps, each with `title` (or `type`) and either `at` [s from the start] or `timestamp` (recorded time, ISO"
            " 8601 or epoch milliseconds). A step is announced when it is reached; it moves nothing on the rig."
        ),
        examples=[[{"at": 0, "title": "Leak alarm"}, {"at": 30, "title": "Close v-102", "description": "by hand"}]],
    )


class Branch(Body):
    title: Title | None = Field(default=None, examples=["Isolation drill, v-103 stuck"])


class Speed(Body):
    speed: Number = Field(ge=MIN_SPEED, le=MAX_SPEED, examples=[2.0])


class Mission(Schema):
    id: str = Field(examples=["1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"])
    title: str = Field(examples=["Isolation drill"])
    type: MissionType
    status: Status
    created_at: Instant
    started_at: Instant | None = None
    completed_at: Instant | None = Field(default=None, description="end, also of a mission that was stopped")
    timeline: list[dict[str, Any]] = Field(
        description="the entries as given, in order, `at` [s] added", examples=[[{"at": 0.0, "title": "Leak alarm"}]]
    )
    playback_speed: float = Field(examples=[1.0])
    steps_reached: int = Field(examples=[1])
    progress: float = Field(ge=0, le=100, description="[%] of the timeline", examples=[40.0])

    @classmethod
    def of(cls, mission: domain.Mission, monotonic_s: float) -> Mission:
        return cls(
            id=mission.id,
            title=mission.title,
            type=mission.type,
            status=mission.status,
            created_at=mission.created_s,
            started_at=mission.started_s,
            completed_at=mission.ended_s,
            timeline=[{**step.content, "at": step.at_s, "title": step.title} for step in mission.steps],
            playback_speed=mission.speed,
            steps_reached=mission.reached,
            progress=mission.progress_at(monotonic_s),
        )


class Missions(Schema):
    count: int = Field(examples=[1])
    missions: list[Mission] = Field(description="newest first")
    active: Mission | None = None


class ActiveMission(Schema):
    active: bool
    mission: Mission | None = None
    progress: float = Field(ge=0, le=100, examples=[40.0])


class Done(Schema):
    ok: bool = True


class SpeedSet(Done):
    speed: float = Field(examples=[2.0])
