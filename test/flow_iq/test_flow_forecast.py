"""The band of a forecast holds nine in ten readings, and limits are reached when it says."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator

import pytest

from plainview_ros.flow_iq.forecast import CELL_S, HORIZONS, Forecast, Forecaster, Point, Reach, reach

HOUR_S = HORIZONS[-1] * CELL_S


def wander(chance: random.Random) -> Iterator[float]:
    level = 100.0
    while True:
        level += chance.gauss(-0.01 * (level - 100.0), 0.2)
        yield level + chance.gauss(0.0, 0.5)


def noise(chance: random.Random) -> Iterator[float]:
    while True:
        yield chance.gauss(100.0, 1.0)


def day(chance: random.Random) -> Iterator[float]:
    minute = 0
    while True:
        minute += 1
        yield 20.0 + 4.0 * math.sin(minute / 1440 * 2 * math.pi) + chance.gauss(0.0, 0.5)


@pytest.mark.parametrize("course", [wander, noise, day])
@pytest.mark.parametrize("spacing_s", [20.0, 60.0, 300.0])
def test_nine_in_ten_readings_are_in_the_band(
    course: Callable[[random.Random], Iterator[float]], spacing_s: float
) -> None:
    readings = course(random.Random(1))
    forecaster = Forecaster()
    made: dict[float, Forecast] = {}
    inside: dict[float, list[bool]] = {}
    previous: tuple[float, float] | None = None
    for index in range(int(10 * 86_400 / spacing_s)):
        stamp_s, value = index * spacing_s, next(readings)
        if previous is not None and stamp_s // CELL_S > previous[0] // CELL_S:
            end_s = (previous[0] // CELL_S + 1) * CELL_S
            for horizon in HORIZONS:
                earlier = made.get(end_s - horizon * CELL_S)
                for point in earlier.points if earlier else ():
                    if point.ahead_s == horizon * CELL_S:
                        inside.setdefault(point.ahead_s, []).append(point.low <= previous[1] <= point.high)
        forecaster.add(stamp_s, value)
        if forecaster.forecast is not None:
            made[forecaster.forecast.made_at_s] = forecaster.forecast
        previous = stamp_s, value
    assert list(inside) == [horizon * CELL_S for horizon in HORIZONS]
    for share in (sum(hits) / len(hits) for hits in inside.values()):
        assert 0.85 <= share <= 0.95


def fed(minutes: int, course: Callable[[int], float], forecaster: Forecaster | None = None) -> Forecaster:
    forecaster = forecaster or Forecaster()
    for second in range(0, minutes * 60 + 1, 10):
        forecaster.add(second, course(second))
    return forecaster


def test_there_is_none_before_it_is_known_how_well_it_does() -> None:
    assert Forecaster().forecast is None
    young = fed(10, lambda second: 5.0).forecast
    assert young is not None
    assert young.points == ()


def test_a_channel_that_stands_still_goes_on_so() -> None:
    forecast = fed(300, lambda second: 5.0).forecast
    assert forecast is not None
    assert forecast.made_at_s == 300 * 60
    assert [point.ahead_s for point in forecast.points] == [horizon * CELL_S for horizon in HORIZONS]
    assert {point[1:] for point in forecast.points} == {(5.0, 5.0, 5.0)}


def test_a_steady_drift_reaches_the_limit_when_it_is_said_to() -> None:
    chance = random.Random(2)
    forecast = fed(600, lambda second: 100.0 + second / 600 + chance.gauss(0.0, 0.05)).forecast
    assert forecast is not None
    told = reach(forecast, 160.0, 163.0, above=True)  # it will be there 30 minutes from now
    assert told.earliest_s is not None
    assert told.expected_s is not None
    assert told.earliest_s <= 1800.0
    assert told.expected_s == pytest.approx(1800.0, rel=0.1)
    assert reach(forecast, 160.0, 99.0, above=False) == Reach(None, None)


def test_reach_is_by_the_middle_and_by_the_edge() -> None:
    forecast = Forecast(0.0, (Point(300.0, 10.0, 8.0, 12.0), Point(600.0, 10.0, 6.0, 14.0)))
    assert reach(forecast, 10.0, 13.0, above=True) == Reach(None, 450.0)
    assert reach(forecast, 10.0, 7.0, above=False) == Reach(None, 450.0)
    assert reach(forecast, 10.0, 9.5, above=True) == Reach(0.0, 0.0), "it is beyond already"
    assert reach(forecast, 10.0, 20.0, above=True) == Reach(None, None)


def test_it_goes_on_over_a_restart_with_its_bands() -> None:
    chance = random.Random(3)
    before = fed(300, lambda second: chance.gauss(5.0, 1.0))
    assert before.forecast is not None
    after = Forecaster()
    after.restore(json.loads(json.dumps(before.memory())))
    after.add(90_000.0, 5.0)
    after.add(90_060.0, 5.0)
    assert after.forecast is not None
    assert len(after.forecast.points) == len(HORIZONS)
    widths = [point.high - point.low for point in before.forecast.points]
    assert [point.high - point.low for point in after.forecast.points] == pytest.approx(widths, rel=1e-3)


@pytest.mark.parametrize("memory", [{}, {"errors": ["AAA"] * 12}, {"errors": []}, {"errors": ["AADAfw=="] * 12}])
def test_damaged_memory_changes_nothing(memory: dict[str, object]) -> None:
    forecaster = fed(300, lambda second: 5.0)
    known = forecaster.memory()
    with pytest.raises(ValueError, match=r"."):
        forecaster.restore(memory)
    assert forecaster.memory() == known


def test_silence_and_clocks_that_are_set_back_start_the_course_anew() -> None:
    forecaster = fed(300, lambda second: 5.0)
    forecaster.add(300 * 60 + HOUR_S * 2, 7.0)
    assert forecaster.forecast is None
    forecaster.add(300 * 60 + HOUR_S * 2 + CELL_S, 7.0)
    assert forecaster.forecast is not None
    assert forecaster.forecast.points[0].expected == 7.0
    forecaster.add(0.0, 3.0)
    forecaster.add(60.0, 3.0)
    assert forecaster.forecast.made_at_s == 60.0


def test_samples_that_come_late_do_not_make_another_forecast() -> None:
    forecaster = fed(300, lambda second: 5.0)
    known = forecaster.forecast
    forecaster.add(299 * 60.0, 900.0)
    assert forecaster.forecast is known
