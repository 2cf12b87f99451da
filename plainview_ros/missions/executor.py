"""Plays missions: takes commands, lets time pass, tells what comes of it.

All times ``monotonic_s`` come from one monotonic clock, all ``now_s`` from the clock of reports [s since the epoch].
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from plainview_ros.missions.mission import Mission, MissionType, StateError, Step
from plainview_ros.missions.timeline import steps_of

MAX_MISSIONS = 500


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that happened to a mission."""

    kind: Literal["created", "started", "updated", "completed"]
    mission: Mission
    step: Step | None = None
    """The step that was reached; ``None`` when a command changed the mission."""


class Executor:
    """All missions, of which one at a time is active.

    A command first lets time pass up to now. It raises ``KeyError`` for an unknown mission and ``StateError`` when the
    mission, or another that is active, does not allow it.

    Args:
        on_transition: told of everything that happens, in order.
    """

    def __init__(self, on_transition: Callable[[Transition], object]) -> None:
        self._missions: dict[str, Mission] = {}
        self._on_transition = on_transition
        self.revision = 0
        """Moves with every change of a mission but its progress."""

    def get(self, mission_id: str) -> Mission:
        return self._missions[mission_id]

    def all(self) -> list[Mission]:
        """Newest first."""
        return list(reversed(self._missions.values()))

    @property
    def active(self) -> Mission | None:
        return next((mission for mission in self._missions.values() if mission.status == "active"), None)

    def create(self, title: str, type_: MissionType, timeline: Sequence[Mapping[str, Any]], now_s: float) -> Mission:
        """A new mission, not yet started.

        Raises:
            ValueError: the timeline cannot be used.
            StateError: there are too many missions that have not ended.
        """
        return self._keep(Mission(str(uuid.uuid4()), title, type_, steps_of(timeline), now_s))

    def branch(self, mission_id: str, now_s: float, title: str | None = None) -> Mission:
        """A new scenario with the steps of a mission."""
        return self._keep(self.get(mission_id).branched(str(uuid.uuid4()), now_s, title))

    def restore(self, mission: Mission) -> None:
        """Take a mission of an earlier run, unless it is here. One that was under way is paused, and that is told.

        Nobody knows what became of the rig meanwhile: it neither goes on by itself nor jumps over the time in between.
        """
        if mission.id in self._missions:
            return
        self._add(mission.interrupted())
        self._missions = dict(sorted(self._missions.items(), key=lambda item: item[1].created_s))
        if mission.status == "active":
            self._on_transition(Transition("updated", self.get(mission.id)))

    def start(self, mission_id: str, monotonic_s: float, now_s: float) -> None:
        self._command("started", mission_id, monotonic_s, now_s, lambda m: m.started(monotonic_s, now_s))

    def pause(self, mission_id: str, monotonic_s: float, now_s: float) -> None:
        self._command("updated", mission_id, monotonic_s, now_s, lambda m: m.paused(monotonic_s))

    def resume(self, mission_id: str, monotonic_s: float, now_s: float) -> None:
        self._command("updated", mission_id, monotonic_s, now_s, lambda m: m.resumed(monotonic_s))

    def stop(self, mission_id: str, monotonic_s: float, now_s: float) -> None:
        self._command("completed", mission_id, monotonic_s, now_s, lambda m: m.stopped(monotonic_s, now_s))

    def set_speed(self, mission_id: str, speed: float, monotonic_s: float, now_s: float) -> None:
        """Raises ``ValueError`` for a speed out of bounds."""
        self._command("updated", mission_id, monotonic_s, now_s, lambda m: m.at_speed(speed, monotonic_s))

    def due_at(self) -> float | None:
        """Monotonic time [s] at which :meth:`advance` has something to do; ``None``: not before the next command."""
        return None if self.active is None else self.active.due_at()

    def advance(self, monotonic_s: float, now_s: float) -> None:
        """Let time pass up to now."""
        if self.active is None:
            return
        mission, steps = self.active.advanced(monotonic_s, now_s)
        self._missions[mission.id] = mission
        self.revision += 1
        for step in steps:
            self._on_transition(Transition("updated", mission, step))
        if mission.status == "completed":
            self._on_transition(Transition("completed", mission))

    def _command(
        self,
        kind: Literal["started", "updated", "completed"],
        mission_id: str,
        monotonic_s: float,
        now_s: float,
        change: Callable[[Mission], Mission],
    ) -> None:
        self.advance(monotonic_s, now_s)
        mission = change(self.get(mission_id))
        if mission.status == "active" and self.active is not None and self.active.id != mission.id:
            raise StateError(f"cannot run mission {mission.id}: mission {self.active.id} is active")
        self._missions[mission.id] = mission
        self.revision += 1
        self._on_transition(Transition(kind, mission))
        self.advance(monotonic_s, now_s)

    def _keep(self, mission: Mission) -> Mission:
        self._add(mission)
        self._on_transition(Transition("created", mission))
        return mission

    def _add(self, mission: Mission) -> None:
        if len(self._missions) >= MAX_MISSIONS:
            del self._missions[self._least_wanted().id]
        self._missions[mission.id] = mission
        self.revision += 1

    def _least_wanted(self) -> Mission:
        """The oldest that has ended, or else the oldest draft: no more than one mission is under way."""
        order = {"completed": 0, "failed": 0, "draft": 1}
        return min(self._missions.values(), key=lambda mission: order.get(mission.status, 2))
