"""Temperature of the oil along the line: carried by the flow, cooling towards its surroundings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TemperatureSettings:
    inlet_c: float = 45.0
    surroundings_c: float = 9.0
    cooling_time_s: float = 14 * 3600.0
    """Oil at rest has lost 63 % of its excess temperature after this time."""


class OilTemperature:
    """Temperature at the nodes of the pipeline, upwind differences in space; steady for ``velocity_m_s`` at first."""

    def __init__(self, positions_m: Array, velocity_m_s: Array, settings: TemperatureSettings | None = None) -> None:
        self._settings = settings or TemperatureSettings()
        self._lengths = np.diff(positions_m)
        ambient = self._settings.surroundings_c
        kept = 1 / (1 + self._lengths / (velocity_m_s * self._settings.cooling_time_s))
        self.values_c: Array = ambient + (self._settings.inlet_c - ambient) * np.concatenate([[1.0], np.cumprod(kept)])

    def step(self, dt_s: float, velocity_m_s: Array, inlet_deviation_k: float = 0.0) -> None:
        """Advance by ``dt_s``, with the velocity in each reach (backward flow carries nothing)."""
        t = self.values_c
        carried = np.minimum(np.maximum(velocity_m_s, 0.0) * dt_s / self._lengths, 1.0) * (t[:-1] - t[1:])
        cooled = dt_s / self._settings.cooling_time_s * (t[1:] - self._settings.surroundings_c)
        t[1:] += carried - cooled
        t[0] = self._settings.inlet_c + inlet_deviation_k
