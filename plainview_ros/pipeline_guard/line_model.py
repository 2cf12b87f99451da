"""What the readings at one end of a section say must arrive at the other: a transient model without a leak.

A pressure wave travels through a section of length ``L`` in ``tau = L / a``. What leaves the inlet, ``p + Z q``,
arrives at the outlet ``tau`` later, less the friction on its way; what leaves the outlet, ``p - Z q``, arrives at the
inlet, with ``Z = rho a / A`` the impedance of the pipe (the method of characteristics: Wylie and Streeter, "Fluid
Transients in Systems", 1993, equations 3-21 and 3-22). The model is driven by what leaves both
ends, as it was measured, and told nothing of what arrives; so it needs no knowledge of pumps and valves, and no wave
comes back from a wrong one. What should have arrived less what did are two *residuals*, in flow:

    at the inlet   [w - p + Z q] / Z,      at the outlet   [w - p - Z q] / Z,      w: what should have arrived.

Any operation outside of the section leaves none. A leak of ``Q`` at ``x`` leaves ``Q`` at the inlet from ``x / a`` on
and at the outlet from ``(L - x) / a`` on; their mean is the volume balance, corrected for line pack, their difference
the kink in the pressure gradient.

Pressures are divided by ``Z`` throughout, so that everything here is a flow [m^3/s].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainview_ros.assets import Fluid, Section

Array = NDArray[np.float64]
Channel = Literal["inlet_pressure", "inlet_flow", "outlet_pressure", "outlet_flow"]
CHANNELS: tuple[Channel, ...] = ("inlet_pressure", "inlet_flow", "outlet_pressure", "outlet_flow")

GRAVITY_M_S2 = 9.80665


@dataclass(frozen=True, slots=True, eq=False)
class Friction:
    """Pressure lost over the whole section, divided by ``Z``: a table over the flow, with straight lines between."""

    flows_m3s: Array
    """From 0 up."""
    losses_m3s: Array

    @classmethod
    def linear(cls, slope: float) -> Friction:
        return cls(np.array([0.0, 1.0]), np.array([0.0, slope]))

    def at(self, flow_m3s: float) -> float:
        return float(math.copysign(np.interp(abs(flow_m3s), self.flows_m3s, self.losses_m3s), flow_m3s))

    def of(self, flows_m3s: Array) -> Array:
        """The same of many flows."""
        return np.asarray(np.copysign(np.interp(np.abs(flows_m3s), self.flows_m3s, self.losses_m3s), flows_m3s))

    def slope(self, flow_m3s: float) -> float:
        """Derivative by flow [1]."""
        here = int(np.searchsorted(self.flows_m3s[1:-1], abs(flow_m3s)))
        rise = self.losses_m3s[here + 1] - self.losses_m3s[here]
        return float(rise / (self.flows_m3s[here + 1] - self.flows_m3s[here]))

    def scaled(self, factor: float) -> Friction:
        return Friction(self.flows_m3s, factor * self.losses_m3s)


class Grid(NamedTuple):
    """The section in reaches that a wave crosses in one step."""

    reaches: int
    step_s: float
    impedance_pa_s_m3: float

    @property
    def travel_time_s(self) -> float:
        return self.reaches * self.step_s


class Residuals(NamedTuple):
    """What arrived less what should have, where there is no leak and no error: zero [m^3/s]."""

    inlet_m3s: float
    outlet_m3s: float


def grid(section: Section, fluid: Fluid, step_s: float, wave_speed: float = 1.0) -> Grid:
    """Reaches of about ``step_s``.

    Args:
        wave_speed: as a multiple of what the rig file says.
    """
    speed_m_s = section.wave_speed_m_s * wave_speed
    travel_time_s = max(section.length_m / speed_m_s, MIN_TRAVEL_TIME_S)
    reaches = min(max(MIN_REACHES, round(travel_time_s / step_s)), MAX_REACHES)
    return Grid(reaches, travel_time_s / reaches, fluid.density_kg_m3 * speed_m_s / section.area_m2)


MIN_TRAVEL_TIME_S = 0.4
"""A shorter section is taken for one of this length: its line pack is too small to matter."""
MIN_REACHES, MAX_REACHES = 8, 100


def friction(section: Section, fluid: Fluid, impedance_pa_s_m3: float) -> Friction:
    """Darcy's friction: Swamee and Jain (1976) above Re 4000, Hagen and Poiseuille below 2300, a line between."""
    velocities = np.concatenate([[0.0], np.geomspace(0.001, MAX_VELOCITY_M_S, 120)])
    reynolds = np.maximum(fluid.density_kg_m3 * velocities * section.diameter_m / fluid.viscosity_pa_s, 1e-9)
    roughness = section.roughness_m / section.diameter_m / 3.7
    turbulent = 0.25 / np.log10(roughness + 5.74 / np.maximum(reynolds, TURBULENT_REYNOLDS) ** 0.9) ** 2
    share = np.clip((reynolds - LAMINAR_REYNOLDS) / (TURBULENT_REYNOLDS - LAMINAR_REYNOLDS), 0.0, 1.0)
    factor = share * turbulent + (1 - share) * 64 / np.minimum(reynolds, TURBULENT_REYNOLDS)
    losses_pa = factor * section.length_m / section.diameter_m * fluid.density_kg_m3 * velocities**2 / 2
    return Friction(velocities * section.area_m2, losses_pa / impedance_pa_s_m3)


LAMINAR_REYNOLDS, TURBULENT_REYNOLDS = 2300.0, 4000.0
MAX_VELOCITY_M_S = 10.0


class LineModel:
    """The section as it is without a leak; one :meth:`step` a time step.

    Args:
        grid: reaches and step.
        friction: of the whole section.
        static_m3s: pressure by which the outlet lies deeper than the inlet at rest, divided by the impedance.
    """

    def __init__(self, grid: Grid, friction: Friction, static_m3s: float = 0.0) -> None:
        self.friction = friction
        self._reaches = grid.reaches
        self._static = static_m3s / grid.reaches
        self._down: Array = np.zeros(grid.reaches + 1)
        self._up: Array = np.zeros(grid.reaches + 1)
        self._is_filled = False

    def step(self, inlet_pressure: float, inlet_flow: float, outlet_pressure: float, outlet_flow: float) -> Residuals:
        """Take the readings of one step (pressures divided by ``Z``); the residuals of it.

        The first step fills the section with the readings.
        """
        if not self._is_filled:
            self._fill(inlet_pressure, inlet_flow, outlet_pressure, outlet_flow)
        down, up = self._down, self._up
        flow = (down - up) / 2
        mean = (flow[1:] + flow[:-1]) / 2
        lost = self.friction.of(mean) / self._reaches - self._static
        down[1:] = down[:-1] - lost
        up[:-1] = up[1:] + lost
        residuals = Residuals(
            float(up[0]) - inlet_pressure + inlet_flow, float(down[-1]) - outlet_pressure - outlet_flow
        )
        down[0] = inlet_pressure + inlet_flow
        up[-1] = outlet_pressure - outlet_flow
        return residuals

    def _fill(self, inlet_pressure: float, inlet_flow: float, outlet_pressure: float, outlet_flow: float) -> None:
        pressure = np.linspace(inlet_pressure, outlet_pressure, self._reaches + 1)
        flow = np.linspace(inlet_flow, outlet_flow, self._reaches + 1)
        self._down, self._up = pressure + flow, pressure - flow
        self._is_filled = True


def reading_responses(reaches: int, slope: float, steps: int) -> Array:
    """Residuals when one reading steps up by one and nothing happens in the section.

    Args:
        reaches: of the grid.
        slope: of the friction, see :meth:`Friction.slope`.
        steps: how long.

    Returns:
        Shape (4, 2, steps): per channel, in order of :data:`CHANNELS`, at the inlet and at the outlet [1].
    """
    result = np.zeros((len(CHANNELS), 2, steps))
    for channel, readings in enumerate(np.eye(len(CHANNELS))):
        model = LineModel(Grid(reaches, 1.0, 1.0), Friction.linear(slope))
        model.step(0.0, 0.0, 0.0, 0.0)
        result[channel] = np.transpose([model.step(*readings) for _ in range(steps)])
    return result


def leak_responses(reaches: int, slope: float, steps: int) -> Array:
    """Residuals of a leak of one that begins at once, at each node inside.

    The line beyond the ends is taken to swallow what reaches it: what it sends back is measured when it leaves the end
    again, and so leaves no residual.

    Returns:
        Shape (reaches - 1, 2, steps): at the inlet and at the outlet [1].
    """
    nodes = np.arange(1, reaches)
    rows = np.arange(reaches - 1)
    down = np.zeros((reaches - 1, reaches + 1))
    up = np.zeros_like(down)
    result = np.zeros((reaches - 1, 2, steps))
    for step in range(steps):
        leaving_down, leaving_up = down.copy(), up.copy()
        leaving_down[rows, nodes] -= 1.0
        leaving_up[rows, nodes] -= 1.0
        flow = ((leaving_down[:, :-1] - up[:, :-1]) + (down[:, 1:] - leaving_up[:, 1:])) / 4
        lost = slope / reaches * flow
        down, up = np.zeros_like(down), np.zeros_like(up)
        down[:, 1:] = leaving_down[:, :-1] - lost
        up[:, :-1] = leaving_up[:, 1:] + lost
        result[:, 0, step], result[:, 1, step] = -up[:, 0], -down[:, -1]
    return result
