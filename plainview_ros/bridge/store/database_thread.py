"""A connection that has a thread of its own, so that what waits for one is not held up by what waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from plainview_ros.bridge.store.own_thread import OwnThread
from plainview_ros.bridge.within import within

if TYPE_CHECKING:
    from plainview_ros.bridge.store.database import Database

T = TypeVar("T")

CLOSE_S = 0.5
"""How long closing may hold up the end."""


class DatabaseThread:
    """Makes calls one after the other; the database is opened by the first one.

    Args:
        name: of the thread.
        url: as SQLAlchemy writes it.
    """

    def __init__(self, name: str, url: str) -> None:
        self._url = url
        self.is_local = url.startswith("sqlite")
        """Whether it is a file of this machine."""
        self._thread = OwnThread(name)
        self._database: Database | None = None

    async def call(self, work: Callable[[Database], T]) -> T:
        """Asyncio side: what the call returns or raises; ``DatabaseError`` also when the database does not open."""
        return await self._thread.call(lambda: work(self._open()))

    async def close(self) -> None:
        """Asyncio side: close and end after the calls that are waiting, without waiting long."""
        with suppress(asyncio.TimeoutError):
            await within(CLOSE_S, self._thread.call(self._close))
        self._thread.end()

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _open(self) -> Database:
        if self._database is None:
            from plainview_ros.bridge.store.database import Database  # see __init__.py

            self._database = Database(self._url)
        return self._database

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
