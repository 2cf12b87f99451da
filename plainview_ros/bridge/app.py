"""The ASGI application: ``uvicorn plainview_ros.bridge.app:app --port 4000``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from plainview_ros import __version__
from plainview_ros.bridge import problems
from plainview_ros.bridge.context import Background, Bridge
from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.gateway import Gateway, RosSide
from plainview_ros.bridge.routes import core
from plainview_ros.bridge.state import State
from plainview_ros.bridge.streams import closed_at_signal

ROUTERS = (core.router,)

BACKGROUND: tuple[Background, ...] = ()
"""What goes on as long as the bridge runs."""


def assemble(gateway: Gateway) -> Bridge:
    """The parts of a bridge, around a started ROS side."""
    rig, settings = gateway.rig, gateway.settings
    return Bridge(
        rig=rig,
        settings=settings,
        gateway=gateway,
        log=EventLog(settings.ring_entries, settings.ring_bytes),
        state=State(rig, settings),
    )


def create_app(ros_side: RosSide | None = None) -> FastAPI:
    """The application. Its lifespan starts the ROS side, and stops it after all streams have ended.

    Args:
        ros_side: starts and stops ROS; default: a node of its own, set by the installed ``config/plainview.yaml``.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with (ros_side or _own_ros_side())() as gateway:
            bridge = assemble(gateway)
            app.state.bridge = bridge
            gateway.connect(asyncio.get_running_loop(), bridge.take)
            tasks = [asyncio.create_task(work(bridge), name=work.__name__) for work in BACKGROUND]
            try:
                with closed_at_signal(bridge.close_streams):
                    yield
            finally:
                bridge.close_streams()
                for task in tasks:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    app = FastAPI(title="Plainview API", version=__version__, lifespan=lifespan)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    return app


def _own_ros_side() -> RosSide:
    from plainview_ros.bridge.node import own_ros_side  # rclpy is slow to import and not there on every machine

    return own_ros_side


app = create_app()
