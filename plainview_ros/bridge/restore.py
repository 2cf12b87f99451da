"""What history knows, back in memory before the first request is answered.

Everything here is idempotent and commutative (of a thing the newest row counts), so what could not be read at the
start, because the database was away, is taken when it is back.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from plainview_ros.bridge.context import Bridge
from plainview_ros.bridge.incident_desk import FINDINGS
from plainview_ros.bridge.recorder import TRANSITIONS
from plainview_ros.bridge.schemas.base import epoch_ms
from plainview_ros.bridge.store.errors import DatabaseError, SpoolError
from plainview_ros.bridge.store.event_store import ASK_AT_START_S
from plainview_ros.bridge.store.rows import Row
from plainview_ros.bridge.store.spool import Spool
from plainview_ros.bridge.within import within
from plainview_ros.incidents import incident as incidents
from plainview_ros.incidents.correlation import Span
from plainview_ros.incidents.finding import Asset, Finding
from plainview_ros.missions.mission import Mission, Step
from plainview_ros.ros import topics

if TYPE_CHECKING:
    from plainview_ros.bridge.store.database import Database

logger = logging.getLogger(__name__)

NEWEST = 200
"""So many of each kind of thing come back, and all that are open."""

MAX_SPOOLED = 10_000

ASK_AGAIN_S = 5.0
"""Between two attempts at a database that was away at the start."""

SINCE: Mapping[str, str] = {
    "valve_actuations": "requested_at_ms",
    "leak_detections": "detected_at_ms",
    "flow_anomalies": "detected_at_ms",
    "detections": "timestamp_ms",
    "alerts": "created_at_ms",
    "incidents": "started_at_ms",
    "missions": "created_at_ms",
}
"""As ``store.models.THINGS`` has it, which takes too long to import for a bridge that has no history yet."""

TOPICS: Mapping[str, str] = {table: topic for topic, (table, _, _) in TRANSITIONS.items()}

FIELDS: Mapping[str, frozenset[str]] = {
    topics.VALVE_ACTUATIONS: frozenset(("error_msg",)),
    topics.PIPELINE_LEAKS: frozenset(("rate_m3s", "evidence", "statistic_m3", "threshold_m3", "window_s")),
    topics.FLOW_ANOMALIES: frozenset(("score", "confidence", "evidence")),
    topics.DETECTIONS: frozenset(("x", "y", "width", "height", "temperature_c", "evidence")),
    topics.ALERTS: frozenset(("asset_kind",)),
}
"""What a message has beside what its row is made of; one that has not is of an older version."""


async def restore(bridge: Bridge) -> bool:
    """At the start: take what is stored, in the database and on its way there; whether all of it could be read."""
    here, store = bridge.keeping.ledger.waiting(), bridge.keeping.store
    if store is None:
        take(bridge, here)
        return True
    if store.spool is not None:
        here = [*await _spooled(store.spool), *here]
    if store.is_new():
        take(bridge, here)
        return True
    try:
        stored = await within(ASK_AT_START_S, store.ask(_question(bridge)))
    except (DatabaseError, asyncio.TimeoutError) as error:
        why = str(error) or f"no answer within {ASK_AT_START_S:g} s"
        logger.warning("the database does not tell what was before, it is asked again: %s", why)
        bridge.recorder.knows_stored = False
        take(bridge, here)
        return False
    take(bridge, (*stored, *here))
    return True


async def restore_late(bridge: Bridge) -> None:
    """What the database did not tell at the start, as soon as it does."""
    store, book = bridge.keeping.store, bridge.incidents.book
    while store is not None and not bridge.recorder.knows_stored:
        await asyncio.sleep(ASK_AGAIN_S)
        try:
            stored = await store.ask(_question(bridge))
        except DatabaseError:
            continue
        logger.info("the database has told what was before")
        rebuilt = [incident.id for incident in book.all()]
        take(bridge, stored)
        bridge.recorder.knows_stored = True
        for incident_id in rebuilt:  # with what operators had said of it
            bridge.incidents.record(book.get(incident_id))


def take(bridge: Bridge, rows: Iterable[Row]) -> None:
    """Take rows of things; one that cannot be read is named and passed over."""
    findings = [_take(bridge, row) for row in newest(rows)]
    known = [finding for finding in findings if finding is not None]
    bridge.incidents.book.remember(sorted(known, key=lambda finding: finding.stamp_s))


def _take(bridge: Bridge, row: Row) -> Finding | None:
    """What the row says for incidents, if anything."""
    try:
        data = json.loads(str(row.values["data"]))
        if row.table == "incidents":
            bridge.incidents.book.restore(*incident_of(data))
        elif row.table == "missions":
            bridge.missions.executor.restore(mission_of(data))
        else:
            topic = TOPICS[row.table]
            check(topic, data)
            bridge.state.restore(topic, data, _number(row, SINCE[row.table]) / 1000)
            return FINDINGS[topic](data) if topic in FINDINGS else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        logger.error("passed over %s of %s, it cannot be read: %r", row.values["id"], row.table, error)
    return None


def newest(rows: Iterable[Row]) -> list[Row]:
    """Of each thing the newest row, since the earliest time; what began first is first."""
    found: dict[tuple[str, object], Row] = {}
    for row in rows:
        since = SINCE.get(row.table)
        if since is None:
            continue
        key = (row.table, row.values["id"])
        other = found.get(key, row)
        later = row if _number(row, "stamp_ms") >= _number(other, "stamp_ms") else other
        found[key] = Row(row.table, {**later.values, since: min(_number(row, since), _number(other, since))})
    return sorted(found.values(), key=lambda row: _number(row, SINCE[row.table]))


def check(topic: str, data: Any) -> None:
    """Raise ``KeyError``, ``TypeError`` or ``ValueError`` when this is no message of the topic as it is today."""
    _, id_field, columns = TRANSITIONS[topic]
    columns(data, epoch_ms(data["header"]["stamp"]))
    missing = {id_field, "event_id", *FIELDS[topic]} - data.keys()
    if missing:
        raise ValueError(f"without {', '.join(sorted(missing))}")


def incident_of(data: Mapping[str, Any]) -> tuple[incidents.Incident, Span]:
    """What ``recorder.row_of_incident`` was given, from the JSON in its ``data``."""
    fields = dict(data)
    grave = Span(*fields.pop("grave"))
    fields["asset"] = Asset(*fields["asset"])
    fields["timeline"] = tuple(incidents.Entry(**entry) for entry in fields["timeline"])
    for name in ("affected_modules", "detection_ids", "alert_ids"):
        fields[name] = tuple(fields[name])
    return incidents.Incident(**fields), grave


def mission_of(data: Mapping[str, Any]) -> Mission:
    """What ``recorder.row_of_mission`` was given, from the JSON in its ``data``; as if since just now."""
    fields = dict(data)
    fields["steps"] = tuple(Step(**step) for step in fields["steps"])
    return Mission(**fields)


async def _spooled(spool: Spool) -> list[Row]:
    """What waits on the local disk, oldest first."""
    try:
        return (await within(ASK_AT_START_S, spool.things(MAX_SPOOLED)))[::-1]
    except (SpoolError, asyncio.TimeoutError) as error:
        why = str(error) or f"no answer within {ASK_AT_START_S:g} s"
        logger.warning("what waits in the spool is not shown before it is in the database: %s", why)
        return []


def _question(bridge: Bridge) -> Callable[[Database], list[Row]]:
    return partial(_latest, [valve.id for valve in bridge.rig.valves])


def _latest(valves: Sequence[str], database: Database) -> list[Row]:
    from plainview_ros.bridge.store.latest import latest  # see store/__init__.py

    return latest(database, NEWEST, valves)


def _number(row: Row, column: str) -> float:
    value = row.values[column]
    if not isinstance(value, int | float):
        raise ValueError(f"{column}: expected a number")
    return value
