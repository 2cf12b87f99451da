"""What is published while measuring: messages of the product on its topics, made once and filled again."""

from __future__ import annotations

import argparse
from array import array
from collections.abc import Callable, Mapping
from random import Random
from time import time_ns
from typing import Any, Protocol
from uuid import UUID, uuid4

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import FluidPressure

from benchmark.frames import stamp_text
from benchmark.rig import CHANNELS, NOMINAL, bench_tags
from plainview_ros.msg import ChannelState, FlowLineState, FlowState, ScanFrame, ValveActuation
from plainview_ros.ros import qos, topics


class Source(Protocol):
    """One topic and its messages."""

    type: Any
    topic: str
    qos: Any

    def fill(self, number: int) -> Any:
        """The message of a number, to be published at once."""


class Actuations:
    """Requests of strokes: each makes exactly one event, with the stamp as ``requestedBy``, and nothing else."""

    type = ValveActuation
    topic = topics.VALVE_ACTUATIONS
    qos = qos.EVENT

    def __init__(self) -> None:
        nan = float("nan")
        self._message = ValveActuation(
            valve_id="v-101",
            phase=ValveActuation.PHASE_REQUESTED,
            target_position=1.0,
            final_position=nan,
            peak_torque_nm=nan,
            duration_s=nan,
            reason="benchmark",
        )

    def fill(self, number: int) -> ValveActuation:
        message = self._message
        message.event_id.uuid = np.frombuffer(uuid4().bytes, np.uint8)
        message.actuation_id.uuid = np.frombuffer(uuid4().bytes, np.uint8)
        message.header.stamp = _now()
        message.requested_by = stamp_text(number)  # last: the time in it is the time of publishing
        return message


class Strokes:
    """Strokes one after the other: an even number requests one, the next completes it.

    The stroke's number is its id, so what has become of it can be found again; when it is requested also its stamp.
    """

    type = ValveActuation
    topic = topics.VALVE_ACTUATIONS
    qos = qos.EVENT

    def __init__(self) -> None:
        nan = float("nan")
        self._requested = ValveActuation(
            valve_id="v-101",
            phase=ValveActuation.PHASE_REQUESTED,
            target_position=1.0,
            final_position=nan,
            peak_torque_nm=nan,
            duration_s=nan,
            reason="benchmark",
        )
        self._completed = ValveActuation(
            valve_id="v-101",
            phase=ValveActuation.PHASE_COMPLETED,
            target_position=1.0,
            final_position=1.0,
            peak_torque_nm=20.0,
            duration_s=0.01,
            reason="benchmark",
        )

    def fill(self, number: int) -> ValveActuation:
        stroke, is_completed = divmod(number, 2)
        message = self._completed if is_completed else self._requested
        message.event_id.uuid = np.frombuffer(uuid4().bytes, np.uint8)
        message.actuation_id.uuid = np.frombuffer(stroke_id(stroke).bytes, np.uint8)
        message.header.stamp = _now()
        message.requested_by = stamp_text(stroke)
        return message


def stroke_id(stroke: int) -> UUID:
    """Id of a stroke, from 0 on; none of them is the nil UUID."""
    return UUID(int=stroke + 1)


class Flows:
    """Snapshots of so many flow lines of :func:`benchmark.rig.write_rig`, every value in them fresh."""

    type = FlowState
    topic = topics.FLOW_STATE
    qos = qos.STATE

    def __init__(self, lines: int) -> None:
        self._message = FlowState(source=FlowState.SOURCE_SIMULATED, publishers=["/benchmark_publisher"])
        self._message.lines = [
            FlowLineState(
                id=f"bench-{line}",
                name=f"Bench {line}",
                channels=[
                    ChannelState(channel=channel, tag=f"{prefix}-b{line}", min=low, max=high, mean=NOMINAL[channel])
                    for channel, (prefix, (low, high)) in CHANNELS.items()
                ],
            )
            for line in range(lines)
        ]
        self._channels = [channel for line in self._message.lines for channel in line.channels]

    def fill(self, number: int) -> FlowState:
        stamp = _now()
        self._message.header.stamp = stamp
        for channel in self._channels:
            channel.stamp = stamp
            channel.value = NOMINAL[channel.channel] * (1 + number % 100 / 1e5)
        return self._message


class Scans:
    """Scan frames with the four instruments of so many flow lines of :func:`benchmark.rig.write_rig`."""

    type = ScanFrame
    topic = topics.SCAN
    qos = qos.SENSOR

    def __init__(self, lines: int) -> None:
        tags = {tag: quantity for quantity in NOMINAL for tag in bench_tags(lines, quantity)}
        self._message = ScanFrame(tags=list(tags), quality=[ScanFrame.QUALITY_GOOD] * len(tags))
        noise = Random(0)  # noqa: S311  # the same noise each time
        self._values = [
            array("d", (NOMINAL[quantity] * noise.gauss(1.0, 1e-3) for quantity in tags.values())) for _ in range(16)
        ]

    def fill(self, number: int) -> ScanFrame:
        self._message.values = self._values[number % len(self._values)]
        self._message.header.stamp = _now()
        return self._message


class Pressures:
    """Readings of one pressure transmitter after the other, a message each."""

    type = FluidPressure
    topic = topics.PRESSURE
    qos = qos.SENSOR

    def __init__(self, lines: int) -> None:
        self._tags = bench_tags(lines, "pressure")
        self._noise = Random(0)  # noqa: S311
        self._message = FluidPressure()

    def fill(self, number: int) -> FluidPressure:
        self._message.header.frame_id = self._tags[number % len(self._tags)]
        self._message.header.stamp = _now()
        self._message.fluid_pressure = NOMINAL["pressure"] * self._noise.gauss(1.0, 1e-3)
        return self._message


SOURCES: Mapping[str, Callable[[int], Source]] = {
    "actuations": lambda _lines: Actuations(),
    "strokes": lambda _lines: Strokes(),
    "flows": Flows,
    "scans": Scans,
    "pressures": Pressures,
}
"""By name, made for a number of flow lines."""


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """How the publisher and the least subscriber are told of a source."""
    parser.add_argument("source", choices=tuple(SOURCES))
    parser.add_argument("--count", type=int, required=True, help="messages")
    parser.add_argument("--lines", type=int, default=1, help="flow lines of the rig, for flows, scans and pressures")


def _now() -> Time:
    now_ns = time_ns()
    return Time(sec=now_ns // 1_000_000_000, nanosec=now_ns % 1_000_000_000)
