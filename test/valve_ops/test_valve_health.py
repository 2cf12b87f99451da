"""The health rules of the HTTP contract."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.valve_ops.health import Gauge, Level, Limits, judge

TODAY = date(2026, 11, 23)
TEMPERATURE = Limits("Temperature", warning=60.0, critical=75.0, deadband=1.0, unit="degC")
PRESSURE = Limits("Pressure", 2.8e6, 3.0e6, deadband=20e3, unit="kPa", per_unit=1000.0)


def gauges(temperature_c: float | None, pressure_pa: float | None) -> list[Gauge]:
    temperature, pressure = Gauge(TEMPERATURE, "TT-1"), Gauge(PRESSURE, "PT-1")
    if temperature_c is not None:
        temperature.read(temperature_c)
    if pressure_pa is not None:
        pressure.read(pressure_pa)
    return [temperature, pressure]


@pytest.mark.parametrize(
    ("temperature_c", "pressure_pa", "overdue", "status", "score"),
    [
        (20, 1e6, False, "ok", 100),
        (60, 2.8e6, False, "ok", 100),
        (60.1, 1e6, False, "warning", 80),
        (20, 2.81e6, False, "warning", 80),
        (61, 2.81e6, False, "warning", 60),
        (75.1, 1e6, False, "offline", 80),
        (20, 3.01e6, False, "offline", 80),
        (76, 3.01e6, True, "offline", 30),
        (20, 1e6, True, "maintenance", 70),
        (61, 1e6, True, "warning", 50),
        (None, None, False, "ok", 100),
        (None, None, True, "maintenance", 70),
    ],
)
def test_status_and_score_follow_the_contract(
    temperature_c: float | None, pressure_pa: float | None, overdue: bool, status: str, score: int
) -> None:
    due = TODAY - timedelta(days=1) if overdue else TODAY
    health = judge(gauges(temperature_c, pressure_pa), due, TODAY)
    assert (health.status, health.score) == (status, score)


def test_each_deduction_has_its_sentence() -> None:
    health = judge(gauges(61.5, 3.05e6), date(2026, 11, 1), TODAY)
    assert health.factors == (
        "Temperature 61.5 degC is above the warning limit 60 degC (-20)",
        "Pressure 3050 kPa is above the critical limit 3000 kPa (-20)",
        "Maintenance was due on 2026-11-01 (-30)",
    )


def test_noise_around_a_limit_is_one_change_not_many() -> None:
    gauge = Gauge(PRESSURE, "PT-1")
    levels = []
    for step in range(100):
        gauge.read(2.8e6 + 5e3 * math.sin(step))
        levels.append(gauge.level)
    assert levels.count(Level.WARNING) == 100 - levels.index(Level.WARNING)


def test_a_value_below_the_deadband_is_back() -> None:
    gauge = Gauge(PRESSURE, "PT-1")
    for value, level in [
        (3.1e6, Level.CRITICAL),
        (2.981e6, Level.CRITICAL),
        (2.979e6, Level.WARNING),
        (2.781e6, Level.WARNING),
        (2.779e6, Level.NORMAL),
        (2.799e6, Level.NORMAL),
    ]:
        gauge.read(value)
        assert gauge.level is level


values = st.floats(-100, 200)


@given(st.lists(values, max_size=20), values)
def test_deadband_only_ever_delays_the_way_back(history: list[float], value: float) -> None:
    gauge = Gauge(TEMPERATURE, "TT-1")
    for before in history:
        gauge.read(before)
    gauge.read(value)
    assert gauge.level >= TEMPERATURE.level(value, Level.NORMAL)
    assert gauge.level <= TEMPERATURE.level(value + TEMPERATURE.deadband, Level.NORMAL)


@given(values, st.floats(0, 5e6), st.integers(-1000, 1000))
def test_score_is_100_exactly_when_nothing_is_wrong(temperature_c: float, pressure_pa: float, days: int) -> None:
    health = judge(gauges(temperature_c, pressure_pa), TODAY + timedelta(days), TODAY)
    assert 0 <= health.score <= 100
    assert (health.score == 100) == (health.status == "ok") == (not health.factors)
