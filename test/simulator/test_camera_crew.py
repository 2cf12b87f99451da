"""The cameras at work, without ROS."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator

import pytest

from plainview_ros.assets import Camera
from plainview_ros.simulator.camera_crew import CameraCrew, Frame
from plainview_ros.simulator.plant import CameraFault

SMALL = Camera(
    id="cam-1", name="Small", location="", topic="cam_1", width=160, height=120, frame_rate_hz=20, min_rate_hz=1
)


def healthy(_camera_id: str) -> CameraFault:
    return CameraFault()


@pytest.fixture
def hire() -> Iterator[Callable[..., tuple[CameraCrew, queue.Queue[Frame]]]]:
    crews: list[CameraCrew] = []

    def make(deliver: Callable[[Frame], None] | None = None) -> tuple[CameraCrew, queue.Queue[Frame]]:
        frames: queue.Queue[Frame] = queue.Queue()
        crews.append(CameraCrew([SMALL], 8.0, 1, deliver or frames.put))
        return crews[-1], frames

    yield make
    for crew in crews:
        crew.stop()


def test_a_camera_shoots_at_the_lower_of_its_rate_and_the_limit(hire, deadline_s: float) -> None:  # type: ignore[no-untyped-def]
    crew, frames = hire()
    stamps = []
    for tick in range(64):  # of 1/16 s
        crew.shoot(1000 + tick / 16, tick / 16, healthy)
        if tick % 2 == 0:
            stamps.append(frames.get(timeout=deadline_s).stamp_s)
            crew._busy["cam-1"].result(deadline_s)
    assert stamps == [tick / 8 for tick in range(32)]
    assert frames.empty()
    assert crew.missed == 0


def test_dropped_frames_are_the_share_asked_for(hire) -> None:  # type: ignore[no-untyped-def]
    crew, frames = hire()
    for tick in range(400):
        crew.shoot(1000 + tick, float(tick), lambda _: CameraFault(frame_drop=1.0))
    crew.stop()
    assert frames.empty()


def test_a_camera_that_fails_says_so_once_and_goes_on(hire, deadline_s: float) -> None:  # type: ignore[no-untyped-def]
    taken: queue.Queue[Frame] = queue.Queue()

    def deliver(frame: Frame) -> None:
        taken.put(frame)
        if frame.stamp_s == 0:
            raise OSError("cable")

    crew, _ = hire(deliver)
    crew.shoot(1000.0, 0.0, healthy)
    taken.get(timeout=deadline_s)
    crew._busy["cam-1"].exception(deadline_s)
    with pytest.raises(OSError, match="cable"):
        crew.shoot(1001.0, 1.0, healthy)
    crew.shoot(1002.0, 2.0, healthy)
    assert taken.get(timeout=deadline_s).stamp_s == 2.0
