"""The one door from the ROS side to the asyncio side."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")
Work: TypeAlias = Callable[[], object]

MAX_PER_TURN = 200
"""Values worked on before the other work of the loop has its turn: some 20 ms, also after a hang."""

logger = logging.getLogger(__name__)


class Lane(Generic[T]):
    """Values of one kind on their way through a mailbox.

    While the working side hangs, a lane costs ``limit`` values of memory: above that the oldest gives way and is
    counted in :attr:`lost`. Not so with a limit of 1, which is for snapshots: the newest holds everything.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        name: str,
        deliver: Callable[[T], object],
        limit: float,
        on_loss: Callable[[int], object] = lambda _count: None,
    ) -> None:
        self._mailbox = mailbox
        self._limit = limit
        self.name = name
        self.deliver = deliver
        self.on_loss = on_loss
        self.waiting: deque[tuple[float, T]] = deque()
        self.lost = 0
        self.lost_before = 0
        """Of the lost ones, those directly before the oldest that waits."""

    def put(self, value: T) -> None:
        """Putting side, any thread: have the value delivered; :meth:`Mailbox.ring` after the last of a batch."""
        with self._mailbox.lock:
            if len(self.waiting) == self._limit:
                self.waiting.popleft()  # the value takes over its turn
                if self._limit > 1:
                    self.lost += 1
                    self.lost_before += 1
            else:
                self._mailbox.turns.append(self)
            self.waiting.append((monotonic(), value))


class Mailbox:
    """What other threads put in is worked on by one, in order, with one wake-up per batch.

    Args:
        wake: called on a putting thread when something waits and no wake-up is under way; it must have :meth:`drain`
            called on the working thread.
        lag: told how long each value waited [s].
    """

    def __init__(self, wake: Work, lag: Callable[[float], object] = lambda _seconds: None) -> None:
        self._wake = wake
        self._lag = lag
        self._woken = False
        self._work: Lane[Work] = Lane(self, "work", lambda work: work(), math.inf)
        self.lanes: list[Lane[Any]] = []
        self.lock = Lock()
        self.turns: deque[Lane[Any]] = deque()
        """Of the lanes, one for each value that waits."""

    def lane(
        self,
        name: str,
        deliver: Callable[[T], object],
        limit: int,
        on_loss: Callable[[int], object] = lambda _count: None,
    ) -> Lane[T]:
        """A new lane: on the working side ``deliver`` is called with each value.

        Before one that follows on some that were lost ``on_loss`` is called with their number.
        """
        lane = Lane(self, name, deliver, limit, on_loss)
        self.lanes.append(lane)
        return lane

    @property
    def lost(self) -> int:
        """Values that were never delivered and that no newer one stands for."""
        return sum(lane.lost for lane in self.lanes)

    @property
    def depth(self) -> int:
        """Values that wait now."""
        return len(self.turns)

    def put(self, work: Work) -> None:
        """Putting side, any thread: have something done over there; never dropped, so that who waits is answered."""
        self._work.put(work)
        self.ring()

    def ring(self) -> None:
        """Putting side, any thread: see to it that what was put is worked on."""
        if self.turns and not self._woken:
            self._woken = True
            self._wake()

    def drain(self) -> None:
        """Working side: deliver what there is. A delivery that fails is logged; the others are made nevertheless."""
        self._woken = False  # before the first look: what is put from now on wakes again
        lags: list[float] = []
        while self.turns and len(lags) < MAX_PER_TURN:
            with self.lock:
                lane = self.turns.popleft()
                put_s, value = lane.waiting.popleft()
                lost, lane.lost_before = lane.lost_before, 0
            lags.append(monotonic() - put_s)
            try:
                if lost:
                    lane.on_loss(lost)
                lane.deliver(value)
            except Exception:
                logger.exception("defect in work handed over from the other thread")
        self.ring()
        for lag_s in lags:  # after the deliveries, which somebody waits for
            self._lag(lag_s)
