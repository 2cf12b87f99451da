"""One mission: steps on a time line, played at a speed that may change and may stop for a while.

    DRAFT ──start──▶ ACTIVE ──last step, stop──▶ COMPLETED
                      │  ▲
                 pause│  │resume
                      ▼  │
                     PAUSED ──stop──▶ COMPLETED

A step is an announcement, in ``scenario`` and ``replay`` alike: what is meant to happen or did happen at that time. No
step moves anything on the rig. FAILED is for steps that act; there are none of these yet, so nothing fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

MissionType = Literal["replay", "scenario"]
Status = Literal["draft", "active", "paused", "completed", "failed"]

MIN_SPEED, MAX_SPEED = 0.1, 10.0


class StateError(ValueError):
    """A command that the mission's status does not allow; the message names both."""


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a timeline."""

    at_s: float
    """Time on the timeline [s], 0 at its start."""
    title: str
    content: Mapping[str, Any] = field(default_factory=dict)
    """The entry as it was given."""


@dataclass(frozen=True, slots=True)
class Mission:
    """A mission as it is now; a command makes a new value.

    ``..._s`` of the life cycle are seconds since the epoch and for reports only: the position on the timeline comes
    from a monotonic clock, whose present value every command is given.
    """

    id: str
    title: str
    type: MissionType
    steps: tuple[Step, ...]
    created_s: float
    status: Status = "draft"
    started_s: float | None = None
    ended_s: float | None = None
    speed: float = 1.0
    """Seconds of the timeline per second."""
    reached: int = 0
    """How many steps were announced."""
    position_s: float = 0.0
    """Position on the timeline at ``since``."""
    since: float = 0.0
    """Monotonic time [s] of the last start, resume, pause or change of speed."""

    @property
    def length_s(self) -> float:
        """Position of the last step."""
        return self.steps[-1].at_s if self.steps else 0.0

    def position_at(self, monotonic_s: float) -> float:
        """Position on the timeline [s]; it stands still unless the mission is active, and never runs backwards."""
        if self.status != "active":
            return self.position_s
        return min(self.length_s, self.position_s + max(0.0, monotonic_s - self.since) * self.speed)

    def progress_at(self, monotonic_s: float) -> float:
        """Share of the timeline [%] that lies behind."""
        if self.length_s > 0:
            return 100.0 * (self.position_at(monotonic_s) / self.length_s)
        return 100.0 if self.status == "completed" else 0.0

    def due_at(self) -> float | None:
        """Monotonic time [s] of the next step; ``None`` while time does not run for the mission."""
        if self.status != "active":
            return None
        next_s = self.steps[self.reached].at_s if self.reached < len(self.steps) else self.length_s
        return self.since + max(0.0, next_s - self.position_s) / self.speed

    def started(self, monotonic_s: float, now_s: float) -> Mission:
        self._must_be("start", "draft")
        return replace(self, status="active", started_s=now_s, since=monotonic_s)

    def paused(self, monotonic_s: float) -> Mission:
        self._must_be("pause", "active")
        return replace(self._at(monotonic_s), status="paused")

    def interrupted(self) -> Mission:
        """What becomes of it when the process ends: a mission under way is paused where it was last known to be."""
        return replace(self, status="paused") if self.status == "active" else self

    def resumed(self, monotonic_s: float) -> Mission:
        self._must_be("resume", "paused")
        return replace(self, status="active", since=monotonic_s)

    def stopped(self, monotonic_s: float, now_s: float) -> Mission:
        """Ended before its time; the steps that were not reached stay so."""
        self._must_be("stop", "active", "paused")
        return replace(self._at(monotonic_s), status="completed", ended_s=now_s)

    def at_speed(self, speed: float, monotonic_s: float) -> Mission:
        """With another speed from now on.

        Raises:
            ValueError: when the speed is not in 0.1..10.
        """
        self._must_be("change the speed of", "draft", "active", "paused")
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise ValueError(f"speed must be between {MIN_SPEED:g} and {MAX_SPEED:g}, got {speed:g}")
        return replace(self._at(monotonic_s), speed=speed)

    def branched(self, new_id: str, now_s: float, title: str | None = None) -> Mission:
        """A new scenario with the same steps, not yet started."""
        return Mission(
            id=new_id,
            title=title or f"{self.title} (scenario)",
            type="scenario",
            steps=self.steps,
            created_s=now_s,
            speed=self.speed,
        )

    def advanced(self, monotonic_s: float, now_s: float) -> tuple[Mission, tuple[Step, ...]]:
        """The mission at a time, and the steps reached since the last call; with the last step it is completed."""
        mission = self
        while (due_s := mission.due_at()) is not None and due_s <= monotonic_s:
            mission = replace(mission, reached=min(mission.reached + 1, len(mission.steps)))
            if mission.reached == len(mission.steps):
                mission = replace(mission, position_s=mission.length_s, status="completed", ended_s=now_s)
        return mission, self.steps[self.reached : mission.reached]

    def _at(self, monotonic_s: float) -> Mission:
        return replace(self, position_s=self.position_at(monotonic_s), since=monotonic_s)

    def _must_be(self, command: str, *allowed: Status) -> None:
        if self.status not in allowed:
            raise StateError(f"cannot {command} mission {self.id}: it is {self.status}, not {' or '.join(allowed)}")
