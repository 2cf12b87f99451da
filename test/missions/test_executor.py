from __future__ import annotations

import pytest

from plainview_ros.missions import executor
from plainview_ros.missions.executor import Executor, Transition
from plainview_ros.missions.mission import StateError


class Played:
    """An executor and what it told."""

    def __init__(self) -> None:
        self.transitions: list[Transition] = []
        self.executor = Executor(self.transitions.append)

    def create(self, *times_s: float) -> str:
        timeline = [{"at": at_s, "title": f"at {at_s:g}"} for at_s in times_s]
        return self.executor.create("Drill", "scenario", timeline, now_s=0.0).id

    def told(self) -> list[str]:
        told = [t.step.title if t.step else f"{t.kind}: {t.mission.status}" for t in self.transitions]
        self.transitions.clear()
        return told


@pytest.fixture
def played() -> Played:
    return Played()


def test_mission_is_told_from_start_to_end(played: Played) -> None:
    mission_id = played.create(0.0, 2.0)
    assert played.told() == ["created: draft"]
    assert played.executor.due_at() is None
    played.executor.start(mission_id, 10.0, 0.0)
    assert played.told() == ["started: active", "at 0"]
    assert played.executor.due_at() == 12.0
    played.executor.advance(12.0, 2.0)
    assert played.told() == ["at 2", "completed: completed"]
    assert played.executor.active is None
    assert played.executor.due_at() is None


def test_command_too_late_still_tells_what_happened_before_it(played: Played) -> None:
    mission_id = played.create(1.0)
    played.executor.start(mission_id, 0.0, 0.0)
    with pytest.raises(StateError, match="it is completed"):
        played.executor.pause(mission_id, 5.0, 5.0)
    assert played.told() == ["created: draft", "started: active", "at 1", "completed: completed"]


def test_one_mission_runs_at_a_time(played: Played) -> None:
    first, second = played.create(10.0), played.create(10.0)
    played.executor.start(first, 0.0, 0.0)
    with pytest.raises(StateError, match=f"mission {first} is active"):
        played.executor.start(second, 1.0, 1.0)
    played.executor.pause(first, 2.0, 2.0)
    played.executor.start(second, 3.0, 3.0)
    with pytest.raises(StateError, match=f"mission {second} is active"):
        played.executor.resume(first, 4.0, 4.0)
    played.executor.stop(second, 5.0, 5.0)
    played.executor.resume(first, 6.0, 6.0)
    assert played.executor.due_at() == 14.0


def test_unknown_mission_is_a_key_error(played: Played) -> None:
    with pytest.raises(KeyError):
        played.executor.start("nobody", 0.0, 0.0)


def test_full_executor_forgets_ended_missions_first_then_drafts_never_the_one_under_way(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "MAX_MISSIONS", 2)
    ended, waiting = played.create(), played.create(1.0)
    played.executor.start(ended, 0.0, 0.0)
    added = played.executor.branch(waiting, 1.0).id
    assert [mission.id for mission in played.executor.all()] == [added, waiting]
    played.executor.start(waiting, 2.0, 2.0)
    newest = played.create(1.0)
    assert [mission.id for mission in played.executor.all()] == [newest, waiting]
