"""The watch over one section: from its samples to judgements, and how well it can judge now."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from plainview_ros.assets import Rig, Section
from plainview_ros.pipeline_guard.calibration import ReadingSpread, Wander, calibrate, spread
from plainview_ros.pipeline_guard.detector import Doubts, Judgement, LeakDetector
from plainview_ros.pipeline_guard.evidence import Search
from plainview_ros.pipeline_guard.line_model import CHANNELS, Channel, grid
from plainview_ros.pipeline_guard.readings import StepReadings
from plainview_ros.samples import Sample

Guard = Literal["learning", "watching", "transient", "degraded", "blind"]


@dataclass(frozen=True)
class Sensitivity:
    """What is asked of the watch."""

    step_s: float = 0.25
    """Wanted time step of the line model."""
    cadence_s: float = 1.0
    """Wanted time between two judgements."""
    window_s: float = 900.0
    """How far back a leak may have begun that is looked for."""
    smallest_leak: float = 0.005
    """Share of the flow; what is less than half of it is no leak."""
    false_alarm_interval_d: float = 365.0
    """Mean time between two false alarms of a section that noise causes [d]."""
    learning_s: float = 60.0
    """Steady flow that is learned from before the watch begins."""
    memory_s: float = 3600.0
    """Time over which the meters' constant error is learned."""
    wave_speed_doubt: float = Doubts.wave_speed
    impedance_doubt: float = Doubts.impedance
    friction_doubt: float = Doubts.friction
    meter_gain_doubt: float = Doubts.meter_gain
    clock_skew_s: float = Doubts.clock_skew_s
    meter_wander: float = Wander.fast


@dataclass(frozen=True, slots=True)
class Condition:
    """How a section is watched now; NaN is unknown."""

    guard: Guard
    reason: str
    imbalance_m3s: float = math.nan
    threshold_m3s: float = math.nan
    """Smallest leak that would be found within seconds."""
    window_s: float = 0.0


@dataclass
class _Lesson:
    """What was read while nothing is known yet."""

    first: int = 0
    steps: list[list[float]] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)


class SectionWatch:
    """Watches one section.

    Args:
        rig: whose instruments the section names.
        section: what is watched.
        sensitivity: what is asked of it.
    """

    STEADY = 0.05
    """Share of the flow by which it may change while it is learned from."""
    TRANSIENT = 1.5
    """Times the usual size of a leak that can be found, from which on the line is said to be in a transient."""

    def __init__(self, rig: Rig, section: Section, sensitivity: Sensitivity) -> None:
        self._rig, self._section, self._sensitivity = rig, section, sensitivity
        ends = (section.inlet, section.outlet)
        self.tags = tuple(tag for end in ends for tag in (end.pressure, end.flow_rate))
        self._grid = grid(section, rig.fluid, sensitivity.step_s)
        self._readings = StepReadings(self._grid.step_s, {tag: rig.instrument[tag].deadline_s for tag in self.tags})
        self._lesson = _Lesson()
        self._detector: LeakDetector | None = None
        self._out: list[str] = []
        self._newest = -1
        self._judgement: Judgement | None = None

    def add(self, sample: Sample) -> Iterator[Judgement]:
        """The judgements that a sample of one of ``tags`` completes; none while learning."""
        if self._detector is None:
            self._lesson.values.setdefault(sample.tag, []).append(sample.value)
        for number, means in self._readings.add(sample):
            yield from self._step(number, means)

    def go_without(self, tags: frozenset[str], misleading: frozenset[str]) -> Iterator[Judgement]:
        """Go on without some transmitters, of which some misled; what was waiting for them is judged now."""
        out = [tag for tag in self.tags if tag in tags]
        if out == self._out:
            return
        before = set(self._out)
        for tag in self.tags:
            if tag in out:
                self._readings.take_out(tag)
            else:
                self._readings.take_in(tag)
        self._out = out
        if self._detector is None:
            self._lesson = _Lesson()
        elif not self._is_blind:
            channels = [channel for channel, tag in zip(CHANNELS, self.tags, strict=True) if tag in out]
            self._detector.go_without(channels, forget=bool(misleading & (set(out) - before)))
        for number, means in self._readings.completed():
            yield from self._step(number, means)

    @property
    def _is_blind(self) -> bool:
        """Whether an end has no transmitter left."""
        inlet, outlet = set(self.tags[:2]), set(self.tags[2:])
        return inlet <= set(self._out) or outlet <= set(self._out)

    def hear_of(self, gains: Mapping[str, float]) -> None:
        """Take what speaks for a wrong reading of some tags in other sections [log-likelihood]."""
        if self._detector is not None:
            self._detector.elsewhere = [gains.get(tag, 0.0) for tag in self.tags]

    def start_over(self) -> None:
        """Forget the evidence, keep what was learned."""
        if self._detector is not None:
            self._detector.start_over()

    def condition(self, is_stale: Callable[[str], bool]) -> Condition:
        """How the section is watched now, given which tags are stale."""
        unheard = [tag for tag in self.tags if is_stale(tag) and tag not in self._out]
        out = ", ".join((*self._out, *unheard))
        if unheard and self._detector is None:
            return Condition("blind", f"no fresh value from {out}")
        if self._is_blind or unheard:
            return Condition("blind", f"too few transmitters: without {out} an end of the section is not seen")
        if self._detector is None and self._out:
            return Condition("learning", f"waiting for {out}")
        judgement = self._judgement
        if judgement is None:
            learned_s, asked_s = len(self._lesson.steps) * self._grid.step_s, self._sensitivity.learning_s
            return Condition("learning", f"{min(learned_s, asked_s):.0f} s of {asked_s:g} s of steady flow seen")
        now = (judgement.imbalance_m3s, judgement.detectable_m3s, LeakDetector.RATE_S)
        ratio = judgement.detectable_m3s / judgement.undisturbed_m3s
        if self._out:
            return Condition(
                "degraded", f"without {out}: leaks from {judgement.detectable_m3s:.2g} m3/s on are found", *now
            )
        if ratio <= self.TRANSIENT:
            return Condition("watching", "", *now)
        return Condition("transient", f"{judgement.doubt}: only leaks {ratio:.1f} times as large are found", *now)

    def _step(self, number: int, means: list[float]) -> Iterator[Judgement]:
        is_next, self._newest = number == self._newest + 1, number
        if self._is_blind or (self._detector is None and self._out):
            return
        if self._detector is None:
            if not is_next:
                self._lesson = _Lesson(first=number)
            self._lesson.steps.append(means)
            yield from self._learn()
            return
        if not is_next:
            self._detector.interrupted()
        yield from self._judge(self._detector, number, means)

    def _judge(self, detector: LeakDetector, number: int, means: list[float]) -> Iterator[Judgement]:
        judgement = detector.step(means, (number + 1) * self._grid.step_s)
        if judgement is not None:
            self._judgement = judgement
            yield judgement

    def _learn(self) -> Iterator[Judgement]:
        """Begin to watch when enough steady flow was seen, with what was seen."""
        needed = math.ceil(self._sensitivity.learning_s / self._grid.step_s)
        steps = self._lesson.steps
        if len(steps) < needed:
            return
        seen = np.array(steps)
        flows = seen[:, [1, 3]]
        half = len(steps) // 2
        change = np.abs(flows[half:].mean(axis=0) - flows[:half].mean(axis=0)).max()
        if change > self.STEADY * max(float(np.abs(flows).mean()), 1e-9):
            del steps[: needed // 4]
            self._lesson.first += needed // 4
            return
        lasted_s = len(steps) * self._grid.step_s
        spreads: dict[Channel, ReadingSpread] = {}
        accuracies: dict[Channel, float] = {}
        for channel, tag in zip(CHANNELS, self.tags, strict=True):
            accuracies[channel] = self._rig.instrument[tag].accuracy
            spreads[channel] = spread(self._lesson.values[tag], lasted_s, accuracies[channel])
        asked = self._sensitivity
        wander = Wander(asked.meter_wander, asked.meter_wander, asked.meter_wander)
        calibration = calibrate(self._section, self._rig.fluid, self._grid, seen, spreads, accuracies, wander)
        doubts = Doubts(
            asked.wave_speed_doubt,
            asked.impedance_doubt,
            asked.friction_doubt,
            asked.meter_gain_doubt,
            asked.clock_skew_s,
        )
        self._detector = detector = LeakDetector(
            calibration,
            Search(longest_s=asked.window_s),
            doubts,
            asked.smallest_leak,
            asked.false_alarm_interval_d * 86400,
            asked.memory_s,
            asked.cadence_s,
        )
        lesson, self._lesson = self._lesson, _Lesson()
        for number, means in enumerate(lesson.steps, lesson.first):
            yield from self._judge(detector, number, means)
