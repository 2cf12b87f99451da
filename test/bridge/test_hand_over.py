"""From the topics to the asyncio side: nothing is lost in silence, who cannot be heard is named, it is all measured."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rclpy.event_handler import PublisherEventCallbacks

import bridge_messages as make
from bridge_fakes import LoopThread
from bridge_process import LiveBridge
from plainview_ros.bridge.gateway import Received
from plainview_ros.bridge.health import EXECUTOR_SILENT_S
from plainview_ros.bridge.node import BridgeNode
from plainview_ros.msg import Alert, ValveStates
from plainview_ros.ros import qos, topics
from plainview_ros.ros.process import Spinner
from ros_graph import DEADLINE_S, Graph, Inbox
from web import eventually


@pytest.fixture
def bridge(graph: Graph) -> Iterator[BridgeNode]:
    """The real node, without a web side yet."""
    spinner = Spinner(node := BridgeNode(context=graph.context))
    assert spinner.start()
    yield node
    spinner.stop()


@pytest.fixture
def asyncio_side() -> Iterator[LoopThread]:
    side = LoopThread()
    yield side
    side.close()


def connect(node: BridgeNode, asyncio_side: LoopThread) -> Inbox:
    """What reaches the asyncio side from now on."""
    received = Inbox("the asyncio side")

    async def connect() -> None:
        node.connect(asyncio.get_running_loop(), received.put)

    asyncio_side.run(connect())
    return received


def measured(node: BridgeNode) -> dict[tuple[str, str], float]:
    """Samples of the node's metrics by name and topic; of histograms the counts."""
    samples = (sample for metric in node.metrics() for sample in metric.samples)
    return {(s.name, s.labels.get("topic", "")): s.value for s in samples if not s.name.endswith("_bucket")}


def on_topic(topic: str) -> Any:
    def is_on_topic(received: Received) -> bool:
        return received.topic == topic

    return is_on_topic


def test_while_the_web_side_hangs_transitions_wait_and_of_snapshots_the_newest(
    graph: Graph, bridge: BridgeNode, asyncio_side: LoopThread
) -> None:
    alerts = graph.publisher(Alert, topics.ALERTS, qos.EVENT)
    valves = graph.publisher(ValveStates, topics.VALVES_STATE, qos.STATE)
    texts = [f"alert {n}" for n in range(30)]
    for n, text in enumerate(texts):
        alerts.publish(make.alert("RAISED", stamp_s=time.time(), message=text))
        valves.publish(make.valve_states(time.time(), v_101={"position": n / 30}))
    eventually(lambda: bridge._to_loop.depth, lambda depth: depth == 31, "30 alerts and a snapshot that wait")
    eventually(
        lambda: bridge._lanes[topics.VALVES_STATE].waiting[0][1].data["valves"][0]["position"],
        lambda position: position == 29 / 30,
        "the newest snapshot",
    )
    received = connect(bridge, asyncio_side)
    received.wait_for(lambda r: r.topic == topics.ALERTS and r.data["message"] == texts[-1])
    said = [r.data["message"] for r in received.messages if r.topic == topics.ALERTS]
    assert said == texts
    assert len(list(filter(on_topic(topics.VALVES_STATE), received.messages))) == 1
    assert bridge._to_loop.lost == 0


def test_what_a_message_takes_is_measured(graph: Graph, bridge: BridgeNode, asyncio_side: LoopThread) -> None:
    received = connect(bridge, asyncio_side)
    alerts = graph.publisher(Alert, topics.ALERTS, qos.EVENT)
    for n in range(5):
        alerts.publish(make.alert("RAISED", stamp_s=time.time(), message=f"alert {n}"))
    received.wait_for(lambda r: r.topic == topics.ALERTS and r.data["message"] == "alert 4")

    def counts() -> dict[tuple[str, str], float]:
        return measured(bridge)

    callbacks = ("plainview_ros_callback_seconds_count", topics.ALERTS)
    seen = eventually(counts, lambda samples: samples[callbacks] == 5, "five alerts taken")
    assert 0 < seen["plainview_ros_callback_seconds_sum", topics.ALERTS] < 5
    assert seen["plainview_handover_seconds_count", ""] >= 5
    assert seen["plainview_handover_lost_total", topics.ALERTS] == 0
    assert seen["plainview_handover_waiting", ""] < 5
    assert ("plainview_ros_callback_seconds_count", topics.VALVES_STATE) in seen, "counted from the start"


def test_the_bridge_is_silent_when_the_thread_that_takes_events_hangs(
    graph: Graph, bridge: BridgeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The executor goes on meanwhile: its beat alone would say that all is well."""
    began, released = threading.Event(), threading.Event()

    def hang(_: Received) -> None:
        began.set()
        released.wait(DEADLINE_S)

    monkeypatch.setattr(bridge._lanes[topics.ALERTS], "put", hang)
    beat_s = bridge._last_beat_s
    graph.publisher(Alert, topics.ALERTS, qos.EVENT).publish(make.alert("RAISED", stamp_s=time.time()))
    assert began.wait(DEADLINE_S)
    eventually(bridge.silent_s, lambda silent_s: silent_s > EXECUTOR_SILENT_S, "silence that health calls down")
    assert bridge._last_beat_s > beat_s
    released.set()
    eventually(bridge.silent_s, lambda silent_s: silent_s < EXECUTOR_SILENT_S, "end of the silence")


def test_publisher_that_cannot_be_heard_is_named_in_health_until_it_leaves(graph: Graph) -> None:
    live = LiveBridge(graph)

    def complaint() -> str:
        return str(live.get("/health")["checks"].get("bridge: input", {}).get("detail"))

    silent = PublisherEventCallbacks(use_default_callbacks=False)  # rclpy's own warn with a deprecated function
    stranger = graph.node.create_publisher(Alert, topics.ALERTS, qos.SENSOR, event_callbacks=silent)
    eventually(complaint, lambda text: "alerts: a publisher has an incompatible QoS" in text, "complaint")
    graph.node.destroy_publisher(stranger)
    eventually(complaint, lambda text: "a publisher has" not in text, "end of the complaint")
    assert live.stop() == 0
