"""One order of events for all bridges that listen to the same rig, decided by a Redis Stream.

Every bridge makes the same lossless events from the same ROS graph, but not in the same order. So an event gets no
place in the log when it is published: it is offered to the stream, which takes each source once, and every bridge fills
its log with what it reads there, ids included. A client may then go on at another bridge with the id it has.

While Redis is away (no answer for :data:`AWAY_TURNS`, or a broken connection) a bridge goes on alone: what was offered
and has not come back gets its place here, and so does everything new, with ids that show it (see :mod:`lone_ids`). When
Redis is back, the bridge

1. offers what it sequenced alone, and the last seconds before, which Redis may have lost; the stream takes what it does
   not know,
2. reads what it missed, and tells it, where it is new, under ids of its own,
3. puts a mark into the stream, above all its ids. When it reads that mark its log holds the same events as the stream
   up to there, though in another order; from there on the order is common again.

So a client of one bridge loses nothing, gets nothing twice, and its ids grow, whatever becomes of Redis. A client that
changes the bridge gets everything exactly once too, as long as both bridges were with Redis. With an id that one of
them gave, or passed, while it was alone, it goes on at the last place both had in common: it gets some events again,
under other ids, rather than lose one.

What nobody can know is told as a gap, as always: when a bridge was away for longer than the stream is long, its log
begins anew after the hole, and what is before comes from the database.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from plainview_ros.bridge.event_log import Draft, Entry, EventId, EventLog
from plainview_ros.bridge.lone_ids import BRIDGES, common_place, is_lone, next_lone_id
from plainview_ros.bridge.within import within

if TYPE_CHECKING:
    from plainview_ros.bridge.redis_stream import RedisStream, StreamEntry

T = TypeVar("T")

logger = logging.getLogger(__name__)

TURN_S = 0.2
AWAY_TURNS = 5
"""Turns of the loop without an answer. They are counted, not timed: a bridge that was itself held up must not take
that for Redis's silence."""
UNREADABLE = "a REDIS_URL that is not of the form redis://host:6379"

RETRY_S = 0.5
START_S = 1.0
"""Starting waits for Redis so long; opening a client's stream too."""
OVERLAP_MS = 10_000
"""What Redis had so long ago it has told to everybody, even if it loses it."""
BATCH = 200
MARKS_REMEMBERED = 100


class Offered(NamedTuple):
    """Drafts that are in the stream somewhere up to an id."""

    until: EventId
    drafts: Sequence[Draft]


class RedisMirror:
    """Gives a log's lossless events the places that all bridges agree on. All methods belong to the asyncio side.

    Args:
        where: names Redis to people, without a password.
        connect: makes a connection to the stream.
        log: what to fill; restored already, and nothing published yet.
        restored: whether there was an earlier run; else the log may begin with what the stream has.
        now_s: wall clock [s since the epoch].
    """

    def __init__(
        self,
        where: str,
        connect: Callable[[], RedisStream],
        log: EventLog,
        restored: bool,
        now_s: Callable[[], float] = time,
    ) -> None:
        self._where = where
        self._connect = connect
        self._log = log
        self._now_s = now_s
        self._bridge = random.randrange(BRIDGES)  # noqa: S311  # tells bridges apart, no secret
        self._fresh = not restored
        self._position = common_place(log.newest_id)._replace(passing=0)
        self._since: EventId | None = self._position if is_lone(log.newest_id) else None
        """Last place of the common order, when the log has left it."""
        self._alone = True
        """New events get their place here."""
        self._stream: RedisStream | None = None
        self._generation = ""
        self._caught_up = False
        self._unmarked = self._common = False
        self._mark = ""
        self._marks: deque[EventId] = deque(maxlen=MARKS_REMEMBERED)
        """Where the order was common again."""
        self._outbox: deque[Draft] = deque()
        self._forgotten: list[Draft] = []
        """What the log had to forget before the order was common."""
        self._posted = asyncio.Event()
        self._waiting: dict[str, tuple[Draft, int]] = {}
        """What was offered and has not come back, by source, in order, with the turn it was offered in."""
        self._offered: deque[Offered] = deque()
        self._moved = asyncio.Event()
        self._turn = self._heard = 0
        self._reason = "not connected yet"
        self._running: asyncio.Task[None] | None = None
        self.sequenced_alone = 0
        """Events that got their place here because Redis was away."""
        self.departures = 0
        """How often this bridge went on alone."""

    @classmethod
    def of(cls, url: str, rig: str, max_entries: int, log: EventLog, restored: bool) -> RedisMirror:
        """A mirror through the Redis at a URL; each rig has a stream of its own there."""

        def connect() -> RedisStream:
            from plainview_ros.bridge.redis_stream import RedisStream  # only where there is a Redis: slow to import

            return RedisStream(url, rig, max_entries)

        return cls(_told_safely(url), connect, log, restored)

    @property
    def waiting(self) -> int:
        """Events that were offered and have not come back."""
        return len(self._waiting)

    @property
    def trouble(self) -> str:
        """What is wrong; empty when nothing is."""
        if self._alone and self._stream is None:
            return f"other bridges tell events in another order, Redis at {self._where} is away: {self._reason}"
        if not self._common:
            return f"other bridges tell events in another order, Redis at {self._where} is only just back"
        return ""

    # -- life ----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take part in the common order, soon or when Redis is there."""
        self._running = asyncio.create_task(self._run())
        await self._wait(START_S, lambda: self.departures > 0 or not self.trouble)
        self._fresh = False
        self._log.sequence = self.offer
        self._log.locate = self.locate

    async def close(self) -> None:
        """Leave; what has not come back gets its place here."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    # -- in and out ----------------------------------------------------------------------------------------------------

    def offer(self, draft: Draft) -> None:
        """The log's way to sequence an event."""
        if not draft.source:
            draft = replace(draft, source=f"{draft.type} {uuid.uuid4()}")
        if draft.source in self._waiting:
            self._log.counts.repeated += 1
            return
        if self._alone:
            self._admit_alone(draft)
        else:
            self._waiting[draft.source] = (draft, self._turn)
        if self._stream is not None:
            self._outbox.append(draft)
            self._posted.set()

    async def locate(self, event_id: EventId) -> EventId | None:
        """See ``EventLog.locate``."""
        log = self._log
        entry = log.newest_until(event_id)
        if entry is not None and entry.id[:2] == event_id[:2]:
            return event_id  # nobody else gave that id to anything else
        place = common_place(event_id)
        if place > self._position:
            await self._reach(place)
        if place > log.newest_id:
            if self._common:
                return None
            place = log.newest_id
        entry = log.newest_until(place)
        if entry is None or not is_lone(entry.id) or any(entry.id < mark <= place for mark in self._marks):
            return place
        return common_place(entry.id)

    async def _reach(self, place: EventId) -> None:
        """Wait until everything up to a place was read, as far as the stream has it."""
        if self._stream is None:
            return
        try:
            last = await within(START_S, self._stream.last())
        except Exception as error:  # noqa: BLE001  # what it is, is found and told by those who read and write
            logger.debug("no answer where the stream ends: %r", error)
        else:
            await self._wait(START_S, lambda: self._position >= min(place, last) or self._stream is None)

    async def _wait(self, limit_s: float, done: Callable[[], bool]) -> None:
        async def wait() -> None:
            while not done():
                await self._moved.wait()

        try:
            await within(limit_s, wait())
        except asyncio.TimeoutError:
            logger.debug("not within %g s", limit_s)

    # -- alone ---------------------------------------------------------------------------------------------------------

    def _admit_alone(self, draft: Draft) -> None:
        if self._log.admit(draft, self._lone_id()) is not None:
            self.sequenced_alone += 1

    def _lone_id(self) -> EventId:
        if self._since is None:
            self._since = self._position
            self._unmarked, self._common = not self._alone, False
            self._posted.set()
        # After its mark nothing may get ahead of that, and it is a millisecond ahead.
        now_ms = int(self._now_s() * 1000) if self._alone else 0
        return next_lone_id(self._log.newest_id, now_ms, self._since, self._bridge)

    def _leave(self, reason: str) -> None:
        """Go on alone."""
        self._stream = None
        self._outbox.clear()
        self._offered.clear()
        self._caught_up = self._unmarked = self._common = False
        self._mark = ""  # it may be read again
        if reason and (not self._alone or not self.departures):
            logger.warning("going on without Redis at %s: %s", self._where, reason)
            self.departures += 1
        self._alone = True
        self._reason = reason
        waiting, self._waiting = self._waiting, {}
        for draft, _ in waiting.values():
            self._admit_alone(draft)
        self._tell()

    # -- together ------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            reason = ""  # cancelled
            try:
                await self._take_part()
            except Exception as error:  # noqa: BLE001  # of Redis, of the network, of what somebody wrote there
                reason = str(error) or type(error).__name__
            finally:
                self._leave(reason)
            await asyncio.sleep(RETRY_S)

    async def _take_part(self) -> None:
        """Until something fails, which is raised."""
        stream = self._connect()
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._enter(stream)
            tasks += [asyncio.create_task(work) for work in (self._read(stream), self._write(stream), self._watch())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.TimeoutError:
            raise TimeoutError(f"no answer for {TURN_S * AWAY_TURNS:g} s") from None
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await stream.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _enter(self, stream: RedisStream) -> None:
        """Find out where in the stream this log stands, and what it has to offer."""
        extent = await self._answer(stream.extent())
        emptied = self._generation not in ("", extent.generation) and not extent.full
        oldest = extent.oldest[0].id if extent.oldest else None
        reached = EventId(0, 0)
        if self._fresh:
            self._position = EventId(0, 0)
            if oldest is not None:
                self._begin(extent.oldest, oldest)
        elif oldest is not None and oldest <= self._position:
            gone, _ = self._log.remembered()
            known_from = EventId(gone.ms + 1, 0)  # what was read before may be forgotten, and would be told again
            reached = self._before_overlap()
            self._position = min(self._position, max(oldest, known_from, reached))
        elif emptied:  # what it had, its readers have, and offer what others may lack
            reached = self._before_overlap()
            for entry in extent.oldest:
                self._take(entry)
        else:
            reached = self._before_overlap()
            while offers := self._entries_after(reached)[:BATCH]:  # before the log forgets them
                drafts = [_draft(entry) for entry in offers]
                await self._answer(stream.offer(drafts))
                self._forgotten += drafts
                reached = offers[-1].id
            self._begin(extent.oldest, self._log.newest_id)
        self._generation, self._fresh = extent.generation, False
        self._outbox.extend((*self._forgotten, *map(_draft, self._entries_after(reached))))
        self._stream, self._heard = stream, self._turn

    async def _answer(self, question: Coroutine[Any, Any, T]) -> T:
        return await within(TURN_S * AWAY_TURNS, question)

    def _begin(self, oldest: Sequence[StreamEntry], newest: EventId) -> None:
        """Begin the log anew after one of the first entries of the stream; what is before is not known here."""
        # An event, if there is one: history knows its id.
        first = next((entry.id for entry in oldest if entry.draft), oldest[0].id if oldest else EventId(0, 0))
        self._log.begin_after(max(first, newest))
        self._position = first

    def _before_overlap(self) -> EventId:
        return EventId(max(0, (self._since or self._position).ms - OVERLAP_MS), 0)

    def _entries_after(self, event_id: EventId) -> list[Entry]:
        _, entries = self._log.remembered()
        return [entry for entry in entries if entry.id > event_id and entry.source]

    async def _read(self, stream: RedisStream) -> None:
        while True:
            entries = await stream.read(self._position, wait=self._caught_up)
            self._heard = self._turn
            full = len(entries) >= stream.at_once
            if full:
                oldest = (await stream.extent()).oldest
                if not oldest or oldest[0].id > self._position:
                    raise OSError("the stream has let go what this bridge had not read yet")
            for entry in entries:
                self._take(entry)
            self._caught_up = self._caught_up or not full
            if self._alone:
                self._posted.set()
            self._settle()
            if entries:
                self._tell()

    def _take(self, entry: StreamEntry) -> None:
        log = self._log
        if entry.draft is None:
            self._pass_mark(entry)
        else:
            self._waiting.pop(entry.draft.source, None)
            if not log.knows(entry.draft.source):
                common = self._since is None and entry.id > log.newest_id
                log.admit(entry.draft, entry.id if common else self._lone_id())
        self._position = max(self._position, entry.id)
        if self._since is None:
            log.advance(entry.id)

    def _pass_mark(self, entry: StreamEntry) -> None:
        if entry.joined and entry.joined == self._mark:
            if entry.id > self._log.newest_id:
                if self.departures and not self._common:
                    logger.info("with Redis again: the order of events is common from %s on", entry.id)
                self._since, self._common, self._forgotten = None, True, []
                self._marks.append(entry.id)
            else:
                self._unmarked = True
                self._posted.set()

    async def _write(self, stream: RedisStream) -> None:
        while True:
            if self._outbox:
                batch = [self._outbox.popleft() for _ in range(min(BATCH, len(self._outbox)))]
                position = self._position
                until = await stream.offer(batch)
                if until < position:
                    raise OSError("the stream has lost what it had")
                self._offered.append(Offered(until, batch))
                self._settle()
            elif self._alone and self._caught_up:
                self._alone, self._unmarked = False, True
                self._tell()
            elif self._unmarked:
                self._unmarked, self._mark = False, str(uuid.uuid4())
                await stream.join(self._log.newest_id, self._mark)
            else:
                self._posted.clear()
                await self._posted.wait()

    def _settle(self) -> None:
        """What was offered and should have come back by now was told long ago."""
        while self._offered and self._offered[0].until <= self._position:
            for draft in self._offered.popleft().drafts:
                if self._waiting.pop(draft.source, None) is not None:
                    self._log.counts.repeated += 1

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TURN_S)
            self._turn += 1
            _, oldest = next(iter(self._waiting.values()), (None, self._turn))
            if self._turn - min(oldest, self._heard) >= AWAY_TURNS:
                raise TimeoutError(f"no answer for {TURN_S * AWAY_TURNS:g} s")

    def _tell(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def _told_safely(url: str) -> str:
    """Where a URL leads, without anything that may be a password."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or 6379}" if parts.scheme and parts.hostname else UNREADABLE
    except ValueError:
        return UNREADABLE


def _draft(entry: Entry) -> Draft:
    return Draft(entry.type, entry.asset, entry.body, entry.source)
