"""Lets time pass for missions, and tells what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.gateway import Gateway
from plainview_ros.bridge.recorder import Recorder
from plainview_ros.bridge.schemas.events import MissionCompleted, MissionStarted, MissionUpdated
from plainview_ros.bridge.within import within
from plainview_ros.missions.executor import Executor, Transition

T = TypeVar("T")

EVENTS = {"started": MissionStarted, "updated": MissionUpdated, "completed": MissionCompleted}
"""What a transition of a mission is told as; that it was created is not."""

MANY_STEPS = 100
RECORD_EVERY_S = 1.0
"""A mission of many steps is recorded with all of them: not more often than this while it only moves on. Of the steps
it reached in the last second, a bridge that was killed tells again."""


class MissionPlayer:
    """Hosts the missions in the bridge. All methods belong to the asyncio side."""

    def __init__(self, gateway: Gateway, log: EventLog, recorder: Recorder) -> None:
        self._gateway = gateway
        self._log = log
        self._recorder = recorder
        self._recorded_s = 0.0
        self._soon: asyncio.TimerHandle | None = None
        """When the active one is recorded, of which a step was not."""
        self._commanded = asyncio.Event()
        self.executor = Executor(self._take)

    async def run(self) -> None:
        """Play for ever: sleep until the next step is due or a command came."""
        while True:
            due_s = self.executor.due_at()
            timeout_s = None if due_s is None else max(0.0, due_s - monotonic())
            try:
                await within(timeout_s, self._commanded.wait())
            except asyncio.TimeoutError:
                self.executor.advance(monotonic(), self._gateway.now_s())
            self._commanded.clear()

    def command(self, act: Callable[[Executor, float, float], T]) -> T:
        """Do something with the executor, which gets the monotonic clock and the node's clock [s]."""
        try:
            return act(self.executor, monotonic(), self._gateway.now_s())
        finally:
            self._commanded.set()

    def record_active(self) -> None:
        """Have kept how far the mission is that is under way; there is nothing else that was not."""
        self._soon = None
        if self.executor.active is not None:
            self._recorded_s = monotonic()
            self._recorder.mission(self.executor.active, self._recorded_s)

    def _take(self, transition: Transition) -> None:
        if transition.kind in EVENTS:
            self._announce(transition)
        mission, monotonic_s = transition.mission, monotonic()
        is_step = transition.step is not None and mission.status == "active"
        if not is_step or len(mission.steps) <= MANY_STEPS or monotonic_s >= self._recorded_s + RECORD_EVERY_S:
            self._recorded_s = monotonic_s
            self._recorder.mission(mission, monotonic_s)
        elif self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(RECORD_EVERY_S, self.record_active)

    def _announce(self, transition: Transition) -> None:
        mission, step = transition.mission, transition.step
        now_s = self._gateway.now_s()
        more: dict[str, Any] = {}
        if mission.started_s is not None:
            more["duration"] = round(max(0.0, (mission.ended_s or now_s) - mission.started_s), 3)
        if step is not None:
            more["step"] = {**step.content, "at": step.at_s, "title": step.title}
        event = EVENTS[transition.kind](
            mission_id=mission.id,
            at=now_s,
            mission_name=mission.title,
            mission_type=mission.type,
            status=mission.status,
            **more,
        )
        self._log.publish(event)
