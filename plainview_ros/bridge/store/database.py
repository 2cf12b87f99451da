"""Events in the table: written so that a repetition changes nothing, read in order and without holes.

All of it belongs to the store's thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Executable, Row, create_engine, event, func, literal, make_url, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from plainview_ros.bridge.event_file import Kept
from plainview_ros.bridge.event_log import Entry, EventId, make_entry
from plainview_ros.bridge.store.errors import DatabaseError
from plainview_ros.bridge.store.models import BEGAN, events

CONNECT_TIMEOUT_S = 2
LOCK_TIMEOUT_S = 2
"""SQLite: how long another process may hold the file. PostgreSQL locks rows of equal keys only."""

DEAD_PEER_MS = 10_000
"""A server that does not acknowledge for so long is gone."""

ROUND_TRIP_ROWS = 1000
"""PostgreSQL: so many go in one round trip, instead of one each."""

MAX_NAME = 500
"""Characters of a source or an asset that are kept: PostgreSQL refuses long keys, and an event that can never be
written would hold up all others."""

SCHEMA_LOCK = 0x706C6169
"""Advisory lock of PostgreSQL under which tables are made: ``IF NOT EXISTS`` alone fails when two do it at once."""

columns = events.c
place = tuple_(columns.ms, columns.number)
order = (columns.ms, columns.number, columns.source)


class Database:
    """A connection, and the tables, which are made where they are missing (migrations come with Alembic, issue 4).

    Args:
        url: as SQLAlchemy writes it, of SQLite or of PostgreSQL through psycopg2.

    Raises:
        DatabaseError: this and all methods, when it cannot be done now.
    """

    def __init__(self, url: str) -> None:
        scheme = _scheme(url)
        with _told():
            if scheme == "sqlite":
                self._insert: Executable = sqlite.insert(events).on_conflict_do_nothing()
                options: dict[str, Any] = {"connect_args": {"timeout": LOCK_TIMEOUT_S}}
            elif scheme == "postgresql":
                self._insert = postgresql.insert(events).on_conflict_do_nothing()
                options = {
                    "connect_args": {"connect_timeout": CONNECT_TIMEOUT_S, "tcp_user_timeout": DEAD_PEER_MS},
                    "executemany_mode": "values_plus_batch",
                    "executemany_batch_page_size": ROUND_TRIP_ROWS,
                }
            else:
                raise DatabaseError(f"expected a postgresql or sqlite URL, found {scheme}")
            # One connection; it is asked for a sign of life before use, since a server may have been started again.
            self._engine = create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True, **options)
            if scheme == "sqlite":
                event.listen(self._engine, "connect", _set_up_sqlite)
        with self._transaction() as connection:
            if scheme == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(SCHEMA_LOCK)))
            connection.execute(CreateTable(events, if_not_exists=True))

    def resume(self, kept: Kept) -> int:
        """How many of an earlier run's entries are here, from the first on; what is written next connects to them.

        Entries are written in order, so behind the first that is missing there are none.
        """
        with self._transaction() as connection:
            self._put(connection, _beginning(connection, kept.since))
            return bisect_left(kept.entries, True, key=lambda entry: not _has(connection, entry.id))

    def write(self, entries: Sequence[Entry], began: EventId | None = None) -> None:
        """Add entries to those that are here, all or none.

        Args:
            entries: in order.
            began: there were others between what is here and them, up to this id.
        """
        rows = [_row(entry) for entry in entries]
        with self._transaction() as connection:
            self._put(connection, rows if began is None else [*_beginning(connection, began), *rows])

    def page(self, after: EventId, max_entries: int) -> list[Entry]:
        """The first entries after an id, in order; none when those directly after it are not here."""
        key = (after.ms, after.number)
        with self._transaction() as connection:
            oldest = connection.execute(select(columns.ms, columns.number).order_by(*order).limit(1)).first()
            if oldest is None or key < tuple(oldest):
                return []
            rows = connection.execute(
                select(events).where(place > tuple_(*map(literal, key))).order_by(*order).limit(max_entries + 1)
            ).all()
        hole = min(_holes(rows), default=None)
        return [_entry(row) for row in rows if row.type != BEGAN and (hole is None or _id(row) < hole)][:max_entries]

    def known_again(self, after: EventId) -> EventId | None:
        """The first id after this one from which on entries are here; ``None`` when there is none."""
        began = select(events).where(columns.type == BEGAN, place > tuple_(literal(after.ms), literal(after.number)))
        with self._transaction() as connection:
            row = connection.execute(began.order_by(*order).limit(1)).first()
        return None if row is None else _id(row)

    def newest(self, max_entries: int) -> Kept | None:
        """The end of what is here, without a hole; ``None`` when there is nothing."""
        with self._transaction() as connection:
            backwards = (column.desc() for column in order)
            rows = connection.execute(select(events).order_by(*backwards).limit(max_entries + 1)).all()[::-1]
        if not rows:
            return None
        since = max(_holes(rows), default=_id(rows[0]))
        return Kept(since, [_entry(row) for row in rows if row.type != BEGAN and _id(row) > since])

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with _told(), self._engine.begin() as connection:
            yield connection

    def _put(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        if rows:
            connection.execute(self._insert, rows)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise DatabaseError(_line(error.orig)) from error
    except (SQLAlchemyError, ImportError) as error:
        raise DatabaseError(_line(error)) from error


def _scheme(url: str) -> str:
    try:
        return make_url(url).get_backend_name()
    except (SQLAlchemyError, ValueError):  # its text may have the password in it
        raise DatabaseError("expected a URL such as postgresql://user:password@host:5432/database") from None


def _line(error: BaseException | None) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _set_up_sqlite(connection: Any, _record: object) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _has(connection: Connection, event_id: EventId) -> bool:
    query = select(columns.ms).where(columns.ms == event_id.ms, columns.number == event_id.number).limit(1)
    return connection.execute(query).first() is not None


def _beginning(connection: Connection, event_id: EventId) -> list[dict[str, Any]]:
    """What tells of a hole up to an id, if there is one."""
    if _has(connection, event_id):
        return []
    ms, number, _ = event_id
    return [{"ms": ms, "number": number, "source": BEGAN, "type": BEGAN, "asset": "", "data": "{}"}]


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "ms": entry.id.ms,
        "number": entry.id.number,
        "source": _name(entry.source),
        "type": entry.type,
        "asset": _name(entry.asset),
        "data": entry.body.decode(),
    }


def _name(text: str) -> str:
    return text[:MAX_NAME].replace("\0", "\ufffd")  # PostgreSQL has no text with NUL in it


def _id(row: Row[Any]) -> EventId:
    return EventId(row.ms, row.number)


def _entry(row: Row[Any]) -> Entry:
    return make_entry(_id(row), row.type, row.data.encode(), row.asset, row.source)


def _holes(rows: Sequence[Row[Any]]) -> set[EventId]:
    """Ids that some are missing up to.

    Where an event has the id, there is none: another bridge has written it, and all that came before it.
    """
    return {_id(row) for row in rows if row.type == BEGAN} - {_id(row) for row in rows if row.type != BEGAN}
