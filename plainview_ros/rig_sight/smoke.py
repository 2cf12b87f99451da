"""Smoke in the grey picture of a fixed visible camera.

What smoke does that people, vehicles, clouds and lights do not do together: it takes the fine texture out of what is
behind it (Toreyin, Dedeoglu and Cetin 2005), without adding edges of its own; it stays in its place and yet never
stands still; and its billows move upwards (Yuan 2008). All four must hold for some seconds.

The picture is judged in cells of 8x8 pixels against a background learned per cell. A plume in front of nothing but
plain sky takes away no texture and is not found until it veils structure, nor is smoke that was there at the start.
Steam looks the same and is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plainview_ros.rig_sight.detections import Observation, Region

Picture = NDArray[np.float32]
"""One value for each pixel."""
Grid = NDArray[np.float32]
"""One value for each cell."""
Mask = NDArray[np.bool_]

CELL_PX = 8
TEXTURED = 1.5
"""Grey levels of texture from which on its loss can be told from noise."""
MIN_TEXTURED_CELLS = 4
MAX_RISE_PX = 16
"""Longest way of a billow from one frame to the next that is looked for."""
MAX_EDGE_SHARE = 0.2
"""Smoke has soft borders: at most this share of the cells around it may have gained edges."""
KEEPS_GOING = 0.25
"""Confidence that is enough to keep a detection going."""
LEAST_STIR = 0.1
"""Standard deviation [grey levels] of a change that has a pattern at all."""
MIN_MATCH = 0.3
"""Least correlation of the billows of two frames; noise gives less."""
RESTLESS_SHARE = 0.3
"""When something goes on in so much of the picture, it is the mast that sways or a cloud's shadow: no smoke starts.
Smoke that grows to this has been found before."""
VIEW_CHANGED_SHARE = 0.6
"""When this much of the picture stands changed, the camera was moved or the light switched: learn afresh."""


@dataclass(frozen=True, slots=True)
class SmokeSettings:
    min_share: float = 0.005
    """Least size as a share of the picture."""
    min_loss: float = 0.1
    """Least loss of texture, 0 none to 1 all."""
    min_rising: float = 0.5
    """Least share of the time of ``persistence_s`` in which it rose, less that in which it sank (a swaying mast)."""
    persistence_s: float = 2.5
    """Time constant of everything that must last."""
    memory_s: float = 60.0
    """Time constant of the background."""
    warm_up_s: float = 4.0
    """Nothing is reported until the background has been seen for so long; smoke that is there already becomes part of
    it, so the less the better."""


@dataclass(slots=True)
class _Memory:
    """What is kept from frame to frame; a grid has one value for each cell."""

    started_s: float
    seen_s: float
    picture: Picture
    change: Picture
    """By how much the last frame differed from the one before."""
    last_level: Grid
    # the background
    level: Grid
    level_spread: Grid
    texture: Grid
    texture_spread: Grid
    stir: Grid
    # of the last seconds, 0..1
    loss: Grid
    liveliness: Grid
    persistence: Grid
    rising: Grid

    @staticmethod
    def beginning(picture: Picture, level: Grid, texture: Grid, t_s: float) -> _Memory:
        def filled(value: float) -> Grid:
            return np.full_like(level, value)

        return _Memory(
            started_s=t_s,
            seen_s=t_s,
            picture=picture,
            change=np.zeros_like(picture),
            last_level=level,
            level=level.copy(),
            level_spread=filled(2.0),
            texture=texture.copy(),
            texture_spread=filled(0.5),
            stir=filled(0.3),
            loss=filled(0.0),
            liveliness=filled(0.0),
            persistence=filled(0.0),
            rising=filled(0.0),
        )

    def learn(self, level: Grid, texture: Grid, weight: Grid) -> None:
        """Move the background towards a frame by a share of the way."""
        self.level_spread += weight * (np.abs(level - self.level) - self.level_spread)
        self.texture_spread += weight * (np.abs(texture - self.texture) - self.texture_spread)
        self.stir += weight * (np.abs(level - self.last_level) - self.stir)
        self.level += weight * (level - self.level)
        self.texture += weight * (texture - self.texture)


class SmokeDetector:
    """Needs frames of one size, some a second.

    The confidence is 0.5 where loss of texture or rising, whichever is weaker, just suffices, and 1 where the weaker is
    twice that.
    """

    def __init__(self, settings: SmokeSettings) -> None:
        self._settings = settings
        self._memory: _Memory | None = None

    def find(self, grey: NDArray[np.uint8], t_s: float) -> list[Observation]:
        """Smoke in the next frame, in its pixels.

        Args:
            t_s: time of the frame on a monotonic clock [s].
        """
        picture = grey.astype(np.float32)
        level = _cells(picture)
        texture = _cells(cv2.absdiff(picture, cv2.GaussianBlur(picture, (0, 0), 1.5)))
        memory = self._memory
        if memory is None or level.shape != memory.level.shape:
            self._memory = _Memory.beginning(picture, level, texture, t_s)
            return []
        settings = self._settings
        elapsed_s = min(max(t_s - memory.seen_s, 0.0), 1.0)
        short = elapsed_s / (elapsed_s + settings.persistence_s)
        age_s = t_s - memory.started_s
        warm = age_s >= settings.warm_up_s

        # The light of the whole scene, which exposure and clouds change.
        light = max(float(np.median(level / np.maximum(memory.level, 1.0))), 0.05)
        level, texture = level / light, texture / light
        stirred = np.abs(level - memory.last_level) > np.maximum(1.0, 4 * memory.stir)
        memory.liveliness += short * (stirred - memory.liveliness)
        changed = np.abs(level - memory.level) > np.maximum(4.0, 5 * memory.level_spread)
        contrast = (texture / np.maximum(memory.texture, 0.1)) * (memory.level / np.maximum(level, 1.0))
        textured = memory.texture > TEXTURED
        odd = changed | (textured & (contrast < 1 - settings.min_loss))
        edged = texture > memory.texture + 4 * memory.texture_spread + 0.3
        memory.loss += short * (1 - contrast - memory.loss)
        memory.persistence += short * ((odd & ~edged) - memory.persistence)

        # Where something goes on nothing is learned, or smoke would become normal; what stands still is in time.
        going_on = odd & (memory.liveliness > 0.05)
        weight = elapsed_s / (elapsed_s + min(max(age_s, elapsed_s), settings.memory_s))
        memory.learn(level, texture, np.where(going_on & warm, 0.0, weight).astype(np.float32))
        change, memory.picture = picture - memory.picture, picture
        before, memory.change = memory.change, change
        memory.last_level, memory.seen_s = level, t_s
        if not warm:
            return []
        if (changed & ~going_on).mean() > VIEW_CHANGED_SHARE:
            self._memory = None
            return []
        return self._judge(memory, before, change, textured, edged, short)

    def _judge(
        self, memory: _Memory, before: Picture, change: Picture, textured: Mask, edged: Mask, short: float
    ) -> list[Observation]:
        settings = self._settings
        lively = memory.liveliness > 0.2
        suspect = (memory.persistence > 0.5) & lively
        count, labels, stats, _ = cv2.connectedComponentsWithStats(suspect.astype(np.uint8), connectivity=8)
        rose = np.zeros_like(memory.rising)
        regions = []
        for label in range(1, count):
            cells = labels == label
            size = int(cells.sum())
            losses = memory.loss[cells & textured]
            around = cv2.dilate(cells.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            if size < settings.min_share * cells.size or losses.size < MIN_TEXTURED_CELLS:
                continue
            if edged[around].mean() > MAX_EDGE_SHARE:
                continue
            x, y, width, height = (CELL_PX * int(value) for value in stats[label, :4])
            box = (slice(y, y + height), slice(x, x + width))
            rose[cells] = rise(before[box], change[box])
            regions.append((Region(x, y, width, height), cells, float(np.median(losses))))
        memory.rising += short * (rose - memory.rising)
        calm = bool(lively.mean() < RESTLESS_SHARE)
        found = (
            self._observation(region, float(cells.mean()), lost, float(memory.rising[cells].mean()), calm=calm)
            for region, cells, lost in regions
        )
        return [observation for observation in found if observation.confidence >= KEEPS_GOING]

    def _observation(self, region: Region, share: float, lost: float, rising: float, *, calm: bool) -> Observation:
        strength = min(lost / self._settings.min_loss, rising / self._settings.min_rising)
        return Observation(
            type="smoke",
            region=region,
            confidence=min(max(strength / 2, 0.0), 1.0),
            evidence=(
                f"{100 * lost:.0f} % of the texture lost over {100 * share:.1f} % of the picture,"
                f" rising {100 * rising:.0f} % of the time"
            ),
            suffices=strength >= 1 and calm,
        )


def rise(before: Picture, now: Picture) -> int:
    """1 when the pattern of ``now`` was lower in ``before``, -1 when it was higher, 0 when it is not found again.

    Both are differences of successive frames, so that what stands still behind the smoke does not count.
    """
    margin_y, margin_x = MAX_RISE_PX, 4
    if before.shape[0] < 3 * margin_y or before.shape[1] < 4 * margin_x:
        margin_y, margin_x = before.shape[0] // 3, before.shape[1] // 4
    pattern = now[margin_y : now.shape[0] - margin_y, margin_x : now.shape[1] - margin_x]
    if pattern.std() < LEAST_STIR or before.std() < LEAST_STIR:
        return 0
    match: Any = cv2.matchTemplate(
        cv2.GaussianBlur(before, (0, 0), 2), cv2.GaussianBlur(pattern, (0, 0), 2), cv2.TM_CCOEFF_NORMED
    )
    row = int(np.unravel_index(np.argmax(match), match.shape)[0])
    return int(np.sign(row - margin_y)) if match.max() >= MIN_MATCH else 0


def _cells(picture: Picture) -> Grid:
    """Mean of each cell; what does not fill a cell at the right and lower border is spread over all."""
    size = (picture.shape[1] // CELL_PX, picture.shape[0] // CELL_PX)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
