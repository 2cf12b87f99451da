"""One service call from the command line."""

from __future__ import annotations

from typing import Any

import rclpy

TIMEOUT_S = 5.0


class NoAnswerError(RuntimeError):
    """Nobody serves, or whoever does is silent; the message names the service."""


def call(service_type: Any, name: str, request: Any, arguments: list[str] | None = None) -> Any:
    """Response of a service, from a node that lives for this call alone.

    Args:
        arguments: command line for ROS, see :func:`plainview_ros.ros.process.ros_arguments`.

    Raises:
        NoAnswerError: when there is no response within five seconds.
    """
    rclpy.init(args=arguments)
    try:
        node = rclpy.create_node("plainview_cli")
        client = node.create_client(service_type, name)
        if not client.wait_for_service(TIMEOUT_S):
            raise NoAnswerError(f"nobody serves {node.resolve_service_name(name)}: is the node up, in this ROS domain?")
        future = client.call_async(request)
        rclpy.spin_until_future_complete(node, future, timeout_sec=TIMEOUT_S)
        if not future.done():
            raise NoAnswerError(f"{node.resolve_service_name(name)} did not answer within {TIMEOUT_S:g} s")
        return future.result()
    finally:
        rclpy.try_shutdown()
