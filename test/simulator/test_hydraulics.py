"""The pipeline against what theory says of it."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainview_ros.assets import Fluid, Rig
from plainview_ros.simulator.hydraulics import Friction, HydraulicSettings, Pipeline


def with_one_valve_at(rig: Rig, position_m: float) -> Rig:
    return rig.model_copy(update={"valves": (rig.valves[0].model_copy(update={"position_m": position_m}),)})


def run(pipeline: Pipeline, seconds: float) -> None:
    end_s = pipeline.time_s + seconds - pipeline.dt_s / 2
    while pipeline.time_s < end_s:
        pipeline.step()


def test_starts_in_steady_state(rig: Rig) -> None:
    pipeline = Pipeline(rig)
    first = pipeline.pressures_pa.copy()
    run(pipeline, 60)
    assert np.abs(pipeline.pressures_pa - first).max() < 0.01
    assert np.abs(pipeline.flows_m3s - pipeline.nominal_flow_m3s).max() < 1e-9


def test_operating_point_of_the_default_rig(rig: Rig) -> None:
    pipeline = Pipeline(rig)
    assert pipeline.nominal_flow_m3s == pytest.approx(0.0424, rel=0.01)
    assert pipeline.pressure_at(0) == pytest.approx(1.8e6, rel=0.05)
    assert pipeline.wave_speed_change < 1e-9


def test_steady_friction_is_that_of_darcy_and_weisbach(rig: Rig) -> None:
    pipeline = Pipeline(rig)
    section, fluid = rig.pipeline.sections[3], rig.fluid
    speed = pipeline.nominal_flow_m3s / section.area_m2
    reynolds = fluid.density_kg_m3 * speed * section.diameter_m / fluid.viscosity_pa_s
    factor = 0.02  # Colebrook and White, by fixed-point iteration
    for _ in range(50):
        root = -2 * math.log10(section.roughness_m / section.diameter_m / 3.7 + 2.51 / reynolds / math.sqrt(factor))
        factor = root**-2
    drop_pa = factor * section.length_m / section.diameter_m * fluid.density_kg_m3 * speed**2 / 2
    rise_pa = fluid.density_kg_m3 * 9.80665 * (section.end.elevation_m - section.start.elevation_m)
    measured = pipeline.pressure_at(6000) - pipeline.pressure_at(8000)
    assert measured == pytest.approx(drop_pa + rise_pa, abs=0.02 * drop_pa)


def test_laminar_friction_is_that_of_hagen_and_poiseuille() -> None:
    diameter, length, kinematic_viscosity, flow = 0.3, 100.0, 1e-3, 0.02
    friction = Friction(
        np.array([diameter]), np.array([1e-4]), np.array([length]), kinematic_viscosity_m2_s=kinematic_viscosity
    )
    expected = 128 * kinematic_viscosity * length * flow / (math.pi * 9.80665 * diameter**4)
    assert friction.head_m(np.array([flow]))[0] == pytest.approx(expected, rel=1e-3)
    assert friction.head_m(np.array([-flow]))[0] == pytest.approx(-expected, rel=1e-3)


def test_friction_grows_steadily_through_the_transition() -> None:
    friction = Friction(np.array([0.3]), np.array([4.5e-5]), np.array([100.0]), kinematic_viscosity_m2_s=1e-5)
    losses = [friction.head_m(np.array([flow]))[0] for flow in np.linspace(0, 0.02, 400)]
    assert all(b > a for a, b in pairwise(losses))


def test_instant_closure_surges_as_joukowsky_says_and_travels_at_wave_speed(rig: Rig) -> None:
    pipeline = Pipeline(with_one_valve_at(rig, 10_000))
    section = rig.pipeline.sections[0]
    before_pa = pipeline.pressure_at(10_000, "upstream")
    far_pa = pipeline.pressure_at(4000)
    surge_pa = rig.fluid.density_kg_m3 * section.wave_speed_m_s * pipeline.nominal_flow_m3s / section.area_m2
    pipeline.valve_opening["v-101"] = 0.0
    pipeline.step()
    closed_s = pipeline.time_s
    assert pipeline.flow_at(10_000) == 0.0
    assert pipeline.pressure_at(10_000, "upstream") - before_pa == pytest.approx(surge_pa, rel=0.01)
    while pipeline.pressure_at(4000) - far_pa < surge_pa / 2:
        pipeline.step()
    assert pipeline.time_s - closed_s == pytest.approx(6000 / section.wave_speed_m_s, abs=2 * pipeline.dt_s)


def test_pressures_stay_below_the_valve_warning_when_the_isolation_valve_closes(rig: Rig) -> None:
    pipeline = Pipeline(rig)
    highest = lowest = pipeline.pressure_at(0)
    while pipeline.time_s < 120:
        pipeline.valve_opening["v-103"] = max(0.0, 1 - pipeline.time_s / 12)
        pipeline.step()
        highest = max(highest, float(pipeline.pressures_pa.max()))
        lowest = min(lowest, float(pipeline.pressures_pa.min()))
    assert pipeline.flow_at(4000) == 0.0
    assert 2.2e6 < highest < 2.6e6
    assert lowest > 1.0e6
    assert pipeline.pressure_at(4000, "upstream") > pipeline.pressure_at(4000, "downstream") + 5e5


@settings(max_examples=15, deadline=None)
@given(
    openings=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    pump_speed=st.floats(0, 1.05),
    demand=st.floats(0, 1.3),
    leak=st.tuples(st.floats(0, 10_000), st.floats(0, 0.3)),
)
def test_no_volume_is_made_or_lost(
    rig: Rig, openings: list[float], pump_speed: float, demand: float, leak: tuple[float, float]
) -> None:
    pipeline = Pipeline(rig)
    pack = pipeline.line_pack_m3
    pipeline.valve_opening = dict(zip(pipeline.valve_opening, openings, strict=True))
    pipeline.pump_speed, pipeline.demand = pump_speed, demand
    pipeline.leaks["hole"] = pipeline.leak(*leak)
    net_m3 = moved_m3 = 0.0
    for _ in range(400):
        pipeline.step()
        inflow, outflow = pipeline.flows_m3s[0, 0], pipeline.flows_m3s[1, -1]
        net_m3 += (inflow - outflow - pipeline.leak_flow_m3s) * pipeline.dt_s
        moved_m3 += (inflow + outflow) * pipeline.dt_s
    assert np.isfinite(pipeline.pressures_pa).all()
    assert pipeline.line_pack_m3 - pack == pytest.approx(net_m3, abs=1e-9 * (1 + moved_m3))


@pytest.mark.parametrize("position_m", [100.0, 4000.0, 4500.0, 9990.0])
def test_leak_loses_its_share_of_the_nominal_flow(rig: Rig, position_m: float) -> None:
    pipeline = Pipeline(rig)
    pipeline.leaks["hole"] = pipeline.leak(position_m, 0.05)
    run(pipeline, 300)
    assert pipeline.leak_flow_m3s == pytest.approx(0.05 * pipeline.nominal_flow_m3s, rel=0.03)
    assert pipeline.flow_at(0) - pipeline.flow_at(10_000) == pytest.approx(pipeline.leak_flow_m3s, rel=1e-3)
    del pipeline.leaks["hole"]
    run(pipeline, 300)
    assert pipeline.flow_at(0) == pytest.approx(pipeline.nominal_flow_m3s, rel=1e-3)


def test_leak_lies_between_the_meters_of_its_section(rig: Rig) -> None:
    pipeline = Pipeline(rig)
    pipeline.leaks["hole"] = pipeline.leak(4000, 0.1)
    run(pipeline, 300)
    lost = pipeline.leak_flow_m3s
    assert pipeline.flow_at(2000) - pipeline.flow_at(4000) == pytest.approx(0, abs=0.01 * lost)
    assert pipeline.flow_at(4000) - pipeline.flow_at(6000) == pytest.approx(lost, rel=0.01)


def test_demand_and_pump_speed_move_the_flow(rig: Rig) -> None:
    pipeline = Pipeline(rig)
    pipeline.demand = 0.8
    run(pipeline, 300)
    less = pipeline.flow_at(10_000)
    assert less < 0.95 * pipeline.nominal_flow_m3s
    pipeline.pump_speed = 0.95
    run(pipeline, 300)
    assert pipeline.flow_at(10_000) < less
    pipeline.pump_speed = 0.0
    run(pipeline, 300)
    assert pipeline.flow_at(0) == 0.0


def test_sections_of_odd_lengths_share_one_time_step(rig: Rig) -> None:
    sections = rig.pipeline.sections
    odd = (sections[0].model_copy(update={"length_m": 1730.0, "diameter_m": 0.4}), *sections[1:3])
    odd = (*odd, sections[3].model_copy(update={"length_m": 610.0, "wave_speed_m_s": 950.0}))
    other = rig.model_copy(update={"pipeline": rig.pipeline.model_copy(update={"sections": odd})})
    pipeline = Pipeline(other)
    assert pipeline.wave_speed_change < 0.05
    first = pipeline.pressures_pa.copy()
    run(pipeline, 30)
    assert np.abs(pipeline.pressures_pa - first).max() < 0.01


def test_a_line_that_cannot_run_is_refused_in_words(rig: Rig) -> None:
    with pytest.raises(ValueError, match="outlet pressure is too low"):
        Pipeline(rig, HydraulicSettings(outlet_pressure_pa=-2e5))
    with pytest.raises(ValueError, match="finer reaches"):
        Pipeline(rig.model_copy(update={"fluid": Fluid(name="bitumen", density_kg_m3=1000, viscosity_pa_s=200)}))
