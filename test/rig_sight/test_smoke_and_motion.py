"""Smoke is found in a drawn plant with ordinary motion, and not without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from plainview_ros.assets import Camera
from plainview_ros.rig_sight.detections import Observation
from plainview_ros.rig_sight.motion import CONFIDENCE, MotionDetector, MotionSettings
from plainview_ros.rig_sight.smoke import SmokeDetector, SmokeSettings, rise
from plainview_ros.simulator.cameras import Scene

RATE_HZ = 4.0
NOON_S = 1_790_000_000.0
CAMERA = Camera(
    id="cam-1", name="Yard", location="Yard", topic="cam_1", width=640, height=360, frame_rate_hz=10, min_rate_hz=3
)
View = NDArray[np.uint8]
Disturbance = Callable[[float, View], View]


def views(seconds: float, seed: int, smoke_from_s: float = np.inf, amount: float = 0.0) -> Iterator[tuple[float, View]]:
    """The scene as RigSight sees it: JPEG, grey, reduced."""
    scene = Scene(CAMERA, seed)
    for number in range(round(seconds * RATE_HZ)):
        t_s = number / RATE_HZ
        frame = scene.render(NOON_S + t_s, smoke=amount if t_s >= smoke_from_s else 0.0)
        jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
        yield t_s, cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE)


def smoke_in(frames: Iterator[tuple[float, View]]) -> list[tuple[float, Observation]]:
    detector = SmokeDetector(SmokeSettings())
    return [(t_s, seen) for t_s, view in frames for seen in detector.find(view, t_s) if seen.suffices]


@pytest.fixture(scope="module")
def plain() -> list[tuple[float, View]]:
    """A minute and a half of normal operation: people and a truck that parks pass, a fan turns, a sock sways."""
    return list(views(90, seed=1))


def test_normal_operation_is_no_smoke(plain: list[tuple[float, View]]) -> None:
    assert smoke_in(iter(plain)) == []


@pytest.mark.parametrize(("seed", "amount"), [(1, 0.6), (2, 0.4), (4, 0.6)])
def test_a_plume_is_found_within_ten_seconds_where_it_is(seed: int, amount: float) -> None:
    found = smoke_in(views(32, seed, smoke_from_s=20, amount=amount))
    assert found, "no smoke seen"
    t_s, seen = found[0]
    assert 20 < t_s < 30
    source_x, source_y = Scene(CAMERA, seed)._at(Scene(CAMERA, seed)._source)
    x, y, width, _ = found[-1][1].region
    assert x - 40 <= source_x <= x + width + 40
    assert y < source_y
    assert seen.confidence >= 0.5
    assert "texture lost" in seen.evidence


def shadow(t_s: float, view: View) -> View:
    """A cloud's shadow wanders upwards over the scene."""
    rows = np.arange(view.shape[0])[:, None]
    dark = 1 - 0.35 * np.exp(-(((rows - (360 - 20 * (t_s - 20))) / 80) ** 2))
    return (view * dark).astype(np.uint8)


def exposure(t_s: float, view: View) -> View:
    return np.clip(view * (1.25 if int(t_s / 7) % 2 else 1.0), 0, 255).astype(np.uint8)


def lamp(t_s: float, view: View) -> View:
    """A beacon pulses on the plant."""
    rows, columns = np.ogrid[: view.shape[0], : view.shape[1]]
    glow = np.exp(-(((columns - 260) / 50) ** 2 + ((rows - 200) / 50) ** 2))
    return np.clip(view * (1 + (0.25 + 0.25 * np.sin(5 * t_s)) * glow), 0, 255).astype(np.uint8)


def sway(t_s: float, view: View) -> View:
    """The mast sways in a gale."""
    x, y = 1.5 * np.sin(2.9 * t_s), 1.5 * np.sin(4.3 * t_s)
    return np.asarray(cv2.warpAffine(view, np.array([[1, 0, x], [0, 1, y]]), view.shape[::-1]))


def fog(t_s: float, view: View) -> View:
    dense = min(0.6, 0.02 * (t_s - 20))
    return (view * (1 - dense) + 170 * dense).astype(np.uint8)


def nudge(_: float, view: View) -> View:
    """Somebody turned the camera."""
    return np.roll(view, (16, 26), (0, 1))


@pytest.mark.parametrize("disturbance", [shadow, exposure, lamp, sway, fog, nudge])
def test_what_is_not_smoke_is_not_taken_for_it(plain: list[tuple[float, View]], disturbance: Disturbance) -> None:
    assert smoke_in((t_s, disturbance(t_s, view) if t_s >= 20 else view) for t_s, view in plain[:240]) == []


def test_rising_patterns_are_told_from_sinking_ones_and_from_noise() -> None:
    rng = np.random.default_rng(1)
    pattern = cv2.GaussianBlur(rng.normal(0, 1, (80, 64)).astype(np.float32), (0, 0), 3) * 50
    assert rise(pattern, np.roll(pattern, -5, axis=0)) == 1
    assert rise(pattern, np.roll(pattern, 5, axis=0)) == -1
    assert rise(pattern, pattern) == 0
    noise = [rng.normal(0, 1, (80, 64)).astype(np.float32) for _ in range(2)]
    assert rise(noise[0], noise[1]) == 0
    assert rise(np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float32)) == 0


def test_motion_is_found_where_the_truck_is_and_never_sure() -> None:
    detector = MotionDetector(MotionSettings(), RATE_HZ)
    background = next(views(1, seed=1))[1]
    for _ in range(60):
        assert detector.find(background) == []
    passing = background.copy()
    passing[300:340, 200:280] = 240
    (seen,) = detector.find(passing)
    x, y, width, height = seen.region
    assert (abs(x - 200) <= 4, abs(y - 300) <= 4, abs(width - 80) <= 8, abs(height - 40) <= 8) == (True,) * 4
    assert seen.confidence == CONFIDENCE < 0.5


def test_what_turns_and_sways_all_the_time_is_no_motion() -> None:
    still = Scene(CAMERA, 3)
    still._draw_person = still._draw_truck = lambda *_: None  # type: ignore[method-assign]
    detector = MotionDetector(MotionSettings(), RATE_HZ)
    seen = [
        detector.find(cv2.cvtColor(still.render(NOON_S + number / RATE_HZ), cv2.COLOR_BGR2GRAY))
        for number in range(240)
    ]
    assert not any(seen[160:])
