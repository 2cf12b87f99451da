"""Valves as the web sees them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from plainview_ros import assets
from plainview_ros.bridge.gateway import Plain
from plainview_ros.bridge.schemas.base import Body, Instant, Number, Schema, Score, web_name
from plainview_ros.utc import midnight_s

Status = Literal["ok", "warning", "offline", "maintenance"]

FIELDS = {"temperature_c": "temperature"}
"""Fields that are named differently in ``ValveState`` and here."""


class ValveReading(Schema):
    """What both views of a valve have.

    A valve is called `ok` only while that is known: if ValveOps is silent, or was never heard, it is `warning`, and
    `stale` says why; a worse status stays as it was.
    """

    status: Status
    last_torque_nm: float | None = Field(description="[N m] peak of the last stroke", examples=[181.4])
    last_actuation_time: Instant | None
    temperature: float | None = Field(description="[°C]", examples=[41.2])
    pressure_pa: float | None = Field(description="[Pa] gauge", examples=[2_140_000.0])
    estimated_maintenance: Instant | None
    stale: bool = Field(description="ValveOps has been silent for too long, or was never heard", examples=[False])
    stale_values: list[str] = Field(
        description="measured values here that are older than their deadline", examples=[[]]
    )


class ValveName(Schema):
    id: str = Field(examples=["v-101"])
    name: str = Field(examples=["Wellhead A1"])


class Valve(ValveReading, ValveName):
    position: float | None = Field(description="0 closed, 1 open", examples=[1.0])
    torque_nm: float | None = Field(description="[N m] at the stem now", examples=[0.0])
    moving: bool

    @classmethod
    def of(cls, valve: assets.Valve, state: Plain | None, stale: bool, last_stroke: Plain | None) -> Valve:
        return cls(
            id=valve.id,
            name=valve.name,
            **_reading(valve, state, stale, last_stroke),
            position=state["position"] if state else None,
            torque_nm=state["torque_nm"] if state else None,
            moving=state["moving"] if state else False,
        )


class Thresholds(Schema):
    temp_warning: float = Field(description="[°C]", examples=[60.0])
    temp_critical: float = Field(description="[°C]", examples=[75.0])
    pressure_warning: float = Field(description="[Pa]", examples=[2_800_000.0])
    pressure_critical: float = Field(description="[Pa]", examples=[3_000_000.0])
    torque_variance: float = Field(description="[N m]", examples=[5.0])


class ValveHealth(ValveReading):
    valve_id: str = Field(examples=["v-101"])
    thresholds: Thresholds
    health_score: Score
    health_factors: list[str] = Field(description="one sentence for each deduction", examples=[[]])

    @classmethod
    def of(cls, valve: assets.Valve, state: Plain | None, stale: bool, last_stroke: Plain | None) -> ValveHealth:
        limits = valve.thresholds
        return cls(
            valve_id=valve.id,
            thresholds=Thresholds(
                temp_warning=limits.temp_warning_c,
                temp_critical=limits.temp_critical_c,
                pressure_warning=limits.pressure_warning_pa,
                pressure_critical=limits.pressure_critical_pa,
                torque_variance=limits.torque_variance_nm,
            ),
            health_score=state["health_score"] if state else 0,
            health_factors=state["health_factors"] if state else ["nothing was heard from ValveOps yet"],
            **_reading(valve, state, stale, last_stroke),
        )


class ActuateRequest(Body):
    """Unknown fields are refused: a misspelt ``targetPosition`` must not stroke the valve to its other end."""

    model_config = ConfigDict(extra="forbid")

    target_position: Annotated[Number, Field(ge=0, le=1)] | None = Field(
        default=None, description="0 closed, 1 open; not given: the other end position", examples=[0.0]
    )
    reason: str = Field(default="", max_length=500, examples=["weekly test"])


class Actuation(Schema):
    ok: Literal[True] = True
    actuation_id: str = Field(examples=["5b0c9a52-9c7e-4f0e-8f38-3a4f5b6c7d8e"])


def _reading(valve: assets.Valve, state: Plain | None, stale: bool, last_stroke: Plain | None) -> dict[str, Any]:
    """The fields of ``ValveReading``. The last stroke is one that ValveOps, started since then, does not know."""
    known = {"last_torque_nm": None, "last_actuation": None} if state is None else state
    last = {"last_torque_nm": known["last_torque_nm"], "last_actuation_time": known["last_actuation"]}
    if known["last_actuation"] is None and last_stroke is not None:
        last = {
            "last_torque_nm": last_stroke["peak_torque_nm"],
            "last_actuation_time": last_stroke["header"]["stamp"],
        }
    if state is None:
        return dict.fromkeys(ValveReading.model_fields) | {
            **last,
            "status": "warning",
            "estimated_maintenance": midnight_s(valve.estimated_maintenance),
            "stale": True,
            "stale_values": [],
        }
    return {
        "status": "warning" if stale and state["status"] == "ok" else state["status"],
        "stale": stale,
        "stale_values": [web_name(Valve, FIELDS.get(name, name)) for name in state["stale"]],
        **last,
        "temperature": state["temperature_c"],
        "pressure_pa": state["pressure_pa"],
        "estimated_maintenance": state["estimated_maintenance"],
    }
