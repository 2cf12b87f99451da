"""Sliding windows agree with plain statistics of the same samples."""

from __future__ import annotations

import math
import statistics
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.flow_iq.statistics import RobustWindow, RollingSummary

values = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), min_size=1, max_size=80)
steps = st.lists(st.floats(0.1, 5.0), min_size=80, max_size=80)


def window(samples: list[float], window_s: float = 1e6, min_samples: int = 1) -> RobustWindow:
    """All of the samples, far enough apart that none is thinned out."""
    robust = RobustWindow(window_s, min_samples)
    for i, value in enumerate(samples):
        robust.add(i * 1.01 * window_s / RobustWindow.MAX_SAMPLES, value)
    return robust


@given(values)
def test_median_and_mad_are_those_of_the_samples(samples: list[float]) -> None:
    robust = window(samples)
    median = statistics.median(samples)
    assert robust.median() == median
    assert robust.mad() == statistics.median_high(abs(x - median) for x in samples)


@given(values, st.floats(-1e3, 1e3))
def test_one_outlier_in_twenty_on_each_side_does_not_widen_the_spread(samples: list[float], centre: float) -> None:
    clean = [centre + i / 100 for i in range(38)]
    assert window([*clean, 1e9, -1e9]).sigma() <= window(clean).sigma() * 1.3


def test_quantised_signal_has_a_spread_though_its_mad_is_zero() -> None:
    robust = window([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -1.0, 0.0] * 8)
    assert robust.mad() == 0.0
    assert robust.sigma() == pytest.approx(2 / 3.2897)


@given(values, steps)
def test_only_the_window_counts_however_stamps_are_spaced(samples: list[float], gaps: list[float]) -> None:
    robust = RobustWindow(20.0, min_samples=1)
    stamps = list(accumulate(gaps))
    for stamp_s, value in zip(stamps, samples, strict=False):
        robust.add(stamp_s, value)
    newest_s = stamps[len(samples) - 1]
    kept = [value for stamp_s, value in zip(stamps, samples, strict=False) if stamp_s >= newest_s - 20.0]
    assert len(robust) == len(kept)
    assert robust.median() == statistics.median(kept)


def test_slow_channel_keeps_enough_samples() -> None:
    robust = RobustWindow(60.0, min_samples=10)
    for hour in range(30):
        robust.add(hour * 3600.0, float(hour))
    assert len(robust) == 10
    assert robust.median() == 24.5


def test_fast_channel_is_thinned_in_time() -> None:
    robust = RobustWindow(60.0, min_samples=10)
    for i in range(60_000):
        robust.add(i / 1000, float(i))
    assert len(robust) <= RobustWindow.MAX_SAMPLES
    assert robust.median() == pytest.approx(30_000, abs=100)


def test_settled_means_both_halves_agree() -> None:
    noise = [math.sin(i * 12.9898) for i in range(100)]
    ramp = [x + i / 10 for i, x in enumerate(noise)]
    decay = [x + 100 * math.exp(-i / 30) for i, x in enumerate(noise)]
    assert window([5 + x for x in noise], min_samples=60).has_settled(tolerance=0.0)
    assert not window(ramp, min_samples=60).has_settled(tolerance=0.0)
    assert not window(decay, min_samples=60).has_settled(tolerance=0.0)
    assert window(ramp, min_samples=60).has_settled(tolerance=6.0)
    assert not window(noise[:59], min_samples=60).has_settled(tolerance=100.0)


def test_clock_set_back_starts_a_window_afresh() -> None:
    robust, summary = RobustWindow(60.0, 1), RollingSummary(60.0)
    for stamp_s, value in ((1000.0, 7.0), (1001.0, 8.0), (10.0, 1.0)):
        robust.add(stamp_s, value)
        summary.add(stamp_s, value)
    assert (len(robust), robust.median()) == (1, 1.0)
    assert summary.at(10.0) == (1.0, 1.0, 1.0)


@given(values, steps)
def test_summary_is_that_of_the_window_to_one_slice(samples: list[float], gaps: list[float]) -> None:
    summary = RollingSummary(36.0)
    stamps = list(accumulate(gaps))
    for stamp_s, value in zip(stamps, samples, strict=False):
        summary.add(stamp_s, value)
    now_s = stamps[len(samples) - 1]
    recent = [(s, v) for s, v in zip(stamps, samples, strict=False) if s > now_s - 36.0]
    with_slice = [v for s, v in zip(stamps, samples, strict=False) if s > now_s - 36.0 - 0.1]
    low, high, mean = summary.at(now_s) or (math.nan,) * 3
    assert min(with_slice) <= low <= min(v for _, v in recent)
    assert max(v for _, v in recent) <= high <= max(with_slice)
    if len(with_slice) == len(recent):
        assert mean == pytest.approx(statistics.fmean(v for _, v in recent), abs=1e-6)


def test_summary_of_a_silent_channel_is_empty() -> None:
    summary = RollingSummary(60.0)
    assert summary.at(0.0) is None
    summary.add(0.0, 1.0)
    assert summary.at(59.0) == (1.0, 1.0, 1.0)
    assert summary.at(61.0) is None
