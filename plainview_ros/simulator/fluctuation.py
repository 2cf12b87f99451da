"""Things that wander: slow, seeded, without jumps."""

from __future__ import annotations

import math

import numpy as np


class Fluctuation:
    """An Ornstein-Uhlenbeck process: normally distributed, forgetting its past with a time constant.

    Args:
        std: standard deviation, unit of what fluctuates.
        time_constant_s: after this time its correlation has fallen to 1/e.
        start: value at first.
    """

    def __init__(self, std: float, time_constant_s: float, rng: np.random.Generator, start: float = 0.0) -> None:
        self.value = start
        self._std = std
        self._time_constant_s = time_constant_s
        self._rng = rng

    def step(self, dt_s: float) -> float:
        """Value after ``dt_s``, exact for any step (Gillespie, 1996)."""
        kept = math.exp(-dt_s / self._time_constant_s)
        self.value = self.value * kept + self._std * math.sqrt(1 - kept**2) * float(self._rng.standard_normal())
        return self.value
