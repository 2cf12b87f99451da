"""What a bridge has to know when it starts, read from the database in one go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.models import THINGS, Thing, is_open, valve_actuations
from plainview_ros.bridge.store.rows import Row

MAX_OPEN = 1000
"""Of each kind."""


def latest(database: Database, newest: int, valves: Sequence[str]) -> list[Row]:
    """The newest of each kind of thing, all that are open, and of each valve its last stroke that has ended.

    The rows have the columns that all things have (``id``, ``stamp_ms``, ``data``) and the one of the beginning.
    """
    with database.transaction() as connection:
        rows: list[Row] = []
        for thing in THINGS.values():
            rows += _read(connection, thing, _newest_first(thing).limit(newest))
            rows += _read(connection, thing, open_ones(thing).limit(MAX_OPEN))
        strokes = THINGS[valve_actuations.name]
        ended = _newest_first(strokes).where(valve_actuations.c.status != "requested").limit(1)
        for valve in valves:
            rows += _read(connection, strokes, ended.where(valve_actuations.c.valve_id == valve))
        return rows


def open_ones(thing: Thing) -> Select[Any]:
    """In the order of their index: a finer one would have the database take another, which holds all there are."""
    return _all(thing).where(is_open(thing.table.name)).order_by(thing.table.c[thing.since].desc())


def _newest_first(thing: Thing) -> Select[Any]:
    return _all(thing).order_by(thing.table.c[thing.since].desc(), thing.table.c.id.desc())


def _all(thing: Thing) -> Select[Any]:
    columns = thing.table.c
    return select(columns.id, columns[thing.since], columns.stamp_ms, columns.data)


def _read(connection: Connection, thing: Thing, query: Select[Any]) -> list[Row]:
    return [Row(thing.table.name, row._asdict()) for row in connection.execute(query)]
