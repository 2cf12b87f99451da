"""The way of events into the database and back to clients that were away for long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from plainview_ros.bridge.event_file import Kept
from plainview_ros.bridge.event_log import Entry, EventId, EventLog, FellBehindError
from plainview_ros.bridge.store.database_thread import DatabaseThread
from plainview_ros.bridge.store.errors import DatabaseError
from plainview_ros.bridge.within import within

if TYPE_CHECKING:
    from plainview_ros.bridge.store.database import Database

T = TypeVar("T")

logger = logging.getLogger(__name__)

BEGIN_AFTER_S = 0.3
"""First the server listens: importing and opening takes a quarter of a second of CPU."""
ASK_AT_START_S = 1.0
PAGE_S = 2.0
TURN_S = 30.0
"""A client waits so long for a page once it is its turn, and so long in all; then it is told of a gap."""
QUESTION_S = 10.0
"""Who asks for history waits so long at the most."""
END_S = 1.5
"""How long writing what remains may hold up the end."""

MAX_BATCH = 1000
LINGER_S = 0.25
"""Pause between two transactions: each takes about a millisecond of CPU, however little is in it."""
BURST_HZ = 20_000
"""At this rate of events the pause must not be longer than memory reaches."""

SLOW_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
"""Between two attempts at a database that is away."""

SQLITE = "sqlite:///"


class EventStore:
    """Writes what the log says into the database, in order and once, and reads it from there (see ``History``).

    A reader of the log like others, with a cursor; what takes time is done on two threads of its own, one for writing
    and one for reading, so that neither holds up the other; the rest belongs to the asyncio side. Nothing waits for it:
    while the database is away events wait in the log's memory (and in the file of :mod:`event_file`); those that memory
    has lost before it is back are missing in history, which tells so: a row of type ``log.began`` stands where they
    would be, and no page reaches across it.

    Args:
        url: as SQLAlchemy writes it.
        log: what to write.
        log_entries: how many lossless entries the log holds.
    """

    def __init__(self, url: str, log: EventLog, log_entries: int) -> None:
        self._url = url
        self._log = log
        self._writer = DatabaseThread("event store", url)
        self._reader = DatabaseThread("event pages", url)
        self._questions = DatabaseThread("history", url)
        self._turn = asyncio.Lock()
        """Whose question is being read."""
        self._linger_s = min(LINGER_S, log_entries / BURST_HZ)
        self._ending = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._cursor = log.end.lossless
        self._taken: Sequence[Entry] = ()
        """Before the cursor and not in the database yet."""
        self._away = ""
        self._defect = ""
        self.written = 0
        """Events that went into the database, or were there already when they came."""
        self.lost = 0
        """Events that went out of memory before the database took them."""

    @property
    def behind(self) -> int:
        """Events that are not in the database yet."""
        return len(self._taken) + self._log.end.lossless - self._cursor

    @property
    def trouble(self) -> str:
        """What is wrong; empty when nothing is."""
        if self._defect or not self._away:
            return self._defect
        overtaken = self._overtaken()
        lost = f", {overtaken} of them in vain: they went out of memory" if overtaken else ""
        return f"events do not get into the database ({self._away}): {self.behind} wait{lost}"

    # -- life ----------------------------------------------------------------------------------------------------------

    async def newest(self, max_entries: int) -> Kept | None:
        """The end of what the database has, before anything is written; ``None`` when it says nothing in time."""
        if self.is_new():
            return None
        try:
            return await within(ASK_AT_START_S, self._writer.call(partial(_newest, max_entries)))
        except DatabaseError as error:
            logger.warning("the database does not tell what was before: %s", error)
        except asyncio.TimeoutError:
            logger.warning("the database does not tell what was before within %g s", ASK_AT_START_S)
        return None

    def start(self, earlier: Kept | None) -> None:
        """Write from now on.

        Args:
            earlier: what the log has been restored from: of that, what is not in the database comes first.
        """
        earlier = earlier or Kept(self._log.newest_id, [])
        self._cursor = self._log.end.lossless
        self._taken = earlier.entries
        self._writing = asyncio.create_task(self._write_all(earlier))

    async def close(self) -> None:
        """Write what remains, if that can be done soon."""
        self._ending.set()
        if self._writing is not None:
            if self.behind:
                await asyncio.wait({self._writing}, timeout=END_S)
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        if self.behind:
            logger.warning("the database ends without the last %d events", self.behind)
        await asyncio.gather(self._writer.close(), self._reader.close(), self._questions.close())

    # -- out -----------------------------------------------------------------------------------------------------------

    async def page(self, after: EventId, max_entries: int) -> Sequence[Entry]:
        """See ``History``; none also when the database does not answer in time."""
        page = await self._answer(partial(_page, after, max_entries))
        return () if page is None else page

    async def known_again(self, after: EventId) -> EventId | None:
        """See ``History``; ``None`` also when the database does not answer in time."""
        return await self._answer(partial(_known_again, after))

    async def ask(self, question: Callable[[Database], T]) -> T:
        """What a question to the database answers, which should take it well below a second.

        Raises:
            DatabaseError: it is away, or there was no answer in time.
        """
        try:
            return await within(QUESTION_S, self._questions.call(question))
        except asyncio.TimeoutError:
            raise DatabaseError(f"no answer within {QUESTION_S:g} s") from None

    async def _answer(self, question: Callable[[Database], T]) -> T | None:
        try:
            return await within(TURN_S, self._in_turn(question))
        except (DatabaseError, asyncio.TimeoutError) as error:
            logger.warning("a client was not told what it missed: %s", str(error) or "no answer in time")
            return None

    async def _in_turn(self, question: Callable[[Database], T]) -> T:
        async with self._turn:  # hundreds may come back at once: the last one's time does not run while others are read
            return await within(PAGE_S, self._reader.call(question))

    # -- in ------------------------------------------------------------------------------------------------------------

    async def _write_all(self, earlier: Kept) -> None:
        try:
            await self._write_earlier(earlier)
            await self._write_new()
        except DatabaseError:
            pass  # the end has come while it was away: `close` says what is missing
        except Exception as error:
            self._defect = f"events are not written to the database any more, start the bridge again: {error!r}"
            logger.exception("defect: %s", self._defect)

    async def _write_earlier(self, earlier: Kept) -> None:
        await self._pause(BEGIN_AFTER_S)
        known = await self._insist(partial(_resume, earlier))
        self._taken = earlier.entries[known:]
        await self._write_taken()

    async def _write_new(self) -> None:
        began: EventId | None = None
        while True:
            try:
                self._taken = self._log.lossless(self._cursor, MAX_BATCH)
            except FellBehindError as gap:
                lost, began = gap.lost or 0, gap.resume_after
                self.lost += lost
                self._cursor += lost
                logger.error("%d events up to %s are lost for history", lost, began)  # its traceback says no more
                continue
            self._cursor += len(self._taken)
            if self._taken:
                await self._write_taken(began)
                began = None
            elif self._ending.is_set():
                return
            elif await self._log.wait_lossless(self._cursor):
                await self._pause(self._linger_s)
            else:  # the log is closed to clients; what is said until the end is written too
                await self._ending.wait()

    async def _write_taken(self, began: EventId | None = None) -> None:
        while self._taken:
            batch, rest = self._taken[:MAX_BATCH], self._taken[MAX_BATCH:]
            await self._insist(partial(_write, batch, began))
            self._taken, began = rest, None
            self.written += len(batch)

    async def _insist(self, work: Callable[[Database], T]) -> T:
        """Try until it succeeds, or the end has come: then ``DatabaseError``."""
        pause_s = FIRST_PAUSE_S
        while True:
            slow = asyncio.get_running_loop().call_later(SLOW_S, self._miss, f"no answer for {SLOW_S:g} s")
            try:
                result = await self._writer.call(work)
            except DatabaseError as error:
                self._miss(str(error))
                if self._ending.is_set():
                    raise
            else:
                if self._away:
                    logger.info("events get into the database again, %d have waited", self.behind)
                self._away = ""
                return result
            finally:
                slow.cancel()
            await self._pause(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _miss(self, why: str) -> None:
        if not self._away:
            logger.error("events do not get into the database: %s", why)
        self._away = why

    def is_new(self) -> bool:
        """Whether nothing can be in it yet; known without opening it."""
        return self._url.startswith(SQLITE) and not Path(self._url.removeprefix(SQLITE)).exists()

    def _overtaken(self) -> int:
        try:
            self._log.lossless(self._cursor, 0)
        except FellBehindError as gap:
            return gap.lost or 0
        return 0

    async def _pause(self, seconds: float) -> None:
        """Not any longer when the end comes."""
        with suppress(asyncio.TimeoutError):
            await within(seconds, self._ending.wait())


# -- on the database's threads: these import SQLAlchemy, see __init__.py ----------------------------------------------


def _newest(max_entries: int, database: Database) -> Kept | None:
    from plainview_ros.bridge.store import event_table

    return event_table.newest(database, max_entries)


def _resume(earlier: Kept, database: Database) -> int:
    from plainview_ros.bridge.store import event_table

    return event_table.resume(database, earlier)


def _page(after: EventId, max_entries: int, database: Database) -> Sequence[Entry]:
    from plainview_ros.bridge.store import event_table

    return event_table.page(database, after, max_entries)


def _known_again(after: EventId, database: Database) -> EventId | None:
    from plainview_ros.bridge.store import event_table

    return event_table.known_again(database, after)


def _write(entries: Sequence[Entry], began: EventId | None, database: Database) -> None:
    from plainview_ros.bridge.store import event_table

    rows = map(event_table.row_of, entries)
    database.write(rows if began is None else [event_table.began(began), *rows])
