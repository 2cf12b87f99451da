"""The ASGI application: ``uvicorn plainview_ros.bridge.app:app --port 4000``.

Started so, give uvicorn also ``--timeout-graceful-shutdown 2``: it would wait without end for a client that has stopped
reading. The bridge node does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from time import monotonic

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import Scope

from plainview_ros import __version__
from plainview_ros.bridge import problems, restore
from plainview_ros.bridge.answers import Answers
from plainview_ros.bridge.audit import Audit
from plainview_ros.bridge.context import Background, Bridge
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.gateway import Gateway, RosSide
from plainview_ros.bridge.graph_watch import GraphWatch
from plainview_ros.bridge.history_alert import HistoryAlert
from plainview_ros.bridge.incident_desk import IncidentDesk
from plainview_ros.bridge.keeping import Keeping, kept
from plainview_ros.bridge.mission_player import MissionPlayer
from plainview_ros.bridge.openapi import describe
from plainview_ros.bridge.projections import HISTORIES, PROJECTIONS
from plainview_ros.bridge.queries import EmptyParameters
from plainview_ros.bridge.recorder import Recorder
from plainview_ros.bridge.routes import cameras, core, events, flow, incidents, missions, pipeline, ros2, valves
from plainview_ros.bridge.schemas.events import TelemetryTick
from plainview_ros.bridge.settings import Settings
from plainview_ros.bridge.state import State
from plainview_ros.bridge.store.rows import Row
from plainview_ros.bridge.streams import DirectSend, Seats, closed_at_signal
from plainview_ros.bridge.telemetry import Telemetry
from plainview_ros.bridge.topic_commands import TopicCommands
from plainview_ros.bridge.video import Video

ROUTERS = (
    core.router,
    events.router,
    valves.router,
    pipeline.router,
    flow.router,
    cameras.router,
    incidents.router,
    missions.router,
    ros2.router,
)

logger = logging.getLogger(__name__)

MAX_EXPORTS = 10
"""All of them take turns at one thread of the database."""

DESCRIPTION = """Watch and operate an oil and gas rig: what its ROS 2 nodes say, as REST and Server-Sent Events.

Every error is a problem document (RFC 9457) that also has `ok: false` and `error: "<code>"`. Times are ISO 8601 in UTC;
where a value is `null` it is not known, and where `stale` is true it is old: never take it for the present.
"""


async def tick(bridge: Bridge) -> None:
    """Tell every listener that the connection and the bridge are alive."""
    while True:
        await asyncio.sleep(bridge.settings.tick_s)
        bridge.log.publish(TelemetryTick.now())


async def restore_late(bridge: Bridge) -> None:
    await restore.restore_late(bridge)


async def watch_history(bridge: Bridge) -> None:
    if bridge.keeping.store is not None:
        await HistoryAlert(bridge.log, bridge.keeping.ledger, bridge.state.alerts).watch(bridge.keeping.store)


async def play_missions(bridge: Bridge) -> None:
    await bridge.missions.run()


async def watch_graph(bridge: Bridge) -> None:
    await bridge.graph.run()


BACKGROUND: tuple[Background, ...] = (tick, restore_late, watch_history, play_missions, watch_graph)
"""What goes on as long as the bridge runs."""


def new_log(settings: Settings) -> EventLog:
    return EventLog(settings.ring_entries, settings.ring_bytes, settings.telemetry_entries, settings.telemetry_bytes)


def assemble(gateway: Gateway, log: EventLog, keeping: Keeping) -> Bridge:
    """The parts of a bridge, around a started ROS side and a log."""
    settings = gateway.settings
    recorder = Recorder(keeping.ledger)
    desk, watch = IncidentDesk(gateway.rig, log, recorder), GraphWatch(gateway, log)
    return Bridge(
        rig=gateway.rig,
        settings=settings,
        gateway=gateway,
        log=log,
        state=State(settings, announce_since_s=keeping.since_s - settings.announce_max_age_s),
        incidents=desk,
        missions=MissionPlayer(gateway, log, recorder),
        graph=watch,
        telemetry=Telemetry(gateway, log),
        topic_commands=TopicCommands(gateway, settings.command_topics),
        video=Video(gateway),
        keeping=keeping,
        recorder=recorder,
        event_seats=Seats("event streams", settings.max_event_streams, settings.send_timeout_s),
        camera_seats=Seats("camera streams", settings.max_camera_viewers, settings.send_timeout_s),
        export_seats=Seats("exports", MAX_EXPORTS, settings.send_timeout_s),
        started_s=monotonic(),
        listeners=(desk.take, watch.take),
    )


def create_app(ros_side: RosSide | None = None, environment: Environment | None = None) -> FastAPI:
    """The application. Its lifespan starts the ROS side, and stops it after all streams have ended.

    Args:
        ros_side: starts and stops ROS; default: a node of its own, set by the installed ``config/plainview.yaml``.
        environment: where things are kept; default: as the environment variables say.
    """
    environment = environment or Environment.of()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            gateway = stack.enter_context((ros_side or _own_ros_side())())
            log = new_log(gateway.settings)
            keeping = await stack.enter_async_context(kept(log, environment, gateway.settings, gateway.rig.name))
            bridge = assemble(gateway, log, keeping)
            await restore.restore(bridge)
            app.state.bridge = bridge
            answers.open(bridge)
            gateway.connect(asyncio.get_running_loop(), bridge.take, bridge.tell_loss)
            tasks = [asyncio.create_task(_watched(work, bridge)) for work in BACKGROUND]
            try:
                with closed_at_signal(bridge.close_streams):
                    yield
            finally:
                bridge.close_streams()
                bridge.incidents.record_all()
                bridge.missions.record_active()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    app = FastAPIOffline(title="Plainview API", version=__version__, description=DESCRIPTION, lifespan=lifespan)
    app.add_middleware(EmptyParameters)
    problems.install(app)
    app.state.answers = answers = Answers(app, PROJECTIONS, HISTORIES)
    app.add_middleware(DirectSend)
    app.add_middleware(Audit, _record)
    app.add_middleware(answers.before)  # the outermost: what is answered from memory goes through nothing else
    describe(app, problems.declare, events.declare, answers.declare)
    for router in ROUTERS:
        app.include_router(router, responses=problems.answers())
    return app


async def _watched(work: Background, bridge: Bridge) -> None:
    """Work that ends by a defect must not end in silence: it is in the log and in /health."""
    try:
        await work(bridge)
    except Exception:
        logger.exception("defect: background work %s has ended", work.__name__)
        bridge.ended.append(work.__name__)


def _record(scope: Scope, row: Row) -> None:
    bridge: Bridge = scope["app"].state.bridge
    bridge.keeping.ledger.add(row)


def _own_ros_side() -> RosSide:
    from plainview_ros.bridge.start import own_ros_side  # rclpy is slow to import and not there on every machine

    return own_ros_side


@cache
def _asgi() -> FastAPI:
    return create_app()


def __getattr__(name: str) -> FastAPI:
    """``app`` is made when a server asks for it; who imports the rest of this module has one of its own."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _asgi()
