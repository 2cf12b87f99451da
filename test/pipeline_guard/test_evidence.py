"""The likelihood ratio: errs as seldom as it says, finds what it says, and says how sure it is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from plainview_ros.pipeline_guard.evidence import HypothesisBank, Judged, Search
from plainview_ros.pipeline_guard.line_model import CHANNELS
from plainview_ros.pipeline_guard.location import Locator
from plainview_ros.pipeline_guard.noise import (
    Noise,
    ReadingNoise,
    Wandering,
    bin_covariance,
    residual_covariances,
)
from plainview_ros.pipeline_guard.window import Window, growing_edges

REACHES, STEP_S, SLOPE = 10, 0.25, 0.6
NOISE = Noise(dict.fromkeys(CHANNELS, ReadingNoise(0.2, (Wandering(0.1, 20.0),))), (Wandering(0.1, 6.0),))
SEARCH = Search(longest_s=120.0)
BIAS = 0.5


@pytest.fixture(scope="module")
def bank() -> HypothesisBank:
    found = HypothesisBank(NOISE, REACHES, SLOPE, STEP_S, SEARCH, 30 * 86_400.0, 1.0)
    found.reach_back(10_000, BIAS)
    return found


def sounds(bank: HypothesisBank, count: int) -> NDArray[np.float64]:
    """Residuals of a sound section, shape (count, 2, bins)."""
    covariance = bin_covariance(bank.covariances, bank.edges)
    rng = np.random.default_rng(5)
    drawn = rng.standard_normal((count, len(covariance))) @ np.linalg.cholesky(covariance).T
    return np.asarray(drawn.reshape(count, 2, -1))


NO_DOUBT = np.zeros((1, 2, 1))


def judge(bank: HypothesisBank, residuals: NDArray[np.float64], doubts: NDArray[np.float64] = NO_DOUBT) -> Judged:
    return bank.judge(residuals, np.broadcast_to(doubts, (len(doubts), *residuals.shape)))


def test_the_covariance_of_means_is_that_of_what_was_averaged() -> None:
    edges = growing_edges(40, 2, 0.3)
    covariances = residual_covariances(NOISE, REACHES, SLOPE, STEP_S, 60)
    lags = np.arange(-60, 61)
    fine = np.zeros((2, 2, 41, 41))
    for i in range(41):
        for j in range(41):
            fine[:, :, i, j] = covariances[:, :, lags.tolist().index(j - i)]  # ages count backwards
    full = np.block([[fine[0, 0], fine[0, 1]], [fine[1, 0], fine[1, 1]]])[:82, :82]
    bins = [(edges[n], min(edges[n + 1], 41)) for n in range(len(edges) - 1) if edges[n + 1] <= 41]
    averaging = np.zeros((2 * len(bins), 82))
    for end in range(2):
        for n, (young, old) in enumerate(bins):
            averaging[end * len(bins) + n, end * 41 + young : end * 41 + old] = 1 / (old - young)
    found = bin_covariance(covariances, np.array([0, *(old for _, old in bins)]))
    assert found == pytest.approx(averaging @ full @ averaging.T, abs=1e-9)
    assert np.linalg.eigvalsh(found).min() > 0


def test_noise_alone_passes_the_threshold_as_seldom_as_asked(bank: HypothesisBank) -> None:
    estimates = [judge(bank, y).estimate for y in sounds(bank, 500)]
    shares = [estimate.statistic / estimate.threshold for estimate in estimates]
    assert max(shares) < 1
    assert np.median(shares) > 0.2, "a test that never comes near its threshold says nothing"


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_a_leak_is_found_with_its_size(bank: HypothesisBank, place: float) -> None:
    size, age_s = 1.5, 40.0
    course = bank.leaks.means(place * REACHES - 1, 2.0 / STEP_S, age_s / STEP_S, bank.edges)
    found = [judge(bank, y + size * course) for y in sounds(bank, 200)]
    errors = np.array([(item.estimate.size_m3s - size) / item.estimate.std_m3s for item in found])
    assert all(item.estimate.statistic > item.estimate.threshold for item in found)
    assert abs(errors.mean()) < 1.0
    assert errors.std() < 2.0


def test_what_is_stated_as_detectable_is_detected(bank: HypothesisBank) -> None:
    quiet = judge(bank, sounds(bank, 1)[0])
    course = bank.leaks.means(0.5 * REACHES - 1, 0.0, 60.0 / STEP_S, bank.edges)
    found = [judge(bank, y + quiet.detectable_m3s * course) for y in sounds(bank, 200)]
    share = np.mean([item.estimate.statistic > item.estimate.threshold for item in found])
    assert share > 0.4


def test_a_wrong_reading_is_told_from_a_leak(bank: HypothesisBank) -> None:
    course = bank.readings.means(0, 0.0, 30.0 / STEP_S, bank.edges)
    found = [judge(bank, y + 2.0 * course) for y in sounds(bank, 50)]
    assert {int(np.argmax(item.reading_gains)) for item in found} == {CHANNELS.index("inlet_pressure")}
    assert all(max(item.reading_gains) > item.leak_gain + 5 for item in found)


def test_what_is_in_doubt_is_no_evidence_and_widens_what_is_stated(bank: HypothesisBank) -> None:
    course = bank.leaks.means(0.5 * REACHES - 1, 0.0, 10.0 / STEP_S, bank.edges)
    doubt = np.array([3.0 * course])
    quiet, doubtful = (judge(bank, 3.0 * course, doubts) for doubts in (NO_DOUBT, doubt))
    assert quiet.estimate.statistic > quiet.estimate.threshold
    assert doubtful.estimate.statistic < doubtful.estimate.threshold
    assert doubtful.detectable_m3s > quiet.detectable_m3s
    assert doubtful.detectable_m3s > 1.2 * doubtful.undisturbed_m3s


@pytest.mark.parametrize(("place", "growth_s"), [(0.15, 1.0), (0.5, 5.0), (0.8, 1.0)])
def test_a_place_is_estimated_as_well_as_is_said(bank: HypothesisBank, place: float, growth_s: float) -> None:
    rng = np.random.default_rng(3)
    steps, age = 200, 80
    edges = np.arange(0, steps + 1)
    covariance = bin_covariance(bank.covariances, edges)
    root = np.linalg.cholesky(covariance)
    course = bank.leaks.means(place * REACHES - 1, growth_s / STEP_S, age, edges)
    errors = []
    for _ in range(12):
        y = (root @ rng.standard_normal(2 * steps)).reshape(2, steps) + 2.0 * course
        window = Window((4, 2), steps)
        for step in range(steps - 1, -1, -1):
            window.push([y[:, step].tolist(), *3 * [[0.0, 0.0]]])
        locator = Locator(bank.covariances, bank.leaks, REACHES, STEP_S)
        fit = locator.fit(window, np.zeros((4, 2)), age * STEP_S + 1.0, 3.0, steps, BIAS)
        errors.append((fit.place - place) / fit.place_std)
        assert fit.size_m3s == pytest.approx(2.0, abs=5 * fit.size_std_m3s)
    assert np.sqrt(np.mean(np.square(errors))) < 2
    assert abs(np.mean(errors)) < 1
