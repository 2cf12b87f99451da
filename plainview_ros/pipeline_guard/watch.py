"""The watch over one section: from its samples to a judgement per step, and how well it can judge now."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from plainview_ros.assets import Rig, Section
from plainview_ros.pipeline_guard.balance import Balance, VolumeBalance
from plainview_ros.pipeline_guard.sequential_test import MeterError, PageTest
from plainview_ros.samples import Sample

Guard = Literal["learning", "watching", "transient", "blind"]


@dataclass(frozen=True)
class Sensitivity:
    """What is asked of the test. Each field is a ROS parameter of the same name."""

    window_s: float = 30.0
    """Over which rates are averaged and the present sensitivity is stated."""
    step_s: float = 0.5
    smallest_leak: float = 0.005
    """Share of the flow; half of it, and not less than the accuracy of the meters, is no evidence of a leak."""
    false_alarm_interval_d: float = 365.0
    """Mean time between two false alarms of a section that noise causes [d]."""
    meter_correlation_s: float = 5.0
    """How long a meter's random error stays alike; 0 would be white noise from step to step."""
    line_pack_doubt: float = 0.25
    """Share of the line pack correction that is not believed."""
    clock_skew_s: float = 0.2
    """How far the stamps of two meters may disagree."""
    learning_s: float = 60.0
    """Steady flow that is seen before the watch begins."""
    memory_s: float = 3600.0
    """Time over which the meters' disagreement is averaged."""
    meter_error_limit: float = 2.0
    """Largest disagreement put down to the meters, in standard deviations of both together."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one step of the balance says."""

    stamp_s: float
    step_s: float
    imbalance_m3s: float
    """Corrected for line pack and the meters' error, over this step."""
    rate_m3s: float
    """The same over the window, or since it is suspected if that is shorter."""
    flow_m3s: float
    """What the section carries, over the window."""
    usual_flow_m3s: float
    """What it carries when it is sound and steady, learned with the meters' error."""
    limit_share: float
    """What the test has summed up, as a share of its limit. 0: nothing is missing; 1: volume is missing; in between:
    undecided."""
    statistic_m3: float
    """The sum itself, which may have passed the limit in this step."""
    missing_m3: float
    """Since it is suspected."""
    suspected_s: float
    limit_m3: float
    """What the sum had to reach."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a section is watched now; NaN is unknown."""

    guard: Guard
    reason: str
    imbalance_m3s: float = math.nan
    threshold_m3s: float = math.nan
    """Mean imbalance over the window that would open a leak."""
    window_s: float = 0.0


class SectionWatch:
    """Watches one section.

    Args:
        rig: whose instruments the section names.
        section: what is watched.
        sensitivity: what is asked of the test.
    """

    def __init__(self, rig: Rig, section: Section, sensitivity: Sensitivity) -> None:
        meters = [rig.instrument[tag] for tag in (section.inlet.flow_rate, section.outlet.flow_rate)]
        accuracy_m3s = math.hypot(*(meter.sigma for meter in meters))
        noise_m3_rt_s = accuracy_m3s * math.sqrt(2 * sensitivity.meter_correlation_s + sensitivity.step_s)
        self.tags = (section.inlet.flow_rate, section.outlet.flow_rate, section.inlet.pressure, section.outlet.pressure)
        self._sensitivity = sensitivity
        self._accuracy_m3s = accuracy_m3s
        self._balance = VolumeBalance(
            section,
            rig.fluid.density_kg_m3,
            sensitivity.step_s,
            {tag: rig.instrument[tag].deadline_s for tag in self.tags},
        )
        self._meter_error = MeterError(
            sensitivity.meter_error_limit * accuracy_m3s, noise_m3_rt_s, sensitivity.memory_s
        )
        self._test = PageTest(noise_m3_rt_s, sensitivity.false_alarm_interval_d * 86400)
        self._window: deque[_Step] = deque(maxlen=max(1, round(sensitivity.window_s / self._balance.step_s)))
        self._newest_s = -math.inf

    def add(self, sample: Sample, *, sound: bool) -> Iterator[Judgement]:
        """Judge the steps that a sample completes; nothing while learning.

        Args:
            sample: of one of ``tags``.
            sound: whether no leak of the section is open, so that the meters' error may be learned.
        """
        for balance in self._balance.add(sample):
            judgement = self._judge(balance, sound)
            if judgement is not None:
                yield judgement

    def start_over(self) -> None:
        """Forget the evidence, keep what was learned of the meters."""
        self._test.start_over()

    def condition(self, is_stale: Callable[[str], bool]) -> Condition:
        """How the section is watched now, given which tags are stale."""
        stale = [tag for tag in self.tags if is_stale(tag)]
        if stale:
            return Condition("blind", f"no fresh value from {', '.join(stale)}")
        if not self._window:
            return Condition(
                "learning", f"waiting for {self._balance.travel_time_s + self._balance.step_s:.1f} s of values"
            )
        imbalance_m3s = self._mean(lambda step: step.imbalance_m3s)
        window_s = len(self._window) * self._balance.step_s
        if not self._has_learned:
            learned, asked = self._meter_error.learned_s, self._sensitivity.learning_s
            reason = f"{learned:.0f} s of {asked:g} s of steady flow seen"
            return Condition("learning", reason, imbalance_m3s, window_s=window_s)
        allowance_m3s = self._mean(lambda step: step.allowance_m3s)
        doubt_m3s = self._mean(lambda step: step.doubt_m3s)
        threshold_m3s = allowance_m3s + doubt_m3s + self._test.limit_at(allowance_m3s) / window_s
        if doubt_m3s <= allowance_m3s:
            return Condition("watching", "", imbalance_m3s, threshold_m3s, window_s)
        reason = f"pressure or flow is changing, the threshold is wider by {doubt_m3s:.2g} m3/s"
        return Condition("transient", reason, imbalance_m3s, threshold_m3s, window_s)

    @property
    def _has_learned(self) -> bool:
        return self._meter_error.learned_s >= min(self._sensitivity.learning_s, self._sensitivity.memory_s)

    def _judge(self, balance: Balance, sound: bool) -> Judgement | None:
        if abs(balance.stamp_s - self._newest_s) > 1.5 * balance.step_s:  # values were missing, or the clock began anew
            self._window.clear()
            self._test.start_over()
        self._newest_s = balance.stamp_s
        step = self._step(balance)
        self._window.append(step)
        learned = self._has_learned
        if learned:
            self._test.update(step.imbalance_m3s, step.allowance_m3s, step.doubt_m3s, balance.step_s)
        if sound and step.doubt_m3s <= step.allowance_m3s and self._test.share < 0.25:
            self._meter_error.learn(balance.imbalance_m3s, balance.flow_m3s, balance.step_s)
        return self._judgement(balance, step) if learned else None

    def _step(self, balance: Balance) -> _Step:
        asked = self._sensitivity
        allowance_m3s = max(asked.smallest_leak / 2 * balance.flow_m3s, self._accuracy_m3s)
        skew_m3s = balance.swing_m3s * min(1.0, asked.clock_skew_s / balance.step_s)
        return _Step(
            imbalance_m3s=balance.imbalance_m3s - self._meter_error.value_m3s,
            allowance_m3s=allowance_m3s + self._meter_error.doubt_m3s(balance.flow_m3s),
            doubt_m3s=asked.line_pack_doubt * abs(balance.line_pack_m3s) + skew_m3s,
            flow_m3s=balance.flow_m3s,
        )

    def _judgement(self, balance: Balance, step: _Step) -> Judgement:
        test = self._test
        recent = test.share > 0 and test.suspected_s < self._sensitivity.window_s
        return Judgement(
            stamp_s=balance.stamp_s,
            step_s=balance.step_s,
            imbalance_m3s=step.imbalance_m3s,
            rate_m3s=test.missing_m3 / test.suspected_s if recent else self._mean(lambda step: step.imbalance_m3s),
            flow_m3s=self._mean(lambda step: step.flow_m3s),
            usual_flow_m3s=self._meter_error.flow_m3s,
            limit_share=test.share,
            statistic_m3=test.statistic_m3,
            missing_m3=test.missing_m3,
            suspected_s=test.suspected_s,
            limit_m3=test.limit_m3,
        )

    def _mean(self, quantity: Callable[[_Step], float]) -> float:
        return fmean(map(quantity, self._window))


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of the window: imbalance, what of it is no evidence, and how far it may be off."""

    imbalance_m3s: float
    allowance_m3s: float
    doubt_m3s: float
    flow_m3s: float
