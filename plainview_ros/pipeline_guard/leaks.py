"""The life of a leak: found, growing or shrinking, contained, repaired."""

from __future__ import annotations

import math
import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal

from plainview_ros.assets import Pipeline
from plainview_ros.pipeline_guard.watch import Judgement

Severity = Literal["minor", "major", "critical"]
Status = Literal["active", "contained", "repaired"]

SEVERITIES: tuple[Severity, ...] = ("minor", "major", "critical")


@dataclass(frozen=True)
class SeverityLimits:
    """Rate of a leak as a share of the flow. A severity is left downwards ``deadband`` of its limit below it.

    On the default rig the rate of a steady leak, a mean over 30 s, wanders with a standard deviation of 0.03 to 0.1 %
    of the flow (measured, 15 leaks of 1.8 to 5 %). The deadband is 0.4 % of the flow at the lower limit and 1 % at the
    upper one: more than six times that.
    """

    major: float = 0.02
    critical: float = 0.05
    deadband: float = 0.2

    def __post_init__(self) -> None:
        if not self.major < self.critical:
            raise ValueError(f"severity limits: major ({self.major:g}) must be below critical ({self.critical:g})")

    def severity(self, share: float, before: Severity = "minor") -> Severity:
        """Severity of a share, given the severity until now."""
        keep = 1 - self.deadband
        if share >= self.critical * (keep if before == "critical" else 1):
            return "critical"
        if share >= self.major * (1 if before == "minor" else keep):
            return "major"
        return "minor"


@dataclass(frozen=True, slots=True)
class Leak:
    """One leak at one moment."""

    section: str
    severity: Severity
    worst: Severity
    """The gravest since it began."""
    status: Status
    stamp_s: float
    """Of the step that this is the state after."""
    detected_at_s: float
    rate_m3s: float
    volume_m3: float
    """Lost since it began, as far as it was measured: not while the section's instruments were silent."""
    position_m: float
    """From the inlet of the pipeline; NaN: only the section is known."""
    latitude: float
    longitude: float
    statistic_m3: float
    """Volume missing beyond the allowance when it was found."""
    threshold_m3: float
    """What that had to reach."""
    window_s: float
    """Over which it was found."""
    evidence: str
    leak_id: uuid.UUID = field(default_factory=uuid.uuid4)
    event_id: uuid.UUID = field(default_factory=uuid.uuid4)


class UnknownLeakError(ValueError):
    """No leak with this id is remembered."""


class AlreadyRepairedError(ValueError):
    """The leak was resolved before."""

    def __init__(self, leak: Leak) -> None:
        super().__init__(f"leak {leak.leak_id} of {leak.section} is already repaired")
        self.leak = leak


class LeakBook:
    """The leaks of one pipeline; at most one of a section is open, as the balance sees only their sum.

    A leak opens when the evidence is complete, is contained when nothing is missing any more and active again when it
    is, and ends when somebody says that it is repaired. If volume is still missing then, the test starts from zero and
    opens a new leak when the evidence is complete again.
    """

    REMEMBERED = 1000
    """Repaired leaks whose ids are still known."""

    def __init__(self, pipeline: Pipeline, limits: SeverityLimits) -> None:
        self._pipeline = pipeline
        self._limits = limits
        self._open: dict[str, Leak] = {}
        self._ended: deque[Leak] = deque(maxlen=self.REMEMBERED)
        self._ended_volume_m3 = 0.0

    @property
    def open_leaks(self) -> list[Leak]:
        """Active and contained, oldest first."""
        return list(self._open.values())

    @property
    def volume_lost_m3(self) -> float:
        """By all leaks since the start."""
        return self._ended_volume_m3 + sum(leak.volume_m3 for leak in self._open.values())

    def recent(self, count: int = 10) -> list[Leak]:
        """The last that were repaired, newest first."""
        return list(islice(self._ended, count))

    def is_sound(self, section_id: str) -> bool:
        """Whether no leak of the section is open."""
        return section_id not in self._open

    def judge(self, section_id: str, judgement: Judgement) -> list[Leak]:
        """Follow one step of a section's balance; the transition it causes, if any."""
        before = self._open.get(section_id)
        if before is None:
            return [self._found(section_id, judgement)] if judgement.limit_share >= 1 else []
        after = self._followed(before, judgement)
        if (after.status, after.severity) != (before.status, before.severity):
            after = replace(after, event_id=uuid.uuid4(), evidence=_change(before, after, judgement))
        self._open[section_id] = after
        return [after] if after.event_id != before.event_id else []

    def resolve(self, leak_id: uuid.UUID, resolved_by: str, note: str, stamp_s: float) -> Leak:
        """End an open leak.

        Raises:
            UnknownLeakError: no leak has this id.
            AlreadyRepairedError: it had ended before.
        """
        for ended in self._ended:
            if ended.leak_id == leak_id:
                raise AlreadyRepairedError(ended)
        leak = next((leak for leak in self._open.values() if leak.leak_id == leak_id), None)
        if leak is None:
            raise UnknownLeakError(f"no leak has the id {leak_id}")
        evidence = f"resolved by {resolved_by or 'somebody unnamed'}{': ' if note else ''}{note}"
        repaired = replace(
            leak, status="repaired", rate_m3s=0.0, stamp_s=stamp_s, evidence=evidence, event_id=uuid.uuid4()
        )
        del self._open[leak.section]
        self._ended.appendleft(repaired)
        self._ended_volume_m3 += repaired.volume_m3
        return repaired

    def _found(self, section_id: str, judgement: Judgement) -> Leak:
        section = next(section for section in self._pipeline.sections if section.id == section_id)
        middle = self._pipeline.place_at(self._pipeline.start_of(section_id) + section.length_m / 2)
        severity = self._limits.severity(_share(judgement))
        leak = Leak(
            section=section_id,
            severity=severity,
            worst=severity,
            status="active",
            stamp_s=judgement.stamp_s,
            detected_at_s=judgement.stamp_s,
            rate_m3s=judgement.rate_m3s,
            volume_m3=judgement.missing_m3,
            position_m=math.nan,
            latitude=middle.latitude,
            longitude=middle.longitude,
            statistic_m3=judgement.statistic_m3,
            threshold_m3=judgement.limit_m3,
            window_s=judgement.suspected_s,
            evidence=f"{judgement.missing_m3:.3g} m3 missing in {judgement.suspected_s:.0f} s, {_size(judgement)}",
        )
        self._open[section_id] = leak
        return leak

    def _followed(self, leak: Leak, judgement: Judgement) -> Leak:
        if leak.status == "contained" and judgement.limit_share < 1:
            return replace(leak, stamp_s=judgement.stamp_s)
        if judgement.limit_share <= 0:
            return replace(leak, stamp_s=judgement.stamp_s, status="contained", rate_m3s=0.0)
        lost_m3 = judgement.missing_m3 if leak.status == "contained" else judgement.imbalance_m3s * judgement.step_s
        severity = self._limits.severity(_share(judgement), leak.severity)
        return replace(
            leak,
            stamp_s=judgement.stamp_s,
            status="active",
            severity=severity,
            worst=max(leak.worst, severity, key=SEVERITIES.index),
            rate_m3s=max(0.0, judgement.rate_m3s),
            volume_m3=max(0.0, leak.volume_m3 + lost_m3),
        )


def _share(judgement: Judgement) -> float:
    """Rate as a share of what the section carries or usually carries: closing it in makes a leak no worse."""
    flow_m3s = max(judgement.flow_m3s, judgement.usual_flow_m3s)
    return judgement.rate_m3s / flow_m3s if flow_m3s > 0 else math.inf


def _size(judgement: Judgement) -> str:
    return f"{judgement.rate_m3s:.3g} m3/s, {_share(judgement):.1%} of the flow"


def _change(before: Leak, after: Leak, judgement: Judgement) -> str:
    """What a transition is about, as a sentence for the operator."""
    if after.status == "contained":
        return f"nothing is missing any more, {after.volume_m3:.3g} m3 are lost"
    if before.status == "contained":
        return f"volume is missing again, {_size(judgement)}"
    return f"was {before.severity}, is {after.severity}: {_size(judgement)}"
