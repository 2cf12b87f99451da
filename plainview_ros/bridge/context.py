"""What a route can get at: the parts of the running bridge."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from time import time
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Request
from starlette.requests import HTTPConnection
from starlette.types import Scope

from plainview_ros.assets import Rig
from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.gateway import Gateway, Received
from plainview_ros.bridge.graph_watch import GraphWatch
from plainview_ros.bridge.incident_desk import IncidentDesk
from plainview_ros.bridge.keeping import Keeping
from plainview_ros.bridge.mission_player import MissionPlayer
from plainview_ros.bridge.recorder import Recorder
from plainview_ros.bridge.schemas.events import StreamGap
from plainview_ros.bridge.settings import Settings
from plainview_ros.bridge.state import State
from plainview_ros.bridge.streams import Seats
from plainview_ros.bridge.telemetry import Telemetry
from plainview_ros.bridge.topic_commands import TopicCommands
from plainview_ros.bridge.video import Video

Listener: TypeAlias = Callable[[Received, bool], object]
"""Called on the asyncio side with each message once, after it went into ``State``; the flag says whether it is live: a
transition that happened before this bridge came up is history, it is remembered but not announced."""

Background: TypeAlias = Callable[["Bridge"], Coroutine[Any, Any, None]]
"""Work that goes on as long as the bridge runs; it is cancelled at the end."""


@dataclass(frozen=True)
class Bridge:
    """The parts, made by ``app.assemble`` when the ROS side has started. All belong to the asyncio side."""

    rig: Rig
    settings: Settings
    gateway: Gateway
    log: EventLog
    state: State
    incidents: IncidentDesk
    missions: MissionPlayer
    graph: GraphWatch
    telemetry: Telemetry
    topic_commands: TopicCommands
    video: Video
    keeping: Keeping
    recorder: Recorder
    event_seats: Seats
    camera_seats: Seats
    export_seats: Seats
    started_s: float
    """When the bridge came up, on the monotonic clock [s]."""
    listeners: tuple[Listener, ...] = ()
    ended: list[str] = field(default_factory=list)
    """Background work that a defect has ended."""

    def take(self, received: Received) -> None:
        """A message came from ROS: project it, announce what it means, tell who listens, have it kept."""
        applied = self.state.apply(received)
        for event in applied.announcements:
            self.log.publish(event)
        if applied.new:
            for listener in self.listeners:
                listener(received, applied.live)
        self.recorder.record(received, applied)

    def tell_loss(self, count: int) -> None:
        """Transitions were lost on the way from ROS: whoever follows the log is told, now or when he resumes."""
        self.log.publish(StreamGap(lost=count, missing_after=str(self.log.newest_id), missing_until=None, at=time()))

    def close_streams(self) -> None:
        """End every open stream; nothing else waits for its client."""
        self.log.close()
        self.video.close()


async def get_bridge(connection: HTTPConnection) -> Bridge:
    bridge: Bridge = connection.app.state.bridge
    return bridge


def caller(scope: Scope) -> str:
    """Who asks, as it is kept with a command and in the audit log."""
    client = scope.get("client")
    return f"http {client[0]}" if client else "http"


async def client_name(request: Request) -> str:
    """See :func:`caller`."""
    return caller(request.scope)


ClientDep = Annotated[str, Depends(client_name)]
BridgeDep = Annotated[Bridge, Depends(get_bridge)]
"""``async def route(bridge: BridgeDep)``."""
