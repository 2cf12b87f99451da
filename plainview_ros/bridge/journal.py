"""Transitions of the things that happen: strokes, leaks, anomalies, detections, alerts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from plainview_ros.bridge.gateway import Plain

ENDED = frozenset(("completed", "failed", "canceled", "repaired", "closed", "ended", "cleared"))
"""Phases and statuses after which there is no other."""


class Restored(NamedTuple):
    """Up to which transition an earlier run knew a thing."""

    stamp_s: float
    event_id: str
    ended: bool

    @classmethod
    def of(cls, data: Plain) -> Restored:
        phase = data["phase"] if "phase" in data else data["status"]
        return cls(data["header"]["stamp"], data["event_id"], phase in ENDED)

    def includes(self, data: Plain) -> bool:
        """Whether that or an earlier transition of the thing is this; a publisher keeps their order."""
        stamp_s = data["header"]["stamp"]
        if stamp_s == self.stamp_s:
            return self.ended or bool(data["event_id"] == self.event_id)
        return bool(stamp_s < self.stamp_s)


@dataclass(slots=True)
class Record:
    """One thing that happened."""

    since_s: float
    """Stamp of its earliest known transition [s]."""
    latest: Plain
    """Its newest transition, or how the newest snapshot has it."""

    def absorb(self, data: Plain) -> None:
        stamp_s = data["header"]["stamp"]
        self.since_s = min(self.since_s, stamp_s)
        if stamp_s >= self.latest["header"]["stamp"]:
            self.latest = data


class Journal:
    """The newest things of one kind, each by its id, and which transitions are known.

    A publisher hands its last thousand transitions to every late joiner, so each may come again at any time.

    Args:
        id_field: the message's field that is the same for all transitions of one thing.
        capacity: how many things are remembered; the one that was first heard of longest ago is forgotten first.
        known: how many transitions are recognised when they come again; well above the depth of the event QoS.
    """

    def __init__(self, id_field: str, capacity: int = 1000, known: int = 5000) -> None:
        self._id_field = id_field
        self._capacity = capacity
        self._max_known = known
        self._records: dict[str, Record] = {}
        self._known: dict[str, None] = {}
        self._restored: dict[str, Restored] = {}
        self.revision = 0
        """Moves with all that changes what is remembered."""

    def restore(self, data: Plain, since_s: float) -> None:
        """Take a thing as an earlier run, or another bridge, knew it; what is newer here stays."""
        thing_id, found = data[self._id_field], Restored.of(data)
        if found >= self._restored.get(thing_id, found):
            self._restored[thing_id] = found
        self.note(data)
        record = self._records.get(thing_id)
        if record is not None:
            record.since_s = min(record.since_s, since_s)

    def was_restored(self, data: Plain) -> bool:
        """Whether a transition is one that an earlier run has had."""
        restored = self._restored.get(data[self._id_field])
        return restored is not None and restored.includes(data)

    def add(self, data: Plain) -> bool:
        """Take one transition; False when it is known already."""
        event_id = data["event_id"]
        if event_id in self._known:
            return False
        self._known[event_id] = None
        if len(self._known) > self._max_known:
            del self._known[next(iter(self._known))]
        if not self.was_restored(data):
            self.note(data)
        return True

    def note(self, data: Plain) -> None:
        """Take how a snapshot or an answer has a thing; its transition is still to come, or came already."""
        if data["header"]["stamp"] is None:
            return
        self.revision += 1
        thing_id = data[self._id_field]
        if thing_id in self._records:
            self._records[thing_id].absorb(data)
            return
        self._records[thing_id] = Record(data["header"]["stamp"], data)
        if len(self._records) > self._capacity:
            forgotten = next(iter(self._records))
            del self._records[forgotten]
            self._restored.pop(forgotten, None)

    def get(self, thing_id: str) -> Record | None:
        return self._records.get(thing_id)

    def newest(self, count: int | None = None, **wanted: str | None) -> list[Record]:
        """What began last comes first; of fields of the message that are given, only what has these values."""
        asked = {field: value for field, value in wanted.items() if value is not None}
        records = (r for r in self._records.values() if all(r.latest[field] == value for field, value in asked.items()))
        return list(islice(sorted(records, key=lambda record: -record.since_s), count))
