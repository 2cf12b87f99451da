"""One actuator by itself."""

from __future__ import annotations

import numpy as np
import pytest

from plainview_ros.assets import Rig
from plainview_ros.simulator.actuators import Actuator, Waypoint

STEP_S = 0.05


@pytest.fixture
def actuator(rig: Rig) -> Actuator:
    return Actuator(rig.valve["v-101"], np.random.default_rng(1))


def drive(actuator: Actuator, *path: Waypoint, pressure_pa: float = 0.0) -> tuple[float, list[tuple[float, float]]]:
    """Time until it rests [s], and opening and torque [N m] on the way."""
    actuator.follow(path)
    way = []
    while actuator.is_moving:
        actuator.step(STEP_S, pressure_pa)
        way.append((actuator.opening, actuator.measured_torque_nm()))
    return len(way) * STEP_S, way


def test_torque_follows_the_stroke(actuator: Actuator) -> None:
    _, closing = drive(actuator, Waypoint(0.0, 0.0))
    _, opening = drive(actuator, Waypoint(1.0, 0.0))
    breakaway_nm = max(torque for position, torque in opening if position < 0.05)
    running_nm = float(np.median([torque for position, torque in opening if 0.2 < position < 0.8]))
    seating_nm = max(-torque for position, torque in closing if position < 0.05)
    assert all(torque < 5 for _, torque in closing[1:])
    assert breakaway_nm > 2 * running_nm > 0
    assert seating_nm > 1.5 * running_nm


def test_a_pressure_difference_needs_torque(actuator: Actuator) -> None:
    peaks = []
    for pressure_pa in (0.0, 1e6):
        drive(actuator, Waypoint(0.0, 0.0))
        _, opening = drive(actuator, Waypoint(1.0, 0.0), pressure_pa=pressure_pa)
        peaks.append(max(torque for _, torque in opening))
    assert peaks[1] - peaks[0] == pytest.approx(0.1 * actuator.valve.rated_torque_nm, rel=0.2)


def test_healthy_strokes_are_alike(actuator: Actuator) -> None:
    peaks = []
    for _ in range(6):
        drive(actuator, Waypoint(0.0, 0.0))
        peaks.append(max(torque for _, torque in drive(actuator, Waypoint(1.0, 0.0), pressure_pa=5e5)[1]))
    assert np.ptp(peaks) < actuator.valve.thresholds.torque_variance_nm


def test_it_follows_a_slow_path_and_outruns_none(actuator: Actuator) -> None:
    slow_s, _ = drive(actuator, Waypoint(0.5, 20.0))
    assert slow_s == pytest.approx(20, abs=1)
    assert actuator.opening == pytest.approx(0.5, abs=0.005)
    fast_s, _ = drive(actuator, Waypoint(1.0, 0.1))
    assert fast_s == pytest.approx(actuator.valve.stroke_time_s / 2, rel=0.1)


def test_a_new_path_replaces_the_old_one(actuator: Actuator) -> None:
    actuator.follow([Waypoint(0.0, 0.0)])
    for _ in range(60):
        actuator.step(STEP_S, 0.0)
    turned_at = actuator.opening
    _, way = drive(actuator, Waypoint(1.0, 0.0))
    assert turned_at < 0.9
    assert actuator.opening == pytest.approx(1.0, abs=1e-3)
    assert min(position for position, _ in way) > turned_at - 0.01


def test_at_rest_it_reports_no_torque_but_noise(actuator: Actuator) -> None:
    drive(actuator, Waypoint(0.3, 0.0))
    actuator.step(STEP_S, 1e6)
    readings = [abs(actuator.measured_torque_nm()) for _ in range(100)]
    assert actuator.velocity == 0.0
    assert 0 < max(readings) < 0.02 * actuator.valve.rated_torque_nm
