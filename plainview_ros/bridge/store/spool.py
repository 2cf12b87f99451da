"""Rows that wait on the local disk, in order, while the database is away.

A SQLite file, since that is whole after every ``kill -9``; the driver of the standard library and not SQLAlchemy, which
takes long to import. While the spool is empty it costs nothing: the file is made with the first row.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import time
from typing import Any, NamedTuple, TypeVar

from plainview_ros.bridge.event_log import EventId
from plainview_ros.bridge.store.errors import SpoolError, SpoolFullError
from plainview_ros.bridge.store.own_thread import OwnThread
from plainview_ros.bridge.store.rows import Row

T = TypeVar("T")

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 2.0
MAX_TOLD = 2000
"""Characters of a damaged row that are logged."""
ROW_BYTES = 24
"""What a row takes beside its text, about."""
SPARE = 1 / 50
"""Of the whole: so much more is given up at a time than there must be, since to look for it costs."""

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS spool (seq INTEGER PRIMARY KEY, telemetry INTEGER NOT NULL, row TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS spool_telemetry ON spool (seq) WHERE telemetry",
    "CREATE INDEX IF NOT EXISTS spool_lasting ON spool (seq) WHERE NOT telemetry",
)
COUNT = "SELECT COUNT(*), COALESCE(SUM(length(row)), 0) FROM spool"
LASTING = "SELECT row FROM spool INDEXED BY spool_lasting WHERE NOT telemetry"
NEWEST_FIRST = "ORDER BY seq DESC"
EVENTS = "events"


class Page(NamedTuple):
    """The oldest rows."""

    rows: Sequence[Row]
    until: int
    """Place of the last one."""


EMPTY = Page((), 0)


class Spool:
    """A queue of rows on disk; all methods belong to the asyncio side, what takes time is done on the thread.

    Args:
        path: of the file.
        max_bytes: of rows. When there are more the oldest telemetry goes; no others are given up.
        thread: that it is read and written on.

    Raises:
        SpoolError: all methods, when it cannot be done now.
    """

    def __init__(self, path: Path, max_bytes: int, thread: OwnThread) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._thread = thread
        self._connection: sqlite3.Connection | None = None
        self._is_counted = False
        self.rows = 0
        self.bytes = 0
        self.given_up = 0
        """Telemetry there was no room for."""
        self.unreadable = 0
        """Rows that were damaged, and are dropped."""
        self.damaged = ""
        """Where a file is that could not be read."""

    async def open(self) -> None:
        """Look what an earlier run has left."""
        await self._do(self._look)

    async def put(self, rows: Callable[[], Sequence[Row]]) -> None:
        """Add rows at the end, which are made on the thread.

        Raises:
            SpoolFullError: there is no room, even without telemetry.
        """
        await self._do(lambda: self._put(rows()))

    async def page(self, max_rows: int) -> Page:
        """The oldest; they stay."""
        return await self._do(partial(self._page, max_rows))

    async def drop(self, page: Page) -> None:
        """These are in the database."""
        await self._do(partial(self._drop, page.until))

    async def newest_event(self) -> EventId | None:
        """Id of the last event that is here."""
        return await self._do(self._newest_event)

    async def things(self, max_rows: int) -> list[Row]:
        """The newest rows of things, newest first; they stay."""
        return await self._do(partial(self._things, max_rows))

    async def forget_telemetry(self) -> None:
        """Give all of it up: the disk is full."""
        await self._do(self._forget_telemetry)

    async def close(self) -> None:
        await self._do(self._close)

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            return await self._thread.call(work)
        except OSError as error:  # the folder is gone, or a damaged file cannot be moved aside
            raise SpoolError(f"{self._path} can neither be used nor moved aside: {error.strerror}") from error

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        if self._path.exists():
            with self._opened():
                pass

    def _put(self, rows: Sequence[Row]) -> None:
        texts = [(row.is_telemetry, _text(row)) for row in rows]
        with self._opened() as connection:
            excess = self.bytes + _size(texts) - self._max_bytes
            if excess > 0:
                self._give_up(connection, excess + int(self._max_bytes * SPARE))
        texts, given_up = _fitting(texts, self._max_bytes - self.bytes)
        if self.bytes + _size(texts) > self._max_bytes:
            raise SpoolFullError(f"{self._path} has its {self._max_bytes} bytes", of_disk=False)
        with self._opened() as connection:
            connection.executemany("INSERT INTO spool (telemetry, row) VALUES (?, ?)", texts)
        self.given_up += given_up
        self.rows += len(texts)
        self.bytes += _size(texts)

    def _give_up(self, connection: sqlite3.Connection, wanted: int) -> None:
        """Forget the oldest telemetry, of so many bytes if there is as much."""
        freed = count = until = 0
        found = connection.execute("SELECT seq, length(row) FROM spool WHERE telemetry ORDER BY seq")
        for seq, length in found:
            freed, count, until = freed + length + ROW_BYTES, count + 1, seq
            if freed >= wanted:
                break
        found.close()
        connection.execute("DELETE FROM spool WHERE telemetry AND seq <= ?", (until,))
        connection.commit()
        self.rows -= count
        self.bytes -= freed
        self.given_up += count

    def _page(self, max_rows: int) -> Page:
        if not self.rows:
            return EMPTY
        with self._opened() as connection:
            found = connection.execute("SELECT seq, row FROM spool ORDER BY seq LIMIT ?", (max_rows,)).fetchall()
            rows = [(seq, text, _row(text)) for seq, text in found]
            damaged = [(seq, text) for seq, text, row in rows if row is None]
            for seq, text in damaged:
                logger.error("dropped a row of the spool that nobody can read: %s", repr(text)[:MAX_TOLD])
                connection.execute("DELETE FROM spool WHERE seq = ?", (seq,))
            if damaged:
                self._count(connection)
        self.unreadable += len(damaged)
        return Page([row for _, _, row in rows if row is not None], found[-1][0] if found else 0)

    def _drop(self, until: int) -> None:
        with self._opened() as connection:
            gone, size = connection.execute(f"{COUNT} WHERE seq <= ?", (until,)).fetchone()
            connection.execute("DELETE FROM spool WHERE seq <= ?", (until,))
        self.rows -= gone
        self.bytes -= size + gone * ROW_BYTES
        if not self.rows:
            with self._opened() as connection:
                connection.execute("VACUUM")  # gives the disk back what it has taken
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()

    def _newest_event(self) -> EventId | None:
        if not self.rows:
            return None
        with self._opened() as connection:
            for (text,) in connection.execute(f"{LASTING} {NEWEST_FIRST}"):
                row: Any = _row(text)
                if row is not None and row.table == EVENTS:
                    return EventId(row.values["ms"], row.values["number"])
        return None

    def _things(self, max_rows: int) -> list[Row]:
        if not self._path.exists():
            return []
        with self._opened(counted=False) as connection:
            no_thing = """ AND row NOT LIKE '["events",%' AND row NOT LIKE '["audit_log",%'"""
            found = connection.execute(f"{LASTING} {no_thing} {NEWEST_FIRST} LIMIT ?", (max_rows,)).fetchall()
        rows = (_row(text) for (text,) in found)
        return [row for row in rows if row is not None]

    def _forget_telemetry(self) -> None:
        if self.rows:
            with self._opened() as connection:
                self._give_up(connection, self.bytes)

    @contextmanager
    def _opened(self, counted: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction; before the first that changes anything it is counted what is here, which reads all of it."""
        try:
            if self._connection is None:
                self._connection = self._open()
            if counted and not self._is_counted:
                self._count(self._connection)
            with self._connection:
                yield self._connection
        except sqlite3.OperationalError as error:  # "database or disk is full" is one of them, and so is a lock
            if "full" in str(error):
                raise SpoolFullError(f"{self._path}: {error}", of_disk=True) from error
            raise SpoolError(f"{self._path}: {error}") from error
        except sqlite3.DatabaseError as error:
            self._move_aside(error)
            raise SpoolError(f"{self._path} was damaged: {error}") from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=LOCK_TIMEOUT_S, check_same_thread=False)
        try:
            connection.text_factory = bytes  # of what is damaged not every text is one
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            with connection:
                for statement in SCHEMA:
                    connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection

    def _count(self, connection: sqlite3.Connection) -> None:
        self.rows, size = connection.execute(COUNT).fetchone()
        self.bytes = size + self.rows * ROW_BYTES
        self._is_counted = True

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        self._close()
        aside = self._path.with_name(f"{self._path.name}.damaged-{int(time())}")
        for suffix in ("", "-wal", "-shm"):
            with_suffix = self._path.with_name(self._path.name + suffix)
            if with_suffix.exists():
                with_suffix.replace(aside.with_name(aside.name + suffix))
        self.damaged = str(aside)
        self.rows = self.bytes = 0
        logger.error("the spool was damaged (%s), it is kept as %s and a new one begun", error, aside)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._is_counted = False


def _text(row: Row) -> str:
    return json.dumps([row.table, row.values], separators=(",", ":"))


def _row(text: bytes) -> Row | None:
    """``None``: it is damaged."""
    try:
        table, values = json.loads(text)
    except (ValueError, TypeError):
        return None
    is_row = type(table) is str and type(values) is dict and not any(type(v) in (list, dict) for v in values.values())
    return Row(table, values) if is_row else None


def _size(texts: Sequence[tuple[bool, str]]) -> int:
    return sum(len(text) + ROW_BYTES for _, text in texts)


def _fitting(texts: Sequence[tuple[bool, str]], room: int) -> tuple[list[tuple[bool, str]], int]:
    """Without so much of the oldest telemetry that the rest has room, and how many rows those are."""
    excess, fitting = _size(texts) - room, []
    for text in texts:
        if text[0] and excess > 0:
            excess -= _size([text])
        else:
            fitting.append(text)
    return fitting, len(texts) - len(fitting)
