"""One camera's frames, one after the other: decoded, found fit to be judged, searched, and drawn for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plainview_ros.assets import Camera
from plainview_ros.rig_sight.annotate import annotated, caption, encode_jpeg
from plainview_ros.rig_sight.detections import Detection, Observation, Region, Tracks
from plainview_ros.rig_sight.frames import Frame, Size, size_of
from plainview_ros.rig_sight.sight import SightSettings, sight_of

COARSE_PX = 4
"""Pixels along a side of a cell of the coarse picture."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one frame brought."""

    size: Size
    changed: bool
    """Whether it differs by more than noise from the last one that did."""
    black: bool
    transitions: Sequence[Detection]
    open: Sequence[Detection]
    """All detections that stand after this frame."""
    annotated: bytes | None
    """JPEG with the detections drawn in, when it was asked for."""


class Eye:
    """Judges the frames of one camera. To be used by one thread at a time, in the order of the frames."""

    def __init__(self, camera: Camera, settings: SightSettings) -> None:
        self._camera_id = camera.id
        self._jpeg_quality = settings.jpeg_quality
        self._sight = sight_of(camera, settings)
        self._tracks = Tracks(camera.id, settings.tracks)
        self._last: NDArray[Any] | None = None
        self._last_changed: NDArray[Any] | None = None

    def look(self, frame: Frame, stamp_s: float, t_s: float, *, annotate: bool = False) -> Look:
        """Judge one frame.

        A black picture, and one that equals the one before to the last bit, is no evidence that something has gone:
        nothing ends by it.

        Args:
            stamp_s: time the events are stamped with [s since the epoch].
            t_s: when the frame arrived, on a monotonic clock [s].
            annotate: also draw the detections in; for a visible camera that costs decoding it in full size.

        Raises:
            ValueError: naming what is wrong with the frame.
        """
        size = size_of(frame)
        pixels = self._sight.pixels(frame)
        coarse = _coarse(pixels)
        black = self._sight.is_black(coarse)
        repeated = self._last is not None and np.array_equal(coarse, self._last)
        self._last = coarse
        transitions: list[Detection] = []
        if not black and not repeated:
            scale = (size.width / pixels.shape[1], size.height / pixels.shape[0])
            seen = [_enlarged(observation, *scale) for observation in self._sight.find(pixels, t_s)]
            transitions = self._tracks.update(seen, stamp_s, t_s)
        return Look(
            size=size,
            changed=self._has_changed(coarse),
            black=black,
            transitions=transitions,
            open=self._tracks.open,
            annotated=self._draw(frame, pixels, stamp_s) if annotate else None,
        )

    def _has_changed(self, coarse: NDArray[Any]) -> bool:
        """Compared with the last picture that had changed, so that a slow drift also counts."""
        last = self._last_changed
        if last is not None and last.shape == coarse.shape and cv2.absdiff(coarse, last).max() <= self._sight.noise:
            return False
        self._last_changed = coarse
        return True

    def _draw(self, frame: Frame, pixels: NDArray[Any], stamp_s: float) -> bytes:
        picture, scale = self._sight.picture(frame, pixels)
        drawn = annotated(picture, self._tracks.open, caption(self._camera_id, stamp_s, scale))
        return encode_jpeg(drawn, self._jpeg_quality)


def _coarse(pixels: NDArray[Any]) -> NDArray[Any]:
    height, width = (max(1, side // COARSE_PX) for side in pixels.shape)
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))


def _enlarged(observation: Observation, x_scale: float, y_scale: float) -> Observation:
    """From the pixels of the picture that was searched to those of the full frame."""
    x, y, width, height = observation.region
    region = Region(round(x * x_scale), round(y * y_scale), round(width * x_scale), round(height * y_scale))
    return replace(observation, region=region)
