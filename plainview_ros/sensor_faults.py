"""Faults of the instruments, told apart from faults of the process: what an instrument says that no process can say.

                accept(), refuse(), tick()                  good readings for a while
    HEALTHY ───────────────────────────────▶ ONE FAULT OPEN ─────────────────────────▶ HEALTHY

An instrument is judged by its own habits: how far apart its readings come, how long they lie on a straight line, how
far they jump, and how far they usually are from those of an instrument that measures the same. What was told as a fault
is learnt no further than to the threshold it crossed: a habit taken for a fault is told a few times, not for ever.
"""

from __future__ import annotations

import math
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Literal

from plainview_ros.assets import UNITS, Instrument, Rig
from plainview_ros.samples import Reason, Refusal, Sample

Severity = Literal["low", "medium", "high"]
FaultType = Literal[
    "sensor_stuck",
    "sensor_out_of_range",
    "sensor_not_a_number",
    "sensor_gap",
    "sensor_clock_step",
    "sensor_spike",
    "sensor_drift",
]

SEVERITY: dict[FaultType, Severity] = {
    "sensor_stuck": "high",  # it looks alive, and whoever judges by it is misled
    "sensor_drift": "medium",
    "sensor_out_of_range": "medium",
    "sensor_not_a_number": "medium",
    "sensor_gap": "medium",
    "sensor_clock_step": "low",
    "sensor_spike": "low",
}

OF_REASON: dict[Reason, FaultType] = {"not_a_number": "sensor_not_a_number", "out_of_range": "sensor_out_of_range"}
OF_STAMP: frozenset[Reason] = frozenset({"future_stamp", "old_stamp", "not_newer"})

LEARN_READINGS = 300
"""No judgement of values before so many readings ..."""
LEARN_LINES = 60
"""... in which so many straight lines ended: an instrument that has hardly moved has no habits yet."""
MEMORY = 5000.0
"""Readings over which habits are forgotten."""

REFUSED = 3.0
"""So many refused readings open a fault ..."""
FORGIVEN = 0.1
"""... where a good one makes up for so much of a refused one."""

GAP_READINGS, GAP_TIMES = 10.0, 3.0
"""Silence for the instrument's deadline, so many of its intervals and so many times its longest one is a gap."""
GAP_TICKS = 2
"""A clock that runs fast must have been looked at so often meanwhile: values take real time to come."""

STUCK_READINGS, STUCK_TIMES = 30.0, 5.0
"""Repeating a value so often, and so many times as long as its longest straight line ever was, is stuck."""
STRAIGHT = 1e-6
"""Readings are on a straight line when they part from it by less than this share of their value (rounding of float32).
Where a historian interpolates between the values it kept, all are, and a level line is nothing special."""

CLOCK_STEP_S, CLOCK_READINGS = 1.0, 3.0
"""A step of the stamps is more than this, and more than so many intervals."""
SET_BACK_S = 5.0
"""The clock of the node itself was set back: a simulation started again."""

SPIKE_WIDTH = 3
"""A spike is over within so many readings, ..."""
SPIKE_TIMES, SPIKE_SIGMAS, SPIKE_USUAL = 3.0, 10.0, 20.0
"""... so many times as high as the highest change between two readings, and so many of its standard deviations and mean
changes."""
SPIKE_REST = 0.25
"""It comes back to within this share of its height."""

DRIFT_S = 60.0
"""Time constant of the difference between neighbours; it must also be too large for so long."""
DRIFT_LEARN_S = 1800.0
"""Its normal is learnt over this time before it is judged, and forgotten over ..."""
DRIFT_MEMORY_S = 86400.0
"""... this: two instruments that part by less than the threshold in a day are not told."""
DRIFT_SIGMAS, DRIFT_TIMES = 4.0, 2.0
"""A difference is too large when it is so many combined standard deviations of both instruments, and so many times its
largest normal one, away from its normal."""
MIN_DIFFERENCES = 30
"""Fewer of them make no mean."""
DRIFT_CLOSE = 0.6
"""It is back below this share of the threshold."""

CLOSE_READINGS = 20
"""A fault is over after so many good readings in a row ..."""
CLOSE_S: dict[FaultType, float] = {"sensor_spike": 60.0}
"""... and this time; spikes come in swarms."""
CLOSE_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class FaultTransition:
    """One transition of one fault of an instrument."""

    type: FaultType
    phase: Literal["opened", "closed"]
    severity: Severity
    tag: str
    suspects: tuple[str, ...]
    """Tags of which one is at fault; more than ``tag`` alone when nothing tells which."""
    stamp_s: float
    """Of the reading, or of the moment, that caused the transition [s since the epoch]."""
    detected_at_s: float
    value: float
    """The reading that gave it away; NaN: there is none."""
    expected_min: float
    """NaN: no value is expected."""
    expected_max: float
    statistic: str
    statistic_value: float
    threshold: float
    window_s: float
    """The time the statistic looks at."""
    sentence: str
    """For the operator."""
    fault_id: uuid.UUID = field(default_factory=uuid.uuid4)
    event_id: uuid.UUID = field(default_factory=uuid.uuid4)

    def closed(self, stamp_s: float) -> FaultTransition:
        """The end of this fault."""
        lasted_s = max(0.0, stamp_s - self.detected_at_s)  # a clock that is set right may go back
        sentence = f"Over after {_time(lasted_s)}: {self.sentence}"
        return replace(self, phase="closed", stamp_s=stamp_s, event_id=uuid.uuid4(), sentence=sentence)


class SensorWatch:
    """Judges one instrument by what it says, alone.

    Every reading is given to :meth:`accept` or, when a :class:`~plainview_ros.samples.SampleGate` refused it, to
    :meth:`refuse`; :meth:`tick` is called from time to time, so that silence is noticed. Stamps are those of the
    readings, ``now_s`` is the node's clock when they came; where a recording is judged without a clock they are equal.
    """

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.fault: FaultTransition | None = None
        """The one that is open, as it was told."""
        self._good = 0
        self._good_since_s = 0.0
        self._refused: dict[FaultType, float] = {}
        # arrival
        self._heard_s = self._stamp_s = -math.inf
        self._ticks = 0
        self._intervals = 0
        self._interval_s = 1 / instrument.rate_hz
        self._longest_s = 0.0
        self._lag_s = 0.0
        self._shifted = 0
        # values
        self._readings = self._lines = 0
        self._value = self._before = math.nan
        self._run = 0
        self._run_began_s = 0.0
        self._slope = 0.0
        self._line = 0
        self._longest_line = 0.0
        self._change = self._largest_change = 0.0
        self._excursion = 0
        self._height = self._peak = 0.0

    # -- what comes ----------------------------------------------------------------------------------------------------

    def accept(self, stamp_s: float, value: float, now_s: float) -> list[FaultTransition]:
        """Take a believable reading; returns the transitions it causes."""
        told = self._keep_time(stamp_s, now_s, is_value=True)
        self._refused = {kind: count - FORGIVEN for kind, count in self._refused.items() if count > FORGIVEN}
        self._good += 1
        if self._good == 1:
            self._good_since_s = stamp_s
        told += self._look_for_spike(stamp_s, value)
        told += self._look_for_standstill(stamp_s, value)
        return told + self._recover(stamp_s)

    def refuse(self, reason: Reason, stamp_s: float, now_s: float, value: float = math.nan) -> list[FaultTransition]:
        """Take a reading that was refused; returns the transitions it causes.

        A value that a gateway marks as bad is as good as none; one of a wrong quantity says nothing of this instrument.
        """
        if reason in OF_STAMP:
            return self._keep_time(stamp_s, now_s, is_value=False)
        kind = OF_REASON.get(reason)
        if kind is None:
            return []
        self._heard_s, self._ticks = now_s, 0
        self._good = 0
        count = self._refused[kind] = self._refused.get(kind, 0.0) + 1
        if self.fault or count < REFUSED:
            return []
        low, high = self.instrument.range
        words = (
            f"its values are no numbers ({value})"
            if kind == "sensor_not_a_number"
            else f"it reads {self._text(value)}, its range is {self._text(low)} to {self._text(high)}"
        )
        return self._open(
            kind,
            stamp_s,
            words,
            "refused_readings",
            count,
            REFUSED,
            count * self._interval_s,
            value,
            self.instrument.range,
        )

    def tick(self, now_s: float) -> list[FaultTransition]:
        """Look whether the instrument has fallen silent; returns the transition. One never heard is not missed."""
        self._ticks += 1
        silent_s = now_s - self._heard_s
        if self.fault or math.isinf(silent_s) or silent_s <= self.gap_limit_s or self._ticks < GAP_TICKS:
            return []
        return self._tell_gap(now_s, silent_s)

    # -- arrival -------------------------------------------------------------------------------------------------------

    @property
    def gap_limit_s(self) -> float:
        """Longer silence is a fault."""
        return max(self.instrument.deadline_s, GAP_READINGS * self._interval_s, GAP_TIMES * self._longest_s)

    @property
    def _step_limit_s(self) -> float:
        return max(CLOCK_STEP_S, CLOCK_READINGS * self._interval_s)

    def _keep_time(self, stamp_s: float, now_s: float, is_value: bool) -> list[FaultTransition]:
        silent_s, apart_s, lag_s = now_s - self._heard_s, stamp_s - self._stamp_s, now_s - stamp_s
        told: list[FaultTransition] = []
        if not -SET_BACK_S <= silent_s < math.inf:  # the first, or the node's own clock was set back
            self._lag_s, self._shifted = lag_s, 0
        elif silent_s > self.gap_limit_s:
            if not self.fault and min(silent_s, apart_s) > self.gap_limit_s:
                told = self._tell_gap(stamp_s, apart_s)
            self._longest_s = max(self._longest_s, min(apart_s, self.gap_limit_s))
            self._good, self._lag_s, self._shifted = 0, lag_s, 0
        else:
            told = self._look_for_step(stamp_s, apart_s, lag_s, is_value)
            if is_value and 0 < apart_s <= self.gap_limit_s:
                self._intervals += 1
                self._interval_s += (apart_s - self._interval_s) / min(self._intervals + LEARN_READINGS / 10, MEMORY)
                self._longest_s = max(self._longest_s * (1 - 1 / MEMORY), apart_s)
        self._heard_s, self._ticks, self._stamp_s = now_s, 0, stamp_s
        if not is_value:
            self._good = 0
        return told

    def _look_for_step(self, stamp_s: float, apart_s: float, lag_s: float, is_value: bool) -> list[FaultTransition]:
        """Stamps that jump while readings come as ever, and stay away: late delivery neither jumps nor stays."""
        step_s = self._lag_s - lag_s
        if abs(step_s) <= self._step_limit_s:
            self._shifted = 0
            self._lag_s += (lag_s - self._lag_s) / LEARN_READINGS
            return []
        if self._shifted == 0 and abs(apart_s) <= self._step_limit_s:
            self._lag_s += (lag_s - self._lag_s) / LEARN_READINGS if is_value else 0.0
            return []
        self._shifted += 1
        if self._shifted < REFUSED:
            return []
        limit_s, self._lag_s, self._shifted, self._good = self._step_limit_s, lag_s, 0, 0
        if self.fault:
            return []
        words = f"its clock has stepped {'ahead' if step_s > 0 else 'back'} by {_time(abs(step_s))}"
        now_s = stamp_s + lag_s  # the stamp is what is wrong
        return self._open(
            "sensor_clock_step", now_s, words, "clock_step", abs(step_s), limit_s, REFUSED * self._interval_s
        )

    def _tell_gap(self, stamp_s: float, silent_s: float) -> list[FaultTransition]:
        limit_s = self.gap_limit_s
        usual = f"it should come every {_time(self._interval_s)}"
        words = f"no value for {_time(silent_s)}, {usual}"
        return self._open("sensor_gap", stamp_s, words, "silence", silent_s, limit_s, limit_s)

    # -- values --------------------------------------------------------------------------------------------------------

    @property
    def is_learning(self) -> bool:
        """Whether values cannot be judged yet."""
        return self._readings < LEARN_READINGS or self._lines < LEARN_LINES

    @property
    def stuck_limit(self) -> float:
        """Repeating a value more often is a fault; infinite while learning."""
        if self.is_learning:
            return math.inf
        return max(STUCK_READINGS, STUCK_TIMES * self._longest_line)

    @property
    def spike_limit(self) -> float:
        """A higher excursion is a fault; infinite while learning."""
        if self.is_learning:
            return math.inf
        return max(SPIKE_TIMES * self._largest_change, SPIKE_SIGMAS * self.instrument.sigma, SPIKE_USUAL * self._change)

    def _look_for_standstill(self, stamp_s: float, value: float) -> list[FaultTransition]:
        slope, self._slope, self._value = self._slope, value - self._value, value
        self._readings += 1
        if abs(self._slope - slope) <= STRAIGHT * abs(value):
            self._line += 1
        else:
            self._learn_line()
        if self._slope != 0:
            self._run = 0
            self._run_began_s = stamp_s
            return []
        self._run += 1
        limit = self.stuck_limit
        is_no_flow = value == 0 and self.instrument.quantity == "flow_rate"  # below its cut-off a meter reads 0
        if is_no_flow or self._run <= limit:
            return []
        self._good = 0
        if self.fault:
            return []
        lasted_s = stamp_s - self._run_began_s
        words = (
            f"it has read {self._text(value)} for {_time(lasted_s)} ({self._run + 1} times),"
            f" healthy it may {limit:.0f} times"
        )
        return self._open("sensor_stuck", stamp_s, words, "repeated_readings", float(self._run), limit, lasted_s, value)

    def _learn_line(self) -> None:
        length, self._line = min(float(self._line), self.stuck_limit), 0
        self._lines += 1
        self._longest_line = max(self._longest_line * (1 - 0.1 / MEMORY), length)

    def _look_for_spike(self, stamp_s: float, value: float) -> list[FaultTransition]:
        if self._before != self._before:
            self._before = value
            return []
        height, limit = value - self._before, self.spike_limit
        if self._excursion == 0 and abs(height) <= limit:
            self._learn_change(abs(height), value)
            return []
        self._excursion += 1
        if self._excursion == 1:
            self._height, self._peak = height, value
            return []
        if abs(height) > SPIKE_REST * abs(self._height):
            if self._excursion > SPIKE_WIDTH:  # it stays there: the process, not the instrument
                self._excursion = 0
                self._largest_change = max(self._largest_change, abs(self._height))
                self._before = value
            return []
        before, self._excursion = self._before, 0
        self._before = value
        self._largest_change = max(self._largest_change, min(abs(self._height), limit) / SPIKE_TIMES)
        self._good = 0
        if self.fault:
            return []
        words = f"it jumped from {self._text(before)} to {self._text(self._peak)} and back at once"
        band = before - limit, before + limit
        return self._open(
            "sensor_spike",
            *(stamp_s, words, "jump", abs(self._height), limit, SPIKE_WIDTH * self._interval_s, self._peak, band),
        )

    def _learn_change(self, change: float, value: float) -> None:
        self._before = value
        self._change += (change - self._change) / min(self._readings + 1, MEMORY)
        self._largest_change = max(self._largest_change * (1 - 0.1 / MEMORY), change)

    # -- over restarts ------------------------------------------------------------------------------------------------

    def memory(self) -> list[float]:
        """What :meth:`restore` takes, as numbers that JSON can hold."""
        return [getattr(self, name) for name in _HABITS]

    def restore(self, memory: Sequence[float]) -> None:
        """Take the habits that :meth:`memory` gave.

        Raises:
            ValueError: it is of another shape, or has a number that is not finite.
        """
        if len(memory) != len(_HABITS) or not all(isinstance(x, (int, float)) and math.isfinite(x) for x in memory):
            raise ValueError(f"{self.instrument.tag}: expected {len(_HABITS)} finite numbers, found {memory!r}")
        for name, number in zip(_HABITS, memory, strict=True):
            setattr(self, name, number)

    # -- one fault -----------------------------------------------------------------------------------------------------

    def _open(
        self,
        kind: FaultType,
        stamp_s: float,
        words: str,
        statistic: str,
        size: float,
        threshold: float,
        window_s: float,
        value: float = math.nan,
        expected: tuple[float, float] = (math.nan, math.nan),
    ) -> list[FaultTransition]:
        tag = self.instrument.tag
        self._good = 0
        self.fault = FaultTransition(
            type=kind,
            phase="opened",
            severity=SEVERITY[kind],
            tag=tag,
            suspects=(tag,),
            stamp_s=stamp_s,
            detected_at_s=stamp_s,
            value=value,
            expected_min=expected[0],
            expected_max=expected[1],
            statistic=statistic,
            statistic_value=size,
            threshold=threshold,
            window_s=window_s,
            sentence=f"{tag}: {words}.",
        )
        return [self.fault]

    def _recover(self, stamp_s: float) -> list[FaultTransition]:
        if self.fault is None or self._good < CLOSE_READINGS:
            return []
        if stamp_s - self._good_since_s < CLOSE_S.get(self.fault.type, CLOSE_AFTER_S):
            return []
        closed, self.fault = self.fault.closed(stamp_s), None
        return [closed]

    def _text(self, value: float) -> str:
        return f"{value:.5g} {UNITS[self.instrument.quantity]}"


_HABITS = (
    *("_intervals", "_interval_s", "_longest_s"),
    *("_readings", "_lines", "_longest_line", "_change", "_largest_change"),
)


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class _Pair:
    """The slow difference between two instruments that measure the same."""

    def __init__(self, slow: Instrument, fast: Instrument) -> None:
        self.slow, self.fast = slow, fast
        self.sigma = math.hypot(slow.sigma, fast.sigma)
        self.normal = self.recent = 0.0
        """Of the difference, slow minus fast: as it usually is, and over the last minute."""
        self.largest = 0.0
        self.learnt_s = 0.0
        self.is_apart = False
        self._newest_s = -math.inf
        self._count = 0
        self._turning_s = 0.0

    @property
    def limit(self) -> float:
        return max(DRIFT_SIGMAS * self.sigma, DRIFT_TIMES * self.largest)

    @property
    def deviation(self) -> float:
        return self.recent - self.normal

    def pause(self) -> None:
        """One of both is at fault: what they say now tells nothing."""
        self._count = 0

    def compare(self, stamp_s: float, difference: float) -> bool:
        """Take one difference; whether ``is_apart`` has changed."""
        apart_s = stamp_s - self._newest_s
        self._newest_s = stamp_s
        self._count += 1
        if self._count == 1 or not 0 < apart_s <= DRIFT_S:
            self._count, self._turning_s = 1, 0.0
            self.recent = difference
            return False
        self.recent += (difference - self.recent) * min(1.0, max(apart_s / DRIFT_S, 1 / self._count))
        if self._count < MIN_DIFFERENCES:
            return False
        size = abs(self.deviation)
        if self.learnt_s < DRIFT_LEARN_S or (not self.is_apart and size <= self.limit):
            self._turning_s = 0.0
            self._learn(apart_s, size)
            return False
        if self.is_apart and size > DRIFT_CLOSE * self.limit:
            self._turning_s = 0.0
            return False
        self._turning_s += apart_s
        if self._turning_s < DRIFT_S:
            return False
        self._turning_s, self.is_apart = 0.0, not self.is_apart
        return True

    def _learn(self, apart_s: float, size: float) -> None:
        self.learnt_s += apart_s
        self.normal += self.deviation * apart_s / max(min(self.learnt_s, DRIFT_MEMORY_S), apart_s)
        # Only at first: a drift that grows slowly would raise its own threshold.
        if DRIFT_LEARN_S / 2 < self.learnt_s < DRIFT_LEARN_S:
            self.largest = max(self.largest, size)


class _Neighbours:
    """Instruments that measure the same: when one drifts, and which if that can be told.

    With two there is no telling. With three and more it is the one that has parted from the most of the others.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._pairs = [_Pair(*sorted(pair, key=lambda item: item.rate_hz)) for pair in combinations(instruments, 2)]
        self._newest: dict[str, Sample] = {}
        self.fault: FaultTransition | None = None

    def accept(self, sample: Sample, healthy: Callable[[str], bool]) -> list[FaultTransition]:
        self._newest[sample.tag] = sample
        told: list[FaultTransition] = []
        for pair in self._pairs:
            other = self._newest.get(pair.fast.tag)
            if pair.slow.tag != sample.tag or other is None:
                continue
            if not (healthy(pair.slow.tag) and healthy(pair.fast.tag)):
                pair.pause()
            elif abs(sample.stamp_s - other.stamp_s) <= 2 / pair.slow.rate_hz and pair.compare(
                sample.stamp_s, sample.value - other.value
            ):
                told += self._judge(sample.stamp_s)
        return told

    def _judge(self, stamp_s: float) -> list[FaultTransition]:
        apart = [pair for pair in self._pairs if pair.is_apart]
        if not apart:
            closed = [self.fault.closed(stamp_s)] if self.fault else []
            self.fault = None
            return closed
        times = Counter(item.tag for pair in apart for item in (pair.slow, pair.fast))
        most = max(times.values())
        suspects = tuple(sorted(tag for tag, count in times.items() if count == most))
        if self.fault and self.fault.suspects == suspects:
            return []
        told = [self.fault.closed(stamp_s)] if self.fault else []  # now it is known better which
        self.fault = self._tell(stamp_s, max(apart, key=lambda pair: abs(pair.deviation) / pair.limit), suspects)
        return [*told, self.fault]

    def _tell(self, stamp_s: float, pair: _Pair, suspects: tuple[str, ...]) -> FaultTransition:
        tag = suspects[0]
        slow, fast = pair.slow.tag, pair.fast.tag
        unit = UNITS[pair.slow.quantity]
        sentence = (
            f"{' or '.join(suspects)} drifts: {slow} and {fast} measure the same"
            f" and are {pair.recent:.4g} {unit} apart, usually {pair.normal:.4g} {unit}."
        )
        reference = pair.fast.tag if tag == slow else slow
        value = self._newest[tag].value
        sign = 1 if tag == slow else -1
        expected = self._newest[reference].value + sign * pair.normal
        return FaultTransition(
            type="sensor_drift",
            phase="opened",
            severity=SEVERITY["sensor_drift"],
            tag=tag,
            suspects=suspects,
            stamp_s=stamp_s,
            detected_at_s=stamp_s,
            value=value,
            expected_min=expected - pair.limit,
            expected_max=expected + pair.limit,
            statistic="neighbour_difference",
            statistic_value=abs(pair.deviation),
            threshold=pair.limit,
            window_s=DRIFT_S,
            sentence=sentence,
        )


class Sensors:
    """Judges some instruments of a rig, each alone and against those that measure the same.

    Args:
        rig: the asset model.
        tags: the instruments in question; their neighbours (``redundant_with``) are listened to as well.
    """

    def __init__(self, rig: Rig, tags: Iterable[str]) -> None:
        groups = rig.redundant_groups
        wanted = set(tags)
        shared = [group for group in groups if wanted.intersection(group)]
        self.tags = frozenset(wanted.union(*shared))
        """Whose readings and refusals are to be given."""
        self._watches = {tag: SensorWatch(rig.instrument[tag]) for tag in sorted(self.tags)}
        self._neighbours: dict[str, _Neighbours] = {}
        for group in shared:
            neighbours = _Neighbours([rig.instrument[tag] for tag in group])
            self._neighbours.update(dict.fromkeys(group, neighbours))

    def fault(self, tag: str) -> FaultTransition | None:
        """The fault for which a tag is not to be judged by; of an instrument alone before one of its neighbourhood."""
        watch, neighbours = self._watches.get(tag), self._neighbours.get(tag)
        if watch is not None and watch.fault is not None:
            return watch.fault
        drift = neighbours.fault if neighbours else None
        return drift if drift and tag in drift.suspects else None

    @property
    def faults(self) -> list[FaultTransition]:
        """Those that are open."""
        alone = [watch.fault for watch in self._watches.values() if watch.fault]
        drifts = {id(neighbours): neighbours.fault for neighbours in self._neighbours.values()}
        return alone + [fault for fault in drifts.values() if fault]

    def accept(self, sample: Sample, now_s: float) -> list[FaultTransition]:
        """Take a reading; returns the transitions it causes."""
        watch = self._watches.get(sample.tag)
        if watch is None:
            return []
        told = watch.accept(sample.stamp_s, sample.value, now_s)
        neighbours = self._neighbours.get(sample.tag)
        return told + neighbours.accept(sample, self._is_healthy) if neighbours else told

    def refuse(self, refusal: Refusal, now_s: float) -> list[FaultTransition]:
        """Take a reading that was refused; returns the transitions it causes."""
        watch = self._watches.get(refusal.tag)
        return watch.refuse(refusal.reason, refusal.stamp_s, now_s, refusal.value) if watch else []

    def tick(self, now_s: float) -> list[FaultTransition]:
        """Look for silence; returns the transitions."""
        return [transition for watch in self._watches.values() for transition in watch.tick(now_s)]

    def memory(self) -> dict[str, Any]:
        """What :meth:`restore` takes, as JSON can hold it: the habits of the instruments."""
        return {tag: watch.memory() for tag, watch in self._watches.items()}

    def restore(self, memory: Mapping[str, Any]) -> None:
        """Go on with what was learnt before; an instrument that is at fault is found at fault anew.

        Raises:
            ValueError: for what is no memory.
        """
        for tag, watch in self._watches.items():
            if tag in memory:
                watch.restore(memory[tag])

    def _is_healthy(self, tag: str) -> bool:
        return self._watches[tag].fault is None
