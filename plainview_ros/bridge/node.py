"""The gateway between ROS and the web: the bridge node.

Two worlds, one door. The ROS side is the executor's thread, and the one that the states and events are taken on;
everything else is the asyncio side. What ROS says crosses through one mailbox (one ``call_soon_threadsafe`` per batch),
what the web asks through another (one guard condition per batch), and rclpy is touched on the ROS side only.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import fields
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from prometheus_client import Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidHandle
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from plainview_ros.action import ActuateValve
from plainview_ros.bridge.admission import check_names, check_transition
from plainview_ros.bridge.commands import answered, refusal
from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.gateway import Frame, Plain, Received, RosNode
from plainview_ros.bridge.mailbox import Lane, Mailbox
from plainview_ros.bridge.settings import Settings
from plainview_ros.msg import (
    Alert,
    CameraStates,
    Detection,
    FlowAnomaly,
    FlowForecast,
    FlowState,
    Leak,
    PipelineState,
    ValveActuation,
    ValveStates,
)
from plainview_ros.ros import qos, topics
from plainview_ros.ros.clients import CallClient, GoalClient
from plainview_ros.ros.conversions import constant, to_plain, to_uuid_msg
from plainview_ros.ros.drain import Drain
from plainview_ros.ros.dynamic_topics import DynamicTopics
from plainview_ros.ros.graph import GraphNode, graph_nodes
from plainview_ros.ros.image_feed import ImageFeed, ImageTap
from plainview_ros.ros.node import Health, ModuleNode
from plainview_ros.ros.settings import Setting
from plainview_ros.srv import FlowBaseline, ResolveLeak

T = TypeVar("T")

TELEMETRY_RATE_HZ = 5.0
"""Messages of one publisher on one topic that a client subscribed to over HTTP; newer ones replace those between."""

STATES = {
    topics.VALVES_STATE: ValveStates,
    topics.PIPELINE_STATE: PipelineState,
    topics.FLOW_STATE: FlowState,
    topics.FLOW_FORECAST: FlowForecast,
    topics.CAMERAS_STATE: CameraStates,
}
EVENTS = {
    topics.VALVE_ACTUATIONS: ValveActuation,
    topics.PIPELINE_LEAKS: Leak,
    topics.FLOW_ANOMALIES: FlowAnomaly,
    topics.DETECTIONS: Detection,
    topics.ALERTS: Alert,
}
NEWEST = 1
TRANSITIONS = 10_000
OTHERS = 1_000
"""Messages of a topic that wait while the web side hangs; of a snapshot the newest is enough."""

BUCKETS_S = (50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1.0)

LEVELS = {DiagnosticStatus.OK: "ok", DiagnosticStatus.WARN: "warn", DiagnosticStatus.ERROR: "error"}


def _setting(name: str, description: str, low: float | None = None, high: float | None = None) -> Setting:
    default = getattr(Settings, name)
    return Setting(name, list(default) if isinstance(default, tuple) else default, description, low, high)


def _do(work: Callable[[], object]) -> None:
    work()


class BridgeNode(ModuleNode):
    """Hands what the topics say to the asyncio side, and its commands to the graph (see :class:`Gateway`)."""

    SETTINGS = (
        _setting("host", "Address to listen on; 0.0.0.0: every network of the machine"),
        _setting("port", "TCP port to listen on; 0: the environment's PORT, or 4000", 0, 65535),
        _setting("stale_after_s", "[s] without a snapshot after which a module is stale", 0.1, 3600),
        _setting("announce_max_age_s", "[s] an older transition is kept as history and not announced", 0, 86400),
        _setting("command_timeout_s", "[s] to wait for a node's answer to a command", 0.1, 60),
        _setting("tick_s", "[s] between two telemetry.tick events", 0.1, 60),
        _setting("ring_entries", "Events other than telemetry kept in memory for /events", 10, 1_000_000),
        _setting("ring_bytes", "[byte] of them kept in memory, and as much on disk", 10_000, 1_000_000_000),
        _setting("spool_bytes", "[byte] kept on disk while the database is away", 100_000, 1_000_000_000_000),
        _setting("telemetry_entries", "Telemetry events kept in memory for /events", 10, 1_000_000),
        _setting("telemetry_bytes", "[byte] of them kept in memory", 10_000, 1_000_000_000),
        _setting("max_event_streams", "Clients of /events at one time", 1, 100_000),
        _setting("max_camera_viewers", "Open camera streams at one time", 1, 10_000),
        _setting("send_timeout_s", "[s] a stream's client may take nothing before it is cut off", 0.1, 600),
        _setting("raw_days", "[d] flow metrics are kept as they came; 0: for ever", 0, 36_500),
        _setting("minute_days", "[d] flow metrics of each minute are kept; 0: for ever", 0, 36_500),
        _setting("hour_days", "[d] flow metrics of each hour are kept; 0: for ever", 0, 36_500),
        _setting("event_days", "[d] what was told on /events is kept; 0: for ever", 0, 36_500),
        _setting("command_topics", "Fully qualified names of the topics POST /ros2/command may publish on"),
    )

    def __init__(self, name: str = "bridge", **options: Any) -> None:
        super().__init__(name, **options)
        self.settings = Settings(**{field.name: self.setting(field.name) for field in fields(Settings)})
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_message: Callable[[Received], object] = lambda _: None
        self._on_loss: Callable[[int], object] = lambda _count: None
        self._callback_seconds = Histogram(
            "plainview_ros_callback_seconds",
            "Taking and converting one message",
            ["topic"],
            registry=None,
            buckets=BUCKETS_S,
        )
        self._handover_seconds = Histogram(
            "plainview_handover_seconds",
            "From the ROS side having a message to the web side working on it",
            registry=None,
            buckets=BUCKETS_S,
        )
        self._to_loop = Mailbox(self._wake_loop, self._handover_seconds.observe)
        self._lanes = {
            topic: self._to_loop.lane(topic, self._deliver, limit)
            for names, limit in ((STATES, NEWEST), ((topics.DIAGNOSTICS,), OTHERS))
            for topic in names
        }
        for topic in EVENTS:
            self._lanes[topic] = self._to_loop.lane(topic, self._deliver, TRANSITIONS, self._tell_loss)
        self._telemetry: Lane[Callable[[], object]] = self._to_loop.lane("telemetry", _do, OTHERS)
        self._drain = Drain(self.context, self._guarded, lambda topic: self._callback_seconds.labels(topic).observe)
        self._to_ros: Callable[[Callable[[], object]], None] = lambda _: None
        self._images: ImageFeed[Frame] = ImageFeed(self, self._guarded, Frame.of, self._to_loop.put)
        self._dynamic = DynamicTopics(self, TELEMETRY_RATE_HZ, self._guarded)
        self._last_beat_s = monotonic()
        self.create_timer(0.5, self._beat, clock=Clock(clock_type=ClockType.STEADY_TIME))

    # -- ROS side ------------------------------------------------------------------------------------------------------

    def build(self) -> None:
        self._to_ros = self.from_threads(_do)
        for topic, message_type in STATES.items():
            hand_over = partial(self._hand_over, topic, check_names)
            self.subscribe(message_type, topic, hand_over, qos.STATE, self._drain)
        for topic, message_type in EVENTS.items():
            hand_over = partial(self._hand_over, topic, check_transition)
            self.subscribe(message_type, topic, hand_over, qos.EVENT, self._drain)
        self.on_cleanup_do(self._drain.close)
        self.subscribe(DiagnosticArray, topics.DIAGNOSTICS, self._hand_over_diagnostics, qos.DIAGNOSTICS)
        self._actuate = GoalClient(self, ActuateValve, topics.ACTUATE_VALVE)
        self._resolve = CallClient(self, ResolveLeak, topics.RESOLVE_LEAK)
        self._baseline = CallClient(self, FlowBaseline, topics.SET_BASELINE)
        self._images.open()
        self.on_cleanup_do(self._images.close)
        self._dynamic.open()
        self.on_cleanup_do(self._dynamic.close)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = super().on_activate(state)
        self._drain.start()
        return result

    def stand_down(self) -> None:
        self._drain.stop()  # what comes now waits in the subscriptions

    def health(self) -> list[Health]:
        lost = self._to_loop.lost
        if lost:
            return [Health("hand-over", "warn", f"{lost} messages lost: the web side hangs or hung", {"lost": lost})]
        return [Health("hand-over", "ok", "no message lost", {"lost": 0})]

    def _beat(self) -> None:
        self._last_beat_s = monotonic()

    def _hand_over(self, topic: str, check: Callable[[Plain], object], message: Any) -> None:
        data = to_plain(message)
        check(data)
        self._lanes[topic].put(Received(topic, data, self.now_s(), monotonic()))
        self._to_loop.ring()  # now and not after the batch: the loop wakes up while the rest of it is taken

    def _hand_over_diagnostics(self, message: DiagnosticArray) -> None:
        levels = [
            {"name": status.name, "level": LEVELS.get(status.level, "stale"), "message": status.message}
            for status in message.status
        ]
        self._lanes[topics.DIAGNOSTICS].put(Received(topics.DIAGNOSTICS, {"status": levels}, self.now_s(), monotonic()))
        self._to_loop.ring()

    def _hand_over_telemetry(self, deliver: Callable[[str, Any], object], sender: str, data: Any) -> None:
        self._telemetry.put(partial(deliver, sender, data))
        self._to_loop.ring()

    def _wake_loop(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                self._loop.call_soon_threadsafe(self._to_loop.drain)

    def _settle(self, answer: asyncio.Future[T], value: T | Exception) -> None:
        """Give the asyncio side its answer; the first one counts."""

        def settle() -> None:
            if answer.done():
                return
            if isinstance(value, Exception):
                answer.set_exception(value)
            else:
                answer.set_result(value)

        self._to_loop.put(settle)

    def _send_stroke(self, goal: ActuateValve.Goal, goal_id: uuid.UUID, answer: asyncio.Future[None]) -> None:
        def tell(name: str, detail: str, _result: Any) -> None:
            self._settle(answer, None if name in {"under_way", "none"} else refusal(name, detail))

        self._actuate.send(goal, goal_id, tell)

    def _send_resolve(self, request: ResolveLeak.Request, answer: asyncio.Future[Plain]) -> None:
        def tell(name: str, detail: str, response: Any) -> None:
            self._settle(answer, to_plain(response.leak) if name == "none" else refusal(name, detail))

        self._resolve.call(request, tell, is_wanted=lambda: not answer.done())

    def _send_baseline(self, request: FlowBaseline.Request, answer: asyncio.Future[Plain]) -> None:
        def tell(name: str, detail: str, response: Any) -> None:
            self._settle(answer, to_plain(response.line) if name == "none" else refusal(name, detail))

        self._baseline.call(request, tell, is_wanted=lambda: not answer.done())

    # -- ROS side, for work handed to Gateway.on_ros_side: see RosNode -------------------------------------------------

    def graph_nodes(self) -> list[GraphNode]:
        """Everybody on the graph."""
        return graph_nodes(self)

    def listen(self, topic: str, deliver: Callable[[str, Any], object]) -> None:
        """Call ``deliver`` on the asyncio side with the sender's name and its newest message, see DynamicTopics."""
        self._dynamic.listen(topic, partial(self._hand_over_telemetry, deliver))

    def unlisten(self, topic: str) -> None:
        self._dynamic.unlisten(topic)

    def publish(self, topic: str, plain: Any) -> int:
        """Number of subscribers that the message was sent to, see DynamicTopics."""
        return self._dynamic.publish(topic, plain)

    # -- asyncio side: see Gateway -------------------------------------------------------------------------------------

    def connect(
        self,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[Received], object],
        on_loss: Callable[[int], object] = lambda _count: None,
    ) -> None:
        self._on_message, self._on_loss = on_message, on_loss
        self._loop = loop
        loop.call_soon(self._to_loop.drain)

    def silent_s(self) -> float:
        return max(monotonic() - self._last_beat_s, self._drain.silent_s())

    def metrics(self) -> Iterable[Metric]:
        yield from self._callback_seconds.collect()
        yield from self._handover_seconds.collect()
        yield GaugeMetricFamily(
            "plainview_handover_waiting", "Messages that wait for the web side", value=self._to_loop.depth
        )
        lost = CounterMetricFamily(
            "plainview_handover_lost", "Messages lost because the web side hung", labels=["topic"]
        )
        for lane in self._to_loop.lanes:
            lost.add_metric([lane.name], lane.lost)
        yield lost

    async def actuate(self, valve_id: str, target_position: float, requested_by: str, reason: str) -> uuid.UUID:
        goal = ActuateValve.Goal(
            valve_id=valve_id, target_position=target_position, requested_by=requested_by, reason=reason
        )
        goal_id = uuid.uuid4()
        try:
            await self._asked("ValveOps", lambda answer: self._send_stroke(goal, goal_id, answer))
        except BaseException:  # once its client was told 504 a valve must not begin to move
            self._ask_ros(lambda: self._actuate.withdraw(goal_id))
            raise
        return goal_id

    async def resolve_leak(self, leak_id: uuid.UUID, resolved_by: str, note: str) -> Plain:
        request = ResolveLeak.Request(leak_id=to_uuid_msg(leak_id), resolved_by=resolved_by, note=note)
        return await self._asked("PipelineGuard", lambda answer: self._send_resolve(request, answer))

    async def set_baseline(self, line_id: str, action: str, requested_by: str, note: str) -> Plain:
        request = FlowBaseline.Request(line_id=line_id, requested_by=requested_by, note=note)
        request.action = constant(FlowBaseline.Request, "action", action)
        return await self._asked("FlowIQ", lambda answer: self._send_baseline(request, answer))

    def watch(self, topic: str, on_frame: Callable[[Frame], object]) -> Callable[[], None]:
        tap = ImageTap(topic, on_frame)
        self._ask_ros(lambda: self._images.listen(tap))

        def stop() -> None:
            self._ask_ros(lambda: self._images.unlisten(tap))

        return stop

    async def on_ros_side(self, work: Callable[[RosNode], T]) -> T:
        return await self._asked("the ROS executor", lambda answer: self._settle(answer, work(self)))

    async def _asked(self, who: str, ask: Callable[[asyncio.Future[T]], object]) -> T:
        """Have the ROS side ask somebody, and wait for the answer it settles."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def do() -> None:
            try:
                ask(answer)
            except Exception as error:  # noqa: BLE001  # whatever it is, it belongs to who asked
                self._settle(answer, error)

        if not self._ask_ros(do):
            raise BridgeError(503, "ros_unavailable", "the bridge's own ROS side is inactive or has ended")
        return await answered(answer, self.settings.command_timeout_s, who)

    def _deliver(self, received: Received) -> None:
        self._on_message(received)

    def _tell_loss(self, count: int) -> None:
        self._on_loss(count)

    def _ask_ros(self, work: Callable[[], object]) -> bool:
        """Whether the ROS side will come to it."""
        if not self.is_active or self.ended.done():
            return False
        try:
            self._to_ros(work)
        except InvalidHandle:  # the node is being destroyed
            return False
        return True


def main() -> int:
    """A process with the bridge alone, under ROS parameters; exit code."""
    gc.disable()  # until the server has started: nothing of what is imported is garbage, to look for it takes 0.1 s
    from plainview_ros.bridge.start import serve_process  # which builds on this module

    return serve_process()


if __name__ == "__main__":
    sys.exit(main())
