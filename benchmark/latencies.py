"""Latencies of any number of events in bounded memory."""

from __future__ import annotations

from collections import Counter

BIN_NS = 10_000
"""Resolution; a hundredth of the smallest latency of interest."""


class Latencies:
    """A histogram with bins of 10 µs."""

    def __init__(self) -> None:
        self._bins: Counter[int] = Counter()

    def add(self, latency_ns: int) -> None:
        self._bins[latency_ns // BIN_NS] += 1

    @property
    def count(self) -> int:
        return sum(self._bins.values())

    def clear(self) -> None:
        self._bins.clear()

    def percentile_ms(self, percent: float) -> float:
        """The latency [ms] that so many percent do not exceed; NaN when there were none."""
        wanted = self.count * percent / 100
        seen = 0
        for number in sorted(self._bins):
            seen += self._bins[number]
            if seen >= wanted:
                return (number + 1) * BIN_NS / 1e6
        return float("nan")
