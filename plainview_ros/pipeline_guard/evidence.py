"""Which leak, if any, explains the residuals best: a generalised likelihood ratio over places, onsets and growths.

The residuals of the last minutes, as means over bins, are a vector ``y``. Without a leak it is normal with a known
covariance ``C`` (:mod:`.noise`); with a leak of size ``q`` it has in addition the mean ``q g``, where the *signature*
``g`` of a leak follows from its place, age and growth (:func:`.line_model.leak_responses`). By generalised least
squares the size is ``g' C^-1 y / J`` with variance ``1 / J``, ``J = g' C^-1 g``, and their ratio, the *statistic*, is
standard normal without a leak. A leak is found when the statistic of one signature passes the threshold that noise
alone passes once in a given interval: signatures of young leaks are fast and coarse, those of old ones slow and fine
(the window-limited test of Willsky and Jones, 1976, and Lai, 1995; thresholds that depend on the length of the window
after Siegmund and Venkatraman, 1995).

What may be wrong with the model itself is not noise: it shows where something changes. Each such *doubt* (the wave
speed, the friction, a meter's gain, a clock) is a course that the residuals would take if it were one standard
deviation off. ``C`` grows by the outer product of each, so that evidence along it counts for nothing and the size that
can be seen grows while the line is in a transient (Sherman, Morrison and Woodbury, 1950).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainview_ros.pipeline_guard.line_model import leak_responses, reading_responses
from plainview_ros.pipeline_guard.noise import Noise, bin_covariance, residual_covariances
from plainview_ros.pipeline_guard.window import Edges, growing_edges

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Search:
    """Which leaks are looked for."""

    longest_s: float = 900.0
    """How far back."""
    places: int = 9
    growths_s: tuple[float, ...] = (0.0, 10.0, 40.0, 120.0)
    """Times in which a leak grows to its full size."""
    ages: int = 28
    """Onsets, a geometric series."""
    first_bin_s: float = 0.5
    bin_growth: float = 0.12


class Signature(NamedTuple):
    """A leak of unit size."""

    place: float
    """Share of the section's length from its inlet."""
    growth_s: float
    age_s: float


class Estimate(NamedTuple):
    """A size found by one signature."""

    size_m3s: float
    std_m3s: float
    statistic: float
    """Their ratio."""
    threshold: float
    """Which that had to pass."""


class Judged(NamedTuple):
    """The signature that passes its threshold by most, or comes nearest to it."""

    signature: Signature
    estimate: Estimate
    leak_gain: float
    """By how much the likeliest leak explains the residuals better than nothing does [log-likelihood]."""
    reading_gains: tuple[float, float, float, float]
    """The same of a wrong reading, per channel."""
    detectable_m3s: float
    """Smallest leak that would be found now, if it had begun some :data:`STATED_AGES_S` ago."""
    undisturbed_m3s: float
    """The same if nothing were in doubt."""
    widest: float
    """By which factor the doubts widen what is found of abrupt leaks of the last minute, at most."""
    doubt: int
    """Which of the doubts costs most of it."""


class Courses:
    """Courses of the residuals after something stepped up by one, summed so that any bin of any growth is a difference.

    Args:
        responses: step responses, shape (courses, 2, steps); they stay as they are at the end.
        steps: how long after the step they are asked for.
    """

    def __init__(self, responses: Array, steps: int) -> None:
        missing = max(0, steps - responses.shape[2])
        steps_long = np.pad(responses, ((0, 0), (0, 0), (0, missing)), mode="edge")
        self._sums = np.pad(np.cumsum(steps_long, axis=2), ((0, 0), (0, 0), (1, 0)))
        self._sums_of_sums = np.pad(np.cumsum(self._sums, axis=2), ((0, 0), (0, 0), (1, 0)))[:, :, :-1]
        self._times = np.arange(self._sums.shape[2], dtype=float)

    def means(self, course: float, growth: float, age: float, edges: Edges) -> Array:
        """Means over bins, shape (2, bins).

        Args:
            course: which one; between two it is taken to change linearly.
            growth: over which it grows to its full size [steps].
            age: since it began [steps].
            edges: ages between which the bins lie [steps].
        """
        below = min(int(course), max(0, len(self._sums) - 2))
        share = course - below
        times = np.asarray(age - edges, float)
        sums = (1 - share) * self._sum(below, growth, times)
        if share > 0:
            sums += share * self._sum(below + 1, growth, times)
        return np.asarray((sums[:, :-1] - sums[:, 1:]) / np.diff(edges))

    def _sum(self, course: int, growth: float, times: Array) -> Array:
        """Sum of the course up to some times, shape (2, times)."""

        def at(sums: Array, when: Array) -> Array:
            return np.array([np.interp(when, self._times, end, left=0.0) for end in sums])

        if growth < 1:
            return at(self._sums[course], times)
        twice = self._sums_of_sums[course]
        return np.asarray((at(twice, times) - at(twice, times - growth)) / growth)


class HypothesisBank:
    """Signatures of leaks and of wrong readings, ready to be held against the residuals of one section.

    Args:
        noise: of the section's readings.
        reaches, slope, step_s: of its line model.
        search: which leaks to look for.
        false_alarm_interval_s: mean time between two false alarms by noise.
        cadence_s: time between two judgements.
    """

    def __init__(
        self,
        noise: Noise,
        reaches: int,
        slope: float,
        step_s: float,
        search: Search,
        false_alarm_interval_s: float,
        cadence_s: float,
    ) -> None:
        self.step_s = step_s
        self._interval_s, self._cadence_s = false_alarm_interval_s, cadence_s
        first = max(1, round(search.first_bin_s / step_s))
        self.all_edges = growing_edges(round(search.longest_s / step_s), first, search.bin_growth)
        longest = int(self.all_edges[-1])
        self.covariances = residual_covariances(noise, reaches, slope, step_s, longest + 1)
        self._covariance = bin_covariance(self.covariances, self.all_edges)
        self._settled = SETTLED * reaches
        self.leaks = Courses(leak_responses(reaches, slope, self._settled), longest + self._settled)
        self.readings = Courses(reading_responses(reaches, slope, self._settled), longest + self._settled)
        self._reaches = reaches
        self._search = search
        self.edges: Edges = self.all_edges[:0]
        self._bias_m3s = math.nan

    def reach_back(self, steps: int, bias_m3s: float) -> None:
        """Judge by at most the last ``steps`` from now on.

        Args:
            bias_m3s: standard deviation of the constant that each residual is off.
        """
        count = int(np.searchsorted(self.all_edges, steps, side="right"))
        count -= (count - 1) % REACH_BINS if count < len(self.all_edges) else 0
        if (count, bias_m3s) == (len(self.edges), self._bias_m3s):
            return
        self.edges, self._bias_m3s = self.all_edges[:count], bias_m3s
        bins, all_bins = count - 1, len(self.all_edges) - 1
        chosen = np.r_[0:bins, all_bins : all_bins + bins]
        covariance = self._covariance[np.ix_(chosen, chosen)] + bias_m3s**2 * same_end(bins)
        self._inverse = np.linalg.inv(covariance)
        leaks = [
            (Signature(node / self._reaches, growth_s, age_s), self._flat(self.leaks, node - 1, growth_s, age_s))
            for node in self._nodes()
            for growth_s, age_s in self._onsets(count, self._search.ages)
        ]
        readings = [
            (channel, self._flat(self.readings, channel, growth_s, age_s))
            for channel in range(4)
            for growth_s, age_s in self._onsets(count, self._search.ages)
        ]
        courses = np.array([course for _, course in (*leaks, *readings)])
        weights = courses @ self._inverse
        information = np.einsum("hb,hb->h", weights, courses)
        seen = information > MIN_INFORMATION * information.max()
        is_leak = np.arange(len(courses)) < len(leaks)
        self._signatures = [signature for (signature, _), keep in zip(leaks, seen[is_leak], strict=True) if keep]
        self._channels = np.array(
            [channel for (channel, _), keep in zip(readings, seen[~is_leak], strict=True) if keep]
        )
        self._weights, self._information = weights[seen], information[seen]
        ages_s = [signature.age_s for signature in self._signatures]
        self._thresholds = np.array([self.threshold(age_s) for age_s in ages_s])
        travel_s = self._reaches * self.step_s
        low_s, high_s = max(STATED_AGES_S[0], 0.8 * travel_s), max(STATED_AGES_S[1], 1.5 * travel_s)
        abrupt = [n for n, signature in enumerate(self._signatures) if signature.growth_s == 0]
        midway = min(abs(self._signatures[n].place - 0.5) for n in abrupt)
        abrupt = [n for n in abrupt if abs(self._signatures[n].place - 0.5) == midway]
        stated = [n for n in abrupt if low_s <= self._signatures[n].age_s <= high_s]
        self._stated = np.array(stated or abrupt[-1:])
        self._recent = np.array([n for n in abrupt if self._signatures[n].age_s <= RECENT_S] or abrupt[-1:])

    def threshold(self, age_s: float) -> float:
        """Which the statistic of a signature has to pass: so old ones change but slowly, and err less often."""
        chance = min(0.4, max(self._cadence_s, age_s) / self._interval_s)
        return NormalDist().inv_cdf(1 - chance)

    def judge(self, residuals: Array, doubts: Array) -> Judged:
        """Hold the residuals against all signatures.

        Args:
            residuals: means over the bins, shape (2, bins).
            doubts: courses of the residuals, shape (doubts, 2, bins).
        """
        seen, courses = residuals.ravel(), with_fronts(doubts.reshape(len(doubts), -1)).T
        discounted = self._inverse @ courses
        core = np.linalg.inv(np.eye(courses.shape[1]) + courses.T @ discounted)
        along = self._weights @ courses
        numerator = self._weights @ seen - along @ (core @ (discounted.T @ seen))
        information = self._information - np.einsum("hd,de,he->h", along, core, along)
        information = np.maximum(information, MIN_INFORMATION * self._information)
        statistics = numerator / np.sqrt(information)

        leaks = len(self._signatures)
        best = int(np.argmax(statistics[:leaks] - self._thresholds))
        likelihoods = statistics**2 / 2
        readings = [float(likelihoods[leaks:][self._channels == channel].max(initial=0.0)) for channel in range(4)]
        widened = self._information[self._stated] / information[self._stated]
        stated = int(self._stated[np.argmax(widened)])
        costs = along[stated] ** 2 / (1 + np.einsum("bd,bd->d", courses, discounted))

        def estimate(row: int, threshold: float) -> Estimate:
            size, std = numerator[row] / information[row], information[row] ** -0.5
            return Estimate(float(size), float(std), float(statistics[row]), threshold)

        return Judged(
            signature=self._signatures[best],
            estimate=estimate(best, float(self._thresholds[best])),
            leak_gain=max(0.0, float(statistics[:leaks].max())) ** 2 / 2,
            reading_gains=(readings[0], readings[1], readings[2], readings[3]),
            detectable_m3s=float(self._thresholds[stated] / np.sqrt(information[stated])),
            undisturbed_m3s=float(self._thresholds[stated] / np.sqrt(self._information[stated])),
            widest=float(np.sqrt((self._information[self._recent] / information[self._recent]).max())),
            doubt=int(np.argmax(costs[: len(doubts)])),
        )

    def _nodes(self) -> list[int]:
        margin = 0.03
        places = np.linspace(margin, 1 - margin, self._search.places) * self._reaches
        return sorted({int(np.clip(round(place), 1, self._reaches - 1)) for place in places})

    def _onsets(self, count: int, ages: int) -> list[tuple[float, float]]:
        """Growth and age of the signatures that the bins can show."""
        longest_s = float(self.all_edges[count - 1]) * self.step_s
        known = np.geomspace(1.0, 0.8 * self._search.longest_s, ages)
        onsets = [
            (growth_s, float(age_s))
            for growth_s in self._search.growths_s
            for age_s in known
            if age_s <= longest_s and growth_s <= 1.5 * age_s
        ]
        return [*onsets, (0.0, longest_s + self._settled * self.step_s)]  # and what was there before

    def _flat(self, courses: Courses, course: int, growth_s: float, age_s: float) -> Array:
        return courses.means(course, growth_s / self.step_s, age_s / self.step_s, self.edges).ravel()


def with_fronts(doubts: Array) -> Array:
    """The doubts, and each bin where they are largest for itself: the shape of a steep front is not known either."""
    size = np.sqrt((doubts**2).sum(axis=0))
    steepest = np.argsort(size)[-FRONTS:]
    fronts = np.zeros((FRONTS, doubts.shape[1]))
    fronts[np.arange(FRONTS), steepest] = size[steepest]
    return np.vstack([doubts, fronts])


FRONTS = 6


def same_end(bins: int) -> Array:
    """1 where two of the bins of both ends are of the same end, else 0; shape (2 bins, 2 bins)."""
    return np.asarray(np.kron(np.eye(2), np.ones((bins, bins))), float)


SETTLED = 8
"""Travel times after which the course of a step no longer changes."""
REACH_BINS = 3
"""By which the window grows at the start, so that not every judgement needs new weights."""
MIN_INFORMATION = 1e-6
"""Of the best signature's: a leak whose waves have not arrived cannot be seen."""
RECENT_S = 60.0
STATED_AGES_S = (4.0, 15.0)
"""Of the leaks for which the present sensitivity is stated, the least of them; in a long section those whose waves have
just arrived at both ends."""
