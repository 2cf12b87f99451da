"""Hot spots in radiometric frames."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from plainview_ros.rig_sight.thermal import HotSpotDetector, ThermalSettings

SETTINGS = ThermalSettings(kelvin_per_count=0.01, min_area_px=12, deadband_k=2.0, sure_above_k=10.0)


def frame(*spots: tuple[int, int, int, float], ambient_c: float = 20.0) -> NDArray[np.uint16]:
    """Square spots (row, column, side, degC) in a plain frame."""
    celsius = np.full((120, 160), ambient_c)
    for row, column, side, temperature_c in spots:
        celsius[row : row + side, column : column + side] = temperature_c
    return np.round((celsius + 273.15) * 100).astype(np.uint16)


def test_a_hot_region_is_found_with_its_box_and_peak() -> None:
    (spot,) = HotSpotDetector(80.0, SETTINGS).find(frame((30, 50, 5, 95.0)))
    assert spot.region == (50, 30, 5, 5)
    assert spot.temperature_c == pytest.approx(95.0, abs=0.01)
    assert spot.confidence == 1.0
    assert spot.suffices
    assert "95.0 degC, limit 80 degC" in spot.evidence


def test_confidence_says_how_far_above_the_limit() -> None:
    detector = HotSpotDetector(80.0, SETTINGS)
    at_limit, halfway = (detector.find(frame((9, 9, 5, peak)))[0].confidence for peak in (80.01, 85.0))
    assert at_limit == pytest.approx(0.5, abs=0.01)
    assert halfway == pytest.approx(0.75, abs=0.01)


def test_warm_equipment_and_single_pixels_are_no_hot_spots() -> None:
    detector = HotSpotDetector(80.0, SETTINGS)
    assert detector.find(frame((10, 10, 40, 77.0))) == []
    assert detector.find(frame((10, 10, 3, 300.0))) == []


def test_within_the_deadband_it_only_goes_on() -> None:
    (spot,) = HotSpotDetector(80.0, SETTINGS).find(frame((10, 10, 5, 79.0)))
    assert not spot.suffices


def test_the_hottest_comes_first() -> None:
    found = HotSpotDetector(80.0, SETTINGS).find(frame((10, 10, 5, 90.0), (60, 60, 6, 120.0)))
    assert [round(spot.temperature_c) for spot in found] == [120, 90]


def test_the_scale_of_the_pixels_is_a_setting() -> None:
    coarse = ThermalSettings(kelvin_per_count=0.04)
    counts = (frame((10, 10, 5, 100.0)) / 4).astype(np.uint16)
    (spot,) = HotSpotDetector(80.0, coarse).find(counts)
    assert spot.temperature_c == pytest.approx(100.0, abs=0.04)
