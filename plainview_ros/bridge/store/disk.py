"""Room kept back on a disk for the time when there is none left."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from plainview_ros.bridge.store.own_thread import OwnThread

RESERVE_BYTES = 4_000_000
LOW_BYTES = 4_000_000
"""With less than this free the disk is full: what writes there must not find out each for itself."""


class Disk:
    """The disk of a folder. All methods belong to the asyncio side, what may block is done on the thread.

    A file takes the room; it is removed when the disk is full, and made again when there is room for it and as much
    as makes it full twice over.

    Args:
        folder: on the disk.
        thread: that looks at it.
        reserve_bytes: kept back.
        low_bytes: free, and the disk counts as full.
    """

    def __init__(
        self, folder: Path, thread: OwnThread, reserve_bytes: int = RESERVE_BYTES, low_bytes: int = LOW_BYTES
    ) -> None:
        self._folder = folder
        self._reserve = folder / "reserve"
        self._thread = thread
        self._reserve_bytes = reserve_bytes
        self._low_bytes = low_bytes
        self._is_made = False
        self.is_full = False
        self.free_bytes = 0

    async def look(self) -> None:
        """See how much is free, and act on it."""
        await self._thread.call(self._look)

    async def release(self) -> None:
        """Something found no room."""
        await self._thread.call(self._release)

    async def close(self) -> None:
        await self._thread.call(self._remove)

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        try:
            found = os.statvfs(self._folder)
        except OSError:  # of this others will complain
            return
        self.free_bytes = found.f_bavail * found.f_frsize
        if self.free_bytes < self._low_bytes and (self._is_made or not self.is_full):
            self._release()
        elif not self._is_made and self.free_bytes >= self._reserve_bytes + self._low_bytes * (
            2 if self.is_full else 1
        ):
            self._make()

    def _make(self) -> None:
        try:
            file = os.open(self._reserve, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                os.posix_fallocate(file, 0, self._reserve_bytes)
            finally:
                os.close(file)
        except OSError:  # a quota, say
            self._release()
            return
        self._is_made, self.is_full = True, False

    def _release(self) -> None:
        self.is_full = True
        self._remove()

    def _remove(self) -> None:
        self._is_made = False
        with suppress(OSError):
            self._reserve.unlink(missing_ok=True)
