"""Topics chosen while running, on a real graph."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import rclpy
from rclpy.node import Node
from std_msgs.msg import String

from plainview_ros.ros import qos
from plainview_ros.ros.dynamic_topics import DynamicTopics
from plainview_ros.ros.graph import graph_nodes
from ros_graph import Graph, Waiter


def unguarded(_subject: str, callback: Callable[[], object]) -> Callable[[], object]:
    return callback


class Heard(Waiter):
    """Samples handed over, as (sender, message)."""

    def __init__(self) -> None:
        super().__init__()
        self.samples: list[tuple[str, Any]] = []

    def put(self, sender: str, message: Any) -> None:
        with self._changed:
            self.samples.append((sender, message))
            self._changed.notify_all()

    def wait_for(self, *expected: tuple[str, Any]) -> None:
        self._wait(
            lambda: set(map(str, expected)) <= set(map(str, self.samples)), str(expected), lambda: str(self.samples)
        )


@pytest.fixture
def topics(graph: Graph) -> Iterator[DynamicTopics]:
    dynamic = DynamicTopics(graph.node, rate_hz=50.0, guard=unguarded)
    yield dynamic
    dynamic.close()


@pytest.fixture
def talkers(graph: Graph) -> Iterator[tuple[Node, Node]]:
    nodes = tuple(rclpy.create_node("talker", namespace=namespace, context=graph.context) for namespace in ("/a", "/b"))
    yield nodes
    for node in nodes:
        node.destroy_node()


def latched(*nodes: Node) -> list[Any]:
    """A publisher of /said on each node. They are of this process, so the test's node knows them at once."""
    return [node.create_publisher(String, "/said", qos.STATE) for node in nodes]


def test_late_listener_hears_what_is_latched_and_from_whom(
    graph: Graph, topics: DynamicTopics, talkers: tuple[Node, Node]
) -> None:
    if os.environ.get("ROS_DISTRO") in ("humble", "jazzy"):
        pytest.skip("rclpy does not say who sent a message")
    for word, publisher in zip("xy", latched(*talkers), strict=True):
        publisher.publish(String(data=word))
    heard = Heard()
    topics.listen("/said", heard.put)
    heard.wait_for(("/a/talker", {"data": "x"}), ("/b/talker", {"data": "y"}))


def test_topic_is_heard_again_after_the_node_was_down(
    graph: Graph, topics: DynamicTopics, talkers: tuple[Node, Node]
) -> None:
    (publisher,) = latched(talkers[0])
    publisher.publish(String(data="x"))
    heard = Heard()
    topics.listen("/said", heard.put)
    heard.wait_for(("/a/talker", {"data": "x"}))
    topics.close()
    heard.samples.clear()
    topics.open()
    heard.wait_for(("/a/talker", {"data": "x"}))


def test_topic_nobody_publishes_is_refused(topics: DynamicTopics) -> None:
    with pytest.raises(ValueError, match="/said: nobody publishes it"):
        topics.listen("/said", print)


@pytest.mark.parametrize(
    ("types", "complaint"),
    [
        (
            ["std_msgs/msg/String", "std_msgs/msg/Int32"],
            "has more than one type, std_msgs/msg/Int32 and ",
        ),
        (["nowhere_msgs/msg/String"], "the message type 'nowhere_msgs/msg/String' is not installed here"),
    ],
)
def test_topic_of_doubtful_type_is_refused(types: list[str], complaint: str) -> None:
    infos = [SimpleNamespace(topic_type=type_) for type_ in types]
    node = SimpleNamespace(get_publishers_info_by_topic=lambda _: infos)
    with pytest.raises(ValueError, match=complaint):
        DynamicTopics(node, 1.0, unguarded).listen("/said", print)


def test_topic_the_middleware_refuses_is_refused() -> None:
    def create(*_arguments: Any) -> None:
        raise RuntimeError("existing topic name with incompatible type")

    profile = SimpleNamespace(reliability=qos.STATE.reliability, durability=qos.STATE.durability)
    info = SimpleNamespace(topic_type="std_msgs/msg/String", qos_profile=profile)
    node = SimpleNamespace(get_publishers_info_by_topic=lambda _: [info], create_subscription=create)
    with pytest.raises(ValueError, match="/said: existing topic name with incompatible type"):
        DynamicTopics(node, 1.0, unguarded).listen("/said", print)


def test_nothing_is_published_where_nobody_subscribes(topics: DynamicTopics) -> None:
    with pytest.raises(ValueError, match="/wish: nobody subscribes it"):
        topics.publish("/wish", {"data": "x"})


def test_graph_shows_nodes_with_their_topics_and_hides_tools(graph: Graph, talkers: tuple[Node, Node]) -> None:
    hidden = rclpy.create_node("_ros2cli_1", context=graph.context)
    latched(*talkers)
    nodes = {node.id: node for node in graph_nodes(graph.node)}
    hidden.destroy_node()
    assert set(nodes) == {"/a/talker", "/b/talker", "/test_driver"}
    assert "/said" in nodes["/a/talker"].publishes
    assert "/said" not in nodes["/test_driver"].publishes
