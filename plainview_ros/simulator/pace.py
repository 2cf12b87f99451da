"""How far the simulation should be by now."""

from __future__ import annotations


class Pace:
    """Ties simulated time to a monotonic clock, ``speed`` times as fast.

    A simulation that falls behind by more than ``most_lag_s`` of real time is forgiven the rest, so that it goes on
    late instead of racing after a debt that grows.
    """

    def __init__(self, speed: float, most_lag_s: float = 0.5) -> None:
        self.speed = speed
        self.forgiven_s = 0.0
        """Simulated time given up since the start."""
        self._most_lag_s = most_lag_s
        self._origin: tuple[float, float] | None = None
        self._measured: tuple[float, float] | None = None

    def pause(self) -> None:
        """The time until the next :meth:`target_s` does not count."""
        self._origin = self._measured = None

    def target_s(self, now_s: float, reached_s: float) -> float:
        """Simulated time that should be reached at ``now_s`` of the monotonic clock, given what has been reached."""
        if self._origin is None:
            self._origin = self._measured = (now_s, reached_s)
        began_s, from_s = self._origin
        excess_s = from_s + (now_s - began_s - self._most_lag_s) * self.speed - reached_s
        if excess_s > 0:
            self.forgiven_s += excess_s
            from_s -= excess_s
            self._origin = (began_s, from_s)
        return from_s + (now_s - began_s) * self.speed

    def achieved(self, now_s: float, reached_s: float) -> float:
        """Speed since this was last asked; the wanted one when there was no time."""
        before, self._measured = self._measured, (now_s, reached_s)
        if before is None or now_s <= before[0]:
            return self.speed
        return (reached_s - before[1]) / (now_s - before[0])
