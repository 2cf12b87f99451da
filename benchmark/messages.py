"""What is published while measuring: messages of the product on its topics, made once and filled again."""

from __future__ import annotations

import argparse
from array import array
from random import Random
from time import time_ns
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import FluidPressure

from benchmark.frames import stamp_text
from benchmark.rig import NOMINAL, bench_tags
from plainview_ros.msg import ScanFrame, ValveActuation
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


def source_of(name: str, lines: int) -> Source:
    """The source called ``actuations``, ``scans`` or ``pressures``."""
    if name == "actuations":
        return Actuations()
    return Scans(lines) if name == "scans" else Pressures(lines)


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """How the publisher and the least subscriber are told of a source."""
    parser.add_argument("source", choices=("actuations", "scans", "pressures"))
    parser.add_argument("--count", type=int, required=True, help="messages")
    parser.add_argument("--lines", type=int, default=1, help="flow lines of the rig, for scans and pressures")


def _now() -> Time:
    now_ns = time_ns()
    return Time(sec=now_ns // 1_000_000_000, nanosec=now_ns % 1_000_000_000)
