"""What makes the log outlive the process: brought up before the first event, taken down after the last."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from operator import attrgetter

from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.event_file import EventFile, Kept
from plainview_ros.bridge.event_log import MAX_SOURCES, EventLog
from plainview_ros.bridge.follower import History
from plainview_ros.bridge.ledger import Ledger
from plainview_ros.bridge.redis_mirror import RedisMirror
from plainview_ros.bridge.settings import Settings
from plainview_ros.bridge.store.event_store import SQLITE, EventStore
from plainview_ros.bridge.store.upkeep import Periods, Upkeep

logger = logging.getLogger(__name__)


@dataclass
class Keeping:
    """Where events are kept beside the log's memory. Belongs to the asyncio side."""

    file: EventFile | None = None
    store: EventStore | None = None
    upkeep: Upkeep | None = None
    """Of the store's database."""
    mirror: RedisMirror | None = None
    """Agrees with other bridges on ids and order; ``None``: there are none."""
    ledger: Ledger = field(default_factory=Ledger)
    """Rows for the store, beside the log's events."""
    since_s: float = inf
    """Until when an earlier run has kept everything [s since the epoch]; infinite when there was none."""
    not_started: str = ""
    """Why the file is not used although a state directory is given."""

    @property
    def history(self) -> History | None:
        """Where events are that the log no longer has."""
        return self.store

    def abandon_file(self, why: str) -> None:
        """Go on without the file."""
        self.not_started = why
        logger.error(why)
        if self.file:
            self.file.close()
        self.file = None

    def trouble(self) -> str:
        """What is wrong beside the way into the database, of which see ``EventStore.condition``; empty: nothing."""
        parts = (self.file, self.upkeep)
        troubles = (self.not_started, *(part.trouble for part in parts if part is not None))
        return "; ".join(filter(None, troubles))


@asynccontextmanager
async def kept(log: EventLog, environment: Environment, settings: Settings, rig: str = "") -> AsyncIterator[Keeping]:
    """Restore the log from what an earlier run left, and keep what it says from now on.

    Args:
        log: nothing was published in it yet.
        environment: where it is kept.
        settings: how much of it.
        rig: name of the rig; with Redis, its bridges tell the same.
    """
    keeping = Keeping()
    in_file: Kept | None = None
    doubtful = True
    url = environment.database_url
    if environment.state_dir is not None:
        try:
            keeping.file = EventFile(environment.state_dir, settings.ring_bytes)
        except OSError as error:
            keeping.abandon_file(f"events end with this process: {error}")
            if url is not None and url.startswith(SQLITE):
                url = None  # it is in the same folder, and may be another bridge's, whose ids are not ours
    if keeping.file:
        try:
            doubtful = keeping.file.is_doubtful()
            in_file = keeping.file.read(doubtful)
            keeping.file.open(in_file.newest if in_file else log.newest_id)
        except OSError as error:
            keeping.abandon_file(f"events are not kept on disk: {error}")
    try:
        if url is not None:
            folder = environment.state_dir if keeping.file else None
            keeping.store = EventStore(url, log, settings.ring_entries, keeping.ledger, folder, settings.spool_bytes)
            await keeping.store.make_reserve()
            periods = Periods(settings.raw_days, settings.minute_days, settings.hour_days, settings.event_days)
            keeping.upkeep = Upkeep(url, periods)
        keeping.ledger.is_read = keeping.store is not None
        earlier = in_file
        if keeping.store and (in_file is None or doubtful):
            stored = await keeping.store.newest(max(settings.ring_entries, MAX_SOURCES))
            earlier = max(filter(None, (in_file, stored)), key=attrgetter("newest"), default=None)
        if earlier is not None:
            log.restore(earlier.since, earlier.entries)
            keeping.since_s = log.newest_id.ms / 1000
        if keeping.file:
            if earlier is not in_file:
                keeping.file.begin(log.newest_id)
            log.keep, log.keep_begin = keeping.file.write, keeping.file.begin
        if keeping.file and keeping.store:
            keeping.ledger.restore(keeping.file.rows, keeping.file.newest_row)
            keeping.ledger.keep, keeping.ledger.drop = keeping.file.write_row, keeping.file.drop
            keeping.store.writer.on_stored = keeping.file.stored
        if environment.redis_url is not None:
            keeping.mirror = RedisMirror.of(
                environment.redis_url, rig, settings.ring_entries, log, restored=earlier is not None
            )
            await keeping.mirror.start()
            earlier = Kept(*log.remembered())
        if keeping.store:
            keeping.store.start(earlier)
        if keeping.upkeep:
            keeping.upkeep.start()
        yield keeping
    finally:
        if keeping.mirror:
            await keeping.mirror.close()
        if keeping.upkeep:
            await keeping.upkeep.close()
        if keeping.store:
            await keeping.store.close()
        if keeping.file:
            keeping.file.close()
