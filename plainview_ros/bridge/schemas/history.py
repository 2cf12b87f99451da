"""What happened, as the web sees it: pages, and what only history tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import Field

from plainview_ros import alerts
from plainview_ros.bridge.schemas.base import Instant, Schema

if TYPE_CHECKING:
    from plainview_ros.bridge.store.histories import Found

T = TypeVar("T")


class Page(Schema, Generic[T]):
    """Part of a long list."""

    items: Sequence[T] = Field(description="newest first")
    next_cursor: str | None = Field(
        description="`cursor` of the next page; null: this is the last", examples=["WyI0ZDBlMWYiLDE3NjM5MDY3MDMxMjdd"]
    )


class EventPage(Page[dict[str, Any]]):
    items: Sequence[dict[str, Any]] = Field(
        description="newest first, each as `/ws` sends it: the JSON of `data:` with its `id`",
        examples=[[{"id": "1763906703127-0", "type": "leak.alert", "assetId": "C-South", "severity": "med"}]],
    )


class Stroke(Schema):
    actuation_id: str = Field(examples=["5b0c9a52-9c7e-4f0e-8f38-3a4f5b6c7d8e"])
    valve_id: str = Field(examples=["v-101"])
    status: Literal["requested", "completed", "failed", "canceled"]
    requested_at: Instant
    completed_at: Instant | None = Field(description="when it ended, however")
    target_position: float | None = Field(description="0 closed, 1 open", examples=[0.0])
    final_position: float | None = Field(description="0 closed, 1 open", examples=[0.0])
    torque_nm: float | None = Field(description="[N m] peak of the stroke", examples=[181.4])
    duration_sec: float | None = Field(description="[s]", examples=[8.2])
    error_code: int = Field(description="as the ActuateValve action has it", examples=[0])
    message: str = Field(description="why it failed", examples=[""])
    requested_by: str = Field(examples=["http 10.0.0.7"])
    reason: str = Field(examples=["weekly test"])

    @classmethod
    def of(cls, found: Found) -> Stroke:
        row = found.columns
        return cls(
            actuation_id=row["id"],
            valve_id=row["valve_id"],
            status=row["status"],
            requested_at=row["requested_at_ms"] / 1000,
            completed_at=_seconds(row["completed_at_ms"]),
            target_position=row["target_position"],
            final_position=row["final_position"],
            torque_nm=row["torque_nm"],
            duration_sec=row["duration_s"],
            error_code=row["error_code"],
            message=found.data["error_msg"],
            requested_by=row["requested_by"],
            reason=row["reason"],
        )


class Alert(Schema):
    id: str = Field(examples=["c916d541-f1d7-4e3d-b426-83881c5e8cb8"])
    module_key: str = Field(examples=["valve-ops"])
    asset_kind: str = Field(examples=["valve"])
    asset_id: str = Field(examples=["v-101"])
    code: str = Field(description="what is wrong, the same for the same cause", examples=["valve_status"])
    severity: alerts.Severity
    status: Literal["raised", "cleared"]
    message: str = Field(examples=["v-101 is at 62 °C, above 60 °C"])
    created_at: Instant
    cleared_at: Instant | None

    @classmethod
    def of(cls, found: Found) -> Alert:
        row = found.columns
        return cls(
            id=row["id"],
            module_key=row["module_key"],
            asset_kind=found.data["asset_kind"],
            asset_id=row["asset_id"],
            code=row["code"],
            severity=row["severity"],
            status=row["status"],
            message=row["message"],
            created_at=row["created_at_ms"] / 1000,
            cleared_at=row["stamp_ms"] / 1000 if row["status"] == "cleared" else None,
        )


class AuditEntry(Schema):
    id: str = Field(examples=["2f6c9a52-9c7e-4f0e-8f38-3a4f5b6c7d8e"])
    at: Instant
    who: str = Field(examples=["http 10.0.0.7"])
    action: str = Field(examples=["POST /valves/v-101/actuate"])
    status: int = Field(description="of the HTTP answer; 0: the client left before it", examples=[200])

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> AuditEntry:
        return cls(id=row["id"], at=row["at_ms"] / 1000, who=row["who"], action=row["action"], status=row["status"])


def _seconds(at_ms: int | None) -> float | None:
    return None if at_ms is None else at_ms / 1000
