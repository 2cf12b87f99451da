from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.missions.mission import Mission, StateError, Step

LENGTH_S = 100.0


def make(*times_s: float) -> Mission:
    steps = tuple(Step(at_s, f"step at {at_s:g} s") for at_s in sorted(times_s))
    return Mission("m-1", "Drill", "scenario", steps, created_s=0.0)


def titles(steps: tuple[Step, ...]) -> list[str]:
    return [step.title for step in steps]


def test_steps_are_reached_in_time_and_the_last_one_completes() -> None:
    mission = make(0.0, 5.0, 10.0).started(1000.0, 50.0)
    mission, steps = mission.advanced(1000.0, 50.0)
    assert titles(steps) == ["step at 0 s"]
    assert mission.due_at() == 1005.0
    mission, steps = mission.advanced(1004.9, 54.9)
    assert steps == ()
    mission, steps = mission.advanced(1020.0, 70.0)
    assert titles(steps) == ["step at 5 s", "step at 10 s"]
    assert (mission.status, mission.ended_s, mission.progress_at(1020.0)) == ("completed", 70.0, 100.0)
    assert mission.due_at() is None


def test_speed_shortens_the_wait() -> None:
    mission = make(10.0).at_speed(2.0, 0.0).started(0.0, 0.0)
    assert mission.due_at() == 5.0
    mission = mission.at_speed(10.0, 2.5)
    assert mission.due_at() == 3.0


def test_time_stands_still_while_paused() -> None:
    mission = make(10.0).started(0.0, 0.0).paused(4.0)
    assert mission.due_at() is None
    assert mission.position_at(1000.0) == 4.0
    assert mission.resumed(1000.0).due_at() == 1006.0


def test_stopped_mission_is_completed_without_the_rest() -> None:
    mission = make(10.0).started(0.0, 0.0).stopped(4.0, 4.0)
    assert (mission.status, mission.reached, mission.progress_at(99.0)) == ("completed", 0, 40.0)
    assert mission.advanced(99.0, 99.0) == (mission, ())


def test_mission_without_steps_is_completed_at_once() -> None:
    mission, steps = make().started(0.0, 0.0).advanced(0.0, 0.0)
    assert (mission.status, steps, mission.progress_at(0.0)) == ("completed", (), 100.0)


@pytest.mark.parametrize("speed", [0.0, 0.09, 10.1, -1.0, float("nan"), float("inf")])
def test_speed_out_of_bounds_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match=r"speed must be between 0\.1 and 10"):
        make(10.0).at_speed(speed, 0.0)


def test_wrong_command_names_the_status() -> None:
    draft = make(10.0)
    with pytest.raises(StateError, match="cannot pause mission m-1: it is draft, not active"):
        draft.paused(0.0)
    with pytest.raises(StateError, match="it is draft, not active or paused"):
        draft.stopped(0.0, 0.0)
    with pytest.raises(StateError, match="cannot start mission m-1: it is active, not draft"):
        draft.started(0.0, 0.0).started(1.0, 1.0)
    with pytest.raises(StateError, match="cannot resume mission m-1: it is completed, not paused"):
        draft.started(0.0, 0.0).stopped(1.0, 1.0).resumed(2.0)


def test_branch_is_a_scenario_of_its_own() -> None:
    played, _ = make(1.0, 10.0).started(0.0, 0.0).advanced(5.0, 5.0)
    branch = played.branched("m-2", 7.0)
    assert (branch.type, branch.status, branch.reached, branch.created_s) == ("scenario", "draft", 0, 7.0)
    assert branch.steps == played.steps
    assert branch.title == "Drill (scenario)"


COMMANDS = st.tuples(st.floats(0, 30), st.sampled_from(["pause", "resume", "speed", "wait"]), st.floats(0.1, 10))


@given(st.lists(st.floats(0, LENGTH_S), max_size=10), st.lists(COMMANDS, max_size=20))
def test_progress_never_falls_and_every_step_is_announced_once_in_order(
    times_s: list[float], commands: list[tuple[float, str, float]]
) -> None:
    mission = make(*times_s).started(0.0, 0.0)
    now_s, progress = 0.0, 0.0
    announced: list[Step] = []
    for wait_s, command, speed in [*commands, (0.0, "resume", 1.0), (LENGTH_S * 20, "wait", 1.0)]:
        now_s += wait_s
        mission, steps = mission.advanced(now_s, now_s)
        announced += steps
        if command == "pause" and mission.status == "active":
            mission = mission.paused(now_s)
        elif command == "resume" and mission.status == "paused":
            mission = mission.resumed(now_s)
        elif command == "speed" and mission.status != "completed":
            mission = mission.at_speed(speed, now_s)
        assert 0.0 <= progress <= mission.progress_at(now_s) <= 100.0
        progress = mission.progress_at(now_s)
        due_s = mission.due_at()
        assert due_s is None or due_s > now_s or command == "resume"
    assert mission.status == "completed"
    assert announced == list(mission.steps)
    assert progress == 100.0


@given(st.floats(0.001, LENGTH_S), st.floats(0.1, 10), st.floats(0, 1e6))
def test_waiting_until_due_always_reaches_the_step(at_s: float, speed: float, start_s: float) -> None:
    """Rounding must not leave the player waking up for a step that is never quite there."""
    mission = make(at_s).at_speed(speed, start_s).started(start_s, 0.0)
    mission = mission.at_speed(speed, start_s + 0.0001)
    due_s = mission.due_at()
    assert due_s is not None
    assert mission.advanced(due_s, 0.0)[0].status == "completed"
