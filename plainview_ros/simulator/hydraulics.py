"""Transient flow of liquid in the pipeline: the method of characteristics.

After Wylie and Streeter, "Fluid Transients in Systems" (1993), chapters 3 and 4. Heads are piezometric [m]: gauge
pressure over ``rho g`` plus elevation. Between two nodes one reach apart the head and the flow obey, after one step,

    H' + B Q' = H + B Q - F    from the node upstream,    H' - B Q' = H - B Q + F    from the node downstream,

with ``B = a / (g A)`` and the friction head ``F`` of the reach. ``F`` is quasi-steady and taken at the mean flow of the
reach for both directions, which makes the scheme conserve mass to rounding (see :attr:`Pipeline.line_pack_m3`).

One time step serves all sections: each has a whole number of reaches and its wave speed is adjusted to fit (Wylie and
Streeter, section 3-3; nothing to adjust on the default rig). Not modelled: column separation (pressures stay far above
the vapour pressure because delivery holds a back pressure), unsteady friction, dissolved gas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from plainview_ros.assets import Rig, Section

Array = NDArray[np.float64]
Side = Literal["upstream", "downstream"]

GRAVITY_M_S2 = 9.80665

SEATED = 1e-3
"""A valve this little open rests on its seat and passes nothing."""


@dataclass(frozen=True, slots=True)
class HydraulicSettings:
    """The operating point: pump and delivery are sized so that the rig's pipeline runs steadily at it."""

    reach_m: float = 100.0
    """Wanted distance of two nodes."""
    nominal_velocity_m_s: float = 0.6
    """In the first section."""
    outlet_pressure_pa: float = 1.65e6
    """Gauge, at the end of the line, before the delivery valve."""
    delivery_drop_pa: float = 0.45e6
    """Over the delivery valve, into a receiver of constant pressure."""
    suction_pressure_pa: float = 0.3e6
    """Gauge, where the pump draws from the well."""
    shut_off_ratio: float = 1.25
    """The pump's discharge pressure against a closed valve, as a multiple of the nominal one."""
    valve_loss_coefficient: float = 2.0
    """Of an open valve, in velocity heads."""
    valve_rangeability: float = 50.0


@dataclass(slots=True)
class Leak:
    """A hole in the pipe, at a node."""

    node: int
    effective_area_m2: float
    """Discharge coefficient times area, when fully open."""
    opened: float = 1.0
    flow_m3s: float = 0.0
    """What it loses now."""


class Pipeline:
    """The rig's pipeline between its pump and its delivery, in steady state at first.

    Set ``valve_opening[id]`` (0 closed, 1 open), ``pump_speed`` and ``demand`` (1 nominal), ``leaks[id]`` (see
    :meth:`leak`), call :meth:`step`, read pressures and flows. A place on the line is the node nearest to it.

    Raises:
        ValueError: when the line cannot run at the settings.
    """

    def __init__(self, rig: Rig, settings: HydraulicSettings | None = None) -> None:
        s = settings or HydraulicSettings()
        sections = rig.pipeline.sections
        self.time_s = 0.0
        self.dt_s, counts = _grid(sections, s.reach_m)
        self.wave_speed_change = max(
            abs(section.length_m / (count * self.dt_s * section.wave_speed_m_s) - 1)
            for section, count in zip(sections, counts, strict=True)
        )
        """Largest relative adjustment of a section's wave speed."""

        lengths = np.repeat([x.length_m / n for x, n in zip(sections, counts, strict=True)], counts)
        diameters = np.repeat([x.diameter_m for x in sections], counts)
        areas: Array = math.pi * diameters**2 / 4
        self.areas_m2 = areas
        """Of the reaches."""
        self.positions_m: Array = np.concatenate([[0.0], np.cumsum(lengths)])
        """Of the nodes, from the inlet."""
        self.elevations_m: Array = np.array([rig.pipeline.place_at(x).elevation_m for x in self.positions_m])
        self._section_nodes = np.concatenate([[0], np.cumsum(counts)])
        self._starts_m = rig.pipeline.starts_m

        density = rig.fluid.density_kg_m3
        self._pascal_per_m = density * GRAVITY_M_S2
        self._impedance: Array = lengths / self.dt_s / (GRAVITY_M_S2 * areas)  # B [s/m2] of each reach
        self._friction = Friction(
            diameters,
            np.repeat([x.roughness_m for x in sections], counts),
            lengths,
            kinematic_viscosity_m2_s=rig.fluid.viscosity_pa_s / density,
        )

        self.valve_opening: dict[str, float] = {valve.id: 1.0 for valve in rig.valves}
        """Share of the stroke of each valve: 0 closed, 1 open."""
        self._valve_node = {valve.id: self.node_at(valve.position_m) for valve in rig.valves}
        at_nodes = np.concatenate([areas[:1], np.minimum(areas[:-1], areas[1:]), areas[-1:]])
        self._open_loss: Array = s.valve_loss_coefficient / (2 * GRAVITY_M_S2 * at_nodes**2)  # [s2/m5]
        self._rangeability = s.valve_rangeability
        self._valve_loss = np.zeros_like(self.positions_m)
        self._passes = np.ones_like(self.positions_m)  # 0 where a valve is shut
        self._set_valves = dict.fromkeys(self.valve_opening, math.nan)
        self._turn_valves()

        self.leaks: dict[str, Leak] = {}
        self.pump_speed = 1.0
        self.demand = 1.0
        self.nominal_flow_m3s = s.nominal_velocity_m_s * float(areas[0])
        self._size_ends(s)
        self._nominal_head = self._head.copy()

    # -- running -------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Advance by ``dt_s``."""
        self._turn_valves()
        head, flow, impedance = self._head, self._flow, self._impedance
        friction = self._friction.head_m(0.5 * (flow[1, :-1] + flow[0, 1:]))
        plus = head[1, :-1] + impedance * flow[1, :-1] - friction  # arrives at the node downstream
        minus = head[0, 1:] - impedance * flow[0, 1:] + friction  # arrives at the node upstream

        drive = plus[:-1] - minus[1:]
        resistance = impedance[:-1] + impedance[1:]
        loss = self._valve_loss[1:-1]
        inner = 2 * drive / (resistance + np.sqrt(resistance**2 + 4 * loss * np.abs(drive))) * self._passes[1:-1]
        flow[:, 1:-1] = inner
        head[0, 1:-1] = plus[:-1] - impedance[:-1] * inner
        head[1, 1:-1] = minus[1:] + impedance[1:] * inner

        self._leak(plus, minus)
        self._inlet(float(minus[0]))
        self._outlet(float(plus[-1]))
        self.time_s += self.dt_s

    # -- reading -------------------------------------------------------------------------------------------------------

    def node_at(self, position_m: float) -> int:
        """Index of the node nearest to a distance from the inlet."""
        return int(np.argmin(np.abs(self.positions_m - position_m)))

    def pressure_at(self, position_m: float, side: Side | None = None) -> float:
        """Gauge pressure [Pa]; ``side`` matters where a valve is."""
        node = self.node_at(position_m)
        return float(self._head[int(side == "downstream"), node] - self.elevations_m[node]) * self._pascal_per_m

    def flow_at(self, position_m: float, side: Side | None = None) -> float:
        """Volume flow [m3/s], positive from inlet to outlet; ``side`` matters where a leak is."""
        return float(self._flow[int(side == "downstream"), self.node_at(position_m)])

    @property
    def pressures_pa(self) -> Array:
        """Gauge pressures, shape (2, nodes): on the upstream and on the downstream side of each node."""
        return (self._head - self.elevations_m) * self._pascal_per_m

    @property
    def flows_m3s(self) -> Array:
        """Volume flows, shape (2, nodes): into and out of each node."""
        return self._flow

    @property
    def line_pack_m3(self) -> float:
        """Volume held by compression, relative to zero head; its change is inflow minus outflow minus leaks.

        The content of a reach is the mean of what travels through it in both directions, for which the scheme is exact.
        """
        head, flow, impedance = self._head, self._flow, self._impedance
        content = (head[1, :-1] + head[0, 1:]) / impedance + flow[1, :-1] - flow[0, 1:]
        return float(self.dt_s / 2 * np.sum(content))

    @property
    def leak_flow_m3s(self) -> float:
        return sum(leak.flow_m3s for leak in self.leaks.values())

    def leak(self, position_m: float, share: float) -> Leak:
        """A hole that loses ``share`` of the nominal flow at the nominal pressure.

        It is put at the nearest node inside the section, so that no meter at its ends sits on it.
        """
        section = min(int(np.searchsorted(self._starts_m, position_m, side="right")) - 1, len(self._starts_m) - 2)
        first, last = self._section_nodes[section : section + 2]
        inside = [node for node in range(first + 1, last) if node not in self._valve_node.values()]
        if not inside:
            raise ValueError(f"no place for a leak at {position_m:g} m")
        node = min(inside, key=lambda n: abs(self.positions_m[n] - position_m))
        speed = math.sqrt(2 * GRAVITY_M_S2 * (self._nominal_head[0, node] - self.elevations_m[node]))
        return Leak(node, share * self.nominal_flow_m3s / speed)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _turn_valves(self) -> None:
        """Inherent characteristic: equal percentage, lowered to shut off at 0."""
        if self.valve_opening == self._set_valves:
            return
        self._set_valves = dict(self.valve_opening)
        self._valve_loss[:] = 0.0
        self._passes[:] = 1.0
        for valve_id, opening in self._set_valves.items():
            node = self._valve_node[valve_id]
            if opening <= SEATED:
                self._passes[node] = 0.0
                continue
            capacity = (self._rangeability ** min(opening, 1.0) - 1) / (self._rangeability - 1)
            self._valve_loss[node] += self._open_loss[node] / capacity**2

    def _leak(self, plus: Array, minus: Array) -> None:
        areas: dict[int, float] = {}
        for leak in self.leaks.values():
            areas[leak.node] = areas.get(leak.node, 0.0) + leak.opened * leak.effective_area_m2
        for node, area in areas.items():
            up, down = self._impedance[node - 1], self._impedance[node]
            parallel = up * down / (up + down)
            # q = area sqrt(2 g (H - z)) with H = H(no leak) - parallel q
            above = max(float(self._head[0, node] - self.elevations_m[node]), 0.0)
            gain = 2 * GRAVITY_M_S2 * area**2
            lost = 0.5 * (math.sqrt((gain * parallel) ** 2 + 4 * gain * above) - gain * parallel)
            head = self._head[0, node] - parallel * lost
            self._head[:, node] = head
            self._flow[:, node] = (plus[node - 1] - head) / up, (head - minus[node]) / down
            for leak in self.leaks.values():
                if leak.node == node:
                    leak.flow_m3s = lost * leak.opened * leak.effective_area_m2 / area if area else 0.0

    def _inlet(self, minus: float) -> None:
        """Pump with a non-return valve, then what valve stands at the inlet."""
        source = self._suction_head + self.pump_speed**2 * self._pump_head
        flow = self._passes[0] * _through(
            source - minus, float(self._impedance[0]), self._pump_loss + float(self._valve_loss[0])
        )
        self._flow[:, 0] = flow
        self._head[:, 0] = source - self._pump_loss * flow**2, minus + self._impedance[0] * flow

    def _outlet(self, plus: float) -> None:
        """What valve stands at the outlet, then the delivery valve with a non-return valve into the receiver."""
        flow, delivery_loss = 0.0, 0.0
        if self.demand > SEATED:
            delivery_loss = self._delivery_loss / self.demand**2
            flow = self._passes[-1] * _through(
                plus - self._receiver_head, float(self._impedance[-1]), delivery_loss + float(self._valve_loss[-1])
            )
        self._flow[:, -1] = flow
        before = plus - self._impedance[-1] * flow
        after = before - self._valve_loss[-1] * flow**2 if self._passes[-1] else self._receiver_head
        self._head[:, -1] = before, after

    def _size_ends(self, s: HydraulicSettings) -> None:
        """Fill the line with the nominal steady flow and size pump and delivery for it."""
        flow = self.nominal_flow_m3s
        reaches = self._friction.head_m(np.full_like(self._impedance, flow))
        if np.any(reaches > self._impedance * flow):
            raise ValueError("friction outweighs inertia within one reach: this fluid and flow need finer reaches")
        losses = self._valve_loss * flow**2
        outlet = s.outlet_pressure_pa / self._pascal_per_m + self.elevations_m[-1]
        # Walking upstream from the outlet, every reach adds its friction and every valve its loss.
        steps = reaches + np.append(losses[1:-1], 0.0)
        downstream = np.append(outlet + np.cumsum(steps[::-1])[::-1], outlet - losses[-1])
        self._head: Array = np.stack([downstream + losses, downstream])
        self._flow: Array = np.full((2, len(self.positions_m)), flow)

        pressures = self.pressures_pa[1]
        lowest = int(np.argmin(pressures))
        if pressures[lowest] <= 0:
            raise ValueError(
                f"the pressure at {self.positions_m[lowest]:g} m would be {pressures[lowest]:.3g} Pa gauge:"
                " the outlet pressure is too low for this pipeline"
            )
        suction = s.suction_pressure_pa / self._pascal_per_m + self.elevations_m[0]
        discharge = float(self._head[0, 0])
        shut_off = (discharge - self.elevations_m[0]) * s.shut_off_ratio + self.elevations_m[0]
        self._suction_head = float(suction)
        self._pump_head = float(shut_off - suction)
        self._pump_loss = float(shut_off - discharge) / flow**2
        drop = s.delivery_drop_pa / self._pascal_per_m
        self._receiver_head = float(self._head[1, -1]) - drop
        self._delivery_loss = drop / flow**2


class Friction:
    """Darcy friction of the reaches: Hagen-Poiseuille below Re 2300, Haaland (1983) above 4000, a line between."""

    LAMINAR = 2300.0
    TURBULENT = 4000.0

    def __init__(
        self, diameter_m: Array, roughness_m: Array, length_m: Array, *, kinematic_viscosity_m2_s: float
    ) -> None:
        area = math.pi * diameter_m**2 / 4
        self._reynolds_per_flow = diameter_m / area / kinematic_viscosity_m2_s
        self._roughness = (roughness_m / diameter_m / 3.7) ** 1.11
        self._scale = length_m / (2 * GRAVITY_M_S2 * diameter_m * area**2)

    def head_m(self, flow_m3s: Array) -> Array:
        """Head lost over each reach, with the sign of the flow."""
        size = np.abs(flow_m3s)
        reynolds = np.maximum(self._reynolds_per_flow * size, 1e-3)
        factor = (-1.8 * np.log10(self._roughness + 6.9 / np.maximum(reynolds, self.TURBULENT))) ** -2
        if reynolds.min() < self.TURBULENT:
            turbulent = np.clip((reynolds - self.LAMINAR) / (self.TURBULENT - self.LAMINAR), 0.0, 1.0)
            factor = turbulent * factor + (1 - turbulent) * 64 / np.minimum(reynolds, self.TURBULENT)
        return np.asarray(self._scale * factor * flow_m3s * size)


def _through(drive_m: float, impedance: float, loss: float) -> float:
    """Flow [m3/s] from a head through a quadratic loss into a characteristic; none backwards."""
    drive = max(drive_m, 0.0)
    return 2 * drive / (impedance + math.sqrt(impedance**2 + 4 * loss * drive))


def _grid(sections: Sequence[Section], reach_m: float) -> tuple[float, list[int]]:
    """Time step [s] and reaches per section (at least four), with the wave speeds as little adjusted as possible."""
    fastest = max(section.wave_speed_m_s for section in sections)
    best: tuple[float, float, list[int]] = (math.inf, 0.0, [])
    for refinement in range(1, 5):
        dt_s = reach_m / fastest / refinement
        counts = [max(4, round(section.length_m / (section.wave_speed_m_s * dt_s))) for section in sections]
        change = max(abs(x.length_m / (n * dt_s * x.wave_speed_m_s) - 1) for x, n in zip(sections, counts, strict=True))
        if change < best[0] - 0.01:  # a finer grid has to be worth its time
            best = (change, dt_s, counts)
    return best[1], best[2]
