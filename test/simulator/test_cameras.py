"""The drawn scenes: repeatable, alive, and with the wanted hot spot or smoke in them and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from plainview_ros.assets import Camera
from plainview_ros.simulator.cameras import NETD_K, Scene

NOON_S = 1_790_000_000.0
VISIBLE = Camera(
    id="cam-1", name="Yard", location="Yard", topic="cam_1", width=640, height=360, frame_rate_hz=10, min_rate_hz=3
)
THERMAL = VISIBLE.model_copy(update={"kind": "thermal", "hot_spot_c": 80.0})


def celsius(frame: NDArray[np.uint16]) -> NDArray[np.float64]:
    return frame / 100 - 273.15


def test_the_same_camera_seed_and_time_give_the_same_frame() -> None:
    for camera in (VISIBLE, THERMAL):
        again = Scene(camera, 3).render(NOON_S, smoke=0.5)
        assert np.array_equal(Scene(camera, 3).render(NOON_S, smoke=0.5), again)
        assert not np.array_equal(Scene(camera, 4).render(NOON_S, smoke=0.5), again)


def test_frames_have_the_size_and_type_of_the_camera() -> None:
    visible, thermal = Scene(VISIBLE, 1).render(NOON_S), Scene(THERMAL, 1).render(NOON_S)
    assert (visible.shape, visible.dtype) == ((360, 640, 3), np.uint8)
    assert (thermal.shape, thermal.dtype) == ((360, 640), np.uint16)


def test_the_burnt_in_clock_changes_every_second_and_not_in_between() -> None:
    scene = Scene(VISIBLE, 1)
    clock = [scene.render(NOON_S + t)[:16, :260] for t in (0.0, 0.5, 1.0)]
    assert np.array_equal(clock[0], clock[1])
    assert not np.array_equal(clock[1], clock[2])


def test_a_frame_keeps_its_content_when_the_next_is_rendered() -> None:
    scene = Scene(VISIBLE, 1)
    first = scene.render(NOON_S)
    kept = first.copy()
    scene.render(NOON_S + 1)
    assert np.array_equal(first, kept)


def test_a_thermal_scene_stays_below_its_limit_all_day() -> None:
    scene = Scene(THERMAL, 2)
    for t in range(0, 86_400, 997):
        temperatures = celsius(scene.render(NOON_S + t))
        assert 5 < temperatures.min() < temperatures.max() < 70


def test_thermal_noise_is_that_of_the_data_sheet() -> None:
    scene = Scene(THERMAL, 2)
    sky = celsius(scene.render(NOON_S))[:20] - celsius(scene.render(NOON_S + 0.1))[:20]
    assert sky.std() == pytest.approx(NETD_K * np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("peak_c", [90.0, 250.0])
def test_a_hot_spot_has_the_wanted_peak_and_is_small(peak_c: float) -> None:
    scene = Scene(THERMAL, 2)
    temperatures = celsius(scene.render(NOON_S, hot_spot_c=peak_c))
    assert temperatures.max() == pytest.approx(peak_c, abs=0.5)
    assert (temperatures > 70).mean() < 0.005


def test_a_hot_spot_hotter_than_a_pixel_can_say_saturates_and_does_not_wrap() -> None:
    assert celsius(Scene(THERMAL, 2).render(NOON_S, hot_spot_c=900.0)).max() > 370


def test_more_smoke_veils_more_of_the_picture_and_moves() -> None:
    scene = Scene(VISIBLE, 5)
    clear = scene.render(NOON_S).astype(int)
    veiled = [
        (np.abs(scene.render(NOON_S, smoke=smoke).astype(int) - clear).max(axis=2) > 20).mean()
        for smoke in (0.2, 0.5, 1.0)
    ]
    assert 0 < veiled[0] < veiled[1] < veiled[2] < 0.4


def test_smoke_billows() -> None:
    scene = Scene(VISIBLE, 5)
    plume = np.abs(scene.render(NOON_S, smoke=0.6).astype(int) - scene.render(NOON_S)).max(axis=2) > 20
    changes = [
        np.abs(scene.render(NOON_S + 0.4, smoke=smoke).astype(int) - scene.render(NOON_S, smoke=smoke))[plume].mean()
        for smoke in (0.0, 0.6)
    ]
    assert changes[1] > 2 * changes[0]


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        Scene(VISIBLE, 1).render(float("nan"))
