"""Topics of any installed type, chosen while running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from plainview_ros.ros import qos
from plainview_ros.ros.conversions import to_plain
from plainview_ros.ros.from_plain import from_plain, message_type
from plainview_ros.ros.graph import node_id

MAX_ITEMS = 64
"""Longer arrays are handed over as their length and their first items."""

OnSample = Callable[[str, Any], object]
"""Called on the ROS side with the id of the node that published, empty where ROS does not say (before Kilted, when
several publish the topic), and the message as plain values."""


@contextmanager
def _refused_by_ros(topic: str) -> Iterator[None]:
    """What the middleware does not create, e.g. because this process has the topic in another type, is bad input."""
    try:
        yield
    except RuntimeError as error:
        raise ValueError(f"{topic}: {error}") from error


@dataclass
class _Tap:
    """One topic listened to."""

    message_type: Any
    on_sample: OnSample
    subscription: Any = None
    newest: dict[bytes, Any] = field(default_factory=dict)
    """By publisher, since the last hand-over."""


class DynamicTopics:
    """Listens to and publishes on topics by name. All methods belong to the ROS side.

    A fast topic costs no more than a slow one beyond the receipt of its messages: of each publisher only the newest is
    converted and handed over, ``rate_hz`` times a second at the most.

    Args:
        node: whose graph it is.
        rate_hz: of hand-overs.
        guard: keeps a callback that fails from ending the executor (``ModuleNode``).
    """

    def __init__(self, node: Any, rate_hz: float, guard: Callable[[str, Callable[[], object]], Any]) -> None:
        self._node = node
        self._period_s = 1.0 / rate_hz
        self._hand_over_guarded = guard("dynamic topics", self._hand_over)
        self._taps: dict[str, _Tap] = {}
        self._publishers: dict[str, Any] = {}
        self._timer: Any = None

    def listen(self, topic: str, on_sample: OnSample) -> None:
        """Subscribe as the topic's publishers allow; again on the same topic, only ``on_sample`` is replaced.

        Raises:
            ValueError: nobody publishes the topic, in more than one type, or in one that is not installed here.
        """
        if topic in self._taps:
            self._taps[topic].on_sample = on_sample
            return
        infos = self._node.get_publishers_info_by_topic(topic)
        tap = _Tap(self._type_of(topic, infos, "publishes"), on_sample)
        self._subscribe(topic, tap)
        self._taps[topic] = tap

    def unlisten(self, topic: str) -> None:
        """Stop listening, if it does."""
        tap = self._taps.pop(topic, None)
        if tap is not None:
            self._unsubscribe(tap)

    def publish(self, topic: str, plain: Any) -> int:
        """Publish a message on a topic somebody subscribes; how many will get it.

        0: not published, because nobody is connected (yet: that takes a moment after the first call for a topic).

        Raises:
            ValueError: the values do not make a message of the topic's type, or the type is unknown.
        """
        infos = self._node.get_subscriptions_info_by_topic(topic)
        type_ = self._type_of(topic, infos, "subscribes")
        message = from_plain(type_, plain, "params")
        if topic not in self._publishers:
            with _refused_by_ros(topic):
                self._publishers[topic] = self._node.create_publisher(type_, topic, qos.COMMAND)
        publisher = self._publishers[topic]
        count = int(publisher.get_subscription_count())
        if count:
            publisher.publish(message)
        return count

    def open(self) -> None:
        """Listen (again) to all that was listened to before :meth:`close`."""
        for topic, tap in self._taps.items():
            self._subscribe(topic, tap)

    def close(self) -> None:
        """Leave the graph."""
        for tap in self._taps.values():
            self._unsubscribe(tap)
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()

    def _type_of(self, topic: str, infos: list[Any], verb: str) -> Any:
        names = sorted({info.topic_type for info in infos})
        if not names:
            raise ValueError(f"{topic}: nobody {verb} it")
        if len(names) > 1:
            raise ValueError(f"{topic}: has more than one type, {' and '.join(names)}")
        return message_type(names[0])

    def _subscribe(self, topic: str, tap: _Tap) -> None:
        profiles = [info.qos_profile for info in self._node.get_publishers_info_by_topic(topic)]
        reliable = profiles and all(profile.reliability == ReliabilityPolicy.RELIABLE for profile in profiles)
        latched = profiles and all(profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in profiles)
        profile = QoSProfile(
            depth=10,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        with _refused_by_ros(topic):
            tap.subscription = self._node.create_subscription(
                tap.message_type, topic, partial(self._keep, tap), profile
            )
        if self._timer is None:
            clock = Clock(clock_type=ClockType.STEADY_TIME)
            self._timer = self._node.create_timer(self._period_s, self._hand_over_guarded, clock=clock)

    def _unsubscribe(self, tap: _Tap) -> None:
        if tap.subscription is not None:
            self._node.destroy_subscription(tap.subscription)
            tap.subscription = None
        tap.newest.clear()
        if self._timer is not None and not any(other.subscription for other in self._taps.values()):
            self._node.destroy_timer(self._timer)
            self._timer = None

    def _keep(self, tap: _Tap, message: Any, info: Any) -> None:
        gid = info.get("publisher_gid") if isinstance(info, dict) else None
        tap.newest[gid["data"] if gid else b""] = message

    def _hand_over(self) -> None:
        for topic, tap in self._taps.items():
            if tap.newest:
                newest, tap.newest = tap.newest, {}
                senders = self._senders(topic)
                for gid, message in newest.items():
                    tap.on_sample(senders.get(gid, ""), to_plain(message, MAX_ITEMS))

    def _senders(self, topic: str) -> dict[bytes, str]:
        """Ids of the topic's publishers by endpoint; if there is one only, also by no endpoint."""
        infos = self._node.get_publishers_info_by_topic(topic)
        senders = {bytes(info.endpoint_gid): node_id(info.node_name, info.node_namespace) for info in infos}
        return {b"": next(iter(senders.values())), **senders} if len(senders) == 1 else senders
