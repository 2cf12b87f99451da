"""Page's test and the learned meter error against what theory promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.pipeline_guard.sequential_test import MeterError, PageTest

NOISE = 4.5e-4  # m^3/sqrt(s), two meters of 1e-4 m^3/s with errors that last 5 s
STEP_S = 0.5
ALLOWANCE = 1.4e-4
flows = st.floats(-1, 1)


def run_until_found(test: PageTest, imbalance: float, limit_s: float = 1000) -> float:
    time_s = 0.0
    while test.share < 1:
        test.update(imbalance, ALLOWANCE, 0.0, STEP_S)
        time_s += STEP_S
        assert time_s < limit_s
    return time_s


def test_noise_alone_alarms_no_more_often_than_promised() -> None:
    interval_s = 2000.0
    test = PageTest(NOISE, interval_s)
    noise = np.random.default_rng(0).normal(0, NOISE / math.sqrt(STEP_S), round(100 * interval_s / STEP_S))
    alarms = 0
    for imbalance in noise.tolist():
        test.update(imbalance, ALLOWANCE, 0.0, STEP_S)
        if test.share >= 1:
            alarms += 1
            test.start_over()
    assert 10 <= alarms <= 120  # 100 expected of a continuous walk, fewer of one that moves in steps


def test_a_leak_is_found_after_the_time_its_size_demands() -> None:
    test = PageTest(NOISE, 3e7)
    rate = 20e-4
    found_s = run_until_found(test, rate)
    assert found_s == pytest.approx(test.limit_m3 / (rate - ALLOWANCE), abs=STEP_S)
    assert test.limit_m3 <= test.statistic_m3 == pytest.approx((rate - ALLOWANCE) * found_s)
    assert test.missing_m3 == pytest.approx(rate * found_s)


def test_a_rarer_false_alarm_asks_for_more_evidence() -> None:
    assert run_until_found(PageTest(NOISE, 1e9), 10e-4) > run_until_found(PageTest(NOISE, 1e4), 10e-4)


def test_what_is_found_is_gone_when_nothing_has_been_missing_long_enough() -> None:
    test = PageTest(NOISE, 3e7)
    run_until_found(test, 20e-4)
    steps = 0
    while test.share > 0:
        test.update(0.0, ALLOWANCE, 0.0, STEP_S)
        steps += 1
    assert steps * STEP_S == pytest.approx(test.limit_m3 / ALLOWANCE, abs=2 * STEP_S)
    assert test.missing_m3 == test.suspected_s == 0


@given(st.lists(flows, max_size=50), st.floats(0, 1))
def test_the_sum_stays_between_nothing_and_the_limit(imbalances: list[float], doubt: float) -> None:
    test = PageTest(NOISE, 3e7)
    for imbalance in imbalances:
        test.update(imbalance, ALLOWANCE, doubt, STEP_S)
        assert 0 <= test.share <= 1
        assert test.suspected_s <= len(imbalances) * STEP_S


@given(st.floats(0, 1), flows)
def test_evidence_within_doubt_counts_neither_way(doubt: float, part: float) -> None:
    test = PageTest(NOISE, 3e7)
    test.update(0.005, ALLOWANCE, 0.0, STEP_S)
    before = test.share
    assert 0 < before < 1
    test.update(ALLOWANCE + part * doubt, ALLOWANCE, doubt, STEP_S)
    assert test.share == pytest.approx(before, abs=1e-9)


@given(st.lists(flows, min_size=1, max_size=50), st.floats(0, 0.5))
def test_no_imbalance_is_explained_away_beyond_the_meters_accuracy(imbalances: list[float], flow: float) -> None:
    error = MeterError(limit_m3s=2.8e-4, noise_m3_rt_s=NOISE, memory_s=3600)
    for imbalance in imbalances:
        error.learn(imbalance, 0.05, STEP_S)
    assert abs(error.value_m3s) <= 2.8e-4
    assert 0 <= error.doubt_m3s(flow) <= 2.8e-4


def test_a_constant_error_is_learned_and_trusted_more_with_time() -> None:
    error = MeterError(limit_m3s=2.8e-4, noise_m3_rt_s=NOISE, memory_s=3600)
    noise = np.random.default_rng(0).normal(1e-4, 4.5e-4, 7200)
    doubts = []
    for imbalance in noise.tolist():
        error.learn(imbalance, 0.05, STEP_S)
        doubts.append(error.doubt_m3s(0.05))
    assert error.value_m3s == pytest.approx(1e-4, abs=doubts[-1])
    assert doubts[100] > doubts[1000] > doubts[-1]


def test_a_memory_shorter_than_a_step_keeps_the_last_step() -> None:
    error = MeterError(limit_m3s=1.0, noise_m3_rt_s=NOISE, memory_s=1.0)
    for imbalance in (0.3, 0.1, 0.2):
        error.learn(imbalance, 0.05, 60.0)
    assert error.value_m3s == pytest.approx(0.2)


def test_at_another_flow_the_learned_error_is_in_doubt() -> None:
    error = MeterError(limit_m3s=2.8e-4, noise_m3_rt_s=NOISE, memory_s=3600)
    for _ in range(7200):
        error.learn(2e-4, 0.05, STEP_S)
    assert error.doubt_m3s(0.0) == pytest.approx(error.doubt_m3s(0.05) + 2e-4)
