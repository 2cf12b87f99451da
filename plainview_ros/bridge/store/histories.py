"""What happened, newest first, page by page.

All of it belongs to the thread of the database.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Select, Table, func, literal, select, tuple_

from plainview_ros.bridge.event_log import Entry, EventId, Selection, make_entry
from plainview_ros.bridge.journal import Record
from plainview_ros.bridge.part import Key, Part
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.models import BEGAN, THINGS, audit_log, events, flow_anomalies


class Found(NamedTuple):
    """A thing as history has it."""

    key: Key
    """When it began [ms since the epoch], and its id."""
    columns: Mapping[str, Any]

    @property
    def data(self) -> Any:
        """Its newest transition, or whatever else is kept of it whole.

        Raises:
            ValueError: nobody can read it.
        """
        return json.loads(self.columns["data"])

    @property
    def record(self) -> Record:
        return Record(int(self.key[0]) / 1000, self.data)


def things(database: Database, name: str, part: Part) -> list[Found]:
    """The things of a table: those of the page and one more, if there is one."""
    table, since = THINGS[name].table, THINGS[name].since
    query = _newest_first(table, (table.c[since], table.c.id), part)
    with database.transaction() as connection:
        found = connection.execute(query)
        rows = [row._asdict() for row in found]
    return [Found((row[since], row["id"]), row) for row in rows]


def audit(database: Database, part: Part) -> list[Mapping[str, Any]]:
    """What clients commanded."""
    with database.transaction() as connection:
        found = connection.execute(_newest_first(audit_log, (audit_log.c.at_ms, audit_log.c.id), part))
        return [row._asdict() for row in found]


def told(database: Database, part: Part, selection: Selection | None) -> list[Entry]:
    """What was told on /events."""
    columns = events.c
    query = _newest_first(events, (columns.ms, columns.number, columns.source), part).where(columns.type != BEGAN)
    if selection is not None and selection.types is not None:
        query = query.where(columns.type.in_(sorted(selection.types)))
    if selection is not None and selection.assets is not None:
        query = query.where(columns.asset.in_(sorted(selection.assets)))
    with database.transaction() as connection:
        return [
            make_entry(EventId(row.ms, row.number), row.type, row.data.encode(), row.asset, row.source)
            for row in connection.execute(query)
        ]


def count_anomalies(database: Database, line_id: str, since_ms: int) -> int:
    """How many anomalies of a line began since then."""
    columns = flow_anomalies.c
    query = select(func.count()).where(columns.line_id == line_id, columns.detected_at_ms >= since_ms)
    with database.transaction() as connection:
        return connection.scalar(query) or 0


def _newest_first(table: Table, key: Sequence[Column[Any]], part: Part) -> Select[Any]:
    period, equal = part.period, part.equal
    at_ms = key[0]
    query = select(table).where(*_within(at_ms, period.start_ms, period.end_ms))
    query = query.where(*(table.c[name] == value for name, value in equal.items()))
    if part.after is not None:
        query = query.where(tuple_(*key) < tuple_(*map(literal, part.after)))
    return query.order_by(*(column.desc() for column in key)).limit(part.limit + 1)


def _within(at_ms: Column[Any], start_ms: int | None, end_ms: int | None) -> Iterable[ColumnElement[bool]]:
    if start_ms is not None:
        yield at_ms >= start_ms
    if end_ms is not None:
        yield at_ms < end_ms
