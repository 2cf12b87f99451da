"""Ids that a bridge gives while it cannot agree with the others.

In an id of the common order the number is small. In one given alone it says also since when, and by whom::

    number = age [ms] << 31 | bridge << 16 | count

so no two bridges give the same id to different events, and any bridge can tell up to which place of the common order a
client with such an id has everything. The number stays below 2^62, as databases want it.
"""

from __future__ import annotations

from plainview_ros.bridge.event_log import EventId

AGE_SHIFT, BRIDGE_SHIFT = 31, 16
BRIDGES = 1 << (AGE_SHIFT - BRIDGE_SHIFT)
MAX_AGE_MS = (1 << 31) - 1
"""24 days; who is alone for longer no longer says since when."""


def is_lone(event_id: EventId) -> bool:
    """Whether a bridge gave it alone."""
    return event_id.number >> AGE_SHIFT > 0


def common_place(event_id: EventId) -> EventId:
    """The place in the common order up to which a client that was given this id has everything."""
    age_ms = event_id.number >> AGE_SHIFT
    if age_ms == MAX_AGE_MS:
        return EventId(0, 0)
    return EventId(max(0, event_id.ms - age_ms), 0) if age_ms else event_id


def next_lone_id(newest: EventId, now_ms: int, since: EventId, bridge: int) -> EventId:
    """An id greater than the newest.

    Args:
        newest: of the log.
        now_ms: wall clock; when it is behind the newest, that counts.
        since: the last of the common order before this bridge was alone.
        bridge: below :data:`BRIDGES`; other bridges have others.
    """
    ms = max(now_ms, newest.ms)
    age_ms = min(MAX_AGE_MS, max(1, ms - since.ms))
    number = age_ms << AGE_SHIFT | bridge << BRIDGE_SHIFT
    if (ms, number) > newest[:2]:
        return EventId(ms, number)
    if (newest.number ^ number) >> BRIDGE_SHIFT == 0:
        return EventId(ms, newest.number + 1)
    return next_lone_id(newest, ms + 1, since, bridge)
