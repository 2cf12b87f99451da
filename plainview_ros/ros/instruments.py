"""From the instrument topics to samples, the same way in every node."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from sensor_msgs.msg import FluidPressure, Temperature

from plainview_ros.assets import Instrument, Quantity
from plainview_ros.msg import FlowRate, ScanFrame
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import from_stamp, to_stamp
from plainview_ros.ros.node import ModuleNode
from plainview_ros.samples import BadSampleError, Sample, SampleGate

MESSAGES: dict[Quantity, tuple[Any, str, str]] = {
    "pressure": (FluidPressure, topics.PRESSURE, "fluid_pressure"),
    "temperature": (Temperature, topics.TEMPERATURE, "temperature"),
    "flow_rate": (FlowRate, topics.FLOW_RATE, "flow_rate"),
}
"""Message type, default topic and field of the value for each quantity; others come by scan frame only."""


class InstrumentOutput:
    """Publishes readings of a rig's instruments, each on the topic its driver would use.

    Args:
        node: the node, while it is being built.
        tags: the instruments it will publish.
    """

    def __init__(self, node: ModuleNode, tags: Collection[str]) -> None:
        self._instruments = {tag: node.rig.instrument[tag] for tag in tags}
        types = {topic: message_type for topic, message_type, _ in map(_outlet, self._instruments.values())}
        self._publish = {topic: node.publisher(types[topic], topic, qos.SENSOR) for topic in sorted(types)}
        self._node = node

    def is_heard(self) -> bool:
        """Whether somebody subscribes to every one of the topics."""
        return all(self._node.count_subscribers(topic) for topic in self._publish)

    def publish(self, tag: str, value: float, stamp_s: float) -> None:
        """Publish one reading, in the SI unit of the instrument's quantity.

        Raises:
            KeyError: for a tag that was not announced.
        """
        topic, message_type, field = _outlet(self._instruments[tag])
        if message_type is ScanFrame:
            message = ScanFrame(tags=[tag], values=[value], quality=[ScanFrame.QUALITY_GOOD])
        else:
            message = message_type(**{field: value})
            message.header.frame_id = tag
        message.header.stamp = to_stamp(stamp_s)
        self._publish[topic](message)


def _outlet(instrument: Instrument) -> tuple[str, Any, str]:
    """Topic, message type and field of the value of an instrument's messages."""
    message_type, topic, field = MESSAGES.get(instrument.quantity, (ScanFrame, topics.SCAN, "values"))
    return (topic if message_type is ScanFrame else instrument.topic or topic), message_type, field


class InstrumentFeed:
    """Subscribes a node to the topics its instruments are published on and hands it checked samples.

    A reading of a tag that the rig does not have, or that is not believable, is refused (see :class:`SampleGate`);
    a tag of the rig that this node did not ask for is passed over.

    Args:
        node: the node, while it is being built.
        tags: the instruments it wants.
        on_sample: called on the node's executor thread with each sample, in the order they arrive.
    """

    def __init__(self, node: ModuleNode, tags: Collection[str], on_sample: Callable[[Sample], object]) -> None:
        self._node = node
        self._tags = frozenset(tags)
        self._on_sample = on_sample
        self._gate = SampleGate(node.rig)
        wanted = [node.rig.instrument[tag] for tag in sorted(self._tags)]
        self._topics = {topics.SCAN}
        node.subscribe(ScanFrame, topics.SCAN, self._on_scan, qos.SENSOR)
        for quantity, (message_type, default_topic, field) in MESSAGES.items():
            for topic in {item.topic or default_topic for item in wanted if item.quantity == quantity}:
                self._topics.add(topic)
                node.subscribe(message_type, topic, self._reader(quantity, field), qos.SENSOR)

    def publishers(self) -> list[str]:
        """Fully qualified names of the nodes that publish on the topics this feed reads, sorted."""
        infos = (
            info for topic in self._topics for info in self._node.get_publishers_info_by_topic(self._resolve(topic))
        )
        return sorted({f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in infos})

    def _resolve(self, topic: str) -> str:
        return str(self._node.resolve_topic_name(topic))

    def _reader(self, quantity: Quantity, field: str) -> Callable[[Any], None]:
        def read(message: Any) -> None:
            header = message.header
            self._take(header.frame_id, quantity, getattr(message, field), from_stamp(header.stamp))

        return read

    def _on_scan(self, frame: ScanFrame) -> None:
        if not len(frame.tags) == len(frame.values) == len(frame.quality):
            raise ValueError(
                f"{len(frame.tags)} tags, {len(frame.values)} values and {len(frame.quality)} qualities:"
                " there must be as many of each"
            )
        stamp_s = from_stamp(frame.header.stamp)
        for tag, value, quality in zip(frame.tags, frame.values, frame.quality, strict=True):
            if quality == ScanFrame.QUALITY_GOOD:
                self._take(tag, None, value, stamp_s)
            elif tag in self._tags:
                self._node.refuse(tag, f"{tag}: the gateway marks the value as not good (quality {quality})")

    def _take(self, tag: str, quantity: Quantity | None, value: float, stamp_s: float) -> None:
        if tag not in self._tags and tag in self._node.rig.instrument:
            return
        try:
            sample = self._gate.admit(tag, quantity, value, stamp_s, self._node.now_s())
        except BadSampleError as error:
            self._node.refuse(tag, str(error))
        else:
            self._on_sample(sample)
