"""The simulated cameras at work: each frame is drawn and encoded on a worker thread."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np

from plainview_ros.assets import Camera
from plainview_ros.simulator.cameras import Scene
from plainview_ros.simulator.plant import CameraFault

THERMAL_RATE_HZ = 5.0
"""Raw thermal frames are large: no more of them than this."""
JPEG_QUALITY = 80


class Frame(NamedTuple):
    """One frame as a driver sends it."""

    camera: Camera
    stamp_s: float
    data: array[int]
    """Visible: a JPEG file. Thermal: rows of little-endian 16-bit centikelvin."""


class CameraCrew:
    """Draws the frames of all cameras at their rates, of real time.

    The caller says when and what; a camera whose frame before is not finished yet misses one.

    Args:
        rate_hz: upper limit for all cameras.
        deliver: called on a worker thread with each frame.
    """

    def __init__(self, cameras: Sequence[Camera], rate_hz: float, seed: int, deliver: Callable[[Frame], None]) -> None:
        self._deliver = deliver
        self._period_s = {
            camera.id: 1 / min(rate_hz, camera.frame_rate_hz, THERMAL_RATE_HZ if camera.kind == "thermal" else rate_hz)
            for camera in cameras
        }
        self._cameras = tuple(cameras)
        self._seed = seed
        self._drops = np.random.default_rng((seed, 5))
        self._scenes: dict[str, Scene] = {}
        self._next_s = dict.fromkeys(self._period_s, 0.0)
        self._busy: dict[str, Future[None]] = {}
        self.missed = 0
        """Frames that the machine was too slow for."""
        self._pool = ThreadPoolExecutor(max(1, len(cameras)), thread_name_prefix="camera")

    def shoot(self, monotonic_s: float, stamp_s: float, fault_of: Callable[[str], CameraFault]) -> None:
        """Begin the frames that are due. Raises what drawing an earlier frame raised."""
        for camera in self._cameras:
            due_s, period_s = self._next_s[camera.id], self._period_s[camera.id]
            if monotonic_s < due_s:
                continue
            self._next_s[camera.id] = (due_s if due_s + period_s > monotonic_s else monotonic_s) + period_s
            running = self._busy.get(camera.id)
            if running is not None and not running.done():
                self.missed += camera.id in self._scenes  # painting the first one takes its time
                continue
            if running is not None:
                del self._busy[camera.id]
                running.result()
            fault = fault_of(camera.id)
            if self._drops.random() >= fault.frame_drop:
                self._busy[camera.id] = self._pool.submit(self._shoot, camera, stamp_s, fault)

    def stop(self) -> None:
        """Finish the frames under way."""
        self._pool.shutdown(cancel_futures=True)

    def _shoot(self, camera: Camera, stamp_s: float, fault: CameraFault) -> None:
        """On a worker thread, one at a time for each camera."""
        if camera.id not in self._scenes:
            self._scenes[camera.id] = Scene(camera, self._seed)
        image = self._scenes[camera.id].render(stamp_s, hot_spot_c=fault.hot_spot_c, smoke=fault.smoke)
        if camera.kind == "thermal":
            encoded = image.astype("<u2", copy=False).tobytes()
        else:
            encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
        self._deliver(Frame(camera, stamp_s, array("B", encoded)))
