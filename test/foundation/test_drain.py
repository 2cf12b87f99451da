"""Messages taken as many as there are: by the executor's callback, and on a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_msgs.msg import String

from plainview_ros.ros import qos
from plainview_ros.ros.drain import MAX_PER_TURN, TURN_NS, Drain
from plainview_ros.ros.node import ModuleNode
from plainview_ros.ros.process import Spinner
from ros_graph import DEADLINE_S, Graph, Inbox, Publisher
from web import eventually

MANY = 2 * MAX_PER_TURN + 50


class Listener(ModuleNode):
    """Hears one topic in the executor and two on a thread of their own."""

    def __init__(self, **options: Any) -> None:
        super().__init__("listener", **options)
        self.heard = {topic: Inbox(topic) for topic in ("executor", "flood", "trickle")}
        self.threads: set[str] = set()
        self.order: list[str] = []
        self.took: list[float] = []
        self.held = threading.Event()
        self.held.set()
        self.drain = Drain(self.context, self._guarded, lambda topic: self.took.append)

    def build(self) -> None:
        self.subscribe(String, "executor", self._hear_in("executor"), qos.EVENT)
        self.subscribe(String, "flood", self._hear_in("flood"), qos.EVENT, self.drain)
        self.subscribe(String, "trickle", self._hear_in("trickle"), qos.EVENT, self.drain)
        self.on_cleanup_do(self.drain.close)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = super().on_activate(state)
        self.drain.start()
        return result

    def stand_down(self) -> None:
        self.drain.stop()

    def _hear_in(self, topic: str) -> Any:
        def hear(message: String) -> None:
            self.threads.add(threading.current_thread().name)
            assert self.held.wait(DEADLINE_S)
            if message.data == "bad":
                raise ValueError("bad is not good")
            if message.data == "defect":
                raise RuntimeError("a bug")
            self.order.append(topic)
            self.heard[topic].put(message.data)

        return hear


@pytest.fixture
def node(graph: Graph) -> Iterator[Listener]:
    spinner = Spinner(listener := Listener(context=graph.context))
    assert spinner.start()
    yield listener
    spinner.stop()
    assert "drain" not in [thread.name for thread in threading.enumerate()]


@pytest.fixture
def publishers(graph: Graph, node: Listener) -> dict[str, Publisher]:
    return {topic: graph.publisher(String, topic, qos.EVENT) for topic in node.heard}


def say(publisher: Publisher, *texts: str) -> None:
    for text in texts:
        publisher.publish(String(data=text))


@pytest.mark.parametrize(("topic", "thread"), [("executor", "listener executor"), ("flood", "drain")])
def test_every_message_is_heard_once_in_order_whatever_fails_between(
    node: Listener, publishers: dict[str, Publisher], topic: str, thread: str
) -> None:
    node.held.clear()  # so that all the others wait behind the first
    texts = [str(n) for n in range(MANY)]
    say(publishers[topic], *texts[:100], "bad", *texts[100:200], "defect", *texts[200:], "last")
    node.held.set()
    node.heard[topic].wait_for(lambda text: text == "last")
    assert node.heard[topic].messages == [*texts, "last"]
    assert node.threads == {thread}
    assert (node._refusals.count, node._defects) == (1, 1)


def test_a_flooded_topic_leaves_the_others_their_turn(node: Listener, publishers: dict[str, Publisher]) -> None:
    node.held.clear()
    say(publishers["flood"], *map(str, range(MANY)))
    say(publishers["trickle"], "here I am")
    node.held.set()
    node.heard["flood"].wait_for_count(MANY)
    node.heard["trickle"].wait_for()
    assert node.order.index("trickle") < MANY
    assert len(node.took) == MANY + 1
    assert min(node.took) > 0


def test_what_comes_while_it_is_inactive_waits(node: Listener, publishers: dict[str, Publisher]) -> None:
    say(publishers["flood"], "before")
    node.heard["flood"].wait_for(lambda text: text == "before")
    node.trigger_deactivate()
    say(publishers["flood"], "meanwhile")
    say(publishers["executor"], "meanwhile")
    assert node.drain.silent_s() == 0.0
    node.trigger_activate()
    node.heard["flood"].wait_for(lambda text: text == "meanwhile")
    assert node.heard["flood"].messages == ["before", "meanwhile"]


def test_it_can_be_cleaned_up_and_configured_again(node: Listener, publishers: dict[str, Publisher]) -> None:
    for _ in range(2):
        node.trigger_deactivate()
        node.trigger_cleanup()
        node.trigger_configure()
        node.trigger_activate()
    say(publishers["flood"], "again")
    node.heard["flood"].wait_for(lambda text: text == "again")
    assert [thread.name for thread in threading.enumerate()].count("drain") == 1


def test_its_silence_is_told_while_a_callback_hangs(node: Listener, publishers: dict[str, Publisher]) -> None:
    node.held.clear()
    say(publishers["flood"], "hang")
    eventually(node.drain.silent_s, lambda silent_s: silent_s > 1.4e-9 * TURN_NS, "longer than a turn lasts")
    node.held.set()
    node.heard["flood"].wait_for(lambda text: text == "hang")
