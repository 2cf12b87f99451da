"""One incident: what happened at one place of the rig, told in order.

    ACTIVE ──▶ INVESTIGATING ──▶ MITIGATED ──▶ RESOLVED
                     ▲               │
                     └───────────────┘          (the mitigation did not hold)

A step may be left out on the way forward. A resolved incident is history: what comes again is a new incident.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from plainview_ros.alerts import Severity
from plainview_ros.incidents.finding import Asset, Finding

Status = Literal["active", "investigating", "mitigated", "resolved"]
EntryType = Literal["detection", "alert", "action", "update"]

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    "active": frozenset({"investigating", "mitigated", "resolved"}),
    "investigating": frozenset({"mitigated", "resolved"}),
    "mitigated": frozenset({"investigating", "resolved"}),
    "resolved": frozenset(),
}

STATUSES: tuple[Status, ...] = ("active", "investigating", "mitigated", "resolved")
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")

MAX_ENTRIES = 500
"""Of a timeline, and of the ids kept of each kind. The first entry, which tells how it began, always stays."""


class TransitionError(ValueError):
    """A change of status that the life cycle does not have; the message names both."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an incident's timeline."""

    stamp_s: float
    type: EntryType
    title: str
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """What an operator adds to an incident."""

    status: Status | None = None
    root_cause: str | None = None
    resolution: str | None = None
    """Resolves the incident, whatever status is given with it."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as it is now; a change makes a new value. Times in seconds since the epoch."""

    id: str
    title: str
    severity: Severity
    started_s: float
    asset: Asset
    """Where it began."""
    status: Status = "active"
    resolved_s: float | None = None
    affected_modules: tuple[str, ...] = ()
    detection_ids: tuple[str, ...] = ()
    """Leaks, anomalies and camera detections."""
    alert_ids: tuple[str, ...] = ()
    root_cause: str | None = None
    resolution: str | None = None
    timeline: tuple[Entry, ...] = ()
    """In the order of arrival."""

    @property
    def is_open(self) -> bool:
        return self.status != "resolved"

    def with_finding(self, finding: Finding) -> Incident:
        """The incident with one more finding: a later transition of a known one is an update of it."""
        is_alert = finding.kind == "alert"
        known = finding.id in (self.alert_ids if is_alert else self.detection_ids)
        entry = Entry(
            stamp_s=finding.stamp_s,
            type="update" if known else "alert" if is_alert else "detection",
            title=f"Ended: {finding.title}" if finding.ended else finding.title,
            description=finding.description,
            metadata={"module": finding.module, "id": finding.id, "eventId": finding.event_id, **finding.details},
        )
        return replace(
            self,
            severity=max(self.severity, finding.severity, key=SEVERITIES.index),
            started_s=min(self.started_s, finding.stamp_s),
            affected_modules=_with(self.affected_modules, finding.module),
            alert_ids=_with(self.alert_ids, finding.id) if is_alert else self.alert_ids,
            detection_ids=self.detection_ids if is_alert else _with(self.detection_ids, finding.id),
            timeline=_told(self.timeline, entry),
        )

    def updated(self, update: Update, now_s: float) -> Incident:
        """The incident after an operator's update, of which each part is told in the timeline.

        The present status is no transition.

        Raises:
            TransitionError: when the life cycle has no way from the present status to the new one.
        """
        root_cause, resolution = update.root_cause, update.resolution
        target: Status = "resolved" if resolution is not None else update.status or self.status
        if target != self.status and target not in TRANSITIONS[self.status]:
            raise TransitionError(f"incident {self.id} is {self.status} and cannot become {target}")
        incident = self
        if root_cause is not None:
            incident = replace(
                incident,
                root_cause=root_cause,
                timeline=_told(incident.timeline, Entry(now_s, "update", "Root cause identified", root_cause)),
            )
        if target == self.status and resolution is None:
            return incident
        entry = Entry(
            now_s,
            "update" if resolution is None else "action",
            f"Status: {target}",
            resolution or f"Changed from {self.status} to {target}",
        )
        return replace(
            incident,
            status=target,
            resolution=resolution or incident.resolution,
            resolved_s=incident.resolved_s if target == self.status else now_s if target == "resolved" else None,
            timeline=_told(incident.timeline, entry),
        )

    def merged(self, other: Incident) -> Incident:
        """The incident with what else is known of it elsewhere, where it began with the same finding.

        What operators said of it is kept: that of the two which is further in its life cycle says how it stands.
        """
        told = {(event_id_of(entry), entry.stamp_s, entry.title) for entry in self.timeline}
        more = [e for e in other.timeline if (event_id_of(e), e.stamp_s, e.title) not in told]
        timeline = (*self.timeline, *more)
        ahead = max(other, self, key=lambda one: STATUSES.index(one.status))
        return replace(
            self,
            severity=max(self.severity, other.severity, key=SEVERITIES.index),
            started_s=min(self.started_s, other.started_s),
            status=ahead.status,
            resolved_s=ahead.resolved_s,
            affected_modules=_united(self.affected_modules, other.affected_modules),
            detection_ids=_united(self.detection_ids, other.detection_ids),
            alert_ids=_united(self.alert_ids, other.alert_ids),
            root_cause=self.root_cause or other.root_cause,
            resolution=self.resolution or other.resolution,
            timeline=(*timeline[:1], *timeline[1:][-MAX_ENTRIES + 1 :]),
        )


def event_id_of(entry: Entry) -> str:
    """Of the transition that a timeline's entry tells; empty: it tells none."""
    return str(entry.metadata.get("eventId", ""))


def _with(values: tuple[str, ...], value: str) -> tuple[str, ...]:
    return values if value in values else (*values, value)[-MAX_ENTRIES:]


def _united(values: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*values, *more)))[-MAX_ENTRIES:]


def _told(timeline: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    if len(timeline) < MAX_ENTRIES:
        return (*timeline, entry)
    return (timeline[0], *timeline[2:], entry)
