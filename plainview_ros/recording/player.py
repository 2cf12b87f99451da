"""Releases a recording's readings at their time, on a monotonic clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from plainview_ros.recording.routing import Reading


class Player:
    """Plays readings at their recorded intervals, ``rate`` times as fast.

    A process that was held up catches up ``MAX_LAG_S`` at most; what is more is a pause in the play, so that consumers
    do not get minutes in one burst. Not thread-safe.

    Args:
        readings: gives the recording from its beginning, in order of time; called again for each repetition.
        rate: multiple of the recorded pace.
        loop: whether to begin again at the end, one interval after the last reading.
        origin_s: with it, stamps keep the recorded intervals and are counted from here, for consumers that follow
            :meth:`clock_s`. Without, a stamp is the present time at which the reading is due: intervals shrink with
            the rate, and consumers need no clock but their own.

    Raises:
        ValueError: when there is nothing to play.
        RecordingError: when the recording is broken at its beginning.
    """

    MAX_LAG_S = 0.2
    MAX_BURST = 1000
    """Readings released in one call; a rate that needs more at once is not reached."""

    def __init__(
        self, readings: Callable[[], Iterator[Reading]], rate: float, loop: bool, origin_s: float | None = None
    ) -> None:
        self._open = readings
        self._rate = rate
        self._loop = loop
        self._origin_s = origin_s
        self._readings = readings()
        first = next(self._readings, None)
        if first is None:
            raise ValueError("nothing to play")
        self._next: Reading | None = first
        self._first_s = first.time_s
        self._interval_s = 1.0
        self._repeated_s = 0.0
        self._started_s: float | None = None
        self._played_s = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the last reading was released."""
        return self._next is None

    @property
    def played_s(self) -> float:
        """Recorded time that was played, repetitions included."""
        return self._played_s

    def clock_s(self, monotonic_s: float) -> float | None:
        """The recording's time now, counted from its origin; ``None`` without one."""
        return None if self._origin_s is None else self._origin_s + self._position_s(monotonic_s)

    def release(self, monotonic_s: float, now_s: float) -> Iterator[tuple[float, Reading]]:
        """Readings due by now with their stamps, in order; the first call starts the play.

        Args:
            monotonic_s: monotonic clock.
            now_s: the same moment on the node's clock.

        Raises:
            RecordingError: where the recording turns out to be broken.
        """
        if self._next is None:
            return
        if self._started_s is None:
            self._started_s = monotonic_s
        lag_s = (self._position_s(monotonic_s) - self._offset_s(self._next)) / self._rate
        self._started_s += max(0.0, lag_s - self.MAX_LAG_S)
        position_s = self._position_s(monotonic_s)
        for _ in range(self.MAX_BURST):
            if self._next is None or (offset_s := self._offset_s(self._next)) > position_s:
                break
            late_s = (position_s - offset_s) / self._rate
            yield (now_s - late_s if self._origin_s is None else self._origin_s + offset_s), self._next
            self._played_s = offset_s
            self._next = self._following(self._next)

    def _position_s(self, monotonic_s: float) -> float:
        return 0.0 if self._started_s is None else (monotonic_s - self._started_s) * self._rate

    def _offset_s(self, reading: Reading) -> float:
        return self._repeated_s + reading.time_s - self._first_s

    def _following(self, reading: Reading) -> Reading | None:
        following = next(self._readings, None)
        if following is None and self._loop:
            self._repeated_s += reading.time_s - self._first_s + self._interval_s
            self._readings = self._open()
            return next(self._readings, None)
        if following is not None and following.time_s > reading.time_s:
            self._interval_s = following.time_s - reading.time_s
        return following
