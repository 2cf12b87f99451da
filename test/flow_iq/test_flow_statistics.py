"""Sliding windows agree with plain statistics of the same samples."""

from __future__ import annotations

import math
import statistics
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.flow_iq.statistics import RollingSummary

values = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), min_size=1, max_size=80)
steps = st.lists(st.floats(0.1, 5.0), min_size=80, max_size=80)


def test_clock_set_back_starts_a_window_afresh() -> None:
    summary = RollingSummary(60.0)
    for stamp_s, value in ((1000.0, 7.0), (1001.0, 8.0), (10.0, 1.0)):
        summary.add(stamp_s, value)
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
