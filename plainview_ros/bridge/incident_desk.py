"""Where what the modules find becomes incidents, and incidents become events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from plainview_ros.assets import Rig
from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.gateway import Plain, Received
from plainview_ros.bridge.recorder import Recorder
from plainview_ros.bridge.schemas.events import IncidentCreated, IncidentUpdated
from plainview_ros.incidents.correlation import Change, IncidentBook
from plainview_ros.incidents.finding import Finding, from_alert, from_anomaly, from_detection, from_leak
from plainview_ros.incidents.incident import Incident, Update
from plainview_ros.incidents.neighbourhood import Neighbourhood
from plainview_ros.ros import topics

FINDINGS: Mapping[str, Callable[[Plain], Finding]] = {
    topics.ALERTS: from_alert,
    topics.PIPELINE_LEAKS: from_leak,
    topics.FLOW_ANOMALIES: from_anomaly,
    topics.DETECTIONS: from_detection,
}

EVENTS = {"created": IncidentCreated, "updated": IncidentUpdated}
"""What a change of an incident is told as."""


LONG = 50
RECORD_EVERY_S = 1.0
"""An incident is recorded with all of its timeline: a longer one not more often than this, unless an operator changes
it. Of what became part of it since then, a bridge that was killed has forgotten that it did."""


class IncidentDesk:
    """Hosts the incidents in the bridge. All methods belong to the asyncio side."""

    def __init__(self, rig: Rig, log: EventLog, recorder: Recorder) -> None:
        self._log = log
        self._recorder = recorder
        self._unrecorded: set[str] = set()
        """Ids of those that are recorded soon."""
        self.book = IncidentBook(Neighbourhood(rig))

    def take(self, received: Received, live: bool) -> None:
        """A listener of the bridge. What is history makes incidents too, but no events."""
        if received.topic in FINDINGS:
            finding = FINDINGS[received.topic](received.data)
            change = self.book.add(finding)
            if change is not None and live:
                self._announce(change, finding.stamp_s)
            if change is not None:
                self._record_soon(change.incident)

    def update(self, incident_id: str, update: Update, now_s: float) -> Incident:
        """See :meth:`IncidentBook.update`."""
        change = self.book.update(incident_id, update, now_s)
        self._announce(change, now_s)
        self.record(change.incident)
        return change.incident

    def record(self, incident: Incident) -> None:
        """Have it kept as it is now."""
        self._unrecorded.discard(incident.id)
        self._recorder.incident(incident, self.book.grave_span(incident.id))

    def record_again(self, incident_ids: Iterable[str]) -> None:
        """Have them kept as they are now, but for those the book was too full to keep."""
        for incident_id in incident_ids:
            with suppress(KeyError):
                self.record(self.book.get(incident_id))

    def record_all(self) -> None:
        """Have kept what is not yet."""
        for incident_id in list(self._unrecorded):
            self._record_late(incident_id)

    def _record_soon(self, incident: Incident) -> None:
        if len(incident.timeline) <= LONG:
            self.record(incident)
        elif incident.id not in self._unrecorded:
            self._unrecorded.add(incident.id)
            asyncio.get_running_loop().call_later(RECORD_EVERY_S, self._record_late, incident.id)

    def _record_late(self, incident_id: str) -> None:
        if incident_id in self._unrecorded:
            self._unrecorded.discard(incident_id)
            self.record_again((incident_id,))

    def _announce(self, change: Change, stamp_s: float) -> None:
        incident = change.incident
        event = EVENTS[change.kind](
            incident_id=incident.id,
            severity=incident.severity,
            timestamp=stamp_s,
            status=incident.status,
            title=incident.title,
        )
        self._log.publish(event)
