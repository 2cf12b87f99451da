"""The test that tells a leak from the noise of the meters, and the meter error that it is told not to mind."""

from __future__ import annotations

import math


class PageTest:
    """Page's cumulative sum test (Biometrika 41, 1954) on the imbalance of one section.

    Volume that is missing beyond an allowance is summed up, and never below zero. The sum is held against a limit that
    noise alone reaches once in ``false_alarm_interval_s`` on average: for a random walk of intensity ``s`` against a
    drift ``k``, by Siegmund ("Sequential Analysis", 1985, chapter 10), the interval is close to
    ``s^2 / (2 k^2) exp(2 k h / s^2)``, solved here for the limit ``h``.

    The test decides both ways: missing volume is found when the sum reaches the limit and gone when it is back at zero.
    Evidence smaller than a given doubt counts neither way, so a transient can neither open nor close a leak.

    Args:
        noise_m3_rt_s: standard deviation of the volume that noise adds in one second [m^3/sqrt(s)].
        false_alarm_interval_s: mean time between two false alarms.
    """

    def __init__(self, noise_m3_rt_s: float, false_alarm_interval_s: float) -> None:
        self._variance = noise_m3_rt_s**2
        self._interval_s = false_alarm_interval_s
        self.limit_m3 = 0.0
        """What the sum had to reach in the last step."""
        self.start_over()

    @property
    def share(self) -> float:
        """The sum as a share of the limit: 0 nothing is missing, 1 volume is missing."""
        return self._share

    @property
    def statistic_m3(self) -> float:
        """The sum that the last step arrived at; kept of it is no more than the limit."""
        return self._statistic_m3

    @property
    def suspected_s(self) -> float:
        """How long the sum has been above zero."""
        return self._suspected_s

    @property
    def missing_m3(self) -> float:
        """Volume missing since the sum left zero, the allowance included."""
        return self._missing_m3

    def start_over(self) -> None:
        """Forget all evidence."""
        self._share = self._statistic_m3 = self._suspected_s = self._missing_m3 = 0.0

    def limit_at(self, allowance_m3s: float) -> float:
        """Volume that the sum has to reach at an allowance [m^3]."""
        gain = 2 * allowance_m3s / self._variance
        return math.log1p(allowance_m3s * gain * self._interval_s) / gain

    def update(self, imbalance_m3s: float, allowance_m3s: float, doubt_m3s: float, step_s: float) -> None:
        """Judge one step.

        Args:
            imbalance_m3s: mean over the step, corrected for the meters' known error.
            allowance_m3s: imbalance that is no evidence of a leak, above zero.
            doubt_m3s: how far the imbalance may be off in this step.
            step_s: length of the step.
        """
        self.limit_m3 = self.limit_at(allowance_m3s)
        evidence_m3s = imbalance_m3s - allowance_m3s
        evidence_m3s -= max(-doubt_m3s, min(doubt_m3s, evidence_m3s))
        self._statistic_m3 = self._share * self.limit_m3 + evidence_m3s * step_s
        self._share = min(1.0, self._statistic_m3 / self.limit_m3)
        if self._share <= 0:
            self.start_over()
        else:
            self._suspected_s += step_s
            self._missing_m3 += imbalance_m3s * step_s


class MeterError:
    """The constant disagreement of a section's two flow meters, learned while nothing is wrong.

    A running mean over at most ``memory_s``. What is believed of it is bounded by ``limit_m3s``, a multiple of the
    meters' accuracy: started in the middle of a leak, it can explain away no more than that, and the rest is found.

    Args:
        limit_m3s: largest disagreement that is put down to the meters.
        noise_m3_rt_s: see :class:`PageTest`.
        memory_s: time over which it forgets.
    """

    SIGMAS = 2.0
    """Confidence with which the learned value is taken."""

    def __init__(self, limit_m3s: float, noise_m3_rt_s: float, memory_s: float) -> None:
        self._limit_m3s = limit_m3s
        self._noise_m3_rt_s = noise_m3_rt_s
        self._memory_s = memory_s
        self._mean_m3s = 0.0
        self.flow_m3s = 0.0
        """Mean flow it was learned at."""
        self.learned_s = 0.0

    @property
    def value_m3s(self) -> float:
        """What the inlet meter reads more than the outlet meter when nothing is lost."""
        return max(-self._limit_m3s, min(self._limit_m3s, self._mean_m3s))

    def learn(self, imbalance_m3s: float, flow_m3s: float, step_s: float) -> None:
        """Take in one step in which the section was sound and steady, and what it carried then."""
        self.learned_s = min(self._memory_s, self.learned_s + step_s)
        gain = min(1.0, step_s / self.learned_s)
        self._mean_m3s += gain * (imbalance_m3s - self._mean_m3s)
        self.flow_m3s += gain * (flow_m3s - self.flow_m3s)

    def doubt_m3s(self, flow_m3s: float) -> float:
        """How far :attr:`value_m3s` may be off at a flow: too little learned, or learned at another flow.

        It is not known which part of a meter's error is an offset and which is in proportion to flow, so at another
        flow the difference of the two is in doubt.
        """
        if not self.learned_s:
            return self._limit_m3s
        change = abs(1 - flow_m3s / self.flow_m3s) if self.flow_m3s else 0.0
        learning_m3s = self.SIGMAS * self._noise_m3_rt_s / math.sqrt(self.learned_s)
        return min(self._limit_m3s, learning_m3s + abs(self.value_m3s) * change)
