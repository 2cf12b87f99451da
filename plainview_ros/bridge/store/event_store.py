"""History: the way into the database, and back to those who ask for what memory has no more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from plainview_ros.bridge.event_file import Kept
from plainview_ros.bridge.event_log import Entry, EventId, EventLog
from plainview_ros.bridge.ledger import Ledger
from plainview_ros.bridge.store.database_thread import CLOSE_S, DatabaseThread
from plainview_ros.bridge.store.disk import Disk
from plainview_ros.bridge.store.errors import DatabaseError, SpoolError
from plainview_ros.bridge.store.own_thread import OwnThread
from plainview_ros.bridge.store.spool import Spool
from plainview_ros.bridge.store.writer import Way, Writer
from plainview_ros.bridge.within import within

if TYPE_CHECKING:
    from plainview_ros.bridge.store.database import Database

T = TypeVar("T")

logger = logging.getLogger(__name__)

ASK_AT_START_S = 1.0
PAGE_S = 2.0
TURN_S = 30.0
"""A client waits so long for a page once it is its turn, and so long in all; then it is told of a gap."""
QUESTION_S = 10.0
"""Who asks for history waits so long at the most."""
ANSWER_S = 5.0
"""A question that takes longer is ended in the database: others wait behind it."""
DISK_EVERY_S = 0.5

SQLITE = "sqlite:///"


class Condition(NamedTuple):
    """How history is; the texts are empty when there is nothing to say."""

    away: str = ""
    """Why rows go round by the spool; nothing is lost by that."""
    losing: str = ""
    """What is lost, or will be when this goes on."""
    told: str = ""
    """What happened since the start, and how much waits."""

    @property
    def trouble(self) -> str:
        """What is wrong."""
        return "; ".join(filter(None, (self.losing, self.away)))


class EventStore:
    """What the log and the ledger have goes into the database, and comes back from there (see ``History``).

    What takes time is done on threads of its own, one for writing, one for pages of events and one for questions, so
    that none holds up another; the rest belongs to the asyncio side. Nothing waits for the database: while it is away
    rows go to the spool (see :mod:`writer`). Events that are missing in history because there was no room for them
    anywhere are told of: a row of type ``log.began`` stands where they would be, and no page reaches across it.

    Args:
        url: as SQLAlchemy writes it.
        log: what to write.
        log_entries: how many lossless entries the log holds.
        ledger: what else to write.
        folder: of the spool; ``None``: there is none.
        spool_bytes: of rows in it.
    """

    def __init__(
        self,
        url: str,
        log: EventLog,
        log_entries: int,
        ledger: Ledger | None = None,
        folder: Path | None = None,
        spool_bytes: int = 0,
    ) -> None:
        self._url = url
        self._log = log
        self._ledger = Ledger() if ledger is None else ledger  # an empty one is false
        self._database = DatabaseThread("event store", url)
        self._reader = DatabaseThread("event pages", url)
        self._questions = DatabaseThread("history", url)
        self._turn = asyncio.Lock()
        """Whose question is being read."""
        self._local = None if folder is None else OwnThread("spool")
        self.spool: Spool | None = None
        self.disk: Disk | None = None
        if folder is not None and self._local is not None:
            self.spool = Spool(folder / "spool.db", spool_bytes, self._local)
            self.disk = Disk(folder, self._local)
        self.writer = Writer(self._database, self.spool, self.disk, log, self._ledger, log_entries)
        self._looking: asyncio.Task[None] | None = None
        self._blind = ""
        """Why the disk is not watched; empty when it is."""

    @property
    def written(self) -> int:
        """Events and rows that went into the database, or were there already when they came."""
        return self.writer.written

    @property
    def lost(self) -> int:
        """Events and rows that went out of memory before they could be put anywhere; not telemetry."""
        return self.writer.lost + self._ledger.lost

    @property
    def given_up(self) -> int:
        """Telemetry for which there was no room."""
        return self._ledger.given_up + (self.spool.given_up if self.spool else 0)

    @property
    def behind(self) -> int:
        """Events and rows that are not in the database yet."""
        return self.writer.in_memory + (self.spool.rows if self.spool else 0)

    @property
    def trouble(self) -> str:
        """What is wrong; empty when nothing is."""
        return self.condition.trouble

    @property
    def condition(self) -> Condition:
        writer, spool = self.writer, self.spool
        losing, away = [writer.defect, self._blind], ""
        if self.disk is not None and self.disk.is_full:
            losing.append("the disk is full: telemetry is not kept")
        if writer.way is not Way.DIRECT:
            spooled = f"{spool.rows} in the spool, " if spool and spool.rows else ""
            waiting = f"{spooled}{writer.in_memory} in memory"
            away = (
                f"history does not get into the database ({writer.away}): {waiting}"
                if writer.away
                else f"history gets into the database again: {waiting} to go"
            )
            if writer.spool_trouble:
                losing.append(f"nothing gets into the spool either: {writer.spool_trouble}")
            if overtaken := writer.overtaken:
                losing.append(f"{overtaken} events wait in vain: they went out of memory")
        counts = {
            "lost": self.lost,
            "telemetry given up": self.given_up,
            "refused by the database for ever, see the log": writer.refused,
            "damaged in the spool, see the log": spool.unreadable if spool else 0,
        }
        told = [f"{count} {what}" for what, count in counts.items() if count]
        if spool is not None and spool.damaged:
            told.append(f"a damaged spool was put aside as {spool.damaged}")
        return Condition(away, "; ".join(filter(None, losing)), ", ".join(told))

    # -- life ----------------------------------------------------------------------------------------------------------

    async def newest(self, max_entries: int) -> Kept | None:
        """The end of what the database has, before anything is written; ``None`` when it says nothing in time."""
        if self.is_new():
            return None
        try:
            return await within(ASK_AT_START_S, self._database.call(partial(_newest, max_entries)))
        except DatabaseError as error:
            logger.warning("the database does not tell what was before: %s", error)
        except asyncio.TimeoutError:
            logger.warning("the database does not tell what was before within %g s", ASK_AT_START_S)
        return None

    async def make_reserve(self) -> None:
        """Keep room back on the disk, before anything else is written there."""
        if self.disk is not None:
            await self._look()

    def start(self, earlier: Kept | None) -> None:
        """Write from now on.

        Args:
            earlier: what the log has been restored from: of that, what is not in the database comes first.
        """
        self.writer.start(earlier or Kept(self._log.newest_id, []))
        if self.disk is not None:
            self._looking = asyncio.create_task(self._look_on())

    async def close(self) -> None:
        """Write what remains, if that can be done soon."""
        await self.writer.close()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await asyncio.gather(self._database.close(), self._reader.close(), self._questions.close(), self._put_away())

    async def _put_away(self) -> None:
        if self.spool is not None and self.disk is not None and self._local is not None:
            with suppress(SpoolError, asyncio.TimeoutError):
                await within(CLOSE_S, self.spool.close())
                await within(CLOSE_S, self.disk.close())
            self._local.end()

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(DISK_EVERY_S)
            await self._look()

    async def _look(self) -> None:
        if self.disk is not None:
            try:
                await self.disk.look()
                await self.writer.heed_disk()
                self._blind = ""
            except OSError as error:
                self._blind = f"the disk cannot be watched: {error}"

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
            return await within(QUESTION_S, self._questions.call(partial(_answer, question)))
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

    def is_new(self) -> bool:
        """Whether nothing can be in it yet; known without opening it."""
        return self._url.startswith(SQLITE) and not Path(self._url.removeprefix(SQLITE)).exists()


# -- on the database's threads: these import SQLAlchemy, see __init__.py ----------------------------------------------


def _answer(question: Callable[[Database], T], database: Database) -> T:
    with database.limited(ANSWER_S):
        return question(database)


def _newest(max_entries: int, database: Database) -> Kept | None:
    from plainview_ros.bridge.store import event_table

    return event_table.newest(database, max_entries)


def _page(after: EventId, max_entries: int, database: Database) -> Sequence[Entry]:
    from plainview_ros.bridge.store import event_table

    return event_table.page(database, after, max_entries)


def _known_again(after: EventId, database: Database) -> EventId | None:
    from plainview_ros.bridge.store import event_table

    return event_table.known_again(database, after)
