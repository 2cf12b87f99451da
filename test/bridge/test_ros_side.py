"""What stands for the ROS side in tests is asked the same way as the real one."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from bridge_fakes import FakeGateway, FakeNode
from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.gateway import Gateway, RosNode
from plainview_ros.bridge.graph_watch import GraphWatch
from plainview_ros.bridge.node import BridgeNode
from plainview_ros.ros.process import Spinner
from ros_graph import Graph


def methods(protocol: type) -> list[str]:
    return [name for name, value in vars(protocol).items() if inspect.isfunction(value) and not name.startswith("_")]


@pytest.mark.parametrize(
    ("protocol", "stands_for_it"),
    [(RosNode, FakeNode), (RosNode, BridgeNode), (Gateway, FakeGateway), (Gateway, BridgeNode)],
    ids=lambda value: value.__name__,
)
def test_has_every_method_with_the_same_arguments(protocol: Any, stands_for_it: Any) -> None:
    assert len(methods(protocol)) >= 4
    for name in methods(protocol):
        assert list(inspect.signature(getattr(stands_for_it, name)).parameters) == list(
            inspect.signature(getattr(protocol, name)).parameters
        ), name


def test_command_to_a_ros_side_that_has_ended_fails_at_once_and_blames_nobody_else(graph: Graph) -> None:
    spinner = Spinner(node := BridgeNode(context=graph.context))
    assert spinner.start()
    spinner.stop()
    command = node.actuate("v-101", 0.0, "test", "")
    with pytest.raises(BridgeError, match="the bridge's own ROS side") as told:
        asyncio.run(asyncio.wait_for(command, node.settings.command_timeout_s / 2))
    assert (told.value.status, told.value.code) == (503, "ros_unavailable")


def test_graph_watch_leaves_the_loop_to_others_when_the_ros_side_has_ended(graph: Graph) -> None:
    async def scenario() -> None:
        looking = asyncio.create_task(GraphWatch(BridgeNode(context=graph.context), EventLog(10, 10_000)).run())
        await asyncio.wait({looking}, timeout=0.1)
        looking.cancel()
        assert (await asyncio.gather(looking, return_exceptions=True))[0].__class__ is asyncio.CancelledError

    asyncio.run(scenario())


def test_importing_the_bridge_makes_no_application() -> None:
    from plainview_ros.bridge import app

    assert "app" not in vars(app)
    assert app.app is app.app
    with pytest.raises(AttributeError, match="no attribute 'apps'"):
        _ = app.apps
