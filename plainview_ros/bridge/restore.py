"""What history knows, back in memory before the first request is answered.

Everything here is idempotent and commutative (of a thing the newest row counts), so what could not be read at the
start, because the database was away, is taken when it is back.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from plainview_ros.bridge.context import Bridge
from plainview_ros.bridge.incident_desk import FINDINGS
from plainview_ros.bridge.recorder import TRANSITIONS, UNREAD
from plainview_ros.bridge.schemas.base import epoch_ms
from plainview_ros.bridge.store.errors import DatabaseError, SpoolError
from plainview_ros.bridge.store.event_store import ASK_AT_START_S, EventStore
from plainview_ros.bridge.store.rows import Row
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

ASK_AGAIN_S = 1.0
"""Between two attempts at what did not answer at the start. What operators say of an incident that is stored is lost
when the bridge ends after the database has come back and before it was asked."""

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

STAMPED_HERE = frozenset(("incidents", "missions"))
"""Their ``stamp_ms`` is of this machine's clock, that of the others of the node's that told of them."""

UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)
"""What reading a row raises whose values are not what they should be."""

TOPICS: Mapping[str, str] = {table: topic for topic, (table, _, _) in TRANSITIONS.items()}

FIELDS: Mapping[str, frozenset[str]] = {
    topics.VALVE_ACTUATIONS: frozenset(("error_msg",)),
    topics.PIPELINE_LEAKS: frozenset(
        (
            *("rate_m3s", "rate_std_m3s", "volume_std_m3", "position_std_m", "began_at"),
            *("evidence", "statistic", "threshold", "window_s"),
        )
    ),
    topics.FLOW_ANOMALIES: frozenset(
        (
            *("tag", "unit", "score", "confidence", "evidence", "channels", "contributions"),
            *("statistic", "statistic_value", "threshold", "window_s"),
        )
    ),
    topics.DETECTIONS: frozenset(("x", "y", "width", "height", "temperature_c", "evidence")),
    topics.ALERTS: frozenset(("asset_kind",)),
}
"""What a message has beside what its row is made of; one that has not is of an older version."""


async def restore(bridge: Bridge) -> bool:
    """At the start: take what is stored, in the database and on its way there; whether all of it could be read."""
    here, store, recorder = bridge.keeping.ledger.waiting(), bridge.keeping.store, bridge.recorder
    if store is not None:
        spooled = await _at_start("the spool", _spooled(store))
        stored = [] if store.is_new() else await _at_start("the database", store.ask(_question(bridge)))
        recorder.knows_spooled = spooled is not None
        recorder.knows_stored = recorder.knows_spooled and stored is not None
        here = [*(stored or ()), *(spooled or ()), *here]
    take(bridge, here)
    return recorder.knows_stored


async def restore_late(bridge: Bridge) -> None:
    """What the spool and the database did not tell at the start, as soon as they do."""
    store, recorder = bridge.keeping.store, bridge.recorder
    while store is not None and not recorder.knows_stored:
        await asyncio.sleep(ASK_AGAIN_S)
        try:  # the spool first: what goes from there into the database meanwhile is found there
            spooled = [] if recorder.knows_spooled else await _spooled(store)
            stored = await store.ask(_question(bridge))
        except (DatabaseError, SpoolError):
            continue
        except Exception:
            logger.exception("defect: it is not known what was before, it is asked again")
            continue
        logger.info("the database has told what was before")
        rebuilt = [incident.id for incident in bridge.incidents.book.all()]
        recorder.knows_spooled = recorder.knows_stored = True
        take(bridge, (*stored, *spooled))
        bridge.incidents.record_again(rebuilt)  # with what operators had said of it


def take(bridge: Bridge, rows: Iterable[Row]) -> None:
    """Take rows of things, oldest first of what this bridge wrote; one that cannot be read is named and passed over."""
    rows = newest(rows)
    bridge.recorder.go_on_from(max((_number(row, "stamp_ms") for row in rows if row.table in STAMPED_HERE), default=0))
    findings = [_take(bridge, row) for row in rows]
    known = [finding for finding in findings if finding is not None]
    bridge.incidents.book.remember(sorted(known, key=lambda finding: finding.stamp_s))
    if bridge.recorder.knows_stored:
        bridge.incidents.record_again(str(row.values["id"]) for row in rows if _is_unread(row))


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
    except UNREADABLE as error:
        logger.error("passed over %s of %s, it cannot be read: %r", row.values["id"], row.table, error)
    return None


def newest(rows: Iterable[Row]) -> list[Row]:
    """Of each thing the newest row, since the earliest time; what began first is first.

    Of an incident there may be two: one that is ``UNREAD`` was made without those before it, so neither tells all. Of
    a later one of the same bridge it is a part.
    """
    found: dict[tuple[str, str, bool], Row] = {}
    for row in rows:
        since = SINCE.get(row.table)
        if since is None:
            continue
        try:
            key = (row.table, _text(row, "id"), _is_unread(row))
            other = found.get(key, row)
            later = row if _number(row, "stamp_ms") >= _number(other, "stamp_ms") else other
            merged = Row(row.table, {**later.values, since: min(_number(row, since), _number(other, since))})
        except UNREADABLE as error:
            name = row.values.get("id") if isinstance(row.values, Mapping) else row.values
            logger.error("passed over %s of %s, it cannot be read: %r", name, row.table, error)
            continue
        found[key] = merged
        if not key[2]:
            found.pop((*key[:2], True), None)
    return sorted(found.values(), key=lambda row: (not _is_unread(row), _number(row, SINCE[row.table])))


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


async def _at_start(who: str, answer: Coroutine[Any, Any, list[Row]]) -> list[Row] | None:
    """``None`` when it cannot be told in time."""
    try:
        return await within(ASK_AT_START_S, answer)
    except (DatabaseError, SpoolError, asyncio.TimeoutError) as error:
        why = str(error) or f"no answer within {ASK_AT_START_S:g} s"
        logger.warning("%s does not tell what was before, it is asked again: %s", who, why)
        return None


async def _spooled(store: EventStore) -> list[Row]:
    """What waits on the local disk, oldest first."""
    return [] if store.spool is None else (await store.spool.things(MAX_SPOOLED))[::-1]


def _question(bridge: Bridge) -> Callable[[Database], list[Row]]:
    return partial(_latest, [valve.id for valve in bridge.rig.valves])


def _latest(valves: Sequence[str], database: Database) -> list[Row]:
    from plainview_ros.bridge.store.latest import latest  # see store/__init__.py

    return latest(database, NEWEST, valves)


def _is_unread(row: Row) -> bool:
    return row.table == "incidents" and _number(row, "stamp_ms") == UNREAD


def _number(row: Row, column: str) -> int:
    value = row.values[column]
    if type(value) is not int:
        raise ValueError(f"{column}: expected an integer")
    return value


def _text(row: Row, column: str) -> str:
    value = row.values[column]
    if not isinstance(value, str):
        raise ValueError(f"{column}: expected a text")
    return value
