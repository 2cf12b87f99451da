"""Something moves that does not usually move there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plainview_ros.rig_sight.detections import Observation, Region

CONFIDENCE = 0.3
"""Of every motion: that something moved is certain, that it matters is not known."""


@dataclass(frozen=True, slots=True)
class MotionSettings:
    min_share: float = 0.001
    """Least size of a moving region as a share of the picture."""
    memory_s: float = 120.0
    """What has been in one place for so long belongs to the scene."""
    warm_up_s: float = 10.0
    """Nothing is reported until the scene has been seen for so long."""


class MotionDetector:
    """Adaptive Gaussian mixture background (Zivkovic 2004): what sways or turns becomes part of it.

    All that moves at a time is one observation, or a busy yard would be an event for each step of each passer-by.
    """

    def __init__(self, settings: MotionSettings, rate_hz: float) -> None:
        self._settings = settings
        self._warm_up_frames = round(settings.warm_up_s * rate_hz)
        self._frames = 0
        self._background: Any = cv2.createBackgroundSubtractorMOG2(
            history=max(2, round(settings.memory_s * rate_hz)), varThreshold=25, detectShadows=False
        )

    def find(self, grey: NDArray[np.uint8]) -> list[Observation]:
        """What moves in the next frame, in its pixels: nothing or one observation."""
        self._frames += 1
        half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        moving = self._background.apply(half)
        if self._frames <= self._warm_up_frames:
            return []
        _, _, stats, _ = cv2.connectedComponentsWithStats(moving, connectivity=8)
        areas = stats[:, cv2.CC_STAT_AREA]
        regions = stats[1:][areas[1:] >= self._settings.min_share * half.size]
        if not len(regions):
            return []
        left, top = (2 * int(edge) for edge in regions[:, :2].min(axis=0))
        right, bottom = (2 * int(edge) for edge in (regions[:, :2] + regions[:, 2:4]).max(axis=0))
        share = regions[:, cv2.CC_STAT_AREA].sum() / half.size
        return [
            Observation(
                type="motion",
                region=Region(left, top, right - left, bottom - top),
                confidence=CONFIDENCE,
                evidence=f"{100 * share:.1f} % of the picture moves in {len(regions)} regions",
            )
        ]
