"""The table of events: written in order, read in order and without holes.

All of it belongs to the thread of the database.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, false, literal, select, tuple_
from sqlalchemy import Row as Found

from plainview_ros.bridge.event_file import Kept
from plainview_ros.bridge.event_log import Entry, EventId, make_entry
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.models import BEGAN, events
from plainview_ros.bridge.store.rows import Row, Value

MAX_NAME = 500
"""Characters of a source or an asset that are kept: PostgreSQL refuses long keys, and an event that can never be
written would hold up all others."""

columns = events.c
place = tuple_(columns.ms, columns.number)
order = (columns.ms, columns.number, columns.source)


def row_of(entry: Entry) -> Row:
    values: dict[str, Value] = {
        "ms": entry.id.ms,
        "number": entry.id.number,
        "source": _name(entry.source),
        "type": entry.type,
        "asset": _name(entry.asset),
        "data": entry.body.decode(),
    }
    return Row(events.name, values)


def began(event_id: EventId) -> Row:
    """What tells of a hole up to an id."""
    ms, number, _ = event_id
    return Row(events.name, {"ms": ms, "number": number, "source": BEGAN, "type": BEGAN, "asset": "", "data": "{}"})


def resume(database: Database, kept: Kept) -> int:
    """How many of an earlier run's entries are here, from the first on; what is written next connects to them.

    Entries are written in order, so behind the first that is missing there are none.
    """
    with database.transaction() as connection:
        if not _has(connection, kept.since):
            database.put(connection, [began(kept.since)])
        return bisect_left(kept.entries, True, key=lambda entry: not _has(connection, entry.id))


def touch(database: Database) -> None:
    """Do what a writer does, and change nothing."""
    with database.transaction() as connection:
        connection.execute(delete(events).where(false()))


def page(database: Database, after: EventId, max_entries: int) -> list[Entry]:
    """The first entries after an id, in order; none when those directly after it are not here."""
    key = (after.ms, after.number)
    with database.transaction() as connection:
        oldest = connection.execute(select(columns.ms, columns.number).order_by(*order).limit(1)).first()
        if oldest is None or key < tuple(oldest):
            return []
        rows = connection.execute(
            select(events).where(place > tuple_(*map(literal, key))).order_by(*order).limit(max_entries + 1)
        ).all()
    hole = min(_holes(rows), default=None)
    return [_entry(row) for row in rows if row.type != BEGAN and (hole is None or _id(row) < hole)][:max_entries]


def known_again(database: Database, after: EventId) -> EventId | None:
    """The first id after this one from which on entries are here; ``None`` when there is none."""
    query = select(events).where(columns.type == BEGAN, place > tuple_(literal(after.ms), literal(after.number)))
    with database.transaction() as connection:
        row = connection.execute(query.order_by(*order).limit(1)).first()
    return None if row is None else _id(row)


def newest(database: Database, max_entries: int) -> Kept | None:
    """The end of what is here, without a hole; ``None`` when there is nothing."""
    with database.transaction() as connection:
        backwards = (column.desc() for column in order)
        rows = connection.execute(select(events).order_by(*backwards).limit(max_entries + 1)).all()[::-1]
    if not rows:
        return None
    since = max(_holes(rows), default=_id(rows[0]))
    return Kept(since, [_entry(row) for row in rows if row.type != BEGAN and _id(row) > since])


def _has(connection: Connection, event_id: EventId) -> bool:
    query = select(columns.ms).where(columns.ms == event_id.ms, columns.number == event_id.number).limit(1)
    return connection.execute(query).first() is not None


def _name(text: str) -> str:
    return text[:MAX_NAME]


def _id(row: Found[Any]) -> EventId:
    return EventId(row.ms, row.number)


def _entry(row: Found[Any]) -> Entry:
    return make_entry(_id(row), row.type, row.data.encode(), row.asset, row.source)


def _holes(rows: Sequence[Found[Any]]) -> set[EventId]:
    """Ids that some are missing up to.

    Where an event has the id, there is none: another bridge has written it, and all that came before it.
    """
    return {_id(row) for row in rows if row.type == BEGAN} - {_id(row) for row in rows if row.type != BEGAN}
