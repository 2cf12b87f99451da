"""The one door from the ROS side to the asyncio side."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

Work: TypeAlias = Callable[[], object]

logger = logging.getLogger(__name__)


class Mailbox:
    """Work put in by one thread and done by another, in order, with one wake-up per batch.

    Args:
        wake: called on the putting thread when there is work and no wake-up is under way; it must have :meth:`drain`
            called on the other thread.
        limit: above this many pieces the oldest are dropped and counted in :attr:`lost`, so that a side that hangs
            costs messages and not all memory.
    """

    def __init__(self, wake: Callable[[], object], limit: int = 20_000) -> None:
        self._wake = wake
        self._work: deque[Work] = deque(maxlen=limit)
        self._woken = False
        self.lost = 0

    def put(self, work: Work) -> None:
        """Putting side: have something done over there."""
        if len(self._work) == self._work.maxlen:
            self.lost += 1
        self._work.append(work)
        if not self._woken:
            self._woken = True
            self._wake()

    def drain(self) -> None:
        """Working side: do all there is. A piece that fails is logged; the others are done nevertheless."""
        self._woken = False  # before the first look: work put from now on wakes again
        while self._work:
            work = self._work.popleft()
            try:
                work()
            except Exception:
                logger.exception("defect in work handed over from the other thread")
