"""A section's four readings at common steps of time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping

from plainview_ros.samples import Sample


class StepReadings:
    """Means of some instruments over steps of equal length.

    Samples may come at any rate, irregularly and not at the same moments: each is integrated between its own stamps,
    and a step is complete when all have passed its end. Where one has a gap the steps of the gap are left out. An
    instrument that is taken out is not waited for.

    Args:
        step_s: length of a step.
        gap_s: per tag, the longest time between two samples that is bridged by a straight line.
    """

    def __init__(self, step_s: float, gap_s: Mapping[str, float]) -> None:
        self.step_s = step_s
        self._gap_s = dict(gap_s)
        self._out: set[str] = set()
        self._next = 0
        self._start_afresh()

    def add(self, sample: Sample) -> Iterator[tuple[int, list[float]]]:
        """The steps that this sample completes: number, and a mean for each tag in order, NaN for one taken out.

        A stamp that steps back (a clock started again) starts afresh.
        """
        means = self._means[sample.tag]
        if sample.stamp_s <= means.newest_s:
            self._start_afresh()
            means = self._means[sample.tag]
        end_before = means.end
        means.add(sample.stamp_s, sample.value)
        if means.end != end_before:
            yield from self.completed()

    def completed(self) -> Iterator[tuple[int, list[float]]]:
        """The steps that are complete and were not given yet."""
        used = [means for tag, means in self._means.items() if tag not in self._out]
        if not used:
            return
        self._next = max(self._next, *(means.first for means in used))
        while all(self._next < means.end for means in used):
            step, self._next = self._next, self._next + 1
            yield step, [math.nan if tag in self._out else means[step] for tag, means in self._means.items()]

    def take_out(self, tag: str) -> None:
        """Go on without an instrument."""
        self._out.add(tag)

    def take_in(self, tag: str) -> None:
        """Wait for an instrument again, from its next samples on."""
        if tag not in self._out:
            return
        self._out.discard(tag)
        self._means[tag] = StepMeans(self.step_s, self._gap_s[tag])

    def _start_afresh(self) -> None:
        self._means = {tag: StepMeans(self.step_s, gap_s) for tag, gap_s in self._gap_s.items()}
        self._next = 0


class StepMeans:
    """Means of one instrument; step ``n`` lasts from ``n * step_s`` to ``(n + 1) * step_s``.

    Between two samples the value runs along a straight line. ``means[first]`` to ``means[end - 1]`` are kept.
    """

    KEPT = 10_000
    """Steps kept for an instrument that waits for one that sends nothing."""

    def __init__(self, step_s: float, gap_s: float) -> None:
        self._step_s = step_s
        self._gap_s = gap_s
        self._means: deque[float] = deque(maxlen=self.KEPT)
        self._whole = False
        self._area = 0.0
        self._newest_value = 0.0
        self.newest_s = -math.inf
        self.end = 0

    @property
    def first(self) -> int:
        return self.end - len(self._means)

    def __getitem__(self, step: int) -> float:
        return self._means[step - self.end]

    def add(self, stamp_s: float, value: float) -> None:
        if stamp_s - self.newest_s > self._gap_s:
            self._means.clear()
            self._whole = False
            self.end = math.floor(stamp_s / self._step_s)
        else:
            self._integrate(stamp_s, (value - self._newest_value) / (stamp_s - self.newest_s))
        self.newest_s, self._newest_value = stamp_s, value

    def _integrate(self, until_s: float, slope: float) -> None:
        while self.newest_s < until_s:
            step_end_s = (self.end + 1) * self._step_s
            to_s = min(step_end_s, until_s)
            lasted_s = max(0.0, to_s - self.newest_s)
            self._area += (self._newest_value + slope * lasted_s / 2) * lasted_s
            self._newest_value += slope * lasted_s
            self.newest_s = to_s
            if to_s == step_end_s:
                if self._whole:
                    self._means.append(self._area / self._step_s)
                self.end += 1
                self._whole, self._area = True, 0.0
