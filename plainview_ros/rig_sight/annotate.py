"""Pictures for people: what was detected drawn in, temperatures as colours, as JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plainview_ros.rig_sight.detections import Detection, Observation
from plainview_ros.rig_sight.thermal import to_celsius

COLOURS = {"hot_spot": (255, 255, 255), "smoke": (0, 140, 255), "motion": (200, 200, 0)}
"""Blue, green, red."""
MIN_SPAN_K = 10.0
"""The colours span at least so much, or noise would look like structure."""


def annotated(picture: NDArray[np.uint8], detections: Sequence[Detection], caption: str) -> NDArray[np.uint8]:
    """The picture, drawn over in place: a box with type, temperature and confidence for each detection.

    Args:
        picture: BGR of shape (height, width, 3).
        caption: a line for the lower left corner.
    """
    scale = picture.shape[0] / 1080
    for detection in detections:
        seen = detection.seen
        colour = COLOURS[seen.type]
        x, y, width, height = seen.region
        cv2.rectangle(picture, (x, y), (x + width, y + height), colour, max(1, round(3 * scale)))
        _write(picture, _label(seen), (x, max(y - round(10 * scale), round(30 * scale))), colour)
    _write(picture, caption, (round(10 * scale), picture.shape[0] - round(14 * scale)), (255, 255, 255))
    return picture


def false_colours(counts: NDArray[np.uint16], kelvin_per_count: float) -> tuple[NDArray[np.uint8], str]:
    """A thermal frame in colours from its coldest to its hottest pixel, and the scale in words."""
    coldest, hottest = int(counts.min()), int(counts.max())
    span = max(hottest - coldest, MIN_SPAN_K / kelvin_per_count)
    grey = cv2.convertScaleAbs(counts, alpha=255 / span, beta=-coldest * 255 / span)
    low_c, high_c = (float(to_celsius(count, kelvin_per_count)) for count in (coldest, coldest + span))
    return np.asarray(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)), f"{low_c:.0f} to {high_c:.0f} degC"


def caption(camera_id: str, stamp_s: float, scale: str = "") -> str:
    """``cam-103  2026-09-21 14:13:23 UTC  12 to 81 degC``."""
    time = f"{datetime.fromtimestamp(stamp_s, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    return "  ".join(filter(None, (camera_id, time, scale)))


def encode_jpeg(picture: NDArray[np.uint8], quality: int) -> bytes:
    """JPEG of a BGR picture; quality 1..100."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data)


def _label(seen: Observation) -> str:
    temperature = "" if np.isnan(seen.temperature_c) else f" {seen.temperature_c:.0f} degC"
    return f"{seen.type.replace('_', ' ')}{temperature} {100 * seen.confidence:.0f} %"


def _write(picture: NDArray[Any], text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """Text with a dark rim, to be read on any background."""
    size = max(0.4, picture.shape[0] / 1080)
    thickness = max(1, round(2 * size))
    for ink, width in (((0, 0, 0), 3 * thickness), (colour, thickness)):
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, ink, width)
