"""Hot spots in the frames of a radiometric camera: temperature is measured, not guessed from a colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plainview_ros.rig_sight.detections import Observation, Region

KELVIN = 273.15


@dataclass(frozen=True, slots=True)
class ThermalSettings:
    kelvin_per_count: float = 0.01
    """Scale of the 16-bit pixels, which count from 0 K: 0.01 for centikelvin, 0.04 for the low gain of many cores."""
    min_area_px: int = 12
    """A smaller hot region is a defective pixel or a reflection."""
    deadband_k: float = 2.0
    """A hot spot lasts until it is so far below the limit."""
    sure_above_k: float = 10.0
    """So far above the limit the confidence is 1."""


def to_celsius(counts: Any, kelvin_per_count: float) -> Any:
    return counts * kelvin_per_count - KELVIN


class HotSpotDetector:
    """Connected regions above the camera's limit.

    The confidence is 0.5 where the hottest pixel is at the limit and 1 where it is ``sure_above_k`` above it.

    Args:
        limit_c: temperature above which a pixel is hot [degC].
    """

    def __init__(self, limit_c: float, settings: ThermalSettings) -> None:
        self._limit_c = limit_c
        self._settings = settings
        self._cool_counts = (limit_c - settings.deadband_k + KELVIN) / settings.kelvin_per_count

    def find(self, counts: NDArray[np.uint16]) -> list[Observation]:
        """Hot spots of a frame of shape (height, width), the hottest first."""
        settings = self._settings
        warm = counts > self._cool_counts
        if not warm.any():
            return []
        count, labels, stats, _ = cv2.connectedComponentsWithStats(warm.view(np.uint8), connectivity=8)
        found = []
        for label in range(1, count):
            area = int(stats[label, cv2.CC_STAT_AREA])
            if area < settings.min_area_px:
                continue
            x, y, width, height = (int(value) for value in stats[label, :4])
            box = (slice(y, y + height), slice(x, x + width))
            inside = counts[box][labels[box] == label]
            peak_c = float(to_celsius(int(inside.max()), settings.kelvin_per_count))
            hot_px = int((to_celsius(inside, settings.kelvin_per_count) > self._limit_c).sum())
            above_k = peak_c - self._limit_c
            found.append(
                Observation(
                    type="hot_spot",
                    region=Region(x, y, width, height),
                    confidence=min(max(0.5 + 0.5 * above_k / settings.sure_above_k, 0.0), 1.0),
                    evidence=f"{peak_c:.1f} degC, limit {self._limit_c:g} degC; {hot_px} px above the limit",
                    suffices=hot_px >= settings.min_area_px,
                    temperature_c=peak_c,
                )
            )
        return sorted(found, key=lambda spot: -spot.temperature_c)
