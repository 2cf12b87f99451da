"""Which of the transmitters can be judged by, and why the others cannot."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from plainview_ros.assets import Rig
from plainview_ros.samples import Refusal, Sample
from plainview_ros.sensor_faults import Sensors


class SpikeFilter:
    """Holds each reading back until the next one came, and leaves out what sticks out from both its neighbours.

    Args:
        times: how many of the usual changes from one reading to the next a spike is high: two pressure waves that meet
            are as short, and lower.
    """

    REST = 0.3
    """Share of its height by which the readings on both sides of a spike may differ."""
    MEMORY = 300
    """Readings over which the usual change is a mean."""

    def __init__(self, times: float = 25.0) -> None:
        self._times = times
        self._before: Sample | None = None
        self._held: Sample | None = None
        self._usual = 0.0
        self._count = 0

    def pass_(self, sample: Sample) -> Sample | None:
        """The reading before this one, if it is none that is left out."""
        before, held, self._held = self._before, self._held, sample
        if held is None or sample.stamp_s <= held.stamp_s:  # the first, or a clock started again
            self._before = None
            return held
        if before is not None and self._is_spike(before.value, held.value, sample.value):
            return None
        self._count = min(self._count + 1, self.MEMORY)
        self._usual += (abs(sample.value - held.value) - self._usual) / self._count
        self._before = held
        return held

    def _is_spike(self, before: float, value: float, after: float) -> bool:
        height = min(abs(value - before), abs(value - after))
        is_same_side = (value - before) * (value - after) > 0
        return is_same_side and height > self._times * self._usual and abs(after - before) < self.REST * height


class ClockComparison:
    """Compares the clocks of the transmitters by how late their readings arrive."""

    READINGS = 50
    TOLERATED_S = 0.5
    SPREADS = 3.0
    """Times the usual spread of the delays that a clock may be off."""

    def __init__(self) -> None:
        self._delays_s: dict[str, deque[float]] = {}

    def note(self, tag: str, delay_s: float) -> None:
        self._delays_s.setdefault(tag, deque(maxlen=self.READINGS)).append(delay_s)

    def errors_s(self) -> dict[str, float]:
        """By how much each clock is slow (or, below zero, fast); only those that are."""
        known = {tag: delays for tag, delays in self._delays_s.items() if len(delays) == self.READINGS}
        if len(known) < MIN_CLOCKS:
            return {}
        least_s = {tag: min(delays) for tag, delays in known.items()}
        usual_s = median(least_s.values())
        spread_s = median(max(delays) - min(delays) for delays in known.values())
        tolerated_s = max(self.TOLERATED_S, self.SPREADS * spread_s)
        return {tag: delay_s - usual_s for tag, delay_s in least_s.items() if abs(delay_s - usual_s) > tolerated_s}


MIN_CLOCKS = 3
"""Fewer do not tell which of them is wrong."""


class Scatter:
    """How much a transmitter's readings scatter about the line through their neighbours, and how much they usually do.

    The median over some readings: a process that changes, even in steps, hardly moves it.
    """

    READINGS = 30
    LEARNED = 10
    """Looks, a second apart, before anything is called noisy."""
    NOISY, QUIET = 3.0, 1.5
    """Times the usual scatter from which on a transmitter is noisy, and below which it is not any more."""
    LOOKS = 5
    """In a row."""
    MEMORY = 3600

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=3)
        self._deviations: deque[float] = deque(maxlen=self.READINGS)
        self._usual = 0.0
        self._looks = self._against = 0
        self.is_noisy = False

    @property
    def times_usual(self) -> float:
        return median(self._deviations) / self._usual if self._usual else 1.0

    def note(self, value: float) -> None:
        self._last.append(value)
        if len(self._last) == self._last.maxlen:
            before, here, after = self._last
            self._deviations.append(abs(here - (before + after) / 2))

    def look(self) -> None:
        """Judge what was noted since."""
        if len(self._deviations) < self.READINGS:
            return
        now = median(self._deviations)
        is_against = now > self.NOISY * self._usual if not self.is_noisy else now < self.QUIET * self._usual
        if self._looks >= self.LEARNED and is_against:
            self._against += 1
            if self._against >= self.LOOKS:
                self.is_noisy, self._against = not self.is_noisy, 0
            return
        self._against = 0
        if not self.is_noisy:
            self._looks = min(self._looks + 1, self.MEMORY)
            self._usual += (now - self._usual) / self._looks


@dataclass(slots=True)
class _Case:
    """What the sections hold against one transmitter."""

    since_s: float
    newest_s: float
    retry_s: float | None = None
    """When it is believed again, to see whether it is still wrong."""


class Transmitters:
    """Judges the transmitters by what each says alone, and by what the sections that use it say of it.

    Args:
        rig: the asset model.
        tags: the transmitters.
    """

    CONVICTED_S = 10.0
    """For which a wrong reading must have been the best explanation."""
    RETRIED_S = 1800.0
    """After which one that was convicted is tried again."""

    def __init__(self, rig: Rig, tags: Iterable[str]) -> None:
        self._sensors = Sensors(rig, tags)
        self._cases: dict[str, _Case] = {}
        self._clocks = ClockComparison()
        self._clock_errors_s: dict[str, float] = {}
        self._scatter = {tag: Scatter() for tag in self._sensors.tags}
        self._filters = {tag: SpikeFilter() for tag in self._sensors.tags}

    @property
    def tags(self) -> frozenset[str]:
        """Whose readings and refusals are to be given: those asked for, and those that measure the same."""
        return self._sensors.tags

    def accept(self, sample: Sample, now_s: float) -> Sample | None:
        """Take a reading; the one before it, to be judged by, if it is no spike."""
        self._sensors.accept(sample, now_s)
        self._clocks.note(sample.tag, now_s - sample.stamp_s)
        self._scatter[sample.tag].note(sample.value)
        return self._filters[sample.tag].pass_(sample)

    def refuse(self, refusal: Refusal, now_s: float) -> None:
        self._sensors.refuse(refusal, now_s)

    def tick(self, now_s: float) -> None:
        """Look for silence and noise, and at the clocks."""
        self._sensors.tick(now_s)
        for scatter in self._scatter.values():
            scatter.look()
        self._clock_errors_s = self._clocks.errors_s()

    def accuse(self, tag: str, stamp_s: float, patience_s: float = CONVICTED_S) -> None:
        """A wrong reading of this one is the best explanation of what a section sees.

        Args:
            patience_s: for which it has to be.
        """
        case = self._cases.get(tag)
        if case is None or (case.retry_s is None and stamp_s - case.newest_s > self.CONVICTED_S):
            case = self._cases[tag] = _Case(stamp_s, stamp_s)
        case.newest_s = stamp_s
        if case.retry_s is None and stamp_s - case.since_s >= patience_s:
            case.retry_s = stamp_s + self.RETRIED_S

    def has_misled(self, tag: str) -> bool:
        """Whether what a faulty one last read was wrong, rather than missing or old."""
        fault = self._sensors.fault(tag)
        return fault is None or fault.type == "sensor_clock_step"

    def fault(self, tag: str, stamp_s: float) -> str:
        """Why it is not judged by; empty: it is."""
        fault = self._sensors.fault(tag)
        if fault is not None and fault.type != "sensor_spike":
            return fault.sentence
        error_s = self._clock_errors_s.get(tag, 0.0)
        if error_s:
            return f"{tag}: its clock is {abs(error_s):.1f} s {'slow' if error_s > 0 else 'fast'}"
        scatter = self._scatter[tag]
        if scatter.is_noisy:
            return f"{tag}: its readings scatter {scatter.times_usual:.0f} times as much as usual"
        case = self._cases.get(tag)
        if case is None or case.retry_s is None:
            return ""
        if stamp_s >= case.retry_s:
            del self._cases[tag]
            return ""
        return f"{tag}: it does not fit the other transmitters of its section"
