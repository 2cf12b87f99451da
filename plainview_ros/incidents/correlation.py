"""Which findings belong together: one incident for what happened at one place at one time.

A bridge that starts again has its incidents back from history, and goes on with them.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from plainview_ros.incidents.finding import Finding
from plainview_ros.incidents.incident import Incident, Update, event_id_of
from plainview_ros.incidents.neighbourhood import Neighbourhood

WINDOW_S = 300.0
"""Findings further apart in time are not put down to one cause."""

MAX_INCIDENTS = 1000
MAX_UNATTACHED = 1000
MAX_IDS = 20_000

_INCIDENTS = uuid.UUID("8f3d0f35-6c0c-4a4e-9d0e-6a8f1f2f8d11")
"""Namespace of incident ids: made from the event that opened it, an id survives a restart of the bridge."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a finding or an operator did."""

    kind: Literal["created", "updated"]
    incident: Incident


class Span(NamedTuple):
    """Time [s] between the first and the last grave finding of an incident."""

    first_s: float
    last_s: float

    def distance_s(self, stamp_s: float) -> float:
        """How far outside a time is; 0 inside."""
        return max(self.first_s - stamp_s, stamp_s - self.last_s, 0.0)

    def including(self, first_s: float, last_s: float) -> Span:
        return Span(min(self.first_s, first_s), max(self.last_s, last_s))


class IncidentBook:
    """All incidents of a rig; every finding ends in one at the most.

    A finding joins the open incident that began at the same or a neighbouring asset and whose grave findings are at
    most ``window_s`` away in time; among several the nearest in time. Neighbours are counted from where the incident
    began, so that it does not creep along the pipeline. If there is none, a warning or critical alert or an active
    leak opens one, and takes along what was found there shortly before; anything else waits for that, for as long as
    the window.

    A later transition of a finding stays with the incident that has it. Only after that is resolved may a condition
    that goes on, or grows, open a new one.

    Args:
        neighbourhood: of the rig.
        window_s: longest time between findings of one incident.
    """

    def __init__(self, neighbourhood: Neighbourhood, window_s: float = WINDOW_S) -> None:
        self._neighbourhood = neighbourhood
        self._window_s = window_s
        self._incidents: dict[str, Incident] = {}
        self._grave: dict[str, Span] = {}
        self._holders: dict[str, str] = {}
        self._unattached: deque[Finding] = deque(maxlen=MAX_UNATTACHED)
        self._told_earlier: set[str] = set()
        """Event ids in the timelines that were restored: their topics hand them over again."""
        self.revision = 0
        """Moves with every change of an incident."""

    def get(self, incident_id: str) -> Incident:
        """Raises ``KeyError`` when there is no such incident."""
        return self._incidents[incident_id]

    def grave_span(self, incident_id: str) -> Span:
        """Raises ``KeyError`` when there is no such incident."""
        return self._grave[incident_id]

    def all(self) -> list[Incident]:
        """Newest first."""
        return sorted(self._incidents.values(), key=lambda incident: (incident.started_s, incident.id), reverse=True)

    def add(self, finding: Finding) -> Change | None:
        """Take one finding in; ``None`` when it belongs to no incident (yet) or says nothing new of one."""
        if finding.event_id in self._told_earlier:
            return None
        holder = self._holder(finding)
        goes_on = holder is not None and finding.kind in ("anomaly", "detection") and not finding.ended
        if goes_on or not finding.is_evidence:
            return None
        incident = holder or self._joinable(finding)
        if incident is not None:
            return Change("updated", self._attach(incident, finding))
        if not finding.is_grave or finding.ended:
            self._unattached.append(finding)
            return None
        return Change("created", self._open(finding))

    def update(self, incident_id: str, update: Update, now_s: float) -> Change:
        """An operator's update, see :meth:`Incident.updated`.

        Raises:
            KeyError: no such incident.
            TransitionError: the life cycle has no such step.
        """
        incident = self.get(incident_id).updated(update, now_s)
        self._incidents[incident_id] = incident
        self.revision += 1
        return Change("updated", incident)

    def restore(self, incident: Incident, grave: Span) -> Incident:
        """Take an incident that an earlier run, or another bridge, knew; as it is now, with what is known here."""
        here = self._incidents.get(incident.id)
        if here is None:
            self._make_room()
        else:
            incident, grave = incident.merged(here), grave.including(*self._grave[incident.id])
        self._incidents[incident.id], self._grave[incident.id] = incident, grave
        self.revision += 1
        for finding_id in (*incident.alert_ids, *incident.detection_ids):
            self._holders.setdefault(finding_id, incident.id)
        self._told_earlier.update(filter(None, map(event_id_of, incident.timeline)))
        return incident

    def remember(self, findings: Iterable[Finding]) -> None:
        """Findings of an earlier run that no incident has: one that opens soon takes along what belongs to it."""
        for finding in findings:
            if finding.is_evidence and finding.id not in self._holders and (finding.ended or not finding.is_grave):
                self._unattached.append(finding)

    def _holder(self, finding: Finding) -> Incident | None:
        incident = self._incidents.get(self._holders.get(finding.id, ""))
        return incident if incident is not None and (incident.is_open or finding.ended) else None

    def _joinable(self, finding: Finding) -> Incident | None:
        places = self._neighbourhood.places(finding.asset)
        near = [
            (self._grave[incident.id].distance_s(finding.stamp_s), incident)
            for incident in self._incidents.values()
            if incident.is_open and not places.isdisjoint(self._neighbourhood.places(incident.asset))
        ]
        distance_s, incident = min(near, key=lambda item: item[0], default=(float("inf"), None))
        return incident if distance_s <= self._window_s else None

    def _open(self, finding: Finding) -> Incident:
        opened = Incident(
            id=str(uuid.uuid5(_INCIDENTS, finding.event_id)),
            title=finding.title,
            severity=finding.severity,
            started_s=finding.stamp_s,
            asset=finding.asset,
        )
        self._make_room()
        self._grave[opened.id] = Span(finding.stamp_s, finding.stamp_s)
        incident = self._attach(opened, finding)
        waiting, self._unattached = self._unattached, deque(maxlen=MAX_UNATTACHED)
        for earlier in waiting:
            nearest = self._joinable(earlier)
            if nearest is not None and nearest.id == incident.id:
                incident = self._attach(incident, earlier)
            else:
                self._unattached.append(earlier)
        return incident

    def _attach(self, incident: Incident, finding: Finding) -> Incident:
        incident = incident.with_finding(finding)
        self._incidents[incident.id] = incident
        self.revision += 1
        self._holders[finding.id] = incident.id
        if len(self._holders) > MAX_IDS:
            del self._holders[next(iter(self._holders))]
        if finding.is_grave and not finding.ended:
            self._grave[incident.id] = self._grave[incident.id].including(finding.stamp_s, finding.stamp_s)
        return incident

    def _make_room(self) -> None:
        """Forget the oldest incident, of the resolved ones if there are any, when the book is full."""
        if len(self._incidents) < MAX_INCIDENTS:
            return
        oldest = min(self._incidents.values(), key=lambda incident: (incident.is_open, incident.started_s))
        del self._incidents[oldest.id], self._grave[oldest.id]
