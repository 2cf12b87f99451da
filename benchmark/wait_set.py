"""The least that rclpy can do for one subscription: a wait set that is kept, and drained by hand.

An executor builds its wait set anew at every wake, and takes one message at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node


class Drain:
    """Takes what has come for one subscription; see :func:`draining`."""

    def __init__(self, wait_set: Any, handle: Any, message_type: Any) -> None:
        self._wait_set = wait_set
        self._handle = handle
        self._type = message_type

    def take(self, timeout_s: float) -> list[Any]:
        """All messages that are there, after waiting for the first at most so long."""
        self._wait_set.clear_entities()
        self._wait_set.add_subscription(self._handle)
        self._wait_set.wait(int(timeout_s * 1e9))
        messages = []
        while (taken := self._handle.take_message(self._type, False)) is not None:
            messages.append(taken[0])
        return messages


@contextmanager
def draining(node: Node, message_type: Any, topic: str, qos: Any) -> Iterator[Drain]:
    """Subscribe, and take the messages by hand."""
    subscription = node.create_subscription(message_type, topic, lambda _: None, qos)
    with subscription.handle, node.context.handle:
        yield Drain(
            rclpy_implementation.WaitSet(1, 0, 0, 0, 0, 0, node.context.handle), subscription.handle, message_type
        )
