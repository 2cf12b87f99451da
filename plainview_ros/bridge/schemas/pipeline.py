"""The pipeline and its leaks as the web sees them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from plainview_ros.bridge.gateway import Plain
from plainview_ros.bridge.journal import Record
from plainview_ros.bridge.schemas.base import Body, Instant, Schema, Score, litres, lpm

LeakSeverity = Literal["minor", "major", "critical"]
LeakStatus = Literal["active", "contained", "repaired", "suspected"]
Risk = Literal["low", "medium", "high"]


class Location(Schema):
    latitude: float | None = Field(examples=[58.3989])
    longitude: float | None = Field(examples=[1.7201])
    section: str | None = Field(examples=["C-South"])


class Leak(Schema):
    id: str = Field(examples=["0d3c1a52-9c7e-4f0e-8f38-3a4f5b6c7d8e"])
    severity: LeakSeverity
    location: Location
    volume_estimate: float | None = Field(description="[l] lost since it began", examples=[412.5])
    volume_std: float | None = Field(description="[l] standard deviation of it", examples=[20.0])
    detected_at: Instant
    began_at: Instant | None = Field(description="estimated")
    status: LeakStatus
    rate_lpm: float | None = Field(description="[l/min] estimated", examples=[165.0])
    rate_std_lpm: float | None = Field(description="[l/min] standard deviation of it", examples=[4.0])
    position_m: float | None = Field(description="[m] from the inlet of the pipeline", examples=[4950.0])
    position_std_m: float | None = Field(description="[m] standard deviation of it", examples=[20.0])
    evidence: str = Field(description="why PipelineGuard says so", examples=["0.0027 m3/s, 5.1% of the flow"])

    @classmethod
    def of(cls, record: Record) -> Leak:
        leak = record.latest
        return cls(
            id=leak["leak_id"],
            severity=leak["severity"],
            location=Location(latitude=leak["latitude"], longitude=leak["longitude"], section=leak["section"]),
            volume_estimate=litres(leak["volume_m3"]),
            volume_std=litres(leak["volume_std_m3"]),
            detected_at=leak["detected_at"] or record.since_s,
            began_at=leak["began_at"],
            status=leak["status"],
            rate_lpm=lpm(leak["rate_m3s"]),
            rate_std_lpm=lpm(leak["rate_std_m3s"]),
            position_m=leak["position_m"],
            position_std_m=leak["position_std_m"],
            evidence=leak["evidence"],
        )


class PipelineAlerts(Schema):
    active_leak_count: int = Field(examples=[1])
    critical_count: int = Field(examples=[0])
    active_leaks: list[Leak] = Field(description="the last 20, newest first")
    suspected_leaks: list[Leak] = Field(description="the evidence is not complete; no alarm was given")
    recent_history: list[Leak] = Field(description="the last 10 of any status, newest first")
    integrity: Score
    stale: bool = Field(description="PipelineGuard has been silent for too long, or was never heard", examples=[False])


class PressureReading(Schema):
    location: str = Field(examples=["C-South inlet"])
    pressure_pa: float | None = Field(description="[Pa] gauge", examples=[1_820_000.0])
    tag: str = Field(examples=["PT-302"])
    position_m: float | None = Field(examples=[4000.0])
    stale: bool = Field(examples=[False])


class PipelineHealth(Schema):
    timestamp: Instant = Field(description="when this was so; the time of the answer while nothing was heard yet")
    integrity_score: Score
    active_leaks: int = Field(examples=[0])
    last_inspection: Instant | None
    maintenance_due: Instant | None
    estimated_volume_lost: float = Field(description="[l] since PipelineGuard started", examples=[0.0])
    pressure_profile: list[PressureReading]
    stale: bool = Field(examples=[False])


class Section(Schema):
    section: str = Field(examples=["C-South"])
    active_leaks: list[Leak]
    risk_level: Risk = Field(description="by number and severity of the leaks; not low while nobody watches (stale)")
    last_incident: Leak | None
    guard: Literal["learning", "watching", "transient", "degraded", "blind"] | None = Field(
        description="what PipelineGuard can find there now; null while nothing was heard", examples=["watching"]
    )
    guard_reason: str = Field(description="why it is not watching with full sensitivity", examples=[""])
    flow_in_lpm: float | None = Field(examples=[3300.0])
    flow_out_lpm: float | None = Field(examples=[3299.0])
    imbalance_lpm: float | None = Field(description="line pack is accounted for", examples=[1.2])
    threshold_lpm: float | None = Field(description="imbalance that opens a leak now", examples=[60.0])
    stale: bool = Field(examples=[False])

    @classmethod
    def of(cls, section_id: str, state: Plain | None, stale: bool, active: list[Leak], last: Leak | None) -> Section:
        risk: Risk = state["risk"] if state else "low"
        known = state or dict.fromkeys(("guard", "flow_in_m3s", "flow_out_m3s", "imbalance_m3s", "threshold_m3s"))
        return cls(
            section=section_id,
            active_leaks=active,
            risk_level="medium" if stale and risk == "low" else risk,
            last_incident=last,
            guard=known["guard"],
            guard_reason=state["guard_reason"] if state else "",
            flow_in_lpm=lpm(known["flow_in_m3s"]),
            flow_out_lpm=lpm(known["flow_out_m3s"]),
            imbalance_lpm=lpm(known["imbalance_m3s"]),
            threshold_lpm=lpm(known["threshold_m3s"]),
            stale=stale,
        )


class ResolveRequest(Body):
    resolved_by: str = Field(default="", max_length=200, examples=["K. Berg"])
    note: str = Field(default="", max_length=2000, examples=["clamp fitted at 4950 m"])


class Resolution(Schema):
    ok: Literal[True] = True
    leak: Leak
