"""From the instrument topics to samples, the same way in every node."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from sensor_msgs.msg import FluidPressure, Temperature

from plainview_ros.assets import Instrument, Quantity
from plainview_ros.msg import FlowRate, ScanFrame
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import from_stamp, to_stamp
from plainview_ros.ros.graph import node_id
from plainview_ros.ros.node import ModuleNode
from plainview_ros.samples import BadSampleError, Refusal, Sample, SampleGate

MESSAGES: dict[Quantity, tuple[Any, str, str]] = {
    "pressure": (FluidPressure, topics.PRESSURE, "fluid_pressure"),
    "temperature": (Temperature, topics.TEMPERATURE, "temperature"),
    "flow_rate": (FlowRate, topics.FLOW_RATE, "flow_rate"),
}
"""Message type, default topic and field of the value for each quantity; others come by scan frame only."""


class InstrumentOutput:
    """Publishes readings of instruments the way a rig's drivers or gateways would.

    Messages are made once and filled again, because making one costs more than sending it.

    Args:
        node: the node, while it is being built.
        tags: the instruments it will publish.
        transport: ``topics`` for a message per reading on the topic of its quantity (or of the instrument), ``scan``
            for scan frames; what has no topic of its own goes by scan frame in any case.

    Raises:
        ValueError: for another transport.
    """

    def __init__(self, node: ModuleNode, tags: Collection[str], transport: str = "topics") -> None:
        if transport not in ("topics", "scan"):
            raise ValueError(f"transport: expected topics or scan, found {transport!r}")
        self._node = node
        self._publishers: dict[str, Callable[[Any], None]] = {}
        self._single: dict[str, Callable[[Sample], None]] = {}
        for instrument in map(node.rig.instrument.__getitem__, sorted(tags)):
            if transport == "topics" and instrument.quantity in MESSAGES:
                self._single[instrument.tag] = self._sender(instrument)
            else:
                self._publisher(ScanFrame, topics.SCAN)

    def is_heard(self) -> bool:
        """Whether somebody subscribes to every one of the topics."""
        return all(self._node.count_subscribers(topic) for topic in self._publishers)

    def publish(self, samples: Iterable[Sample]) -> None:
        """Publish readings of the announced tags; those that go by scan frame in one frame per stamp."""
        scans: dict[float, list[Sample]] = {}
        for sample in samples:
            if sample.tag in self._single:
                self._single[sample.tag](sample)
            else:
                scans.setdefault(sample.stamp_s, []).append(sample)
        for stamp_s in sorted(scans):
            frame = ScanFrame(
                tags=[sample.tag for sample in scans[stamp_s]],
                values=[sample.value for sample in scans[stamp_s]],
                quality=[ScanFrame.QUALITY_GOOD] * len(scans[stamp_s]),
            )
            frame.header.stamp = to_stamp(stamp_s)
            frame.header.frame_id = self._node.get_name()
            self._publishers[topics.SCAN](frame)

    def _sender(self, instrument: Instrument) -> Callable[[Sample], None]:
        message_type, default_topic, field = MESSAGES[instrument.quantity]
        publish = self._publisher(message_type, instrument.topic or default_topic)
        message = message_type(variance=instrument.accuracy**2)
        message.header.frame_id = instrument.tag

        def send(sample: Sample) -> None:
            message.header.stamp = to_stamp(sample.stamp_s)
            setattr(message, field, sample.value)
            publish(message)

        return send

    def _publisher(self, message_type: Any, topic: str) -> Callable[[Any], None]:
        if topic not in self._publishers:
            self._publishers[topic] = self._node.publisher(message_type, topic, qos.SENSOR)
        return self._publishers[topic]


class InstrumentFeed:
    """Subscribes a node to the topics its instruments are published on and hands it checked samples.

    On the topic of a quantity the tag is the message's ``frame_id``; what comes on an instrument's own topic is of that
    instrument, whatever its ``frame_id``. A reading of a tag that the rig does not have, or that is not believable, is
    refused (see :class:`SampleGate`); a tag of the rig that this node did not ask for is passed over.

    Args:
        node: the node, while it is being built.
        tags: the instruments it wants.
        on_sample: called on the node's executor thread with each sample, in the order they arrive.
        on_refused: called in the same way with each reading of a wanted tag that was refused; it is logged in any case.
        late_s: how much older than the newest of its tag a sample may be; by default all are in order [s].
    """

    def __init__(
        self,
        node: ModuleNode,
        tags: Collection[str],
        on_sample: Callable[[Sample], object],
        on_refused: Callable[[Refusal], object] | None = None,
        late_s: float = 0.0,
    ) -> None:
        self._node = node
        self._tags = frozenset(tags)
        self._on_sample = on_sample
        self._on_refused = on_refused
        self._gate = SampleGate(node.rig, late_s=late_s)
        wanted = [node.rig.instrument[tag] for tag in sorted(self._tags)]
        self._topics = {topics.SCAN}
        node.subscribe(ScanFrame, topics.SCAN, self._on_scan, qos.SENSOR)
        for instrument in wanted:
            if instrument.quantity not in MESSAGES:
                continue
            message_type, shared_topic, field = MESSAGES[instrument.quantity]
            topic, tag = (instrument.topic, instrument.tag) if instrument.topic else (shared_topic, None)
            if topic not in self._topics:
                self._topics.add(topic)
                node.subscribe(message_type, topic, self._reader(instrument.quantity, field, tag), qos.SENSOR)

    def publishers(self) -> list[str]:
        """Fully qualified names of the nodes that publish on the topics this feed reads, sorted."""
        infos = (
            info for topic in self._topics for info in self._node.get_publishers_info_by_topic(self._resolve(topic))
        )
        return sorted({node_id(info.node_name, info.node_namespace) for info in infos})

    def _resolve(self, topic: str) -> str:
        return str(self._node.resolve_topic_name(topic))

    def _reader(self, quantity: Quantity, field: str, tag: str | None) -> Callable[[Any], None]:
        def read(message: Any) -> None:
            header = message.header
            self._take(tag or header.frame_id, quantity, getattr(message, field), from_stamp(header.stamp))

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
                self._pass_on(Refusal(tag, "bad_quality", value, stamp_s))

    def _take(self, tag: str, quantity: Quantity | None, value: float, stamp_s: float) -> None:
        if tag not in self._tags and tag in self._node.rig.instrument:
            return
        try:
            sample = self._gate.admit(tag, quantity, value, stamp_s, self._node.now_s())
        except BadSampleError as error:
            self._node.refuse(tag, str(error))
            if tag in self._tags:
                self._pass_on(Refusal(tag, error.reason, value, stamp_s))
        else:
            self._on_sample(sample)

    def _pass_on(self, refusal: Refusal) -> None:
        if self._on_refused is not None:
            self._on_refused(refusal)
