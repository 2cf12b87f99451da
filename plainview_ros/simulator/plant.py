"""The simulated plant as a whole: pipeline, oil, valves, instruments, what is done to it and what goes wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainview_ros.assets import Instrument, Rig
from plainview_ros.samples import Sample
from plainview_ros.simulator.actuators import Actuator, Waypoint
from plainview_ros.simulator.faults import Fault, FaultBook
from plainview_ros.simulator.fluctuation import Fluctuation
from plainview_ros.simulator.hydraulics import HydraulicSettings, Pipeline
from plainview_ros.simulator.scenarios import DemandChange, PumpSpeedChange, Scenario, Stroke
from plainview_ros.simulator.temperature import OilTemperature
from plainview_ros.simulator.transmitters import TransmitterGroup

JOINT_PERIOD_S = 0.05
OIL_PERIOD_S = 1.0

DAY_S = 86400.0
DAILY_DEMAND = 0.08
"""Amplitude of the daily swing of the demand."""
DEMAND_STD, DEMAND_TIME_S = 0.015, 600.0
INLET_STD_K, INLET_TIME_S = 0.4, 1800.0

VISCOSITY_PER_K = -0.03
"""Relative change of the viscosity with temperature, from the rig's value at the inlet."""


class JointReading(NamedTuple):
    """What one actuator reports."""

    name: str
    position_rad: float
    velocity_rad_s: float
    effort_nm: float


class JointReport(NamedTuple):
    """What all actuators report at one instant."""

    stamp_s: float
    joints: tuple[JointReading, ...]


class Tick(NamedTuple):
    """What was measured during one step."""

    samples: list[Sample]
    joint_reports: list[JointReport]


class CameraFault(NamedTuple):
    """What is wrong before or in one camera now."""

    hot_spot_c: float | None = None
    smoke: float = 0.0
    frame_drop: float = 0.0


class Plant:
    """A rig in operation, without ROS; the same for the same rig, seed, scenario and commands.

    Typical use in a test::

        plant = Plant(rig, seed=1)
        plant.inject(Fault("leak", "C-South", 0.05, onset_s=600))
        for sample in plant.run(3600):        # samples.Sample(tag, quantity, value, stamp_s)
            guard.add(sample, sample.stamp_s, sample.stamp_s)

    or step by step with the actuators: ``for _ in range(n): samples, joint_reports = plant.step()``.
    ``command("v-103", 0.0)`` drives a valve, ``set_demand`` and ``set_pump_speed`` change the operation,
    ``pipeline``, ``actuators`` and ``temperature`` hold the truth behind the readings.

    Args:
        seed: of everything random.
        scenario: operations and faults, from the start.
        epoch_s: stamp of the start [s since the epoch].

    Raises:
        ValueError: when the rig cannot be simulated.
    """

    def __init__(
        self,
        rig: Rig,
        seed: int = 0,
        scenario: Scenario | None = None,
        epoch_s: float = 0.0,
        settings: HydraulicSettings | None = None,
    ) -> None:
        self.rig = rig
        self.epoch_s = epoch_s
        self.pipeline = Pipeline(rig, settings)
        self.temperature = OilTemperature(self.pipeline.positions_m, self._velocities())
        self.actuators = {
            valve.id: Actuator(valve, np.random.default_rng((seed, 1, i))) for i, valve in enumerate(rig.valves)
        }
        self.faults = FaultBook(rig)
        self._faulty = False
        self._scenario = scenario
        self._demand = Ramp(1.0)
        self._pump_speed = Ramp(1.0)
        self._demand_noise = Fluctuation(DEMAND_STD, DEMAND_TIME_S, np.random.default_rng((seed, 2)))
        self._inlet_noise = Fluctuation(INLET_STD_K, INLET_TIME_S, np.random.default_rng((seed, 3)))
        self._joint_count = self._oil_count = 0
        self.not_simulated = [item.tag for item in rig.instruments if item.position_m is None]
        """Instruments the rig file gives no place on the line."""
        state = self._state()
        self._transmitters = [
            TransmitterGroup(group, state, list(map(self._source, group)), np.random.default_rng((seed, 4, i)))
            for i, group in enumerate(_by_rate(rig.instruments))
        ]

    # -- running -------------------------------------------------------------------------------------------------------

    @property
    def time_s(self) -> float:
        """Simulated time since the start."""
        return self.pipeline.time_s

    @property
    def stamp_s(self) -> float:
        """Simulated time since the epoch."""
        return self.epoch_s + self.time_s

    def step(self) -> Tick:
        """Advance by one step of the hydraulics (``pipeline.dt_s``, about 0.09 s)."""
        begin_s = self.time_s
        if self._scenario is not None:
            self._act(self._scenario, begin_s, begin_s + self.pipeline.dt_s)
        if len(self.faults) or self._faulty:
            self._apply_faults()
            self._faulty = len(self.faults) > 0
        self.pipeline.pump_speed = self._pump_speed.value(begin_s)
        daily = DAILY_DEMAND * math.sin(math.tau * begin_s / DAY_S)
        self.pipeline.demand = self._demand.value(begin_s) * (1 + daily + self._demand_noise.step(self.pipeline.dt_s))
        self.pipeline.step()
        reports = self._turn_valves()
        self._carry_oil()
        state = self._state()
        samples = [sample for group in self._transmitters for sample in group.sample(state, self.time_s, self.epoch_s)]
        return Tick(samples, reports)

    def run(self, seconds: float) -> Iterator[Sample]:
        """Advance by a time, giving every sample as it is taken."""
        end_s = self.time_s + seconds
        while self.time_s < end_s:
            yield from self.step().samples

    # -- doing something to it -----------------------------------------------------------------------------------------

    def command(self, valve_id: str, opening: float, over_s: float = 0.0) -> None:
        """Drive a valve to an opening (0 closed, 1 open). Raises ``KeyError``, ``ValueError``."""
        self.follow(valve_id, [Waypoint(opening, over_s)])

    def follow(self, valve_id: str, path: Sequence[Waypoint]) -> None:
        """Drive a valve along a path. Raises ``KeyError``, ``ValueError``."""
        self.actuators[valve_id].follow(path)

    def set_demand(self, value: float, ramp_s: float = 0.0) -> None:
        """Change what the receiver takes; 1 is nominal. Daily swing and fluctuation go on around it."""
        self._demand.go(value, self.time_s, ramp_s)

    def set_pump_speed(self, value: float, ramp_s: float = 0.0) -> None:
        """Change the speed of the pump; 1 is nominal."""
        self._pump_speed.go(value, self.time_s, ramp_s)

    def inject(self, fault: Fault) -> str:
        """Begin a fault; its id. Raises :class:`~plainview_ros.simulator.faults.FaultError`."""
        return self.faults.inject(fault, self.time_s)

    def clear(self, fault_id: str = "") -> int:
        """End one fault or all; how many. Raises ``KeyError`` for an unknown id."""
        return self.faults.clear(fault_id)

    def camera_fault(self, camera_id: str) -> CameraFault:
        """The worst of what is injected for one camera now."""

        def worst(kind: str) -> float:
            return max(
                (
                    f.magnitude * f.size(age_s)
                    for _, f, age_s in self.faults.of_kind(kind, self.time_s)
                    if f.target == camera_id
                ),
                default=0.0,
            )

        return CameraFault(worst("hot_spot") or None, worst("smoke"), worst("frame_drop"))

    # -- inside --------------------------------------------------------------------------------------------------------

    def _act(self, scenario: Scenario, from_s: float, to_s: float) -> None:
        for item in scenario.due(from_s, to_s):
            if isinstance(item, Stroke):
                self.command(item.valve, item.opening, item.over_s)
            elif isinstance(item, DemandChange):
                self.set_demand(item.value, item.ramp_s)
            elif isinstance(item, PumpSpeedChange):
                self.set_pump_speed(item.value, item.ramp_s)
            else:
                self.inject(item)

    def _apply_faults(self) -> None:
        now_s = self.time_s
        self.faults.expire(now_s)
        leaks = self.faults.of_kind("leak", now_s)
        for gone in self.pipeline.leaks.keys() - {fault_id for fault_id, _, _ in leaks}:
            del self.pipeline.leaks[gone]
        for fault_id, fault, age_s in leaks:
            if fault_id not in self.pipeline.leaks:
                section = self.rig.section[fault.target]
                inside_m = section.length_m / 2 if fault.position_m is None else fault.position_m
                position_m = self.rig.pipeline.start_of(section.id) + inside_m
                self.pipeline.leaks[fault_id] = self.pipeline.leak(position_m, fault.magnitude)
            self.pipeline.leaks[fault_id].opened = fault.size(age_s)
        for actuator in self.actuators.values():
            actuator.friction = 1.0
        for _, fault, age_s in self.faults.of_kind("sticking_valve", now_s):
            actuator = self.actuators[fault.target]
            actuator.friction = max(actuator.friction, 1 + (fault.magnitude - 1) * fault.size(age_s))
        for group in self._transmitters:
            group.heal()
            for _, fault, age_s in self.faults.of_kind("drifting_sensor", now_s):
                group.shift(fault.target, fault.magnitude * fault.exposure_s(age_s))
            for kind, apply in _SENSOR_FAULTS.items():
                for _, fault, age_s in self.faults.of_kind(kind, now_s):
                    if fault.size(age_s) > 0:
                        apply(group, fault)

    def _turn_valves(self) -> list[JointReport]:
        reports = []
        while self._joint_count * JOINT_PERIOD_S <= self.time_s:
            for valve_id, actuator in self.actuators.items():
                actuator.step(JOINT_PERIOD_S, self._pressure_drop_pa(actuator) if actuator.is_moving else 0.0)
                self.pipeline.valve_opening[valve_id] = actuator.opening
            stamp_s = self.epoch_s + self._joint_count * JOINT_PERIOD_S
            reports.append(JointReport(stamp_s, tuple(map(_reading, self.actuators.values()))))
            self._joint_count += 1
        return reports

    def _pressure_drop_pa(self, actuator: Actuator) -> float:
        position_m = actuator.valve.position_m
        return self.pipeline.pressure_at(position_m, "upstream") - self.pipeline.pressure_at(position_m, "downstream")

    def _carry_oil(self) -> None:
        while (self._oil_count + 1) * OIL_PERIOD_S <= self.time_s:
            self.temperature.step(OIL_PERIOD_S, self._velocities(), self._inlet_noise.step(OIL_PERIOD_S))
            self._oil_count += 1

    def _velocities(self) -> NDArray[np.float64]:
        """In each reach."""
        return np.asarray(self.pipeline.flows_m3s[1, :-1] / self.pipeline.areas_m2)

    def _state(self) -> NDArray[np.float64]:
        """Everything measurable: pressures and flows on both sides of each node, temperatures, viscosities."""
        celsius = self.temperature.values_c
        viscosity = self.rig.fluid.viscosity_pa_s * np.exp(VISCOSITY_PER_K * (celsius - celsius[0]))
        return np.concatenate([self.pipeline.pressures_pa.ravel(), self.pipeline.flows_m3s.ravel(), celsius, viscosity])

    def _source(self, instrument: Instrument) -> int:
        """Index of what an instrument with a place measures in :meth:`_state`."""
        nodes = len(self.pipeline.positions_m)
        first = {"pressure": 0, "flow_rate": 2 * nodes, "temperature": 4 * nodes, "viscosity": 5 * nodes}
        both_sides = instrument.quantity in ("pressure", "flow_rate")
        side = nodes if both_sides and instrument.side == "downstream" else 0
        return first[instrument.quantity] + side + self.pipeline.node_at(instrument.position_m or 0.0)


_SENSOR_FAULTS: dict[str, Callable[[TransmitterGroup, Fault], None]] = {
    "frozen_sensor": lambda group, fault: group.freeze(fault.target),
    "spiking_sensor": lambda group, fault: group.spike(fault.target, fault.magnitude),
    "noisy_sensor": lambda group, fault: group.scatter(fault.target, fault.magnitude),
    "out_of_range_sensor": lambda group, fault: group.fail_high(fault.target),
    "not_a_number_sensor": lambda group, fault: group.fail_to_number(fault.target),
    "silent_sensor": lambda group, fault: group.silence(fault.target),
    "clock_step_sensor": lambda group, fault: group.step_clock(fault.target, fault.magnitude),
}
"""Those that are there or not, with no in between."""


class Ramp:
    """A setpoint that moves linearly to a new value."""

    def __init__(self, value: float) -> None:
        self._from = self._to = value
        self._begin_s = self._ramp_s = 0.0

    def go(self, value: float, now_s: float, ramp_s: float) -> None:
        self._from, self._to = self.value(now_s), value
        self._begin_s, self._ramp_s = now_s, ramp_s

    def value(self, now_s: float) -> float:
        if now_s >= self._begin_s + self._ramp_s:
            return self._to
        return self._from + (self._to - self._from) * (now_s - self._begin_s) / self._ramp_s


def _reading(actuator: Actuator) -> JointReading:
    joint = actuator.valve.joint
    return JointReading(
        joint.name,
        joint.angle_rad(actuator.measured_opening()),
        actuator.velocity * (joint.open_rad - joint.closed_rad),
        actuator.measured_torque_nm() * math.copysign(1.0, joint.open_rad - joint.closed_rad),
    )


def _by_rate(instruments: Iterable[Instrument]) -> list[list[Instrument]]:
    """Those that have a place, together where they are sampled together."""
    groups: dict[float, list[Instrument]] = {}
    for instrument in instruments:
        if instrument.position_m is not None:
            groups.setdefault(instrument.rate_hz, []).append(instrument)
    return list(groups.values())
