"""What the simulated cameras see: a drawn plant with ordinary motion, and on request a hot spot or smoke.

One geometry is painted in two palettes, colours for visible cameras and temperatures for thermal ones. The still
picture is painted once; a frame copies it, draws the few patches that move and adds light and sensor noise in one pass.
"""

from __future__ import annotations

import math
import zlib
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from plainview_ros.assets import Camera

KELVIN = 273.15
NOISE_STEPS = 64
"""The noise tile is this much larger than the picture; each frame cuts it at another place."""
NOISE_OFFSET = 16
"""Added to the noise tile so that it fits unsigned pixels, taken off the still picture."""
VISIBLE_NOISE = 1.5
"""Standard deviation of the sensor noise [grey levels]."""
NETD_K = 0.07
"""Noise-equivalent temperature difference of the thermal camera [K]."""


class Material(NamedTuple):
    """How something looks: blue, green, red and its temperature [degC]."""

    bgr: tuple[int, int, int]
    temperature_c: float


SKY_TOP = Material((176, 140, 100), 12.0)
SKY_LOW = Material((214, 205, 192), 16.0)
GROUND = Material((96, 112, 122), 19.0)
ROAD = Material((88, 90, 92), 22.0)
STEEL = Material((92, 96, 100), 20.0)
DARK_STEEL = Material((56, 60, 66), 21.0)
TANK = Material((178, 184, 188), 24.0)
PIPE = Material((120, 136, 150), 31.0)
WARM_PIPE = Material((76, 120, 176), 46.0)
VALVE = Material((48, 52, 168), 38.0)
MOTOR = Material((140, 96, 52), 55.0)
CLOTHES = Material((28, 120, 220), 27.0)
SKIN = Material((130, 160, 205), 33.0)
TRUCK = Material((60, 150, 205), 23.0)
ENGINE = Material((52, 130, 180), 48.0)
RUBBER = Material((36, 36, 38), 28.0)
FLAG = Material((40, 70, 210), 20.0)

Point = tuple[float, float]
"""Share of the width and of the height of the picture, from the upper left corner."""


class Scene:
    """The view of one camera, the same for the same camera, seed and time.

    Args:
        camera: size and kind of the picture; visible cameras burn their id and the time in.
        seed: with the camera's id it places things, sets when what passes by and draws the noise.
    """

    def __init__(self, camera: Camera, seed: int) -> None:
        self._camera = camera
        self._thermal = camera.kind == "thermal"
        self._seed = (zlib.crc32(camera.id.encode()), seed)
        self._size = (camera.width, camera.height)
        rng = np.random.default_rng((*self._seed, 0))
        self._shift_x = float(rng.uniform(-0.03, 0.03))
        self._phases = rng.uniform(0.0, 1.0, 6)
        self._source: Point = (0.30 + 0.45 * float(rng.uniform()), 0.66)
        self._hot_spot: Point = (0.30 + 0.40 * float(rng.uniform()), 0.60)
        self._smoke_grey = int(rng.choice([70, 150, 200]))
        self._still = self._paint_still(rng)
        self._noise = self._noise_tile(rng)

    def render(self, t_s: float, *, hot_spot_c: float | None = None, smoke: float = 0.0) -> NDArray[Any]:
        """The frame at a time.

        Args:
            t_s: seconds since the epoch, finite.
            hot_spot_c: peak temperature of a hot spot on the equipment [degC]; a visible camera does not show it.
            smoke: size and density of a plume, 0 none to 1; a thermal camera sees through it.

        Returns:
            Visible: BGR ``uint8``, shape (height, width, 3). Thermal: centikelvin ``uint16``, shape (height, width).
        """
        frame: NDArray[Any] = self._still.copy()
        self._draw_motion(frame, t_s)
        rng = np.random.default_rng((*self._seed, round(t_s * 1000) & 0xFFFFFFFFFFFF))
        row, column = rng.integers(0, NOISE_STEPS, 2)
        height, width = frame.shape[:2]
        noise = self._noise[row : row + height, column : column + width]
        if self._thermal:
            drift_k = 0.8 * math.sin(math.tau * (t_s / 900 + self._phases[0]))
            if hot_spot_c is not None:
                self._draw_hot_spot(frame, hot_spot_c - drift_k)
            frame += noise
            frame += np.uint16(round(100 * (drift_k + 1)))
            return frame
        if smoke > 0:
            self._draw_smoke(frame, t_s, min(smoke, 1.0))
        light = 1 + 0.04 * math.sin(math.tau * (t_s / 240 + self._phases[0]))
        cv2.addWeighted(frame, light, noise, 1.0, -NOISE_OFFSET, dst=frame)
        self._draw_clock(frame, t_s)
        return frame

    # -- painting ------------------------------------------------------------------------------------------------------

    def _ink(self, material: Material) -> tuple[float, ...]:
        if self._thermal:
            return (100 * (material.temperature_c + KELVIN),)
        return tuple(float(channel) for channel in material.bgr)

    def _at(self, point: Point) -> tuple[int, int]:
        return round(point[0] * self._size[0]), round(point[1] * self._size[1])

    def _px(self, share_of_height: float) -> int:
        return max(1, round(share_of_height * self._size[1]))

    def _box(self, image: NDArray[Any], corner: Point, opposite: Point, material: Material) -> None:
        cv2.rectangle(image, self._at(corner), self._at(opposite), self._ink(material), cv2.FILLED)

    def _line(self, image: NDArray[Any], a: Point, b: Point, width: float, material: Material) -> None:
        cv2.line(image, self._at(a), self._at(b), self._ink(material), self._px(width))

    def _disc(self, image: NDArray[Any], centre: Point, radius: float, material: Material) -> None:
        cv2.circle(image, self._at(centre), self._px(radius), self._ink(material), cv2.FILLED)

    def _paint_still(self, rng: np.random.Generator) -> NDArray[Any]:
        width, height = self._size
        shape = (height, width) if self._thermal else (height, width, 3)
        image: NDArray[Any] = np.zeros(shape, np.float32)
        horizon = round(0.45 * height)
        share = np.linspace(0, 1, horizon, dtype=np.float32).reshape(-1, *[1] * (image.ndim - 1))
        image[:horizon] = np.array(self._ink(SKY_TOP)) * (1 - share) + np.array(self._ink(SKY_LOW)) * share
        image[horizon:] = self._ink(GROUND)
        gravel = rng.normal(0, 1, (height - horizon, width)).astype(np.float32)
        gravel = cv2.GaussianBlur(gravel, (0, 0), 0.0012 * width) * np.float32(30 if self._thermal else 26)
        image[horizon:] += gravel if self._thermal else gravel[..., None]
        self._paint_plant(image)
        if self._thermal:
            image = cv2.GaussianBlur(image, (0, 0), 0.0008 * width)  # the lens
            return np.asarray(image, np.uint16)
        return np.asarray(np.clip(image, NOISE_OFFSET, 255 - NOISE_OFFSET), np.uint8)

    def _paint_plant(self, image: NDArray[Any]) -> None:
        dx = self._shift_x
        self._box(image, (0, 0.86), (1, 0.97), ROAD)
        for x, top, right in ((0.06, 0.28, 0.22), (0.80, 0.22, 0.97)):  # two storage tanks
            self._box(image, (x + dx, top), (right + dx, 0.70), TANK)
            for y in np.arange(top + 0.05, 0.70, 0.07):
                self._line(image, (x + dx, y), (right + dx, y), 0.003, STEEL)
            for y in np.arange(top, 0.70, 0.018):  # the ladder
                self._line(image, (x + dx + 0.02, y), (x + dx + 0.032, y), 0.003, DARK_STEEL)
        for x in np.arange(0.25, 0.80, 0.06):  # the pipe rack
            self._line(image, (x + dx, 0.36), (x + dx, 0.74), 0.012, DARK_STEEL)
            self._line(image, (x + dx, 0.36), (x + dx + 0.06, 0.52), 0.005, STEEL)
            self._line(image, (x + dx, 0.52), (x + dx + 0.06, 0.36), 0.005, STEEL)
        for y, material in ((0.36, STEEL), (0.41, PIPE), (0.45, WARM_PIPE), (0.52, STEEL), (0.57, PIPE), (0.62, PIPE)):
            self._line(image, (0.22 + dx, y), (0.80 + dx, y), 0.018, material)
            for x in np.arange(0.25, 0.80, 0.03):  # flanges
                self._line(image, (x + dx, y - 0.014), (x + dx, y + 0.014), 0.005, DARK_STEEL)
        for x in (0.34, 0.52, 0.68):  # valves with hand wheels
            self._disc(image, (x + dx, 0.62), 0.028, VALVE)
            self._line(image, (x + dx, 0.62), (x + dx, 0.55), 0.008, STEEL)
            self._line(image, (x + dx - 0.018, 0.55), (x + dx + 0.018, 0.55), 0.01, VALVE)
        self._box(image, (0.42 + dx, 0.70), (0.50 + dx, 0.77), MOTOR)  # the pump and its motor
        self._disc(image, (0.40 + dx, 0.735), 0.04, STEEL)
        for x in np.arange(0.425, 0.50, 0.008):
            self._line(image, (x + dx, 0.705), (x + dx, 0.765), 0.002, DARK_STEEL)
        for x in np.arange(0.0, 1.0, 0.02):  # the fence along the road
            self._line(image, (x, 0.80), (x, 0.845), 0.003, STEEL)
        for y in (0.805, 0.82, 0.835):
            self._line(image, (0, y), (1, y), 0.0015, STEEL)
        self._line(image, (0.60 + dx, 0.10), (0.60 + dx, 0.36), 0.01, STEEL)  # the mast of the wind sock
        self._box(image, (0.535 + dx, 0.68), (0.585 + dx, 0.77), STEEL)  # the cooler behind its fan

    def _noise_tile(self, rng: np.random.Generator) -> NDArray[Any]:
        height, width = self._size[1] + NOISE_STEPS, self._size[0] + NOISE_STEPS
        if self._thermal:  # unsigned sums wrap, so negative noise is added as its complement
            signed = rng.normal(-100, 100 * NETD_K, (height, width)).round().astype(np.int16)
            return np.asarray(signed.view(np.uint16))
        grey = rng.normal(NOISE_OFFSET, VISIBLE_NOISE, (height, width)).round().clip(0, 255).astype(np.uint8)
        return np.asarray(cv2.merge([grey, grey, grey]))

    # -- what moves ----------------------------------------------------------------------------------------------------

    def _draw_motion(self, frame: NDArray[Any], t_s: float) -> None:
        dx = self._shift_x
        self._draw_fan(frame, (0.56 + dx, 0.725), t_s)
        self._draw_wind_sock(frame, (0.60 + dx, 0.11), t_s)
        self._draw_person(frame, (t_s / 95 + self._phases[1]) % 1.0, t_s)
        self._draw_truck(frame, (t_s / 210 + self._phases[2]) % 1.0)

    def _draw_fan(self, frame: NDArray[Any], hub: Point, t_s: float) -> None:
        self._disc(frame, hub, 0.036, DARK_STEEL)
        x, y = self._at(hub)
        radius = self._px(0.034)
        for blade in range(3):
            angle = math.tau * (t_s * 0.7 + blade / 3)
            tip = (round(x + radius * math.cos(angle)), round(y + radius * math.sin(angle)))
            cv2.line(frame, (x, y), tip, self._ink(TANK), self._px(0.008))

    def _draw_wind_sock(self, frame: NDArray[Any], top: Point, t_s: float) -> None:
        x, y = self._at(top)
        along = np.linspace(0, 1, 9)
        sway = 0.18 * np.sin(math.tau * (0.5 * t_s - along + self._phases[3])) * along + 0.25 * along
        centre = np.stack([x + along * self._px(0.11), y + sway * self._px(0.11)], axis=1)
        half = np.stack([np.zeros(9), self._px(0.016) * (1 - 0.5 * along)], axis=1)
        outline = np.concatenate([centre - half, (centre + half)[::-1]]).round().astype(np.int32)
        cv2.fillPoly(frame, [outline], self._ink(FLAG))

    def _draw_person(self, frame: NDArray[Any], phase: float, t_s: float) -> None:
        """Walks across in 38 s of every 95 s."""
        if phase > 0.4:
            return
        x, y = self._at((1.1 * phase / 0.4 - 0.05, 0.80))
        leg = self._px(0.05)
        swing = self._px(0.014) * math.sin(math.tau * 0.9 * t_s)
        for foot in (x + swing, x - swing):
            cv2.line(frame, (x, y - leg), (round(foot), y), self._ink(DARK_STEEL), self._px(0.009))
        cv2.ellipse(
            frame, (x, y - leg - self._px(0.03)), (self._px(0.016), self._px(0.036)), 0, 0, 360, self._ink(CLOTHES), -1
        )
        cv2.circle(frame, (x, y - leg - self._px(0.077)), self._px(0.013), self._ink(SKIN), cv2.FILLED)

    def _draw_truck(self, frame: NDArray[Any], phase: float) -> None:
        """Comes, stands for 50 s and leaves, in 84 s of every 210 s."""
        if phase > 0.4:
            return
        arrival, departure = min(phase / 0.08, 1.0), max((phase - 0.32) / 0.08, 0.0)
        x = -0.2 + 0.55 * math.sin(math.pi / 2 * arrival) + 0.85 * departure**2
        self._box(frame, (x, 0.80), (x + 0.10, 0.90), TRUCK)
        self._box(frame, (x + 0.102, 0.83), (x + 0.14, 0.90), ENGINE)
        self._box(frame, (x + 0.115, 0.84), (x + 0.135, 0.865), DARK_STEEL)
        for axle in (0.02, 0.075, 0.12):
            self._disc(frame, (x + axle, 0.905), 0.018, RUBBER)

    def _draw_clock(self, frame: NDArray[Any], t_s: float) -> None:
        text = f"{self._camera.id}  {datetime.fromtimestamp(t_s, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
        scale = self._size[1] / 1080
        width, height = round(780 * scale), round(48 * scale)
        frame[:height, :width] = 0
        thickness = max(1, round(2 * scale))
        cv2.putText(
            frame, text, (self._px(0.01), round(36 * scale)), cv2.FONT_HERSHEY_SIMPLEX, scale, (230,) * 3, thickness
        )

    # -- what should not be there --------------------------------------------------------------------------------------

    def _draw_hot_spot(self, frame: NDArray[Any], peak_c: float) -> None:
        """A round spot that cools outwards as a Gaussian; what is hotter already stays."""
        x, y = self._at(self._hot_spot)
        sigma = self._px(0.018)
        reach = 4 * sigma
        patch = frame[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        rows = np.arange(max(0, y - reach), max(0, y - reach) + patch.shape[0]) - y
        columns = np.arange(max(0, x - reach), max(0, x - reach) + patch.shape[1]) - x
        bell = np.exp(-(rows[:, None] ** 2 + columns[None, :] ** 2) / (2 * sigma**2))
        warmth = patch + (100 * (peak_c + KELVIN) - patch.astype(np.float32)) * bell
        np.maximum(patch, np.clip(warmth, 0, 65_000).astype(np.uint16), out=patch)

    @cached_property
    def _smoke_texture(self) -> NDArray[np.float32]:
        """Periodic cloud of several octaves, 0..1."""
        rng = np.random.default_rng((*self._seed, 1))
        cloud: NDArray[np.float32] = np.zeros((256, 256), np.float32)
        for octave in (4, 8, 16, 32):
            grid = rng.uniform(-1, 1, (octave, octave)).astype(np.float32)
            tiled = cv2.resize(np.tile(grid, (3, 3)), (768, 768), interpolation=cv2.INTER_CUBIC)
            cloud += tiled[256:512, 256:512] * np.float32((4 / octave) ** 0.7)
        low, high = np.quantile(cloud, [0.02, 0.98])
        return np.asarray(np.clip((cloud - low) / (high - low), 0, 1), np.float32)

    def _draw_smoke(self, frame: NDArray[Any], t_s: float, amount: float) -> None:
        """A plume that rises from its source, widens, leans with the wind and thins out.

        It is made on a coarse grid of 270 rows to the picture's height and then enlarged.
        """
        cell = self._size[1] / 270
        source_x, source_y = self._at(self._source)
        tall = round(0.6 * self._size[1] * amount**0.5)
        left = max(0, source_x - tall // 2)
        patch = frame[source_y - tall : source_y, left : source_x + tall]
        line = np.arange(max(2, round(patch.shape[0] / cell)))
        column = np.arange(max(2, round(patch.shape[1] / cell)))
        up = (1 - line / line[-1])[:, None]  # 0 at the source, 1 where the plume ends
        across = (column[None, :] * cell + left - source_x) / tall
        meander = 0.05 * np.sin(math.tau * (1.3 * up - 0.15 * t_s)) * up
        risen = 0.12 * 270 * t_s  # an eighth of the picture's height a second
        texture = self._smoke_texture
        billows = texture[np.ix_((line + int(risen)) % 256, column % 256)]
        wisps = texture[np.ix_((line + int(0.7 * risen) + 97) % 256, (column + 31) % 256)]
        reach = (0.05 + 0.2 * up) * (0.5 + billows)
        body = np.exp(-(((across - 0.3 * up**1.3 - meander) / reach) ** 2)) * np.clip(8 * up, 0, 1) * (1 - up) ** 0.8
        alpha = body * (0.4 + wisps) * (0.5 + 0.8 * amount)
        alpha = np.clip(alpha, 0, 0.95)
        light = alpha * self._smoke_grey * (0.7 + 0.6 * billows)
        veil, glow = (
            cv2.merge([cv2.resize(layer.astype(np.uint8), patch.shape[1::-1])] * 3)
            for layer in (255 * (1 - alpha), np.clip(light, 0, 255))
        )
        cv2.add(cv2.multiply(patch, veil, scale=1 / 255), glow, dst=veil)
        patch[:] = veil
