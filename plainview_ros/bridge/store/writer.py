"""The way of events and rows into the database: straight, or round by the spool while the database is away.

                     fails, or is silent for SLOW_S                answers
          DIRECT ───────────────────────────────────▶ AWAY ──────────────────▶ DRAINING
             ▲     new rows go into the database       ▲  new rows to the end     │ │
             │                                         │  of the spool            │ │
             │                                         └──────────────────────────┘ │
             └──────────────────────────────────────────────────────────────────────┘
                                     the spool is empty

Two tasks on the asyncio side: one takes what is new, in order, and brings it into the database or to the end of the
spool; the other empties the spool into the database. What can go neither way waits in hand, and behind it in the
memory of the log and of the ledger.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from plainview_ros.bridge.event_file import Kept
from plainview_ros.bridge.event_log import Entry, EventId, EventLog, FellBehindError
from plainview_ros.bridge.ledger import Ledger, Numbered
from plainview_ros.bridge.store.database_thread import DatabaseThread
from plainview_ros.bridge.store.disk import Disk
from plainview_ros.bridge.store.errors import DatabaseError, DiskFullError, RefusedError, SpoolError, SpoolFullError
from plainview_ros.bridge.store.rows import Row
from plainview_ros.bridge.store.spool import EMPTY, Spool
from plainview_ros.bridge.within import within

if TYPE_CHECKING:
    from plainview_ros.bridge.store.database import Database

T = TypeVar("T")

logger = logging.getLogger(__name__)

BEGIN_AFTER_S = 0.3
"""First the server listens: importing and opening takes a quarter of a second of CPU."""
END_S = 1.5
"""How long the database may hold up the end; what it has not taken then goes to the spool."""

MAX_BATCH = 2000
LINGER_S = 0.25
"""Pause between two transactions when little waits: each takes about a millisecond of CPU, however little is in it."""
FEW = 250
"""With more than these in a transaction the pause is shorter: many rows at once would hold up the streams."""
BURST_HZ = 20_000
"""At this rate of events the pause must not be longer than memory reaches."""

SLOW_S = 5.0
"""A database that is silent for so long is away."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
"""Between two attempts at a database that is away; at a spool that is of no use, always the first."""

MAX_TOLD = 2000
"""Characters of a refused row that are logged."""


class Way(Enum):
    """Where new rows go, see above."""

    DIRECT = "direct"
    AWAY = "away"
    DRAINING = "draining"


@dataclass(frozen=True)
class Batch:
    """What goes into the database, or the spool, together."""

    began: EventId | None
    """Up to this id there are events that are not here and never come."""
    entries: Sequence[Entry]
    rows: Sequence[Numbered]

    def __len__(self) -> int:
        return len(self.entries) + len(self.rows)

    def as_rows(self) -> list[Row]:
        """On a thread of the store: imports SQLAlchemy, see ``__init__.py``."""
        from plainview_ros.bridge.store import event_table

        head = [] if self.began is None else [event_table.began(self.began)]
        return [*head, *map(event_table.row_of, self.entries), *(row for _, row in self.rows)]

    def __bool__(self) -> bool:
        return bool(self.began or len(self))


NOTHING = Batch(None, (), ())


class _EndError(Exception):
    """The end has come, and there is no place for what is left."""


class Writer:
    """A reader of the log and of the ledger that brings everything into the database, in order and once.

    Belongs to the asyncio side.

    Args:
        database: where to.
        spool: where to while the database is away; ``None``: what is new waits in memory.
        disk: that the spool is on, and the database when it is a file.
        log: whose events.
        ledger: whose rows.
        log_entries: how many lossless entries the log holds.
    """

    def __init__(
        self,
        database: DatabaseThread,
        spool: Spool | None,
        disk: Disk | None,
        log: EventLog,
        ledger: Ledger,
        log_entries: int,
    ) -> None:
        self._database = database
        self._spool = spool
        self._disk = disk
        self._log = log
        self._ledger = ledger
        self._linger_s = min(LINGER_S, log_entries / BURST_HZ)
        self._cursor = log.end.lossless
        self._hand = NOTHING
        self._before = 0
        """How much was stored together last."""
        self._gone = asyncio.Event()
        """The way is not direct."""
        self._turning = asyncio.Lock()
        """Nothing goes to the spool while it is looked whether it is empty."""
        self._call: asyncio.Task[object] | None = None
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.way = Way.DIRECT
        self.away = ""
        """Why the database is of no use; empty when it is."""
        self.has_looked = False
        """Whether it is known how the way is; it is called direct until then."""
        self.spool_trouble = ""
        """Why the spool is of no use though it is needed; empty when it is."""
        self.defect = ""
        self.written = 0
        """Events and rows that went into the database, or were there already when they came."""
        self.refused = 0
        """Rows that the database will never take."""
        self.lost = 0
        """Events that went out of memory before they could be put anywhere."""
        self.on_stored: Callable[[int], object] = lambda _number: None
        """Called with the number up to which the ledger's rows are in the database or in the spool."""

    @property
    def in_memory(self) -> int:
        """Events and rows that are neither in the database nor in the spool."""
        return len(self._hand) + self._waiting

    @property
    def overtaken(self) -> int:
        """Events among them that have gone out of memory meanwhile."""
        try:
            self._log.lossless(self._cursor, 0)
        except FellBehindError as gap:
            return gap.lost or 0
        return 0

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self, earlier: Kept) -> None:
        """Write from now on.

        Args:
            earlier: what the log has been restored from: of that, what is not in the database comes first.
        """
        self._cursor = self._log.end.lossless
        self._hand = Batch(None, earlier.entries, ())
        works = (self._take_all(earlier), self._drain_all())
        self._tasks = [asyncio.create_task(self._guarded(work)) for work in works]

    async def close(self) -> None:
        """Bring what remains into the database if that can be done soon, else into the spool."""
        self._ending.set()
        if self._tasks:
            taking, _ = self._tasks
            await asyncio.wait({taking}, timeout=END_S)
            if not taking.done():
                self._miss("it does not answer at the end")
                if self._call is not None:
                    self._call.cancel()
                await asyncio.wait({taking}, timeout=END_S)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.in_memory:
            logger.warning("history ends without the last %d events and rows", self.in_memory)

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:
            self.defect = f"history is not written any more, start the bridge again: {error!r}"
            logger.exception("defect: %s", self.defect)

    # -- what is new ---------------------------------------------------------------------------------------------------

    async def _take_all(self, earlier: Kept) -> None:
        await self._pause(BEGIN_AFTER_S)
        with suppress(_EndError):  # `close` says what is missing
            await self._connect(earlier)
            while await self._come():
                batch = self._next()
                self._before = len(batch)
                await self._store(batch)

    async def _connect(self, earlier: Kept) -> None:
        """Bring in what an earlier run has not, before anything that is new."""
        entries: Sequence[Entry] = earlier.entries
        began: EventId | None = earlier.since  # where the database has this event, that means no hole
        if await self._is_spool_empty():
            known = await self._try(partial(_resume, earlier))
            if known is not None:
                entries, began = entries[known:], None
        else:
            self._leave_direct()
            newest = await self._newest_spooled()
            if newest is not None:
                entries = [entry for entry in entries if entry.id > newest]
                began = None if newest >= earlier.since else began
        self.has_looked = True
        self._hand = NOTHING
        while entries or began:
            batch, entries = Batch(began, entries[:MAX_BATCH], ()), entries[MAX_BATCH:]
            began = None
            await self._store(batch)

    async def _come(self) -> bool:
        """Wait for what is new; False at the end, when there is nothing any more."""
        if self._waiting < MAX_BATCH and not self._ending.is_set():
            if not self._waiting:
                await self._news()
            await self._pause(self._linger_s * min(1.0, FEW / max(1, self._before)))
        return bool(self._waiting) or not self._ending.is_set()

    @property
    def _waiting(self) -> int:
        return self._log.end.lossless - self._cursor + len(self._ledger)

    async def _news(self) -> None:
        news = [asyncio.create_task(self._ledger.wait()), asyncio.create_task(_done(self._ending.wait()))]
        if not self._log.closed:  # to clients; what is said until the end is written too
            news.append(asyncio.create_task(_done(self._log.wait_lossless(self._cursor))))
        try:
            await asyncio.wait(news, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in news:
                each.cancel()

    def _next(self) -> Batch:
        began: EventId | None = None
        try:
            entries = self._log.lossless(self._cursor, MAX_BATCH)
        except FellBehindError as gap:
            lost, began = gap.lost or 0, gap.resume_after
            logger.error("%d events up to %s are lost for history", lost, began)  # its traceback says no more
            self.lost += lost
            self._cursor += lost
            entries = self._log.lossless(self._cursor, MAX_BATCH)
        self._cursor += len(entries)
        return Batch(began, entries, self._ledger.take(MAX_BATCH))

    async def _store(self, batch: Batch) -> None:
        """Into the database or the spool, however long that takes.

        Raises:
            _EndError: the end has come, and neither takes it.
        """
        while batch:
            self._hand = batch
            if self._ledger.refuses_telemetry:
                batch = self._hand = self._without_telemetry(batch)
            if self.way is Way.DIRECT and await self._write(batch):
                break
            if self.way is not Way.DIRECT and await self._put(batch):
                break
            if self.way is not Way.DIRECT:
                if self._ending.is_set():
                    raise _EndError
                await self._pause(FIRST_PAUSE_S)
        self._hand = NOTHING
        numbers = [numbered.number for numbered in batch.rows if numbered.number]
        if numbers:
            self.on_stored(numbers[-1])

    async def _write(self, batch: Batch) -> bool:
        refused = await self._try(lambda database: _write(batch.as_rows(), database))
        if refused is None:
            return False
        self._count(len(batch), refused)
        return True

    async def _put(self, batch: Batch) -> bool:
        if self._spool is None:
            return False
        async with self._turning:
            if self.way is Way.DIRECT:
                return False
            try:
                await self._spool.put(batch.as_rows)
            except SpoolError as error:
                self._complain(error)
                if isinstance(error, SpoolFullError) and error.of_disk:
                    await self.disk_is_full()
                return False
        self.spool_trouble = ""
        return True

    async def disk_is_full(self) -> None:
        """Make room for what must not be lost."""
        if self._disk is not None:
            await self._disk.release()
            await self.heed_disk()

    async def heed_disk(self) -> None:
        """Take telemetry only while there is room on the disk."""
        if self._disk is None or self._ledger.refuses_telemetry == self._disk.is_full:
            return
        self._ledger.refuses_telemetry = self._disk.is_full
        if self._disk.is_full and self._spool is not None:
            with suppress(SpoolError):
                await self._spool.forget_telemetry()

    def _without_telemetry(self, batch: Batch) -> Batch:
        rows = [numbered for numbered in batch.rows if not numbered.row.is_telemetry]
        self._ledger.given_up += len(batch.rows) - len(rows)
        return replace(batch, rows=rows)

    # -- the database --------------------------------------------------------------------------------------------------

    async def _try(self, work: Callable[[Database], T]) -> T | None:
        """What the database answers; ``None``: it is away."""
        call = self._call = asyncio.create_task(self._database.call(work))
        try:
            await asyncio.wait({call}, timeout=SLOW_S)
            if not call.done():
                self._miss(f"no answer for {SLOW_S:g} s")
            elif not call.cancelled():
                return call.result()
        except DatabaseError as error:
            await self._heed(error)
        finally:
            call.cancel()  # what has begun goes on; it does no harm, whenever it is done
        return None

    async def _heed(self, error: DatabaseError) -> None:
        self._miss(str(error))
        if isinstance(error, DiskFullError) and self._database.is_local:
            await self.disk_is_full()

    def _miss(self, why: str) -> None:
        if not self.away:
            logger.error("history does not get into the database: %s", why)
        self.away = why
        self._leave_direct()

    def _leave_direct(self) -> None:
        self.way = Way.AWAY
        self._gone.set()

    async def _drain_all(self) -> None:
        """Whenever the way is not direct: the spool into the database, until it is empty."""
        pause_s = 0.0
        while True:
            await self._gone.wait()
            await asyncio.sleep(pause_s)
            try:
                page = await self._spool.page(MAX_BATCH) if self._spool is not None and self._spool.rows else EMPTY
                slow = asyncio.get_running_loop().call_later(SLOW_S, self._miss, f"no answer for {SLOW_S:g} s")
                try:
                    refused = await self._database.call(partial(_write, page.rows) if page.rows else _touch)
                finally:
                    slow.cancel()
                self._count(len(page.rows), refused)
                self.way = Way.DRAINING
                if self.away:
                    logger.info("history gets into the database again")
                self.away = ""
                if self._spool is not None and page.rows:
                    await self._spool.drop(page)
                await self._turn_direct()
            except DatabaseError as error:
                await self._heed(error)
                pause_s = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            except SpoolError as error:
                self._complain(error)
                pause_s = FIRST_PAUSE_S
            else:
                pause_s = 0.0

    async def _turn_direct(self) -> None:
        async with self._turning:
            if self._spool is not None and self._spool.rows:
                return
            self.way = Way.DIRECT
            self._gone.clear()
            self.spool_trouble = ""

    def _count(self, rows: int, refused: int) -> None:
        self.written += rows - refused
        self.refused += refused

    # -- the spool -----------------------------------------------------------------------------------------------------

    async def _is_spool_empty(self) -> bool:
        if self._spool is None:
            return True
        try:
            await self._spool.open()
        except SpoolError as error:
            self._complain(error)
        return not self._spool.rows

    async def _newest_spooled(self) -> EventId | None:
        try:
            return None if self._spool is None else await self._spool.newest_event()
        except SpoolError as error:
            self._complain(error)
            return None

    def _complain(self, error: SpoolError) -> None:
        if self.spool_trouble != str(error):
            logger.error("%s", error)
        self.spool_trouble = str(error)

    async def _pause(self, seconds: float) -> None:
        """Not any longer when the end comes."""
        with suppress(asyncio.TimeoutError):
            await within(seconds, self._ending.wait())


async def _done(work: Coroutine[Any, Any, object]) -> None:
    await work


# -- on the thread of the database: these import SQLAlchemy, see __init__.py ------------------------------------------


def _resume(earlier: Kept, database: Database) -> int:
    from plainview_ros.bridge.store import event_table

    return event_table.resume(database, earlier)


def _touch(database: Database) -> int:
    """Whether it can be written to."""
    from plainview_ros.bridge.store import event_table

    event_table.touch(database)
    return 0


def _write(rows: Sequence[Row], database: Database) -> int:
    """Write all but what is refused, which holds up no other; how many those are."""
    try:
        database.write(rows)
    except RefusedError as error:
        if len(rows) == 1:
            logger.error("the database refuses a row for ever (%s): %s", error, json.dumps(rows[0])[:MAX_TOLD])
            return 1
        half = len(rows) // 2
        return _write(rows[:half], database) + _write(rows[half:], database)
    return 0
