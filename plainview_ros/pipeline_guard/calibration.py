"""What is learned of a section while it runs steadily: its friction, and how its transmitters vary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plainview_ros.assets import Fluid, Section
from plainview_ros.pipeline_guard.line_model import (
    CHANNELS,
    GRAVITY_M_S2,
    Channel,
    Friction,
    Grid,
    friction,
)
from plainview_ros.pipeline_guard.noise import Noise, ReadingNoise, Wandering

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Wander:
    """How much more than noise a transmitter's error is, as shares of its standard deviation."""

    slow: float = 0.5
    """Wandering within :attr:`SLOW_S`."""
    fast: float = 0.5
    """Wandering within :attr:`FAST_S`."""
    line: float = 0.5
    """Of the flow meters': small disturbances inside the line, within :attr:`LINE_S`."""

    SLOW_S = 3600.0
    FAST_S = 40.0
    LINE_S = 6.0


@dataclass(frozen=True)
class Calibration:
    """A section that is known well enough to be watched."""

    grid: Grid
    friction: Friction
    static_m3s: float
    noise: Noise
    meters_m3s: float
    """Standard deviation of a reading of its flow meters."""
    flow_m3s: float
    """Which it carried then."""
    has_friction: bool
    """Whether the friction was learned; otherwise it is as the rig file has it, as in a section at rest."""


@dataclass(frozen=True, slots=True)
class ReadingSpread:
    """How the readings of one instrument scatter."""

    std: float
    """Of a reading, SI unit."""
    rate_hz: float


def spread(values: Sequence[float], seconds: float, accuracy: float) -> ReadingSpread:
    """Scatter of successive readings: median absolute difference (Rousseeuw and Croux, 1993, as the MAD).

    Args:
        values: readings in order.
        seconds: over which they came.
        accuracy: as the rig file states it; 0: it does not. A quarter of it is the least that is believed.
    """
    differences = np.abs(np.diff(values))
    std = float(np.median(differences)) / MAD_OF_NORMAL / math.sqrt(2)
    return ReadingSpread(max(std, accuracy / 4), (len(values) - 1) / seconds)


MAD_OF_NORMAL = 0.6745


def calibrate(
    section: Section,
    fluid: Fluid,
    grid_: Grid,
    steps: Array,
    spreads: Mapping[Channel, ReadingSpread],
    accuracies: Mapping[Channel, float],
    wander: Wander,
) -> Calibration:
    """Friction and noise from a time of steady flow.

    Args:
        steps: the four readings of each step, shape (steps, 4), in order of the channels [Pa, m^3/s].
        spreads: of the single readings.
        accuracies: as the rig file states them, 0 where it does not.
    """
    impedance = grid_.impedance_pa_s_m3
    static_m3s = fluid.density_kg_m3 * GRAVITY_M_S2 * (section.start.elevation_m - section.end.elevation_m) / impedance
    means = steps.mean(axis=0)
    flow_m3s = float(means[1] + means[3]) / 2
    law = friction(section, fluid, impedance)
    drop = float(means[0] - means[2]) / impedance + static_m3s
    expected = law.at(flow_m3s)
    ratio = drop / expected if expected else math.nan
    errors = [max(spreads[channel].std, accuracies[channel]) for channel in CHANNELS if channel.endswith("pressure")]
    is_clear = drop * impedance > CLEAR * math.hypot(*errors) and CREDIBLE[0] < ratio < CREDIBLE[1]
    first, second = (half.mean(axis=0) for half in np.array_split(steps, 2))
    moved_pa = np.abs(second - first)[[0, 2]].max()  # what speeds up or is packed adds to the friction
    is_learned = is_clear and moved_pa < max(STILL * drop * impedance, *errors)
    if is_learned:
        law = law.scaled(ratio)

    noises: dict[Channel, ReadingNoise] = {}
    for channel in CHANNELS:
        unit = impedance if channel.endswith("pressure") else 1.0
        white = spreads[channel].std / unit / math.sqrt(spreads[channel].rate_hz * grid_.step_s)
        error = max(spreads[channel].std, accuracies[channel]) / unit
        noises[channel] = ReadingNoise(
            white, (Wandering(wander.fast * error, wander.FAST_S), Wandering(wander.slow * error, wander.SLOW_S))
        )
    meters = max(max(spreads[channel].std, accuracies[channel]) for channel in ("inlet_flow", "outlet_flow"))
    disturbances = (Wandering(wander.line * meters, wander.LINE_S),)
    return Calibration(grid_, law, static_m3s, Noise(noises, disturbances), meters, flow_m3s, is_learned)


CLEAR = 8.0
"""Times the error of two pressure readings that they must differ for the friction to be learned."""
STILL = 0.05
"""Share of their difference by which the pressures may move while the friction is learned."""
CREDIBLE = (0.2, 5.0)
"""Friction as a multiple of what the rig file says, between which it is learned."""
