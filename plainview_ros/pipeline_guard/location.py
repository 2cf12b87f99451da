"""Where a leak is: its waves' arrivals, the pressure gradient and the balance, weighed in one likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainview_ros.pipeline_guard.evidence import Courses, same_end, with_fronts
from plainview_ros.pipeline_guard.noise import bin_covariance
from plainview_ros.pipeline_guard.window import Edges, Window

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """A leak as the residuals of the last minutes show it best."""

    place: float
    """Share of the section's length from its inlet."""
    place_std: float
    size_m3s: float
    size_std_m3s: float
    growth_s: float
    age_s: float

    @property
    def now_m3s(self) -> float:
        """What it loses now, while it may still be growing to its size."""
        return self.size_m3s * min(1.0, self.age_s / self.growth_s if self.growth_s else 1.0)


@dataclass(frozen=True, slots=True)
class _Candidate:
    gain: float
    place: float
    growth: float
    age: float


class _Stride(NamedTuple):
    """First step of a search."""

    growth: float
    """Factor."""
    age_s: float


COARSE, FINE = _Stride(3.0, 4.0), _Stride(1.5, 0.8)
FINEST = 0.2
"""Steps of time at which a search ends."""
ENOUGH = 0.02
"""Gain in log-likelihood worth another step."""
WORTH = 0.5
"""Share of the best gain so far below which a place is searched anew."""


class Locator:
    """Fits place, onset and growth of a leak that was found, in steps as short as the residuals come.

    The likelihood is that of :mod:`.evidence`, with onset and growth chosen best for each place. The place is its mean
    over the places, all being as likely beforehand, and the uncertainty its standard deviation.

    Args:
        covariances: of the residuals, see :func:`.noise.residual_covariances`.
        courses: of a leak at each node inside.
        step_s: of the line model.
    """

    PLACES = 25
    MAX_BINS = 120
    BEFORE_S = 15.0
    """Before the supposed onset that is looked at closely."""

    def __init__(self, covariances: Array, courses: Courses, reaches: int, step_s: float) -> None:
        self._covariances, self._courses, self._reaches = covariances, courses, reaches
        self._step_s = step_s

    def fit(
        self, window: Window, reference: Array, age_s: float, growth_s: float, longest: int, bias_m3s: float
    ) -> Fit:
        """The best leak near a supposed age and growth.

        Args:
            window: whose first series are the residuals, the others but the last two doubts.
            reference: what the series of a sound section are.
            longest: steps to look back at most.
            bias_m3s: standard deviation of the constant that each residual is off.
        """
        self._edges = self._close_edges(age_s, min(longest, window.length))
        means = window.means(self._edges) - reference[:, :, None]
        self._whiten(means[0], means[1:-2], bias_m3s)
        guess = _Candidate(0.0, 0.5, max(1.0, growth_s / self._step_s), age_s / self._step_s)
        coarse: list[_Candidate] = []
        for place in np.linspace(0.02, 0.98, self.PLACES):
            near = self._best_at(float(place), coarse[-1], FINE) if coarse else None
            if near is None or near.gain < WORTH * max(candidate.gain for candidate in coarse):
                anew = self._best_at(float(place), guess, COARSE)
                near = anew if near is None or anew.gain > near.gain else near
            coarse.append(near)
        top = max(coarse, key=lambda candidate: candidate.gain)
        spacing = 0.96 / (self.PLACES - 1)
        places = top.place + spacing * np.array([-0.75, -0.5, -0.25, 0.25, 0.5, 0.75])
        close = [self._best_at(float(place), top, FINE) for place in places if 0 < place < 1]
        return self._summary([*coarse, *close])

    def _summary(self, candidates: list[_Candidate]) -> Fit:
        candidates = sorted(candidates, key=lambda candidate: candidate.place)
        places = np.array([candidate.place for candidate in candidates])
        gains = np.array([candidate.gain for candidate in candidates])
        fine = np.linspace(places[0], places[-1], 400)
        weight = np.exp(np.interp(fine, places, gains) - gains.max())
        weight /= weight.sum()
        mean = float(weight @ fine)
        std = math.sqrt(float(weight @ (fine - mean) ** 2))
        best = max(candidates, key=lambda candidate: candidate.gain)
        size, variance = self._size(best.place, best.growth, best.age)[1:]
        floor = 0.05 / self._reaches
        return Fit(
            mean, max(std, floor), size, math.sqrt(variance), best.growth * self._step_s, best.age * self._step_s
        )

    def _close_edges(self, age_s: float, longest: int) -> Edges:
        close = min(longest, math.ceil((age_s + self.BEFORE_S) / self._step_s))
        width = max(1, math.ceil(close / self.MAX_BINS))
        edges = list(range(0, close + 1, width))
        while (wider := edges[-1] + max(width, round(0.15 * edges[-1]))) <= longest:
            edges.append(wider)
        return np.array(edges)

    def _whiten(self, residuals: Array, doubts: Array, bias_m3s: float) -> None:
        """Turn coordinates in which noise is white, and leave out what is in doubt."""
        bins = len(self._edges) - 1
        covariance = bin_covariance(self._covariances, self._edges) + bias_m3s**2 * same_end(bins)
        self._whitening = np.linalg.inv(np.linalg.cholesky(covariance))
        courses = self._whitening @ with_fronts(doubts.reshape(len(doubts), -1)).T
        stacked, _ = np.linalg.qr(np.vstack([courses, np.eye(courses.shape[1])]))
        self._doubtful = stacked[: 2 * bins]
        seen = self._whitening @ residuals.ravel()
        self._seen, self._seen_doubtful = seen, self._doubtful.T @ seen

    def _size(self, place: float, growth: float, age: float) -> tuple[float, float, float]:
        """Gain in log-likelihood, size and its variance."""
        node = min(max(place * self._reaches - 1, 0.0), self._reaches - 2 - 1e-9)
        course = self._whitening @ self._courses.means(node, growth, age, self._edges).ravel()
        doubtful = self._doubtful.T @ course
        information = float(course @ course - doubtful @ doubtful)
        if information <= 0:
            return 0.0, 0.0, math.inf
        along = float(course @ self._seen - doubtful @ self._seen_doubtful)
        return max(along, 0.0) ** 2 / information / 2, along / information, 1 / information

    def _best_at(self, place: float, guess: _Candidate, stride: _Stride) -> _Candidate:
        """Best onset and growth for a place: a search along both, in ever smaller steps."""
        growth, age = guess.growth, guess.age
        gain = self._size(place, growth, age)[0]
        factor, shift = stride.growth, stride.age_s / self._step_s
        while shift > FINEST:
            trials = [
                (growth * factor, age),
                (growth / factor, age),
                (growth, age + shift),
                (growth, age - shift),
                (growth * factor, age + shift),
                (growth / factor, age - shift),
            ]
            tried = [
                (self._size(place, *trial)[0], trial)
                for trial in trials
                if MIN_GROWTH <= trial[0] <= self.max_growth and 1 < trial[1] <= self._edges[-1]
            ]
            top = max(tried, default=(gain, (growth, age)))
            if top[0] > gain + ENOUGH:
                gain, (growth, age) = top
            else:
                factor, shift = math.sqrt(factor), shift / 2.5
        return _Candidate(gain, place, growth, age)

    @property
    def max_growth(self) -> float:
        """[steps]"""
        return 600.0 / self._step_s


MIN_GROWTH = 1.0
"""[steps]"""
