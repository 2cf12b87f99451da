"""What has become known and is not in the database yet, beside the events of the log.

All methods belong to the asyncio side.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from plainview_ros.bridge.store.rows import Row


class Numbered(NamedTuple):
    """A row with its place among those that are never given up; 0: it may be given up."""

    number: int
    row: Row


class Ledger:
    """Rows in the order they came, bounded, in the two loss classes of ``rows.TELEMETRY_TABLES``.

    Args:
        max_rows: of those that are never given up. More than these are lost, the oldest first, and counted: the
            database, the spool and the disk were all of no use for so long.
        max_telemetry: of telemetry, of which the oldest goes first.
        max_size: of the rows that are never given up: characters of their texts.
    """

    def __init__(self, max_rows: int = 20_000, max_telemetry: int = 50_000, max_size: int = 50_000_000) -> None:
        self._max_rows = max_rows
        self._max_size = max_size
        self._size = 0
        self._max_telemetry = max_telemetry
        self._rows: deque[Numbered] = deque()
        self._telemetry: deque[Numbered] = deque()
        self._number = 0
        self._came = asyncio.Event()
        self.keep: Callable[[Numbered], object] = lambda _: None
        """Called with each new row that is never given up, before anything else."""
        self.drop: Callable[[int], object] = lambda _: None
        """Called with the number of each row that is lost."""
        self.is_read = True
        """False: there is no database, and nothing is taken."""
        self.refuses_telemetry = False
        """There is no place for it now."""
        self.lost = 0
        self.given_up = 0
        """Telemetry."""

    def __len__(self) -> int:
        return len(self._rows) + len(self._telemetry)

    def add(self, row: Row) -> None:
        """Take a row."""
        if not self.is_read:
            return
        if row.is_telemetry:
            if self.refuses_telemetry:
                self.given_up += 1
                return
            self._telemetry.append(Numbered(0, row))
            if len(self._telemetry) > self._max_telemetry:
                self._telemetry.popleft()
                self.given_up += 1
        else:
            self._number += 1
            numbered = Numbered(self._number, row)
            self.keep(numbered)
            self._rows.append(numbered)
            self._size += row.size
            while len(self._rows) > self._max_rows or self._size > self._max_size:
                self.drop(self._oldest().number)
                self.lost += 1
        self._came.set()

    def restore(self, rows: Iterable[Numbered], newest: int) -> None:
        """Take what an earlier run had not brought into the database, before anything else; numbers go on from there.

        Args:
            rows: which are kept already.
            newest: number that was given.
        """
        self._number = newest
        for numbered in rows:
            self._rows.append(numbered)
            self._size += numbered.row.size
        if self._rows:
            self._came.set()

    def waiting(self) -> list[Row]:
        """The rows that are never given up, oldest first; they stay here."""
        return [row for _, row in self._rows]

    def take(self, max_rows: int) -> list[Numbered]:
        """The oldest rows, those that are never given up first; they are not here any more."""
        taken = [self._oldest() for _ in range(min(max_rows, len(self._rows)))]
        taken += [self._telemetry.popleft() for _ in range(min(max_rows - len(taken), len(self._telemetry)))]
        if not len(self):
            self._came.clear()
        return taken

    def _oldest(self) -> Numbered:
        numbered = self._rows.popleft()
        self._size -= numbered.row.size
        return numbered

    async def wait(self) -> None:
        """Wait until there is something to take."""
        await self._came.wait()
