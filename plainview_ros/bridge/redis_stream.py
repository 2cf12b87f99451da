"""A Redis Stream that several bridges write lossless events to, and read in the order it gave them.

The only module that knows Redis; importing it takes a tenth of a second, so it is imported only when there is one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from plainview_ros.bridge.event_log import Draft, EventId
from plainview_ros.bridge.within import within

logger = logging.getLogger(__name__)

BLOCK_S = 0.4
"""A reader that waits for entries hears from Redis at least so often."""
CONNECT_S = 1.0
CLOSE_S = 0.3

SHORTEST = 10_000
"""Entries that the stream keeps at least: a bridge with a small log must not trim what another has not read yet."""

REMEMBERED = 10
"""Sources are remembered for as many times the entries that the stream holds."""

MAX_ENTRIES_AT_ONCE = 500

OFFER = """
local stream, sources, length, remembered = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local last
for i = 3, #ARGV, 4 do
    local source = ARGV[i + 2]
    if not redis.call('ZSCORE', sources, source) then
        last = redis.call('XADD', stream, 'MAXLEN', '~', length, '*',
            'type', ARGV[i], 'asset', ARGV[i + 1], 'source', source, 'body', ARGV[i + 3])
        redis.call('ZADD', sources, string.match(last, '%d+'), source)
    end
end
redis.call('ZREMRANGEBYRANK', sources, 0, -1 - remembered)
if not last then
    local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    last = newest and newest[1] or '0-0'
end
return last
"""
"""Adds drafts whose sources are new, in one step with remembering these; answers the id that is the last then."""

JOIN = """
local added = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], ARGV[2], 'joined', ARGV[3])
if type(added) == 'table' and added.err then
    added = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'joined', ARGV[3])
end
return added
"""
"""Adds a mark at an id, or after the last when that is greater already."""


class StreamEntry(NamedTuple):
    """One entry: an event, or the mark of a bridge that joined, or something that no bridge wrote."""

    id: EventId
    draft: Draft | None
    joined: str = ""
    """What the bridge that joined called its mark."""


class Extent(NamedTuple):
    """What a stream holds."""

    generation: str
    """Another one when Redis has lost everything since."""
    oldest: Sequence[StreamEntry]
    """The first few entries."""
    full: bool
    """Older ones may have been there."""


class RedisStream:
    """A connection to the stream. All methods belong to the asyncio side.

    They raise ``RedisError`` or ``OSError`` when Redis is away, and wait without end when it does not answer.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        rig: each rig has a stream of its own.
        max_entries: what the stream is held to, in round numbers, but never to less than :data:`SHORTEST`.

    Raises:
        ValueError: it is no such URL.
    """

    def __init__(self, url: str, rig: str, max_entries: int) -> None:
        # The shape of answers depends on the protocol; trying again is for who knows what it means.
        self._redis: Any = Redis.from_url(
            url, protocol=2, socket_timeout=None, socket_connect_timeout=CONNECT_S, retry=Retry(NoBackoff(), 0)
        )
        self._stream, self._sources, self._generation = (
            f"plainview:{{{rig}}}:{what}" for what in ("events", "sources", "generation")
        )
        self._max_entries = max(max_entries, SHORTEST)
        self.at_once = max(1, min(MAX_ENTRIES_AT_ONCE, max_entries // 4))
        """Entries in one answer; fewer mean that there are no more."""
        self._offer = self._redis.register_script(OFFER)
        self._join = self._redis.register_script(JOIN)

    async def extent(self) -> Extent:
        """What is there."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.set(self._generation, str(uuid.uuid4()), nx=True)
        pipeline.get(self._generation)
        pipeline.xrange(self._stream, count=20)
        pipeline.xlen(self._stream)
        _, generation, oldest, length = await pipeline.execute()
        return Extent(generation.decode(), [_entry(*item) for item in oldest], length >= SHORTEST)

    async def offer(self, drafts: Sequence[Draft]) -> EventId:
        """Add those whose sources are new; the id of the stream's last entry then, so all of them are up to it."""
        told = [text for draft in drafts for text in (draft.type, draft.asset, draft.source, draft.body)]
        last = await self._offer(
            keys=[self._stream, self._sources], args=[self._max_entries, REMEMBERED * self._max_entries, *told]
        )
        return EventId.parse(last.decode())

    async def join(self, above: EventId, mark: str) -> None:
        """Add a mark, so that all ids from now on are greater than this one."""
        await self._join(keys=[self._stream], args=[self._max_entries, f"{above.ms + 1}-0", mark])

    async def read(self, after: EventId, wait: bool) -> list[StreamEntry]:
        """The first entries after an id; none when there are none, at once or after waiting :data:`BLOCK_S`."""
        block_ms = int(BLOCK_S * 1000) if wait else None
        answer = await self._redis.xread({self._stream: str(after)}, count=self.at_once, block=block_ms)
        return [_entry(*item) for _, items in answer for item in items]

    async def last(self) -> EventId:
        """Id of the last entry."""
        newest = await self._redis.xrevrange(self._stream, count=1)
        return EventId.parse(newest[0][0].decode()) if newest else EventId(0, 0)

    async def close(self) -> None:
        with suppress(RedisError, OSError, asyncio.TimeoutError):
            await within(CLOSE_S, self._redis.aclose())


def _entry(event_id: bytes, fields: Mapping[bytes, bytes]) -> StreamEntry:
    place = EventId.parse(event_id.decode())
    if b"joined" in fields:
        return StreamEntry(place, None, fields[b"joined"].decode())
    try:
        event_type, asset, source = (fields[name].decode() for name in (b"type", b"asset", b"source"))
        body = fields[b"body"]
        if b"\n" in body or not isinstance(json.loads(body), dict):
            raise ValueError("its body is not an object of JSON in one line")
        return StreamEntry(place, Draft(event_type, asset, body, source))
    except (KeyError, ValueError) as error:
        logger.warning("passed over entry %s of the Redis stream, which no bridge wrote: %r", place, error)
        return StreamEntry(place, None)
