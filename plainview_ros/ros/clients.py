"""Asking other nodes without waiting for them: what becomes of a goal or a call is told, once or never.

All of it runs on the node's executor thread. An rclpy future may never complete, so who asks has a time limit of its
own.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.task import Future

from plainview_ros.ros.conversions import to_uuid_msg
from plainview_ros.ros.node import ModuleNode

Tell: TypeAlias = Callable[[str, str, Any], object]
"""Called with the name of what happened, a sentence, and the result or response (``None`` while there is none).

The name is ``absent`` (nobody serves it), ``rejected``, ``under_way`` (the first feedback of a goal), or how it ended,
as the .action or .srv file names its error code, in lower case; ``none`` is success.
"""


def error_name(message_type: Any, error_code: int) -> str:
    """Name of an error code as the .action or .srv file has it, in lower case; ``none`` is success."""
    names = (name for name in dir(message_type) if name.isupper() and not name.startswith("_"))
    return next((name.lower() for name in names if getattr(message_type, name) == error_code), f"error_{error_code}")


class GoalClient:
    """Goals of one action whose result has ``error_code`` and ``error_msg``."""

    def __init__(self, node: ModuleNode, action_type: Any, name: str) -> None:
        self._name = name
        self._client = ActionClient(node, action_type, name)
        self._wanted: dict[uuid.UUID, ClientGoalHandle | None] = {}
        """Goals that have not ended; with a handle once accepted."""
        node.on_cleanup_do(self._client.destroy)

    def send(self, goal: Any, goal_id: uuid.UUID, tell: Tell) -> None:
        """Send a goal."""

        def on_accepted(future: Future) -> None:
            handle = future.result()
            if not handle.accepted:
                self._wanted.pop(goal_id, None)
                tell("rejected", f"the server of {self._name} rejected the goal", None)
            elif goal_id in self._wanted:
                self._wanted[goal_id] = handle
                handle.get_result_async().add_done_callback(on_result)
            else:
                handle.cancel_goal_async()

        def on_result(future: Future) -> None:
            self._wanted.pop(goal_id, None)
            result = future.result().result
            tell(error_name(type(result), result.error_code), result.error_msg, result)

        if not self._client.server_is_ready():
            tell("absent", f"nobody serves {self._name}", None)
            return
        self._wanted[goal_id] = None
        sent = self._client.send_goal_async(
            goal, feedback_callback=lambda _: tell("under_way", "", None), goal_uuid=to_uuid_msg(goal_id)
        )
        sent.add_done_callback(on_accepted)

    def withdraw(self, goal_id: uuid.UUID) -> None:
        """Cancel a goal, now and, if it is accepted later, then again; nothing when it has ended.

        A goal that seems not accepted may be under way: a server gives up a response after 100 ms when it has not yet
        discovered the client (ros2/rmw_fastrtps#842).
        """
        if goal_id in self._wanted:
            handle = self._wanted.pop(goal_id) or ClientGoalHandle(self._client, to_uuid_msg(goal_id), None)
            handle.cancel_goal_async()


class CallClient:
    """Calls of one service whose response has ``error_code`` and ``error_msg``."""

    def __init__(self, node: ModuleNode, service_type: Any, name: str) -> None:
        self._name = name
        self._client = node.create_client(service_type, name)
        self._unanswered: list[tuple[Future, Callable[[], bool]]] = []
        node.on_cleanup_do(lambda: node.destroy_client(self._client))

    def call(self, request: Any, tell: Tell, is_wanted: Callable[[], bool]) -> None:
        """Call the service. The next call forgets this one if nobody wants its response any more by then."""

        def on_response(future: Future) -> None:
            response = future.result()
            tell(error_name(type(response), response.error_code), response.error_msg, response)

        self._forget_unwanted()
        if not self._client.service_is_ready():
            tell("absent", f"nobody serves {self._name}", None)
            return
        future = self._client.call_async(request)
        future.add_done_callback(on_response)
        self._unanswered.append((future, is_wanted))

    def _forget_unwanted(self) -> None:
        """rclpy keeps a request without a response for ever."""
        for future, is_wanted in self._unanswered:
            if not is_wanted():
                self._client.remove_pending_request(future)
        self._unanswered = [(future, is_wanted) for future, is_wanted in self._unanswered if is_wanted()]
