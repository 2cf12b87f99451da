"""What is done for the database in the background: roll-ups, retention, and measuring it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from plainview_ros.bridge.store.database_thread import DatabaseThread
from plainview_ros.bridge.store.errors import BusyError, DatabaseError
from plainview_ros.bridge.within import within

if TYPE_CHECKING:
    from plainview_ros.bridge.store.database import Database

logger = logging.getLogger(__name__)

BEGIN_AFTER_S = 5.0
"""First the bridge comes up, and the writer brings what has waited."""
ROUND_S = 10.0
"""Between two rounds when there is nothing left to do."""
LEAST_PAUSE_S = 0.02
"""After a step that found something to do there is a pause, as long as the step took or this: SQLite takes one writer
at a time, and who waits asks again at intervals of up to 0.1 s."""
PATIENCE_S = 60.0
"""Less than this that nothing could be done is not spoken of."""

AHEAD_MS = 3_600_000
"""It is no later than so long after the newest that is stored: a clock that jumps ahead, or that others do not go by
(``use_sim_time``), makes nothing old."""
STEADY_S = 3600.0
"""Nothing is deleted before the clock has gone for so long without a jump: what is stored while it is wrong has wrong
stamps, too."""
JUMP_S = 60.0


@dataclass(frozen=True)
class Periods:
    """How long something is kept [d]; 0: for ever."""

    raw_days: int
    minute_days: int
    hour_days: int
    event_days: int


@dataclass(frozen=True)
class Measured:
    """What there is in the database."""

    size_bytes: int = 0
    behind_s: Mapping[str, float] = field(default_factory=dict)
    """Of each table of roll-ups: how far it is behind."""
    late_minutes: int = 0
    """Minutes to be rolled up again."""


class Upkeep:
    """Works in small steps on a thread of its own, as long as there is something to do, and then now and then.

    Nothing waits for it. While the database is away it does nothing.

    Args:
        url: as SQLAlchemy writes it.
        periods: how long what is kept.
    """

    def __init__(self, url: str, periods: Periods) -> None:
        self._periods = periods
        self._thread = DatabaseThread("upkeep", url)
        self._ending = asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        self._well_s: dict[int, float] = {}
        """When a step of each kind was last made, or there was none to make."""
        self._measured_s = -ROUND_S
        self._clock = SteadyClock()
        self.trouble = ""
        """What is wrong; empty when nothing is."""
        self.measured: Measured | None = None
        """``None`` before the first round."""

    def start(self) -> None:
        self._working = asyncio.create_task(self._work())

    async def close(self) -> None:
        """After the step that is under way, without waiting long for it."""
        self._ending.set()
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        await self._thread.close()

    async def _work(self) -> None:
        try:
            await self._pause(BEGIN_AFTER_S)
            while not self._ending.is_set():
                more, why = False, ""
                try:
                    more, why = await self._round()
                except DatabaseError as error:
                    why = str(error)
                is_late = time.monotonic() > min(self._well_s.values()) + PATIENCE_S
                self.trouble = f"history is neither rolled up nor bounded: {why}" if why and is_late else ""
                if not more:
                    await self._pause(ROUND_S)
        except Exception as error:
            self.trouble = f"history is neither rolled up nor bounded any more, start the bridge again: {error!r}"
            logger.exception("defect: %s", self.trouble)

    async def _round(self) -> tuple[bool, str]:
        """One step of each kind; whether there may be more to do, and what kept from it."""
        more, why, number = False, "", 0
        may_delete = self._clock.is_steady()
        if not may_delete:
            self._well_s = {0: self._well_s.get(0, time.monotonic())}
        while number == 0 or may_delete:
            began_s = time.monotonic()
            self._well_s.setdefault(number, began_s)
            try:
                found = await self._thread.call(partial(_step, self._periods, number))
                self._well_s[number] = time.monotonic()
            except BusyError:
                found, why = True, "others are always at it"
            if found is None:
                break
            more |= found
            number += 1
            if found:
                await self._pause(max(LEAST_PAUSE_S, time.monotonic() - began_s))
        if time.monotonic() >= self._measured_s + ROUND_S:
            self.measured = await self._thread.call(_measure)
            self._measured_s = time.monotonic()
        return more, why

    async def _pause(self, seconds: float) -> None:
        """Not any longer when the end comes."""
        with suppress(asyncio.TimeoutError):
            await within(seconds, self._ending.wait())


class SteadyClock:
    """Tells whether the wall clock goes as the monotonic one does."""

    def __init__(self) -> None:
        self._ahead_s = time.time() - time.monotonic()
        self._since_s = time.monotonic()

    def is_steady(self) -> bool:
        ahead_s, now_s = time.time() - time.monotonic(), time.monotonic()
        if abs(ahead_s - self._ahead_s) > JUMP_S:
            self._since_s = now_s
            logger.warning("the clock has jumped by %.0f s", ahead_s - self._ahead_s)
        self._ahead_s = ahead_s
        return now_s >= self._since_s + STEADY_S


# -- on the database's thread: these import SQLAlchemy, see __init__.py ------------------------------------------------


def _step(periods: Periods, number: int, database: Database) -> bool | None:
    """Whether there may be more to do of the kind with a number; ``None``: there are not so many kinds."""
    from plainview_ros.bridge.store import retention, roll_up

    steps = (retention.Step(roll_up.newest_ms, roll_up.step), *retention.steps(periods))
    if number == len(steps):
        return None
    newest_ms, do = steps[number]
    with database.transaction() as connection:
        now_ms = _present_ms(newest_ms(connection))
        return now_ms is not None and do(connection, now_ms)


def _measure(database: Database) -> Measured:
    from plainview_ros.bridge.store import roll_up, size

    with database.transaction() as connection:
        now_ms = _present_ms(roll_up.newest_ms(connection)) or 0
        behind_ms = roll_up.behind_ms(connection, now_ms)
        return Measured(
            size.size_bytes(connection),
            {table: behind / 1000 for table, behind in behind_ms.items()},
            roll_up.late_minutes(connection),
        )


def _present_ms(newest_ms: int | None) -> int | None:
    """What time it is for what is stored; ``None`` when there is nothing."""
    return None if newest_ms is None else min(int(time.time() * 1000), newest_ms + AHEAD_MS)
