"""Asking other nodes, on a real graph: what becomes of a goal whose server is not to be relied on."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from action_msgs.msg import GoalStatusArray
from action_msgs.srv import CancelGoal
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.task import Future

from plainview_ros.action import ActuateValve
from plainview_ros.ros import qos
from plainview_ros.ros.clients import GoalClient
from plainview_ros.ros.conversions import from_uuid_msg
from plainview_ros.ros.node import ModuleNode
from plainview_ros.ros.process import Spinner
from ros_graph import DEADLINE_S, Graph
from web import eventually


class Asker(ModuleNode):
    """Has one client."""

    def __init__(self, **options: Any) -> None:
        super().__init__("asker", **options)

    def build(self) -> None:
        self.client = GoalClient(self, ActuateValve, "act")
        self.withdraw = self.from_threads(self.client.withdraw)
        self.send = self.from_threads(lambda goal_id: self.client.send(ActuateValve.Goal(), goal_id, print))

    def is_served(self) -> bool:
        return bool(self.client._client.server_is_ready())


class SilentServer:
    """Takes goals and cancellations; its acceptance of a goal is lost on the way."""

    def __init__(self, graph: Graph) -> None:
        self.begun = threading.Event()
        self.canceled: list[uuid.UUID] = []
        self.told = threading.Event()
        impl = ActuateValve.Impl
        graph.node.create_publisher(impl.FeedbackMessage, "act/_action/feedback", qos.COMMAND)
        graph.node.create_publisher(GoalStatusArray, "act/_action/status", qos.STATE)
        graph.node.create_service(CancelGoal, "act/_action/cancel_goal", self._cancel)
        group = MutuallyExclusiveCallbackGroup()  # taken as long as there is no response
        graph.node.create_service(impl.SendGoalService, "act/_action/send_goal", self._accept, callback_group=group)
        graph.node.create_service(impl.GetResultService, "act/_action/get_result", self._accept, callback_group=group)

    async def _accept(self, _request: Any, response: Any) -> Any:
        self.begun.set()
        await Future()
        return response

    def _cancel(self, request: CancelGoal.Request, response: CancelGoal.Response) -> CancelGoal.Response:
        self.canceled.append(from_uuid_msg(request.goal_info.goal_id))
        self.told.set()
        return response


@pytest.fixture
def asker(graph: Graph) -> Iterator[Asker]:
    spinner = Spinner(node := Asker(context=graph.context))
    assert spinner.start()
    yield node
    spinner.stop()


def test_goal_whose_acceptance_was_lost_is_cancelled_when_it_is_withdrawn(graph: Graph, asker: Asker) -> None:
    server = SilentServer(graph)
    eventually(asker.is_served, bool, "served")
    goal_id = uuid.uuid4()
    asker.send(goal_id)
    assert server.begun.wait(DEADLINE_S)
    asker.withdraw(goal_id)
    assert server.told.wait(DEADLINE_S), "it would go on though its client was told that it does not"
    assert server.canceled == [goal_id]
