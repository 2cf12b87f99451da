"""What the API is and how it is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from plainview_ros.bridge.schemas.base import Schema

Condition = Literal["ok", "degraded", "down"]


class About(Schema):
    name: str = "Plainview API"
    version: str = Field(examples=["0.1.0"])
    service: str = "core"


class Check(Schema):
    status: Condition
    detail: str | None = Field(default=None, examples=["last valves/state 7.2 s ago"])


class Health(Schema):
    status: Condition
    uptime_sec: int = Field(examples=[3600])
    checks: dict[str, Check] = Field(examples=[{"ros": {"status": "ok"}, "valve-ops": {"status": "ok"}}])
    version: str = Field(examples=["0.1.0"])


class Module(Schema):
    key: str = Field(examples=["valve-ops"])
    title: str = Field(examples=["ValveOps"])
    description: str = Field(examples=["Autonomous actuation & maintenance scheduling"])
    status: Condition = Field(description="degraded: its last snapshot is stale; down: none was ever received")


class ProblemDocument(Schema):
    """RFC 9457, with `ok` and `error` for clients of the first Plainview."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["no valve has the id 'v-999'"])
    ok: Literal[False] = False
    error: str = Field(description="short name for programs", examples=["not_found"])
