"""What stands for the ROS side in tests is asked the same way as the real one."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from bridge_fakes import FakeGateway, FakeNode
from plainview_ros.bridge.gateway import Gateway, RosNode
from plainview_ros.bridge.node import BridgeNode


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


def test_importing_the_bridge_makes_no_application() -> None:
    from plainview_ros.bridge import app

    assert "app" not in vars(app)
    assert app.app is app.app
    with pytest.raises(AttributeError, match="no attribute 'apps'"):
        _ = app.apps
