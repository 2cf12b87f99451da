"""The leak detector of one calibrated section: four readings a step in, a judgement a second out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from plainview_ros.pipeline_guard.calibration import Calibration
from plainview_ros.pipeline_guard.evidence import HypothesisBank, Judged, Search
from plainview_ros.pipeline_guard.line_model import CHANNELS, Channel, LineModel
from plainview_ros.pipeline_guard.location import Fit, Locator
from plainview_ros.pipeline_guard.noise import Noise, ReadingNoise, Wandering
from plainview_ros.pipeline_guard.window import Window

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Doubts:
    """How far the model of a section may be off, one standard deviation each."""

    wave_speed: float = 0.003
    impedance: float = 0.005
    friction: float = 0.05
    meter_gain: float = 0.005
    clock_skew_s: float = 0.05


DOUBTS = (
    "pressure waves are under way",
    "the line is being packed or emptied",
    "the friction has changed with the flow",
    "the inlet flow has changed",
    "the outlet flow has changed",
    "the inlet is changing fast",
    "the outlet is changing fast",
)
"""What is going on where each of the doubts matters, in order of the courses."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the last seconds of one section say."""

    stamp_s: float
    step_s: float
    """Since the judgement before."""
    flow_m3s: float
    """Which the section carries, without sign."""
    usual_flow_m3s: float
    """Which it carries when it is sound."""
    imbalance_m3s: float
    """In minus out minus packed, over :attr:`LeakDetector.RATE_S`, less the meters' learned disagreement."""
    imbalance_std_m3s: float
    accounted_m3s: float
    """Of that, what is put down to leaks that are no longer fresh."""
    size_m3s: float
    """Of the leak that the evidence speaks for most."""
    size_std_m3s: float
    statistic: float
    """Their ratio."""
    threshold: float
    """Which that has to pass."""
    age_s: float
    """Since that leak began, if there is one."""
    detectable_m3s: float
    """Smallest leak that would be found now (:data:`.evidence.STATED_AGES_S`)."""
    undisturbed_m3s: float
    """The same while nothing happens."""
    doubt: str
    """What makes them different."""
    leak_gain: float
    """By how much a leak explains the residuals better than nothing does [log-likelihood]."""
    reading_gains: tuple[float, float, float, float]
    """The same of a wrong reading, per channel."""
    found: bool
    """Whether it is a leak that was not there before."""
    is_fresh: bool
    """Whether one was found so lately that it is still being looked at."""
    fit: Fit | None
    """The newest leak as it is seen now, when that was looked at again."""


class LeakDetector:
    """Watches one section whose friction and noise are known.

    Args:
        calibration: what was learned.
        search: which leaks to look for.
        doubts: how far the model may be off.
        smallest_leak: share of the flow; a leak of less than half of it is none.
        false_alarm_interval_s: mean time between two false alarms by noise.
        memory_s: over which the constant error of the meters is learned.
        cadence_s: wanted time between two judgements.
    """

    RATE_S = 30.0
    LEARNING_DELAY_S = 120.0
    """Age at which the residuals are learned from: a leak that is only just beginning is not."""
    FRESH_S = 120.0
    """For which a new leak is looked at closely before another is looked for."""
    FITS_S = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 45.0, 60.0, 80.0, 100.0, 119.0)
    """Since it was found, when its place is estimated again."""

    def __init__(
        self,
        calibration: Calibration,
        search: Search,
        doubts: Doubts,
        smallest_leak: float,
        false_alarm_interval_s: float,
        memory_s: float,
        cadence_s: float,
    ) -> None:
        self.calibration = calibration
        line = calibration.grid
        self._line = line
        self._search, self._interval_s = search, false_alarm_interval_s
        self._out: dict[Channel, float] = {}
        self._slope = calibration.friction.slope(calibration.flow_m3s)
        self._model = LineModel(line, calibration.friction, calibration.static_m3s)
        self._cadence = max(1, round(cadence_s / line.step_s))
        self._smallest_leak = smallest_leak
        self._memory_s = memory_s
        self._expect(calibration.noise)
        self._window = Window((1 + len(DOUBTS) + 2, 2), int(self._bank.all_edges[-1]) + self._cadence)
        unlearned = max(doubts.friction, UNLEARNED_FRICTION)
        self._doubts = doubts if calibration.has_friction else replace(doubts, friction=unlearned)
        self._slope_steps = 1
        self._past: deque[tuple[float, float, float, float]] = deque(maxlen=line.reaches + self._slope_steps + 1)
        self._rate_steps = round(self.RATE_S / line.step_s)
        white = [noise.white_m3s for noise in calibration.noise.readings.values()]
        self._white_m3s = math.sqrt(1.5) * math.hypot(*white)
        self._was_over = False
        self.elsewhere = [0.0] * len(CHANNELS)
        """Per channel, how much speaks for a wrong reading in the other section that uses it [log-likelihood]."""
        self._held: dict[Channel, float] = {}
        self._steps = 0
        self._reference: Array = np.zeros((1 + len(DOUBTS) + 2, 2))
        self._learned_s = 0.0
        self._since_found = math.inf
        self._fitted_s = 0.0
        self._fit: Fit | None = None
        self._accounted: list[tuple[Fit, int]] = []

    @property
    def step_s(self) -> float:
        return self._line.step_s

    def go_without(self, channels: Iterable[Channel], *, forget: bool) -> None:
        """Go on with the other readings; those left out are NaN from now on, or numbers again where they are not.

        What is left out is taken to keep its distance from the same reading at the other end; how far it may be off
        then is noise like that of a transmitter, and the size of a leak that can be found follows from it.

        Args:
            channels: which are left out.
            forget: whether they have misled before that was noticed.
        """
        recent = self._window.mean(round(HELD_S / self._line.step_s)) if self._window.length else self._reference
        flows, pressures = recent[-2], recent[-1]
        values = dict(zip(CHANNELS, (pressures[0], flows[0], pressures[1], flows[1]), strict=True))
        left_out = set(channels)
        back = self._out.keys() - left_out
        self._out = {channel: self._out.get(channel, float(values[channel])) for channel in left_out}
        self._held = {channel: float(values[channel]) for channel in CHANNELS} if not self._held or back else self._held
        noise = self.calibration.noise
        flow_m3s = max(abs(float(flows.mean())), abs(self.calibration.flow_m3s))
        guessed = ReadingNoise(0.0, tuple(Wandering(share * flow_m3s, time_s) for share, time_s in GUESSED))
        self._expect(replace(noise, readings={**noise.readings, **dict.fromkeys(left_out, guessed)}))
        if back or forget:
            self._window = Window(self._reference.shape, int(self._bank.all_edges[-1]) + self._cadence)

    def _expect(self, noise: Noise) -> None:
        line = self._line
        cadence_s = self._cadence * line.step_s
        self._bank = HypothesisBank(
            noise, line.reaches, self._slope, line.step_s, self._search, self._interval_s, cadence_s
        )
        self._locator = Locator(self._bank.covariances, self._bank.leaks, line.reaches, line.step_s)

    def start_over(self) -> None:
        """Forget the evidence and the leaks, keep what was learned of the meters."""
        self._window = Window(self._reference.shape, int(self._bank.all_edges[-1]) + self._cadence)
        self._fit, self._since_found, self._accounted = None, math.inf, []

    def interrupted(self) -> None:
        """Steps are missing before the next one."""
        self._model = LineModel(self._line, self.calibration.friction, self.calibration.static_m3s)
        self._past.clear()
        self._steps = 0
        self.start_over()

    def step(self, readings: Sequence[float], stamp_s: float) -> Judgement | None:
        """Take the four readings of one step [Pa, m^3/s]; a judgement when one is due."""
        impedance = self._line.impedance_pa_s_m3
        p_in, q_in, p_out, q_out = self._completed(
            [readings[0] / impedance, readings[1], readings[2] / impedance, readings[3]]
        )
        residuals = self._model.step(p_in, q_in, p_out, q_out)
        self._past.append((p_in, q_in, p_out, q_out))
        self._steps += 1
        if self._steps <= 2 * self._line.reaches + self._slope_steps:
            return None
        inlet, outlet = residuals
        for fit, began in self._accounted:
            gone = self._course(fit, self._steps - began)
            inlet, outlet = inlet - gone[0], outlet - gone[1]
        self._window.push([(inlet, outlet), *self._courses_of_doubts(), (q_in, q_out), (p_in, p_out)])
        if self._steps % self._cadence or self._window.length < MIN_WINDOW_S / self._line.step_s:
            return None
        return self._judge(stamp_s)

    def _completed(self, readings: list[float]) -> list[float]:
        """The readings, with a guess for each that is left out."""
        if not self._out:
            return readings
        complete = list(readings)
        for channel, held in self._out.items():
            index = CHANNELS.index(channel)
            opposite = CHANNELS[(index + 2) % 4]
            moved = 0.0 if opposite in self._out else readings[(index + 2) % 4] - self._held[opposite]
            complete[index] = held + moved
        return complete

    def _judge(self, stamp_s: float) -> Judgement:
        cadence_s = self._cadence * self._line.step_s
        self._bank.reach_back(self._window.length, self._bias_std_m3s)
        means = self._window.means(self._bank.edges) - self._reference[:, :, None]
        judged = self._bank.judge(means[0], means[1:-2])
        flow_m3s = float(np.abs(self._window.mean(self._rate_steps)[-2]).max())
        found = self._since_found >= self.FRESH_S and self._is_leak(judged, flow_m3s)
        fit = None
        if found:
            self._since_found = self._fitted_s = 0.0
            fit = self._fit = self._located(judged.signature.age_s, judged.signature.growth_s)
        elif self._since_found < self.FRESH_S:
            before = self._since_found
            self._since_found += cadence_s
            if self._fit is not None and any(before < due_s <= self._since_found for due_s in self.FITS_S):
                fit = self._fit = self._located(
                    self._fit.age_s + self._since_found - self._fitted_s, self._fit.growth_s
                )
                self._fitted_s = self._since_found
            if self._since_found >= self.FRESH_S and self._fit is not None:
                self._account(self._fit)
        if not found and self._since_found >= self.FRESH_S and not self._accounted:
            self._learn(judged, cadence_s)
        recent = self._window.mean(self._rate_steps)
        known = sum(item.size_m3s for item, _ in self._accounted)
        estimate = judged.estimate
        return Judgement(
            stamp_s=stamp_s,
            step_s=cadence_s,
            flow_m3s=flow_m3s,
            usual_flow_m3s=float(np.abs(self._reference[-2]).max()) or flow_m3s,
            imbalance_m3s=float((recent[0] - self._reference[0]).mean()) + known,
            accounted_m3s=known,
            imbalance_std_m3s=judged.undisturbed_m3s / estimate.threshold,
            size_m3s=estimate.size_m3s * min(1.0, judged.signature.age_s / max(judged.signature.growth_s, 1e-9)),
            size_std_m3s=estimate.std_m3s,
            statistic=estimate.statistic,
            threshold=estimate.threshold,
            age_s=judged.signature.age_s,
            detectable_m3s=judged.detectable_m3s,
            undisturbed_m3s=judged.undisturbed_m3s,
            doubt=DOUBTS[judged.doubt],
            leak_gain=judged.leak_gain,
            reading_gains=judged.reading_gains,
            found=found,
            is_fresh=self._since_found < self.FRESH_S,
            fit=fit,
        )

    def _is_leak(self, judged: Judged, flow_m3s: float) -> bool:
        estimate = judged.estimate
        was_over, self._was_over = self._was_over, estimate.statistic >= estimate.threshold
        if not self._was_over or estimate.size_m3s < self._smallest_leak / 2 * flow_m3s:
            return False
        certainty = estimate.statistic / estimate.threshold
        needed = self._roughness() * (1 + UNSETTLED * min(1.0, judged.widest - 1))
        if certainty < needed or (judged.signature.age_s < YOUNG_S and not was_over and certainty < CERTAIN):
            return False
        reading_gain = max(map(sum, zip(judged.reading_gains, self.elsewhere, strict=True))) - judged.leak_gain
        return reading_gain <= (READING_GAIN if judged.signature.growth_s < SLOW_S else -READING_GAIN)

    def _roughness(self) -> float:
        """How much most of the last residuals scatter, as a multiple of what they should; at least 1.

        A leak is a step, which is rough in few places; a transmitter that has become noisy is rough all over.
        """
        recent = self._window.recent(ROUGH_STEPS + 2)[0]
        deviations = np.abs(recent[:, 1:-1] - (recent[:, :-2] + recent[:, 2:]) / 2) / self._white_m3s
        return max(1.0, float(np.median(deviations, axis=1).max()))

    @property
    def _bias_std_m3s(self) -> float:
        """Of the constant error of a residual, by how long it was learned; in halves, so that it seldom changes."""
        unknown = 2 * math.sqrt(2) * self.calibration.meters_m3s
        known = math.sqrt(self._memory_s / (self._memory_s + 80 * self._learned_s))
        return unknown * 2.0 ** math.ceil(math.log2(max(known, 0.06)))

    def _learn(self, judged: Judged, cadence_s: float) -> None:
        """Take what lies some time back for the section's sound state."""
        delay = round(self.LEARNING_DELAY_S / self._line.step_s)
        if judged.estimate.statistic > 0.7 * judged.estimate.threshold:
            return
        if self._window.length < delay + self._cadence:
            if not self._learned_s:
                self._reference = self._window.mean(self._window.length)
            return
        old = self._window.means(np.array([delay, delay + self._cadence]))[:, :, 0]
        self._learned_s = min(self._memory_s, self._learned_s + cadence_s)
        self._reference = self._reference + cadence_s / (self._learned_s + self.LEARNING_DELAY_S) * (
            old - self._reference
        )

    def _located(self, age_s: float, growth_s: float) -> Fit:
        return self._locator.fit(
            self._window, self._reference, age_s, growth_s, int(self._bank.edges[-1]), self._bias_std_m3s
        )

    def _account(self, fit: Fit) -> None:
        """Take a leak that is known out of the residuals, past and to come."""
        age = round(fit.age_s / self._line.step_s)
        began = self._steps - age
        span = min(age, self._window.length)
        course = np.array([self._course(fit, age - span + step) for step in range(1, span + 1)])
        gone = np.zeros((*self._reference.shape, span))
        gone[0] = -course.T
        self._window.add(gone)
        self._accounted.append((fit, began))

    def _course(self, fit: Fit, age: int) -> Array:
        """Residuals of a leak at an age [steps]."""
        node = min(max(fit.place * self._line.reaches - 1, 0.0), self._line.reaches - 2.0)
        edges = np.array([0, 1])
        age = min(age, int(self._bank.all_edges[-1]))
        return fit.size_m3s * self._bank.leaks.means(node, fit.growth_s / self._line.step_s, float(age), edges)[:, 0]

    def _courses_of_doubts(self) -> list[tuple[float, float]]:
        """What the residuals would be if the model were off, each by one standard deviation."""
        lag, run = self._line.reaches, self._slope_steps
        past, doubts = self._past, self._doubts
        p_in, q_in, p_out, q_out = past[-1]
        before = past[-1 - run]
        then = past[-1 - lag]
        then_before = past[-1 - lag - run]
        run_s = run * self._line.step_s
        speed = doubts.wave_speed * self._line.travel_time_s / run_s
        arrived_in = (then[2] - then[3]) - (then_before[2] - then_before[3])
        arrived_out = (then[0] + then[1]) - (then_before[0] + then_before[1])
        law = self.calibration.friction
        friction_in, friction_out = law.at((q_in + then[3]) / 2), law.at((q_out + then[1]) / 2)
        skew = doubts.clock_skew_s / run_s
        return [
            (speed * arrived_in, speed * arrived_out),
            (doubts.impedance * (then[2] - p_in), doubts.impedance * (then[0] - p_out)),
            (doubts.friction * friction_in, -doubts.friction * friction_out),
            (doubts.meter_gain * q_in, doubts.meter_gain * then[1]),
            (doubts.meter_gain * then[3], doubts.meter_gain * q_out),
            (skew * ((p_in - q_in) - (before[0] - before[1])), 0.0),
            (0.0, skew * ((p_out + q_out) - (before[2] + before[3]))),
        ]


UNLEARNED_FRICTION = 0.2
"""Share by which the friction may be off where it could not be learned."""
HELD_S = 30.0
"""Over which the value of a reading that is left out is a mean, before it was."""
GUESSED = ((0.02, 60.0), (0.01, 5.0))
"""How far the guess for a reading may be off: standard deviations as shares of the flow, and for how long [s]."""
ROUGH_STEPS = 7
UNSETTLED = 0.5
"""By which more is asked of the evidence in a transient: what is in doubt is not known to the last."""
YOUNG_S, CERTAIN = 4.0, 2.5
"""A leak that has only just begun has to be seen twice, unless it passes the threshold so many times over."""
MIN_WINDOW_S = 10.0
"""Of residuals, before anything is judged by them."""
READING_GAIN = 2.0
"""Log-likelihood by which one explanation has to be better than another to be preferred."""
SLOW_S = 100.0
"""A leak that grows for longer than this is told from a drifting meter only when it is the better explanation."""
