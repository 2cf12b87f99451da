"""A connection to the database, SQLite or PostgreSQL, and writing so that a repetition changes nothing.

All of it belongs to the thread it was made on.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from math import ceil
from typing import Any

from sqlalchemy import (
    Connection,
    Insert,
    Table,
    bindparam,
    case,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from plainview_ros.bridge.store import migrate, roll_up
from plainview_ros.bridge.store.errors import DatabaseError, DiskFullError, RefusedError
from plainview_ros.bridge.store.models import THINGS, Thing, flow_metrics, metadata
from plainview_ros.bridge.store.rows import Row, Value

CONNECT_TIMEOUT_S = 2
LOCK_TIMEOUT_S = 2
"""SQLite: how long another process may hold the file. PostgreSQL locks rows of equal keys only."""

WAL_BYTES = 64_000_000
"""SQLite: what has not gone into the file yet may take more while somebody reads for long, and no more afterwards."""

ALIVE = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""PostgreSQL's host is gone when it acknowledges nothing for 10 s [ms], or, while an answer is waited for, is asked for
a sign of life after 5 s, every 2 s, and three times gives none."""

STEPS = 10_000
"""Of SQLite's machine, about a millisecond: so often it is asked whether the time is up."""

TOGETHER_ROWS = 50
"""So many rows are one statement for SQLite."""

AT_ONCE_ROWS = 200
"""So many are handed to the driver in one piece, which holds the interpreter for about a millisecond."""

PG_DISK_FULL = "53100"
REPLACEMENT = "\ufffd"


class Database:
    """A connection, and the tables, which are brought up to date.

    Args:
        url: as SQLAlchemy writes it, of SQLite or of PostgreSQL through psycopg2.
        as_it_is: whatever the tables are, leave them so.

    Raises:
        DatabaseError: this and all methods, when it cannot be done now.
    """

    def __init__(self, url: str, *, as_it_is: bool = False) -> None:
        self.dialect = _scheme(url)
        self._until_s: float | None = None
        with _told():
            if self.dialect == "sqlite":
                options: dict[str, Any] = {"connect_args": {"timeout": LOCK_TIMEOUT_S}}
            elif self.dialect == "postgresql":
                options = {"connect_args": ALIVE}
            else:
                raise DatabaseError(f"expected a postgresql or sqlite URL, found {self.dialect}")
            # One connection; it is asked for a sign of life before use, since a server may have been started again.
            self._engine = create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True, **options)
            if self.dialect == "sqlite":
                event.listen(self._engine, "connect", _set_up_sqlite)
        self._inserts = {table.name: _insert(table, self.dialect) for table in metadata.tables.values()}
        if not as_it_is:
            try:
                self._bring_up_to_date()
            except DatabaseError:
                self.close()
                raise

    def _bring_up_to_date(self) -> None:
        with self.transaction() as connection:
            found = migrate.revision(connection)
        if found != migrate.HEAD:
            with self.transaction() as connection:
                migrate.upgrade(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing."""
        with _told(), self._engine.begin() as connection:
            if self._until_s is None:
                yield connection
            else:
                with _ending(connection, self._until_s):
                    yield connection

    @contextmanager
    def limited(self, limit_s: float) -> Iterator[None]:
        """What is asked of the database meanwhile is ended there when the time is up, with a ``DatabaseError``."""
        self._until_s = time.monotonic() + limit_s
        try:
            yield
        except DatabaseError as error:
            if time.monotonic() < self._until_s:
                raise
            raise DatabaseError(f"no answer within {limit_s:g} s") from error
        finally:
            self._until_s = None

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Everything as it is at one moment, to be read for however long; others go on writing."""
        with _told(), self._engine.connect() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN")  # the driver begins none before it writes
            else:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    def write(self, rows: Iterable[Row]) -> None:
        """Add rows to those that are here, all or none; of a thing the newest stays."""
        with self.transaction() as connection:
            self.put(connection, rows)

    def put(self, connection: Connection, rows: Iterable[Row]) -> None:
        """The same in a transaction that is under way. Raises ``RefusedError`` for what can never be written."""
        tables: dict[str, list[Mapping[str, Value]]] = {}
        for row in rows:
            tables.setdefault(row.table, []).append(_clean(row.values))
        for name, values in sorted(tables.items()):  # in one order, lest two bridges wait for each other
            thing = THINGS.get(name)
            if name == flow_metrics.name:
                roll_up.before_write(connection)
            chosen = values if thing is None else _newest(thing, values)
            with _refusals():
                for first in range(0, len(chosen), AT_ONCE_ROWS):
                    self._inserts[name](connection, chosen[first : first + AT_ONCE_ROWS])
            if name == flow_metrics.name:
                roll_up.after_write(connection, values)

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def _ending(connection: Connection, until_s: float) -> Iterator[None]:
    """Statements of the transaction end when it is so late [monotonic]; of PostgreSQL each may take the time left."""
    if connection.dialect.name == "postgresql":
        left_ms = max(1, ceil((until_s - time.monotonic()) * 1000))
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {left_ms}")
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: time.monotonic() > until_s, STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, STEPS)


def _insert(table: Table, dialect: str) -> Callable[[Connection, Sequence[Mapping[str, Value]]], object]:
    """Writes rows into a table; a column that a row does not have is null.

    SQLAlchemy's own way looks at every value of every row, which took two thirds of the time of writing: that is time
    in which no stream is sent. Here SQLite gets plain values, PostgreSQL an array for each column.
    """
    if dialect == "sqlite":
        return _sqlite_insert(table)
    names = table.columns.keys()
    arrays = [bindparam(column.name, type_=postgresql.ARRAY(column.type)) for column in table.columns]
    given = func.unnest(*arrays).table_valued(*names).render_derived()
    from_arrays = _once(table, postgresql.insert(table).from_select(names, select(*given.c)))
    return lambda connection, rows: connection.execute(
        from_arrays, {name: [row.get(name) for row in rows] for name in names}
    )


def _sqlite_insert(table: Table) -> Callable[[Connection, Sequence[Mapping[str, Value]]], object]:
    """One statement for several rows: the driver lets go of the interpreter, and wants it back, once for each."""
    names = table.columns.keys()
    one, several = (
        str(_once(table, sqlite.insert(table).values([dict.fromkeys(names)] * rows)).compile(dialect=sqlite.dialect()))
        for rows in (1, TOGETHER_ROWS)
    )

    def insert(connection: Connection, rows: Sequence[Mapping[str, Value]]) -> None:
        tuples = [tuple([row.get(name) for name in names]) for row in rows]
        end = len(tuples) - len(tuples) % TOGETHER_ROWS
        for first in range(0, end, TOGETHER_ROWS):
            together = tuples[first : first + TOGETHER_ROWS]
            connection.exec_driver_sql(several, tuple(chain.from_iterable(together)))
        if end < len(tuples):
            connection.exec_driver_sql(one, tuples[end:])

    return insert


def _once(table: Table, insert: Any) -> Insert:
    """Of a thing the newest row stays, from the earliest time on; any other row is there already."""
    thing = THINGS.get(table.name)
    if thing is None:
        appended: Insert = insert.on_conflict_do_nothing()
        return appended
    here, new = table.c, insert.excluded
    values: dict[str, Any] = {column.name: new[column.name] for column in table.columns if column.name != "id"}
    values[thing.since] = case((here[thing.since] < new[thing.since], here[thing.since]), else_=new[thing.since])
    kept_newest: Insert = insert.on_conflict_do_update(
        index_elements=["id"], set_=values, where=here.stamp_ms <= new.stamp_ms
    )
    return kept_newest


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise RefusedError(_line(error.orig)) from error
    except DBAPIError as error:
        is_full = getattr(error.orig, "pgcode", None) == PG_DISK_FULL or "disk is full" in str(error.orig)
        raise (DiskFullError if is_full else DatabaseError)(_line(error.orig)) from error
    except (SQLAlchemyError, ImportError) as error:
        raise DatabaseError(_line(error)) from error
    except ValueError as error:  # a driver's, of what it cannot send
        raise RefusedError(_line(error)) from error


@contextmanager
def _refusals() -> Iterator[None]:
    """What is wrong with a row before it comes to the database."""
    try:
        yield
    except DBAPIError:
        raise
    except (StatementError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise RefusedError(_line(error)) from error


def _clean(values: Mapping[str, Value]) -> Mapping[str, Value]:
    """As every database can hold it: without NUL and halves of characters in texts."""
    for name, value in values.items():
        if type(value) is str and ("\0" in value or not (value.isascii() or _is_whole(value))):
            text = value.replace("\0", REPLACEMENT).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            return _clean({**values, name: text})
    return values


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _scheme(url: str) -> str:
    try:
        return make_url(url).get_backend_name()
    except (SQLAlchemyError, ValueError):  # its text may have the password in it
        raise DatabaseError("expected a URL such as postgresql://user:password@host:5432/database") from None


def _line(error: BaseException | None) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _set_up_sqlite(connection: Any, _record: object) -> None:
    until = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            break
        except sqlite3.OperationalError:
            # Of two that do this to a new file at once one is refused without being made to wait.
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = NORMAL").close()
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}").close()


def _newest(thing: Thing, rows: Sequence[Mapping[str, Value]]) -> list[Mapping[str, Any]]:
    """Of each thing the newest row, from the earliest time on; one statement cannot change a row twice."""
    newest: dict[Any, Mapping[str, Any]] = {}
    for row in rows:
        found: Mapping[str, Any] | None = newest.get(row["id"])
        new: Mapping[str, Any] = row
        if found is not None:
            later = new if new["stamp_ms"] >= found["stamp_ms"] else found
            new = {**later, thing.since: min(new[thing.since], found[thing.since])}
        newest[row["id"]] = new
    return [newest[key] for key in sorted(newest)]
