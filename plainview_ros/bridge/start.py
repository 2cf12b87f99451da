"""The bridge as a process: its node on a thread of its own, the web server on the main one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.gateway import Gateway
from plainview_ros.bridge.node import BridgeNode
from plainview_ros.bridge.settings import listening_port
from plainview_ros.ros.process import Spinner, ros_arguments, ros_process
from plainview_ros.ros.settings import SettingsError
from plainview_ros.share import share_file


class NotStartedError(RuntimeError):
    """The ROS side cannot start; the node's log says why."""


@contextmanager
def spinning(node: BridgeNode) -> Iterator[Gateway]:
    """Spin a node; ROS must be up."""
    spinner = Spinner(node)
    try:
        if not spinner.start():
            raise NotStartedError("the bridge's node could not start, see the messages above")
        if not node.setting("autostart"):
            raise NotStartedError("autostart must be set: a web server cannot wait for a lifecycle manager")
        yield node
    finally:
        spinner.stop()


@contextmanager
def own_ros_side() -> Iterator[Gateway]:
    """ROS and a node of its own, with the settings of the installed ``config/plainview.yaml``."""
    with ros_process(ros_arguments(params=share_file("config/plainview.yaml"))), spinning(BridgeNode()) as gateway:
        yield gateway


def serve_node() -> int:
    """Serve a bridge until SIGINT or SIGTERM, in a process where ROS is up; exit code.

    Raises:
        SettingsError: when a parameter cannot be used.
        NotStartedError: when something else is in the way.
    """
    node = BridgeNode()
    try:
        port, environment = listening_port(node.settings.port), Environment.of()
    except ValueError as error:
        raise NotStartedError(str(error)) from error
    with spinning(node) as gateway:
        # Read in only now: meanwhile the node finds the others and hears their states.
        from plainview_ros.bridge.app import create_app
        from plainview_ros.bridge.server import serve

        return serve(create_app(lambda: nullcontext(gateway), environment), node.settings.host, port)


def serve_process() -> int:
    """A process with the bridge alone, under ROS parameters; exit code."""
    try:
        with ros_process():
            return serve_node()
    except (SettingsError, NotStartedError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the server took over the signals
        return 0
