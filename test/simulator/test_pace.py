"""Simulated time against the wall's, and what trajectories ask of the valves."""

from __future__ import annotations

import pytest

from plainview_ros.assets import Rig
from plainview_ros.simulator.actuators import Waypoint
from plainview_ros.simulator.pace import Pace
from plainview_ros.simulator.trajectories import read_trajectory


def test_simulated_time_runs_speed_times_as_fast() -> None:
    pace = Pace(20.0)
    assert pace.target_s(100.0, 0.0) == 0.0
    assert pace.target_s(100.2, 3.9) == pytest.approx(4.0)
    assert pace.achieved(100.2, 4.0) == pytest.approx(20.0)


def test_a_simulation_that_is_too_slow_goes_on_late_and_says_so() -> None:
    pace = Pace(10.0, most_lag_s=0.5)
    pace.target_s(0.0, 0.0)
    assert pace.target_s(10.0, 20.0) == pytest.approx(20.0 + 0.5 * 10)
    assert pace.forgiven_s == pytest.approx(100 - 20 - 5)
    assert pace.achieved(10.0, 20.0) == pytest.approx(2.0)
    assert pace.target_s(10.1, 25.0) == pytest.approx(26.0)


def test_a_pause_does_not_count() -> None:
    pace = Pace(2.0)
    pace.target_s(0.0, 0.0)
    pace.pause()
    assert pace.target_s(1000.0, 5.0) == 5.0
    assert pace.target_s(1000.1, 5.0) == pytest.approx(5.2)
    assert pace.forgiven_s == 0.0


def test_a_trajectory_becomes_a_path_for_each_valve(rig: Rig) -> None:
    paths = read_trajectory(rig, ["v-103", "v-101"], [([1.5708, 0.0], 2.0), ([0.7854, 1.5708], 8.0)])
    assert paths == {
        "v-103": [Waypoint(1.0, 2.0), Waypoint(pytest.approx(0.5), 8.0)],
        "v-101": [Waypoint(0.0, 2.0), Waypoint(1.0, 8.0)],
    }


@pytest.mark.parametrize(
    ("names", "points", "words"),
    [
        ([], [([], 0.0)], "needs joint names and points"),
        (["v-101"], [], "needs joint names and points"),
        (["v-9"], [([1.0], 0.0)], "unknown joint 'v-9': expected one of v-101, v-102, v-103"),
        (["v-101", "v-101"], [([1.0, 1.0], 0.0)], "named twice"),
        (["v-101"], [([], 0.0)], "0 positions for 1 joints"),
        (["v-101"], [([1.0, 1.0], 0.0)], "2 positions for 1 joints"),
        (["v-101"], [([float("nan")], 0.0)], "joint v-101: opening nan"),
        (["v-101"], [([3.0], 0.0)], "joint v-101: opening 1.9.* is beyond the stops"),
        (["v-101"], [([1.0], 5.0), ([0.0], 2.0)], "joint v-101: 2 s is no time"),
        (["v-101"], [([1.0], -1.0)], "joint v-101: -1 s is no time"),
    ],
)
def test_a_trajectory_that_makes_no_sense_is_refused_in_words(
    rig: Rig, names: list[str], points: list[tuple[list[float], float]], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        read_trajectory(rig, names, points)
