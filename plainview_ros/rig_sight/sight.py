"""The two ways of seeing: what a visible and what a thermal camera's pixels can tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from plainview_ros.assets import Camera
from plainview_ros.rig_sight.annotate import false_colours
from plainview_ros.rig_sight.detections import Observation, TrackSettings
from plainview_ros.rig_sight.frames import Frame, Reduction, decode, size_of
from plainview_ros.rig_sight.motion import MotionDetector, MotionSettings
from plainview_ros.rig_sight.smoke import SmokeDetector, SmokeSettings
from plainview_ros.rig_sight.thermal import HotSpotDetector, ThermalSettings

VIEW_HEIGHT_PX = 240
"""Smoke and motion are large: they are looked for in the most reduced picture that is at least so high."""


@dataclass(frozen=True, slots=True)
class SightSettings:
    rate_hz: float = 4.0
    """How many frames of a camera are judged in a second."""
    black_level: float = 20.0
    """A visible picture of which 95 % are darker [grey levels of 255] is black; a burnt-in clock may shine."""
    flat_k: float = 0.3
    """A thermal picture without larger differences [K] shows nothing."""
    jpeg_quality: int = 80
    thermal: ThermalSettings = field(default_factory=ThermalSettings)
    smoke: SmokeSettings = field(default_factory=SmokeSettings)
    motion: MotionSettings = field(default_factory=MotionSettings)
    tracks: TrackSettings = field(default_factory=TrackSettings)


class Sight(Protocol):
    """What is particular to a kind of camera; remembers what it needs from frame to frame."""

    noise: float
    """Successive live pictures differ by more than this in some cell of the coarse picture [pixel values]."""

    def pixels(self, frame: Frame) -> NDArray[Any]:
        """Decode a frame, reduced as far as judging it allows. Raises ``ValueError`` naming what is wrong with it."""

    def is_black(self, coarse: NDArray[Any]) -> bool:
        """Whether a picture, reduced to cells, shows nothing."""

    def find(self, pixels: NDArray[Any], t_s: float, /) -> list[Observation]:
        """What the next picture shows, in its pixels; ``t_s`` on a monotonic clock."""

    def picture(self, frame: Frame, pixels: NDArray[Any], /) -> tuple[NDArray[np.uint8], str]:
        """The frame in full size as people see it, BGR, and the scale of its colours in words."""


class VisibleSight:
    """Smoke and motion in a grey picture."""

    noise = 2.0

    def __init__(self, camera: Camera, settings: SightSettings) -> None:
        self._camera = camera
        self._black_level = settings.black_level
        self._smoke = SmokeDetector(settings.smoke)
        self._motion = MotionDetector(settings.motion, settings.rate_hz)

    def pixels(self, frame: Frame) -> NDArray[Any]:
        height = size_of(frame).height
        fitting = [factor for factor in (8, 4, 2) if height // factor >= VIEW_HEIGHT_PX]
        reduction = cast(Reduction, fitting[0] if fitting else 1)
        return _checked(decode(frame, self._camera, reduction=reduction), np.uint8, "visible")

    def is_black(self, coarse: NDArray[Any]) -> bool:
        return float(np.percentile(coarse, 95)) < self._black_level

    def find(self, pixels: NDArray[Any], t_s: float) -> list[Observation]:
        return [*self._smoke.find(pixels, t_s), *self._motion.find(pixels)]

    def picture(self, frame: Frame, _pixels: NDArray[Any], /) -> tuple[NDArray[np.uint8], str]:
        return decode(frame, self._camera, colour=True), ""


class ThermalSight:
    """Hot spots in a radiometric picture."""

    noise = 0.0
    """That of a live sensor never repeats."""

    def __init__(self, camera: Camera, limit_c: float, settings: SightSettings) -> None:
        self._camera = camera
        self._flat_counts = settings.flat_k / settings.thermal.kelvin_per_count
        self._kelvin_per_count = settings.thermal.kelvin_per_count
        self._hot_spots = HotSpotDetector(limit_c, settings.thermal)

    def pixels(self, frame: Frame) -> NDArray[Any]:
        return _checked(decode(frame, self._camera), np.uint16, "thermal")

    def is_black(self, coarse: NDArray[Any]) -> bool:
        return bool(np.ptp(coarse) < self._flat_counts)

    def find(self, pixels: NDArray[Any], _t_s: float, /) -> list[Observation]:
        return self._hot_spots.find(pixels)

    def picture(self, _frame: Frame, pixels: NDArray[Any], /) -> tuple[NDArray[np.uint8], str]:
        return false_colours(pixels, self._kelvin_per_count)


def sight_of(camera: Camera, settings: SightSettings) -> Sight:
    """How a camera sees; thermal are those with a limit (the rig model knows no others)."""
    if camera.hot_spot_c is None:
        return VisibleSight(camera, settings)
    return ThermalSight(camera, camera.hot_spot_c, settings)


def _checked(pixels: NDArray[Any], expected: type[np.generic], kind: str) -> NDArray[Any]:
    if pixels.dtype != expected:
        raise ValueError(f"{pixels.dtype} pixels from a {kind} camera, expected {expected.__name__}")
    return pixels
