"""What the topics have said so far, ready to be read.

Pure: what came and when goes in, values come out. Everything is as ``ros.conversions.to_plain`` makes it, in SI units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from time import monotonic

from plainview_ros.bridge import announcements
from plainview_ros.bridge.flow_history import FlowHistory, sample_of
from plainview_ros.bridge.gateway import Plain, Received
from plainview_ros.bridge.journal import Journal, Record
from plainview_ros.bridge.schemas.events import Event
from plainview_ros.bridge.settings import Settings
from plainview_ros.ros import topics

PARTS = {
    topics.VALVES_STATE: "valves",
    topics.PIPELINE_STATE: "sections",
    topics.FLOW_STATE: "lines",
    topics.FLOW_FORECAST: "lines",
    topics.CAMERAS_STATE: "cameras",
}
"""The list in each snapshot that has one item for each asset."""

MAX_COMPLAINTS = 500


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest message of a state topic."""

    data: Plain
    at_s: float
    """Receipt on the monotonic clock [s]."""
    part: dict[str, Plain]
    """The valves, sections, lines or cameras in it by id."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one message."""

    new: bool
    """False for a transition that is known already, by its ``event_id`` or from history."""
    live: bool
    """False for a transition of before this bridge came up."""
    announcements: Sequence[Event] = field(default=())


class State:
    """A projection of the topics. Reading it never waits, and changes nothing.

    A transition handed over again is dropped by its event id. One that is new here but older than
    ``announce_max_age_s`` by the node's clock is history, handed over because the bridge has just started: it is
    remembered, not announced. So after a short restart what was missed is announced late, and after a long one the
    clients are not flooded with what is over. What an earlier run of this bridge would have announced, had it not
    ended, is announced however old: the log knows which of it was. What history knows already is not new, whatever is
    announced of it.

    Args:
        settings: deadlines.
        announce_since_s: nothing that happened after this moment is history [s since the epoch].
        monotonic_s: the clock that ages are counted on [s].
    """

    def __init__(
        self, settings: Settings, monotonic_s: Callable[[], float] = monotonic, announce_since_s: float = inf
    ) -> None:
        self._settings = settings
        self._announce_since_s = announce_since_s
        self.monotonic_s = monotonic_s
        self._snapshots: dict[str, Snapshot] = {}
        self._revisions = dict.fromkeys((*PARTS, topics.DIAGNOSTICS), 0)
        self._complaints: dict[str, tuple[Plain, float]] = {}
        self.actuations = Journal("actuation_id")
        self.leaks = Journal("leak_id")
        self.anomalies = Journal("anomaly_id")
        self.detections = Journal("detection_id")
        self.alerts = Journal("alert_id")
        self.flow = FlowHistory()
        self._journals = {
            topics.VALVE_ACTUATIONS: self.actuations,
            topics.PIPELINE_LEAKS: self.leaks,
            topics.FLOW_ANOMALIES: self.anomalies,
            topics.DETECTIONS: self.detections,
            topics.ALERTS: self.alerts,
        }

    # -- in ------------------------------------------------------------------------------------------------------------

    def restore(self, topic: str, data: Plain, since_s: float) -> None:
        """Take how history has a thing of an event topic, which began then [s since the epoch]."""
        self._journals[topic].restore(data, since_s)

    def apply(self, received: Received) -> Applied:
        """Take one message."""
        if received.topic in self._journals:
            return self._apply_transition(received)
        self._revisions[received.topic] += 1
        if received.topic in PARTS:
            return self._apply_snapshot(received)
        self._apply_diagnostics(received)
        return Applied(new=True, live=True)

    def note_line(self, line: Plain) -> None:
        """Take how FlowIQ says a flow line is now, in answer to a command: the next snapshot may be later."""
        if topics.FLOW_STATE in self._snapshots:
            self._snapshots[topics.FLOW_STATE].part[line["id"]] = line
            self._revisions[topics.FLOW_STATE] += 1

    def _apply_transition(self, received: Received) -> Applied:
        journal, data = self._journals[received.topic], received.data
        if not journal.add(data):
            return Applied(new=False, live=False)
        new = not journal.was_restored(data)
        oldest_s = min(received.now_s - self._settings.announce_max_age_s, self._announce_since_s)
        if data["header"]["stamp"] < oldest_s:
            return Applied(new=new, live=False)
        return Applied(new=new, live=True, announcements=announcements.of_transition(received.topic, data))

    def _apply_snapshot(self, received: Received) -> Applied:
        topic, data = received.topic, received.data
        before = self._snapshots.get(topic)
        part = {item["id"]: item for item in data[PARTS[topic]]}
        self._snapshots[topic] = Snapshot(data, received.monotonic_s, part)
        announced: list[Event] = []
        if topic == topics.PIPELINE_STATE:
            for leak in (*data["open_leaks"], *data["recent_leaks"]):
                self.leaks.note(leak)
        elif topic == topics.FLOW_STATE:
            for line in data["lines"]:
                for anomaly in line["open_anomalies"]:
                    self.anomalies.note(anomaly)
                sample = sample_of(line)
                if sample is not None and self.flow.add(sample):
                    announced.append(announcements.of_flow_sample(sample))
        elif topic == topics.CAMERAS_STATE and before is not None:
            announced += announcements.of_cameras(before.part, part, data["header"]["stamp"] or received.now_s)
        return Applied(new=True, live=True, announcements=announced)

    def _apply_diagnostics(self, received: Received) -> None:
        for status in received.data["status"]:
            if status["level"] == "ok":
                self._complaints.pop(status["name"], None)
            elif status["name"] in self._complaints or len(self._complaints) < MAX_COMPLAINTS:
                self._complaints[status["name"]] = (status, received.monotonic_s)

    # -- out -----------------------------------------------------------------------------------------------------------

    def revisions(self, *names: str) -> tuple[int, ...]:
        """For each topic a number that moves with all that changes what was said on it."""
        journals, others = self._journals, self._revisions
        return tuple([journals[name].revision if name in journals else others[name] for name in names])

    def snapshot(self, topic: str) -> Plain | None:
        """The newest message of a state topic, however old."""
        return self._snapshots[topic].data if topic in self._snapshots else None

    def asset(self, topic: str, asset_id: str) -> tuple[Plain | None, bool]:
        """One valve, section, line or camera of the newest snapshot, and whether that is stale."""
        part = self._snapshots[topic].part.get(asset_id) if topic in self._snapshots else None
        return part, self.is_stale(topic)

    def age_s(self, topic: str) -> float | None:
        """Seconds since the newest message of a state topic; ``None`` when there was none."""
        return self.monotonic_s() - self._snapshots[topic].at_s if topic in self._snapshots else None

    def is_stale(self, topic: str) -> bool:
        """Whether the newest message of a state topic is older than its deadline, or there was none."""
        age_s = self.age_s(topic)
        return age_s is None or age_s > self._settings.stale_after_s

    def fresh_until_s(self, topic: str) -> float:
        """When the newest message of a state topic will become stale; never, if it is already or there was none."""
        if self.is_stale(topic):
            return inf
        return self._snapshots[topic].at_s + self._settings.stale_after_s

    def complaints(self) -> list[Plain]:
        """What nodes say of themselves in ``/diagnostics`` now, if it is not "ok"; silent ones are forgotten."""
        oldest_s = self.monotonic_s() - max(self._settings.stale_after_s, 5.0)
        return [status for status, at_s in self._complaints.values() if at_s >= oldest_s]

    def active_leaks(self) -> list[Record]:
        """Leaks that are active as far as is known, newest first.

        A leak that PipelineGuard no longer has, because it was started again, is not active any more; one whose
        transition came after the newest snapshot is, although that does not have it yet.
        """
        snapshot = self.snapshot(topics.PIPELINE_STATE)
        active = self.leaks.newest(status="active")
        if snapshot is None:
            return active
        here = {leak["leak_id"] for leak in snapshot["open_leaks"]}
        taken_s = snapshot["header"]["stamp"] or 0.0
        return [
            record
            for record in active
            if record.latest["leak_id"] in here or record.latest["header"]["stamp"] > taken_s
        ]

    def last_stroke(self, valve_id: str) -> Plain | None:
        """How the last stroke of a valve that has ended did."""
        ended = (r.latest for r in self.actuations.newest(valve_id=valve_id) if r.latest["phase"] != "requested")
        return next(ended, None)

    def recent_anomalies(self, line_id: str, since_s: float) -> list[Record]:
        """Anomalies of a line that were open at some time since then, newest first."""
        return [
            record
            for record in self.anomalies.newest(line_id=line_id)
            if (record.latest["phase"] != "closed" or record.latest["header"]["stamp"] >= since_s)
        ]
