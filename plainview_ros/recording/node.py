"""The recording node: plays a CSV table or an MCAP bag on the instrument topics, as if it were measured now."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Float32, Float64

from plainview_ros.assets import Quantity
from plainview_ros.msg import ScanFrame
from plainview_ros.recording.channels import parse_map
from plainview_ros.recording.player import Player
from plainview_ros.recording.readers import RecordingError, Schema, open_recording
from plainview_ros.recording.routing import Route
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import to_stamp, type_name
from plainview_ros.ros.instruments import MESSAGES, InstrumentOutput
from plainview_ros.ros.node import Health, ModuleNode
from plainview_ros.ros.process import run
from plainview_ros.ros.settings import Setting
from plainview_ros.samples import Sample

STEP_S = 0.01
"""How often the player is asked what is due, and ``/clock`` ticks: at 200 times real time, 2 s of it."""

SETTLE_S = 1.0
"""A subscriber that is known here may not know this node yet, and what was just sent may not have been fetched: so much
time is given at the beginning and at the end."""


class RecordingNode(ModuleNode):
    SETTINGS = (
        Setting("file", "", "Path of the recording: a .csv file, a .mcap file or the folder of a bag"),
        Setting(
            "map",
            [""],
            "COLUMN=TAG[*SCALE][+OFFSET] of each column or topic to play, or the path of a .yaml file of such;"
            " empty: each column headed by an instrument's tag, each message with one as frame_id",
        ),
        Setting("rate", 1.0, "Multiple of the recorded pace", 0.01, 200.0),
        Setting("loop", False, "Begin again at the end"),
        Setting("publish_clock", False, "Keep the recorded intervals in the stamps and publish the time on /clock"),
        Setting("patience_s", 3.0, "Wait so long for somebody to subscribe before the play begins [s]", 0.0, 600.0),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__("recording", **options)

    def build(self) -> None:
        has_clock = self.setting("publish_clock")
        if has_clock and self.setting("use_sim_time"):
            raise ValueError("use_sim_time: must be false with publish_clock, this node is the clock")
        recording = open_recording(self.setting("file"), SCHEMAS)
        self._route = Route(recording, parse_map([item for item in self.setting("map") if item]), self.rig)
        origin_s = self.now_s() if has_clock else None
        try:
            self._player = Player(self._route.readings, self.setting("rate"), self.setting("loop"), origin_s)
        except ValueError as error:
            raise ValueError(f"{recording.path}: {error}: {self._route.account()}") from error
        self._output = InstrumentOutput(self, self._route.tags)
        self._begins_s = monotonic() + self.setting("patience_s")
        self._ends_s = math.inf
        if origin_s is not None:
            self.get_logger().info(f"the first reading is stamped {origin_s:.3f}")
            self._publish_clock = self.publisher(Clock, topics.CLOCK, qos.CLOCK)
            self.every(STEP_S, self._tick, wall=True)
        self.every(STEP_S, self._step, wall=True)

    def health(self) -> list[Health]:
        return [Health("playback", "ok", self._route.account(), {"recorded time played [s]": self._player.played_s})]

    def _tick(self) -> None:
        self._publish_clock(Clock(clock=to_stamp(self._player.clock_s(monotonic()))))

    def _step(self) -> None:
        now_s = monotonic()
        if now_s < self._begins_s:
            if self._output.is_heard():
                self._begins_s = min(self._begins_s, now_s + SETTLE_S)
            return
        try:
            self._play(now_s)
        except RecordingError as error:
            self.get_logger().error(str(error))
            self.finish(1)
        if now_s >= self._ends_s:
            self.get_logger().info(f"played {self._player.played_s:g} s: {self._route.account()}")
            self.finish()

    def _play(self, monotonic_s: float) -> None:
        self._output.publish(
            Sample(reading.tag, self.rig.instrument[reading.tag].quantity, reading.value, stamp_s)
            for stamp_s, reading in self._player.release(monotonic_s, self.now_s())
        )
        if self._player.is_over:
            self._ends_s = min(self._ends_s, monotonic_s + SETTLE_S)


def one_reading(message_type: Any, field: str, quantity: Quantity | None = None) -> Schema:
    """Schema of a message with one value, and the instrument's tag in its header if it has one."""

    def decode(data: bytes) -> list[tuple[str, float]]:
        message = deserialize_message(data, message_type)
        return [(message.header.frame_id if hasattr(message, "header") else "", float(getattr(message, field)))]

    return Schema(quantity, decode)


def decode_scan(data: bytes) -> list[tuple[str, float]]:
    """Readings of a scan frame that its gateway calls good."""
    frame = deserialize_message(data, ScanFrame)
    return [
        (tag, value)
        for tag, value, quality in zip(frame.tags, frame.values, frame.quality, strict=True)
        if quality == ScanFrame.QUALITY_GOOD
    ]


SCHEMAS = {
    **{type_name(kind): one_reading(kind, field, quantity) for quantity, (kind, _topic, field) in MESSAGES.items()},
    type_name(Float64): one_reading(Float64, "data"),
    type_name(Float32): one_reading(Float32, "data"),
    type_name(ScanFrame): Schema(None, decode_scan, one_reading=False),
}
"""How the messages of a bag are read, by name of their type."""


def replay(
    file: str | Path,
    channels: Sequence[str] = (),
    *,
    rate: float = 1.0,
    loop: bool = False,
    publish_clock: bool = False,
    arguments: list[str] | None = None,
) -> int:
    """Play a recording in this process until its end or Ctrl-C.

    Args:
        file: path of the recording.
        channels: ``--map`` items.
        rate: multiple of the recorded pace.
        loop: begin again at the end.
        publish_clock: keep the recorded intervals in the stamps and publish ``/clock``.
        arguments: command line for ROS, see :func:`plainview_ros.ros.process.ros_arguments`.

    Returns:
        Exit code: 0 after the last reading, 1 when the recording, the map or the rig cannot be used.
    """
    settings = {
        "file": str(file),
        "map": [*channels] or [""],
        "rate": float(rate),
        "loop": loop,
        "publish_clock": publish_clock,
    }
    overrides = [Parameter(name, value=value) for name, value in settings.items()]
    return run(lambda: RecordingNode(parameter_overrides=overrides), arguments)


def main() -> int:
    return run(RecordingNode)


if __name__ == "__main__":
    sys.exit(main())
