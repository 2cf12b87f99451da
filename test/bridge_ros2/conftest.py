"""The application around a drawn graph."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from drawn_web import DrawnGateway, Web

from plainview_ros.assets import Rig
from plainview_ros.bridge.app import create_app


@pytest.fixture
def web(rig: Rig) -> Iterator[Web]:
    gateway = DrawnGateway(rig)

    @contextmanager
    def ros_side() -> Iterator[DrawnGateway]:
        yield gateway

    app = create_app(ros_side)  # type: ignore[arg-type]
    loop = asyncio.new_event_loop()
    lifespan = app.router.lifespan_context(app)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bridge")
    web = Web(loop, client, gateway)
    try:
        loop.run_until_complete(lifespan.__aenter__())
        web.log = app.state.bridge.log
        yield web
    finally:
        loop.run_until_complete(client.aclose())
        loop.run_until_complete(lifespan.__aexit__(None, None, None))
        loop.close()
