"""The life of one stroke, fed with positions as an actuator reports them."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.assets import Rig, Valve
from plainview_ros.valve_ops.stroke import SETTLING_S, Demand, Motion, Stroke

START_S = 1000.0
DEMAND = Demand(uuid.UUID(int=1), "v-101", target=0.0)


@pytest.fixture(scope="module")
def valve(rig: Rig) -> Valve:
    return rig.valve["v-101"]


def closing(valve: Valve, target: float = 0.0) -> Stroke:
    return Stroke(valve, Demand(uuid.UUID(int=1), "v-101", target), Motion(1.0, 0.0, START_S - 0.1), START_S)


def drive(
    stroke: Stroke,
    position: Callable[[float], float],
    torque_nm: Callable[[float], float] = lambda _: 50.0,
    seconds: float = 60.0,
    rate_hz: float = 20.0,
) -> None:
    """Report until the stroke ends, or for so long."""
    for i in range(round(seconds * rate_hz)):
        if stroke.outcome is not None:
            return
        t = i / rate_hz
        stroke.observe(Motion(position(t), torque_nm(t), START_S + t))


def test_stroke_ends_when_the_target_is_reached(valve: Valve) -> None:
    stroke = closing(valve)
    drive(stroke, lambda t: max(0.0, 1 - t / 12), lambda t: 300.0 if t < 0.5 else 120.0)
    outcome = stroke.outcome
    assert outcome is not None
    assert outcome.code == "NONE"
    assert outcome.message == ""
    assert outcome.position == 0.0
    assert outcome.peak_torque_nm == 300.0
    assert outcome.duration_s == pytest.approx(12 * (1 - valve.position_tolerance), abs=0.06)
    assert outcome.stamp_s == pytest.approx(START_S + outcome.duration_s + SETTLING_S, abs=0.06)
    assert outcome.signature[0].torque_nm == 300.0
    assert not outcome.must_hold


def test_passing_through_the_target_is_not_reaching_it(valve: Valve) -> None:
    stroke = closing(valve, target=0.5)
    drive(stroke, lambda t: max(0.0, 1 - t / 12), seconds=20)
    assert stroke.outcome is None


def test_closing_torque_of_negative_sign_counts_by_magnitude(valve: Valve) -> None:
    stroke = closing(valve)
    drive(stroke, lambda t: max(0.0, 1 - t / 12), lambda _: -210.0)
    assert stroke.outcome is not None
    assert stroke.outcome.peak_torque_nm == 210.0
    assert {point.torque_nm for point in stroke.outcome.signature} == {-210.0}


def test_stroke_without_torque_measurement_has_unknown_peak(valve: Valve) -> None:
    stroke = closing(valve)
    drive(stroke, lambda t: max(0.0, 1 - t / 12), lambda _: math.nan)
    assert stroke.outcome is not None
    assert stroke.outcome.code == "NONE"
    assert math.isnan(stroke.outcome.peak_torque_nm)
    assert stroke.outcome.signature == ()


def test_stuck_valve_times_out_and_must_hold(valve: Valve) -> None:
    stroke = closing(valve)
    drive(stroke, lambda t: max(0.4, 1 - t / 12))
    outcome = stroke.outcome
    assert outcome is not None
    assert outcome.code == "TIMEOUT"
    assert outcome.message == "v-101 at 0.400, target 0.000 after 36.0 s, the limit is 36 s"
    assert outcome.duration_s == pytest.approx(valve.timeout_s, abs=0.1)
    assert outcome.must_hold


def test_reaching_the_target_at_the_last_moment_is_no_timeout(valve: Valve) -> None:
    stroke = closing(valve)
    drive(stroke, lambda t: 0.0 if t > valve.timeout_s - 0.2 else 0.5)
    assert stroke.outcome is not None
    assert stroke.outcome.code == "NONE"


def test_lost_feedback_fails_without_moving_the_valve_blindly(valve: Valve) -> None:
    stroke = closing(valve)
    drive(stroke, lambda t: 1 - t / 12, seconds=3)
    stroke.lose_feedback(START_S + 5)
    outcome = stroke.outcome
    assert outcome is not None
    assert outcome.code == "STALE_FEEDBACK"
    assert "no position of v-101 for 2 s" in outcome.message
    assert outcome.position == pytest.approx(0.75, abs=0.01)
    assert not outcome.must_hold


@pytest.mark.parametrize("end", [Stroke.cancel, Stroke.abandon])
def test_canceled_stroke_holds_where_it_is(valve: Valve, end: Callable[[Stroke, float], None]) -> None:
    stroke = closing(valve)
    drive(stroke, lambda t: 1 - t / 12, seconds=6)
    end(stroke, START_S + 6)
    assert stroke.outcome is not None
    assert stroke.outcome.must_hold
    assert stroke.outcome.position == pytest.approx(0.5, abs=0.01)


def test_first_end_counts(valve: Valve) -> None:
    stroke = closing(valve)
    stroke.cancel(START_S + 1)
    ended = stroke.outcome
    stroke.lose_feedback(START_S + 2)
    drive(stroke, lambda t: 0.0)
    assert stroke.outcome is ended


def test_clock_that_steps_back_stops_the_time_of_the_stroke(valve: Valve) -> None:
    stroke = closing(valve)
    drive(stroke, lambda t: 1 - t / 12, seconds=3)
    before_s = stroke.elapsed_s
    stroke.observe(Motion(0.7, 50.0, 10.0))
    assert stroke.elapsed_s == before_s
    stroke.observe(Motion(0.7, 50.0, 10.5))
    assert stroke.elapsed_s == before_s + 0.5


def test_actuator_gets_its_share_of_the_full_stroke_time(valve: Valve) -> None:
    assert closing(valve).expected_s == 12.0
    assert closing(valve, target=0.75).expected_s == 3.0
    assert closing(valve, target=1.0).expected_s > 0.0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-500, 500), st.floats(0.001, 5)), max_size=200))
def test_stroke_ends_in_tolerance_or_by_the_time_limit(rig: Rig, reports: list[tuple[float, float, float]]) -> None:
    valve = rig.valve["v-101"]
    stroke = closing(valve)
    stamp_s, fed = START_S, 0
    for position, torque_nm, step_s in reports:
        if stroke.outcome is not None:
            break
        stamp_s += step_s
        fed += 1
        stroke.observe(Motion(position, torque_nm, stamp_s))
    if stroke.outcome is None:
        return
    assert stroke.outcome.peak_torque_nm == max(abs(torque_nm) for _, torque_nm, _ in reports[:fed])
    if stroke.outcome.code == "NONE":
        assert stroke.outcome.position <= valve.position_tolerance
        assert 0.0 <= stroke.outcome.duration_s <= stroke.elapsed_s - SETTLING_S
    else:
        assert stroke.outcome.code == "TIMEOUT"
        assert stroke.outcome.duration_s > valve.timeout_s
